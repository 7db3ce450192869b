//! The examination of a SQLite file: there, readable, sound, and room for its staging copy.
//!
//! Changes nothing. Opens the file through SQLite only, as a dump does.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::base::{Finding, Size, Stop};
use crate::source::contract::{Examined, Purpose, Result};
use crate::source::sqlite::check::{Soundness, check};
use crate::source::sqlite::definition::database_bytes;
use crate::source::sqlite::open::{failed, open_live};

/// Files up to this size are checked page by page; larger ones would take minutes.
const QUICK: u64 = 256 << 20;

/// Examines the file at `path`, which is staged in `staging`.
pub fn examine(
    path: &Path,
    staging: &Path,
    place: &str,
    purpose: Purpose,
    stop: &Stop,
) -> Result<Examined> {
    stop.check()?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    if purpose.readers > 0 {
        let doing = format!("examine {place}");
        let connection = open_live(path, &doing, stop)?;
        bytes = database_bytes(&connection).map_err(|e| failed(&doing, e))?;
        found.push(Finding::ok("file", format!("{}, {}", path.display(), Size(bytes))));
        found.push(Finding::ok("version", format!("SQLite {}", rusqlite::version())));
        let mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0));
        let mode = mode.map_err(|e| failed(&doing, e))?;
        found.push(match mode.as_str() {
            "wal" => Finding::ok("journal mode", "wal: writers go on while it is copied"),
            other => {
                Finding::ok("journal mode", format!("{other}: writers wait while it is copied"))
            }
        });
        found.push(integrity(&connection, bytes));
        found.push(room(staging, bytes));
    }
    if purpose.load {
        found.push(loadable(path));
    }
    Ok(Examined { findings: found, bytes, data: Some(path.to_owned()) })
}

fn integrity(connection: &Connection, bytes: u64) -> Finding {
    if bytes > QUICK {
        let found = format!("not checked: the file is larger than {}", Size(QUICK));
        return Finding::ok("integrity", found);
    }
    let advice = "Restore the last proven backup, or recover what is left with `.recover` of the sqlite3 shell.";
    match check(connection) {
        Ok(Soundness::Damaged(damage)) => Finding::error("integrity", damage, advice),
        Ok(Soundness::Sound { unchecked, .. }) if !unchecked.is_empty() => {
            let advice =
                "Its application alone can check the rest; backups are made, and are Alerta.";
            Finding::alert("integrity", unchecked.join("; "), advice)
        }
        Ok(Soundness::Sound { odd, .. }) if !odd.is_empty() => {
            Finding::ok("integrity", odd.join("; "))
        }
        Ok(Soundness::Sound { .. }) => Finding::ok("integrity", "quick_check found nothing"),
        Err(error) => Finding::error("integrity", error.to_string(), advice),
    }
}

/// Whether the staging copy has room. The folder itself may not be there yet.
fn room(staging: &Path, bytes: u64) -> Finding {
    let there = staging.ancestors().find(|p| p.is_dir()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let found = format!("{} free for a copy of {}", Size(free), Size(bytes));
            match free > bytes {
                true => Finding::ok("staging", found),
                false => {
                    Finding::error("staging", found, format!("Make room in {}.", there.display()))
                }
            }
        }
        Err(error) => Finding::alert(
            "staging",
            format!("{}: {error}", there.display()),
            "Check the state folder.",
        ),
    }
}

/// Whether a restore may make or replace the file.
fn loadable(path: &Path) -> Finding {
    let folder: PathBuf =
        path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    match rustix::fs::access(&folder, access) {
        Ok(()) => Finding::ok("writing", format!("{} takes files", folder.display())),
        Err(error) => {
            let advice = "Make the folder, or give this user the right to write into it.";
            Finding::error("writing", format!("{}: {error}", folder.display()), advice)
        }
    }
}
