//! The binary log of one source in the stores of its step, read.
//!
//! Invariant: a segment is taken from the first store that has it whole; a store that does not
//! answer is told where nothing else has it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::base::{SecretRef, Stop};
use crate::job::KeyRefs;
use crate::plan::{LogCopy, StoreRef, Wal};
use crate::recover::binlog::name::{self, BinlogName};
use crate::recover::fault::Fault;
use crate::recover::trust::open_to_read;
use crate::recover::wal::object::{head, opened};
use crate::source::binlog::Piece;
use crate::store::contract::Store;
use crate::world::World;

/// The log in one store.
struct Copy {
    name: String,
    place: StoreRef,
    root: String,
    open: OnceLock<Arc<dyn Store>>,
}

/// The log of one source in all its stores.
pub struct BinlogStores {
    /// The source.
    pub source: String,
    copies: Vec<Copy>,
    keys: KeyRefs,
    world: World,
}

/// What is there of one server's log.
#[derive(Debug, Default)]
pub struct Listed {
    /// The segments of all stores, as the server wrote them.
    pub names: Vec<BinlogName>,
    /// Stores that did not answer.
    pub lost: Vec<String>,
}

impl BinlogStores {
    /// Those of a `binlog` step; nothing is opened yet. `identity` opens what is sealed for age.
    pub fn of(log: &Wal, identity: Option<SecretRef>, world: &World) -> BinlogStores {
        let (password, previous) = (log.archive.password.clone(), log.archive.previous.clone());
        let copy = |copy: &LogCopy| Copy {
            name: copy.store.name.clone(),
            place: copy.store.clone(),
            root: copy.root.clone(),
            open: OnceLock::new(),
        };
        BinlogStores {
            source: log.source.name.clone(),
            copies: log.copies.iter().map(copy).collect(),
            keys: KeyRefs { password, previous, identity },
            world: world.clone(),
        }
    }

    fn store(&self, copy: &Copy, stop: &Stop) -> Result<Arc<dyn Store>, Fault> {
        if let Some(open) = copy.open.get() {
            return Ok(open.clone());
        }
        let open = open_to_read(&copy.place.spec, &copy.place.trust, &self.world, stop)?;
        Ok(copy.open.get_or_init(|| open).clone())
    }

    /// What is there of one server's log.
    pub fn list(&self, part: &str, stop: &Stop) -> Result<Listed, Fault> {
        let (mut names, mut lost) = (BTreeSet::new(), Vec::new());
        for copy in &self.copies {
            let folder = name::folder(&copy.root, &self.source, part);
            let listed =
                self.store(copy, stop).and_then(|store| name::list(store.as_ref(), &folder, stop));
            match listed {
                Ok(own) => names.extend(own),
                Err(Fault::Stopped) => return Err(Fault::Stopped),
                Err(fault) => lost.push(format!("{}: {}", copy.name, fault.line())),
            }
        }
        let mut names: Vec<BinlogName> = names.into_iter().collect();
        names.sort_by_key(BinlogName::order);
        Ok(Listed { names, lost })
    }

    /// The servers whose log is there, as parts of keys.
    pub fn parts(&self, stop: &Stop) -> Result<Vec<String>, Fault> {
        let mut found = BTreeSet::new();
        for copy in &self.copies {
            let store = self.store(copy, stop)?;
            let folder = format!("{}logs/{}/", copy.root, self.source);
            for object in store.list(&folder, stop)? {
                let rest = object.key.strip_prefix(&folder).unwrap_or_default();
                found.extend(rest.split_once("/binlog/").map(|(part, _)| part.to_owned()));
            }
        }
        Ok(found.into_iter().collect())
    }

    /// When the last group of a segment was begun or committed, as its head says.
    pub fn last(
        &self,
        part: &str,
        segment: &BinlogName,
        stop: &Stop,
    ) -> Result<Option<Timestamp>, Fault> {
        let mut last = None;
        for copy in &self.copies {
            let key = name::key(&name::folder(&copy.root, &self.source, part), segment);
            match self.store(copy, stop).and_then(|store| head(store.as_ref(), &key, stop)) {
                Ok(head) => return Ok(head.last),
                Err(Fault::Stopped) => return Err(Fault::Stopped),
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.expect("BUG: a binlog step without a store"))
    }

    /// A segment out of the first store that has it whole.
    pub fn read(&self, part: &str, segment: &BinlogName, stop: &Stop) -> Result<Piece, Fault> {
        let mut last = None;
        for copy in &self.copies {
            stop.check()?;
            let key = name::key(&name::folder(&copy.root, &self.source, part), segment);
            let found = self
                .store(copy, stop)
                .and_then(|store| opened(store.as_ref(), &key, &self.keys, stop));
            match found {
                Ok(Some((_, bytes))) => {
                    let (file, created, start) =
                        (segment.file.clone(), segment.created, segment.start);
                    return Ok(Piece { file, created, start, bytes });
                }
                Ok(None) => {}
                Err(Fault::Stopped) => return Err(Fault::Stopped),
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.unwrap_or_else(|| Fault::Nothing {
            doing: format!("read {segment} of the log of {}", self.source),
            found: "it is in none of its stores".into(),
            hint: None,
        }))
    }
}
