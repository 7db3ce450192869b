//! What of a chain stays in a store and what goes, and why.

mod cap;
mod held;
mod judge;
mod reason;

pub use held::Held;
pub use judge::judge;
pub use reason::{Judgement, Pinned, Reason, Rule};
