//! What an object that came back is, beside what its definition in the backup says.
//!
//! Pure. Between servers of one family and major version every difference counts; another server
//! writes the same thing in other words, so there only what changes a meaning does: the type, the
//! collation, the default and the comment of a column, a key, whether an event runs.

use std::collections::BTreeMap;

use crate::artifact::{Kind, Member};
use crate::source::contract::Change;
use crate::source::mysql::definition::{self, cut, elements_of, without};
use crate::source::mysql::event::{SwitchedOff, switched_off};
use crate::source::mysql::words::{Token, Words};

/// How two definitions are compared.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Whether both servers are of one family and major version.
    pub same: bool,
    /// Whether keys of the table were refused, and are listed.
    pub without_keys: bool,
    /// Whether events were made switched off.
    pub events_off: bool,
}

/// What of a definition is another now; both without what servers write anew.
pub fn changes(member: &Member, was: &str, now: &str, terms: Terms) -> Vec<Change> {
    let (was, now) = (settled(member, was, terms), settled(member, now, terms));
    if was == now {
        return Vec::new();
    }
    if member.kind == Kind::Table
        && let (Some(was), Some(now)) = (elements_of(&was), elements_of(&now))
    {
        return of_table(&was, &now, terms);
    }
    if member.kind == Kind::Event && !terms.same {
        let runs = |text: &str| matches!(switched_off(text), SwitchedOff::Now(_));
        if runs(&was) != runs(&now) {
            return vec![grave("it is switched off".into())];
        }
    }
    vec![Change::between(&was, &now, terms.same)]
}

fn grave(found: String) -> Change {
    Change { found, grave: true }
}

/// The text without what was refused or told already, and without what moves by itself.
fn settled(member: &Member, text: &str, terms: Terms) -> String {
    let mut text = text.trim_end_matches([';', '\n', ' ']).to_owned();
    match member.kind {
        Kind::Table => {
            for clause in ["TABLESPACE", "SRID"] {
                text = without(&text, clause).unwrap_or(text);
            }
            if terms.without_keys {
                text = cut(&text).map_or(text, |cut| cut.create);
            }
            // Partitions by time are added as time goes by.
            if let Some(at) = text.find(" PARTITION BY SYSTEM_TIME ") {
                text.truncate(at);
            }
        }
        // Its state is a number that moves.
        Kind::Sequence => {
            if let Some(at) = text.find("\nDO SETVAL(") {
                text.truncate(at);
            }
        }
        Kind::Event if terms.events_off => {
            if let SwitchedOff::Now(off) = switched_off(&text) {
                text = off;
            }
        }
        _ => {}
    }
    if member.kind == Kind::Table {
        return definition::settled(text.trim_end());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(" ;", ";").trim_end_matches(';').to_owned()
}

/// Columns and keys by name, and what follows them.
type Elements = (Vec<String>, String);

fn of_table(was: &Elements, now: &Elements, terms: Terms) -> Vec<Change> {
    let (old, new) = (by_name(&was.0), by_name(&now.0));
    let mut changes = Vec::new();
    for (name, was_text) in &old {
        match new.get(name) {
            None => changes.push(grave(format!("{name} is gone"))),
            Some(now_text) if now_text == was_text => {}
            // MySQL says the character set of a collation, or does not.
            Some(now_text) if terms.same && bare(was_text) == bare(now_text) => {
                let found = collations_differ(&Column::of(was_text), &Column::of(now_text));
                changes.extend(found.map(|found| grave(format!("the {found}, of {name}"))));
            }
            Some(now_text) if terms.same => {
                changes.push(grave(format!("{name} was `{was_text}`, and is `{now_text}`")));
            }
            Some(now_text) => changes.extend(of_element(name, was_text, now_text)),
        }
    }
    for name in new.keys().filter(|name| terms.same && !old.contains_key(*name)) {
        changes.push(grave(format!("{name} is new")));
    }
    if was.1 != now.1 {
        let (old, new) = (Column::of(&was.1), Column::of(&now.1));
        let other = collations_differ(&old, &new);
        match other {
            Some(found) if !terms.same => changes.push(grave(format!("its {found}"))),
            _ => changes.push(Change::between(&was.1, &now.1, terms.same)),
        }
    }
    changes
}

/// Elements by what they are called: a column by its name, a key by its kind and name.
fn by_name(elements: &[String]) -> BTreeMap<String, String> {
    let name = |text: &str| {
        let head = text.find('`').unwrap_or(0);
        let mut words = Words::new(&text[head..]);
        let own = words.name().unwrap_or_default();
        match text[..head].trim() {
            "" => format!("column {own}"),
            "CONSTRAINT" => format!("constraint {own}"),
            "PRIMARY KEY (" => "the primary key".to_owned(),
            _ => format!("key {own}"),
        }
    };
    elements.iter().map(|e| (name(e.trim()), e.trim().to_owned())).collect()
}

/// A text without the character sets and collations in it.
fn bare(text: &str) -> Vec<String> {
    let (mut words, mut all) = (Words::new(text), Vec::new());
    while let Some(token) = words.next() {
        let is = |other: &str| matches!(token, Token::Word(w) if w.eq_ignore_ascii_case(other));
        if is("COLLATE") || (is("CHARACTER") && words.eat("SET")) {
            words.next();
        } else {
            all.push(format!("{token:?}"));
        }
    }
    all
}

/// What of a column means something, in words of any server.
#[derive(Debug, Default, PartialEq, Eq)]
struct Column {
    form: String,
    charset: Option<String>,
    collation: Option<String>,
    default: Option<String>,
    comment: Option<String>,
}

impl Column {
    fn of(text: &str) -> Column {
        let mut column = Column::default();
        let mut words = Words::new(text);
        if text.starts_with('`') {
            words.next();
            column.form =
                words.name().map(|form| synonym(&form.to_lowercase())).unwrap_or_default();
        }
        while let Some(token) = words.next() {
            let Token::Word(word) = token else { continue };
            let value = |words: &mut Words<'_>| {
                words.mark('=');
                words.name().map(|name| name.to_lowercase().replacen("utf8_", "utf8mb3_", 1))
            };
            match word.to_ascii_uppercase().as_str() {
                "COLLATE" => column.collation = value(&mut words),
                "CHARSET" => column.charset = value(&mut words),
                "CHARACTER" if words.eat("SET") => column.charset = value(&mut words),
                "COMMENT" => {
                    words.mark('=');
                    column.comment = match words.next() {
                        Some(Token::Quoted(_, text)) => Some(text),
                        _ => None,
                    };
                }
                "DEFAULT" if !text.starts_with(')') => column.default = default(&mut words),
                _ => {}
            }
        }
        if column.charset.as_deref() == Some("utf8") {
            column.charset = Some("utf8mb3".into());
        }
        column
    }
}

/// A default in words that every server would understand as the same.
fn default(words: &mut Words<'_>) -> Option<String> {
    match words.next()? {
        Token::Quoted('\'', text) => Some(text),
        Token::Word(word) if word.eq_ignore_ascii_case("NULL") => None,
        Token::Word(word) => Some(word.to_lowercase().replace("now", "current_timestamp")),
        Token::Mark('-') => words.name().map(|number| format!("-{number}")),
        _ => Some("an expression".into()),
    }
}

/// Types that are one.
fn synonym(form: &str) -> String {
    match form {
        // MariaDB keeps JSON as text.
        "json" => "longtext",
        "geomcollection" => "geometrycollection",
        other => other,
    }
    .to_owned()
}

fn collations_differ(was: &Column, now: &Column) -> Option<String> {
    match (&was.collation, &now.collation) {
        (Some(was), Some(now)) if was != now => {
            return Some(format!("collation was {was}, and is {now}"));
        }
        _ => {}
    }
    match (&was.charset, &now.charset) {
        (Some(was), Some(now)) if was != now => {
            Some(format!("character set was {was}, and is {now}"))
        }
        _ => None,
    }
}

/// What of a column or key is another on another server.
fn of_element(name: &str, was_text: &str, now_text: &str) -> Vec<Change> {
    if !name.starts_with("column ") {
        return vec![Change::between(was_text, now_text, false)];
    }
    let (was, now) = (Column::of(was_text), Column::of(now_text));
    let mut changes = Vec::new();
    if was.form != now.form {
        changes.push(grave(format!("the type of {name} was {}, and is {}", was.form, now.form)));
    }
    if let Some(found) = collations_differ(&was, &now) {
        changes.push(grave(format!("the {found}, of {name}")));
    }
    if was.default != now.default {
        let shown = |d: &Option<String>| d.clone().unwrap_or_else(|| "none".into());
        let (was, now) = (shown(&was.default), shown(&now.default));
        changes.push(grave(format!("the default of {name} was {was}, and is {now}")));
    }
    if was.comment != now.comment {
        changes.push(grave(format!("the comment of {name} is another")));
    }
    if changes.is_empty() {
        changes.push(Change::between(was_text, now_text, false));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Phase;

    const SAME: Terms = Terms { same: true, without_keys: false, events_off: false };
    const OTHER: Terms = Terms { same: false, ..SAME };

    fn table(elements: &str, tail: &str) -> String {
        format!("CREATE TABLE `t` (\n{elements}\n) ENGINE=InnoDB {tail}")
    }

    /// Whether two definitions mean the same, and what is found.
    fn judged(kind: Kind, was: &str, now: &str, terms: Terms) -> Vec<(bool, String)> {
        let member = Member::new("shop", "t", kind, Phase::Before);
        changes(&member, was, now, terms).into_iter().map(|c| (c.grave, c.found)).collect()
    }

    #[test]
    fn on_the_same_server_every_difference_counts_and_is_named() {
        let was = table(
            "  `a` int NOT NULL DEFAULT '1' COMMENT 'x, y',\n  `b` int,\n  KEY `k` (`a`)",
            "DEFAULT CHARSET=utf8mb4",
        );
        assert_eq!(judged(Kind::Table, &was, &format!("{was};\n"), SAME), []);
        for (from, to, found) in [
            ("COMMENT 'x, y'", "", "column a was"),
            ("  `b` int,\n", "", "column b is gone"),
            ("KEY `k`", "KEY `l`", "key k is gone"),
            ("utf8mb4", "latin1", "latin1"),
            ("`b` int", "`b` bigint", "column b was `"),
        ] {
            let found_all = judged(Kind::Table, &was, &was.replacen(from, to, 1), SAME);
            assert!(
                found_all.iter().any(|(grave, f)| *grave && f.contains(found)),
                "{found_all:?}"
            );
        }
        // Refused keys are listed already, and a tablespace is told.
        let told = was.replace(",\n  KEY `k` (`a`)", "");
        assert_eq!(judged(Kind::Table, &was, &told, Terms { without_keys: true, ..SAME }), []);
        let spaced = was.replace("ENGINE=", "/*!50100 TABLESPACE `s` */ ENGINE=");
        assert_eq!(judged(Kind::Table, &spaced, &was, SAME), []);
        let state = "CREATE SEQUENCE `t` start with 1;\nDO SETVAL(`t`, 5, 0, 0);";
        assert_eq!(judged(Kind::Sequence, state, &state.replace(", 5,", ", 9,"), SAME), []);
        let event =
            "CREATE EVENT `t` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE DO SELECT 1";
        let off = event.replace("ENABLE", "DISABLE");
        assert_eq!(judged(Kind::Event, event, &off, SAME).len(), 1);
        assert_eq!(judged(Kind::Event, event, &off, OTHER), [(true, "it is switched off".into())]);
        assert_eq!(judged(Kind::Event, event, &off, Terms { events_off: true, ..SAME }), []);
    }

    #[test]
    fn on_another_server_words_may_differ_and_meanings_may_not() {
        let was = table(
            "  `a` int NOT NULL DEFAULT '1',\n  `j` json DEFAULT NULL,\n  `t` varchar(9) COLLATE utf8mb4_bin DEFAULT 'x' COMMENT 'c',\n  `d` datetime DEFAULT CURRENT_TIMESTAMP",
            "DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci",
        );
        let now = was
            .replace("int NOT NULL DEFAULT '1'", "int(11) NOT NULL DEFAULT 1")
            .replace("json DEFAULT NULL", "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`))")
            .replace("CURRENT_TIMESTAMP", "current_timestamp()");
        let found = judged(Kind::Table, &was, &now, OTHER);
        assert!(!found.is_empty() && found.iter().all(|(grave, _)| !grave), "{found:?}");
        for (from, to, expected) in [
            (
                "varchar(9) COLLATE utf8mb4_bin",
                "varchar(9) COLLATE utf8mb4_general_ci",
                "the collation was utf8mb4_bin, and is utf8mb4_general_ci, of column t",
            ),
            (" DEFAULT 'x'", "", "the default of column t was x, and is none"),
            (" COMMENT 'c'", "", "the comment of column t is another"),
            ("varchar(9)", "text", "the type of column t was varchar, and is text"),
            (
                "utf8mb4_unicode_ci",
                "utf8mb4_uca1400_ai_ci",
                "its collation was utf8mb4_unicode_ci, and is utf8mb4_uca1400_ai_ci",
            ),
        ] {
            let found = judged(Kind::Table, &was, &now.replacen(from, to, 1), OTHER);
            assert!(found.contains(&(true, expected.into())), "{found:?}");
        }
        let view =
            judged(Kind::View, "CREATE VIEW `t` AS select 1", "CREATE VIEW `t` AS select 2", OTHER);
        assert_eq!(view.iter().map(|(grave, _)| *grave).collect::<Vec<_>>(), [false]);
    }
}
