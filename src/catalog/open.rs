//! A catalog, open: in a SQLite file, or in a database that many hosts share.
//!
//! Statements are done again where another transaction was in the way; nothing else is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::Stop;
use crate::catalog::aside;
use crate::catalog::error::{CatalogError, SqlFault};
use crate::catalog::migrate;
use crate::catalog::mysql::Mysql;
use crate::catalog::postgres::Postgres;
use crate::catalog::sql::{Dialect, Sql};
use crate::catalog::sqlite::Sqlite;
use crate::catalog::value::{Row, Value};
use crate::job::{CatalogFamily, CatalogServer};
use crate::world::reveal;

/// How often a statement is tried that another transaction stands in the way of.
const TRIES: u32 = 6;

/// For how long; a server has waited for a lock itself before it says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open catalog.
pub struct Catalog {
    pub(super) sql: Box<dyn Sql>,
    place: String,
}

impl Catalog {
    /// Opens the catalog in the file at `path`, makes it if there is none, and brings its tables up
    /// to date.
    pub fn open(path: &Path) -> Result<Catalog, CatalogError> {
        let sql = Box::new(Sqlite::open(path)?);
        Ok(Catalog { sql, place: path.display().to_string() })
    }

    /// Puts the file at `path` aside if it is no catalog that can be read, so that another can be
    /// made in its place; returns its new name and what was found.
    pub fn put_damaged_aside(path: &Path) -> Result<Option<(PathBuf, String)>, CatalogError> {
        aside::put_damaged_aside(path)
    }

    /// Opens the catalog on a server, and brings its tables up to date.
    pub fn connect(spec: &CatalogServer, stop: &Stop) -> Result<Catalog, CatalogError> {
        let (mut sql, place) = (connect(spec, stop)?, spec.place());
        again(|| migrate::server(&mut *sql, &place))?;
        Ok(Catalog { sql, place })
    }

    /// The version of the tables of the catalog on a server, 0 where there are none; changes
    /// nothing. Tables that this program can't use are an error.
    pub fn examine(spec: &CatalogServer, stop: &Stop) -> Result<i64, CatalogError> {
        migrate::found(&mut *connect(spec, stop)?, &spec.place())
    }

    /// Where it is: the path of its file, or what messages call its server.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether it still is where it was opened; not so where its file was removed or replaced.
    pub fn is_in_place(&self) -> bool {
        self.sql.is_in_place()
    }

    /// Whose SQL it speaks.
    pub(super) fn dialect(&self) -> Dialect {
        self.sql.dialect()
    }

    /// Asks.
    pub(super) fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, CatalogError> {
        again(|| self.sql.query(sql, values))
    }

    /// Does one statement; returns the number of rows it found.
    pub(super) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, CatalogError> {
        again(|| self.sql.execute(sql, values))
    }

    /// Does one statement.
    pub(super) fn write(&mut self, sql: &str, values: &[Value]) -> Result<(), CatalogError> {
        self.execute(sql, values).map(drop)
    }

    /// Does all of it or nothing; `work` may be called more than once.
    pub(super) fn transaction<T>(
        &mut self,
        mut work: impl FnMut(&mut dyn Sql) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let sql = &mut *self.sql;
        again(|| {
            sql.begin()?;
            match work(sql) {
                Ok(value) => sql.commit().map(|()| value),
                Err(error) => {
                    // The first error tells more; a connection that is gone has nothing to undo.
                    drop(sql.rollback());
                    Err(error)
                }
            }
        })
    }
}

/// A session on a server.
fn connect(spec: &CatalogServer, stop: &Stop) -> Result<Box<dyn Sql>, CatalogError> {
    let password = spec.password.as_ref().map(|reference| reveal(reference, stop)).transpose();
    let password = password.map_err(|error| CatalogError::Sql {
        doing: "connect to",
        place: spec.place(),
        fault: SqlFault::Other,
        source: Box::new(error),
    })?;
    Ok(match spec.family {
        CatalogFamily::Mysql => Box::new(Mysql::connect(spec, password)?),
        CatalogFamily::Postgres => Box::new(Postgres::connect(spec, password)?),
    })
}

/// Tries again while another transaction is in the way.
fn again<T>(mut work: impl FnMut() -> Result<T, CatalogError>) -> Result<T, CatalogError> {
    let began = Instant::now();
    for tried in 1..TRIES {
        match work() {
            Err(error) if error.again() && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20 << tried));
            }
            done => return done,
        }
    }
    work()
}
