//! How a database is made: statements that can't be run inside of it, so an entry holds them as
//! comments.
//!
//! Invariant: what is written is read back exactly, whatever a name or a comment holds.

use postgres::Client;

use crate::source::contract::{Refused, Result, is_refusal};
use crate::source::postgres::definition::quoted;
use crate::source::postgres::fault::wrap;
use crate::world::failpoint;

/// Parts two statements.
const BREAK: &str = "--\n";

/// Statements as an entry that a client passes over.
pub fn write(statements: &[String]) -> String {
    let mut text = String::new();
    for statement in statements.iter().filter(|s| !s.is_empty()) {
        for line in statement.trim_end().split('\n') {
            text += &format!("-- {line}\n");
        }
        text += BREAK;
    }
    text
}

/// The statements of an entry.
pub fn read(entry: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    for line in entry.split_inclusive('\n') {
        match line.strip_prefix("-- ") {
            Some(rest) => statements.last_mut().expect("one at least").push_str(rest),
            None => statements.push(String::new()),
        }
    }
    statements.retain(|s| !s.is_empty());
    statements
}

/// Makes the database of an entry, `names` being its own and the new one.
pub fn create(client: &mut Client, entry: &str, names: (&str, &str)) -> Result<()> {
    for statement in read(entry).iter().take(1) {
        let made = client.batch_execute(&rename(statement, names.0, names.1));
        made.map_err(|e| wrap(&format!("create the database {}", names.1), e))?;
        failpoint("database made");
    }
    Ok(())
}

/// Gives a database that was made its owner, rights and settings; returns what of them was refused.
/// Done again, it changes nothing.
pub fn equip(
    client: &mut Client,
    entry: &str,
    names: (&str, &str),
    without_owner: bool,
) -> Result<Vec<Refused>> {
    let mut refused = Vec::new();
    for statement in read(entry).iter().skip(1) {
        let is_owner = statement.starts_with("ALTER DATABASE ") && statement.contains(" OWNER TO ");
        if is_owner && without_owner {
            continue;
        }
        let statement = rename(statement, names.0, names.1);
        let made = client.batch_execute(&statement);
        match made.map_err(|e| wrap(&format!("set up the database {}", names.1), e)) {
            // Without its settings it is still worth having.
            Err(error) if is_refusal(error.kind) => {
                refused
                    .push(Refused::new(format!("settings of database {}", names.1), error.found));
            }
            other => other?,
        }
        failpoint("database set up");
    }
    Ok(refused)
}

/// A statement for a database of another name: lines that begin with what names one are changed,
/// once each.
pub fn rename(statement: &str, old: &str, new: &str) -> String {
    const HEADS: [&str; 6] = [
        "CREATE DATABASE ",
        "ALTER DATABASE ",
        "COMMENT ON DATABASE ",
        "REVOKE ",
        "GRANT ",
        "ALTER ROLE ",
    ];
    let names = [format!("DATABASE {} ", quoted(old)), format!("DATABASE {old} ")];
    let line = |line: &str| {
        let name = names
            .iter()
            .find(|n| line.contains(n.as_str()))
            .filter(|_| HEADS.iter().any(|h| line.starts_with(h)));
        name.map_or_else(
            || line.to_owned(),
            |name| line.replacen(name, &format!("DATABASE {} ", quoted(new)), 1),
        )
    };
    statement.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_back_and_no_line_of_them_is_run() {
        let all = [
            "CREATE DATABASE \"a\nDROP\" WITH x;\n".to_owned(),
            "COMMENT ON DATABASE a IS '-- x\n\ny';\n".to_owned(),
        ];
        let text = write(&all);
        assert!(text.lines().all(|l| l.starts_with("--")), "{text}");
        assert_eq!(read(&text), all);
    }

    #[test]
    fn only_the_name_changes() {
        for (from, to) in [
            (
                "CREATE DATABASE t1 WITH TEMPLATE = template0;\n",
                "CREATE DATABASE \"n\" WITH TEMPLATE = template0;\n",
            ),
            (
                "ALTER ROLE t1 IN DATABASE \"t1\" SET a TO 't1';\n",
                "ALTER ROLE t1 IN DATABASE \"n\" SET a TO 't1';\n",
            ),
            (
                "COMMENT ON DATABASE t1 IS 'DATABASE t1 x';\n",
                "COMMENT ON DATABASE \"n\" IS 'DATABASE t1 x';\n",
            ),
            ("ALTER DATABASE t10 SET a TO b;\n", "ALTER DATABASE t10 SET a TO b;\n"),
        ] {
            assert_eq!(rename(from, "t1", "n"), to);
        }
    }
}
