//! The statements of one database, for another name of it.
//!
//! Only the two statements that vex itself writes with a database's name are changed; what else
//! names it is told.

use std::borrow::Cow;

use crate::artifact::{Dialect, Splitter};
use crate::source::mysql::object::database_head;
use crate::source::mysql::schema::quoted;

/// Whether a definition names its database, as `db.` with or without quotes.
pub fn names_unit(statement: &[u8], unit: &str) -> bool {
    let names = [format!("{unit}."), format!("{}.", quoted(unit))];
    names.iter().any(|name| memchr::memmem::find(statement, name.as_bytes()).is_some())
}

/// A statement for another database.
pub fn rename<'a>(statement: &'a [u8], old: &str, new: &str) -> Cow<'a, [u8]> {
    let heads = [
        (format!("USE {}", quoted(old)), format!("USE {}", quoted(new))),
        (database_head(old), database_head(new)),
    ];
    for (from, to) in heads {
        if let Some(rest) = statement.strip_prefix(from.as_bytes()) {
            return [to.as_bytes(), rest].concat().into();
        }
    }
    statement.into()
}

/// An entry for another database: all of it, for somebody who runs it by hand.
pub fn rename_entry(entry: &[u8], old: &str, new: &str) -> Vec<u8> {
    let (mut out, mut copied) = (Vec::with_capacity(entry.len()), 0);
    for statement in Splitter::new(Dialect::Mysql, entry).flatten() {
        if let Cow::Owned(text) = rename(statement.text, old, new) {
            out.extend_from_slice(&entry[copied..statement.at]);
            out.extend_from_slice(&text);
            copied = statement.at + statement.text.len();
        }
    }
    out.extend_from_slice(&entry[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_all_but_the_name() {
        let entry = b"SET x;\nUSE `a`;\nDELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 'USE `a`'; END\n//\n";
        let text = String::from_utf8(rename_entry(entry, "a", "b")).expect("text");
        let expected = String::from_utf8_lossy(entry).replacen("USE `a`;", "USE `b`;", 1);
        assert_eq!(text, expected);
    }

    #[test]
    fn only_the_statements_vex_writes_itself_are_renamed() {
        for (statement, expected) in [
            ("USE `a`", "USE `b`"),
            (
                "CREATE DATABASE IF NOT EXISTS `a` /*!40100 x */",
                "CREATE DATABASE IF NOT EXISTS `b` /*!40100 x */",
            ),
            (
                "INSERT INTO `a` (`a`) VALUES ('USE `a`')",
                "INSERT INTO `a` (`a`) VALUES ('USE `a`')",
            ),
        ] {
            assert_eq!(rename(statement.as_bytes(), "a", "b").as_ref(), expected.as_bytes());
        }
    }
}
