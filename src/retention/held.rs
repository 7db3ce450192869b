//! A copy as retention sees it.
//!
//! Knows no store and no head: whoever asks says what counts.

use jiff::Timestamp;

use crate::retention::reason::Pinned;

/// A copy as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When its content was read to the end.
    pub finished: Timestamp,
    /// Whether it counts.
    pub proven: bool,
    /// Whether the run made it that asks.
    pub made: bool,
    /// Whether an artifact of another chain adds to it.
    pub needed: bool,
    /// Which copy of the same list it adds to, and can't be restored without.
    pub parent: Option<usize>,
    /// Whether somebody wished that it is kept.
    pub pinned: Option<Pinned>,
    /// What it takes of its store, in bytes.
    pub bytes: u64,
}
