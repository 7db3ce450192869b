//! The binary log of a server: its files, and what stands in them, cut into segments.

mod frame;
mod group;
mod segment;
mod server;

pub use segment::{CutError, Cutter, FIRST, Segment};
pub use server::{BinlogServer, LogFile};
