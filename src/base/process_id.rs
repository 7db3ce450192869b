//! What tells a process from every other, also after a restart of its machine and from elsewhere.

use serde::{Deserialize, Serialize};

/// A process of some machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The machine's ID.
    pub machine: String,
    /// The boot's ID.
    pub boot: String,
    /// The PID namespace.
    pub namespace: String,
    /// The process.
    pub pid: u32,
    /// When it started, in ticks since the boot.
    pub started: u64,
}
