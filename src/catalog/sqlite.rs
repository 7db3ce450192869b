//! A catalog in a SQLite file.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use crate::catalog::error::CatalogError;
use crate::catalog::migrate;
use crate::catalog::sql::{Dialect, Sql};
use crate::catalog::value::{Row, Value};

/// The file, open.
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// Which file it was when it was opened; `None` where nobody could tell.
    file: Option<(u64, u64)>,
}

/// Which file is at a path.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

impl Sqlite {
    /// Opens the file at `path`, makes it if there is none, and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Sqlite, CatalogError> {
        if let Some(folder) = path.parent() {
            let fail = |source| CatalogError::Folder { path: path.to_owned(), source };
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let fail = |error| CatalogError::sqlite(path, "open", error);
        let mut connection = Connection::open(path).map_err(fail)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(fail)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            )
            .map_err(fail)?;
        migrate::sqlite(&mut connection, path)?;
        Ok(Sqlite { connection, path: path.to_owned(), file: file_at(path) })
    }

    fn run(&mut self, sql: &str) -> Result<(), CatalogError> {
        self.connection.execute_batch(sql).map_err(|e| CatalogError::sqlite(&self.path, "write", e))
    }
}

impl Sql for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, CatalogError> {
        let done = self
            .connection
            .prepare(sql)
            .and_then(|mut statement| statement.execute(params_from_iter(values)));
        done.map(|rows| rows as u64).map_err(|e| CatalogError::sqlite(&self.path, "write", e))
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, CatalogError> {
        let read = || {
            let mut statement = self.connection.prepare(sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map(params_from_iter(values), |row| {
                let value = |column| row.get_ref(column).map(value);
                (0..columns).map(value).collect::<Result<Vec<Value>, _>>().map(Row)
            });
            rows.and_then(Iterator::collect)
        };
        read().map_err(|e| CatalogError::sqlite(&self.path, "read", e))
    }

    fn is_in_place(&self) -> bool {
        self.file.is_some() && self.file == file_at(&self.path)
    }

    fn begin(&mut self) -> Result<(), CatalogError> {
        self.run("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), CatalogError> {
        self.run("COMMIT")
    }

    fn rollback(&mut self) -> Result<(), CatalogError> {
        self.run("ROLLBACK")
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Text(number.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Value::Text(String::from_utf8_lossy(text).into_owned())
        }
    }
}
