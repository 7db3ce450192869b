//! Notes of a folder: what was written down about its chains and its backups, each an object of its
//! own.
//!
//! Knows their keys and forms, not what follows from them (`chain.rs`). They are written once and
//! never changed; a pin is removed when it is released, and with its backup.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::{Damage, Head, Naming};
use crate::base::{Id, Stop};
use crate::store::contract::{Error as StoreError, Store};

/// The format of notes.
pub const NOTE_FORMAT: u64 = 1;

/// Largest note, in bytes.
pub const LARGEST_NOTE: u64 = 64 << 10;

const ADOPT: &str = "vex-adopt-";
const MACHINES: &str = "vex-machines-";
const PIN: &str = "vex-pin-";

/// How a pin says that it holds until it is released.
const NEVER: &str = "never";

/// The names of a chain, as far as they are known or meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainName {
    /// The job file, absolute; unknown of formats 1 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The job.
    pub job: String,
    /// The source.
    pub source: String,
    /// Kind of the source.
    pub kind: String,
    /// The origin; unknown of formats 1 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The machine sign, where only one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<String>,
    /// The host, of formats 1 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl ChainName {
    /// The chain that a head is of.
    pub fn of(head: &Head) -> ChainName {
        let origin = head.origin.as_ref();
        ChainName {
            file: head.file.clone(),
            job: head.job.clone(),
            source: head.source.clone(),
            kind: head.kind.clone(),
            origin: origin.map(|o| o.id.clone()),
            sign: origin.filter(|o| !o.anywhere).and_then(|o| o.sign.clone()),
            host: head.origin.is_none().then(|| head.host.clone()),
        }
    }

    /// Whether `other` is of this chain; a sign that is not named is any.
    pub fn covers(&self, other: &ChainName) -> bool {
        let same = (&self.job, &self.source, &self.kind, &self.file, &self.origin, &self.host)
            == (&other.job, &other.source, &other.kind, &other.file, &other.origin, &other.host);
        same && (self.sign.is_none() || self.sign == other.sign)
    }
}

/// A note that one chain goes on with another: an object `vex-adopt-…json` of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopt {
    /// Version of the format.
    pub format: u64,
    /// The chain that is taken over.
    pub from: ChainName,
    /// The chain that goes on.
    pub to: ChainName,
    /// Who decided it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A finding that two machines have one origin: an object `vex-machines-…json` of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machines {
    /// Version of the format.
    pub format: u64,
    /// The origin.
    pub origin: String,
    /// Their signs.
    pub signs: Vec<String>,
    /// When it was found.
    pub at: Timestamp,
}

/// Until when a pin holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Until {
    /// Until a moment.
    Moment(Timestamp),
    /// Until it is released.
    Never,
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Until::Moment(moment) => moment.fmt(f),
            Until::Never => f.write_str(NEVER),
        }
    }
}

impl From<Until> for String {
    fn from(until: Until) -> String {
        until.to_string()
    }
}

impl TryFrom<String> for Until {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Until, jiff::Error> {
        match text.as_str() {
            NEVER => Ok(Until::Never),
            text => text.parse().map(Until::Moment),
        }
    }
}

/// A wish that a backup is kept whatever the policy says: an object `vex-pin-…json` of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Version of the format.
    pub format: u64,
    /// Identity of the backup: with source and kind it names one.
    pub id: Id,
    /// Its source.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Until when.
    pub until: Until,
    /// Who wished it.
    pub who: String,
    /// Why; may be empty.
    #[serde(default)]
    pub why: String,
    /// When it was written.
    pub at: Timestamp,
}

impl Pin {
    /// Whether it is about this backup.
    pub fn is_of(&self, head: &Head) -> bool {
        (&self.id, &self.source, &self.kind) == (&head.id, &head.source, &head.kind)
    }

    /// Whether it holds, by the clock of the store.
    pub fn holds(&self, now: Timestamp) -> bool {
        match self.until {
            Until::Moment(until) => now < until,
            Until::Never => true,
        }
    }
}

/// The notes of a folder.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Chains that go on with others.
    pub adopts: Vec<Adopt>,
    /// Machines that have one origin.
    pub machines: Vec<Machines>,
    /// Backups that are kept.
    pub pins: Vec<Pin>,
}

impl Notes {
    /// The pin of a backup, if there is one.
    pub fn pin_of(&self, head: &Head) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.is_of(head))
    }
}

/// A note.
pub enum Note {
    /// One chain goes on with another.
    Adopt(Box<Adopt>),
    /// Two machines have one origin.
    Machines(Machines),
    /// A backup is kept.
    Pin(Pin),
}

/// The key of a note that a chain goes on with another.
pub fn adopt_key(naming: &Naming, at: Timestamp, random: u32) -> String {
    format!("{}{ADOPT}{}-{random:08x}.json", naming.folder(), at.strftime("%Y%m%dT%H%M%SZ"))
}

/// The key of a finding that two machines have one origin.
pub fn machines_key(naming: &Naming, at: Timestamp) -> String {
    format!("{}{MACHINES}{}.json", naming.folder(), at.strftime("%Y%m%dT%H%M%S%6fZ"))
}

/// The key of the pin of a backup; `None` where its names can't stand in a key.
pub fn pin_key(naming: &Naming, head: &Head) -> Option<String> {
    let name = pin_name(&head.id, &head.source, &head.kind)?;
    Some(format!("{}{name}", naming.folder()))
}

/// The name of a pin. What a head says of itself never becomes a path.
fn pin_name(id: &Id, source: &str, kind: &str) -> Option<String> {
    let is_plain = |text: &str| {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        !text.is_empty() && text.chars().all(plain)
    };
    let parts = [id.as_str(), source, kind];
    parts.into_iter().all(is_plain).then(|| format!("{PIN}{}.json", parts.join("-")))
}

/// Writes a note.
pub fn write_note(
    store: &dyn Store,
    key: &str,
    note: &impl Serialize,
    stop: &Stop,
) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec_pretty(note).expect("BUG: a note that is not JSON");
    bytes.push(b'\n');
    store.put(key, &bytes, stop)
}

fn name(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

/// Whether a key is that of a note.
pub fn is_note(key: &str) -> bool {
    let name = name(key);
    [ADOPT, MACHINES, PIN].iter().any(|begin| name.starts_with(begin)) && name.ends_with(".json")
}

/// Reads a note.
pub fn parse_note(key: &str, bytes: &[u8]) -> Result<Note, Damage> {
    let damage = |e: serde_json::Error| Damage::Manifest(format!("a note: {e}"));
    let (format, note) = if name(key).starts_with(ADOPT) {
        let adopt: Adopt = serde_json::from_slice(bytes).map_err(damage)?;
        (adopt.format, Note::Adopt(Box::new(adopt)))
    } else if name(key).starts_with(PIN) {
        let pin: Pin = serde_json::from_slice(bytes).map_err(damage)?;
        if pin_name(&pin.id, &pin.source, &pin.kind).as_deref() != Some(name(key)) {
            return Err(Damage::Manifest("a pin of another backup".into()));
        }
        (pin.format, Note::Pin(pin))
    } else {
        let machines: Machines = serde_json::from_slice(bytes).map_err(damage)?;
        (machines.format, Note::Machines(machines))
    };
    match format {
        NOTE_FORMAT => Ok(note),
        found => Err(Damage::Newer { found, known: NOTE_FORMAT }),
    }
}
