//! The catalog's file: opened, made if there is none, its tables brought up to date.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// Why the catalog could not do it.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// SQLite.
    #[error("unable to {doing} the catalog {}: {source}", .path.display())]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// The folder.
    #[error("unable to make the folder of the catalog {}: {source}", .path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A newer vex wrote it.
    #[error("unable to use the catalog {}: it has version {found}, this vex knows {known}; use a newer vex", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
}

/// An open catalog.
pub struct Catalog {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl Catalog {
    /// Opens the catalog at `path`, makes it if there is none, and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Catalog, CatalogError> {
        if let Some(folder) = path.parent() {
            let fail = |source| CatalogError::Folder { path: path.to_owned(), source };
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let fail = |source| CatalogError::Sql { doing: "open", path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(fail)?;
        connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(fail)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            )
            .map_err(fail)?;
        let mut catalog = Catalog { connection, path: path.to_owned() };
        catalog.migrate()?;
        Ok(catalog)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Wraps an error of SQLite.
    pub(super) fn fail(
        &self,
        doing: &'static str,
    ) -> impl Fn(rusqlite::Error) -> CatalogError + use<> {
        let path = self.path.clone();
        move |source| CatalogError::Sql { doing, path: path.clone(), source }
    }
}
