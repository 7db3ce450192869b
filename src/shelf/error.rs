//! Why the shelf could not do it.

use crate::artifact::Damage;
use crate::store::contract::Error as StoreError;

/// Why the shelf could not do it.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The artifact.
    #[error("{0}")]
    Damage(#[from] Damage),
    /// The key is not one of ours.
    #[error("unable to remove {0}: it is not a key of this chain")]
    Foreign(String),
}
