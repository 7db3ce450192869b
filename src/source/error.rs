//! What goes wrong with a source: its kind alone decides whether to try again; a person reads what
//! was being done, to what, what was found, and what to do.

use std::fmt;

use crate::base::Stopped;

/// What went wrong with a source, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection, or a lost one.
    Unreachable,
    /// User, password or privilege.
    Denied,
    /// A lock was not had in time, or the definitions changed under the dump.
    Busy,
    /// The source can't be backed up, or a target can't take it, as the job asks.
    Refused,
    /// What was read is not what the source or the archive must hold.
    Damaged,
    /// Something exists where nothing may.
    Exists,
    /// The run was stopped.
    Stopped,
    /// Anything else the server said.
    Failed,
}

impl ErrorKind {
    /// Whether the same call may work later.
    pub fn again(self) -> bool {
        matches!(self, ErrorKind::Unreachable | ErrorKind::Busy)
    }
}

/// An error of a source: what was being done, to what, and what was found.
#[derive(Debug)]
pub struct Error {
    /// Its kind.
    pub kind: ErrorKind,
    /// What was being done, to what: `read shop.orders`.
    pub doing: String,
    /// What was found.
    pub found: String,
    /// What to do, as a sentence.
    pub hint: Option<String>,
    /// The cause.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without cause or hint.
    pub fn new(kind: ErrorKind, doing: impl Into<String>, found: impl Into<String>) -> Error {
        Error { kind, doing: doing.into(), found: found.into(), hint: None, source: None }
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to {}: {}", self.doing, self.found)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Error {
        Error::new(ErrorKind::Stopped, "go on", "stopped")
    }
}

/// The result of a source.
pub type Result<T> = std::result::Result<T, Error>;
