//! A restore that was resolved before its run.

use crate::record::LogLevel;
use crate::recover::Resolved;

/// The backup that was taken and the plan, and what was said meanwhile.
pub struct Prepared {
    /// The backup that was taken, and the plan.
    pub resolved: Resolved,
    /// What was said.
    pub said: Vec<(LogLevel, String)>,
}
