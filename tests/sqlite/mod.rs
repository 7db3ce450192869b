//! SQLite files.

pub mod live;
