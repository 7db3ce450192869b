//! vex: a build tool for backups. This file is the map; a room may import only from lower floors.
//!
//! ```text
//! 7  cli                 argv in, exit code out; the only room that exits or wires
//!    library             one database into one file and back, for other programs
//! 6  notify  web         tells people; the dashboard
//! 5  step  report        what each step does; who listens to a run
//! 4  run  pipeline  shelf   order; bytes in motion; the artifacts of one job in one store
//!    view                what people see: models of shown text, charts, pages
//! 3  syntax plan source store catalog retention
//! 2  job artifact world lang record
//! 1  base  convert       ground; job files made of other configurations
//! ```
//!
//! Words of this house: a *shelf* is the artifacts of one chain in one store; the *world* is every
//! effect that a test replaces; to *press* is to compress and seal a chunk into an entry; the *join*
//! puts entries one after the other into the container.
//!
//! Rooms are private to the crate, so that the compiler finds what nobody uses: what the binary
//! runs is [`main`], what other programs may use is [`BackupRestorer`], what tests reach is `testing`.

pub(crate) mod artifact;
pub(crate) mod base;
pub(crate) mod catalog;
pub(crate) mod cli;
mod convert;
pub(crate) mod job;
pub(crate) mod lang;
mod library;
pub(crate) mod notify;
pub(crate) mod pipeline;
pub(crate) mod plan;
pub(crate) mod record;
mod recover;
pub(crate) mod report;
pub(crate) mod retention;
pub(crate) mod run;
pub(crate) mod shelf;
pub(crate) mod source;
pub(crate) mod step;
pub(crate) mod store;
pub(crate) mod syntax;
pub(crate) mod view;
pub(crate) mod web;
pub(crate) mod world;

#[doc(hidden)]
pub mod testing;

pub use cli::main;
pub use library::{BackupRestorer, Driver};
