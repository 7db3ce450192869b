//! An access key and its secret. Plain data.

use jiff::Timestamp;

use crate::base::Secret;

/// An access key and its secret.
pub struct Keys {
    /// Public half.
    pub access: String,
    /// Secret half.
    pub secret: Secret,
    /// Token of a session, for keys that were lent.
    pub token: Option<Secret>,
    /// When they end.
    pub expires: Option<Timestamp>,
}
