//! What a scratch server must be like.
//!
//! Plain data.

use std::path::Path;

use crate::job::SourceSpec;

/// What is to be made.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The source whose backup will be restored: its kind, and where its programs are.
    pub spec: &'a SourceSpec,
    /// The version of the server that the backup is of, as that names itself.
    pub version: &'a str,
    /// Where private folders are made.
    pub staging: &'a Path,
}
