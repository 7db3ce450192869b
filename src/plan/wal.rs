//! How what a job keeps is sealed, and where the log of a server goes. Data only.

use crate::artifact::Method;
use crate::base::SecretRef;
use crate::plan::reference::{SourceRef, StorePlace, StoreRef};

/// How an archive is made.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Method of its entries.
    pub method: Method,
    /// Where its password is found.
    pub password: Option<SecretRef>,
    /// Where passwords of older archives are found.
    pub previous: Vec<SecretRef>,
    /// The recipients of age that it is sealed for.
    pub recipients: Vec<String>,
}

/// The write-ahead log of one server.
#[derive(Debug, Clone)]
pub struct Wal {
    /// The server.
    pub source: SourceRef,
    /// How each file is kept.
    pub archive: Archive,
    /// Where they go.
    pub copies: Vec<LogCopy>,
    /// Where base backups of the server are, in whatever store of the file.
    pub bases: Vec<StorePlace>,
}

/// Where the files of a log go.
#[derive(Debug, Clone)]
pub struct LogCopy {
    /// The store.
    pub store: StoreRef,
    /// What all keys of the store begin with: empty, or ending in `/`.
    pub root: String,
    /// Whether a failure there is only Alerta.
    pub optional: bool,
}
