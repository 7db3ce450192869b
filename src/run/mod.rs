//! Order and concurrency; knows steps, nothing of backups.

mod scheduler;
mod state;
mod worker;

pub use scheduler::{Listener, Outcome, execute};
pub use worker::{Done, Perform, Say};
