//! Order and concurrency; knows steps, nothing of backups.

mod event;
mod scheduler;
mod state;
mod worker;

pub use event::{
    ArtifactFacts, DumpFacts, Event, Failure, Level, Progress, RunFacts, Stamped, StepEnd, Verdict,
};
pub use scheduler::{Listener, Outcome, execute};
pub use worker::{Done, Perform, Say};
