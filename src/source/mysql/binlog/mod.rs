//! The binary log of a server: its files, and what stands in them, cut into segments; and segments
//! replayed into a server.

mod frame;
mod group;
mod payload;
mod place;
mod replay;
mod replica;
mod segment;
mod serve;
mod server;
mod transaction;
mod words;

pub use place::{Piece, Reader, Spot};
pub use replay::{Replay, replay};
pub use replica::Replica;
pub use segment::{CutError, Cutter, FIRST, Segment};
pub use server::{BinlogServer, LogFile};
pub use transaction::{Ending, Transaction, Transactions};
