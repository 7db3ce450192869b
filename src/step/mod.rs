//! What each step of a plan does; knows backups, not order.

mod backup;
mod copies;
mod exec;
mod expect;
mod parent;
mod perform;
mod prepared;
mod prune;
mod prune_plan;
mod restore;
mod vacuum;
mod verify;

pub use perform::{InUse, Steps};
pub use prepared::Prepared;
pub use prune::IN_USE_RUNS;
pub use prune_plan::{
    Fate, PruneGround, PruneLine, PrunePlan, because, needed as needed_by_others,
};
