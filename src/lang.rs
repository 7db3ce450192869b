//! Sentences by key, in pt-BR and English; durations and sizes as people of that language read
//! them.
//!
//! Does not know who reads. A test holds that both languages have the same keys and the same parts.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use kdl::KdlDocument;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// Brazilian Portuguese.
    PtBr,
    /// English.
    En,
}

type Texts = BTreeMap<String, String>;

impl Lang {
    /// The language called `name`; pt-BR where nothing is said.
    pub fn named(name: Option<&str>) -> Lang {
        match name {
            Some("en") => Lang::En,
            Some(_) | None => Lang::PtBr,
        }
    }

    fn texts(self) -> &'static Texts {
        static PT_BR: OnceLock<Texts> = OnceLock::new();
        static EN: OnceLock<Texts> = OnceLock::new();
        match self {
            Lang::PtBr => PT_BR.get_or_init(|| {
                let mut texts = read(include_str!("../templates/text/pt-BR.kdl"));
                texts.extend(read(include_str!("../templates/text/pages.pt-BR.kdl")));
                texts.extend(read(include_str!("../templates/text/console.pt-BR.kdl")));
                texts
            }),
            Lang::En => EN.get_or_init(|| {
                let mut texts = read(include_str!("../templates/text/en.kdl"));
                texts.extend(read(include_str!("../templates/text/pages.en.kdl")));
                texts.extend(read(include_str!("../templates/text/console.en.kdl")));
                texts
            }),
        }
    }

    /// The sentence of `key`, its parts filled in.
    pub fn say(self, key: &str, parts: &[(&str, &str)]) -> String {
        let text = self.texts().get(key).unwrap_or_else(|| panic!("BUG: no text called {key}"));
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out += before;
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            out += parts.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value);
            rest = tail;
        }
        out + rest
    }

    /// The sentence of a key that may be none; without parts.
    pub fn known(self, key: &str) -> Option<String> {
        self.texts().get(key).cloned()
    }

    /// The sentence of `key` for `n` things, `{key}-one` for one of them; `{n}` is filled in.
    pub fn count(self, key: &str, n: usize, parts: &[(&str, &str)]) -> String {
        let text = n.to_string();
        let mut all = vec![("n", text.as_str())];
        all.extend_from_slice(parts);
        if n == 1 { self.say(&format!("{key}-one"), &all) } else { self.say(key, &all) }
    }

    /// Its code, as in `lang` of a page.
    pub fn code(self) -> &'static str {
        match self {
            Lang::PtBr => "pt-BR",
            Lang::En => "en",
        }
    }

    /// `1 minuto 23 segundos`.
    pub fn duration(self, seconds: i64) -> String {
        let seconds = seconds.max(0);
        let units = [
            (seconds / 3600, "duration-hour", "duration-hours"),
            (seconds / 60 % 60, "duration-minute", "duration-minutes"),
            (seconds % 60, "duration-second", "duration-seconds"),
        ];
        let shown = units.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| {
            self.say(if *n == 1 { one } else { many }, &[("n", &n.to_string())])
        });
        let text = shown.collect::<Vec<_>>().join(" ");
        if text.is_empty() { self.say("duration-seconds", &[("n", "0")]) } else { text }
    }
}

fn read(text: &str) -> Texts {
    let document = KdlDocument::parse(text).expect("BUG: a text file that is not KDL");
    let pair = |node: &kdl::KdlNode| {
        Some((node.name().value().to_owned(), node.get(0)?.as_string()?.to_owned()))
    };
    document.nodes().iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_keys_and_parts() {
        let parts = |text: &str| -> Vec<String> {
            let mut found: Vec<String> =
                text.split('{').skip(1).map(|p| p.split('}').next().unwrap().to_owned()).collect();
            found.sort();
            found
        };
        let shape = |lang: Lang| -> Vec<(String, Vec<String>)> {
            lang.texts().iter().map(|(key, text)| (key.clone(), parts(text))).collect()
        };
        assert_eq!(shape(Lang::PtBr), shape(Lang::En));
    }

    #[test]
    fn every_level_of_a_proof_has_its_words() {
        for level in ["written", "hashed", "read", "validated", "restored", "damaged", "none"] {
            assert!(Lang::En.known(&format!("proof-{level}")).is_some(), "{level}");
        }
    }

    #[test]
    fn durations_have_plurals_and_a_value_is_never_a_template() {
        assert_eq!(Lang::PtBr.duration(83), "1 minuto 23 segundos");
        assert_eq!(Lang::PtBr.duration(3601), "1 hora 1 segundo");
        assert_eq!(Lang::En.duration(0), "0 seconds");
        assert_eq!(Lang::En.say("letter-job", &[("job", "{host}")]), "Job: {host}");
    }
}
