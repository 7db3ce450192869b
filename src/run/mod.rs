//! The scheduler: which step runs when. Knows the steps of a plan and the facts they report, not
//! how a step does its work.

mod scheduler;
mod state;
mod worker;

pub use scheduler::{Listener, Outcome, execute};
pub use state::Standing;
#[cfg(test)]
pub use worker::Message;
pub use worker::{Done, Perform, Say};
