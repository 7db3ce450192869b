//! One test binary: every file below is a module of it.
#![allow(missing_docs, reason = "a test is named after what it claims")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but clippy does not see that helpers are tests"
)]

mod bank;
mod check;
mod contract;
mod docs;
mod map;
mod mysql;
mod mysql_state;
mod quickstart;
mod s3_server;
mod servers;
mod shop;
