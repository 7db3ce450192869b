//! What a verification found, as it is kept beside the artifact. Normative text:
//! `schema/artifact.md`.
//!
//! Pure. The format of a proof has a number of its own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::damage::Damage;
use crate::base::Id;

/// The format of proofs and markers.
pub const PROOF_FORMAT: u64 = 1;

/// Largest proof, in bytes.
pub const LARGEST_PROOF: u64 = 1 << 20;

/// Lines of damage that a proof quotes.
const DAMAGE: usize = 200;

/// What a verification found, an object of its own beside the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofLine {
    /// Version of the format.
    pub format: u64,
    /// The artifact.
    pub id: Id,
    /// How deep it went.
    pub level: Level,
    /// When it ended.
    pub at: Timestamp,
    /// Whether all was as the manifest says.
    pub good: bool,
    /// What was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<String>,
    /// Machine that verified.
    pub host: String,
    /// The scratch source it was restored into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
}

/// How far a copy is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Committed only.
    Written,
    /// Read back, and every byte is what was stored; what it holds was not looked at.
    Hashed,
    /// Read back, decompressed, its values parsed and recounted.
    Read,
    /// Read by the software that would restore it, which would take all of it.
    Validated,
    /// Restored into a scratch source and recounted there.
    Restored,
}

impl Level {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Level::Written => "written",
            Level::Hashed => "hashed",
            Level::Read => "read",
            Level::Validated => "validated",
            Level::Restored => "restored",
        }
    }
}

impl ProofLine {
    /// The proof as bytes; of much damage the first lines, and how many there are.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut line = self.clone();
        if line.damage.len() > DAMAGE {
            let more = line.damage.len() - DAMAGE;
            line.damage.truncate(DAMAGE);
            line.damage.push(format!("and {more} more"));
        }
        let mut bytes = serde_json::to_vec_pretty(&line).expect("BUG: a proof that is not JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a proof.
    pub fn parse(bytes: &[u8]) -> Result<ProofLine, Damage> {
        let line: ProofLine =
            serde_json::from_slice(bytes).map_err(|e| Damage::Manifest(e.to_string()))?;
        match line.format {
            PROOF_FORMAT => Ok(line),
            found => Err(Damage::Newer { found, known: PROOF_FORMAT }),
        }
    }
}
