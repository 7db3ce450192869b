//! Entries of an artifact, fetched by range: neighbours in one request, nothing that was not asked
//! for.
//!
//! Knows a store and a manifest, not what becomes of the entries. Every entry is checked against
//! its SHA-256 before it is opened, and its size before anything is allocated for it; of those that
//! are larger than any chunk, one lives at a time in the whole process, whoever has it.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::artifact::{
    ContentsLine, Damage, ENTRY, EntryLine, FORMAT, Head, Key, MEMBERS, Manifest, check, hex, open,
    open_first, open_text, parse_legacy, read_entries, read_members,
};
use crate::base::Stop;
use crate::pipeline::meter::Meter;
use crate::pipeline::permits::{BufferPermit, Permits};
use crate::pipeline::stage::Error;
use crate::store::contract::Store;

/// Bytes fetched in one request, at most, unless one entry is larger.
const GROUP: u64 = 8 << 20;

/// Bytes unpacked in one group, at most, unless one entry is larger: small enough that no worker is
/// left with the rest.
const GROUP_RAW: u64 = 24 << 20;

/// Bytes of the largest chunk that a job may ask for; an entry of more is one huge row, or claims
/// to be.
const LARGEST_CHUNK: u64 = 256 << 20;

/// The right to have an entry open that is larger than any chunk.
static HUGE: LazyLock<Permits> = LazyLock::new(|| Permits::new(1));

/// The bytes of an opened entry; none where they were not asked for. As long as a huge one lives, no
/// other is opened.
pub struct Opened {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The right to have them, where they are many.
    pub huge: Option<BufferPermit>,
}

/// Takes an opened entry.
pub type TakeEntry<'e, 'a> = dyn FnMut(&'e EntryLine, Opened) -> Result<(), Error> + 'a;

/// Where entries come from.
#[derive(Clone, Copy)]
pub struct Fetch<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The artifact.
    pub manifest: &'a Manifest,
    /// What opens its entries.
    pub key: Option<&'a Key>,
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
        self.group_needing(group, &|_| true, stop, take)
    }

    /// The same where `needs` says of which entries the bytes are needed; the others are only
    /// checked.
    pub fn group_needing<'e>(
        &self,
        group: &[&'e EntryLine],
        needs: &dyn Fn(&EntryLine) -> bool,
        stop: &Stop,
        take: &mut TakeEntry<'e, '_>,
    ) -> Result<(), Error> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
        let bytes = self.store.read(
            &self.manifest.head.key,
            Some(first.offset..last.offset + last.stored),
            stop,
        )?;
        self.meter.stored(bytes.len() as u64);
        for entry in group {
            stop.check()?;
            let from = (entry.offset - first.offset) as usize;
            let own = bytes.get(from..from + entry.stored as usize);
            let own = own.ok_or_else(|| Damage::entry(&entry.name, "the object ends before it"))?;
            let huge = match entry.raw > LARGEST_CHUNK {
                true => Some(HUGE.take(stop)?),
                false => None,
            };
            let how = if needs(entry) { open } else { only_checked };
            let bytes = match open_checked(own, entry, self.key, how) {
                Err(damage @ (Damage::Entry { .. } | Damage::Object(_))) => {
                    self.again(entry, damage, how, stop)?
                }
                other => other?,
            };
            let rows = entry.rows.map_or(0, |r| r.rows);
            self.meter.read(entry.raw, rows);
            take(entry, Opened { bytes, huge })?;
        }
        Ok(())
    }
}

impl Fetch<'_> {
    /// Reads an entry by itself once more: what the way broke is no damage of the backup.
    fn again(
        &self,
        entry: &EntryLine,
        damage: Damage,
        how: Opening,
        stop: &Stop,
    ) -> Result<Vec<u8>, Error> {
        stop.check()?;
        let range = entry.offset..entry.offset.saturating_add(entry.stored);
        let bytes = self.store.read(&self.manifest.head.key, Some(range), stop)?;
        self.meter.stored(bytes.len() as u64);
        // Twice the same: it is so in the store.
        open_checked(&bytes, entry, self.key, how).map_err(|_| damage.into())
    }

    /// Fetches an entry that holds lines of the index, and reads them.
    pub fn contents(&self, line: &ContentsLine, stop: &Stop) -> Result<Vec<EntryLine>, Error> {
        let range = line.offset..line.offset.saturating_add(line.stored);
        let bytes = self.store.read(&self.manifest.head.key, Some(range), stop)?;
        self.meter.stored(bytes.len() as u64);
        let entry = EntryLine {
            name: line.contents.clone(),
            member: 0,
            number: 0,
            offset: line.offset,
            stored: line.stored,
            raw: line.raw,
            sha256: line.sha256.clone(),
            rows: None,
            keys: None,
        };
        let text = match open_checked(&bytes, &entry, self.key, open) {
            Err(damage @ Damage::Entry { .. }) => self.again(&entry, damage, open, stop)?,
            other => other?,
        };
        Ok(read_entries(&text)?.0)
    }
}

/// Bytes of the tail that are read at once.
const SLICE: u64 = 8 << 20;

impl Fetch<'_> {
    /// Checks what follows the last entry: the directory that other programs read, and the head
    /// and members inside, which must say what those beside the container say.
    pub fn tail(&self, stop: &Stop) -> Result<Option<Damage>, Error> {
        let Some(object) = self.manifest.head.objects.first() else { return Ok(None) };
        let is_old = self.manifest.head.format < FORMAT;
        let texts_end = if is_old { object.bytes } else { object.directory };
        let mut hash = Sha256::new();
        let (mut at, mut texts) = (object.tail_from, Vec::new());
        while at < object.bytes {
            stop.check()?;
            // The texts are needed whole; the directory is only counted in.
            let end = match at < texts_end {
                true => texts_end.min(object.bytes),
                false => object.bytes.min(at + SLICE),
            };
            let bytes = self.store.read(&self.manifest.head.key, Some(at..end), stop)?;
            hash.update(&bytes);
            if at < texts_end {
                texts = bytes;
            }
            at = end;
        }
        let found = hex(&hash.finalize());
        if found != object.tail {
            let found = format!(
                "what follows its entries has SHA-256 {found}, the head says {}",
                object.tail
            );
            return Ok(Some(Damage::Object(found)));
        }
        let inner = match is_old {
            true => self.old_inner(&texts),
            false => self.inner(&texts),
        };
        match inner {
            Ok(true) => Ok(None),
            Ok(false) => {
                Ok(Some(Damage::Manifest("it is not the one inside the container".into())))
            }
            Err(sealed @ Damage::Sealed { .. }) => Err(sealed.into()),
            Err(damage) => Ok(Some(damage)),
        }
    }

    /// Whether the manifest inside a container of formats 1 to 3 says the same.
    fn old_inner(&self, texts: &[u8]) -> Result<bool, Damage> {
        let text = rayon::scope(|_| open_first(texts, ENTRY, self.key))?;
        let inner = parse_legacy(&text)?.head;
        // Each copy has a key of its own; size and hash can't stand inside what they are of.
        let own = &self.manifest.head;
        let same = Head { key: inner.key.clone(), objects: Vec::new(), ..own.clone() };
        Ok(inner == same)
    }

    /// Whether head and members inside the container say the same.
    fn inner(&self, mut texts: &[u8]) -> Result<bool, Damage> {
        let own_details = self.manifest.head.details();
        let (mut is_head, mut are_members) = (false, false);
        while !texts.is_empty() {
            let (name, text, length) = rayon::scope(|_| open_text(texts, self.key))?;
            texts = &texts[length as usize..];
            if name == ENTRY {
                let inner = Head::parse(&text)?;
                is_head = self.is_head(&inner) && inner.agrees(&own_details);
            } else if name == MEMBERS {
                let (details, members, sums) = read_members(&text)?;
                are_members = details == own_details
                    && members == self.manifest.members
                    && sums == self.manifest.sums;
            }
        }
        Ok(is_head && are_members)
    }

    /// Whether a head says the same, but for what only the one beside the container can know, and
    /// what either may have cut, which has its own comparison.
    fn is_head(&self, inner: &Head) -> bool {
        let plain = |head: &Head| Head {
            key: String::new(),
            objects: Vec::new(),
            index: None,
            cut: false,
            units: Vec::new(),
            inconsistent: Vec::new(),
            not_included: Vec::new(),
            position: None,
            ..head.clone()
        };
        plain(inner) == plain(&self.manifest.head)
    }
}

/// How an entry is opened: its bytes, its name, its size, and what opens it.
type Opening = fn(Vec<u8>, &str, u64, Option<&Key>) -> Result<Vec<u8>, Damage>;

/// Opens an entry of which nobody needs the bytes.
fn only_checked(
    bytes: Vec<u8>,
    name: &str,
    raw: u64,
    key: Option<&Key>,
) -> Result<Vec<u8>, Damage> {
    check(bytes, name, raw, key).map(|()| Vec::new())
}

/// Checks an entry's hash and opens it, inside the pool where CPU work belongs.
fn open_checked(
    bytes: &[u8],
    entry: &EntryLine,
    key: Option<&Key>,
    how: Opening,
) -> Result<Vec<u8>, Damage> {
    rayon::scope(|_| {
        let found = hex(&Sha256::digest(bytes));
        if found != entry.sha256 {
            return Err(Damage::entry(
                &entry.name,
                format!("its SHA-256 is {found}, the manifest says {}", entry.sha256),
            ));
        }
        how(bytes.to_vec(), &entry.name, entry.raw, key)
    })
}
