//! `pg_basebackup`: its words, its variables, and what it wrote down of the backup.
//!
//! Never a shell, never a password in its words: libpq reads it from a variable of the child. Page
//! checksums are always verified where the cluster has them, and WAL always comes along: without it
//! a copy is no moment at all.

use std::path::Path;

use serde::Deserialize;

use crate::artifact::Position;
use crate::base::Secret;
use crate::job::{Physical, TlsMode};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::program::Program;
use crate::world::Child;

/// The name of the manifest that the server writes of a backup.
pub const MANIFEST: &str = "backup_manifest";

/// Where Linux distributions keep the certificates they trust.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

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

/// The program as a child: how the server is reached, as libpq's variables.
pub fn child<'a>(
    words: &'a [String],
    connector: &Connector,
    password: Option<Secret>,
) -> Child<'a> {
    let (mode, tls) = connector.protection();
    let port = connector.port.to_string();
    let mut child = Child::new(words)
        .env("PGHOST", &connector.hosts.join(","))
        .env("PGPORT", &port)
        .env("PGUSER", &connector.user)
        .env("PGAPPNAME", "vex")
        .env("PGCONNECT_TIMEOUT", "15")
        // Not the user's own file: its password, if there is one, was looked up already.
        .env("PGPASSFILE", "/dev/null")
        .env(
            "PGSSLMODE",
            match mode {
                TlsMode::Off => "disable",
                TlsMode::Require => "require",
                TlsMode::VerifyCa => "verify-ca",
                TlsMode::VerifyFull => "verify-full",
            },
        );
    if matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyFull) {
        let own = tls.ca.as_ref().map(|path| path.display().to_string());
        let machine =
            || BUNDLES.iter().find(|p| Path::new(p).is_file()).map_or("system", |p| p).to_owned();
        child = child.env("PGSSLROOTCERT", &own.unwrap_or_else(machine));
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        child = child
            .env("PGSSLCERT", &cert.display().to_string())
            .env("PGSSLKEY", &key.display().to_string());
    }
    match password {
        Some(password) => child.secret("PGPASSWORD", password),
        None => child,
    }
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
