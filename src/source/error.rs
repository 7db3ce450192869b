//! Errors of sources: those of the whole house; see `base/error.rs`.

pub use crate::base::ErrorKind;

use crate::base::{self, OfSource};

/// An error of a source.
pub type Error = base::Error<OfSource>;

/// The result of a source.
pub type Result<T> = std::result::Result<T, Error>;
