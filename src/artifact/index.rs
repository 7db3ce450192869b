//! The index: what a container holds, as frames of Zstandard that are written as a stream and read
//! by ranges. Normative text: `schema/artifact.md`.
//!
//! Pure. Frames of entries come first, in the order of the container; then one frame with all
//! members and their sums; then one that lists the frames of entries, so that the entries of one
//! table are found without reading those of others. The head says where the last two are. Each
//! line is one JSON object. Invariants: every frame has its length and SHA-256 before anything is
//! allocated for it; caps hold when writing as when reading; memory while writing is one frame of
//! entries and the sums of the members.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artifact::damage::Damage;
use crate::artifact::member::{Kind, Member, Phase};
use crate::artifact::proof::Proof;
use crate::artifact::totals::{Details, Totals, UnitSum};

/// What is added to the key of a container for its index.
pub const INDEX: &str = ".index";

/// Name of the entry that lists the members inside the container.
pub const MEMBERS: &str = "members.ndjson";

/// Entries of a frame, at most.
pub const FRAME_ENTRIES: usize = 4096;

/// Bytes of a frame of entries at which it ends, before compression.
const FRAME_BYTES: usize = 1 << 20;

/// Largest frame, in bytes before compression.
pub const LARGEST_FRAME: u64 = 1 << 30;

/// Longest name of an entry, in bytes.
const LONGEST_NAME: usize = 1024;

/// Level of the frames: they are small, and written once.
const LEVEL: i32 = 3;

/// A frame of the index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameLine {
    /// Where it begins in the index.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// Its length before compression.
    pub raw: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Of a frame of entries: where the first of them stands in the container.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from: u64,
    /// Of a frame of entries: how many there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries: u64,
    /// Of a frame of entries: first and last of each run of members that have entries in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<(usize, usize)>,
}

/// Where the index is, and what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexLine {
    /// Size of the index in bytes.
    pub bytes: u64,
    /// SHA-256 of all of it, hexadecimal.
    pub sha256: String,
    /// The frame of the members, which is read first.
    pub members: FrameLine,
    /// The frame that lists the frames of entries.
    pub frames: FrameLine,
}

/// Whether a number says nothing, as in the two frames that hold no entries.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl FrameLine {
    /// Whether it holds entries of a chosen member.
    pub fn holds(&self, chosen: &dyn Fn(usize) -> bool) -> bool {
        self.members.iter().any(|(first, last)| (*first..=*last).any(chosen))
    }
}

/// One entry of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The keys of its first and last row, where its rows are in the order of the key. With a seal
    /// these stand in the sealed lines inside the container only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
}

/// The keys of the first and the last row of an entry, as literals of the columns of the key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Of the first row.
    pub first: Vec<String>,
    /// Of the last row.
    pub last: Vec<String>,
}

/// An entry of the container that holds lines of the index itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentsLine {
    /// Its name.
    pub contents: String,
    /// Where its local header stands in the container.
    pub offset: u64,
    /// Length of local header and data.
    pub stored: u64,
    /// Length before compression.
    pub raw: u64,
    /// SHA-256 of local header and data, hexadecimal.
    pub sha256: String,
}

/// The sums of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSum {
    /// How many entries it has.
    #[serde(default)]
    pub entries: u32,
    /// Their bytes before compression.
    #[serde(default)]
    pub raw: u64,
    /// Its rows and their digest, of a member of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// SHA-256 of its definition, hexadecimal; see `definition.rs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

/// A member and its sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct MemberLine {
    #[serde(flatten)]
    member: Member,
    #[serde(flatten)]
    sum: MemberSum,
}

/// Writes an index, frame by frame.
pub struct IndexWriter {
    members: Vec<Member>,
    sums: Vec<MemberSum>,
    /// Whether the keys of rows stay inside the container.
    hides_keys: bool,
    lines: Vec<EntryLine>,
    bytes: usize,
    frames: Vec<FrameLine>,
    entries: u64,
    hash: Sha256,
    length: u64,
}

impl IndexWriter {
    /// All of its members.
    pub fn all(&self) -> &[Member] {
        &self.members
    }

    /// An index of a container that is to hold these members.
    pub fn new(members: &[Member], hides_keys: bool) -> IndexWriter {
        let sum = |m: &Member| MemberSum {
            proof: (m.kind == Kind::Rows).then(Proof::default),
            ..MemberSum::default()
        };
        IndexWriter {
            members: members.to_vec(),
            sums: members.iter().map(sum).collect(),
            hides_keys,
            lines: Vec::new(),
            bytes: 0,
            frames: Vec::new(),
            entries: 0,
            hash: Sha256::new(),
            length: 0,
        }
    }

    /// Notes an entry, and the definition that it holds.
    pub fn add(&mut self, line: EntryLine, definition: Option<String>) {
        let sum = &mut self.sums[line.member];
        sum.entries += 1;
        sum.raw += line.raw;
        if let (Some(sum), Some(rows)) = (&mut sum.proof, line.rows) {
            *sum += rows;
        }
        if definition.is_some() {
            sum.definition = definition;
        }
        let keys = line.keys.as_ref();
        let keys = keys.map_or(0, |k| k.first.iter().chain(&k.last).map(String::len).sum());
        self.bytes += 300 + line.name.len() + keys;
        self.entries += 1;
        self.lines.push(line);
    }

    /// Whether the frame should end here.
    pub fn is_full(&self) -> bool {
        self.lines.len() >= FRAME_ENTRIES || self.bytes >= FRAME_BYTES
    }

    /// Whether no entry waits for its frame.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Name and text of the entry that tells the same inside the container, keys included.
    pub fn contents(&self) -> (String, Vec<u8>) {
        (format!("index.{:05}.ndjson", self.frames.len()), lines(self.lines.iter()))
    }

    /// Ends a frame, after its contents were written into the container as `own`.
    pub fn close(&mut self, own: &ContentsLine) -> Result<Vec<u8>, Damage> {
        let mut frame = std::mem::take(&mut self.lines);
        self.bytes = 0;
        if self.hides_keys {
            frame.iter_mut().for_each(|line| line.keys = None);
        }
        let mut text = lines(frame.iter());
        text.extend_from_slice(&lines([own]));
        let mut holds: Vec<usize> = frame.iter().map(|l| l.member).collect();
        holds.sort_unstable();
        let mut members: Vec<(usize, usize)> = Vec::new();
        for member in holds {
            match members.last_mut() {
                Some((_, last)) if member <= *last + 1 => *last = member,
                _ => members.push((member, member)),
            }
        }
        let from = frame.first().map_or(own.offset, |l| l.offset);
        let (mut line, bytes) = self.frame(&text)?;
        (line.from, line.entries, line.members) = (from, frame.len() as u64, members);
        self.frames.push(line);
        Ok(bytes)
    }

    fn frame(&mut self, text: &[u8]) -> Result<(FrameLine, Vec<u8>), Damage> {
        let damage = |found: String| Damage::Manifest(found);
        if text.len() as u64 > LARGEST_FRAME {
            return Err(damage(format!("a frame of the index has {} bytes", text.len())));
        }
        let bytes = zstd::bulk::compress(text, LEVEL).map_err(|e| damage(e.to_string()))?;
        let line = FrameLine {
            offset: self.length,
            bytes: bytes.len() as u64,
            raw: text.len() as u64,
            sha256: hex(&Sha256::digest(&bytes)),
            ..FrameLine::default()
        };
        self.length += line.bytes;
        self.hash.update(&bytes);
        Ok((line, bytes))
    }

    /// Sums over everything, and of each database.
    pub fn sums(&self) -> (Totals, Vec<UnitSum>) {
        sums(&self.members, &self.sums)
    }

    /// Name and text of the entry that lists the members inside the container.
    pub fn members(&self, details: &Details) -> (&'static str, Vec<u8>) {
        (MEMBERS, members_text(details, &self.members, &self.sums))
    }

    /// Ends the index: the bytes of its last two frames, and what the head says of it.
    pub fn finish(mut self, members: &[u8]) -> Result<(Vec<u8>, IndexLine), Damage> {
        let (members, mut bytes) = self.frame(members)?;
        let text = lines(self.frames.clone().iter());
        let (frames, last) = self.frame(&text)?;
        bytes.extend_from_slice(&last);
        let sha256 = hex(&self.hash.finalize());
        Ok((bytes, IndexLine { bytes: self.length, sha256, members, frames }))
    }
}

/// Sums over all members, and of each unit in the order of its first member.
pub fn sums(members: &[Member], sums: &[MemberSum]) -> (Totals, Vec<UnitSum>) {
    let mut totals = Totals { members: members.len() as u64, ..Totals::default() };
    let mut units: Vec<UnitSum> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (member, sum) in members.iter().zip(sums) {
        let proof = sum.proof.unwrap_or_default();
        let is_table = u64::from(member.kind == Kind::Table);
        totals.entries += u64::from(sum.entries);
        totals.raw += sum.raw;
        totals.rows += proof.rows;
        totals.tables += is_table;
        if member.unit.is_empty() {
            continue;
        }
        let place = *places.entry(member.unit.as_str()).or_insert_with(|| {
            units.push(UnitSum {
                name: member.unit.clone(),
                tables: 0,
                raw: 0,
                proof: Proof::default(),
            });
            units.len() - 1
        });
        let unit = &mut units[place];
        unit.tables += is_table;
        unit.raw += sum.raw;
        unit.proof += proof;
    }
    totals.units = units.len() as u64;
    (totals, units)
}

fn members_text(details: &Details, members: &[Member], sums: &[MemberSum]) -> Vec<u8> {
    let mut text = lines([details]);
    let all = members.iter().zip(sums);
    let all = all.map(|(member, sum)| MemberLine { member: member.clone(), sum: sum.clone() });
    for line in all {
        text.extend_from_slice(&lines([&line]));
    }
    text
}

fn lines<'a, T: Serialize + 'a>(all: impl IntoIterator<Item = &'a T>) -> Vec<u8> {
    let mut text = Vec::new();
    for line in all {
        serde_json::to_writer(&mut text, line).expect("BUG: a line of the index that is not JSON");
        text.push(b'\n');
    }
    text
}

/// Opens a frame: its hash, its length, and no byte more than it says.
pub fn open_frame(bytes: &[u8], line: &FrameLine) -> Result<Vec<u8>, Damage> {
    let damage = |found: String| Damage::Manifest(format!("its index: {found}"));
    if line.raw > LARGEST_FRAME {
        return Err(damage(format!("a frame claims {} bytes", line.raw)));
    }
    let found = hex(&Sha256::digest(bytes));
    if found != line.sha256 {
        return Err(damage(format!(
            "the frame at {} has SHA-256 {found}, the head says {}",
            line.offset,
            line.sha256.escape_debug()
        )));
    }
    let text =
        zstd::bulk::decompress(bytes, line.raw as usize).map_err(|e| damage(e.to_string()))?;
    match text.len() as u64 == line.raw {
        true => Ok(text),
        false => Err(damage(format!("a frame has {} bytes instead of {}", text.len(), line.raw))),
    }
}

/// Reads the frame of the members.
pub fn read_members(text: &[u8]) -> Result<(Details, Vec<Member>, Vec<MemberSum>), Damage> {
    let mut all = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let details = read_line(all.next().unwrap_or_default())?;
    let (mut members, mut sums) = (Vec::new(), Vec::new());
    for line in all {
        let MemberLine { member, sum } = read_line(line)?;
        members.push(member);
        sums.push(sum);
    }
    let phases: Vec<Phase> = members.iter().map(|m: &Member| m.phase).collect();
    match phases.is_sorted() {
        true => Ok((details, members, sums)),
        false => Err(Damage::Manifest("its members are not in restore order".into())),
    }
}

/// Reads the frame that lists the frames of entries.
pub fn read_frames(text: &[u8]) -> Result<Vec<FrameLine>, Damage> {
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(read_line).collect()
}

/// Whether an entry of a container holds lines of entries, by its name.
pub fn is_entries(name: &str) -> bool {
    name.starts_with("index.") && name.ends_with(".ndjson")
}

/// Reads lines of entries; those of the index itself are apart.
pub fn read_entries(text: &[u8]) -> Result<(Vec<EntryLine>, Vec<ContentsLine>), Damage> {
    let (mut entries, mut contents) = (Vec::new(), Vec::new());
    for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        if line.starts_with(b"{\"contents\"") {
            contents.push(read_line(line)?);
        } else {
            entries.push(read_line(line)?);
        }
    }
    Ok((entries, contents))
}

fn read_line<T: serde::de::DeserializeOwned>(line: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(line).map_err(|e| Damage::Manifest(format!("its index: {e}")))
}

impl EntryLine {
    /// What is wrong with a line by itself.
    pub fn check(&self, members: usize) -> Result<(), String> {
        let hash = self.sha256.len() == 64 && self.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if !hash || self.name.is_empty() || self.name.len() > LONGEST_NAME {
            return Err(format!("entry {} has no proper name and hash", self.name.escape_debug()));
        }
        if self.member >= members {
            return Err("an entry names a member that is not there".into());
        }
        self.offset.checked_add(self.stored).ok_or("an entry ends past all numbers")?;
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |d: u8| char::from(DIGITS[usize::from(d)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

#[cfg(test)]
mod tests;
