//! The log of a dump program: every line is handed on; warnings and errors are kept.
//!
//! Does not know which program speaks.

use std::sync::Mutex;

use crate::source::contract::{Error, ErrorKind, Hear, Result};
use crate::source::program::severity::{Severity, severity};

/// Lines kept of each severity; the log of the run has them all.
const MOST: usize = 100;

/// What the program of one dump wrote.
pub struct ToolLog {
    hear: Hear,
    /// Guards the warnings and the errors so far.
    kept: Mutex<(Vec<String>, Vec<String>)>,
}

impl ToolLog {
    /// A log that hands every line on to `hear`.
    pub fn new(hear: Hear) -> ToolLog {
        ToolLog { hear, kept: Mutex::default() }
    }

    /// Takes a line.
    pub fn push(&self, line: &str) {
        if line.is_empty() {
            return;
        }
        (self.hear)(line);
        let mut kept = self.kept.lock().expect("no panic while locked");
        let list = match severity(line) {
            Severity::Plain => return,
            Severity::Warning => &mut kept.0,
            Severity::Error => &mut kept.1,
        };
        if list.len() < MOST && !list.iter().any(|l| l == line) {
            list.push(line.to_owned());
        }
    }

    /// The warnings so far that leave the moment of the rows in doubt.
    pub fn doubts(&self) -> Vec<String> {
        self.warnings().into_iter().filter(|l| l.contains("consistent")).collect()
    }

    /// All warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.kept.lock().expect("no panic while locked").0.clone()
    }

    /// An error, if the program said one, however well it ended.
    pub fn judge(&self, doing: &str) -> Result<()> {
        let kept = self.kept.lock().expect("no panic while locked");
        match kept.1.as_slice() {
            [] => Ok(()),
            [first, rest @ ..] => {
                let more = if rest.is_empty() {
                    String::new()
                } else {
                    format!(", and {} more", rest.len())
                };
                Err(Error::new(ErrorKind::Failed, doing, format!("it said: {first}{more}")))
            }
        }
    }

    /// The error of a program's end, with the first error it said where its last lines do not hold
    /// it.
    pub fn instead(&self, error: Error) -> Error {
        let kept = self.kept.lock().expect("no panic while locked");
        match kept.1.first() {
            Some(first) if !error.found.contains(first) => {
                let found = format!("{}; it said: {first}", error.found);
                Error { found, ..error }
            }
            Some(_) | None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn warnings_and_errors_are_kept_and_an_error_counts_even_when_the_program_ended_well() {
        let lines = Arc::new(Mutex::new(0));
        let count = lines.clone();
        let log = ToolLog::new(Arc::new(move |_: &str| *count.lock().expect("free") += 1));
        for line in [
            "",
            "** Message: x",
            "[WARNING] a",
            "[WARNING] a",
            "[WARNING] snapshot might not be consistent",
        ] {
            log.push(line);
        }
        assert_eq!(*lines.lock().expect("free"), 4);
        assert_eq!(log.warnings().len(), 2);
        assert_eq!(log.doubts().len(), 1);
        log.judge("x").expect("no error yet");
        log.push("** (mydumper:1): CRITICAL **: gone");
        log.push("** (mydumper:1): CRITICAL **: all gone");
        let error = log.judge("dump a").expect_err("an error");
        assert_eq!(
            error.to_string(),
            "unable to dump a: it said: ** (mydumper:1): CRITICAL **: gone, and 1 more"
        );
    }
}
