//! First failure wins: one slot, and the stop that makes all other stages fall silent.
//!
//! A panic in a stage is a failure like any other; it never takes the process with it nor leaves an
//! upload open.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::artifact::Damage;
use crate::base::{Stop, Stopped};
use crate::source::contract as source;
use crate::store::contract as store;

/// Why a pipeline ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source.
    #[error("{0}")]
    Source(#[source] source::Error),
    /// A store.
    #[error("{0}")]
    Store(#[source] store::Error),
    /// An entry could not be pressed.
    #[error("unable to press entry {0}: {1}")]
    Press(String, zip::result::ZipError),
    /// The artifact.
    #[error("{0}")]
    Damage(#[source] Damage),
    /// Rows written are not the rows read.
    #[error("unable to trust {title}: {read} rows were read and {written} written")]
    Rows {
        /// The table.
        title: String,
        /// Rows the source says it read.
        read: u64,
        /// Rows in the entries.
        written: u64,
    },
    /// No store is left: what was wrong with each, in the order of the copies.
    #[error("unable to send: every store failed")]
    NoStore(Vec<store::Error>),
    /// A bug.
    #[error("BUG: {0}")]
    Panic(String),
    /// Stopped from outside.
    #[error("stopped")]
    Stopped,
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Error {
        Error::Stopped
    }
}

impl From<source::Error> for Error {
    fn from(error: source::Error) -> Error {
        if error.kind == source::ErrorKind::Stopped { Error::Stopped } else { Error::Source(error) }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        if error.kind == store::ErrorKind::Stopped { Error::Stopped } else { Error::Store(error) }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::Press("of the central directory".into(), error.into())
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Error {
        Error::Damage(damage)
    }
}

/// The slot of the first failure.
pub struct FirstFailure {
    slot: OnceLock<Error>,
    /// Stops when something failed, or when the step does.
    pub stop: Stop,
}

impl FirstFailure {
    /// No failure yet; `stop` is the step's.
    pub fn new(stop: &Stop) -> FirstFailure {
        FirstFailure { slot: OnceLock::new(), stop: stop.child() }
    }

    /// Runs a stage; its error or panic becomes the failure, unless another came first.
    pub fn run(&self, stage: impl FnOnce() -> Result<(), Error>) {
        match catch_unwind(AssertUnwindSafe(stage)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(error),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                self.fail(Error::Panic(text.unwrap_or_else(|| "a stage panicked".into())));
            }
        }
    }

    /// Notes a failure and stops the pipeline. *Stopped* is an echo of a failure elsewhere and
    /// never takes the slot from one that is on its way, since the failing stage sets the slot
    /// before it stops the others.
    pub fn fail(&self, error: Error) {
        // A slot that is taken holds the failure that came first.
        drop(self.slot.set(error));
        self.stop.stop();
    }

    /// The failure, if there was one.
    pub fn result(self) -> Result<(), Error> {
        match self.slot.into_inner() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
