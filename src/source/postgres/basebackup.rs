//! `pg_basebackup`: its words, and what it wrote down of the backup.
//!
//! Never a shell, and nothing of the connection in its words: the connector puts that into the
//! variables of the child. Page checksums are always verified where the cluster has them, and WAL
//! always comes along: without it a copy is no moment at all.

use std::path::Path;

use serde::Deserialize;

use crate::artifact::Position;
use crate::job::Physical;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::program::Program;

/// The name of the manifest that the server writes of a backup.
pub const MANIFEST: &str = "backup_manifest";

/// The words of the program; `target` is a folder, or `None` for standard output.
pub fn words(
    program: &Program,
    physical: &Physical,
    target: Option<&Path>,
    parent: Option<&Path>,
) -> Vec<String> {
    let mut words = vec![program.path.display().to_string()];
    words.push("--pgdata".into());
    words.push(target.map_or_else(|| "-".into(), |folder| folder.display().to_string()));
    words.extend(
        ["--format=tar", "--wal-method=fetch", "--no-password", "--verbose", "--label=vex"]
            .map(str::to_owned),
    );
    words.push("--manifest-checksums=SHA256".into());
    words.push(format!("--checkpoint={}", if physical.fast { "fast" } else { "spread" }));
    words.extend(physical.rate.map(|bytes| format!("--max-rate={}", (bytes >> 10).max(32))));
    words.extend(parent.map(|path| format!("--incremental={}", path.display())));
    words
}

/// What vex needs of the server's manifest.
#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "WAL-Ranges")]
    ranges: Vec<Range>,
}

#[derive(Debug, Deserialize)]
struct Range {
    #[serde(rename = "Timeline")]
    timeline: u32,
    #[serde(rename = "Start-LSN")]
    start: String,
    #[serde(rename = "End-LSN")]
    end: String,
}

/// Where the backup of a manifest stands.
pub fn position(manifest: &[u8], system: &str) -> Result<Position> {
    let damaged =
        |found: String| Error::new(ErrorKind::Damaged, "read the manifest of pg_basebackup", found);
    let record: Record = serde_json::from_slice(manifest).map_err(|e| damaged(e.to_string()))?;
    let (Some(first), Some(last)) = (record.ranges.first(), record.ranges.last()) else {
        return Err(damaged("it names no WAL".into()));
    };
    Ok(Position::Postgres {
        system: system.to_owned(),
        // The manifest has the newest timeline first.
        timeline: first.timeline,
        start: last.start.clone(),
        stop: first.end.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_is_read_from_the_manifest() {
        let text = br#"{ "PostgreSQL-Backup-Manifest-Version": 2, "System-Identifier": 7, "Files": [
            { "Path": "backup_label", "Size": 226, "Last-Modified": "x", "Checksum-Algorithm": "SHA256", "Checksum": "00" }],
            "WAL-Ranges": [ { "Timeline": 2, "Start-LSN": "0/2000028", "End-LSN": "0/2000100" } ], "Manifest-Checksum": "x"}"#;
        let found = position(text, "7").expect("a position");
        let expected = Position::Postgres {
            system: "7".into(),
            timeline: 2,
            start: "0/2000028".into(),
            stop: "0/2000100".into(),
        };
        assert_eq!(found, expected);
        assert!(position(br#"{"WAL-Ranges": []}"#, "7").is_err());
        assert!(position(b"nonsense", "7").is_err());
    }
}
