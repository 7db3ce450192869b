//! What stands in a folder: heads and proofs, read many at once, and what is none of them.
//!
//! Knows names and formats, not chains. Invariants: one object that can't be read, is too large or
//! is not understood hides no other: it is named and passed over; only a store that does not answer
//! ends the listing. Read are heads and proofs and nothing else.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::artifact::{
    Damage, FORMAT, Head, LARGEST_HEAD, LARGEST_LEGACY, LARGEST_PROOF, Manifest, Naming, Part,
    ProofLine, format_of, parse_legacy,
};
use crate::base::Stop;
use crate::shelf::lease::parse_key;
use crate::shelf::note::{LARGEST_NOTE, Note, Notes, is_note, parse_note};
use crate::shelf::shelved::Shelved;
use crate::store::contract::{Error as StoreError, ErrorKind, Object, Store};

/// Objects that are read at once.
const READERS: usize = 16;

/// Says of a key which container it belongs to, and what it is of it; `None` for what is not ours.
pub type PartOf<'a> = dyn for<'k> Fn(&'k str) -> Option<(&'k str, Part)> + Sync + 'a;

/// What a look at the shelf found.
#[derive(Debug, Default)]
pub struct Listing {
    /// The artifacts, oldest first.
    pub artifacts: Vec<Shelved>,
    /// Heads and proofs that are passed over, and why.
    pub unreadable: Vec<(String, Damage)>,
    /// Containers without a head, and whether a run says that it began them.
    pub headless: Vec<(Object, bool)>,
    /// What was written down about the chains.
    pub notes: Notes,
    /// Leases, whoever holds them; they are not read.
    pub leases: Vec<Object>,
    /// All else: what vex has no name for, and what is left of a backup without head and container.
    pub strangers: Vec<Object>,
}

/// One object that is to be read.
enum Wanted<'a> {
    Head(&'a Object),
    Proof(&'a str),
    Note(&'a str),
}

impl Wanted<'_> {
    fn key(&self) -> &str {
        match self {
            Wanted::Head(object) => &object.key,
            Wanted::Proof(key) | Wanted::Note(key) => key,
        }
    }
}

/// What was read.
enum Found {
    Head(Box<Head>),
    Proof(ProofLine),
    Note(Note),
    Gone,
    Bad(Damage),
}

/// All artifacts under a folder whose keys `part_of` knows, of whatever job and source.
pub fn survey(
    store: &dyn Store,
    under: &str,
    part_of: &PartOf<'_>,
    stop: &Stop,
) -> Result<Listing, StoreError> {
    let objects = store.list(under, stop)?;
    let mut groups: BTreeMap<&str, Vec<(&Object, Part)>> = BTreeMap::new();
    for object in &objects {
        if let Some((container, part)) = part_of(&object.key) {
            groups.entry(container).or_default().push((object, part));
        }
    }
    let mut listing = Listing { leases: leases(&objects, under), ..Listing::default() };
    listing.strangers = objects.iter().filter(|o| !is_known(&o.key, part_of)).cloned().collect();
    let mut wanted = wanted(&groups, &mut listing);
    let notes = objects.iter().filter(|o| is_note(&o.key));
    wanted.extend(notes.map(|o| ("", Wanted::Note(o.key.as_str()))));
    let found = read_all(store, &wanted, stop)?;
    let mut by_key: BTreeMap<&str, Shelved> = BTreeMap::new();
    let mut proofs: Vec<(&str, &str, ProofLine)> = Vec::new();
    for ((container, wanted), found) in wanted.iter().zip(found) {
        let key = wanted.key();
        match found {
            Found::Gone => {}
            Found::Bad(damage) => listing.unreadable.push((key.to_owned(), damage)),
            Found::Proof(line) => proofs.push((container, key, line)),
            Found::Note(Note::Adopt(adopt)) => listing.notes.adopts.push(*adopt),
            Found::Note(Note::Machines(machines)) => listing.notes.machines.push(machines),
            Found::Note(Note::Pin(pin)) => listing.notes.pins.push(pin),
            Found::Head(head) => {
                let size = |kind| {
                    let own = groups[container].iter().find(|(_, part)| *part == kind);
                    own.map(|(object, _)| object.bytes)
                };
                match fits(&head, container, size(Part::Container), size(Part::Index)) {
                    Err(damage) => listing.unreadable.push((key.to_owned(), damage)),
                    Ok(()) => {
                        let Wanted::Head(object) = wanted else { continue };
                        let (head, stored) = (*head, object.modified);
                        by_key.insert(container, Shelved { head, stored, proofs: Vec::new() });
                    }
                }
            }
        }
    }
    for (container, key, line) in proofs {
        let Some(artifact) = by_key.get_mut(container) else { continue };
        if artifact.head.id == line.id {
            artifact.proofs.push(line);
        } else {
            let damage = Damage::Manifest("a proof of another artifact".into());
            listing.unreadable.push((key.to_owned(), damage));
        }
    }
    listing.artifacts = by_key.into_values().collect();
    listing.artifacts.iter_mut().for_each(|a| a.proofs.sort_by_key(|p| p.at));
    listing.artifacts.sort_by(|a, b| (a.moment(), &a.head.id).cmp(&(b.moment(), &b.head.id)));
    Ok(listing)
}

/// Whether vex has a name for what a key is.
fn is_known(key: &str, part_of: &PartOf<'_>) -> bool {
    let folder = &key[..key.rfind('/').map_or(0, |at| at + 1)];
    part_of(key).is_some() || is_note(key) || parse_key(key, folder).is_some()
}

/// The leases of a folder among its objects.
fn leases(objects: &[Object], folder: &str) -> Vec<Object> {
    objects.iter().filter(|o| parse_key(&o.key, folder).is_some()).cloned().collect()
}

/// The heads and proofs of the containers of a listing; a container without a head goes into it.
fn wanted<'a>(
    groups: &BTreeMap<&'a str, Vec<(&'a Object, Part)>>,
    listing: &mut Listing,
) -> Vec<(&'a str, Wanted<'a>)> {
    let mut wanted = Vec::new();
    for (container, parts) in groups {
        let is = |kind| parts.iter().find(|(_, part)| *part == kind).map(|(object, _)| *object);
        match (is(Part::Head), is(Part::Container)) {
            (Some(head), _) => {
                wanted.push((*container, Wanted::Head(head)));
                let proofs = parts.iter().filter(|(_, part)| *part == Part::Proof);
                wanted.extend(proofs.map(|(o, _)| (*container, Wanted::Proof(&o.key))));
            }
            (None, Some(object)) => {
                listing.headless.push((object.clone(), is(Part::Begun).is_some()));
            }
            // A marker by itself: the container comes. An index or a proof: it has gone.
            (None, None) => {
                let left = parts.iter().filter(|(_, part)| *part != Part::Begun);
                listing.strangers.extend(left.map(|(object, _)| (*object).clone()));
            }
        }
    }
    wanted
}

/// Whether a head is that of the container it stands beside, and both container and index are there
/// and have their sizes. Pieces stand elsewhere, and are looked for where they are read.
fn fits(head: &Head, container: &str, size: Option<u64>, index: Option<u64>) -> Result<(), Damage> {
    if head.key != container {
        return Err(Damage::Manifest(format!("it belongs to {}", head.key.escape_debug())));
    }
    if head.is_pieces() {
        return Ok(());
    }
    if head.objects.is_empty() {
        let found = "it does not say size and hash of its container";
        return Err(Damage::Manifest(found.into()));
    }
    has_size("container", size, head.bytes()).map_err(Damage::Object)?;
    match &head.index {
        Some(own) => has_size("index", index, own.bytes).map_err(|found| {
            let way = "the container holds another: `vex restore --from FILE.zip` reads that alone";
            Damage::Object(format!("{found}; {way}"))
        }),
        None if head.format < FORMAT => Ok(()),
        None => Err(Damage::Manifest("it names no index".into())),
    }
}

fn has_size(what: &str, found: Option<u64>, expected: u64) -> Result<(), String> {
    match found {
        Some(bytes) if bytes == expected => Ok(()),
        Some(bytes) => Err(format!("the {what} has {bytes} bytes instead of {expected}")),
        None => Err(format!("the {what} is missing")),
    }
}

fn read_all(
    store: &dyn Store,
    wanted: &[(&str, Wanted<'_>)],
    stop: &Stop,
) -> Result<Vec<Found>, StoreError> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let found: Vec<Mutex<Found>> = wanted.iter().map(|_| Mutex::new(Found::Gone)).collect();
    let inner = stop.child();
    std::thread::scope(|scope| {
        for _ in 0..READERS.min(wanted.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some((_, wanted)) = wanted.get(index) else { return };
                    match read_one(store, wanted, &inner) {
                        Ok(one) => *found[index].lock().expect("no panic while locked") = one,
                        Err(error) => {
                            failed.lock().expect("no panic while locked").get_or_insert(error);
                            inner.stop();
                            return;
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().expect("no panic while locked") {
        Some(error) => Err(error),
        None => Ok(found.into_iter().map(|f| f.into_inner().expect("no panic")).collect()),
    }
}

fn read_one(store: &dyn Store, wanted: &Wanted<'_>, stop: &Stop) -> Result<Found, StoreError> {
    let (key, most) = match wanted {
        // One that is larger can only be of an older format.
        Wanted::Head(object) if object.bytes <= LARGEST_HEAD as u64 => {
            (object.key.as_str(), LARGEST_HEAD as u64)
        }
        Wanted::Head(object) => (object.key.as_str(), LARGEST_LEGACY),
        Wanted::Proof(key) => (*key, LARGEST_PROOF),
        Wanted::Note(key) => (*key, LARGEST_NOTE),
    };
    let bytes = match store.read_small(key, most, stop) {
        Ok(bytes) => bytes,
        Err(error) => {
            return match error.kind {
                ErrorKind::Missing => Ok(Found::Gone), // Removed meanwhile.
                ErrorKind::Unreachable | ErrorKind::Stopped => Err(error),
                ErrorKind::Denied
                | ErrorKind::Damaged
                | ErrorKind::TooLarge
                | ErrorKind::Exists
                | ErrorKind::Busy
                | ErrorKind::Refused
                | ErrorKind::Full
                | ErrorKind::Failed => Ok(Found::Bad(Damage::Unread(error.found))),
            };
        }
    };
    Ok(match wanted {
        // What the way broke is right when it is read again.
        Wanted::Head(_) => match parse_head(&bytes).or_else(|damage| match damage {
            Damage::Newer { .. } => Err(damage),
            _ => store.read_small(key, most, stop).map_err(|_| damage).and_then(|b| parse_head(&b)),
        }) {
            Ok(head) => Found::Head(Box::new(head)),
            Err(damage) => Found::Bad(damage),
        },
        Wanted::Proof(_) => match ProofLine::parse(&bytes) {
            Ok(line) => Found::Proof(line),
            Err(damage) => Found::Bad(damage),
        },
        Wanted::Note(_) => match parse_note(key, &bytes) {
            Ok(note) => Found::Note(note),
            Err(damage) => Found::Bad(damage),
        },
    })
}

/// Reads a head of any format.
fn parse_head(bytes: &[u8]) -> Result<Head, Damage> {
    match format_of(bytes)? {
        FORMAT => Head::parse(bytes),
        _ => parse_legacy(bytes).map(|Manifest { head, .. }| head),
    }
}

/// What a key is of an artifact in whatever folder.
pub fn part_anywhere(key: &str) -> Option<(&str, Part)> {
    let (folder, name) = key.rsplit_once('/').map_or(("", key), |(f, n)| (f, n));
    let (container, part) =
        Naming::new("{name}", "", "", "").part(name).map(|(c, p)| (c.len(), p))?;
    let from = key.len() - name.len();
    (!folder.contains("..")).then(|| (&key[..from + container], part))
}
