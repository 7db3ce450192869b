//! The write-ahead log of PostgreSQL: sent by the server itself, and looked after by a step.

mod look;
mod push;

pub use push::push;
