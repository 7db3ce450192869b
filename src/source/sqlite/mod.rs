//! A SQLite file as a source: one consistent copy by the backup API, then the exact file and its SQL from the copy.
//!
//! Does not touch the live file but through SQLite: plain opens would drop SQLite's locks, plain copies tear. The
//! staging copy lies in the state folder, readable by the owner only, and is removed with the snapshot; copies that a
//! killed run left are swept at the next start (their owner held a lock on them).

mod rows;
mod snapshot;
mod target;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::base::Stop;
use crate::job::SqliteSpec;
use crate::source::contract::{Error, ErrorKind, Facts, Reading, Result, Snapshot, Source, Target, UnitFacts};
use crate::source::sqlite::snapshot::SqliteSnapshot;
use crate::source::sqlite::target::SqliteTarget;

/// How long a lock of the application is waited for.
const BUSY: Duration = Duration::from_secs(30);

/// A SQLite file.
pub struct Sqlite {
    path: PathBuf,
    unit: String,
    staging: PathBuf,
    place: String,
}

impl Sqlite {
    /// The file of `spec`; its one unit is called `unit`; copies are staged in `state`.
    pub fn new(spec: &SqliteSpec, unit: &str, state: &Path) -> Sqlite {
        Sqlite {
            path: spec.path.clone(),
            unit: unit.to_owned(),
            staging: state.join("staging"),
            place: format!("sqlite {}", spec.path.display()),
        }
    }
}

impl Source for Sqlite {
    fn probe(&self, stop: &Stop) -> Result<Facts> {
        stop.check()?;
        let doing = format!("ask {}", self.place);
        let connection = open_live(&self.path, &doing)?;
        let mut tables = Vec::new();
        for table in snapshot::tables(&connection).map_err(|e| failed(&doing, e))? {
            let bytes = snapshot::bytes_of(&connection, &table.name);
            tables.push((table.name, 0, bytes));
        }
        let pages = snapshot::database_bytes(&connection).map_err(|e| failed(&doing, e))?;
        let listed: u64 = tables.iter().map(|t| t.2).sum();
        if listed == 0
            && let Some(first) = tables.first_mut()
        {
            first.2 = pages;
        }
        let unit = UnitFacts { name: self.unit.clone(), tables };
        Ok(Facts {
            version: format!("SQLite {}", rusqlite::version()),
            units: vec![unit],
            locks: vec![format!(
                "a read lock while {} is copied to staging; in WAL mode writers go on",
                self.path.display()
            )],
            warnings: Vec::new(),
        })
    }

    fn snapshot(&self, reading: Reading, stop: &Stop) -> Result<Box<dyn Snapshot>> {
        let snapshot = SqliteSnapshot::take(&self.path, &self.unit, &self.staging, &self.place, reading, stop)?;
        Ok(Box::new(snapshot))
    }

    fn target(&self, threads: usize, stop: &Stop) -> Result<Box<dyn Target>> {
        stop.check()?;
        Ok(Box::new(SqliteTarget::new(&self.path, threads)))
    }

    fn place(&self) -> &str {
        &self.place
    }
}

/// Opens the live file to read it, waiting for the application's locks.
///
/// SQLite may write, vex may not: only so is a journal of an application that crashed rolled back, and are the files
/// of WAL mode gone afterwards when nobody else has the database open. Where writing is impossible it is read only.
fn open_live(path: &Path, doing: &str) -> Result<Connection> {
    if !path.is_file() {
        let error = Error::new(ErrorKind::Unreachable, doing, format!("there is no file {}", path.display()));
        return Err(error.hint("Check `path`; relative paths start at the job file."));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(doing, e))?;
    connection.busy_timeout(BUSY).map_err(|e| failed(doing, e))?;
    connection
        .execute_batch("PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;")
        .map_err(|e| failed(doing, e))?;
    Ok(connection)
}

/// Wraps an error of SQLite.
fn failed(doing: &str, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied) => {
            ErrorKind::Denied
        }
        Some(ErrorCode::CannotOpen) => ErrorKind::Unreachable,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Damaged,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, doing, error.to_string())
}
