//! One test binary: every file below is a module of it.
#![allow(missing_docs, reason = "a test is named after what it claims")]

mod map;
mod mysql_state;
mod quickstart;
mod servers;
mod shop;
