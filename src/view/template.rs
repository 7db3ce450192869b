//! Templates become text: one environment a language, the templates compiled in.
//!
//! Knows no page's content. Invariants: every page is escaped (its name ends in `.html`); every
//! word comes from `templates/text/` by its key; what is not escaped again (`|safe`) was made by
//! `svg`.

use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State};
use serde::Serialize;

use crate::lang::Lang;
use crate::view::address::{Address, Base};
use crate::view::svg;

/// Every template, by its name.
const TEMPLATES: [(&str, &str); 18] = [
    ("404.html", include_str!("../../templates/html/404.html")),
    ("ask.html", include_str!("../../templates/html/ask.html")),
    ("audit.html", include_str!("../../templates/html/audit.html")),
    ("backup.html", include_str!("../../templates/html/backup.html")),
    ("backups.html", include_str!("../../templates/html/backups.html")),
    ("base.html", include_str!("../../templates/html/base.html")),
    ("dashboard.html", include_str!("../../templates/html/dashboard.html")),
    ("drills.html", include_str!("../../templates/html/drills.html")),
    ("empty.html", include_str!("../../templates/html/empty.html")),
    ("login.html", include_str!("../../templates/html/login.html")),
    ("macros.html", include_str!("../../templates/html/macros.html")),
    ("month.html", include_str!("../../templates/html/month.html")),
    ("run.html", include_str!("../../templates/html/run.html")),
    ("runs.html", include_str!("../../templates/html/runs.html")),
    ("sources.html", include_str!("../../templates/html/sources.html")),
    ("sprite.html", include_str!("../../templates/html/sprite.html")),
    ("user.html", include_str!("../../templates/html/user.html")),
    ("users.html", include_str!("../../templates/html/users.html")),
];

/// The letter that is a page.
const PAGE: &str = "letter.html";

/// What goes out to people, by its name. A letter that is no page is not escaped; of JSON every value
/// is written by the filter `json`.
const LETTERS: [(&str, &str); 8] = [
    ("discord.json", include_str!("../../templates/webhook/discord.json")),
    ("gotify.json", include_str!("../../templates/webhook/gotify.json")),
    ("ntfy.json", include_str!("../../templates/webhook/ntfy.json")),
    ("slack.json", include_str!("../../templates/webhook/slack.json")),
    ("teams.json", include_str!("../../templates/webhook/teams.json")),
    ("telegram.json", include_str!("../../templates/webhook/telegram.json")),
    (PAGE, include_str!("../../templates/mail/letter.html")),
    ("letter.txt", include_str!("../../templates/mail/letter.txt")),
];

/// A letter as HTML.
pub fn letter_html<P: Serialize>(lang: Lang, letter: &P) -> String {
    bare(lang, PAGE, letter)
}

/// A letter as plain text.
pub fn letter_text<P: Serialize>(lang: Lang, letter: &P) -> String {
    bare(lang, "letter.txt", letter)
}

/// A message as JSON.
pub fn chat<P: Serialize>(name: &str, model: &P) -> String {
    bare(Lang::En, name, model)
}

/// A template without a frame, as it is written.
fn bare<P: Serialize>(lang: Lang, name: &str, model: &P) -> String {
    let template = environment(lang).get_template(name).expect("BUG: a text without a template");
    let context = minijinja::context! { p => Value::from(Serde(model)) };
    template.render(context).unwrap_or_else(|e| panic!("BUG: {name}: {e:#}"))
}

/// A page as HTML: the template `name` with its frame (`f`) and its model (`p`).
pub fn render<F: Serialize, P: Serialize>(lang: Lang, name: &str, frame: &F, page: &P) -> String {
    let environment = environment(lang);
    let context = minijinja::context! {
        f => Value::from(Serde(frame)), p => Value::from(Serde(page)),
    };
    let template = environment.get_template(name).expect("BUG: a page without a template");
    let text = template.render(context).unwrap_or_else(|e| panic!("BUG: {name}: {e:#}"));
    let lines = text.lines().map(str::trim_end).filter(|line| !line.trim_start().is_empty());
    let mut out = String::with_capacity(text.len());
    for line in lines {
        out += line;
        out.push('\n');
    }
    out
}

fn environment(lang: Lang) -> &'static Environment<'static> {
    static PT_BR: OnceLock<Environment<'static>> = OnceLock::new();
    static EN: OnceLock<Environment<'static>> = OnceLock::new();
    match lang {
        Lang::PtBr => PT_BR.get_or_init(|| build(Lang::PtBr)),
        Lang::En => EN.get_or_init(|| build(Lang::En)),
    }
}

fn build(lang: Lang) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("BUG: the default syntax"),
    );
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| {
        match LETTERS.iter().any(|(own, _)| *own == name) {
            true if name != PAGE => AutoEscape::None,
            true | false => AutoEscape::Html,
        }
    });
    environment.add_filter("json", |value: Value| serde_json::to_string(&value).map_err(unwritten));
    for (name, text) in TEMPLATES.into_iter().chain(LETTERS) {
        environment.add_template(name, text).unwrap_or_else(|e| panic!("BUG: {name}: {e:#}"));
    }
    environment.add_function("t", move |key: &str, parts: Kwargs| -> Result<String, Error> {
        let mut filled = Vec::new();
        for name in parts.args() {
            filled.push((name, parts.get::<Value>(name)?.to_string()));
        }
        let filled: Vec<(&str, &str)> = filled.iter().map(|(n, v)| (*n, v.as_str())).collect();
        Ok(lang.say(key, &filled))
    });
    environment.add_function("icon", |name: &str, class: Option<&str>| {
        Value::from_safe_string(svg::icon(name, class.unwrap_or("i")))
    });
    environment.add_function("to", |state: &State, name: &str| -> Result<String, Error> {
        let depth = state.lookup("f").ok_or_else(|| missing("f"))?.get_attr("depth")?;
        let base = match depth.is_none() {
            true => Base::Server,
            false => Base::Folder(usize::try_from(depth)?),
        };
        let address = Address::named(name).ok_or_else(|| missing(name))?;
        Ok(base.to(&address))
    });
    environment
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::BadSerialization, error.to_string())
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedError, format!("nothing is called {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_of_an_escaped_kind_and_every_key_exists() {
        for (name, text) in TEMPLATES.into_iter().chain(LETTERS) {
            let plain = name == "letter.txt";
            let is_json = name.ends_with(".json");
            let bare =
                |part: &&str| !part.contains("|json }}") && !part.contains("p.color_number }}");
            let bare = text.split("{{").skip(1).filter(bare).count();
            assert!(!is_json || bare == 0, "{name}: a value that is not written as JSON");
            assert!(plain || is_json || name.ends_with(".html"), "{name} would not be escaped");
            for key in text.split("t(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                // `to("` and `import "` are no keys.
                if text.contains(&format!(" t(\"{key}\""))
                    || text.contains(&format!("(t(\"{key}\""))
                {
                    for lang in [Lang::PtBr, Lang::En] {
                        assert!(!lang.say(key, &[]).is_empty(), "{name}: {key}");
                    }
                }
            }
        }
    }
}
