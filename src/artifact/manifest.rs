//! The manifest: what an artifact is, written last. Normative text: `schema/artifact.md`.
//!
//! Pure. Two copies: the last entry of the container (without size and hash of the whole) and the
//! sidecar `<key>.manifest.json` (with them). Unknown fields are refused, a newer format is refused
//! by number, every length is capped before anything is allocated for it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::damage::Damage;
use crate::artifact::member::{Kind, Member, Phase};
use crate::artifact::position::Position;
use crate::artifact::proof::{self, Proof};
use crate::base::Id;

/// The format this program writes where no newer one is needed.
pub const FORMAT: u64 = 1;

/// The newest format this program reads: 1, with accounts 2, with PostgreSQL 3.
const NEWEST: u64 = 3;

/// The format of an artifact with these members: the oldest that says it all.
pub fn format_of(members: &[Member]) -> u64 {
    let asks = |member: &Member| match member.kind {
        Kind::Object => 3,
        // The one file of SQLite has no name.
        Kind::File if !member.name.is_empty() => 3,
        _ if member.schema.is_some() => 3,
        Kind::Account | Kind::Grants => 2,
        _ => FORMAT,
    };
    members.iter().map(asks).max().unwrap_or(FORMAT)
}

/// Name of the manifest inside the container.
pub const ENTRY: &str = "manifest.json";

/// Largest manifest, in bytes.
pub const LARGEST: u64 = 256 << 20;

/// Most members, and most entries.
const MOST: usize = 5_000_000;

/// What an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub format: u64,
    /// Identity of the artifact.
    pub id: Id,
    /// The job that made it.
    pub job: String,
    /// The source it holds.
    pub source: String,
    /// Kind of the source: `mysql`, `sqlite`.
    pub kind: String,
    /// Key of the container in its store; both copies of an artifact may differ in it.
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
    /// Whether entries are sealed with a password.
    pub sealed: bool,
    /// Why the content is not one point in time; empty when it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inconsistent: Vec<String>,
    /// What the source holds and the artifact does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_included: Vec<String>,
    /// Where the content stands in the source's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The artifact that this one adds to, and can't be restored without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// Algorithm of the row digests.
    pub digest: String,
    /// What it holds, in restore order.
    pub members: Vec<Member>,
    /// The entries, in the order of the container.
    pub entries: Vec<EntryLine>,
    /// Size and hash of the container; only in the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectLine>,
}

/// One entry of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryLine {
    /// Its name.
    pub name: String,
    /// Index of its member.
    pub member: usize,
    /// Its number among the entries of its member, from 0.
    pub number: u32,
    /// Where its local header stands in the container.
    pub offset: u64,
    /// Length of local header and data.
    pub stored: u64,
    /// Length before compression.
    pub raw: u64,
    /// SHA-256 of local header and data, hexadecimal.
    pub sha256: String,
    /// Rows and digest of the rows in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Proof>,
}

/// The container as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLine {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// SHA-256 of what follows the last entry (inner manifest and directory), so that ranges alone
    /// prove the whole.
    pub tail: String,
}

impl Manifest {
    /// The manifest as bytes, one entry a line so that people can read and diff it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("BUG: a manifest that is not JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest and checks that it is one this program understands.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, Damage> {
        let damage = |found: &dyn std::fmt::Display| Damage::Manifest(found.to_string());
        if bytes.len() as u64 > LARGEST {
            return Err(damage(&"it is larger than 256 MiB"));
        }
        refuse_newer(bytes, NEWEST)?;
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| damage(&e))?;
        manifest.check().map_err(|e| damage(&e))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if Id::parse(self.id.as_str()).is_none() {
            return Err("its ID has another form".into());
        }
        if self.digest != proof::ALGORITHM {
            return Err(format!(
                "its digests are by {}, which this vex does not know",
                self.digest
            ));
        }
        if self.members.len() > MOST || self.entries.len() > MOST {
            return Err("it has too many members or entries".into());
        }
        let mut names = std::collections::HashSet::with_capacity(self.entries.len());
        let mut end = 0_u64;
        let mut numbers = vec![0_u32; self.members.len()];
        for entry in &self.entries {
            let number =
                numbers.get_mut(entry.member).ok_or("an entry names a member that is not there")?;
            let hash =
                entry.sha256.len() == 64 && entry.sha256.bytes().all(|b| b.is_ascii_hexdigit());
            if !hash || entry.name.is_empty() || entry.name.len() > 1024 {
                return Err(format!(
                    "entry {} has no proper name and hash",
                    entry.name.escape_debug()
                ));
            }
            if !names.insert(entry.name.as_str()) {
                return Err(format!("two entries are called {}", entry.name.escape_debug()));
            }
            if entry.offset != end {
                return Err(format!(
                    "entry {} does not follow the one before it",
                    entry.name.escape_debug()
                ));
            }
            end = entry.offset.checked_add(entry.stored).ok_or("an entry ends past all numbers")?;
            *number += 1;
        }
        let phases: Vec<Phase> = self.members.iter().map(|m| m.phase).collect();
        if !phases.is_sorted() {
            return Err("its members are not in restore order".into());
        }
        Ok(())
    }

    /// Rows and digest of a member; `None` for what has no rows.
    pub fn proof(&self, member: usize) -> Option<Proof> {
        if self.members.get(member)?.kind != Kind::Rows {
            return None;
        }
        let mut sum = Proof::default();
        for line in self.entries.iter().filter(|e| e.member == member) {
            sum += line.rows.unwrap_or_default();
        }
        Some(sum)
    }

    /// All rows and digests, by member.
    pub fn proofs(&self) -> Vec<(usize, Proof)> {
        let mut sums = vec![Proof::default(); self.members.len()];
        for line in &self.entries {
            sums[line.member] += line.rows.unwrap_or_default();
        }
        sums.into_iter().enumerate().filter(|(i, _)| self.members[*i].kind == Kind::Rows).collect()
    }

    /// Where the last entry ends and the inner manifest begins.
    pub fn tail_offset(&self) -> u64 {
        self.entries.last().map_or(0, |e| e.offset + e.stored)
    }

    /// The names of its units, in order.
    pub fn units(&self) -> Vec<&str> {
        let mut units: Vec<&str> = Vec::new();
        for member in &self.members {
            if !member.unit.is_empty() && !units.contains(&member.unit.as_str()) {
                units.push(&member.unit);
            }
        }
        units
    }

    /// Bytes before compression.
    pub fn raw_bytes(&self) -> u64 {
        self.entries.iter().map(|e| e.raw).sum()
    }

    /// Size of the container.
    pub fn bytes(&self) -> u64 {
        self.object.as_ref().map_or(0, |o| o.bytes)
    }
}

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
    /// Read back, decompressed, its values parsed and recounted.
    Read,
    /// Restored into a scratch source and recounted there.
    Restored,
}

impl Level {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Level::Written => "written",
            Level::Read => "read",
            Level::Restored => "restored",
        }
    }
}

impl ProofLine {
    /// The proof as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("BUG: a proof that is not JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a proof.
    pub fn parse(bytes: &[u8]) -> Result<ProofLine, Damage> {
        refuse_newer(bytes, FORMAT)?;
        serde_json::from_slice(bytes).map_err(|e| Damage::Manifest(e.to_string()))
    }
}

/// Refuses a newer format by its number, before any field of it can be misread.
fn refuse_newer(bytes: &[u8], known: u64) -> Result<(), Damage> {
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|e| Damage::Manifest(e.to_string()))?;
    if head.format > known { Err(Damage::Newer { found: head.format, known }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            id: Id::new(Timestamp::UNIX_EPOCH, 1),
            job: "j".into(),
            source: "s".into(),
            kind: "sqlite".into(),
            key: "j/s/x.zip".into(),
            host: "h".into(),
            vex: "0".into(),
            server: "3".into(),
            started: Timestamp::UNIX_EPOCH,
            finished: Timestamp::UNIX_EPOCH,
            sealed: false,
            inconsistent: Vec::new(),
            not_included: Vec::new(),
            position: None,
            parent: None,
            digest: proof::ALGORITHM.into(),
            members: vec![Member::new("u", "t", Kind::Rows, Phase::Data)],
            entries: vec![EntryLine {
                name: "u/t.00000.sql".into(),
                member: 0,
                number: 0,
                offset: 0,
                stored: 10,
                raw: 20,
                sha256: "a".repeat(64),
                rows: Some(Proof { rows: 2, digest: Default::default() }),
            }],
            object: None,
        }
    }

    #[test]
    fn a_manifest_reads_back_and_strange_ones_are_refused() {
        let good = manifest();
        assert_eq!(Manifest::parse(&good.to_bytes()).expect("reads back"), good);
        assert_eq!(good.proof(0).map(|p| p.rows), Some(2));
        let text = String::from_utf8(good.to_bytes()).expect("UTF-8");
        for (from, to) in [
            ("\"format\": 1", "\"format\": 1, \"more\": 1"),
            ("\"member\": 0", "\"member\": 3"),
            ("\"offset\": 0", "\"offset\": 7"),
            ("xxh3-128-sum", "md5"),
            (&"a".repeat(64), "zz"),
            ("\"id\": \"1", "\"id\": \"x"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(Manifest::parse(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
        let newer = text.replace("\"format\": 1", "\"format\": 9, \"more\": 1");
        assert_eq!(
            Manifest::parse(newer.as_bytes()),
            Err(Damage::Newer { found: 9, known: NEWEST })
        );
    }
}
