//! Rows of the catalog as values. Moments are RFC 3339 UTC, verdicts 1, 2, 3.

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its identity.
    pub id: String,
    /// What it does: `job`.
    pub kind: String,
    /// The job.
    pub job: String,
    /// The job file.
    pub file: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// When it began.
    pub started: String,
    /// When it ended.
    pub finished: Option<String>,
    /// How well.
    pub verdict: Option<u8>,
}

/// A step of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepRow {
    /// Its number.
    pub number: usize,
    /// Its address.
    pub address: String,
    /// What it does: `dump`, `verify` and so on.
    pub verb: String,
    /// The source as the job file names it.
    pub source: String,
    /// What its artifacts are of.
    pub chain: String,
    /// The store.
    pub store: String,
    /// `waiting`, `running`, `done`, `failed`, `skipped`, `interrupted`.
    pub state: String,
    /// How well.
    pub verdict: Option<u8>,
    /// The code of its failure.
    pub code: String,
    /// Why it failed.
    pub message: String,
}

/// An artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRow {
    /// Its identity: that of the run that made it.
    pub id: String,
    /// The source.
    pub source: String,
    /// The job.
    pub job: String,
    /// The job file, absolute; empty if it is not known.
    pub file: String,
    /// Which database it is of; empty if that is not known.
    pub origin: String,
    /// Where that ran; empty if that is not known.
    pub sign: String,
    /// What it adds to.
    pub parent: Option<String>,
    /// Kind of the source.
    pub kind: String,
    /// Version of the server.
    pub server: String,
    /// Its databases, comma-joined.
    pub units: String,
    /// Its name.
    pub name: String,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the container.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// When the chain began.
    pub started: String,
    /// When the last byte was read.
    pub finished: String,
    /// Where it stands in the source's log.
    pub position: Option<String>,
    /// Why it is not one point in time; empty when it is.
    pub inconsistent: String,
}

/// A dump that was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupRow {
    /// Identity of the run.
    pub id: String,
    /// What its artifact is of.
    pub source: String,
    /// The source as the job file names it.
    pub chain: String,
    /// The job.
    pub job: String,
    /// The job file, absolute.
    pub file: String,
    /// The machine.
    pub host: String,
    /// Version of the server; empty if it was never reached.
    pub server: String,
    /// Its databases, comma-joined.
    pub units: String,
    /// Its name.
    pub name: String,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the container.
    pub bytes: u64,
    /// When it began.
    pub started: String,
    /// When the last byte was read, or it failed.
    pub finished: String,
    /// How well.
    pub verdict: u8,
    /// Why it failed, or what to look at.
    pub note: String,
}

/// A copy of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRow {
    /// Identity of the artifact.
    pub id: String,
    /// The source.
    pub source: String,
    /// The store.
    pub store: String,
    /// What messages call the store.
    pub place: String,
    /// The bucket; empty where the store is none.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Bytes of the container.
    pub bytes: u64,
    /// When sending began.
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// How well.
    pub verdict: u8,
    /// The code of its failure.
    pub code: String,
    /// Why it failed.
    pub message: String,
}

/// A proof of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofRow {
    /// Identity of the artifact.
    pub id: String,
    /// The source.
    pub source: String,
    /// The store.
    pub store: String,
    /// `read` or `restored`.
    pub level: String,
    /// When.
    pub at: String,
    /// Whether all was well.
    pub good: bool,
    /// What was not.
    pub damage: String,
}
