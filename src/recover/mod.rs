//! From a wish to what came back: which backup is taken, what it replaces, the restore itself, and
//! what is read before anything is written.
//!
//! Knows plans, stores and sources, not steps and no terminal: whoever watches and answers is an
//! [`Operator`]. Invariants: nothing is written before the plan of it was made and its refusals were
//! heard; whatever may lead to another backup comes before the first write.

mod another_kind;
mod archive;
mod assembly;
mod binlog;
mod candidates;
mod choice;
mod cluster;
mod cluster_plan;
mod config;
mod database;
mod export;
mod fault;
mod goal;
mod key;
mod lease;
mod lock;
mod lone;
mod look;
mod marker;
mod opened;
mod operator;
mod pieces;
mod prove;
mod read_back;
mod refused;
mod resolve;
mod restore;
mod restore_plan;
mod rman;
mod rman_select;
mod rman_validate;
mod selector;
mod target;
mod trust;
mod wal;
mod watched;

pub use assembly::{Assembled, Assembly, facts};
pub use binlog::{
    BinlogName, BinlogPlace, BinlogStores, LogBases, Shown, Window, around, breaks, chain,
    is_binlog_key, log_bases, log_windows, needless, onward, stands,
};
pub use candidates::Picked;
pub use choice::{Names, choose};
pub use export::scripts;
pub use fault::{Fault, is_own};
pub use key::key_of;
pub use look::pick;
pub use opened::{Opened, load_all};
pub use operator::{Operator, Work};
pub use pieces::{StoredPiece, read_pieces};
pub use read_back::{ReadBack, read_back};
pub use resolve::{Resolved, resolve};
pub use restore::{dry_run, restore};
pub use rman_select::{gaps, hole};
pub use rman_validate::Validate;
pub use selector::selects;
pub use target::{open_target, restore_into};
pub use trust::{open_to_read, open_to_write, signer};
pub use wal::{
    Base, Bases, Fetched, Log, Stretch, WalCopy, WalStored, WalStores, bases, fetch, is_wal_key,
    put_wal, system_near,
};
pub use watched::watched;
