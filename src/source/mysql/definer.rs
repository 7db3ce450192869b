//! The DEFINER clause of a view, routine, trigger or event, at its one place in the server's own
//! CREATE text.
//!
//! Knows no server. Looks at nothing behind the place where the clause may stand, so that the same
//! words in a body, a name or a comment are never taken for it.

use std::borrow::Cow;
use std::ops::Range;

/// A DEFINER clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definer {
    /// The user, or the role.
    pub user: String,
    /// The host; a role has none.
    pub host: Option<String>,
    /// Where the clause stands in the statement, with the space behind it.
    at: Range<usize>,
}

impl Definer {
    /// As messages name it.
    pub fn title(&self) -> String {
        self.host.as_ref().map_or_else(|| self.user.clone(), |host| format!("{}@{host}", self.user))
    }
}

/// The definer that a statement names.
pub fn definer(statement: &str) -> Option<Definer> {
    let mut rest = word(statement, "CREATE")?;
    if let Some(replaced) = word(rest, "OR").and_then(|rest| word(rest, "REPLACE")) {
        rest = replaced;
    }
    if let Some(value) = word(rest, "ALGORITHM").and_then(|rest| rest.strip_prefix('=')) {
        rest =
            value.trim_start().trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start();
    }
    let start = statement.len() - rest.len();
    let (user, behind) = account_part(word(rest, "DEFINER")?.strip_prefix('=')?.trim_start())?;
    let (host, behind) = match behind.strip_prefix('@') {
        Some(host) => account_part(host).map(|(host, behind)| (Some(host), behind))?,
        None => (None, behind),
    };
    let end = statement.len() - behind.trim_start().len();
    Some(Definer { user, host, at: start..end })
}

/// The statement without its DEFINER clause: whoever runs it is the definer.
pub fn without_definer(statement: &str) -> Cow<'_, str> {
    match definer(statement) {
        Some(Definer { at, .. }) => [&statement[..at.start], &statement[at.end..]].concat().into(),
        None => statement.into(),
    }
}

/// What follows a word, in any case, and the space behind it.
fn word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (head.eq_ignore_ascii_case(word) && ends).then(|| rest.trim_start())
}

/// A name and what follows it. Quotes are those of the session that made the object: a body of
/// `ANSI_QUOTES` has `"`.
fn account_part(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    if !matches!(quote, '`' | '"' | '\'') {
        let end = text.find(|c: char| c == '@' || c.is_whitespace()).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    }
    let mut name = String::new();
    let mut rest = &text[1..];
    loop {
        let end = rest.find(quote)?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(more) => {
                name.push(quote);
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clause_is_taken_out_at_its_place() {
        for (statement, user, host, expected) in [
            (
                "CREATE DEFINER=`root`@`%` PROCEDURE `p`()\nBEGIN END",
                "root",
                Some("%"),
                "CREATE PROCEDURE `p`()\nBEGIN END",
            ),
            (
                "CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`localhost` SQL SECURITY DEFINER VIEW `v` AS select 1 AS `1`",
                "a",
                Some("localhost"),
                "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 1 AS `1`",
            ),
            (
                "CREATE OR REPLACE DEFINER=`a`@`b` TRIGGER `t`",
                "a",
                Some("b"),
                "CREATE OR REPLACE TRIGGER `t`",
            ),
            ("create definer = a@localhost event `e`", "a", Some("localhost"), "create event `e`"),
            ("CREATE DEFINER=`a``b@c d`@`h` EVENT `e`", "a`b@c d", Some("h"), "CREATE EVENT `e`"),
            ("CREATE DEFINER=`DEFINER=`@`x` VIEW `v`", "DEFINER=", Some("x"), "CREATE VIEW `v`"),
            ("CREATE DEFINER=``@`%` FUNCTION `f`()", "", Some("%"), "CREATE FUNCTION `f`()"),
            ("CREATE DEFINER=`role` PROCEDURE `p`()", "role", None, "CREATE PROCEDURE `p`()"),
            (
                "CREATE DEFINER=\"a\"\"b\"@\"h\" PACKAGE \"k\"",
                "a\"b",
                Some("h"),
                "CREATE PACKAGE \"k\"",
            ),
            (
                "CREATE DEFINER=`a`@`h` PROCEDURE `p`() SELECT 'DEFINER=`a`@`h` x'",
                "a",
                Some("h"),
                "CREATE PROCEDURE `p`() SELECT 'DEFINER=`a`@`h` x'",
            ),
            ("CREATE DEFINER=`ção`@`表` VIEW `v`", "ção", Some("表"), "CREATE VIEW `v`"),
        ] {
            let found = definer(statement).unwrap_or_else(|| panic!("{statement}"));
            assert_eq!((found.user.as_str(), found.host.as_deref()), (user, host), "{statement}");
            assert_eq!(without_definer(statement), expected);
        }
    }

    #[test]
    fn the_same_words_elsewhere_stay() {
        for statement in [
            "",
            "CREATE",
            "CREATE PROCEDURE `p`() SELECT 'DEFINER=`a`@`h` '",
            "CREATE PROCEDURE `DEFINER=``a``@``h`` `() BEGIN END",
            "CREATE VIEW `v` AS select 1 /* DEFINER=`a`@`h` */",
            "CREATE /* DEFINER=`a`@`h` */ VIEW `v` AS select 1",
            "CREATE DEFINER",
            "CREATE DEFINER=",
            "CREATE DEFINER=`a",
            "CREATE DEFINER=`a`@`h",
            "CREATEçDEFINER=`a`@`h` VIEW `v`",
            "CREATE DEFINERS=`a`@`h` VIEW `v`",
            "DROP VIEW IF EXISTS `CREATE DEFINER=``a``@``h`` `",
            "SET @x = 'CREATE DEFINER=`a`@`h` VIEW'",
        ] {
            assert_eq!(definer(statement), None, "{statement}");
            assert_eq!(without_definer(statement), statement);
        }
    }
}
