//! Events folded into one summary: what a letter says and a last line shows.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::run::{ArtifactFacts, Event, Level, Listener, Stamped, StepEnd, Verdict};

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSummary {
    /// Its address.
    pub address: String,
    /// How it ended, in words.
    pub text: String,
    /// How well.
    pub verdict: Verdict,
}

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySummary {
    /// The source.
    pub source: String,
    /// The store.
    pub store: String,
    /// What messages call the store.
    pub place: String,
    /// Its key.
    pub key: String,
    /// Bytes of the container.
    pub bytes: u64,
    /// How well.
    pub verdict: Verdict,
    /// How far it is proven: `written`, `read`, `restored`, or `damaged`.
    pub proof: String,
}

/// A run in short.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The run.
    pub id: String,
    /// The job.
    pub job: String,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How well.
    pub verdict: Option<Verdict>,
    /// Its steps.
    pub steps: Vec<StepSummary>,
    /// Its artifacts.
    pub artifacts: Vec<ArtifactFacts>,
    /// Its copies.
    pub copies: Vec<CopySummary>,
    /// Remarks somebody should read.
    pub alerts: Vec<String>,
    /// The source that each step is about.
    pub sources: BTreeMap<usize, String>,
}

impl Listener for Summary {
    fn hear(&mut self, stamped: &Stamped) -> Vec<(Level, String)> {
        match &stamped.event {
            Event::RunStarted { run } => {
                self.id = run.id.to_string();
                self.job.clone_from(&run.job);
                self.host.clone_from(&run.host);
                self.started = Some(stamped.at);
                // The third part of an address is the source it is about.
                let source =
                    |address: &String| address.split('/').nth(2).unwrap_or_default().to_owned();
                self.sources = run.steps.iter().map(source).enumerate().collect();
            }
            Event::StepStarted { .. }
            | Event::Progress { .. }
            | Event::Dumping { .. }
            | Event::Engine { .. }
            | Event::Removed { .. } => {}
            Event::Said { level, text, .. } => {
                if *level > Level::Info {
                    self.alerts.push(text.clone());
                }
            }
            Event::Artifact { artifact, .. } => self.artifacts.push(artifact.clone()),
            Event::Copied { step, store, place, key, bytes, verdict, .. } => {
                self.copies.push(CopySummary {
                    source: self.sources.get(step).cloned().unwrap_or_default(),
                    store: store.clone(),
                    place: place.clone(),
                    key: key.clone(),
                    bytes: *bytes,
                    verdict: *verdict,
                    proof: if *verdict == Verdict::Success {
                        "written".into()
                    } else {
                        "none".into()
                    },
                })
            }
            Event::Proved { step, store, level, good, .. } => {
                let source = self.sources.get(step);
                let own = |c: &&mut CopySummary| c.store == *store && Some(&c.source) == source;
                if let Some(copy) = self.copies.iter_mut().find(own) {
                    copy.proof = if *good { level.clone() } else { "damaged".into() };
                }
            }
            Event::StepFinished { address, end, .. } => {
                let text = match end {
                    StepEnd::Done { verdict } => verdict.word().into(),
                    StepEnd::Failed { verdict, failure } => {
                        format!("{}: {}", verdict.word(), failure.line())
                    }
                    StepEnd::Skipped { missing } => {
                        format!("did not run: {missing} did not give what it needs")
                    }
                    StepEnd::Interrupted => "interrupted".into(),
                };
                self.steps.push(StepSummary {
                    address: address.clone(),
                    text,
                    verdict: end.verdict(),
                });
            }
            Event::RunFinished { verdict, .. } => {
                self.finished = Some(stamped.at);
                self.verdict = Some(*verdict);
            }
        }
        Vec::new()
    }
}
