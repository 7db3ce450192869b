//! Events folded into one summary: what a letter says and a last line shows.
//!
//! Everything hangs on a step: a dump that made nothing has its lines too, just when they matter.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::record::{
    ArtifactFacts, CopyFacts, DumpFacts, Event, Failure, LogLevel, ProofFacts, Stamped, StepEnd,
    StepFacts, Verdict,
};
use crate::run::Listener;

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSummary {
    /// What it is about.
    pub facts: StepFacts,
    /// How it ended.
    pub end: StepEnd,
}

/// What became of a backup of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupSummary {
    /// What was to be dumped, once the source said so.
    pub dump: Option<DumpFacts>,
    /// What was read to its end.
    pub artifact: Option<ArtifactFacts>,
    /// Its copies, those that failed too.
    pub copies: Vec<CopySummary>,
}

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySummary {
    /// What it is, or why there is none.
    pub copy: CopyFacts,
    /// What the last verification found.
    pub proof: Option<ProofFacts>,
}

impl CopySummary {
    /// How far it is proven: `none`, `damaged`, or the word of the level.
    pub fn proof_word(&self) -> &'static str {
        match &self.proof {
            _ if self.copy.failure.is_some() => "none",
            None => "written",
            Some(proof) if !proof.good => "damaged",
            Some(proof) => proof.level.word(),
        }
    }
}

/// A run in short.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Where the run is shown: an address or a file; empty where nowhere.
    pub page: String,
    /// The run.
    pub id: String,
    /// The job.
    pub job: String,
    /// The job's file, absolute.
    pub file: String,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How well.
    pub verdict: Option<Verdict>,
    /// What its steps are about, by their index.
    pub plan: Vec<StepFacts>,
    /// The steps that ended, in the order in which they did.
    pub steps: Vec<StepSummary>,
    /// Its backups, by their step.
    pub backups: BTreeMap<usize, BackupSummary>,
    /// Remarks somebody should read.
    pub alerts: Vec<String>,
    /// Why no step of it ran, where none did.
    pub refused: Option<Failure>,
}

impl Summary {
    /// The backup of a step.
    fn backup(&mut self, step: usize) -> &mut BackupSummary {
        self.backups.entry(step).or_default()
    }

    /// All copies, in the order of the steps.
    pub fn copies(&self) -> impl Iterator<Item = &CopySummary> {
        self.backups.values().flat_map(|b| &b.copies)
    }

    /// How a step ended, if it did.
    pub fn end(&self, step: usize) -> Option<&StepEnd> {
        let facts = self.plan.get(step)?;
        self.steps.iter().find(|s| s.facts == *facts).map(|s| &s.end)
    }
}

impl Listener for Summary {
    fn hear(&mut self, stamped: &Stamped) -> Vec<(LogLevel, String)> {
        match &stamped.event {
            Event::RunStarted { run } => {
                self.id = run.id.to_string();
                self.job.clone_from(&run.job);
                self.file.clone_from(&run.file);
                self.host.clone_from(&run.host);
                self.started = Some(stamped.at);
                self.plan.clone_from(&run.steps);
                let makes = run.steps.iter().enumerate().filter(|(_, s)| s.verb.backs_up());
                self.backups = makes.map(|(step, _)| (step, BackupSummary::default())).collect();
            }
            Event::StepStarted { .. }
            | Event::Progress { .. }
            | Event::Engine { .. }
            | Event::StoreSeen { .. }
            | Event::Restoring { .. }
            | Event::Restored { .. }
            | Event::Drilled { .. }
            | Event::Pruned { .. } => {}
            Event::Said { level, text, .. } => {
                if *level > LogLevel::Info {
                    self.alerts.push(text.clone());
                }
            }
            Event::Dumping { step, dump } => self.backup(*step).dump = Some(dump.clone()),
            Event::Artifact { step, artifact } => {
                self.backup(*step).artifact = Some(artifact.clone());
            }
            Event::Copied { step, copy } => {
                let copy = CopySummary { copy: copy.clone(), proof: None };
                self.backup(*step).copies.push(copy);
            }
            Event::Proved { proof, .. } => {
                let own = |c: &&mut CopySummary| {
                    (&c.copy.id, &c.copy.source, &c.copy.store)
                        == (&proof.id, &proof.source, &proof.store)
                };
                let mut copies = self.backups.values_mut().flat_map(|b| &mut b.copies);
                if let Some(copy) = copies.find(own) {
                    copy.proof = Some(proof.clone());
                }
            }
            Event::StepFinished { step, end, .. } => {
                if let Some(facts) = self.plan.get(*step) {
                    self.steps.push(StepSummary { facts: facts.clone(), end: end.clone() });
                }
            }
            Event::RunFinished { verdict, .. } => {
                self.finished = Some(stamped.at);
                self.verdict = Some(*verdict);
            }
        }
        Vec::new()
    }
}
