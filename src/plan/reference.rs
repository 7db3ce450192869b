//! Sources and stores by their names, with what reaches them.

use crate::job::{SourceSpec, StoreSpec, TrustSpec};

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
