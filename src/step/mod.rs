//! What each step of a plan does; knows backups, not order.

mod backup;
mod copies;
mod exec;
mod parent;
mod perform;
mod prepared;
mod prune;
mod restore;
mod vacuum;
mod verify;

pub use perform::Steps;
pub use prepared::Prepared;
pub use prune::held;
