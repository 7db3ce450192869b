//! Whether a database is sound, as far as that can be known without its application.
//!
//! What rows say is the application's: a row that breaks a CHECK of its own table is no damage, and
//! neither is a function or a collation that only the application has. Changes nothing.

use rusqlite::{Connection, ErrorCode};

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// The first damage, in the words of SQLite.
    pub damage: Option<String>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
    /// What is no damage, and worth knowing.
    pub remarks: Vec<String>,
}

/// Checks all of a database.
pub fn check(connection: &Connection) -> rusqlite::Result<Checked> {
    let mut checked = Checked::default();
    let all = "PRAGMA quick_check(1)";
    let Some(found) = said(connection, all)? else { return Ok(checked) };
    connection.execute_batch("PRAGMA ignore_check_constraints=ON;")?;
    let mut again = said(connection, all)?;
    if again.is_none() {
        let found = found.text;
        checked.remarks.push(format!(
            "rows break rules of their tables, or these need the application: {found}"
        ));
    }
    if again.as_ref().is_some_and(|found| !found.finished) {
        again = None;
        for table in tables(connection)? {
            let sql = format!("PRAGMA quick_check('{}')", table.replace('\'', "''"));
            match said(connection, &sql)? {
                None => {}
                Some(found) if found.finished => again = again.or(Some(found)),
                Some(found) => {
                    checked.unchecked.push(format!("the check of table {table}: {}", found.text))
                }
            }
        }
    }
    checked.damage = again.map(|found| found.text);
    connection.execute_batch("PRAGMA ignore_check_constraints=OFF;")?;
    Ok(checked)
}

/// What a check says, if it is not `ok`.
struct Said {
    text: String,
    /// Whether it ran; else it needs what only the application has.
    finished: bool,
}

fn said(connection: &Connection, sql: &str) -> rusqlite::Result<Option<Said>> {
    match connection.query_row(sql, [], |row| row.get::<_, String>(0)) {
        Ok(text) if text == "ok" => Ok(None),
        Ok(text) => Ok(Some(Said { text, finished: true })),
        Err(error) if is_foreign(&error) => {
            Ok(Some(Said { text: error.to_string(), finished: false }))
        }
        Err(error) => Err(error),
    }
}

/// Whether a statement could not be compiled: it needs a function, a collation or a module that is
/// not there.
fn is_foreign(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::Unknown)
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type='table' AND rootpage>0 ORDER BY rowid",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}
