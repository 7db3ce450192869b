//! Entries of an artifact, fetched by range: neighbours in one request, nothing that was not asked
//! for.
//!
//! Knows a store and a manifest, not what becomes of the entries. Every entry is checked against
//! its SHA-256 before it is opened, and its size before anything is allocated for it.

use sha2::{Digest, Sha256};

use crate::artifact::{Damage, ENTRY, EntryLine, Manifest, open, open_first};
use crate::base::{Secret, Stop};
use crate::pipeline::join::hex;
use crate::pipeline::meter::Meter;
use crate::pipeline::stage::Error;
use crate::store::contract::Store;

/// Bytes fetched in one request, at most, unless one entry is larger.
const GROUP: u64 = 8 << 20;

/// Bytes unpacked in one group, at most, unless one entry is larger: small enough that no worker is
/// left with the rest.
const GROUP_RAW: u64 = 24 << 20;

/// Takes an opened entry.
pub type TakeEntry<'e, 'a> = dyn FnMut(&'e EntryLine, Vec<u8>) -> Result<(), Error> + 'a;

/// Where entries come from.
pub struct Fetch<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The artifact.
    pub manifest: &'a Manifest,
    /// What opens its entries.
    pub password: Option<&'a Secret>,
    /// Counts.
    pub meter: &'a Meter,
}

impl Fetch<'_> {
    /// Groups neighbours of `entries` (in container order) so that each group is one request.
    pub fn groups<'e>(&self, entries: &[&'e EntryLine]) -> Vec<Vec<&'e EntryLine>> {
        let mut groups: Vec<Vec<&EntryLine>> = Vec::new();
        let (mut size, mut raw) = (0, 0);
        for entry in entries {
            match groups.last_mut() {
                Some(group)
                    if group.last().is_some_and(|l| l.offset + l.stored == entry.offset)
                        && size + entry.stored <= GROUP
                        && raw + entry.raw <= GROUP_RAW =>
                {
                    size += entry.stored;
                    raw += entry.raw;
                    group.push(entry);
                }
                _ => {
                    (size, raw) = (entry.stored, entry.raw);
                    groups.push(vec![entry]);
                }
            }
        }
        groups
    }

    /// Fetches a group and hands each opened entry on, in order.
    pub fn group<'e>(
        &self,
        group: &[&'e EntryLine],
        stop: &Stop,
        take: &mut TakeEntry<'e, '_>,
    ) -> Result<(), Error> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
        let bytes = self.store.read(
            &self.manifest.key,
            Some(first.offset..last.offset + last.stored),
            stop,
        )?;
        self.meter.stored(bytes.len() as u64);
        for entry in group {
            stop.check()?;
            let from = (entry.offset - first.offset) as usize;
            let own = bytes.get(from..from + entry.stored as usize);
            let own = own.ok_or_else(|| Damage::entry(&entry.name, "the object ends before it"))?;
            let raw = open_checked(own, entry, self.password)?;
            let rows = entry.rows.map_or(0, |r| r.rows);
            self.meter.read(raw.len() as u64, rows);
            take(entry, raw)?;
        }
        Ok(())
    }
}

impl Fetch<'_> {
    /// Checks what follows the last entry: the directory that other programs read, and the inner
    /// manifest, which must say what the sidecar says.
    pub fn tail(&self, stop: &Stop) -> Result<Option<Damage>, Error> {
        let Some(object) = &self.manifest.object else { return Ok(None) };
        let bytes = self.store.read(
            &self.manifest.key,
            Some(self.manifest.tail_offset()..object.bytes),
            stop,
        )?;
        let found = hex(&Sha256::digest(&bytes));
        if found != object.tail {
            let found =
                format!("its directory has SHA-256 {found}, the manifest says {}", object.tail);
            return Ok(Some(Damage::Object(found)));
        }
        let inner = rayon::scope(|_| open_first(&bytes, ENTRY, self.password))
            .and_then(|text| Manifest::parse(&text));
        let inner = match inner {
            Ok(inner) => inner,
            Err(damage) => return Ok(Some(damage)),
        };
        // Each copy has a key of its own; size and hash can't stand inside what they are of.
        let own = Manifest { key: inner.key.clone(), object: None, ..self.manifest.clone() };
        let differs = || Damage::Manifest("it is not the one inside the container".into());
        Ok((inner != own).then(differs))
    }
}

/// Checks an entry's hash and opens it, inside the pool where CPU work belongs.
fn open_checked(
    bytes: &[u8],
    entry: &EntryLine,
    password: Option<&Secret>,
) -> Result<Vec<u8>, Damage> {
    rayon::scope(|_| {
        let found = hex(&Sha256::digest(bytes));
        if found != entry.sha256 {
            return Err(Damage::entry(
                &entry.name,
                format!("its SHA-256 is {found}, the manifest says {}", entry.sha256),
            ));
        }
        open(bytes.to_vec(), &entry.name, entry.raw, password)
    })
}
