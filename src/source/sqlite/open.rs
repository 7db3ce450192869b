//! How a SQLite file is opened, and what its errors mean.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};

/// How long a lock of the application is waited for.
pub const BUSY: Duration = Duration::from_secs(30);

/// How long SQLite waits for a lock by itself: it can't be stopped meanwhile.
const TRY: Duration = Duration::from_millis(100);

/// Opens the live file to read it, waiting for the application's locks.
///
/// SQLite may write, vex may not: only so is a journal of an application that crashed rolled back,
/// and are the files of WAL mode gone afterwards when nobody else has the database open. Where
/// writing is impossible it is read only.
pub fn open_live(path: &Path, doing: &str, stop: &Stop) -> Result<Connection> {
    if !path.is_file() {
        let error = Error::new(
            ErrorKind::Unreachable,
            doing,
            format!("there is no file {}", path.display()),
        );
        return Err(error.hint("Check `path`; relative paths start at the job file."));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(doing, e))?;
    connection.busy_timeout(TRY).map_err(|e| failed(doing, e))?;
    connection
        .execute_batch(
            "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;",
        )
        .map_err(|e| failed(doing, e))?;
    until_unlocked(&connection, doing, stop)?;
    Ok(connection)
}

/// Waits until the file can be read, an error of another kind is found, or the run is stopped.
fn until_unlocked(connection: &Connection, doing: &str, stop: &Stop) -> Result<()> {
    let start = Instant::now();
    loop {
        stop.check()?;
        let read = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        let Err(error) = read.map_err(|e| failed(doing, e)) else { break };
        match error.kind {
            ErrorKind::Busy if start.elapsed() < BUSY => {}
            ErrorKind::Busy => {
                return Err(error.hint(
                    "The application holds its lock. Try again when it writes less, or switch the \
                     database to WAL mode.",
                ));
            }
            // Whoever reads on says it better.
            _ => break,
        }
    }
    connection.busy_timeout(BUSY).map_err(|e| failed(doing, e))
}

/// Wraps an error of SQLite.
pub fn failed(doing: &str, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
        Some(
            ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::AuthorizationForStatementDenied,
        ) => ErrorKind::Denied,
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => ErrorKind::Unreachable,
        Some(ErrorCode::DiskFull) => ErrorKind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Damaged,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, doing, error.to_string())
}
