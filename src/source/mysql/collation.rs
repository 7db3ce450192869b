//! Collations that become others in definitions, where a restore is told to.
//!
//! Which collations a server has, it says itself. What MySQL calls `…_0900_…` MariaDB has by itself
//! since 11.4.5 for most languages (MDEV-20912), and since 10.10 as `uca1400` (MDEV-27009); both are
//! NO PAD, as `nopad` is. Languages are those of the tailorings that either names: *Unicode
//! Character Sets* in the manual of MySQL, *Supported Character Sets and Collations* in MariaDB's.
//! Names are replaced after their word, outside of quotes, never in a literal.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::definition::quoted_length;
use crate::source::mysql::fault::wrap;

/// Languages of MySQL's collations, and MariaDB's tailoring for them; none where the root serves.
const LANGUAGES: [(&str, &str); 31] = [
    ("", ""),
    ("bg_", ""),
    ("bs_", "croatian_"),
    ("cs_", "czech_"),
    ("da_", "danish_"),
    ("de_pb_", "german2_"),
    ("eo_", "esperanto_"),
    ("es_", "spanish_"),
    ("es_trad_", "spanish2_"),
    ("et_", "estonian_"),
    ("gl_", "spanish_"),
    ("hr_", "croatian_"),
    ("hu_", "hungarian_"),
    ("is_", "icelandic_"),
    ("ja_", ""),
    ("la_", "roman_"),
    ("lt_", "lithuanian_"),
    ("lv_", "latvian_"),
    ("mn_cyrl_", ""),
    ("nb_", "danish_"),
    ("nn_", "danish_"),
    ("pl_", "polish_"),
    ("ro_", "romanian_"),
    ("ru_", ""),
    ("sk_", "slovak_"),
    ("sl_", "slovenian_"),
    ("sr_latn_", "croatian_"),
    ("sv_", "swedish_"),
    ("tr_", "turkish_"),
    ("vi_", "vietnamese_"),
    ("zh_", ""),
];

/// How they compare, and what an older MariaDB has for that.
const STRENGTHS: [(&str, &str, &str); 4] = [
    ("ai_ci", "ai_ci", "utf8mb4_unicode_520_nopad_ci"),
    ("as_ci", "as_ci", "utf8mb4_unicode_520_nopad_ci"),
    ("as_cs", "as_cs", "utf8mb4_nopad_bin"),
    ("as_cs_ks", "as_cs", "utf8mb4_nopad_bin"),
];

/// Parts names of which the first that a server knows is taken.
const OR: char = '|';

/// What MySQL 8 and later have and a MariaDB may lack.
pub fn ready() -> Vec<(String, String)> {
    let mut all = vec![("utf8mb4_0900_bin".to_owned(), "utf8mb4_nopad_bin|utf8mb4_bin".to_owned())];
    for (own, theirs) in LANGUAGES {
        for (strength, same, old) in STRENGTHS {
            let name = format!("utf8mb4_{own}0900_{strength}");
            let new = format!("utf8mb4_uca1400_{theirs}nopad_{same}|{old}");
            all.push((name, new));
        }
    }
    all
}

/// Collations that become others on one server: those that it lacks.
#[derive(Debug, Clone, Default)]
pub struct Collations {
    /// The new name of each.
    names: BTreeMap<String, String>,
    /// In how many definitions each became another.
    counts: BTreeMap<String, u64>,
}

impl Collations {
    /// Asks a server which of the new names it knows.
    pub fn of(connection: &mut Conn, wanted: &[(String, String)]) -> Result<Collations> {
        let doing = "ask the server for its collations";
        let mut found = BTreeMap::new();
        for (old, new) in wanted {
            if knows(connection, old).map_err(|e| wrap(doing, e))? {
                continue;
            }
            let mut known = None;
            for name in new.split(OR) {
                if knows(connection, name).map_err(|e| wrap(doing, e))? {
                    known = Some(name);
                    break;
                }
            }
            let Some(known) = known else {
                let text = format!("the server does not know the collation {new}");
                let error = Error::new(ErrorKind::Refused, format!("map {old}"), text);
                return Err(error.hint("SHOW COLLATION lists those that it knows."));
            };
            found.insert(old.to_lowercase(), known.to_owned());
        }
        Ok(Collations { names: found, counts: BTreeMap::new() })
    }

    /// A definition with the other names, which is counted.
    pub fn apply<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        let (text, changed) = self.changed(text);
        for old in changed {
            *self.counts.entry(old).or_default() += 1;
        }
        text
    }

    /// What became of definitions, for the user to know.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        self.counts.iter().filter_map(|(old, count)| {
            let new = self.names.get(old)?;
            Some(format!("the collation {old} became {new} in {count} definitions"))
        })
    }

    /// A definition with the other names, and the old ones.
    pub fn changed<'t>(&self, text: &'t str) -> (Cow<'t, str>, BTreeSet<String>) {
        let (mut out, mut copied, mut changed) = (String::new(), 0, BTreeSet::new());
        if self.names.is_empty() {
            return (text.into(), changed);
        }
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            match rest.as_bytes()[0] {
                // Such a comment is code.
                b'/' if rest.starts_with("/*!") || rest.starts_with("/*M!") => at += 3,
                b'`' | b'\'' | b'"' | b'/' => match quoted_length(rest) {
                    Some(length) => at += length,
                    None => break,
                },
                byte if is_letter(byte) => {
                    let word = word(rest);
                    at += word.len();
                    let names = ["collate", "collation_connection"];
                    if !names.iter().any(|own| word.eq_ignore_ascii_case(own)) {
                        continue;
                    }
                    let from = at + text[at..].bytes().take_while(|b| b" =".contains(b)).count();
                    let name = text.get(from..).map_or("", self::word);
                    let old = name.to_lowercase();
                    if let Some(new) = self.names.get(&old) {
                        out.push_str(&text[copied..from]);
                        out.push_str(new);
                        (at, copied) = (from + name.len(), from + name.len());
                        changed.insert(old);
                    }
                }
                _ => at += rest.chars().next().map_or(1, char::len_utf8),
            }
        }
        if changed.is_empty() {
            return (text.into(), changed);
        }
        out.push_str(&text[copied..]);
        (out.into(), changed)
    }
}

/// Whether a server has a collation, of whatever character set.
fn knows(connection: &mut Conn, name: &str) -> std::result::Result<bool, mysql::Error> {
    if name.is_empty() || !name.bytes().all(is_letter) {
        return Ok(false);
    }
    match connection.query_drop(format!("SELECT '' COLLATE {name}")) {
        // One of another character set.
        Err(mysql::Error::MySqlError(e)) if e.code == 1253 => Ok(true),
        Err(mysql::Error::MySqlError(e)) if e.code == 1273 => Ok(false),
        other => other.map(|()| true),
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// The word that a text begins with.
fn word(text: &str) -> &str {
    let end = text.bytes().position(|b| !is_letter(b)).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Collations {
        let names = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Collations { names, counts: BTreeMap::new() }
    }

    #[test]
    fn only_names_after_their_word_are_changed_and_none_in_quotes() {
        let map = map(&[("a_ci", "b_ci")]);
        for (text, expected, changes) in [
            (
                "CREATE TABLE `COLLATE a_ci` (\n `x` text COLLATE a_ci COMMENT 'COLLATE a_ci'\n) CHARSET=utf8mb4 COLLATE=a_ci",
                "CREATE TABLE `COLLATE a_ci` (\n `x` text COLLATE b_ci COMMENT 'COLLATE a_ci'\n) CHARSET=utf8mb4 COLLATE=b_ci",
                true,
            ),
            (
                "CREATE DATABASE `d` /*!40100 COLLATE a_ci */",
                "CREATE DATABASE `d` /*!40100 COLLATE b_ci */",
                true,
            ),
            (
                "SET character_set_client=x, collation_connection=A_CI",
                "SET character_set_client=x, collation_connection=b_ci",
                true,
            ),
            (
                "select _utf8mb4'a_ci' collate a_ci, a_ci",
                "select _utf8mb4'a_ci' collate b_ci, a_ci",
                true,
            ),
            (
                "COLLATE a_ci_x /* COLLATE a_ci */ é \"COLLATE a_ci\"",
                "COLLATE a_ci_x /* COLLATE a_ci */ é \"COLLATE a_ci\"",
                false,
            ),
            ("COLLATE", "COLLATE", false),
        ] {
            let (found, changed) = map.changed(text);
            assert_eq!((found.as_ref(), !changed.is_empty()), (expected, changes));
        }
        let mut map = map;
        drop(map.apply("COLLATE a_ci, COLLATE=a_ci"));
        drop(map.apply("nothing"));
        let told: Vec<String> = map.remarks().collect();
        assert_eq!(told, ["the collation a_ci became b_ci in 1 definitions"]);
    }
}
