//! The hash of a definition: what a table, view or routine is, without what changes by itself.
//!
//! Pure. Hashed is the text of the entry without its session prologue; of MySQL and MariaDB also
//! without `AUTO_INCREMENT=`, `DEFINER=` and the marks of comment versions (`/*!50001 … */`), since
//! the server writes those anew. Two hashes are only ever compared within one kind of source.

use sha2::{Digest, Sha256};

use crate::artifact::index::hex;
use crate::artifact::member::Kind;

/// Lines of a prologue: they prepare a session and define nothing.
const PROLOGUE: [&[u8]; 8] = [
    b"SET ",
    b"USE ",
    b"PRAGMA ",
    b"DELIMITER ",
    b"BEGIN;",
    b"COMMIT;",
    b"SELECT pg_catalog.set_config(",
    b"-- ",
];

/// SHA-256 of the definition in an entry, hexadecimal; `None` for what is no definition.
pub fn definition(kind: Kind, entry: &[u8]) -> Option<String> {
    definition_text(kind, entry).map(|text| hex(&Sha256::digest(text)))
}

/// What is hashed of an entry; `None` for what is no definition.
pub fn definition_text(kind: Kind, entry: &[u8]) -> Option<Vec<u8>> {
    match kind {
        Kind::Rows | Kind::File | Kind::Script | Kind::Settings | Kind::Account | Kind::Grants => {
            None
        }
        Kind::Database
        | Kind::Table
        | Kind::Sequence
        | Kind::Index
        | Kind::View
        | Kind::Function
        | Kind::Procedure
        | Kind::Trigger
        | Kind::Event
        | Kind::Package
        | Kind::PackageBody
        | Kind::Object => {
            let mut text = Vec::with_capacity(entry.len());
            let mut begun = false;
            for line in entry.split_inclusive(|b| *b == b'\n') {
                let prepares = PROLOGUE.iter().any(|word| line.starts_with(word));
                // Inside of a body a line may begin with anything.
                if begun || !(prepares || line.trim_ascii().is_empty()) {
                    begun = true;
                    text.extend_from_slice(line);
                }
            }
            Some(stable(text.trim_ascii()))
        }
    }
}

/// The text without what the servers of the MySQL family write anew.
fn stable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut quote = None;
    while let [first, tail @ ..] = rest {
        let known = match quote {
            Some(_) => None,
            None => unstable(rest),
        };
        if let Some(length) = known {
            rest = &rest[length.min(rest.len())..];
            continue;
        }
        match (quote, first) {
            (None, b'\'' | b'"' | b'`') => quote = Some(*first),
            (Some(open), _) if open == *first => quote = None,
            _ => {}
        }
        out.push(*first);
        rest = tail;
    }
    out
}

/// Length of what stands at the beginning of `rest` and is left out.
fn unstable(rest: &[u8]) -> Option<usize> {
    let digits = |at: usize| rest[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    for word in [b" AUTO_INCREMENT=".as_slice(), b"/*!", b"/*M!"] {
        if rest.starts_with(word) {
            return Some(word.len() + digits(word.len()));
        }
    }
    if rest.starts_with(b"*/") {
        return Some(2);
    }
    let definer = rest.strip_prefix(b"DEFINER=")?;
    let (user, host) = (name(definer)?, definer.get(name(definer)?..)?);
    let host = host.strip_prefix(b"@").and_then(name).map_or(0, |n| n + 1);
    let blank = usize::from(definer.get(user + host) == Some(&b' '));
    Some(8 + user + host + blank)
}

/// Length of the quoted name that `text` begins with.
fn name(text: &[u8]) -> Option<usize> {
    let quote = *text.first().filter(|q| matches!(q, b'`' | b'\''))?;
    let mut at = 1;
    loop {
        at += memchr::memchr(quote, text.get(at..)?)? + 1;
        if text.get(at) != Some(&quote) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_writes_anew_does_not_change_the_hash() {
        let hash = |text: &str| definition(Kind::Table, text.as_bytes()).expect("a definition");
        for (a, b) in [
            (
                "CREATE TABLE `t` (\n `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=17 CHARSET=x;\n",
                "SET NAMES utf8mb4;\nUSE `x`;\nCREATE TABLE `t` (\n `a` int\n) ENGINE=InnoDB CHARSET=x;",
            ),
            ("CREATE DEFINER=`a``b`@`%` VIEW `v` AS select 1;\n", "CREATE VIEW `v` AS select 1;"),
            ("CREATE /*!50017 DEFINER=`a`@`h` */TRIGGER t;", "CREATE  TRIGGER t;"),
        ] {
            assert_eq!(hash(a), hash(b), "{a}");
        }
        assert_ne!(hash("CREATE TABLE t (a int);"), hash("CREATE TABLE t (a bigint);"));
        // In quotes nothing is left out.
        let quoted = "CREATE TABLE t (a int COMMENT ' AUTO_INCREMENT=5');";
        assert_ne!(hash(quoted), hash("CREATE TABLE t (a int COMMENT '');"));
        assert_eq!(definition(Kind::Rows, b"x"), None);
    }
}
