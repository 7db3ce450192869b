//! What each step of a plan does; knows backups, not order.

mod backup;
mod binlog;
mod binlog_tidy;
mod copies;
mod drill;
mod exec;
mod expect;
mod files_drill;
mod parent;
mod perform;
mod piece_send;
mod prepared;
mod prune;
mod prune_plan;
mod restore;
mod retry;
mod rman;
mod rman_judge;
mod rman_parent;
mod scratch;
mod sealing;
mod transfer;
mod uploads;
mod vacuum;
mod validate;
mod verify;
mod wal;

pub use perform::{InUse, Steps};
pub use prepared::Prepared;
pub use prune::IN_USE_RUNS;
pub use prune_plan::{Fate, PruneLine, because};
pub use wal::push;
