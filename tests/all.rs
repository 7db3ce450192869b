//! One test binary: every file below is a module of it.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in tests, but clippy does not see that helpers are test code

mod contract;
mod s3_server;
