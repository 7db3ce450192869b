//! The artifacts of backup chains in stores: list, begin, commit, prove, sweep, remove; and whose they
//! are.
//!
//! The order is the promise, and this room keeps it:
//! - a marker is written before the first byte of a container, the container and its index are
//!   finished, and the head is written **last** and read back: an artifact exists if and only if
//!   its head does, so a run killed anywhere leaves nothing that looks like a backup;
//! - removal takes the head first, then the proofs, the index and the container: what is still
//!   listed still restores;
//! - only keys that our own naming derives are ever removed, and only what a chain made itself;
//! - swept is only what has a marker of a dead run (`sweep.rs`);
//! - nothing is removed from a folder that somebody reads (`lease.rs`, `hold.rs`).
//!
//! Knows no source and no pipeline.

mod artifacts;
mod chain;
mod contents;
mod error;
mod hold;
mod identity;
mod lease;
mod lineage;
mod list;
mod named;
mod note;
mod shelved;
mod signed;
mod sweep;

pub use artifacts::{IndexBytes, Shelf};
pub use chain::{Belongs, Division, Own, divide};
pub use contents::Contents;
pub use error::ShelfError;
pub use hold::{Holder, Lease, LeaseError, Reading, bury_dead};
pub use identity::{STORE_OBJECT, store_id};
pub use lease::LeaseKind;
pub use lineage::{Group, groups, lineage};
pub use list::{Listing, part_anywhere, survey};
pub use named::{Unnamed, named};
pub use note::{
    Adopt, ChainName, LARGEST_NOTE, Machines, NOTE_FORMAT, Notes, Pin, Until, adopt_key,
    machines_key, pin_key, write_note,
};
pub use shelved::Shelved;
pub use signed::Signed;
pub use sweep::Swept;
