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

/// What is behind the two dashes of a comment.
fn dashes(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("--")?;
    rest.chars().next().is_none_or(char::is_whitespace).then_some(rest)
}

/// The statement of `SET STATEMENT … FOR` (MariaDB).
fn set_for(text: &str) -> Option<&str> {
    let upper = text.to_ascii_uppercase();
    let mut words = upper.split_ascii_whitespace();
    if (words.next(), words.next()) != (Some("SET"), Some("STATEMENT")) {
        return None;
    }
    let (mut quote, mut before) = (None, ' ');
    for (at, own) in upper.char_indices() {
        match quote {
            Some(open) if open == own => quote = None,
            Some(_) => {}
            None if matches!(own, '\'' | '"' | '`') => quote = Some(own),
            None if !before.is_alphanumeric()
                && before != '_'
                && upper[at..].starts_with("FOR")
                && upper[at + 3..].starts_with(|c: char| c.is_whitespace() || c == '/') =>
            {
                return Some(&text[at + 3..]);
            }
            None => {}
        }
        before = own;
    }
    None
}

/// Whether a statement may hold a password, wherever it stands: such a one is never shown.
pub fn is_secret(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_uppercase();
    ["PASSWORD", "IDENTIFIED", "CONNECTION"].iter().any(|word| text.contains(word))
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
        } else if let Some(rest) = text.strip_prefix('#').or_else(|| dashes(text)) {
            rest.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(rest) = set_for(text) {
            rest
        } else {
            return text;
        };
        text = rest.trim_start();
    }
}

/// So many names of a statement that makes something are looked at: what follows is its content.
const FIRST_NAMES: usize = 16;

/// The words of a statement that makes, changes or drops something, in lower case: its names are
/// among them.
pub fn names(text: &[u8]) -> Vec<String> {
    let lossy = String::from_utf8_lossy(&text[..text.len().min(1 << 16)]);
    let mut rest = bare(&lossy);
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        if first == '`' || first == '"' {
            let (name, more) = rest[1..].split_once(first).unwrap_or((&rest[1..], ""));
            found.push(name.to_lowercase());
            rest = more;
        } else if is_plain(first) {
            let length = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
            found.push(rest[..length].to_lowercase());
            rest = &rest[length..];
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    match found.first().map(String::as_str) {
        Some("create") => found.truncate(FIRST_NAMES),
        Some("alter" | "drop" | "rename" | "truncate") => {}
        _ => found.clear(),
    }
    found
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
    fn what_stands_before_a_statement_hides_nothing_of_it() {
        for before in [
            "--\tx\n",
            "-- x\n",
            "--\n",
            "# x\n",
            "SET STATEMENT max_statement_time=1, sql_mode='a FOR b' FOR ",
        ] {
            let own = format!("{before}CREATE USER u");
            assert_eq!(act(own.as_bytes()), Act::Account, "{own}");
        }
        assert_eq!(act(b"SET STATEMENT x=1 FOR/* y */DROP EVENT e"), Act::Event);
        assert_eq!(act(b"--1"), Act::Other);
        assert!(is_secret(b"CREATE SERVER s OPTIONS (user 'u', password 'p')"));
        assert!(is_secret(b"CREATE TABLE t (i INT) CONNECTION='mysql://u:p@h/d/t'"));
        assert!(!is_secret(b"CREATE TABLE t (i INT)"));
    }

    #[test]
    fn the_names_of_what_is_made_or_dropped_are_known() {
        let has = |text: &str, name: &str| names(text.as_bytes()).iter().any(|own| own == name);
        assert!(has("/* x */ CREATE TABLE IF NOT EXISTS `Shop`.`my-orders` (id INT)", "my-orders"));
        assert!(has("DROP TABLE a.one, b.two /* generated by server */", "two"));
        assert!(has("ALTER TABLE t RENAME TO été", "été"));
        assert!(has("create database New", "new"));
        assert!(!has("INSERT INTO t VALUES (1)", "t"));
        assert!(!has(&format!("CREATE TABLE t ({})", "c INT, ".repeat(20) + "late INT"), "late"));
    }

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
