//! SQLite files.

pub mod live;
mod refused;
