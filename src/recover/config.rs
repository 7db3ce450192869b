//! Where the configuration of a cluster comes back to, if it was outside of the data directory, and
//! the logs it leads to.
//!
//! Invariant: a name in an artifact never becomes a path: only its plain parts count, below a
//! folder that the user named or that lies beside the data directory. What is there is never
//! written over.

use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::base::Stop;
use crate::pipeline::Fetch;
use crate::recover::assembly::small;
use crate::recover::fault::Fault;
use crate::source::{ClusterFacts, Owner, Place};

/// Largest log that is read.
const LOG: u64 = 16 << 20;

/// The three files of every cluster, their settings, and the member that holds each.
const FILES: [&str; 3] = ["config_file", "hba_file", "ident_file"];

/// Where the configuration comes back to.
#[derive(Debug)]
pub struct Config {
    /// The folder that its files come into.
    folder: PathBuf,
    /// Whether the files on this machine, where they were, are used for the start.
    on_site: bool,
    data: PathBuf,
}

impl Config {
    /// The folder that was named, or one beside the data directory.
    pub fn decide(
        named: Option<&Path>,
        facts: &ClusterFacts,
        place: &Place,
        stamp: &str,
    ) -> Config {
        let folder =
            named.map_or_else(|| place.beside(&format!(".config-{stamp}")), Path::to_path_buf);
        let same = Path::new(&facts.data) == place.data;
        let there = facts.config.iter().all(|c| Path::new(&c.path).is_file());
        Config { folder, on_site: named.is_none() && same && there, data: place.data.clone() }
    }

    /// The plan of it.
    pub fn lines(&self, facts: &ClusterFacts) -> Vec<String> {
        let Some(first) = facts.config.first() else { return Vec::new() };
        let folder = self.folder.display();
        let mut lines = vec![format!(
            "configuration outside of the data directory ({} and {} more) comes into {folder}",
            first.path,
            facts.config.len() - 1
        )];
        if self.on_site {
            lines.push(
                "the server keeps the configuration that is on this machine where it was".into(),
            );
        }
        lines
    }

    /// Writes the files; returns what it says of them.
    pub fn write(
        &self,
        facts: &ClusterFacts,
        fetch: &Fetch<'_>,
        owner: Owner,
        stop: &Stop,
    ) -> Result<Vec<String>, Fault> {
        let mut said = Vec::new();
        for line in &facts.config {
            let path = self.folder.join(below(&line.member));
            let bytes = small(fetch, &line.member, stop)?;
            owner.folder(path.parent().unwrap_or(&self.folder))?;
            if std::fs::read(&path).is_ok_and(|there| there == bytes) {
                continue;
            }
            let hint = "The data directory is in its place; copy the file from the backup by hand.";
            owner.write(&path, &bytes).map_err(|e| e.hint(hint))?;
            said.push(format!("wrote {}", path.display()));
        }
        Ok(said)
    }

    /// Settings for a start; none where all is in the data directory.
    pub fn settings(&self, facts: &ClusterFacts) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        for name in FILES {
            let Some(line) = facts.config.iter().find(|c| c.role == name) else { continue };
            let path = if self.on_site {
                PathBuf::from(&line.path)
            } else {
                self.folder.join(below(&line.member))
            };
            settings.push((name.to_owned(), path.display().to_string()));
        }
        if !settings.is_empty() {
            settings.push(("data_directory".into(), self.data.display().to_string()));
        }
        settings
    }
}

/// The plain parts of a member's name, without its `config.`.
fn below(member: &str) -> PathBuf {
    let name = member.strip_prefix("config.").unwrap_or(member);
    let parts = Path::new(name).components().filter(|part| matches!(part, Component::Normal(_)));
    parts.collect()
}

/// What a server wrote since it was started: its own log, and those of its logging collector.
pub fn logs(data: &Path, log: &Path, began: SystemTime) -> String {
    let mut text = read(log);
    let names = data.join("current_logfiles");
    // Without a logging collector there is no such file.
    let named = if names.exists() { read(&names) } else { String::new() };
    for path in
        named.lines().filter_map(|line| line.split_once(' ')).map(|(_, path)| data.join(path))
    {
        let fresh = std::fs::metadata(&path).and_then(|m| m.modified()).is_ok_and(|at| at >= began);
        if fresh {
            text += &read(&path);
        }
    }
    text
}

/// The end of a log; a log that can't be read says so where it is looked at.
fn read(path: &Path) -> String {
    let bytes = std::fs::read(path)
        .unwrap_or_else(|e| format!("ERROR:  {}: {e}\n", path.display()).into_bytes());
    let from = bytes.len().saturating_sub(LOG as usize);
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_an_artifact_never_leads_out_of_its_folder() {
        for (member, path) in [
            ("config.postgresql.conf", "postgresql.conf"),
            ("config.conf.d/own.conf", "conf.d/own.conf"),
            ("config./etc/passwd", "etc/passwd"),
            ("config.../../x", "x"),
        ] {
            assert_eq!(below(member), PathBuf::from(path), "{member}");
        }
    }
}
