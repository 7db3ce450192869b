//! What a dump program said: every line to the log, and what weighs something kept.
//!
//! Does not know which program speaks.

use std::sync::Mutex;

use crate::source::contract::{Error, ErrorKind, Hear, Result};
use crate::source::weigh::{Weight, weigh};

/// Lines kept of each weight; the log has them all.
const MOST: usize = 100;

/// The ear of one dump.
pub struct Heard {
    hear: Hear,
    /// Guards what was heard: warnings, and errors.
    kept: Mutex<(Vec<String>, Vec<String>)>,
}

impl Heard {
    /// An ear that hands every line on to `hear`.
    pub fn new(hear: Hear) -> Heard {
        Heard { hear, kept: Mutex::default() }
    }

    /// Takes a line.
    pub fn hear(&self, line: &str) {
        if line.is_empty() {
            return;
        }
        (self.hear)(line);
        let mut kept = self.kept.lock().expect("no panic while locked");
        let list = match weigh(line) {
            Weight::Plain => return,
            Weight::Warning => &mut kept.0,
            Weight::Error => &mut kept.1,
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
    fn what_weighs_something_is_kept_and_an_error_is_none_the_less_one_when_all_ended_well() {
        let lines = Arc::new(Mutex::new(0));
        let count = lines.clone();
        let heard = Heard::new(Arc::new(move |_: &str| *count.lock().expect("free") += 1));
        for line in [
            "",
            "** Message: x",
            "[WARNING] a",
            "[WARNING] a",
            "[WARNING] snapshot might not be consistent",
        ] {
            heard.hear(line);
        }
        assert_eq!(*lines.lock().expect("free"), 4);
        assert_eq!(heard.warnings().len(), 2);
        assert_eq!(heard.doubts().len(), 1);
        heard.judge("x").expect("no error yet");
        heard.hear("** (mydumper:1): CRITICAL **: gone");
        heard.hear("** (mydumper:1): CRITICAL **: all gone");
        let error = heard.judge("dump a").expect_err("an error");
        assert_eq!(
            error.to_string(),
            "unable to dump a: it said: ** (mydumper:1): CRITICAL **: gone, and 1 more"
        );
    }
}
