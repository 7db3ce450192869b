//! One file of a log comes back, for `restore_command`.
//!
//! What PostgreSQL is told decides whether it goes on, ends its recovery, or stops. It is told that
//! the log ends only if every store of the log answered, holds a part of this cluster's log at all
//! (an empty mount point holds none), and has neither the file nor a later one. Everything else is
//! doubt, and an error. What comes back was checked: against its own digest, and as what its name
//! says.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Stop;
use crate::recover::fault::Fault;
use crate::recover::wal::archive::{Beyond, WalStores};
use crate::source::wal::{WalName, check_segment, parse_history};

/// What became of a file that a server asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It is there, out of this store.
    Found(String),
    /// The log ends before it.
    EndOfLog,
}

/// A gap is looked at again after these times: of files that are sent side by side the later may come
/// first.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Brings the file `name` to `to`; an error is a doubt.
pub fn fetch(
    stores: &WalStores,
    system: &str,
    name: WalName,
    to: &Path,
    stop: &Stop,
) -> Result<Fetched, Fault> {
    let mut pauses = AGAIN.iter();
    loop {
        match once(stores, system, name, to, stop)? {
            Found::It(store) => return Ok(Fetched::Found(store)),
            Found::Doubts(doubts) if doubts.is_empty() => return Ok(Fetched::EndOfLog),
            Found::Doubts(doubts) => {
                let is_gap = doubts.iter().all(|(gap, _)| *gap);
                match pauses.next().filter(|_| is_gap) {
                    Some(pause) => stop.sleep(*pause)?,
                    None => return Err(doubtful(stores, name, doubts)),
                }
            }
        }
    }
}

/// What one look came to.
enum Found {
    It(String),
    /// Whether each is a gap, and its words.
    Doubts(Vec<(bool, String)>),
}

fn once(
    stores: &WalStores,
    system: &str,
    name: WalName,
    to: &Path,
    stop: &Stop,
) -> Result<Found, Fault> {
    let mut doubts = Vec::new();
    for copy in &stores.copies {
        match copy.read(system, name, stop) {
            Ok(Some(bytes)) => match is_what_it_says(system, name, &bytes) {
                Ok(()) => {
                    write(to, &bytes).map_err(|e| unwritten(to, &e.to_string()))?;
                    return Ok(Found::It(copy.name.clone()));
                }
                Err(found) => doubts.push((false, format!("{name} in {}: {found}", copy.name))),
            },
            Ok(None) => {}
            Err(Fault::Stopped) => return Err(Fault::Stopped),
            Err(fault) => doubts.push((false, format!("store {}: {}", copy.name, fault.line()))),
        }
    }
    // Asked of all, so that all doubts are told at once.
    for copy in &stores.copies {
        let named = |found: &str| format!("store {}: {found}", copy.name);
        match copy.beyond(system, name, stop) {
            Ok(None) => {}
            Ok(Some(Beyond::Gap(found))) => doubts.push((true, named(&found))),
            Ok(Some(Beyond::Nothing(found))) => doubts.push((false, named(&found))),
            Err(Fault::Stopped) => return Err(Fault::Stopped),
            Err(fault) => doubts.push((false, named(&fault.line()))),
        }
    }
    Ok(Found::Doubts(doubts))
}

fn doubtful(stores: &WalStores, name: WalName, doubts: Vec<(bool, String)>) -> Fault {
    let mut found: Vec<String> = doubts.into_iter().map(|(_, words)| words).collect();
    found.dedup();
    Fault::Nothing {
        doing: format!("say whether the log of {} goes on with {name}", stores.source),
        found: found.join("; "),
        hint: Some(
            "The server is told to stop, so that it does not open with rows missing; start it again once every store of the \
             `wal` step answers, or take out of the job file the store that is lost for good."
                .into(),
        ),
    }
}

/// Whether bytes are the file of a name, and of this cluster.
pub fn is_what_it_says(system: &str, name: WalName, bytes: &[u8]) -> Result<(), String> {
    match name {
        WalName::Segment(segment) => {
            let facts = check_segment(segment, bytes)?;
            match facts.system == system {
                true => Ok(()),
                false => Err(format!("it is of the cluster {}, not of {system}", facts.system)),
            }
        }
        WalName::History(timeline) => parse_history(timeline, bytes).map(drop),
        WalName::Partial(_) | WalName::Backup(..) => Ok(()),
    }
}

fn unwritten(to: &Path, found: &str) -> Fault {
    Fault::Nothing { doing: format!("write {}", to.display()), found: found.to_owned(), hint: None }
}

/// Writes a file that is there whole or not at all; what exists is never replaced.
fn write(to: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(std::io::Error::other("it exists, and is not replaced"));
    }
    let name = to.file_name().ok_or_else(|| std::io::Error::other("it names no file"))?;
    let mut own = std::ffi::OsString::from(".vex-");
    own.push(name);
    let own: PathBuf = to.with_file_name(own);
    // What a call left that was killed.
    match fs::remove_file(&own) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&own)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&own, to)?;
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
