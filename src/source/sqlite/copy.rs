//! A SQLite file that is on its way: a copy that is read, or a restored one that has no name yet.
//!
//! Knows no source and no target. Invariants: as long as its owner lives, a lock is held on it, so
//! that `sweep` can tell the files of the living from those of the dead; whoever opens it leaves
//! nothing beside it. A file system without locks has nothing swept.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tempfile::NamedTempFile;

use crate::source::contract::Result;
use crate::source::sqlite::open::failed;

/// What the names of such files end with.
const SUFFIX: &str = ".sqlite";

/// Opens one. It never changes, so SQLite needs no locks on it and no files beside it, not even in
/// WAL mode.
pub fn open_copy(path: &Path, doing: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    // Two slashes at its beginning would say that a host follows.
    let path: PathBuf = path.components().collect();
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                uri.push(char::from(*byte))
            }
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    let connection =
        Connection::open_with_flags(uri + "?immutable=1", flags).map_err(|e| failed(doing, e))?;
    connection
        .execute_batch("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;")
        .map_err(|e| failed(doing, e))?;
    Ok(connection)
}

/// A new file in a folder, locked as long as it lives. A sweep may have caught it before the lock:
/// then another is made.
pub fn stage(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    loop {
        let copy = tempfile::Builder::new().prefix(prefix).suffix(SUFFIX).tempfile_in(folder)?;
        match copy.as_file().try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            // No locks here: `sweep` gets the same answer and keeps its hands off.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if copy.as_file().metadata()?.nlink() > 0 {
            return Ok(copy);
        }
    }
}

/// Removes files whose owner is gone: nobody holds their lock. What SQLite put beside one goes once
/// that has. What is of another user, or no plain file, is left alone.
pub fn sweep(folder: &Path, prefix: &str) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(at) = name.find(SUFFIX).filter(|_| name.starts_with(prefix)) else { continue };
        let own = folder.join(&name[..at + SUFFIX.len()]);
        match std::fs::symlink_metadata(&own) {
            Ok(found) if !found.is_file() || found.uid() != euid() => continue,
            Ok(_) => match File::open(&own) {
                // The lock is held until it is gone: its owner may be about to take it.
                Ok(file) if file.try_lock().is_ok() => remove(&own)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(_) | Err(_) => continue,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        remove(&path)?;
    }
    Ok(())
}

fn euid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Removes a file that another sweep may have removed already.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_dead_are_swept() {
        let folder = tempfile::tempdir().expect("a folder");
        let alive = stage(folder.path(), ".vex-restore-").expect("made");
        let beside = format!("{}-wal", alive.path().display());
        std::fs::write(&beside, "").expect("written");
        for name in [".vex-restore-dead.sqlite", ".vex-restore-dead.sqlite-wal", "back.sqlite"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        let link = folder.path().join(".vex-restore-link.sqlite");
        std::os::unix::fs::symlink(folder.path().join("back.sqlite"), &link).expect("linked");
        sweep(folder.path(), ".vex-restore-").expect("swept");
        let mut left: Vec<PathBuf> = std::fs::read_dir(folder.path())
            .expect("a list")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        left.sort();
        let mut expected =
            vec![link, alive.path().to_owned(), beside.into(), folder.path().join("back.sqlite")];
        expected.sort();
        assert_eq!(left, expected);
        drop(alive);
        sweep(folder.path(), ".vex-restore-").expect("swept");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a list").count(), 2);
    }
}
