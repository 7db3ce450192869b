//! The head: what an artifact is, in 64 KiB at most, written last of all. Normative text:
//! `schema/artifact.md`.
//!
//! Pure. Everything that grows with the backup stands in the index (`index.rs`); what would not fit
//! here is cut, and whole there. Unknown fields are passed over; an unknown word in `needs` and a
//! newer format are refused by name, so that nothing is ever misread.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::age::AGE;
use crate::artifact::damage::Damage;
use crate::artifact::index::IndexLine;
use crate::artifact::origin::Origin;
use crate::artifact::piece::{ENDINGS, LARGEST_PIECES_HEAD, PIECES, PieceLine, is_piece_name};
use crate::artifact::piece_seal::SEALED_PIECES;
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
const UNDERSTOOD: [&str; 3] = [PIECES, SEALED_PIECES, AGE];

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
    /// How far the server was behind its own source when it began, in seconds, if it is a replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
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
    /// How many of these should have been included: somebody must look.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
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
    /// The objects that hold the content: one container, or pieces. Empty inside the container,
    /// which can't tell its own hash.
    #[serde(default)]
    pub objects: Vec<ObjectLine>,
    /// Where the index is; not inside the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexLine>,
}

/// How entries are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// `winzip-aes-256`, or `age`.
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
    /// whole; empty for a piece.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
    /// Where the entries that the index lists end, and the tail begins.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tail_from: u64,
    /// Where the central directory begins; 0 in formats 1 to 3.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub directory: u64,
    /// What it is, if it is a piece of a backup set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub piece: Option<PieceLine>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Head {
    /// Whether somebody must look at what it holds: it is not one point in time, or lacks what
    /// should be there.
    pub fn must_be_looked_at(&self) -> bool {
        !self.inconsistent.is_empty() || self.lost > 0
    }

    /// Whether entries are sealed for recipients of age.
    pub fn sealed_by_age(&self) -> bool {
        self.seal.as_ref().is_some_and(|seal| seal.method == AGE)
    }

    /// Whether entries are sealed.
    pub fn sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// Whether it is pieces, each an object of its own, and has neither container nor index.
    pub fn is_pieces(&self) -> bool {
        self.needs.iter().any(|word| word == PIECES)
    }

    /// The largest it may be, in bytes.
    pub fn most(&self) -> usize {
        if self.is_pieces() { LARGEST_PIECES_HEAD } else { LARGEST_HEAD }
    }

    /// Its pieces, each with the object that it is.
    pub fn pieces(&self) -> impl Iterator<Item = (&ObjectLine, &PieceLine)> {
        self.objects.iter().filter_map(|object| Some((object, object.piece.as_ref()?)))
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

    /// The head as bytes, [`LARGEST_HEAD`] at most: what does not fit is cut. One of pieces, which
    /// has no index, is never cut.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = self.clone();
        let whole = head.write();
        if whole.len() <= LARGEST_HEAD || self.is_pieces() {
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
        if bytes.len() > LARGEST_PIECES_HEAD {
            return Err(damage("it is larger than 1 MiB".into()));
        }
        let found = format_of(bytes)?;
        if found != FORMAT {
            return Err(damage(format!("it has format {found}")));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|e| damage(e.to_string()))?;
        if bytes.len() > head.most() {
            return Err(damage("it is larger than 64 KiB".into()));
        }
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
        if self.is_pieces() {
            return self.check_pieces();
        }
        if self.objects.iter().any(|object| object.key != self.key) {
            return Err("its object has another key".into());
        }
        if self.objects.len() > 1 {
            return Err(format!("it has {} objects; use a newer vex", self.objects.len()));
        }
        Ok(())
    }

    /// Whoever can write to a store can write a head: the name of a piece becomes a file, and stands
    /// in scripts of RMAN, so that it is one that vex gives, or the head is refused.
    fn check_pieces(&self) -> Result<(), String> {
        if !self.objects.iter().all(|o| o.piece.is_some()) || self.index.is_some() {
            return Err("it is of pieces, and names another object".into());
        }
        // Of a sealed piece, nothing else tells what comes out.
        if self.pieces().any(|(_, line)| line.plain.is_some() != self.sealed()) {
            return Err("its seal and its pieces do not agree".into());
        }
        let mut names = BTreeSet::new();
        for (object, PieceLine { name, logs, .. }) in self.pieces() {
            if !is_piece_name(&self.source, &self.id, name) {
                return Err(format!("vex gives no piece of it the name {name:?}"));
            }
            if !names.insert(name) {
                return Err(format!("two of its pieces have the name {name:?}"));
            }
            let stored = object.key.rsplit_once('/').map_or(object.key.as_str(), |(_, own)| own);
            let is_own = |ending: &str| match self.sealed() {
                true => ENDINGS.contains(&ending),
                false => ending.is_empty(),
            };
            if !stored.strip_prefix(name.as_str()).is_some_and(is_own) {
                return Err(format!("its piece {name:?} has the key of another: {:?}", object.key));
            }
            if let Some(log) = logs.iter().find(|l| l.first > l.last || l.last == u64::MAX) {
                return Err(format!(
                    "its piece {name:?} says that it holds logs {} to {}",
                    log.first, log.last
                ));
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::proof::{Proof, RowSum};

    fn head() -> Head {
        let text = include_str!("../../tests/fixtures/head.json");
        Head::parse(text.as_bytes()).expect("a head")
    }

    /// A head of 20 000 databases, with 5000 notes of each kind and a GTID set of 100 KB.
    fn huge(note: &str) -> Head {
        let proof = Proof { rows: u64::MAX, digest: RowSum(u128::MAX) };
        let unit =
            |i| UnitSum { name: format!("customer {i:05}"), tables: 999, raw: 1 << 40, proof };
        let gtid = (0..2500).map(|i| format!("3e11fa47-71ca-11e1-9e33-{i:012x}:1-{i}"));
        let gtid = gtid.collect::<Vec<_>>().join(",");
        assert!(gtid.len() > 100_000);
        let notes: Vec<String> = (0..5000).map(|i| format!("{i}: {}", note.repeat(300))).collect();
        Head {
            units: (0..20_000).map(unit).collect(),
            inconsistent: notes.clone(),
            not_included: notes,
            position: Some(Position::Mysql { file: "binlog.000001".into(), offset: 4, gtid }),
            ..head()
        }
    }

    #[test]
    fn a_head_never_outgrows_its_bound_and_what_was_cut_is_told_by_the_index() {
        // A control character takes six bytes.
        for note in ["x", "é", "\u{1}"] {
            let whole = huge(note);
            let bytes = whole.to_bytes();
            assert!(bytes.len() <= LARGEST_HEAD, "{note:?}: {} bytes", bytes.len());
            let read = Head::parse(&bytes).expect("a head");
            assert!(read.cut && read.units.len() < whole.units.len() && read.position.is_none());
            assert_eq!(read.totals, whole.totals);
            assert_eq!((read.inconsistent.len(), read.not_included.len()), (NOTES.0, NOTES.0));
            assert_eq!(read.completed(whole.details()).expect("the same"), whole);
        }
        // What fits is cut of nothing, and a position that is no longer than any other stays.
        let small = head();
        let read = Head::parse(&small.to_bytes()).expect("a head");
        assert_eq!((read.cut, &read), (false, &small));
        let short = Position::Mysql { file: "b".into(), offset: 4, gtid: "g".into() };
        let short = Head { position: Some(short), ..huge("x") };
        let read = Head::parse(&short.to_bytes()).expect("a head");
        assert_eq!(read.position, short.position);
    }

    #[test]
    fn a_head_agrees_with_its_own_index_only() {
        let whole = huge("x");
        let cut = Head::parse(&whole.to_bytes()).expect("a head");
        let details = whole.details();
        let mut others = [details.clone(), details.clone(), details.clone(), details.clone()];
        others[0].units[0].tables += 1;
        others[1].inconsistent[3] = "x".into();
        others[2].not_included.truncate(3);
        others[3].units.clear();
        for other in others {
            assert!(cut.completed(other).is_err());
        }
        let small = head();
        let mut other = small.details();
        other.inconsistent.push("x".into());
        assert!(small.completed(other).is_err() && small.completed(small.details()).is_ok());
    }

    #[test]
    fn what_a_reader_must_understand_is_asked_for_by_name() {
        let text = include_str!("../../tests/fixtures/head.json");
        let with = |from: &str, to: &str| Head::parse(text.replacen(from, to, 1).as_bytes());
        assert!(with("\"format\": 4,", "\"format\": 4, \"shade\": \"blue\",").is_ok());
        for (from, to, said) in [
            ("\"needs\": []", "\"needs\": [\"age\", \"dir\"]", "it needs \"dir\""),
            ("\"format\": 4", "\"format\": 3", "it has format 3"),
            ("xxh3-128-sum", "crc32", "its digests are by crc32"),
            ("20261129T100445Z-d4871358", "../x", "its ID has another form"),
            ("\"key\": \"quickstart", "\"key\": \"other", "its object has another key"),
            (
                "\"objects\": [",
                "\"objects\": [{\"key\": \"quickstart/library/backup_20261129_100445.zip\", \"bytes\": 1, \"sha256\": \"\", \"tail\": \"\"},",
                "it has 2 objects",
            ),
        ] {
            let found = with(from, to).expect_err(said).to_string();
            assert!(found.contains(said), "{said}: {found}");
        }
        let found = with("\"format\": 4", "\"format\": 5").expect_err("a newer one");
        assert_eq!(found, Damage::Newer { found: 5, known: 4 });
        let long = |bytes: usize| Head::parse(format!("{text}{}", " ".repeat(bytes)).as_bytes());
        let found = long(LARGEST_HEAD).expect_err("too large");
        assert!(found.to_string().contains("larger than 64 KiB"));
        let found = long(LARGEST_PIECES_HEAD).expect_err("too large");
        assert!(found.to_string().contains("larger than 1 MiB"));
    }
}
