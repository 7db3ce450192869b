//! A job file, its commands, and a run: what is checked, shown, done, said, and kept secret.

pub mod check;
pub mod commands;
pub mod crash;
pub mod docs;
pub mod doctor;
pub mod fmt;
mod hooks;
mod idle;
pub mod interrupt;
mod new;
pub mod origin;
pub mod output;
mod packaging;
pub mod quickstart;
pub mod run_job;
pub mod schedule;
pub mod secrets;
mod site;
mod version;
