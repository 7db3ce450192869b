//! Sums over an artifact and its databases, as its head shows them.

use serde::{Deserialize, Serialize};

use crate::artifact::position::Position;
use crate::artifact::proof::Proof;

/// Sums over a whole artifact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Databases.
    pub units: u64,
    /// Tables.
    pub tables: u64,
    /// Members.
    pub members: u64,
    /// Entries.
    pub entries: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes before compression.
    pub raw: u64,
}

/// Sums of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitSum {
    /// Its name.
    pub name: String,
    /// Its tables.
    pub tables: u64,
    /// Bytes before compression.
    pub raw: u64,
    /// Rows, and the sum of their digests.
    #[serde(flatten)]
    pub proof: Proof,
}

/// What a head may have cut, whole: the first line of the members' frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// The sums of every database.
    pub units: Vec<UnitSum>,
    /// Why the content is not one point in time.
    #[serde(default)]
    pub inconsistent: Vec<String>,
    /// What the source holds and the artifact does not.
    #[serde(default)]
    pub not_included: Vec<String>,
    /// Where the content stands in the source's log.
    #[serde(default)]
    pub position: Option<Position>,
}
