//! What a person asks a restore for: the wish, before any store or server was asked.
//!
//! Knows no artifact: names stay names until the heads of the backups were read. The wish can be
//! said again as the command that makes it.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::base::SecretRef;
use crate::job::{KeyRefs, OracleSpec, StoreSpec, TrustSpec};
use crate::plan::reference::{SourceRef, StorePlace};
use crate::plan::replay::ReplayWish;
use crate::plan::wal::Wal;

/// The word for the newest backup that may be used.
pub const LATEST: &str = "latest";

/// Which backup is meant, and what opens it.
#[derive(Debug, Clone)]
pub struct BackupWish {
    /// The job file as it was typed.
    pub typed: Option<String>,
    /// The job file, absolute.
    pub file: Option<String>,
    /// The source as it was typed.
    pub named: Option<String>,
    /// The source, where it is known.
    pub source: Option<String>,
    /// `--from` as it was typed.
    pub from: Option<String>,
    /// Where it is looked for.
    pub places: Places,
    /// Where backups of the same source and of another kind are: its files, or its dumps.
    pub others: Vec<StorePlace>,
    /// Where backups of the same source are besides, where one store was named.
    pub elsewhere: Vec<StorePlace>,
    /// [`LATEST`], or what names one backup.
    pub backup: String,
    /// The beginning of the origin that is meant.
    pub origin: Option<String>,
    /// What opens it, where that was given beside the job file.
    pub keys: KeyRefs,
    /// Whose backups are believed.
    pub trust: TrustSpec,
}

/// Where a backup is looked for.
#[derive(Debug, Clone)]
pub enum Places {
    /// Stores of a job file.
    Stores(Vec<StorePlace>),
    /// A store by its address.
    Address {
        /// How to reach it.
        spec: Box<StoreSpec>,
        /// What the keys begin with: empty, or ending in `/`.
        under: String,
    },
    /// One `.zip`, which is all there is.
    Archive(PathBuf),
}

/// A restore that is asked for.
#[derive(Debug, Clone)]
pub struct RestoreSpec {
    /// Which backup.
    pub which: BackupWish,
    /// Where to, as it was typed.
    pub into: String,
    /// Where to.
    pub target: TargetWish,
    /// What of it: all where nothing is named.
    pub only: Vec<String>,
    /// What is left out.
    pub except: Vec<String>,
    /// Another name for the one database.
    pub rename: Option<String>,
    /// Whether what exists is replaced.
    pub overwrite: bool,
    /// Whether all of it is read before anything is replaced.
    pub read_first: bool,
    /// Whether users and grants come back too.
    pub accounts: bool,
    /// Whether an interrupted restore goes on.
    pub resume: bool,
    /// Whether another backup is taken where one is damaged.
    pub fallback: bool,
    /// Whether whoever restores becomes the definer.
    pub current_definer: bool,
    /// Whether the target takes over the GTID state.
    pub gtid: bool,
    /// Whether the target's binary log is left out.
    pub skip_binlog: bool,
    /// Collations that become others where the target lacks them, as they were typed: `OLD=NEW`, or
    /// the word for the ready map.
    pub map_collation: Vec<String>,
    /// Connections.
    pub threads: usize,
    /// Where statements that the target refused are kept, as it was typed.
    pub refused: Option<PathBuf>,
    /// Where they are kept if nothing is named: beside the log.
    pub beside_log: Option<PathBuf>,
    /// Where the password of a target's address is found.
    pub password: Option<SecretRef>,
}

/// Where a restore goes.
#[derive(Debug, Clone)]
pub enum TargetWish {
    /// A server or a file.
    Source {
        /// The source.
        source: Box<SourceRef>,
        /// The database that an address names, for the one database of the backup.
        database: Option<String>,
        /// A replay of the binary log that follows, if one is asked for.
        replay: Option<Box<ReplayWish>>,
    },
    /// The data directory of a PostgreSQL cluster.
    Cluster(ClusterWish),
    /// An Oracle instance, through RMAN.
    Oracle(OracleWish),
}

/// How an Oracle database comes back.
#[derive(Debug, Clone)]
pub struct OracleWish {
    /// The instance.
    pub source: OracleSpec,
    /// Which backups are used.
    pub mode: OracleMode,
    /// Where recovery ends.
    pub until: Until,
    /// `--until` as it was typed.
    pub until_typed: Option<String>,
    /// A folder where pieces may lie already, and are put.
    pub folder: Option<PathBuf>,
}

/// Which backups bring an Oracle database back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OracleMode {
    /// The last full one, and all logs since.
    Full,
    /// The last full one, what adds to it, and the logs after.
    Incremental,
}

impl OracleMode {
    /// The word of `--mode`.
    pub fn word(self) -> &'static str {
        match self {
            OracleMode::Full => "FULL",
            OracleMode::Incremental => "INCREMENTAL",
        }
    }
}

/// Where a recovery ends; what is there is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// As far as there is anything.
    Latest,
    /// Before an SCN.
    Scn(u64),
    /// Before a moment.
    Moment(Timestamp),
}

/// How the files of a cluster come back.
#[derive(Debug, Clone, Default)]
pub struct ClusterWish {
    /// The data directory.
    pub data: PathBuf,
    /// Whether a server that runs there is stopped.
    pub stop: bool,
    /// Whether the server is started.
    pub start: bool,
    /// Whose the files are.
    pub owner: Option<String>,
    /// Other folders for tablespaces: `OLD=NEW`.
    pub tablespaces: Vec<String>,
    /// The folder of configuration files that were outside.
    pub config: Option<PathBuf>,
    /// Settings of the start: `NAME=VALUE`.
    pub set: Vec<String>,
    /// Folders of PostgreSQL's programs.
    pub tools: Vec<PathBuf>,
    /// Where a recovery from the log ends, if one is asked for.
    pub recovery: Option<RecoveryWish>,
}

/// A recovery from the log of a PostgreSQL cluster.
#[derive(Debug, Clone)]
pub struct RecoveryWish {
    /// Where it ends.
    pub point: RecoveryPoint,
    /// The word of the command line that says so, and its value.
    pub typed: (&'static str, String),
    /// The timeline that it follows; the newest when `None`.
    pub timeline: Option<u32>,
    /// Where the log is.
    pub log: Box<Wal>,
    /// The words of the command that brings a file of the log back, before its name.
    pub command: Vec<String>,
}

/// Where a recovery from the log of a PostgreSQL cluster ends; what is there is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryPoint {
    /// As far as there is anything.
    Latest,
    /// Before the first transaction that ended at this moment or later.
    Moment(Timestamp),
    /// Before this place.
    Lsn(u64),
    /// Before this transaction ended.
    Xid(u32),
    /// At this restore point.
    Name(String),
}

impl RestoreSpec {
    /// The words that only one kind of target understands, and whether they were given: of dumps,
    /// then of files.
    pub fn words(&self) -> [Vec<(&'static str, bool)>; 2] {
        let none = ClusterWish::default();
        let own = match &self.target {
            TargetWish::Cluster(own) => own,
            TargetWish::Source { .. } | TargetWish::Oracle(_) => &none,
        };
        [
            vec![
                ("--only", !self.only.is_empty()),
                ("--except", !self.except.is_empty()),
                ("--as", self.rename.is_some()),
                ("--accounts", self.accounts),
                ("--overwrite", self.overwrite),
                ("--resume", self.resume),
                ("--map-collation", !self.map_collation.is_empty()),
                ("--refused", self.refused.is_some()),
            ],
            vec![
                ("--stop", own.stop),
                ("--start", own.start),
                ("--owner", own.owner.is_some()),
                ("--tablespace", !own.tablespaces.is_empty()),
                ("--config", own.config.is_some()),
                (own.recovery.as_ref().map_or("--until", |r| r.typed.0), own.recovery.is_some()),
            ],
        ]
    }

    /// The command that asks for this.
    pub fn command(&self) -> String {
        let mut line = vec!["vex".to_owned(), "restore".to_owned()];
        let which = &self.which;
        line.extend(which.typed.iter().chain(&which.named).map(|word| quoted(word)));
        let mut value = |name: &str, value: &str| line.extend([name.to_owned(), quoted(value)]);
        if let Some(from) = &which.from {
            value("--from", from);
        }
        if let Some(origin) = &which.origin {
            value("--origin", origin);
        }
        self.only.iter().for_each(|name| value("--only", name));
        self.except.iter().for_each(|name| value("--except", name));
        value("--into", &self.into);
        if let Some(name) = &self.rename {
            value("--as", name);
        }
        if let Some(path) = &self.refused {
            value("--refused", &path.display().to_string());
        }
        secret(&mut value, "--archive-password", which.keys.password.as_ref());
        if let Some(SecretRef::File(path)) = &which.keys.identity {
            value("--identity", &path.display().to_string());
        }
        secret(&mut value, "--password", self.password.as_ref());
        self.map_collation.iter().for_each(|word| value("--map-collation", word));
        if self.threads != 4 {
            value("--threads", &self.threads.to_string());
        }
        if self.current_definer {
            value("--definer", "current");
        }
        if self.gtid {
            value("--gtid", "set");
        }
        self.target.words(&mut value);
        let (stop, start) = match &self.target {
            TargetWish::Cluster(own) => (own.stop, own.start),
            TargetWish::Source { .. } | TargetWish::Oracle(_) => (false, false),
        };
        let switches = [
            ("--skip-binlog", self.skip_binlog),
            ("--accounts", self.accounts),
            ("--overwrite", self.overwrite),
            ("--no-read-first", self.overwrite && !self.read_first),
            ("--stop", stop),
            ("--start", start),
            ("--resume", self.resume),
            ("--fallback", self.fallback),
        ];
        if which.backup != LATEST {
            value("--backup", &which.backup);
        }
        line.extend(switches.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned()));
        line.join(" ")
    }
}

impl TargetWish {
    /// The words that only this kind of target has.
    fn words(&self, value: &mut impl FnMut(&str, &str)) {
        match self {
            TargetWish::Cluster(own) => own.words(value),
            TargetWish::Oracle(own) => own.words(value),
            TargetWish::Source { replay, .. } => replay.iter().for_each(|own| own.words(value)),
        }
    }
}

impl OracleWish {
    fn words(&self, value: &mut impl FnMut(&str, &str)) {
        value("--mode", self.mode.word());
        if let Some(until) = &self.until_typed {
            value("--until", until);
        }
        if let Some(folder) = &self.folder {
            value("--pieces", &folder.display().to_string());
        }
    }
}

impl ClusterWish {
    fn words(&self, value: &mut impl FnMut(&str, &str)) {
        if let Some(owner) = &self.owner {
            value("--owner", owner);
        }
        self.tablespaces.iter().for_each(|word| value("--tablespace", word));
        if let Some(path) = &self.config {
            value("--config", &path.display().to_string());
        }
        self.set.iter().for_each(|word| value("--set", word));
        if let Some(recovery) = &self.recovery {
            value(recovery.typed.0, &recovery.typed.1);
            recovery
                .timeline
                .iter()
                .for_each(|timeline| value("--timeline", &timeline.to_string()));
        }
    }
}

fn secret(value: &mut impl FnMut(&str, &str), name: &str, reference: Option<&SecretRef>) {
    match reference {
        Some(SecretRef::Env(variable)) => value(&format!("{name}-env"), variable),
        Some(SecretRef::File(path)) => value(&format!("{name}-file"), &path.display().to_string()),
        Some(SecretRef::Command(_) | SecretRef::Credential(_)) | None => {}
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
