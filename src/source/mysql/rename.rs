//! The statements of one database, for another name of it.
//!
//! Only the two statements that vex itself writes with a database's name are changed; what else
//! names it is told.

use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::*;

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
