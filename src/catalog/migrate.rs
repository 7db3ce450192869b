//! Tables are brought up to date: `schema/catalog/NNN.sql` for SQLite, applied in order, each in a
//! transaction of its own; `user_version` counts them.
//!
//! On servers, `schema/catalog/mysql` and `schema/catalog/postgres` hold the steps from 004 on.
//!
//! Since 004 steps only add, and `reads_from` in `meta` is the oldest version whose programs can
//! still use the tables: an older vex goes on with a newer catalog, or refuses it cleanly.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::catalog::error::CatalogError;
use crate::catalog::sql::{Dialect, Sql, Upsert, values};

/// Every step of the schema of SQLite, oldest first; none is ever edited.
const STEPS: [&str; 4] = [
    include_str!("../../schema/catalog/001.sql"),
    include_str!("../../schema/catalog/002.sql"),
    include_str!("../../schema/catalog/003.sql"),
    include_str!("../../schema/catalog/004.sql"),
];

/// The steps of the schema on servers: the version each makes, in MySQL and in PostgreSQL.
const SERVER_STEPS: [(i64, &str, &str); 1] = [(
    4,
    include_str!("../../schema/catalog/mysql/004.sql"),
    include_str!("../../schema/catalog/postgres/004.sql"),
)];

/// The oldest version whose programs can use what the last step makes.
const READS_FROM: i64 = 4;

/// Brings the tables of a catalog on a server up to date: one statement after the other, each of
/// which can be repeated, with the number of those that are done kept after each.
pub fn server(sql: &mut dyn Sql, place: &str) -> Result<(), CatalogError> {
    let known = known();
    if is_ready(&State::read(sql)?, known, place)? {
        return Ok(());
    }
    let (lock, unlock) = match sql.dialect() {
        Dialect::Postgres => {
            ("SELECT 1 FROM pg_advisory_lock(8317264)", "SELECT 1 FROM pg_advisory_unlock(8317264)")
        }
        Dialect::Mysql | Dialect::Sqlite => {
            ("SELECT get_lock('vex catalog', 25)", "SELECT release_lock('vex catalog')")
        }
    };
    sql.query(lock, &[])?;
    // Another host may have been faster while this one waited.
    let state = State::read(sql)?;
    let done = match is_ready(&state, known, place) {
        Ok(false) => steps(sql, &state),
        other => other.map(drop),
    };
    sql.query(unlock, &[])?;
    done
}

/// The version of the tables on a server, 0 where there are none.
pub fn found(sql: &mut dyn Sql, place: &str) -> Result<i64, CatalogError> {
    let state = State::read(sql)?;
    is_ready(&state, known(), place).map(|_| state.version)
}

/// The newest version that this program knows on servers.
fn known() -> i64 {
    SERVER_STEPS.iter().map(|step| step.0).max().unwrap_or(0)
}

/// Does what is left of the steps.
fn steps(sql: &mut dyn Sql, state: &State) -> Result<(), CatalogError> {
    let mut done = state.statements;
    for (version, mysql, postgres) in SERVER_STEPS.iter().filter(|s| s.0 > state.version) {
        let text = match sql.dialect() {
            Dialect::Postgres => postgres,
            Dialect::Mysql | Dialect::Sqlite => mysql,
        };
        for (index, statement) in statements(text).iter().enumerate().skip(done) {
            sql.execute(statement, &[])?;
            note(sql, "statements", index as i64 + 1)?;
        }
        done = 0;
        note(sql, "reads_from", READS_FROM)?;
        note(sql, "version", *version)?;
        note(sql, "statements", 0)?;
    }
    Ok(())
}

/// What is known of the tables of a server.
#[derive(Debug, Default)]
struct State {
    version: i64,
    reads_from: i64,
    /// Statements of the next step that are done.
    statements: usize,
}

impl State {
    fn read(sql: &mut dyn Sql) -> Result<State, CatalogError> {
        let schema = match sql.dialect() {
            Dialect::Postgres => "current_schema()",
            Dialect::Mysql | Dialect::Sqlite => "database()",
        };
        let there = format!(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema={schema} AND table_name='meta'"
        );
        if sql.query(&there, &[])?.first().is_none_or(|row| row.int(0) == 0) {
            return Ok(State::default());
        }
        let mut state = State::default();
        for row in sql.query("SELECT name, value_text FROM meta", &[])? {
            match row.text(0) {
                "version" => state.version = row.int(1),
                "reads_from" => state.reads_from = row.int(1),
                "statements" => state.statements = row.int(1) as usize,
                _ => {}
            }
        }
        Ok(state)
    }
}

/// Whether nothing is to be done; tables that this program can't use are an error.
fn is_ready(state: &State, known: i64, place: &str) -> Result<bool, CatalogError> {
    if state.version > known && state.reads_from > known {
        let (place, found) = (place.to_owned(), state.version);
        return Err(CatalogError::Newer { place, found, known });
    }
    Ok(state.version >= known)
}

/// Keeps a number in `meta`.
fn note(sql: &mut dyn Sql, name: &str, number: i64) -> Result<(), CatalogError> {
    let row = Upsert { table: "meta", keys: &["name"], first: &[], always: &["value_text"] };
    let statement = sql.dialect().upsert(&row);
    sql.execute(&statement, values![name, number.to_string()]).map(drop)
}

/// The statements of a script: each ends in a line of its own that ends in `;`.
fn statements(text: &str) -> Vec<String> {
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let (mut all, mut one) = (Vec::new(), String::new());
    for line in lines {
        match line.strip_suffix(';') {
            Some(last) => all.push(std::mem::take(&mut one) + last),
            None if line.trim().is_empty() => {}
            None => one += &format!("{line}\n"),
        }
    }
    all
}

/// Brings the tables of a SQLite catalog up to date.
pub fn sqlite(connection: &mut Connection, path: &Path) -> Result<(), CatalogError> {
    let known = STEPS.len() as i64;
    let read = |e| CatalogError::sqlite(path, "read", e);
    let found = version(connection).map_err(read)?;
    if found > known {
        let sql = "SELECT value_text FROM meta WHERE name='reads_from'";
        let text: Option<String> =
            connection.query_row(sql, [], |row| row.get(0)).optional().map_err(read)?;
        let reads_from = text.and_then(|t| t.parse::<i64>().ok()).unwrap_or(found);
        return match reads_from <= known {
            true => Ok(()),
            false => {
                let place = path.display().to_string();
                Err(CatalogError::Newer { place, found, known })
            }
        };
    }
    if (1..known).contains(&found) {
        keep_beside(connection, path, found)?;
    }
    for (index, sql) in STEPS.iter().enumerate().skip(found.max(0) as usize) {
        let fail = |e| CatalogError::sqlite(path, "migrate", e);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        // Another process may have been faster while this one waited for the lock.
        if version(&transaction).map_err(fail)? > index as i64 {
            continue;
        }
        transaction.execute_batch(sql).map_err(fail)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1).map_err(fail)?;
        transaction.commit().map_err(fail)?;
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Keeps the catalog as it is beside itself, before its tables change: `catalog.sqlite.v2`.
fn keep_beside(connection: &Connection, path: &Path, version: i64) -> Result<(), CatalogError> {
    let mut copy = path.to_path_buf().into_os_string();
    copy.push(format!(".v{version}"));
    let copy = PathBuf::from(copy);
    if copy.exists() {
        return Ok(()); // Another process was faster, or a migration was cut short.
    }
    let target = copy.to_string_lossy();
    let kept = connection.execute("VACUUM INTO ?1", [target.as_ref()]);
    kept.map(drop).map_err(|e| CatalogError::sqlite(path, "keep a copy of", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    /// A catalog made by an earlier schema, opened by this one.
    fn opened(steps: usize, rows: &str) -> (tempfile::TempDir, Catalog) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.sqlite");
        let old = Connection::open(&path).expect("opens");
        STEPS[..steps].iter().for_each(|step| old.execute_batch(step).expect("made"));
        old.pragma_update(None, "user_version", steps as i64).expect("numbered");
        old.execute_batch(rows).expect("filled");
        drop(old);
        let catalog = Catalog::open(&path).expect("opens");
        (folder, catalog)
    }

    #[test]
    fn rows_of_the_second_schema_are_gone_on_with() {
        let rows = "
            INSERT INTO run VALUES ('r1', 'j', '/f', 'h', 1, '2026-01-01T00:00:00.5Z', '2026-01-01T00:01:00Z', 2, '');
            INSERT INTO step VALUES ('r1', 0, 'j/dump/s', '2026-01-01T00:00:01Z', '2026-01-01T00:00:09Z', 'done', 1, '');
            INSERT INTO artifact VALUES ('r1', 's', 'j', 'mysql', '10.11', 'a,b', 'x.zip', 3145728, 1048576, 5,
                '2026-01-01T00:00:01Z', '2026-01-01T00:00:05Z', NULL, '');
            INSERT INTO backup (id, source, job, host, name, started, finished, verdict) VALUES
                ('r1', 's', 'j', 'h', 'x.zip', '2026-01-01T00:00:01Z', '2026-01-01T00:00:05Z', 1),
                ('r0', 's', 'j', 'h', '', '2025-01-01T00:00:01Z', '2025-01-01T00:00:05Z', 3);
            INSERT INTO copy VALUES ('r1', 's', 'c', 's3://vault at h', 'p/x.zip', 1048576, '2026-01-01T00:00:02Z',
                '2026-01-01T00:00:08Z', 1, '', NULL, 'vault'),
                ('r1', 's', 'd', 'dir /nas', 'p/x.zip', 0, '2026-01-01T00:00:02Z', '2026-01-01T00:00:08Z', 3, 'no', NULL, '');";
        let (folder, mut catalog) = opened(2, rows);
        let mut all = |sql: &str| -> Vec<String> {
            let rows = catalog.query(sql, &[]).expect("rows");
            rows.iter().map(|row| row.text(0).to_owned()).collect()
        };
        let backups =
            "SELECT concat_ws('|', number, id, upload, verdict, shown) FROM backup ORDER BY number";
        assert_eq!(all(backups), ["1|r1|3|1|", "2|r0|0|3|"]);
        let uploads =
            "SELECT concat_ws('|', id, backup_id, bucket, status_upload) FROM upload_s3_log";
        assert_eq!(all(uploads), ["1|1|vault|1"]);
        assert_eq!(
            all("SELECT concat_ws('|', kind, verb, beat, progress) FROM run, step"),
            ["job|dump|"]
        );
        assert_eq!(all("SELECT nome FROM privilegio ORDER BY id"), ["Administrador", "Cliente"]);
        let moments = "SELECT started FROM run UNION ALL SELECT finished FROM copy WHERE store='c'";
        assert_eq!(all(moments), ["2026-01-01T00:00:00.500000Z", "2026-01-01T00:00:08.000000Z"]);
        assert!(folder.path().join("c.sqlite.v2").exists());
    }

    #[test]
    fn a_newer_catalog_is_used_where_this_program_can_still_read_it() {
        let (folder, catalog) = opened(STEPS.len(), "");
        drop(catalog);
        let path = folder.path().join("c.sqlite");
        let newer = Connection::open(&path).expect("opens");
        newer.pragma_update(None, "user_version", 9).expect("numbered");
        assert!(Catalog::open(&path).is_ok());
        newer.execute_batch("UPDATE meta SET value_text='9' WHERE name='reads_from'").expect("set");
        let why = Catalog::open(&path).map(drop).expect_err("refused").to_string();
        let place = path.display();
        assert_eq!(
            why,
            format!(
                "unable to use the catalog {place}: it has version 9, this vex knows 4; use a newer vex"
            )
        );
    }
}
