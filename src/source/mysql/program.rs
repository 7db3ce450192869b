//! The programs that may dump a server in vex's place: which one fits, where it is, and how it is
//! called.
//!
//! Never a shell, never an option file of the machine: `--defaults-file` names the only one, so
//! that nothing of `/etc/my.cnf` or a home folder can leave rows out; the password is in it and
//! nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Stop;
use crate::job::{Engine, TlsMode};
use crate::source::contract::{Error, ErrorKind, Program, Result};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::program::option;
use crate::world::Child;

/// A program that was found.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Which engine it is.
    pub engine: Engine,
    /// Where it is.
    pub path: PathBuf,
    /// Whose mysqldump it is; of mydumper, the server's.
    pub family: Family,
    /// What it says of its version.
    pub version: String,
    /// Major and minor number of the MariaDB or MySQL it belongs to.
    pub number: (u32, u32),
}

/// The names under which an engine may be installed, the better first.
fn names(engine: Engine, family: Option<Family>) -> &'static [&'static str] {
    match (engine, family) {
        (Engine::Native | Engine::PgDump(_) | Engine::Basebackup | Engine::Rman(_), _) => &[],
        (Engine::Mydumper, _) => &["mydumper"],
        (Engine::Mysqldump, Some(Family::Mysql)) => &["mysqldump"],
        (Engine::Mysqldump, Some(Family::Mariadb) | None) => &["mariadb-dump", "mysqldump"],
    }
}

/// Every file of these names that `PATH` leads to and that may be run.
fn candidates(names: &[&str], first: &[PathBuf]) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = first.iter().cloned().chain(std::env::split_paths(&path)).collect();
    let runs = |p: &PathBuf| {
        std::fs::metadata(p).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    names.iter().flat_map(|name| folders.iter().map(move |f| f.join(name))).filter(runs).collect()
}

fn missing(engine: Engine, found: String) -> Error {
    let package = match engine {
        Engine::Mydumper => "the package `mydumper`",
        Engine::Native
        | Engine::Mysqldump
        | Engine::PgDump(_)
        | Engine::Basebackup
        | Engine::Rman(_) => "the client package of the server's maker",
    };
    Error::new(ErrorKind::Refused, format!("use the engine {}", engine.word()), found)
        .hint(format!("Install {package}, or use `engine \"native\"`, which needs no program."))
}

/// Whether there is a program for the engine at all; asks no server.
pub fn look(engine: Engine, first: &[PathBuf]) -> Result<()> {
    let names = names(engine, None);
    if engine == Engine::Native || !candidates(names, first).is_empty() {
        return Ok(());
    }
    Err(missing(engine, format!("there is no {} in PATH", names.join(" and no "))))
}

/// The program that fits the server.
pub fn find(engine: Engine, flavor: &Flavor, first: &[PathBuf], stop: &Stop) -> Result<Tool> {
    look(engine, first)?;
    let mut others = Vec::new();
    for path in candidates(names(engine, Some(flavor.family)), first) {
        let version = version(&path, stop)?;
        let number = number(&version);
        let family = if version.contains("MariaDB") { Family::Mariadb } else { Family::Mysql };
        if engine == Engine::Mydumper || family == flavor.family {
            return Ok(Tool { engine, path, family: flavor.family, version, number });
        }
        others.push(format!("{} is {version}", path.display()));
    }
    let server = match flavor.family {
        Family::Mysql => "MySQL",
        Family::Mariadb => "MariaDB",
    };
    let others =
        if others.is_empty() { "there is none in PATH".to_owned() } else { others.join("; ") };
    Err(missing(
        engine,
        format!(
            "the server is {server} {} and needs its own {}: {others}",
            flavor.version,
            engine.word()
        ),
    ))
}

/// What a program says of its version.
pub fn version(path: &Path, stop: &Stop) -> Result<String> {
    let words = [path.display().to_string(), "--version".to_owned()];
    let output = Child::new(&words).stall(Duration::from_secs(30)).output(4096, stop);
    let output = output.map_err(|e| {
        let cause = std::error::Error::source(&e).map_or_else(String::new, |s| format!(": {s}"));
        Error::new(
            ErrorKind::Refused,
            format!("ask {} for its version", path.display()),
            format!("{e}{cause}"),
        )
    })?;
    let text = String::from_utf8_lossy(&output);
    let first = text.lines().next().unwrap_or_default().trim();
    // Some begin with their own path.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let rest = first.find(' ').map_or("", |at| first[at..].trim());
    Ok(format!("{name} {rest}"))
}

/// `… Distrib 10.11.19-MariaDB, …`, `… from 11.8.2-MariaDB, …`, `Ver 9.7.4-2 for Linux …`.
fn number(version: &str) -> (u32, u32) {
    let after = |word: &str| version.split_once(word).map(|(_, rest)| rest.trim());
    let rest =
        after("Distrib ").or_else(|| after("from ")).or_else(|| after("Ver ")).unwrap_or_default();
    let mut parts = rest.split(['.', '-', ' ']).map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

impl Tool {
    /// The program in a sentence: its name and version.
    pub fn title(&self) -> String {
        self.version.split(',').next().unwrap_or_default().trim().to_owned()
    }

    /// The program for the plan.
    pub fn facts(&self) -> Program {
        let locks = match self.engine {
            Engine::Native | Engine::PgDump(_) | Engine::Basebackup | Engine::Rman(_) => Vec::new(),
            Engine::Mydumper => vec![
                "FLUSH TABLES WITH READ LOCK by mydumper: writers wait until all its connections have begun, and until \
                 every table that is not InnoDB has been read"
                    .to_owned(),
            ],
            Engine::Mysqldump => vec!["no global lock: each database is read in one transaction of its own".to_owned()],
        };
        let guard = "a metadata lock on every table until the dump ends: reads and writes go on, ALTER, DROP and \
                     TRUNCATE wait";
        let uncounted =
            format!("{} counts no rows: a verify proves every byte and no value", self.title());
        let staged =
            "mydumper stages all rows in the state folder, uncompressed, before anything is sent";
        let remarks = (self.engine == Engine::Mydumper).then(|| staged.to_owned());
        Program {
            title: self.title(),
            locks: locks.into_iter().chain([guard.to_owned()]).collect(),
            covers_all: self.engine == Engine::Mydumper,
            remarks: remarks.into_iter().chain([uncounted]).collect(),
        }
    }

    /// The option file: how the server is reached, and `more` lines.
    pub fn defaults(&self, connector: &Connector, more: &[String]) -> String {
        let spec = connector.spec();
        let mut text = match self.engine {
            Engine::Mydumper => "[mydumper]\n".to_owned(),
            Engine::Native
            | Engine::Mysqldump
            | Engine::PgDump(_)
            | Engine::Basebackup
            | Engine::Rman(_) => "[client]\n".to_owned(),
        };
        text += &option("user", &spec.user);
        if let Some(password) = connector.password() {
            text += &option("password", password.reveal());
        }
        match &spec.socket {
            Some(socket) => text += &option("socket", &socket.to_string_lossy()),
            None => {
                text += &option("host", &spec.host);
                text += &format!("port={}\n", spec.port);
            }
        }
        if self.engine == Engine::Mysqldump {
            text += if spec.socket.is_some() { "protocol=socket\n" } else { "protocol=tcp\n" };
        }
        text += &self.protection(connector);
        text + &more.concat()
    }

    /// How the connection is protected: never weaker than vex's own. MariaDB's programs know no
    /// middle between a full check and none, so `verify-ca` is a full check there.
    fn protection(&self, connector: &Connector) -> String {
        let (mode, files) = connector.protection();
        let mut text = String::new();
        let mysql = self.engine == Engine::Mysqldump && self.family == Family::Mysql;
        if mysql {
            text += match mode {
                TlsMode::Off => "ssl-mode=DISABLED\nget-server-public-key\n",
                TlsMode::Require => "ssl-mode=REQUIRED\n",
                TlsMode::VerifyCa => "ssl-mode=VERIFY_CA\n",
                TlsMode::VerifyFull => "ssl-mode=VERIFY_IDENTITY\n",
            };
        } else {
            text += match (self.engine, mode) {
                (Engine::Mydumper, TlsMode::Off) => "",
                (_, TlsMode::Off) => "skip-ssl\n",
                (Engine::Mydumper, TlsMode::Require) => "ssl-enforce=1\n",
                (Engine::Mydumper, _) => "ssl-enforce=1\nssl-verify-server-cert=1\n",
                (_, TlsMode::Require) => "ssl\nssl-verify-server-cert=0\n",
                (_, TlsMode::VerifyCa | TlsMode::VerifyFull) => "ssl\nssl-verify-server-cert=1\n",
            };
        }
        if mode != TlsMode::Off {
            let names = [("ssl-ca", &files.ca), ("ssl-cert", &files.cert), ("ssl-key", &files.key)];
            let own = names
                .iter()
                .filter_map(|(n, path)| Some(option(n, &path.as_ref()?.to_string_lossy())));
            text.extend(
                own.filter(|line| mode != TlsMode::Require || !line.starts_with("ssl-ca=")),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_every_form_of_version() {
        for (version, expected) in [
            (
                "mysqldump Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)",
                (10, 11),
            ),
            (
                "mariadb-dump from 11.8.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)",
                (11, 8),
            ),
            ("mysqldump  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", (9, 7)),
            ("mydumper 0.10.0, built against MySQL 10.11.14", (0, 0)),
        ] {
            assert_eq!(number(version), expected, "{version}");
        }
    }
}
