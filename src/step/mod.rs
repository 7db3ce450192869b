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
mod prune_plan;
mod restore;
mod vacuum;
mod verify;

pub use contents::choose_from;
pub use export::scripts;
pub use fault::Fault;
pub use files::{Assembled, Assembly, facts, small};
pub use opened::{Opened, load_all, needed};
pub use perform::{InUse, Steps};
pub use prune::IN_USE_RUNS;
pub use prune_plan::{
    Fate, PruneGround, PruneLine, PrunePlan, because, needed as needed_by_others,
};
pub use restore::{Choice, Restored, may_write, restore_into, with_accounts};
