//! Why the catalog could not do it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// What kind of trouble a database had; decides whether something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlFault {
    /// Another transaction was in the way: once more may help.
    Busy,
    /// The connection is gone or could not be made.
    Lost,
    /// The file is no database, or a damaged one.
    Damaged,
    /// Anything else.
    Other,
}

/// Why the catalog could not do it.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The database.
    #[error("unable to {doing} the catalog {place}: {source}")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// Where the catalog is.
        place: String,
        /// What kind of trouble.
        fault: SqlFault,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder.
    #[error("unable to make the folder of the catalog {}: {source}", .path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A damaged file that stays where it is.
    #[error("unable to put the damaged catalog {} aside as {}: {source}", .path.display(), .aside.display())]
    Aside {
        /// The file.
        path: PathBuf,
        /// Where it was to go.
        aside: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A newer vex wrote it, and this one can't read that.
    #[error(
        "unable to use the catalog {place}: it has version {found}, this vex knows {known}; use a newer vex"
    )]
    Newer {
        /// Where the catalog is.
        place: String,
        /// Its version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
}

impl CatalogError {
    /// An error of SQLite.
    pub(super) fn sqlite(path: &Path, doing: &'static str, error: rusqlite::Error) -> CatalogError {
        let fault = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqlFault::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => SqlFault::Damaged,
            _ => SqlFault::Other,
        };
        let place = path.display().to_string();
        CatalogError::Sql { doing, place, fault, source: error.into() }
    }

    /// Whether the file is no database, or a damaged one.
    pub fn is_damaged(&self) -> bool {
        matches!(self, CatalogError::Sql { fault: SqlFault::Damaged, .. })
    }

    /// Whether once more may help.
    pub fn again(&self) -> bool {
        matches!(self, CatalogError::Sql { fault: SqlFault::Busy, .. })
    }
}
