//! What a statement of an archive may do while it is loaded: prepare its session, and what the kind
//! of its member is for. Rows are rows of that table, a definition makes the object of that name.
//!
//! Pure: reads a statement by words, in the names of the backup. That a text with `;` in it is one
//! statement is for the server to say (see `single.rs`).

use crate::artifact::{Dialect, Kind, Member, Phase, write_name};
use crate::source::mysql::definer::without_definer;
use crate::source::mysql::settings;
use crate::source::mysql::words::{Token, Words};

/// The highest number of a comment with code that every server of both families runs.
const RUN_BY_ALL: u32 = 50_699;

/// What could stand in place of the columns of a table.
const QUERIES: [&str; 5] = ["LIKE", "SELECT", "TABLE", "VALUES", "WITH"];

/// Columns that programs name without quotes, and words of their literals.
const OF_ROWS: [&str; 2] = ["row_start", "row_end"];
const OF_LITERALS: [&str; 9] = ["NULL", "x", "b", "N", "e", "CONVERT", "USING", "utf8mb4", "utf8"];

/// Why a statement may not be run; nothing if it may. `held` says whether the backup has a table,
/// view or sequence of a name.
pub fn objection(member: &Member, statement: &str, held: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut words = Words::new(statement);
    let needs = match member.kind {
        Kind::Rows => Phase::Data,
        kind if settings::is_code(kind) => Phase::After,
        _ => member.phase,
    };
    if needs != member.phase {
        // A trigger would run with every row.
        return Some(format!("{} can't be made in this order", member.kind.word()));
    }
    if member.kind == Kind::Script {
        return script(member, statement, held);
    }
    let is_setting = !{ words }.eat("SET DEFAULT ROLE") && words.eat("SET");
    if is_setting {
        return settings::objection(member.kind, words);
    }
    if words.eat("USE") {
        let fits = words.name().as_deref() == Some(&member.unit) && words.is_over();
        return (!fits).then(|| "it goes into another database".into());
    }
    let is_own = match member.kind {
        Kind::Rows => ["BEGIN", "COMMIT"].contains(&statement) || is_insert(member, statement),
        Kind::Database => is_database(member, words),
        Kind::Table => is_table(&member.name, words),
        Kind::Sequence => is_sequence(&member.name, words),
        Kind::View => is_view(member, statement),
        Kind::Function
        | Kind::Procedure
        | Kind::Trigger
        | Kind::Event
        | Kind::Package
        | Kind::PackageBody
        | Kind::Object => is_code(member, statement),
        Kind::Account | Kind::Grants => is_about(member, words),
        Kind::File | Kind::Index | Kind::Settings | Kind::Script => false,
    };
    (!is_own).then(|| format!("it is no part of the {} of this name", member.kind.word()))
}

/// Whether it inserts into the table of the member, up to VALUES.
fn is_insert(member: &Member, statement: &str) -> bool {
    let mut head = b"INSERT INTO ".to_vec();
    write_name(Dialect::Mysql, &member.name, &mut head);
    head.extend_from_slice(b" (");
    let Some(mut rest) = statement.as_bytes().strip_prefix(&head[..]) else { return false };
    // Names between quotes and commas, and nothing else.
    while let Some(name) = rest.strip_prefix(b"`") {
        rest = name;
        loop {
            let Some(end) = memchr::memchr(b'`', rest) else { return false };
            rest = &rest[end + 1..];
            match rest.strip_prefix(b"`") {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix(b",").unwrap_or(rest);
    }
    rest.starts_with(b") VALUES")
}

fn is_database(member: &Member, mut words: Words<'_>) -> bool {
    let creates = words.eat("CREATE DATABASE");
    words.eat("IF NOT EXISTS");
    creates
        && words.name().as_deref() == Some(&member.unit)
        && words.all(|token| !matches!(token, Token::Mark(';') | Token::Line))
}

/// A table is its columns: nothing is read into it, and it is like no other.
fn is_table(name: &str, mut words: Words<'_>) -> bool {
    if !words.eat("CREATE TABLE") {
        return false;
    }
    words.eat("IF NOT EXISTS");
    if words.name().as_deref() != Some(name) || !words.mark('(') {
        return false;
    }
    let is_column = match { words }.next() {
        Some(Token::Quoted('`', _)) => true,
        Some(Token::Word(word)) => !QUERIES.iter().any(|w| word.eq_ignore_ascii_case(w)),
        _ => false,
    };
    if !is_column {
        return false;
    }
    let mut depth = 1_usize;
    for token in words {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth = depth.saturating_sub(1),
            Token::Line => return false,
            Token::Word(word) => {
                let is = |other: &&str| word.eq_ignore_ascii_case(other);
                let reads = depth == 0 && ["AS", "LIKE", "TABLE", "VALUES"].iter().any(&is);
                if reads || is(&"SELECT") {
                    return false;
                }
            }
            Token::Quoted(..) | Token::Code(_) | Token::Mark(_) => {}
        }
    }
    true
}

fn is_sequence(name: &str, mut words: Words<'_>) -> bool {
    if words.eat("CREATE SEQUENCE") {
        words.eat("IF NOT EXISTS");
        return words.name().as_deref() == Some(name)
            && words.all(|token| match token {
                Token::Word(word) => !word.eq_ignore_ascii_case("SELECT"),
                Token::Mark(mark) => matches!(mark, '=' | '-' | '+'),
                Token::Quoted(..) => true,
                Token::Code(_) | Token::Line => false,
            });
    }
    words.eat("DO SETVAL") && is_state(name, words)
}

/// The numbers of a sequence, after SETVAL.
fn is_state(name: &str, mut words: Words<'_>) -> bool {
    let is_own = words.mark('(') && words.name().as_deref() == Some(name);
    is_own
        && words.all(|token| match token {
            Token::Word(word) => word.bytes().all(|b| b.is_ascii_digit()),
            Token::Mark(mark) => matches!(mark, ',' | '-' | ')'),
            Token::Quoted(..) | Token::Code(_) | Token::Line => false,
        })
}

/// Before the rows a view is a row of ones: rows of a table would else go through it to another.
fn is_view(member: &Member, statement: &str) -> bool {
    let mut words = Words::new(statement);
    if member.phase == Phase::Before {
        return is_placeholder(&member.name, words);
    }
    if words.eat("DROP VIEW IF EXISTS") {
        return words.name().as_deref() == Some(&member.name) && words.is_over();
    }
    let bare = without_definer(statement);
    let mut words = Words::new(&bare);
    if !words.eat("CREATE") {
        return false;
    }
    words.eat("OR REPLACE");
    if words.eat("ALGORITHM") && !(words.mark('=') && words.name().is_some()) {
        return false;
    }
    if words.eat("SQL SECURITY") && words.name().is_none() {
        return false;
    }
    if words.eat("JSON") {
        words.eat("RELATIONAL");
        words.eat("DUALITY");
    }
    words.eat("VIEW") && makes(member, &mut words)
}

fn is_placeholder(name: &str, mut words: Words<'_>) -> bool {
    if !words.eat("CREATE VIEW") || words.name().as_deref() != Some(name) || !words.eat("AS SELECT")
    {
        return false;
    }
    loop {
        if !(words.eat("1 AS") && words.name().is_some()) {
            return false;
        }
        if !words.mark(',') {
            return words.is_over();
        }
    }
}

/// Whether a name is next, and it is that of the member, in its database.
fn makes(member: &Member, words: &mut Words<'_>) -> bool {
    words.eat("IF NOT EXISTS");
    let own = member.own_name().unwrap_or(&member.name);
    let Some((unit, name)) = words.full_name() else { return false };
    unit.is_none_or(|unit| unit.to_lowercase() == member.unit.to_lowercase())
        && name.to_lowercase() == own.to_lowercase()
}

/// A routine, trigger, event, package or library.
fn is_code(member: &Member, statement: &str) -> bool {
    let bare = without_definer(statement);
    let mut words = Words::new(&bare);
    if !words.eat("CREATE") {
        return false;
    }
    words.eat("OR REPLACE");
    let word = match member.kind {
        Kind::Object => member.class.clone().unwrap_or_default(),
        kind => kind.word().to_owned(),
    };
    if member.kind == Kind::Function {
        words.eat("AGGREGATE");
    }
    if word.is_empty() || !words.eat(&word) || !makes(member, &mut words) {
        return false;
    }
    if member.kind != Kind::Trigger {
        return true;
    }
    // The table says which database a trigger is in.
    while let Some(token) = words.next() {
        if matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("ON")) {
            let Some((unit, table)) = words.full_name() else { return false };
            let own =
                member.table.as_ref().is_none_or(|t| t.to_lowercase() == table.to_lowercase());
            return own
                && unit.is_none_or(|unit| unit.to_lowercase() == member.unit.to_lowercase());
        }
    }
    false
}

/// Makes the account of the member, or says what it may do.
fn is_about(member: &Member, mut words: Words<'_>) -> bool {
    let own = Words::new(&member.name).account();
    if member.kind == Kind::Account {
        let makes =
            words.eat("CREATE USER IF NOT EXISTS") || words.eat("CREATE ROLE IF NOT EXISTS");
        return makes && words.account() == own;
    }
    if !["GRANT", "REVOKE", "SET DEFAULT ROLE"].iter().any(|head| words.eat(head)) {
        return false;
    }
    let whom = ["TO", "FROM", "FOR"];
    let is_whom = |t: &Token<'_>| matches!(t, Token::Word(w) if whom.iter().any(|o| w.eq_ignore_ascii_case(o)));
    words.by_ref().any(|token| is_whom(&token)) && words.account() == own
}

/// A statement of a dump program, which may stand in comments with code.
fn script(member: &Member, statement: &str, held: &dyn Fn(&str) -> bool) -> Option<String> {
    // MariaDB's programs begin with a word to their own clients.
    let text = statement.trim_start();
    let text = text.strip_prefix("/*M!999999\\- enable the sandbox mode */").unwrap_or(text);
    let mut pieces = Words::new(text);
    let in_comments = pieces.rest().starts_with("/*");
    let (mut code, mut count, mut open) = (String::new(), 0, false);
    loop {
        let before = pieces;
        match pieces.next() {
            None => break,
            Some(Token::Code(number)) if in_comments && !open => {
                (open, count) = (true, count + 1);
                // One that is not run would leave others to be another statement.
                if count > 1 && number.is_none_or(|n| n > RUN_BY_ALL) {
                    return Some("its parts are not for every server".into());
                }
            }
            Some(Token::Mark('*')) if open => (open, _) = (false, code.push(' ')),
            Some(_) if in_comments && !open => return Some("code follows a comment".into()),
            Some(_) => {
                let from = before.unread();
                code.push_str(&from[..from.len() - pieces.unread().len()]);
            }
        }
    }
    of_program(member, code.trim(), held)
}

fn of_program(member: &Member, code: &str, held: &dyn Fn(&str) -> bool) -> Option<String> {
    let own = |name: Option<String>| {
        let name = name?;
        let fits = member.table.as_ref().map_or_else(|| held(&name), |table| *table == name);
        fits.then_some(name)
    };
    let mut words = Words::new(code);
    if words.is_over() {
        return None;
    }
    if words.eat("SET") {
        return settings::objection(Kind::Script, words);
    }
    if words.eat("USE") {
        let fits = words.name().as_deref() == Some(&member.unit) && words.is_over();
        return (!fits).then(|| "it goes into another database".into());
    }
    let all = words;
    let fits = if words.eat("INSERT INTO") || words.eat("REPLACE INTO") {
        own(words.name()).is_some() && is_literal(words)
    } else if ["DROP TABLE IF EXISTS", "DROP VIEW IF EXISTS", "DROP SEQUENCE IF EXISTS"]
        .iter()
        .any(|head| words.eat(head))
    {
        own(words.name()).is_some() && words.is_over()
    } else if words.eat("CREATE TABLE") {
        words.eat("IF NOT EXISTS");
        own(words.name()).is_some_and(|name| is_table(&name, all))
    } else if words.eat("CREATE SEQUENCE") {
        words.eat("IF NOT EXISTS");
        own(words.name()).is_some_and(|name| is_sequence(&name, all))
    } else if words.eat("DO SETVAL") || words.eat("SELECT SETVAL") {
        let all = words;
        words.mark('(') && own(words.name()).is_some_and(|name| is_state(&name, all))
    } else if words.eat("ALTER TABLE") {
        let named = own(words.name()).is_some();
        named && (words.eat("DISABLE KEYS") || words.eat("ENABLE KEYS")) && words.is_over()
    } else if words.eat("CREATE") {
        let bare = without_definer(code);
        is_view_of_program(&bare, &|name| own(Some(name)).is_some())
    } else {
        ["BEGIN", "COMMIT", "START TRANSACTION", "UNLOCK TABLES"].iter().any(|w| words.eat(w))
            && words.is_over()
    };
    (!fits).then(|| "no dump program writes this for its tables".into())
}

fn is_view_of_program(bare: &str, own: &dyn Fn(String) -> bool) -> bool {
    let mut words = Words::new(bare);
    words.eat("CREATE");
    if words.eat("ALGORITHM") && !(words.mark('=') && words.name().is_some()) {
        return false;
    }
    if words.eat("SQL SECURITY") && words.name().is_none() {
        return false;
    }
    words.eat("VIEW") && words.name().is_some_and(own) && words.eat("AS")
}

/// Columns and VALUES of literals: no word that could be a function, a column or a variable.
fn is_literal(words: Words<'_>) -> bool {
    let (mut values, mut before) = (false, false);
    for token in words {
        match token {
            Token::Word(word) if !values => {
                values = word.eq_ignore_ascii_case("VALUES");
                if !values && !OF_ROWS.contains(&word) {
                    return false;
                }
            }
            Token::Word(word) => {
                let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic());
                if is_word && !OF_LITERALS.iter().any(|w| word.eq_ignore_ascii_case(w)) {
                    return false;
                }
                // Of a single letter it would be a function.
                before = word.len() == 1 && is_word;
                continue;
            }
            Token::Mark('(') if before => return false,
            Token::Mark('(' | ')' | ',' | '-' | '+' | '.') | Token::Quoted(..) => {}
            Token::Mark(_) | Token::Code(_) | Token::Line => return false,
        }
        before = false;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(member: &Member, statement: &str) -> Option<String> {
        objection(member, statement, &|name| name == "t")
    }

    fn member(kind: Kind, phase: Phase) -> Member {
        Member::new("shop", "t", kind, phase).of_table("t")
    }

    #[test]
    fn what_a_server_shows_of_an_object_is_run() {
        let view = |phase| member(Kind::View, phase);
        for (member, good) in [
            (member(Kind::Rows, Phase::Data), "INSERT INTO `t` (`a`,`b``,(`) VALUES\n(1,';')"),
            (member(Kind::Rows, Phase::Data), "INSERT INTO `t` () VALUES\n()"),
            (
                member(Kind::Database, Phase::Before),
                "CREATE DATABASE IF NOT EXISTS `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */ /*!80016 DEFAULT ENCRYPTION='N' */",
            ),
            (
                member(Kind::Table, Phase::Before),
                "CREATE TABLE `t` (\n  `a` int NOT NULL COMMENT 'SELECT ;',\n  CHECK (`a` > 1)\n) ENGINE=InnoDB WITH SYSTEM VERSIONING\n/*!50100 PARTITION BY LIST (`a`)\n(PARTITION `old` VALUES IN ('*/')) */",
            ),
            (
                member(Kind::Sequence, Phase::Before),
                "CREATE SEQUENCE `t` start with 1 minvalue -5 increment by 5 cache 10 nocycle ENGINE=InnoDB",
            ),
            (member(Kind::Sequence, Phase::Before), "DO SETVAL(`t`, -1050, 0, 0)"),
            (view(Phase::Before), "CREATE VIEW `t` AS SELECT 1 AS `a`, 1 AS `b;`"),
            (view(Phase::After), "DROP VIEW IF EXISTS `t`"),
            (
                view(Phase::After),
                "CREATE ALGORITHM=UNDEFINED DEFINER=`r`@`%` SQL SECURITY INVOKER VIEW `t` AS select 1",
            ),
            (
                member(Kind::Trigger, Phase::After),
                "CREATE DEFINER=`r`@`%` TRIGGER /* why */ shop.t BEFORE INSERT ON `shop`.`t` FOR EACH ROW SET @a=1",
            ),
            (
                member(Kind::Function, Phase::After),
                "CREATE DEFINER=\"r\"@\"%\" AGGREGATE FUNCTION \"t\"(a int) RETURNS int BEGIN END",
            ),
            (
                member(Kind::PackageBody, Phase::After),
                "CREATE DEFINER=`r`@`%` PACKAGE BODY `t` AS END",
            ),
        ] {
            assert_eq!(judged(&member, good), None, "{good}");
        }
    }

    #[test]
    fn nothing_else_is() {
        let trigger = member(Kind::Trigger, Phase::After);
        for (member, bad) in [
            (member(Kind::Rows, Phase::Data), "INSERT INTO `u` (`a`) VALUES (1)"),
            (member(Kind::Rows, Phase::Data), "INSERT INTO `t` (`a`) SELECT 1"),
            (member(Kind::Rows, Phase::Data), "DROP DATABASE shop"),
            (member(Kind::Rows, Phase::Data), "USE `mysql`"),
            (member(Kind::Rows, Phase::Before), "BEGIN"),
            (member(Kind::Database, Phase::Before), "CREATE DATABASE other"),
            (
                member(Kind::Table, Phase::Before),
                "CREATE TABLE `t` (`a` int) AS SELECT * FROM mysql.user",
            ),
            (member(Kind::Table, Phase::Before), "CREATE TABLE `t` (`a` int) TABLE mysql.user"),
            (member(Kind::Table, Phase::Before), "CREATE TABLE `t` (LIKE mysql.user)"),
            (member(Kind::Table, Phase::Before), "CREATE TABLE `u` (`a` int)"),
            (member(Kind::Table, Phase::Before), "CREATE TABLE mysql.`t` (`a` int)"),
            (member(Kind::View, Phase::Before), "CREATE VIEW `t` AS SELECT * FROM mysql.user"),
            (member(Kind::View, Phase::After), "DROP VIEW IF EXISTS `other`"),
            (member(Kind::Sequence, Phase::Before), "DO SETVAL(`t`, SLEEP(9), 0, 0)"),
            (trigger.clone(), "CREATE TRIGGER t BEFORE INSERT ON mysql.user FOR EACH ROW SET @a=1"),
            (trigger.clone(), "CREATE TRIGGER mysql.t BEFORE INSERT ON t FOR EACH ROW SET @a=1"),
            (trigger.clone(), "CREATE EVENT t ON SCHEDULE EVERY 1 DAY DO SELECT 1"),
            (
                Member { phase: Phase::Before, ..trigger },
                "CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW SET @a=1",
            ),
            (member(Kind::Function, Phase::After), "GRANT ALL ON *.* TO evil"),
            (member(Kind::Index, Phase::After), "CREATE INDEX t ON t (a)"),
        ] {
            assert!(judged(&member, bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_account_is_told_of_itself_alone() {
        let account = |kind| Member::new("", "'a\\'b'@'%'", kind, Phase::After);
        for good in [
            "SET sql_mode=''",
            "GRANT SELECT ON `x`.* TO `a'b`@`%` WITH GRANT OPTION",
            "GRANT `r TO x`@`%` TO `a'b`@`%`",
            "SET DEFAULT ROLE `r`@`%` TO 'a\\'b'@'%'",
        ] {
            assert_eq!(judged(&account(Kind::Grants), good), None, "{good}");
        }
        assert_eq!(
            judged(
                &account(Kind::Account),
                "CREATE USER IF NOT EXISTS `a'b`@`%` IDENTIFIED BY 'x'"
            ),
            None
        );
        for bad in ["GRANT ALL ON *.* TO `evil`@`%`", "DROP USER `a'b`@`%`", "SET PASSWORD='x'"] {
            assert!(judged(&account(Kind::Grants), bad).is_some(), "{bad}");
        }
        assert!(judged(&account(Kind::Account), "CREATE USER IF NOT EXISTS evil@`%`").is_some());
    }

    #[test]
    fn of_a_dump_program_only_what_it_writes_is_run() {
        let script = member(Kind::Script, Phase::Before);
        for good in [
            "/*M!999999\\- enable the sandbox mode */ \n/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */",
            "/*!40000 ALTER TABLE `t` DISABLE KEYS */",
            "DROP TABLE IF EXISTS `t`",
            "INSERT INTO `t` (`a`, row_start) VALUES (1,NULL,0x41,x'42',_binary 'a;',-1.5e+3,CONVERT(\"{}\" USING UTF8MB4)),\n('')",
            "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`r`@`%` SQL SECURITY DEFINER */\n/*!50001 VIEW `t` AS select 1 */",
            "CREATE TABLE `t` (\n  `a` int)",
        ] {
            assert_eq!(judged(&script, good), None, "{good}");
        }
        for bad in [
            "DROP TABLE IF EXISTS `u`",
            "INSERT INTO `t` (`a`) VALUES (SLEEP(9))",
            "INSERT INTO `t` (`a`) VALUES (x(1))",
            "INSERT INTO `t` (`a`) VALUES (@@datadir)",
            "INSERT INTO `t` SELECT * FROM u",
            "/*!99999 DROP TABLE IF EXISTS `t` */ DROP DATABASE shop",
            "/*!40000 DROP TABLE IF EXISTS `t` */ /*!99999 x */",
            "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
            "GRANT ALL ON *.* TO evil",
        ] {
            assert!(judged(&script, bad).is_some(), "{bad}");
        }
    }
}
