//! Whether a file is sound, as far as SQLite can say without the application: collations and
//! functions that only that has are no damage, nor is a row that a CHECK would not let in now.

use rusqlite::{Connection, ErrorCode};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Soundness {
    /// It is sound, as far as it could be looked at.
    Sound {
        /// What is odd and no damage.
        odd: Vec<String>,
        /// What could not be looked at, and why.
        unchecked: Vec<String>,
    },
    /// It is not.
    Damaged(String),
}

/// Checks a database; an error is one that has nothing to do with its contents.
pub fn check(connection: &Connection) -> rusqlite::Result<Soundness> {
    connection.execute_batch("PRAGMA ignore_check_constraints=ON")?;
    let (mut odd, mut unchecked) = (Vec::new(), Vec::new());
    match quick(connection, None) {
        Ok(answer) if answer == OK => {
            // Only what it says is of interest: that it can't be asked is no news.
            connection.execute_batch("PRAGMA ignore_check_constraints=OFF")?;
            let answer = quick(connection, None).unwrap_or_else(|e| format!("it fails: {e}"));
            odd.extend((answer != OK).then(|| format!("quick_check says: {answer}")));
        }
        Ok(answer) => return Ok(Soundness::Damaged(answer)),
        Err(error) if !is_of_application(&error) => return Err(error),
        // One table stands in the way of all: each by itself.
        Err(_) => {
            for table in tables(connection)? {
                match quick(connection, Some(&table)) {
                    Ok(answer) if answer == OK => {}
                    Ok(answer) => return Ok(Soundness::Damaged(answer)),
                    Err(error) if !is_of_application(&error) => return Err(error),
                    Err(error) => unchecked.push(format!("the check of table {table}: {error}")),
                }
            }
        }
    }
    connection.execute_batch("PRAGMA ignore_check_constraints=OFF")?;
    Ok(Soundness::Sound { odd, unchecked })
}

/// What SQLite says of what is sound.
const OK: &str = "ok";

fn quick(connection: &Connection, table: Option<&str>) -> rusqlite::Result<String> {
    match table {
        Some(table) => {
            connection.query_row("SELECT * FROM pragma_quick_check(?1)", [table], |row| row.get(0))
        }
        None => connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)),
    }
}

/// Whether it says that a function, a collation or a module is unknown: all of these are plain
/// errors of SQL.
fn is_of_application(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::Unknown))
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type='table' AND rootpage > 0 ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(sql: &str) -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(sql).expect("made");
        connection
    }

    #[test]
    fn a_violated_check_is_odd_and_no_damage() {
        let connection = made(
            "CREATE TABLE c (id, CHECK (id <> 99)); PRAGMA ignore_check_constraints=ON; INSERT INTO c VALUES (99)",
        );
        let Ok(Soundness::Sound { odd, unchecked }) = check(&connection) else {
            panic!("it is sound")
        };
        assert_eq!((odd.len(), unchecked.len()), (1, 0), "{odd:?}");
        let sound = made("CREATE TABLE c (id, CHECK (id <> 99)); INSERT INTO c VALUES (1)");
        let nothing = Soundness::Sound { odd: Vec::new(), unchecked: Vec::new() };
        assert_eq!(check(&sound), Ok(nothing));
    }
}
