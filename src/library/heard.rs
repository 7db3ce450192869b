//! What a caller of the library is told of a run: where the backup is, what failed, and what is to be
//! looked at.

use crate::record::{Event, LogLevel, Stamped, StepEnd};
use crate::run::Listener;

/// What was heard of a run.
#[derive(Debug, Default)]
pub struct Heard {
    /// The key of the copy that was made.
    pub key: Option<String>,
    /// Whether it was proven.
    pub proven: bool,
    /// Why steps failed.
    pub failures: Vec<String>,
    /// Remarks somebody should read.
    pub alerts: Vec<String>,
}

impl Listener for Heard {
    fn hear(&mut self, stamped: &Stamped) -> Vec<(LogLevel, String)> {
        match &stamped.event {
            Event::Copied { copy, .. } => match &copy.failure {
                None => self.key = Some(copy.key.clone()),
                Some(failure) => self.failures.push(failure.line()),
            },
            Event::Proved { proof, .. } => {
                self.proven = proof.good;
                self.failures.extend(proof.damage.iter().cloned());
            }
            Event::StepFinished { end: StepEnd::Failed { failure, .. }, .. } => {
                let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!(". {hint}"));
                self.failures.push(format!("{}{hint}", failure.line()));
            }
            Event::Said { level, text, .. } if *level > LogLevel::Info => {
                self.alerts.push(text.clone());
            }
            _ => {}
        }
        Vec::new()
    }
}
