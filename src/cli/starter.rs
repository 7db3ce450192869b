//! `vex new`: a commented job file to begin with, on standard output or as a new file.
//!
//! Knows no machine and asks nothing: what must be changed is marked in the file. No file that is
//! there is ever replaced, and one that could not be written whole is not left behind.

use std::io::Write;
use std::path::Path;

use crate::cli::args::{Kind, New};
use crate::cli::exit::Exit;
use crate::cli::wiring::{complain, tell};

/// Prints a starter job, or writes it into a file that is not there yet.
pub fn new(args: &New) -> Exit {
    let text = starter(args.kind);
    let Some(path) = &args.out else {
        return match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => Exit::Success,
            Err(error) => {
                complain(&format!("unable to write to standard output: {error}"));
                Exit::Error
            }
        };
    };
    match write(path, text) {
        Ok(()) => {
            let path = path.display();
            tell(&format!("{path}: written; change what is marked CHANGE, then: vex check {path}"));
            Exit::Success
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            complain(&format!(
                "{} is there already, and was left as it is; name another file",
                path.display()
            ));
            Exit::Usage
        }
        Err(error) => {
            complain(&format!("unable to write {}: {error}; no file was left", path.display()));
            Exit::Error
        }
    }
}

fn starter(kind: Kind) -> &'static str {
    match kind {
        Kind::Mysql => include_str!("../../templates/new/mysql.kdl"),
        Kind::Mariadb => include_str!("../../templates/new/mariadb.kdl"),
        Kind::Postgres => include_str!("../../templates/new/postgres.kdl"),
        Kind::Sqlite => include_str!("../../templates/new/sqlite.kdl"),
        Kind::Oracle => include_str!("../../templates/new/oracle.kdl"),
    }
}

/// The file is there as a whole or not at all.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist_noclobber(path).map_err(|e| e.error)?;
    Ok(())
}
