//! From a job to a plan: every name resolved, every step addressed, every order an edge.
//!
//! Asks nobody: what servers and stores say comes in as an [`Outlook`] and is only shown.

mod build;
mod chain;
mod draft;
mod graph;
mod lint;
mod problem;
mod show;

pub use build::build;
pub use graph::{
    Archive, Backup, CopyPlan, Edge, Exec, Kin, Needs, Plan, Retire, SourceRef, Step, StepKind,
    StoreRef, Vacuum, Verify, Which,
};
pub use lint::lint;
pub use show::{Outlook, keep_rules, show};
