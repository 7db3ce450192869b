//! Bytes in motion; memory is a number one can compute; knows no job.
//!
//! Order: *before* entries first and in order, *data* in any order, *after* last and in order, then
//! the manifest. Memory: `(chunk + entry) × (D + P + 2·depth) + part × (S + depth + 1)`, plus D
//! times the largest row.

mod backup;
mod definitions;
mod duplicate;
mod export;
mod fetch;
mod index;
mod join;
mod loader;
mod meter;
mod permits;
mod queue;
mod rate;
mod recount;
mod refusals;
mod restore;
mod rounds;
mod send;
mod shape;
mod shares;
mod stage;
mod verify;

pub use backup::{Backup, backup};
pub use duplicate::{duplicate, hashed};
pub use export::{ExportError, export};
pub use fetch::Fetch;
pub use index::IndexMade;
pub use meter::{Counts, Meter};
pub use restore::{Outcome, Restore, preflight, recounts, restore};
pub use send::{Copy, Made};
pub use shape::{PART, Shape, first_part, part_size};
pub use stage::Error;
pub use verify::{Windows, digest, read_back, verify};
