//! A catalog file that is damaged: recognised, and kept under another name.
//!
//! Removes nothing: what can still be read of it is its owner's to save.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::catalog::error::CatalogError;

/// What SQLite keeps beside a file; the file itself is the last one to go, so that none of it ever
/// meets another file.
const PARTS: [&str; 3] = ["-wal", "-shm", ""];

/// See `Catalog::put_damaged_aside`.
pub fn put_damaged_aside(path: &Path) -> Result<Option<(PathBuf, String)>, CatalogError> {
    if !path.is_file() {
        return Ok(None);
    }
    let Some(found) = damage(path)? else { return Ok(None) };
    let aside = free_name(path);
    for part in PARTS {
        let (from, to) = (with(path, part), with(&aside, part));
        match std::fs::rename(&from, &to) {
            Err(source) if part.is_empty() || source.kind() != io::ErrorKind::NotFound => {
                return Err(CatalogError::Aside { path: from, aside: to, source });
            }
            _ => {}
        }
    }
    Ok(Some((aside, found)))
}

/// What is wrong with the file, if anything is.
fn damage(path: &Path) -> Result<Option<String>, CatalogError> {
    let check = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    };
    match check().map_err(|e| CatalogError::sqlite(path, "check", e)) {
        Ok(found) => Ok((found != "ok").then(|| format!("quick_check says {found}"))),
        Err(error) if error.is_damaged() => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// The first name beside it that nothing has.
fn free_name(path: &Path) -> PathBuf {
    let is_free =
        |name: &PathBuf| PARTS.iter().all(|part| with(name, part).symlink_metadata().is_err());
    let names = (1u64..).map(|number| with(path, &format!(".damaged-{number}")));
    names.into_iter().find(is_free).expect("a folder has an end, numbers have none")
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}
