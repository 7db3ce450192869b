//! A private folder for one run of dump programs: the file with the password, and what it stages.
//!
//! Knows no program's output. Invariants: only the owner can enter; it is gone with the value; one
//! that a killed vex left behind is swept by the next run, since nobody holds its lock any more.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::base::Size;
use crate::source::contract::{Error, ErrorKind, Result};

/// What the names of locks and folders begin and end in.
const NAME: (&str, &str) = (".vex-engine-", ".lock");

/// The folder.
pub struct Private {
    path: PathBuf,
    /// Held while the folder lives, and removed after it.
    _lock: NamedTempFile,
}

impl Private {
    /// A new folder in `staging`; sweeps what dead runs left there.
    pub fn create(staging: &Path) -> Result<Private> {
        let io = |e: std::io::Error| {
            Error::new(
                ErrorKind::Failed,
                "make a private folder",
                format!("{}: {e}", staging.display()),
            )
        };
        std::fs::create_dir_all(staging).map_err(io)?;
        sweep(staging).map_err(io)?;
        loop {
            let lock = tempfile::Builder::new()
                .prefix(NAME.0)
                .suffix(NAME.1)
                .tempfile_in(staging)
                .map_err(io)?;
            lock.as_file().lock().map_err(io)?;
            // A sweep may have caught it before the lock: then another is made.
            if lock.as_file().metadata().map_err(io)?.nlink() > 0 {
                let path = lock.path().with_extension("d");
                std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(io)?;
                return Ok(Private { path, _lock: lock });
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses to stage what will not fit, by what the server estimates.
    pub fn has_room(&self, bytes: u64, otherwise: &str) -> Result<()> {
        Private::room_in(&self.path, bytes, otherwise)
    }

    /// Refuses to put into a folder what will not fit.
    pub fn room_in(path: &Path, bytes: u64, otherwise: &str) -> Result<()> {
        let doing = format!("stage {} in {}", Size(bytes), path.display());
        let stat = rustix::fs::statvfs(path)
            .map_err(|e| Error::new(ErrorKind::Failed, &doing, e.to_string()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free > bytes {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Refused, doing, format!("{} are free there", Size(free)));
        Err(error.hint(format!("Make room, name a folder of a larger disk by `staging path=` of the site file, {otherwise}.")))
    }

    /// Writes a file that only the owner can read.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        let write = |path: &Path| {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())
        };
        write(&path).map_err(|e| {
            Error::new(ErrorKind::Failed, format!("write {}", path.display()), e.to_string())
        })?;
        Ok(path)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // What can't be removed now is swept by the next run.
        std::fs::remove_dir_all(&self.path).unwrap_or_default();
    }
}

/// Removes folders whose owner is gone.
fn sweep(staging: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(staging)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with(NAME.0) || !name.ends_with(NAME.1) {
            continue;
        }
        match File::open(&path) {
            Ok(lock) if lock.try_lock().is_ok() => {
                // Of somebody else, or still written to: a later run sweeps it, this one goes on.
                let swept = gone(std::fs::remove_dir_all(path.with_extension("d")));
                drop(swept.and_then(|()| gone(std::fs::remove_file(&path))));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// What another sweep removed first is as good as removed.
fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A line of an option file: the value between quotes, so that no character of it means anything.
pub fn option(name: &str, value: &str) -> String {
    let mut line = format!("{name}=\"");
    for c in value.chars() {
        if matches!(c, '\\' | '"') {
            line.push('\\');
        }
        line.push(c);
    }
    line + "\"\n"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_private_goes_with_its_owner_and_dead_ones_are_swept() {
        let staging = tempfile::tempdir().expect("a folder");
        let names = || std::fs::read_dir(staging.path()).expect("a list").count();
        let first = Private::create(staging.path()).expect("made");
        let file = first.write("secret.cnf", "x").expect("written");
        let mode =
            |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(first.path()), mode(&file)), (0o700, 0o600));
        // As a killed run leaves it: a folder and a lock that nobody holds.
        std::fs::write(staging.path().join(".vex-engine-dead.lock"), "").expect("written");
        std::fs::create_dir(staging.path().join(".vex-engine-dead.d")).expect("made");
        std::fs::write(staging.path().join(".vex-engine-dead.d/defaults.cnf"), "x")
            .expect("written");
        let second = Private::create(staging.path()).expect("made");
        second.has_room(1, "").expect("a byte");
        assert_eq!(second.has_room(u64::MAX, "").expect_err("too much").kind, ErrorKind::Refused);
        assert_eq!(names(), 4, "two owners live");
        drop((first, second));
        assert_eq!(names(), 0);
    }

    #[test]
    fn values_of_options_are_quoted() {
        assert_eq!(option("password", "a\"b\\c #d"), "password=\"a\\\"b\\\\c #d\"\n");
    }
}
