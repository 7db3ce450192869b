//! SQLite files.

pub mod foreign;
pub mod live;
