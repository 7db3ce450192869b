//! What every store owes. Drivers implement this; nobody else knows which driver it is.
//!
//! Promises asked of every implementation, and tested by one suite (`tests/contract/store.rs`):
//! - nobody sees an object before `finish` or `put` returned, and it is then whole and durable;
//! - an object is written once: `create` and `put` refuse a key that exists (`Kind::Exists`);
//! - an upload that is dropped before `finish` leaves nothing behind;
//! - `remove` of what is absent is fine; `list` is sorted by key and complete;
//! - an unknown outcome (a lost answer) is resolved by looking, never by guessing.

mod limits;

use std::ops::Range;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::base::{self, Finding, OfStore, Size, Stop};

pub use crate::base::ErrorKind;
pub use crate::store::contract::limits::{Ability, Limits};

/// An error of a store.
pub type Error = base::Error<OfStore>;

/// What `Kind::TooLarge` found: an object of `bytes` bytes, of which at most `most` are read.
pub fn too_large(bytes: u64, most: u64) -> String {
    format!("it has {}, and at most {} are read", Size(bytes), Size(most))
}

/// The result of a store.
pub type Result<T> = std::result::Result<T, Error>;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, by the clock of [`Store::now`], as far as the store says so in a form
    /// that can be read.
    pub modified: Option<Timestamp>,
}

/// What a store is examined for.
#[derive(Debug, Clone, Default)]
pub struct Coming {
    /// The key of the probe.
    pub probe: String,
    /// Bytes that one run brings, at most; `None` where a source could not be asked.
    pub bytes: Option<u64>,
    /// Bytes of its largest source, as far as they are known.
    pub largest: Option<u64>,
    /// Where the data of its sources lies, as far as that is on this machine.
    pub data: Vec<PathBuf>,
}

/// Where artifacts rest.
pub trait Store: Send + Sync {
    /// Begins a large object; its parts have the sizes of the part plan, all equal but the last.
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>>;

    /// Writes a small object whole.
    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()>;

    /// Reads a range, or all, of an object; a range past its end is `Kind::Damaged`.
    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>>;

    /// Reads all of a small object; one of more than `most` bytes is `Kind::TooLarge`, and is neither
    /// read nor given memory.
    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>>;

    /// The size of an object, `None` if there is none.
    fn size(&self, key: &str, stop: &Stop) -> Result<Option<u64>>;

    /// All objects whose key begins with `under`, sorted by key.
    fn list(&self, under: &str, stop: &Stop) -> Result<Vec<Object>>;

    /// Removes an object.
    fn remove(&self, key: &str, stop: &Stop) -> Result<()>;

    /// Removes what a dead run left of the objects whose keys begin with `under`, the key of its
    /// container: temporary files, uploads nobody will finish. Returns how many.
    fn sweep(&self, under: &str, stop: &Stop) -> Result<usize>;

    /// Now, to the second, by the clock that dates its objects: whoever shares the store sees the
    /// same one.
    fn now(&self, stop: &Stop) -> Result<Timestamp>;

    /// Looks at all that backups need of it; changes nothing but the probe.
    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding>;

    /// What it keeps of what is asked of it, and how much it takes, as far as is known by now.
    fn limits(&self) -> Limits;

    /// How many bytes are free there, where it can say so soon.
    fn free(&self) -> Option<u64> {
        None
    }

    /// What messages call it; holds no secret.
    fn place(&self) -> &str;
}

/// A large object on its way. Dropped before `finish`, it leaves nothing.
pub trait Upload: Send + Sync {
    /// Sends part `number` (from 1), whose bytes stand at `offset`. Any thread, any order; may be
    /// repeated. Obeys the `stop` of whoever sends, not that of `create`: what reads for it may fail.
    fn part(&self, number: u32, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()>;

    /// Makes the object of `bytes` bytes visible; every part was sent.
    fn finish(self: Box<Self>, bytes: u64) -> Result<()>;

    /// Takes the object back; an error says what may be left behind.
    fn abort(self: Box<Self>) -> Result<()>;
}
