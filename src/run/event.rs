//! All that a run says. Producer and listeners meet here only.
//!
//! Plain data: it is the console's lines, the log, `--format json`, and what the catalog replays
//! after an outage.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::Id;

/// How well something ended; the worst wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Sucesso (1).
    Success,
    /// Alerta (2).
    Alert,
    /// Erro (3).
    Error,
}

impl Verdict {
    /// The code of the seeds: 1, 2, 3.
    pub fn code(self) -> u8 {
        match self {
            Verdict::Success => 1,
            Verdict::Alert => 2,
            Verdict::Error => 3,
        }
    }

    /// The word people see.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Success => "Sucesso",
            Verdict::Alert => "Alerta",
            Verdict::Error => "Erro",
        }
    }
}

/// Weight of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the log.
    Info,
    /// Somebody should look.
    Alert,
    /// Something failed.
    Error,
}

/// Why a step failed: what was being done, and the chain of causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was being done, to what, and what was found.
    pub message: String,
    /// The causes below it.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with the causes of `error`.
    pub fn of(error: &dyn std::error::Error) -> Failure {
        let message = error.to_string();
        let mut causes: Vec<String> = Vec::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            // A transparent wrapper says what its cause says.
            if text != message && causes.last() != Some(&text) {
                causes.push(text);
            }
            cause = inner.source();
        }
        Failure { message, causes, hint: None }
    }

    /// The failure in one line.
    pub fn line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line += ": ";
            line += cause;
        }
        line
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "lowercase")]
pub enum StepEnd {
    /// It did its work.
    Done {
        /// How well.
        verdict: Verdict,
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
            StepEnd::Done { verdict } | StepEnd::Failed { verdict, .. } => *verdict,
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
    /// Addresses of its steps.
    pub steps: Vec<String>,
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
    /// Where it stands in the source's log.
    pub position: Option<String>,
    /// Why it is not one point in time.
    pub inconsistent: Vec<String>,
    /// What it should hold and does not.
    #[serde(default)]
    pub lost: Vec<String>,
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
        level: Level,
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
        /// Identity of the artifact.
        id: Id,
        /// The store.
        store: String,
        /// Kind of the store, and what messages call it.
        place: String,
        /// Its key.
        key: String,
        /// Bytes of the container.
        bytes: u64,
        /// When sending began.
        started: Timestamp,
        /// When it ended.
        #[serde(default)]
        finished: Option<Timestamp>,
        /// The bucket, if the store is one.
        #[serde(default)]
        bucket: Option<String>,
        /// Its verdict.
        verdict: Verdict,
        /// Why it failed.
        failure: Option<Failure>,
    },
    /// A copy was verified.
    Proved {
        /// Index of the step.
        step: usize,
        /// Identity of the artifact.
        id: Id,
        /// The store.
        store: String,
        /// `read` or `restored`.
        level: String,
        /// When the proof was made, as the store keeps it.
        proven: Timestamp,
        /// Whether all was as the manifest says.
        good: bool,
        /// What was not.
        damage: Vec<String>,
    },
    /// A copy was removed.
    Removed {
        /// Index of the step.
        step: usize,
        /// Identity of the artifact.
        id: Id,
        /// The store.
        store: String,
        /// Its key.
        key: String,
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
