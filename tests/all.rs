//! One test binary: every folder below is a subject, `common` the harness of all.
#![allow(missing_docs, reason = "a test is named after what it claims")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but clippy does not see that helpers are tests"
)]

mod common;
mod format;
mod job;
mod map;
mod mysql;
mod oracle;
mod postgres;
mod record;
mod restore;
mod sqlite;
mod store;
mod web;
