//! Keys that a job was given.
//!
//! Does not know what opens with them. What is said of one that can't be had names where it was
//! looked for, never what was found.

use crate::base::{Secret, SecretRef, Stop};
use crate::world::{reveal, reveal_text};

/// What a reference points to.
pub fn find(reference: &SecretRef, stop: &Stop) -> Result<Secret, String> {
    reveal(reference, stop).map_err(|e| chain(&e))
}

/// All of the text that a reference points to, with its lines.
pub fn find_text(reference: &SecretRef, stop: &Stop) -> Result<Secret, String> {
    reveal_text(reference, stop).map_err(|e| chain(&e))
}

/// A variable of the environment, unless it is empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
