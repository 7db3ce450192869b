//! What steps, artifacts and copies are, for what keeps or shows history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::{Head, Level, Origin, ProofLine};
use crate::base::Id;
use crate::record::failure::Failure;
use crate::record::verdict::Verdict;

/// What a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Its identity.
    pub id: Id,
    /// The job.
    pub job: String,
    /// The job file.
    pub file: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Its steps, by their index.
    pub steps: Vec<StepFacts>,
    /// What it does.
    #[serde(default)]
    pub kind: RunKind,
}

/// What a run does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// A job of a file.
    #[default]
    Job,
    /// A restore that a person asked for.
    Restore,
    /// A verification that a person asked for.
    Verify,
    /// A retention that a person asked for.
    Prune,
    /// Backups that a person sent to another store.
    Copy,
}

impl RunKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            RunKind::Job => "job",
            RunKind::Restore => "restore",
            RunKind::Verify => "verify",
            RunKind::Prune => "prune",
            RunKind::Copy => "copy",
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// VACUUM of a source's tables.
    Vacuum,
    /// A dump, with its copies.
    Dump,
    /// The files of a server, with their copies.
    Physical,
    /// Backup sets of an Oracle database, with their copies.
    Rman,
    /// A copy is read back or restored.
    Verify,
    /// Retention.
    Prune,
    /// Backups go from one store to another.
    Copy,
    /// The log of a server is looked after.
    Wal,
    /// What came to the binary log of a server is kept.
    Binlog,
    /// A program.
    Exec,
    /// A backup is brought back.
    Restore,
}

impl Verb {
    /// The word for it, as in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Vacuum => "vacuum",
            Verb::Dump => "dump",
            Verb::Physical => "physical",
            Verb::Rman => "rman",
            Verb::Verify => "verify",
            Verb::Prune => "keep",
            Verb::Copy => "copy",
            Verb::Wal => "wal",
            Verb::Binlog => "binlog",
            Verb::Exec => "exec",
            Verb::Restore => "restore",
        }
    }

    /// Whether it makes an artifact.
    pub fn backs_up(self) -> bool {
        match self {
            Verb::Dump | Verb::Physical | Verb::Rman => true,
            Verb::Vacuum
            | Verb::Verify
            | Verb::Prune
            | Verb::Copy
            | Verb::Wal
            | Verb::Binlog
            | Verb::Exec
            | Verb::Restore => false,
        }
    }
}

/// What a step is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFacts {
    /// Its address: `nightly/dump/shop`. For people; nobody takes it apart.
    pub address: String,
    /// What it does.
    pub verb: Verb,
    /// The source that the job file names.
    #[serde(default)]
    pub source: Option<String>,
    /// What its artifacts are of: the source, or the files of it.
    #[serde(default)]
    pub chain: Option<String>,
    /// The store.
    #[serde(default)]
    pub store: Option<String>,
}

/// What an artifact is, for those who keep history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFacts {
    /// Its identity.
    pub id: Id,
    /// The source.
    pub source: String,
    /// Kind of the source.
    pub kind: String,
    /// Version of the server.
    pub server: String,
    /// Its databases.
    pub units: Vec<String>,
    /// Its name: `backup_YYYYMMDD_HHMMSS.zip`.
    pub name: String,
    /// Bytes before compression.
    pub raw: u64,
    /// Bytes of the container.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// When the chain began.
    pub started: Timestamp,
    /// When the last byte was read.
    pub finished: Timestamp,
    /// How far the server was behind its own source, in seconds, if it is a replica.
    #[serde(default)]
    pub lag: Option<u64>,
    /// Where it stands in the source's log.
    pub position: Option<String>,
    /// Why it is not one point in time.
    pub inconsistent: Vec<String>,
    /// What it should hold and does not.
    #[serde(default)]
    pub lost: Vec<String>,
    /// Which database it is of.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// What it adds to.
    #[serde(default)]
    pub parent: Option<Id>,
}

impl ArtifactFacts {
    /// The moment that its data are of: a replica is behind.
    pub fn moment(&self) -> Timestamp {
        behind(self.started, self.lag)
    }

    /// What a head says of its artifact; `lost` is what it should hold and does not.
    pub fn of(head: &Head, lost: &[String]) -> ArtifactFacts {
        ArtifactFacts {
            id: head.id.clone(),
            source: head.source.clone(),
            kind: head.kind.clone(),
            server: head.server.clone(),
            units: head.unit_names(),
            name: head.name().to_owned(),
            raw: head.totals.raw,
            bytes: head.bytes(),
            rows: head.totals.rows,
            started: head.started,
            finished: head.finished,
            lag: head.lag,
            position: head.position.as_ref().map(ToString::to_string),
            inconsistent: head.inconsistent.clone(),
            lost: lost.to_vec(),
            origin: head.origin.clone(),
            parent: head.parent.clone(),
        }
    }
}

/// A moment so many seconds earlier.
fn behind(at: Timestamp, lag: Option<u64>) -> Timestamp {
    let seconds = i64::try_from(lag.unwrap_or(0)).unwrap_or(0);
    at.checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap_or(at)
}

/// What a copy of an artifact is, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFacts {
    /// Identity of the artifact.
    pub id: Id,
    /// What the artifact is of.
    pub source: String,
    /// The store.
    pub store: String,
    /// Kind of the store, and what messages call it.
    pub place: String,
    /// The bucket, if the store is one.
    pub bucket: Option<String>,
    /// Its key, or the one it was to have.
    pub key: String,
    /// Bytes of the container.
    pub bytes: u64,
    /// When sending began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why it failed: its own failure, whatever happened to others.
    pub failure: Option<Failure>,
}

/// What a verification of a copy found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofFacts {
    /// Identity of the artifact.
    pub id: Id,
    /// What the artifact is of.
    pub source: String,
    /// The store; empty where only its address is known.
    pub store: String,
    /// What messages call the store.
    #[serde(default)]
    pub place: String,
    /// How deep it went.
    pub level: Level,
    /// When the proof was made, as the store keeps it.
    pub at: Timestamp,
    /// Whether all was as the manifest says.
    pub good: bool,
    /// What was not.
    pub damage: Vec<String>,
}

/// A restore drill: what was restored where, how long it took, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillFacts {
    /// Identity of the backup.
    pub backup: Id,
    /// What the backup is of.
    pub source: String,
    /// The store it was read from.
    pub store: String,
    /// Its key there.
    pub key: String,
    /// SHA-256 of the container, hexadecimal, as its head says.
    pub sha256: String,
    /// What it was restored into.
    pub target: String,
    /// When it began.
    pub started: Timestamp,
    /// How long it took until all was restored and counted, in seconds.
    pub seconds: u64,
    /// How long it may take, in seconds.
    pub within: Option<u64>,
    /// Tables that were counted and compared.
    pub tables: u64,
    /// Rows that were counted and compared.
    pub rows: u64,
    /// What was asked of the data, in order.
    pub asserts: Vec<AssertFacts>,
    /// The machine that did it.
    pub host: String,
    /// How well.
    pub verdict: Verdict,
    /// Why it failed, or is an Alerta; empty where all is well.
    pub message: String,
}

/// What was asked of restored data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertFacts {
    /// The question.
    pub sql: String,
    /// What it must be.
    pub expected: String,
    /// What it is; `NULL` for none.
    pub found: String,
}

impl AssertFacts {
    /// Whether it is as it must be.
    pub fn holds(&self) -> bool {
        self.expected == self.found
    }
}

/// What a dump that has begun is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpFacts {
    /// Its identity.
    pub id: Id,
    /// The source.
    pub source: String,
    /// Version of the server.
    pub server: String,
    /// Its databases.
    pub units: Vec<String>,
    /// The name it will have.
    pub name: String,
    /// When the chain began.
    pub started: Timestamp,
}

/// A restore: what is brought back, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreFacts {
    /// Identity of the backup.
    pub id: Id,
    /// What it is of.
    pub source: String,
    /// The store that holds it, as messages call it.
    pub place: String,
    /// Its key there.
    pub key: String,
    /// What it is restored into.
    pub target: String,
    /// Tables.
    pub tables: usize,
    /// Rows.
    pub rows: u64,
    /// Bytes unpacked.
    pub raw: u64,
    /// What exists in the target and is replaced.
    pub replaced: Vec<String>,
    /// What differs from the backup; empty before it was performed.
    pub differences: Vec<String>,
}

impl ProofFacts {
    /// What a proof beside a copy in `store` says.
    pub fn of(proof: &ProofLine, source: &str, store: &str) -> ProofFacts {
        ProofFacts {
            id: proof.id.clone(),
            source: source.to_owned(),
            store: store.to_owned(),
            place: String::new(),
            level: proof.level,
            at: proof.at,
            good: proof.good,
            damage: proof.damage.clone(),
        }
    }
}
