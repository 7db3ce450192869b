//! vex: a build tool for backups. This file is the map; a room may import only from lower floors.
//!
//! ```text
//! 7  cli                 argv in, exit code out; the only room that exits or wires
//! 6  notify  web         tells people; the dashboard
//! 5  step  report        what each step does; who listens to a run
//! 4  run  pipeline  shelf   order; bytes in motion; the artifacts of one job in one store
//! 3  syntax plan source store catalog retention
//! 2  job artifact world lang record
//! 1  base
//! ```

pub mod artifact;
pub mod base;
pub mod catalog;
pub mod cli;
pub mod job;
pub mod lang;
pub mod notify;
pub mod pipeline;
pub mod plan;
pub mod record;
pub mod report;
pub mod retention;
pub mod run;
pub mod shelf;
pub mod source;
pub mod step;
pub mod store;
pub mod syntax;
pub mod web;
pub mod world;
