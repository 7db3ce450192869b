//! The marker of a container that was begun: an object beside it, written before its first byte and
//! removed after its head. Normative text: `schema/artifact.md`.
//!
//! Pure. It is what shows that a run of vex began something: what has no marker of a dead run is
//! never swept. A run is dead when its process is gone from the machine it says it ran on, or when
//! its newest marker is seven days old by the clock of the store.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::artifact::damage::Damage;
use crate::base::{Id, ProcessId};

/// How old the newest marker of a run is that nobody waits for any more.
pub const ABANDONED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How old a marker is that a living run writes anew.
pub const REFRESHED: SignedDuration = SignedDuration::from_hours(24);

/// Largest marker, in bytes.
pub const LARGEST_MARKER: u64 = 64 << 10;

/// Who began a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Version of the format.
    pub format: u64,
    /// The run.
    pub run: Id,
    /// Machine, for people.
    pub host: String,
    /// Where and when the process runs, if that can be told.
    #[serde(default)]
    pub process: Option<ProcessId>,
    /// When it was written.
    pub at: Timestamp,
}

impl Marker {
    /// The marker as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("BUG: a marker that is not JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a marker.
    pub fn parse(bytes: &[u8]) -> Result<Marker, Damage> {
        serde_json::from_slice(bytes).map_err(|e| Damage::Manifest(format!("a marker: {e}")))
    }
}
