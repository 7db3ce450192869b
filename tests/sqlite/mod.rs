//! SQLite files.

pub mod foreign;
pub mod live;
mod refused;
