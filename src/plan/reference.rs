//! Sources and stores by their names, with what reaches them.

use crate::artifact::Naming;
use crate::job::{KeyRefs, SourceSpec, StoreSpec, TrustSpec};

/// A source by name.
#[derive(Debug, Clone)]
pub struct SourceRef {
    /// Its name.
    pub name: String,
    /// How to reach it.
    pub spec: SourceSpec,
}

/// A store by name.
#[derive(Debug, Clone)]
pub struct StoreRef {
    /// Its name.
    pub name: String,
    /// How to reach it.
    pub spec: StoreSpec,
    /// Who signs what is written there, and whose backups are believed.
    pub trust: TrustSpec,
}

/// A store that a job sends the source to.
#[derive(Debug, Clone)]
pub struct StorePlace {
    /// The job.
    pub job: String,
    /// The source as its artifacts name it.
    pub source: String,
    /// The store.
    pub store: StoreRef,
    /// The names of its artifacts.
    pub naming: Naming,
    /// Where what opens its archives is found.
    pub keys: KeyRefs,
}
