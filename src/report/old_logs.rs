//! Removes logs of runs that are old enough. History and audit are no logs.
//!
//! Invariant: only what a run's log is made of is removed, by its name; a folder that holds anything
//! else stays.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use jiff::fmt::strtime;

use crate::base::Id;
use crate::report::log::{ENGINE, EVENTS, SCRIPT};

/// What a restore kept of what its target refused.
const REFUSED: &str = "refused.sql";

/// What earlier versions called the files of a run, behind its ID.
const EARLIER: [&str; 3] = ["log", "mydumper_log.log", "refused.sql"];

/// Removes the logs in a job's folder of runs that began before a moment; returns how many runs.
pub fn remove_logs(folder: &Path, before: Timestamp) -> io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.get(..25).is_some_and(|id| is_before(id, before)) {
            continue;
        }
        let own = [SCRIPT, ENGINE, EVENTS, REFUSED];
        let is_earlier = name.get(25..26) == Some(".")
            && name.get(26..).is_some_and(|rest| EARLIER.contains(&rest));
        if name.len() == 25 && path.is_dir() {
            for file in own {
                gone(std::fs::remove_file(path.join(file)))?;
            }
            removed += usize::from(std::fs::remove_dir(&path).is_ok());
        } else if is_earlier {
            gone(std::fs::remove_file(&path))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a run, by its ID, began before a moment.
fn is_before(id: &str, before: Timestamp) -> bool {
    let time = Id::parse(id).and(id.get(..16));
    let at = time.and_then(|time| strtime::parse("%Y%m%dT%H%M%SZ", time).ok());
    at.and_then(|at| at.to_datetime().ok())
        .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .is_some_and(|at| at.timestamp() < before)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logs_of_old_runs_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let old = "20250101T000000Z-00000001";
        let young = "20260101T000000Z-00000001";
        let strange = "20250101T000000Z-00000002";
        for run in [old, young, strange] {
            std::fs::create_dir(at(run)).expect("made");
            std::fs::write(at(run).join(SCRIPT), "x").expect("written");
        }
        std::fs::write(at(strange).join("mine.txt"), "x").expect("written");
        let files = ["20250101T000000Z-00000003.log", "20250101T000000Z-00000003.txt", "notes.log"];
        files.iter().for_each(|name| std::fs::write(at(name), "x").expect("written"));
        let before = "2025-06-01T00:00:00Z".parse().expect("a moment");
        assert_eq!(remove_logs(folder.path(), before).expect("removed"), 2);
        let left = [young, strange, files[1], files[2]];
        assert!(left.iter().all(|name| at(name).exists()));
        assert!(at(strange).join("mine.txt").exists());
        assert!(!at(old).exists() && !at(files[0]).exists());
    }
}
