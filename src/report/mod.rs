//! Listeners: they fold the same events into lines, logs, history and a summary.

mod closing;
mod console;
mod folder;
mod json;
mod line;
mod log;
mod old_logs;
mod queue;
mod recorder;
mod rows;
mod summary;

pub use console::{Console, Look, paint};
pub use folder::ReportFolder;
pub use json::Json;
pub use log::{Log, engine_log};
pub use old_logs::remove_logs;
pub use queue::Queue;
pub use recorder::Recorder;
pub use rows::{artifact_row, backup_row, copy_row, proof_row};
pub use summary::{BackupSummary, CopySummary, StepSummary, Summary};

use crate::record::{LogLevel, Stamped, Verdict};
use crate::run::Listener;

/// A listener that has listeners.
#[derive(Default)]
pub struct Fan(pub Vec<Box<dyn Listener + Send>>);

impl Listener for Fan {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        self.0.iter_mut().flat_map(|listener| listener.hear(event)).collect()
    }

    fn last_word(&mut self, now: jiff::Timestamp, verdict: Verdict) -> Vec<(LogLevel, String)> {
        self.0.iter_mut().flat_map(|listener| listener.last_word(now, verdict)).collect()
    }
}
