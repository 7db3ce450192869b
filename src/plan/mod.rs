//! From a job to a plan: every name resolved, every step addressed, every order an edge.
//!
//! Asks nobody: what servers and stores say comes in as an [`Outlook`] and is only shown.

mod build;
mod chain;
mod draft;
mod graph;
mod guarded;
mod link;
mod lint;
mod log;
mod part;
mod problem;
mod program;
mod reference;
mod replay;
mod show;
mod wal;
mod wish;

pub use build::build;
#[cfg(test)]
pub use graph::Edge;
pub use graph::{
    Backup, CopyPlan, Exec, Guarded, Kin, Needs, Plan, Prune, PruneTask, SCRATCH, Sent, Step,
    StepKind, Transfer, Vacuum, Verify, Which,
};
pub use lint::lint;
pub use reference::{SourceRef, StorePlace, StoreRef};
pub use replay::{ReplayPoint, ReplayWish};
pub use show::{Outlook, show};
pub use wal::{Archive, LogCopy, Wal};
pub use wish::{
    BackupWish, ClusterWish, LATEST, OracleMode, OracleWish, Places, RecoveryPoint, RecoveryWish,
    RestoreSpec, TargetWish, Until,
};
