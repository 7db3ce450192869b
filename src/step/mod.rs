//! What each step of a plan does; knows backups, not order.

mod backup;
mod contents;
mod copies;
mod exec;
mod export;
mod fault;
mod files;
mod opened;
mod parent;
mod perform;
mod prune;
mod restore;
mod vacuum;
mod verify;

pub use contents::choose_from;
pub use export::scripts;
pub use fault::Fault;
pub use files::{Assembled, Assembly, facts, small};
pub use opened::{Opened, load_all, needed};
pub use perform::Steps;
pub use prune::held;
pub use restore::{Choice, Restored, may_write, restore_into, with_accounts};
