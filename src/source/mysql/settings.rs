//! Settings of a session that an archive may give: those that entries of vex and scripts of dump
//! programs carry, of this session only, and with values that are no more than values.
//!
//! Pure. No mode is taken that changes where a literal or a name ends, but of a routine, trigger or
//! event: it has the mode it was made under.

use crate::artifact::Kind;
use crate::source::mysql::words::{Token, Words};

/// What entries of vex set.
const OWN: [&str; 7] = [
    "sql_mode",
    "time_zone",
    "foreign_key_checks",
    "unique_checks",
    "character_set_client",
    "collation_connection",
    "system_versioning_insert_history",
];

/// What dump programs set besides.
const OF_PROGRAMS: [&str; 6] = [
    "character_set_results",
    "sql_notes",
    "note_verbosity",
    "autocommit",
    "information_schema_stats_expiry",
    "sql_quote_show_create",
];

/// Modes that leave quotes and backslashes what they are.
const MODES: [&str; 5] = [
    "NO_AUTO_VALUE_ON_ZERO",
    "ALLOW_INVALID_DATES",
    "NO_ENGINE_SUBSTITUTION",
    "STRICT_TRANS_TABLES",
    "NO_AUTO_CREATE_USER",
];

/// Character sets of clients in which the second byte of a letter may be a quote or a backslash.
const DOUBTFUL: [&str; 5] = ["big5", "cp932", "gb18030", "gbk", "sjis"];

/// Why a setting is not taken, of what follows SET; nothing if it is.
pub fn objection(kind: Kind, mut words: Words<'_>) -> Option<String> {
    if words.eat("NAMES") {
        let charset = words.name().unwrap_or_default().to_lowercase();
        let is_plain = ["utf8mb4", "utf8", "utf8mb3", "binary", "latin1", "ascii"];
        let fits = is_plain.contains(&charset.as_str()) && end(words);
        return (!fits).then(|| format!("it sets the character set {charset}"));
    }
    loop {
        let name = match variable(&mut words) {
            Some(name) => name,
            None => return Some("it sets what is not of its session".into()),
        };
        let is_saved = name.starts_with('@');
        let known = OWN.contains(&name.as_str())
            || (kind == Kind::Script && (is_saved || OF_PROGRAMS.contains(&name.as_str())));
        if !known || !words.mark('=') {
            return Some(format!("it sets {name}"));
        }
        let value = value(&mut words, kind == Kind::Script);
        let fits = value.as_ref().is_some_and(|value| takes(kind, &name, is_saved, value));
        if !fits {
            return Some(format!("it gives {name} a value that no backup has"));
        }
        if !words.mark(',') {
            return (!end(words)).then(|| "more follows a setting".into());
        }
    }
}

/// Whether nothing follows but the end of a comment that the setting stands in.
fn end(mut words: Words<'_>) -> bool {
    words.mark('*');
    words.is_over()
}

/// The name of a variable of the session; one that a script keeps has its `@`.
fn variable(words: &mut Words<'_>) -> Option<String> {
    if words.mark('@') {
        if !words.mark('@') {
            return words.name().map(|name| format!("@{}", name.to_lowercase()));
        }
        if words.eat("SESSION") && !words.mark('.') {
            return None;
        }
    } else {
        words.eat("SESSION");
    }
    words.name().map(|name| name.to_lowercase())
}

/// What a variable is given.
enum Value {
    Literal(String),
    /// Of another variable, by its name.
    Variable(String),
}

fn value(words: &mut Words<'_>, may_copy: bool) -> Option<Value> {
    if words.mark('@') {
        let is_setting = words.mark('@');
        if is_setting && words.eat("SESSION") && !words.mark('.') {
            return None;
        }
        let name = words.name().filter(|_| may_copy)?.to_lowercase();
        return Some(Value::Variable(if is_setting { name } else { format!("@{name}") }));
    }
    match words.next()? {
        Token::Word(word) => Some(Value::Literal(word.to_owned())),
        Token::Quoted('\'', text) => Some(Value::Literal(text)),
        _ => None,
    }
}

fn takes(kind: Kind, name: &str, is_saved: bool, value: &Value) -> bool {
    match value {
        // What is kept is what the session had, and comes back from there.
        Value::Variable(from) => is_saved != from.starts_with('@'),
        Value::Literal(_) if is_saved => false,
        Value::Literal(text) => match name {
            "sql_mode" if is_code(kind) => {
                text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ','))
            }
            "sql_mode" => text.split(',').all(|mode| mode.is_empty() || MODES.contains(&mode)),
            // A view is made of text too; one in such a set of characters is plain ASCII.
            "character_set_client" if !is_code(kind) && kind != Kind::View => {
                !DOUBTFUL.contains(&text.to_lowercase().as_str())
            }
            _ => true,
        },
    }
}

/// Whether a member is made of a text that somebody wrote.
pub fn is_code(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Function
            | Kind::Procedure
            | Kind::Trigger
            | Kind::Event
            | Kind::Package
            | Kind::PackageBody
            | Kind::Object
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_vex_and_of_dump_programs_are_taken_and_no_other() {
        let judged = |kind, text: &str| objection(kind, Words::new(text));
        for (kind, text) in [
            (Kind::Rows, "NAMES utf8mb4"),
            (
                Kind::Rows,
                "sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone='+00:00', foreign_key_checks=0, \n unique_checks=0",
            ),
            (Kind::Table, "sql_mode='NO_AUTO_VALUE_ON_ZERO'"),
            (Kind::Rows, "system_versioning_insert_history=1"),
            (Kind::View, "character_set_client=latin1, collation_connection=latin1_swedish_ci"),
            (Kind::View, "character_set_client=gbk, collation_connection=gbk_chinese_ci"),
            (Kind::Procedure, "sql_mode='PIPES_AS_CONCAT,ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"),
            (Kind::Event, "time_zone='SYSTEM'"),
            (Kind::Trigger, "character_set_client=gbk, collation_connection=gbk_chinese_ci"),
            (Kind::Script, "@OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */"),
            (Kind::Script, "SQL_MODE=@OLD_SQL_MODE */"),
            (Kind::Script, "NAMES binary*/"),
            (Kind::Script, "@saved_cs_client     = @@character_set_client */"),
            (
                Kind::Script,
                "@old_h=@@session.system_versioning_insert_history, @@session.system_versioning_insert_history=1*/",
            ),
        ] {
            assert_eq!(judged(kind, text), None, "{kind:?}: {text}");
        }
        for (kind, text) in [
            (Kind::Rows, "GLOBAL max_connections=1"),
            (Kind::Rows, "@@GLOBAL.read_only=1"),
            (Kind::Rows, "@@PERSIST.read_only=1"),
            (Kind::Rows, "sql_mode='NO_BACKSLASH_ESCAPES'"),
            (Kind::Table, "sql_mode='ANSI_QUOTES'"),
            (Kind::Rows, "sql_mode=(SELECT 1)"),
            (Kind::Rows, "sql_mode='', GLOBAL read_only=1"),
            (Kind::Rows, "NAMES gbk"),
            (Kind::Rows, "NAMES utf8mb4; DROP DATABASE a"),
            (Kind::Table, "character_set_client=sjis"),
            (Kind::Rows, "sql_log_bin=0"),
            (Kind::Rows, "@a=@@sql_mode"),
            (Kind::Script, "@OLD_SQL_MODE='NO_BACKSLASH_ESCAPES'"),
            (Kind::Script, "SQL_MODE=@@GLOBAL.sql_mode"),
            (Kind::Script, "PASSWORD='x'"),
        ] {
            assert!(judged(kind, text).is_some(), "{kind:?}: {text}");
        }
    }
}
