//! All that a run says. Producer and listeners meet here only.
//!
//! Plain data: it is the console's lines, the log, `--format json`, and what the catalog replays
//! after an outage.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::Id;
use crate::record::facts::{
    ArtifactFacts, CopyFacts, DrillFacts, DumpFacts, ProofFacts, RestoreFacts, RunFacts,
};
use crate::record::failure::Failure;
use crate::record::verdict::Verdict;

/// Weight of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the log.
    Info,
    /// Somebody should look.
    Alert,
    /// Something failed.
    Error,
}

/// The code of a retention that removed nothing, or not all, since others used the folder.
pub const IN_USE: &str = "in-use";

/// The code of a program that did not run, since it is meant for another verdict.
pub const NOT_MEANT: &str = "not-meant";

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "lowercase")]
pub enum StepEnd {
    /// It did its work.
    Done {
        /// How well.
        verdict: Verdict,
        /// A word on how it ended, if there is one to say: [`IN_USE`], [`NOT_MEANT`].
        #[serde(default, skip_serializing_if = "String::is_empty")]
        code: String,
    },
    /// It failed.
    Failed {
        /// Alerta where the step is optional.
        verdict: Verdict,
        /// Why.
        failure: Failure,
    },
    /// It did not run, since what it needs is not there.
    Skipped {
        /// The step it needs.
        missing: String,
    },
    /// The run was stopped.
    Interrupted,
}

impl StepEnd {
    /// What it adds to the verdict of the run. A skipped step adds nothing: what it missed already
    /// did.
    pub fn verdict(&self) -> Verdict {
        match self {
            StepEnd::Done { verdict, .. } | StepEnd::Failed { verdict, .. } => *verdict,
            StepEnd::Skipped { .. } => Verdict::Success,
            StepEnd::Interrupted => Verdict::Error,
        }
    }
}

/// Counters of a running step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes read, uncompressed.
    pub raw: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of the container.
    pub stored: u64,
    /// Bytes acknowledged by stores.
    pub sent: u64,
    /// Bytes expected, uncompressed; 0 if nobody knows.
    pub estimate: u64,
}

/// All that a run says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// What it is; `run` in JSON is the identity of the run, in every event.
        #[serde(rename = "facts")]
        run: RunFacts,
    },
    /// A step began.
    StepStarted {
        /// Index of the step.
        step: usize,
        /// Its address.
        address: String,
    },
    /// Bytes are moving.
    Progress {
        /// Index of the step.
        step: usize,
        /// Its counters.
        progress: Progress,
    },
    /// A remark.
    Said {
        /// Index of the step, if it is a step's.
        step: Option<usize>,
        /// Its weight.
        level: LogLevel,
        /// Its text.
        text: String,
    },
    /// A dump has its snapshot and its name, and begins to move bytes.
    Dumping {
        /// Index of the step.
        step: usize,
        /// What it is of.
        dump: DumpFacts,
    },
    /// A line of the log of what reads the source.
    Engine {
        /// Index of the step.
        step: usize,
        /// The line.
        line: String,
    },
    /// An artifact was read and pressed; its copies follow.
    Artifact {
        /// Index of the step.
        step: usize,
        /// What it is.
        artifact: ArtifactFacts,
    },
    /// A copy was committed, or failed.
    Copied {
        /// Index of the step.
        step: usize,
        /// What it is.
        copy: CopyFacts,
    },
    /// A copy was verified.
    Proved {
        /// Index of the step.
        step: usize,
        /// What was found.
        proof: ProofFacts,
    },
    /// A restore drill came to its end.
    Drilled {
        /// Index of the step.
        step: usize,
        /// What it proved.
        drill: DrillFacts,
    },
    /// A store was opened whose root names it.
    StoreSeen {
        /// Index of the step.
        step: usize,
        /// The store.
        store: String,
        /// What messages call it.
        place: String,
        /// Its own ID.
        id: String,
    },
    /// A copy was removed.
    Pruned {
        /// Index of the step.
        step: usize,
        /// Identity of the artifact.
        id: Id,
        /// What the artifact is of.
        source: String,
        /// The store.
        store: String,
        /// Its key.
        key: String,
        /// Why.
        #[serde(default)]
        why: String,
    },
    /// A restore is about to write.
    Restoring {
        /// Index of the step.
        step: usize,
        /// What it is of.
        restore: RestoreFacts,
    },
    /// A restore came to its end.
    Restored {
        /// Index of the step.
        step: usize,
        /// What came back.
        restore: RestoreFacts,
    },
    /// A step ended.
    StepFinished {
        /// Index of the step.
        step: usize,
        /// Its address.
        address: String,
        /// How.
        #[serde(flatten)]
        end: StepEnd,
    },
    /// The run ended.
    RunFinished {
        /// Its verdict.
        verdict: Verdict,
        /// Whether it was stopped.
        interrupted: bool,
    },
}

/// Version of the event format.
pub const EVENTS: u32 = 2;

/// An event and its moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// Version of the event format.
    pub version: u32,
    /// When it happened.
    pub at: Timestamp,
    /// The run.
    pub run: Id,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
