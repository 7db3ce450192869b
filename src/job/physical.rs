//! How the files of a PostgreSQL server are copied, as declared.

use std::time::Duration;

/// How `pg_basebackup` works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Physical {
    /// Whether only what changed since the newest backup of the chain is taken.
    pub incremental: bool,
    /// A full one is taken once the last full one is as old.
    pub full_every: Duration,
    /// Whether the server is to write its checkpoint at once.
    pub fast: bool,
    /// Bytes a second at most.
    pub rate: Option<u64>,
}

impl Default for Physical {
    fn default() -> Physical {
        let full_every = Duration::from_secs(7 * 86_400);
        Physical { incremental: false, full_every, fast: true, rate: None }
    }
}
