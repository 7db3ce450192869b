//! Listeners: they fold the same events into lines, logs, history and a summary.

mod console;
mod json;
mod log;
mod recorder;
mod summary;

pub use console::Console;
pub use json::Json;
pub use log::Log;
pub use recorder::{Recorder, artifact_rows};
pub use summary::{CopySummary, StepSummary, Summary};

use crate::run::{Level, Listener, Stamped, Verdict};

/// A listener that has listeners.
#[derive(Default)]
pub struct Fan<'a>(pub Vec<Box<dyn Listener + 'a>>);

impl Listener for Fan<'_> {
    fn hear(&mut self, event: &Stamped) -> Vec<(Level, String)> {
        self.0.iter_mut().flat_map(|listener| listener.hear(event)).collect()
    }

    fn last_word(&mut self, now: jiff::Timestamp, verdict: Verdict) -> Vec<(Level, String)> {
        self.0.iter_mut().flat_map(|listener| listener.last_word(now, verdict)).collect()
    }
}
