//! The programs that work on the files of a cluster: checked, combined, stopped and started, always
//! as their owner.
//!
//! Only programs of the cluster's own version: files and WAL are theirs to read. Changes nothing
//! but what it is told to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::program::find_same;
use crate::source::postgres::unpack::Owner;
use crate::source::program::failed;
use crate::world::{Child, ChildError};

/// A program that says nothing for this long is taken for dead: a large cluster takes a while.
const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// Between two looks at a server that recovers.
const PAUSE: Duration = Duration::from_millis(200);

/// Problems kept of one check.
const PROBLEMS: usize = 50;

/// The programs of one version, run as one user.
#[derive(Debug, Clone)]
pub struct Control {
    /// Folders that are searched first.
    pub tools: Vec<PathBuf>,
    /// The version.
    pub major: u32,
    /// As whom they run.
    pub owner: Owner,
}

impl Control {
    /// Whether programs are there; asked before any work.
    pub fn look(&self, names: &[&str], stop: &Stop) -> Result<()> {
        names.iter().try_for_each(|name| self.path(name, stop).map(drop))
    }

    fn path(&self, name: &str, stop: &Stop) -> Result<String> {
        Ok(find_same(&self.tools, name, self.major, stop)?.path.display().to_string())
    }

    /// Runs a program; all it says is returned with its end.
    fn run(
        &self,
        words: &[String],
        stop: &Stop,
    ) -> (Vec<String>, std::result::Result<(), ChildError>) {
        let mut lines = Vec::new();
        let mut child = Child::new(words).stall(SILENCE);
        if !self.owner.is_us() {
            child = child.user(self.owner.user, self.owner.group);
        }
        let ended = child.run(stop, &mut |line| lines.push(line.to_owned()));
        (lines, ended.map(drop))
    }

    /// Runs a program of ours as the owner.
    pub fn as_owner(&self, words: &[String], doing: &str, stop: &Stop) -> Result<()> {
        let (lines, ended) = self.run(words, stop);
        ended.map_err(|e| {
            let said = lines.last().map_or(String::new(), |line| format!(" It says: {line}"));
            let error = failed(doing, e);
            Error { found: format!("{}{said}", error.found), ..error }
        })
    }

    /// What `pg_verifybackup` finds wrong with the files of a backup: each against the backup's own
    /// manifest, and its WAL.
    pub fn verify(&self, folder: &Path, stop: &Stop) -> Result<Vec<String>> {
        let doing = format!("check {}", folder.display());
        let words =
            [self.path("pg_verifybackup", stop)?, "--quiet".into(), folder.display().to_string()];
        let (mut lines, ended) = self.run(&words, stop);
        match ended {
            Ok(()) => Ok(Vec::new()),
            Err(ChildError::Failed { .. }) if !lines.is_empty() => {
                lines.truncate(PROBLEMS);
                Ok(lines)
            }
            Err(error) => Err(failed(&doing, error)),
        }
    }

    /// Makes one cluster of a full backup and what adds to it, in order; `spaces` are folders of
    /// tablespaces of the last and where they go.
    pub fn combine(
        &self,
        chain: &[PathBuf],
        into: &Path,
        spaces: &[(PathBuf, PathBuf)],
        stop: &Stop,
    ) -> Result<()> {
        let doing = format!("combine {} backups into {}", chain.len(), into.display());
        let mut words = vec![
            self.path("pg_combinebackup", stop)?,
            "--output".into(),
            into.display().to_string(),
        ];
        words.push("--manifest-checksums=SHA256".into());
        for (from, to) in spaces {
            let plain = |p: &Path| p.display().to_string().replace('=', "\\=");
            words.push(format!("--tablespace-mapping={}={}", plain(from), plain(to)));
        }
        words.extend(chain.iter().map(|p| p.display().to_string()));
        let (_, ended) = self.run(&words, stop);
        ended.map_err(|e| failed(&doing, e))
    }

    /// Stops the server of a data directory: open transactions are rolled back, and all is written.
    pub fn stop(&self, data: &Path, stop: &Stop) -> Result<()> {
        let doing = format!("stop the server of {}", data.display());
        let mut words =
            vec![self.path("pg_ctl", stop)?, "stop".into(), "--mode=fast".into(), "--wait".into()];
        words.extend(["--timeout=3600".into(), "--pgdata".into(), data.display().to_string()]);
        let (_, ended) = self.run(&words, stop);
        ended.map_err(|e| failed(&doing, e))
    }

    /// Waits until a server that was started has ended its recovery; the error is one that ended
    /// itself. It takes as long as there is log to read.
    pub fn recovered(&self, data: &Path, stop: &Stop) -> Result<()> {
        let pid = data.join("postmaster.pid");
        loop {
            stop.check()?;
            let Ok(text) = std::fs::read_to_string(&pid) else {
                let doing = format!("recover {} from its log", data.display());
                return Err(Error::new(
                    ErrorKind::Failed,
                    doing,
                    "the server stopped before it got there",
                ));
            };
            // The last line says how it stands; `standby` is one that still reads.
            if text.lines().last().is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Starts a server with more settings, and waits until it lets connections in; it writes into
    /// `log`.
    pub fn start(
        &self,
        data: &Path,
        settings: &[(String, String)],
        log: &Path,
        stop: &Stop,
    ) -> Result<()> {
        let doing = format!("start the server of {}", data.display());
        let mut words = vec![
            self.path("pg_ctl", stop)?,
            "start".into(),
            "--wait".into(),
            "--timeout=86400".into(),
        ];
        words.extend([
            "--pgdata".into(),
            data.display().to_string(),
            "--log".into(),
            log.display().to_string(),
        ]);
        if !settings.is_empty() {
            let options =
                options(settings).map_err(|found| Error::new(ErrorKind::Refused, &doing, found))?;
            words.extend(["--options".into(), options]);
        }
        let (_, ended) = self.run(&words, stop);
        ended.map_err(|e| failed(&doing, e))
    }
}

/// Settings as words of `postgres`. `pg_ctl` hands them to a shell, so each is quoted for it.
pub fn options(settings: &[(String, String)]) -> std::result::Result<String, String> {
    let mut words = Vec::new();
    for (name, value) in settings {
        if value.contains('\'') || value.chars().any(char::is_control) {
            return Err(format!("{name} would be {value:?}, which pg_ctl can't be given"));
        }
        words.push(format!("-c '{name}={value}'"));
    }
    Ok(words.join(" "))
}

/// Lines of a server's log that somebody must see, without those that say no more than that it is
/// starting; of each whether it is worse than a warning.
pub fn problems(log: &str) -> Vec<(bool, String)> {
    let is_grave =
        |line: &str| ["PANIC:", "FATAL:", "ERROR:"].iter().any(|level| line.contains(level));
    let serious = |line: &&str| is_grave(line) || line.contains("WARNING:");
    let harmless = [
        "the database system is starting up",
        "the database system is not yet accepting connections",
    ];
    log.lines()
        .filter(serious)
        .filter(|line| !harmless.iter().any(|h| line.contains(h)))
        .map(|line| (is_grave(line), line.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_quoted_for_the_shell_of_pg_ctl() {
        let set = |value: &str| {
            options(&[("data_directory".into(), value.into()), ("port".into(), "1".into())])
        };
        assert_eq!(set("/a b/$x"), Ok("-c 'data_directory=/a b/$x' -c 'port=1'".to_owned()));
        assert!(set("/it's").is_err() && set("/a\nb").is_err());
    }

    #[test]
    fn a_log_is_read_for_what_somebody_must_see() {
        let log = "2026 LOG:  database system was interrupted\n2026 FATAL:  the database system is starting up\n\
                   2026 WARNING:  page verification failed\n2026 PANIC:  could not locate a valid checkpoint record\n";
        let found = problems(log);
        assert_eq!(
            found,
            [
                (false, "2026 WARNING:  page verification failed".to_owned()),
                (true, "2026 PANIC:  could not locate a valid checkpoint record".to_owned())
            ]
        );
    }
}
