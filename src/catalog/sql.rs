//! The one way to a catalog's database, whichever it is.
//!
//! Statements keep to what SQLite, MySQL, MariaDB and PostgreSQL share: `?` for a value, `coalesce`,
//! `CASE`, `LIMIT ? OFFSET ?`; no reserved word as a bare name, no `INSERT OR REPLACE`, no `||`, no
//! function of dates. What they do not share is a text made by [`Dialect`].

use crate::catalog::error::CatalogError;
use crate::catalog::value::{Row, Value};

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// MySQL and MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

/// A connection to the database of a catalog.
pub trait Sql: Send {
    /// Whose SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// Does one statement; returns the number of rows it found.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, CatalogError>;

    /// Asks.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, CatalogError>;

    /// Whether it still is where it was opened: a file that was removed or replaced goes on to be
    /// read, and what is written to it is lost.
    fn is_in_place(&self) -> bool {
        true
    }

    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), CatalogError>;

    /// Keeps what was done since [`Sql::begin`].
    fn commit(&mut self) -> Result<(), CatalogError>;

    /// Undoes what was done since [`Sql::begin`].
    fn rollback(&mut self) -> Result<(), CatalogError>;
}

/// A row that is there once, by its keys.
pub struct Upsert<'a> {
    /// The table.
    pub table: &'a str,
    /// The columns that make it unique.
    pub keys: &'a [&'a str],
    /// Columns that are written only where there is no row yet.
    pub first: &'a [&'a str],
    /// Columns that are written in any case. None: a row that is there stays as it is.
    pub always: &'a [&'a str],
}

impl Dialect {
    /// The statement that writes a row; its values are those of keys, first and always, in that
    /// order.
    pub fn upsert(self, row: &Upsert<'_>) -> String {
        let columns: Vec<&str> =
            [row.keys, row.first, row.always].into_iter().flatten().copied().collect();
        let holders = vec!["?"; columns.len()].join(",");
        let insert =
            format!("INSERT INTO {} ({}) VALUES ({holders})", row.table, columns.join(","));
        let keys = row.keys.join(",");
        let sets = |value: &dyn Fn(&str) -> String| {
            let all = row.always.iter().map(|c| format!("{c}={}", value(c)));
            all.collect::<Vec<_>>().join(",")
        };
        match self {
            Dialect::Mysql if row.always.is_empty() => {
                format!("{insert} ON DUPLICATE KEY UPDATE {0}={0}", row.keys[0])
            }
            Dialect::Mysql => {
                format!("{insert} ON DUPLICATE KEY UPDATE {}", sets(&|c| format!("VALUES({c})")))
            }
            Dialect::Sqlite | Dialect::Postgres if row.always.is_empty() => {
                format!("{insert} ON CONFLICT ({keys}) DO NOTHING")
            }
            Dialect::Sqlite | Dialect::Postgres => {
                let sets = sets(&|c| format!("excluded.{c}"));
                format!("{insert} ON CONFLICT ({keys}) DO UPDATE SET {sets}")
            }
        }
    }

    /// The moment that many seconds from now by the clock of the database, as text of fixed width.
    pub fn moment(self, seconds: i64) -> String {
        match self {
            Dialect::Sqlite => {
                format!("strftime('%Y-%m-%dT%H:%M:%f000Z','now','{seconds} seconds')")
            }
            Dialect::Mysql => format!(
                "date_format(utc_timestamp(6) + INTERVAL {seconds} SECOND, '%Y-%m-%dT%H:%i:%s.%fZ')"
            ),
            Dialect::Postgres => format!(
                "to_char(clock_timestamp() AT TIME ZONE 'UTC' + {seconds} * INTERVAL '1 second', \
                 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
            ),
        }
    }
}

/// The values of one statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::catalog::value::Value::from($value)),*][..] };
}
pub(super) use values;

/// A moment as new rows have it: fixed width, so that the order of texts is that of time.
pub fn moment(at: jiff::Timestamp) -> String {
    format!("{at:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_once_in_each_dialect() {
        let row = Upsert { table: "t", keys: &["a", "b"], first: &["c"], always: &["d"] };
        let only = Upsert { always: &[], ..row };
        assert_eq!(
            [Dialect::Sqlite, Dialect::Mysql].map(|d| d.upsert(&row)),
            [
                "INSERT INTO t (a,b,c,d) VALUES (?,?,?,?) ON CONFLICT (a,b) DO UPDATE SET d=excluded.d",
                "INSERT INTO t (a,b,c,d) VALUES (?,?,?,?) ON DUPLICATE KEY UPDATE d=VALUES(d)",
            ]
        );
        assert_eq!(
            [Dialect::Postgres, Dialect::Mysql].map(|d| d.upsert(&only)),
            [
                "INSERT INTO t (a,b,c) VALUES (?,?,?) ON CONFLICT (a,b) DO NOTHING",
                "INSERT INTO t (a,b,c) VALUES (?,?,?) ON DUPLICATE KEY UPDATE a=a",
            ]
        );
    }

    #[test]
    fn moments_have_one_width() {
        let texts = [0, 1_500_000_000, 1]
            .map(|n| moment(jiff::Timestamp::from_nanosecond(n).expect("in range")));
        assert_eq!(
            texts,
            [
                "1970-01-01T00:00:00.000000Z",
                "1970-01-01T00:00:01.500000Z",
                "1970-01-01T00:00:00.000000Z"
            ]
        );
    }
}
