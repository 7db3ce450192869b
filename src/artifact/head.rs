//! The head: what an artifact is, in 64 KiB at most, written last of all. Normative text:
//! `schema/artifact.md`.
//!
//! Pure. Everything that grows with the backup stands in the index (`index.rs`); what would not fit
//! here is cut, and whole there. Unknown fields are passed over; an unknown word in `needs` and a
//! newer format are refused by name, so that nothing is ever misread.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::damage::Damage;
use crate::artifact::index::IndexLine;
use crate::artifact::origin::Origin;
use crate::artifact::position::Position;
use crate::artifact::proof;
use crate::artifact::totals::{Details, Totals, UnitSum};
use crate::base::Id;

/// The format this program writes, and the newest that it reads.
pub const FORMAT: u64 = 4;

/// Largest head, in bytes.
pub const LARGEST_HEAD: usize = 64 << 10;

/// Name of the head inside the container.
pub const ENTRY: &str = "manifest.json";

/// Words of `needs` that this program understands.
const UNDERSTOOD: [&str; 0] = [];

/// Notes that a head quotes where not all of them fit, and the longest of each in characters.
const NOTES: (usize, usize) = (20, 200);

/// Longest position that a head holds, in bytes; GTID sets know no bound.
const POSITION: usize = 8 << 10;

/// What an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Version of the format.
    pub format: u64,
    /// What a reader must understand besides the format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Identity of the run that made it.
    pub id: Id,
    /// The job that made it.
    pub job: String,
    /// The job's file, absolute; unknown of formats 1 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The source it holds.
    pub source: String,
    /// Kind of the source: `mysql`, `sqlite`.
    pub kind: String,
    /// Which database it is of; unknown of formats 1 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Key of the container in its store, to which the keys of all else beside it are added.
    pub key: String,
    /// Machine that made it.
    pub host: String,
    /// Version of vex that made it.
    pub vex: String,
    /// Version of the server or library that was read.
    pub server: String,
    /// When the run of this chain began.
    pub started: Timestamp,
    /// When the last byte was read.
    pub finished: Timestamp,
    /// How entries are sealed, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
    /// Sums over everything.
    pub totals: Totals,
    /// Sums of each database, as many as fit.
    #[serde(default)]
    pub units: Vec<UnitSum>,
    /// Why the content is not one point in time; empty when it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inconsistent: Vec<String>,
    /// What the source holds and the artifact does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_included: Vec<String>,
    /// Whether units, notes or the position were cut here, and are whole in the index only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Where the content stands in the source's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The artifact that this one adds to, and can't be restored without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// Algorithm of the row digests.
    pub digest: String,
    /// The objects that hold the content: one container. Empty inside the container, which can't
    /// tell its own hash.
    #[serde(default)]
    pub objects: Vec<ObjectLine>,
    /// Where the index is; not inside the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexLine>,
}

/// How entries are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// `winzip-aes-256`.
    pub method: String,
    /// Tells two passwords apart, and not what they are; absent in formats 1 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// An object that holds content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectLine {
    /// Its key.
    #[serde(default)]
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// SHA-256 of what follows the entries that the index lists, so that ranges alone prove the
    /// whole.
    pub tail: String,
    /// Where the entries that the index lists end, and the tail begins.
    #[serde(default)]
    pub tail_from: u64,
    /// Where the central directory begins; 0 in formats 1 to 3.
    #[serde(default)]
    pub directory: u64,
}

impl Head {
    /// Whether entries are sealed with a password.
    pub fn sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// The name of the container: the last part of its key.
    pub fn name(&self) -> &str {
        self.key.rsplit_once('/').map_or(self.key.as_str(), |(_, name)| name)
    }

    /// Size of the container.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|o| o.bytes).sum()
    }

    /// The names of its databases, as many as it holds.
    pub fn unit_names(&self) -> Vec<String> {
        self.units.iter().map(|u| u.name.clone()).collect()
    }

    /// What it holds of all that it may have cut.
    pub fn details(&self) -> Details {
        Details {
            units: self.units.clone(),
            inconsistent: self.inconsistent.clone(),
            not_included: self.not_included.clone(),
            position: self.position.clone(),
        }
    }

    /// Whether units, notes and position are those of `details`: of what was cut, a beginning.
    pub fn agrees(&self, details: &Details) -> bool {
        if !self.cut {
            return *details == self.details();
        }
        let begin = |own: &[String], all: &[String]| {
            own.len() <= all.len() && own.iter().zip(all).all(|(own, all)| all.starts_with(own))
        };
        details.units.starts_with(&self.units)
            && begin(&self.inconsistent, &details.inconsistent)
            && begin(&self.not_included, &details.not_included)
            && (self.position.is_none() || self.position == details.position)
    }

    /// The head with all that was cut, which `details` tell.
    pub fn completed(&self, details: Details) -> Result<Head, Damage> {
        if !self.agrees(&details) {
            let found = "its units, notes or position are not those of its index";
            return Err(Damage::Manifest(found.into()));
        }
        let Details { units, inconsistent, not_included, position } = details;
        Ok(Head { units, inconsistent, not_included, position, cut: false, ..self.clone() })
    }

    /// The head as bytes, [`LARGEST_HEAD`] at most: what does not fit is cut.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = self.clone();
        let whole = head.write();
        if whole.len() <= LARGEST_HEAD {
            return whole;
        }
        head.cut = true;
        for notes in [&mut head.inconsistent, &mut head.not_included] {
            notes.truncate(NOTES.0);
            for note in notes.iter_mut() {
                *note = note.chars().take(NOTES.1).collect();
            }
        }
        head.position.take_if(|p| p.to_string().len() > POSITION);
        loop {
            let bytes = head.write();
            if bytes.len() <= LARGEST_HEAD || head.units.is_empty() {
                return bytes;
            }
            head.units.truncate(head.units.len() / 2);
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("BUG: a head that is not JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a head of format 4 and checks that it is one this program understands.
    pub fn parse(bytes: &[u8]) -> Result<Head, Damage> {
        let damage = |found: String| Damage::Manifest(found);
        if bytes.len() > LARGEST_HEAD {
            return Err(damage("it is larger than 64 KiB".into()));
        }
        let found = format_of(bytes)?;
        if found != FORMAT {
            return Err(damage(format!("it has format {found}")));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|e| damage(e.to_string()))?;
        head.check().map_err(damage)?;
        Ok(head)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(word) = self.needs.iter().find(|w| !UNDERSTOOD.contains(&w.as_str())) {
            return Err(format!(
                "it needs {word:?}, which this vex does not know; use a newer vex"
            ));
        }
        if Id::parse(self.id.as_str()).is_none() {
            return Err("its ID has another form".into());
        }
        if self.digest != proof::ALGORITHM {
            return Err(format!(
                "its digests are by {}, which this vex does not know",
                self.digest.escape_debug()
            ));
        }
        if self.objects.iter().any(|object| object.key != self.key) {
            return Err("its object has another key".into());
        }
        if self.objects.len() > 1 {
            return Err(format!("it has {} objects; use a newer vex", self.objects.len()));
        }
        Ok(())
    }
}

/// The format that a head or manifest says it has; a newer one is refused by its number, before any
/// field of it can be misread.
pub fn format_of(bytes: &[u8]) -> Result<u64, Damage> {
    #[derive(Deserialize)]
    struct Line {
        format: u64,
    }
    let line: Line = serde_json::from_slice(bytes).map_err(|e| Damage::Manifest(e.to_string()))?;
    if line.format > FORMAT {
        return Err(Damage::Newer { found: line.format, known: FORMAT });
    }
    Ok(line.format)
}
