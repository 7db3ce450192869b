//! What a logged statement is about, as far as a recovery must know it.
//!
//! Pure. Looks at the first words only: comments before them are passed over.

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A transaction begins.
    Begin,
    /// It ends.
    Commit,
    /// It is taken back.
    Rollback,
    /// A prepared XA transaction comes to be.
    XaCommit(String),
    /// A prepared XA transaction is taken back.
    XaRollback(String),
    /// Users, roles, rights and passwords.
    Account,
    /// An event of the scheduler.
    Event,
    /// Anything else.
    Other,
}

/// What comes before the words that count.
fn bare(text: &str) -> &str {
    let mut text = text.trim_start();
    loop {
        let rest = if let Some(rest) = text.strip_prefix("/*") {
            // What a version comment holds is a statement.
            if rest.starts_with('!') || rest.starts_with("M!") {
                let digits = rest.trim_start_matches('M').trim_start_matches('!');
                digits.trim_start_matches(|c: char| c.is_ascii_digit())
            } else {
                rest.split_once("*/").map_or("", |(_, rest)| rest)
            }
        } else if let Some(rest) = text.strip_prefix('#').or_else(|| text.strip_prefix("-- ")) {
            rest.split_once('\n').map_or("", |(_, rest)| rest)
        } else {
            return text;
        };
        text = rest.trim_start();
    }
}

/// What a statement does.
pub fn act(text: &[u8]) -> Act {
    let lossy = String::from_utf8_lossy(&text[..text.len().min(2000)]);
    let text = bare(&lossy);
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c == '(' || c == ';')
        .filter(|word| !word.is_empty())
        .take(12)
        .map(str::to_uppercase)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let xid = |words: usize| {
        let rest: String = text.split_whitespace().skip(words).collect();
        rest.to_lowercase()
    };
    match words.as_slice() {
        ["BEGIN", ..] | ["START", "TRANSACTION", ..] => Act::Begin,
        ["COMMIT"] => Act::Commit,
        ["ROLLBACK"] => Act::Rollback,
        ["XA", "COMMIT", ..] => Act::XaCommit(xid(2)),
        ["XA", "ROLLBACK", ..] => Act::XaRollback(xid(2)),
        ["GRANT" | "REVOKE", ..] | ["SET", "PASSWORD" | "DEFAULT", ..] => Act::Account,
        ["CREATE" | "ALTER" | "DROP" | "RENAME", rest @ ..] => object(rest),
        _ => Act::Other,
    }
}

/// What is made, changed or dropped.
fn object(words: &[&str]) -> Act {
    let words = match words {
        ["OR", "REPLACE", rest @ ..] => rest,
        rest => rest,
    };
    match words {
        ["USER" | "ROLE", ..] => Act::Account,
        ["EVENT", ..] => Act::Event,
        [first, rest @ ..] if first.starts_with("DEFINER") => match rest.contains(&"EVENT") {
            true => Act::Event,
            false => Act::Other,
        },
        _ => Act::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_is_about_is_known_by_its_first_words() {
        let all = [
            ("BEGIN", Act::Begin),
            ("COMMIT", Act::Commit),
            ("ROLLBACK", Act::Rollback),
            ("ROLLBACK TO `a`", Act::Other),
            ("XA COMMIT X'7831',X'',1", Act::XaCommit("x'7831',x'',1".into())),
            ("XA ROLLBACK X'7831',X'',1", Act::XaRollback("x'7831',x'',1".into())),
            ("CREATE USER 'a'@'%' IDENTIFIED WITH 'x' AS 'y'", Act::Account),
            ("/* ours */ create or replace role r", Act::Account),
            ("grant select on a.* to b", Act::Account),
            ("SET PASSWORD FOR 'a'@'%'='*1'", Act::Account),
            (
                "CREATE DEFINER=`root`@`localhost` EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
                Act::Event,
            ),
            ("CREATE DEFINER = `root`@`%` PROCEDURE p() SELECT 1", Act::Other),
            ("DROP TABLE `user`", Act::Other),
            ("# a\nDROP EVENT e", Act::Event),
        ];
        for (text, expected) in all {
            assert_eq!(act(text.as_bytes()), expected, "{text}");
        }
    }
}
