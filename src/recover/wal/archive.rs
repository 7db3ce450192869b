//! The files of one server's log in the stores of its `wal` step: where each stands, read and
//! listed.
//!
//! Keys are `{prefix}/logs/{source}/{system}/wal/{timeline}/{name}.zip`, by name and not by date: a
//! server asks for a file by its name, and when it was written nobody knows any more. History files
//! stand together, below `wal/history/`: which timelines there are must be known without listing
//! all segments.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::artifact::{Method, Sealing};
use crate::base::{SecretRef, Stop};
use crate::job::KeyRefs;
use crate::plan::{LogCopy, StoreRef, Wal};
use crate::recover::fault::Fault;
use crate::recover::trust::open_to_read;
use crate::recover::wal::object::{self, NewWal, WalHead, WalStored};
use crate::recover::wal::reach::Log;
use crate::source::wal::{Point, Segment, WalName, Walk, check_segment, is_size, parse_history};
use crate::store::contract::Store;
use crate::world::World;

/// The ending of an object's key.
const ENDING: &str = ".zip";

/// The folder of the log of a source; all clusters that had its name.
fn source_folder(root: &str, source: &str) -> String {
    format!("{root}logs/{source}/")
}

/// The folder of one cluster's log.
fn folder(root: &str, source: &str, system: &str) -> String {
    format!("{}{system}/wal/", source_folder(root, source))
}

fn name_folder(name: WalName) -> String {
    match name {
        WalName::History(_) => "history/".into(),
        WalName::Segment(_) | WalName::Partial(_) | WalName::Backup(..) => {
            format!("{:08X}/", name.timeline())
        }
    }
}

/// The key of a file, of a store's root, the source and the cluster.
pub fn wal_key((root, source, system): (&str, &str, &str), name: WalName) -> String {
    format!("{}{}{name}{ENDING}", folder(root, source, system), name_folder(name))
}

/// The name of the file that a key is of.
fn name_of(key: &str) -> Option<WalName> {
    WalName::parse(key.rsplit_once('/')?.1.strip_suffix(ENDING)?)
}

/// Whether a key, without the root of its store, is of a file of some log.
pub fn is_wal_key(key: &str) -> bool {
    let rest = key.strip_prefix("logs/").and_then(|rest| rest.split_once("/wal/"));
    rest.is_some() && name_of(key).is_some()
}

/// Keeps a file in one store.
pub fn put_wal(
    store: &dyn Store,
    place: (&str, &str, &str),
    (name, bytes): (WalName, &[u8]),
    (method, seal): (Method, Option<&Sealing>),
    world: &World,
    stop: &Stop,
) -> Result<WalStored, Fault> {
    // Which timelines there are is read by whoever looks after the log, and opens nothing.
    let seal = seal.filter(|_| !matches!(name, WalName::History(_)));
    let file = NewWal {
        name: name.to_string(),
        system: place.2,
        bytes,
        times: name.segment().and_then(|segment| times(segment, bytes)),
        host: world.host(),
        now: world.clock.now(),
    };
    object::put(store, &wal_key(place, name), &file, (method, seal), stop)
}

/// Between which moments the transactions of a segment ended.
fn times(segment: Segment, bytes: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut found: Option<(Timestamp, Timestamp)> = None;
    points(&mut Walk::default(), segment, bytes, &mut |point| {
        let (first, last) = found.unwrap_or((point.time, point.time));
        found = Some((first.min(point.time), last.max(point.time)));
    });
    found
}

/// The points of a segment that a recovery can end at.
pub fn points(walk: &mut Walk, segment: Segment, bytes: &[u8], take: &mut dyn FnMut(Point)) {
    let Ok(facts) = check_segment(segment, bytes) else { return };
    let Some(start) = segment.start(facts.size) else { return };
    walk.segment(bytes, start, facts.page, take);
}

/// The log of one source in all its stores.
pub struct WalStores {
    /// The source.
    pub source: String,
    /// Its stores.
    pub copies: Vec<WalCopy>,
}

/// The log of one source in one store.
pub struct WalCopy {
    /// The store, as the file names it.
    pub name: String,
    /// Whether a failure there is only Alerta.
    pub optional: bool,
    place: StoreRef,
    root: String,
    source: String,
    world: World,
    keys: KeyRefs,
    open: OnceLock<Arc<dyn Store>>,
}

/// What speaks against a log's ending before a file.
pub enum Beyond {
    /// A later file is there.
    Gap(String),
    /// There is nothing of the log at all.
    Nothing(String),
}

/// What one store holds of a source's log: by cluster, files and when each was written.
pub type Stretch = BTreeMap<String, BTreeMap<WalName, Option<Timestamp>>>;

impl WalStores {
    /// Those of a `wal` step; nothing is opened yet. `identity` opens what is sealed for age.
    pub fn of(wal: &Wal, identity: Option<SecretRef>, world: &World) -> WalStores {
        let (password, previous) = (wal.archive.password.clone(), wal.archive.previous.clone());
        let keys = KeyRefs { password, previous, identity };
        let source = wal.source.name.clone();
        let copy = |copy: &LogCopy| WalCopy {
            name: copy.store.name.clone(),
            optional: copy.optional,
            place: copy.store.clone(),
            root: copy.root.clone(),
            source: source.clone(),
            world: world.clone(),
            keys: keys.clone(),
            open: OnceLock::new(),
        };
        WalStores { copies: wal.copies.iter().map(copy).collect(), source }
    }

    /// A file out of the first store that has it whole; the error is the last store's.
    pub fn read(
        &self,
        system: &str,
        name: WalName,
        stop: &Stop,
    ) -> Result<(WalHead, Vec<u8>), Fault> {
        let mut last = None;
        for copy in &self.copies {
            match copy.get(system, name, stop) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.unwrap_or_else(|| Fault::Nothing {
            doing: format!("read {name} of the log of {}", self.source),
            found: "it is in none of its stores".into(),
            hint: None,
        }))
    }

    /// What a file's object says of itself.
    pub fn head(&self, system: &str, name: WalName, stop: &Stop) -> Result<WalHead, Fault> {
        let mut last = None;
        for copy in &self.copies {
            let place = (copy.root.as_str(), copy.source.as_str(), system);
            let store = copy.store(stop);
            match store.and_then(|store| object::head(store.as_ref(), &wal_key(place, name), stop))
            {
                Ok(head) => return Ok(head),
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.expect("BUG: a wal step without a store"))
    }

    /// What follows what in one cluster's log, over all stores that are given.
    pub fn log(&self, system: &str, files: &[&Stretch], stop: &Stop) -> Result<Log, Fault> {
        let mut log = Log::default();
        let names = files.iter().filter_map(|own| own.get(system)).flat_map(|own| own.keys());
        let mut names: Vec<WalName> = names.copied().collect();
        names.sort_unstable();
        names.dedup();
        if let Some(newest) = names.iter().rev().find(|name| name.segment().is_some()) {
            log.size = self.head(system, *newest, stop)?.raw;
            if !is_size(log.size) {
                return Err(Fault::Nothing {
                    doing: format!("read the log of {}", self.source),
                    found: format!(
                        "{newest} is said to have {} bytes, which no segment has",
                        log.size
                    ),
                    hint: Some("Look at the object of that name in the store.".into()),
                });
            }
        }
        for name in names {
            match name {
                WalName::Segment(segment) => {
                    let number = segment.number(log.size);
                    log.segments.entry(segment.timeline).or_default().extend(number);
                }
                WalName::History(timeline) => {
                    let (_, bytes) = self.read(system, name, stop)?;
                    let history =
                        parse_history(timeline, &bytes).map_err(|found| Fault::Nothing {
                            doing: format!("read {name} of the log of {}", self.source),
                            found,
                            hint: None,
                        })?;
                    log.histories.insert(timeline, history);
                }
                WalName::Partial(_) | WalName::Backup(..) => {}
            }
        }
        Ok(log)
    }
}

impl WalCopy {
    /// The store, opened when it is first needed.
    pub fn store(&self, stop: &Stop) -> Result<Arc<dyn Store>, Fault> {
        if let Some(open) = self.open.get() {
            return Ok(open.clone());
        }
        let open = open_to_read(&self.place.spec, &self.place.trust, &self.world, stop)?;
        Ok(self.open.get_or_init(|| open).clone())
    }

    fn get(
        &self,
        system: &str,
        name: WalName,
        stop: &Stop,
    ) -> Result<Option<(WalHead, Vec<u8>)>, Fault> {
        let key = wal_key((&self.root, &self.source, system), name);
        let store = self.store(stop)?;
        let found = object::opened(store.as_ref(), &key, &self.keys, stop)?;
        match found {
            Some((head, _)) if head.name != name.to_string() || head.system != system => {
                Err(Fault::Nothing {
                    doing: format!("read {key} in {}", self.name),
                    found: format!("it is the file {} of the cluster {}", head.name, head.system),
                    hint: None,
                })
            }
            found => Ok(found),
        }
    }

    /// A file; `None` where the store answers that there is none.
    pub fn read(&self, system: &str, name: WalName, stop: &Stop) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.get(system, name, stop)?.map(|(_, bytes)| bytes))
    }

    /// What speaks against the log's ending before a file that is not there: a later one, or that
    /// the store holds nothing of this log.
    pub fn beyond(
        &self,
        system: &str,
        name: WalName,
        stop: &Stop,
    ) -> Result<Option<Beyond>, Fault> {
        let store = self.store(stop)?;
        let folder = folder(&self.root, &self.source, system);
        let names = |under: &str| -> Result<Vec<WalName>, Fault> {
            let objects = store.list(&format!("{folder}{under}"), stop)?;
            Ok(objects.iter().filter_map(|object| name_of(&object.key)).collect())
        };
        let own = names(&name_folder(name))?;
        let later = match name {
            WalName::Segment(segment) | WalName::Partial(segment) | WalName::Backup(segment, _) => {
                own.iter()
                    .rev()
                    .find(|other| match other {
                        // One that has come since it was looked for.
                        WalName::Segment(other) => *other >= segment,
                        WalName::Partial(other) | WalName::Backup(other, _) => *other > segment,
                        WalName::History(_) => false,
                    })
                    .map(ToString::to_string)
            }
            // The first timeline comes from none: servers ask all the same.
            WalName::History(1) => None,
            WalName::History(timeline) => {
                let history = own.iter().rev().find(|other| other.timeline() > timeline);
                let segments = names(&format!("{timeline:08X}/"))?;
                history.or(segments.last()).map(ToString::to_string)
            }
        };
        if let Some(later) = later {
            let found = format!("it has {later}, and {name} is missing: a gap in the log");
            return Ok(Some(Beyond::Gap(found)));
        }
        if own.is_empty() && names("")?.is_empty() {
            return Ok(Some(Beyond::Nothing(format!(
                "it holds nothing of the log of the cluster {system}: it is not mounted, it is another store, or nothing was \
                 ever sent there"
            ))));
        }
        Ok(None)
    }

    /// All that the store holds of the source's log.
    pub fn list(&self, stop: &Stop) -> Result<Stretch, Fault> {
        let folder = source_folder(&self.root, &self.source);
        let mut found = Stretch::new();
        for object in self.store(stop)?.list(&folder, stop)? {
            let rest = object.key.strip_prefix(&folder).and_then(|rest| rest.split_once("/wal/"));
            if let (Some((system, _)), Some(name)) = (rest, name_of(&object.key)) {
                found.entry(system.to_owned()).or_default().insert(name, object.modified);
            }
        }
        Ok(found)
    }

    /// Removes a file.
    pub fn remove(&self, system: &str, name: WalName, stop: &Stop) -> Result<(), Fault> {
        let key = wal_key((&self.root, &self.source, system), name);
        Ok(self.store(stop)?.remove(&key, stop)?)
    }
}
