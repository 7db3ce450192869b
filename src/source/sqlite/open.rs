//! How a SQLite file is opened, and what its errors mean.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::source::contract::{Error, ErrorKind, Result};

/// How long a lock of the application is waited for.
pub const BUSY: Duration = Duration::from_secs(30);

/// Opens the live file to read it, waiting for the application's locks.
///
/// SQLite may write, vex may not: only so is a journal of an application that crashed rolled back,
/// and are the files of WAL mode gone afterwards when nobody else has the database open. Where
/// writing is impossible it is read only.
pub fn open_live(path: &Path, doing: &str) -> Result<Connection> {
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
    connection.busy_timeout(BUSY).map_err(|e| failed(doing, e))?;
    connection
        .execute_batch(
            "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;",
        )
        .map_err(|e| failed(doing, e))?;
    Ok(connection)
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
        Some(ErrorCode::CannotOpen) => ErrorKind::Unreachable,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Damaged,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, doing, error.to_string())
}
