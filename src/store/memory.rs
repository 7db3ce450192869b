//! A store in memory: the reference of the contract, and the store of benches and tests.
//!
//! Keeps every promise of the contract but durability. Its clock is an argument: handles on the same
//! objects may have different ones.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::base::{Finding, Stop};
use crate::store::contract::{
    Ability, Coming, Error, ErrorKind, Limits, Object, Result, Store, Upload, too_large,
};
use crate::store::probe::probe;
use crate::world::Clock;

/// Objects by key; clones share them.
#[derive(Clone)]
pub struct Memory {
    /// Guards all objects.
    objects: Arc<Mutex<BTreeMap<String, Held>>>,
    clock: Clock,
}

struct Held {
    bytes: Vec<u8>,
    modified: Timestamp,
}

impl Held {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Memory {
    /// An empty store with the machine's clock.
    pub fn new() -> Memory {
        Memory { objects: Arc::default(), clock: Clock::System }
    }

    /// The same objects under another clock.
    pub fn at(&self, clock: Clock) -> Memory {
        Memory { objects: self.objects.clone(), clock }
    }

    fn insert(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let mut objects = self.objects.lock().expect("no panic while locked");
        if objects.contains_key(key) {
            return Err(Error::new(
                ErrorKind::Exists,
                format!("write {key} in memory"),
                "the key is taken",
            ));
        }
        objects.insert(key.to_owned(), Held { bytes, modified: self.clock.now() });
        Ok(())
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl Store for Memory {
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>> {
        if self.size(key, stop)?.is_some() {
            return Err(Error::new(
                ErrorKind::Exists,
                format!("write {key} in memory"),
                "the key is taken",
            ));
        }
        Ok(Box::new(MemoryUpload {
            store: self.clone(),
            key: key.to_owned(),
            bytes: Mutex::default(),
            stop: stop.clone(),
        }))
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        stop.check()?;
        self.insert(key, bytes.to_vec())
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>> {
        stop.check()?;
        let objects = self.objects.lock().expect("no panic while locked");
        let doing = || format!("read {key} in memory");
        let object = objects
            .get(key)
            .ok_or_else(|| Error::new(ErrorKind::Missing, doing(), "no such object"))?;
        let object = &object.bytes;
        let range = range.unwrap_or(0..object.len() as u64);
        object.get(range.start as usize..range.end as usize).map(<[u8]>::to_vec).ok_or_else(|| {
            Error::new(ErrorKind::Damaged, doing(), format!("the object ends at {}", object.len()))
        })
    }

    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>> {
        match self.size(key, stop)? {
            Some(bytes) if bytes > most => {
                let doing = format!("read {key} in memory");
                Err(Error::new(ErrorKind::TooLarge, doing, too_large(bytes, most)))
            }
            Some(_) | None => self.read(key, None, stop),
        }
    }

    fn size(&self, key: &str, stop: &Stop) -> Result<Option<u64>> {
        stop.check()?;
        Ok(self.objects.lock().expect("no panic while locked").get(key).map(Held::size))
    }

    fn list(&self, under: &str, stop: &Stop) -> Result<Vec<Object>> {
        stop.check()?;
        let objects = self.objects.lock().expect("no panic while locked");
        let found = objects.iter().filter(|(key, _)| key.starts_with(under));
        Ok(found
            .map(|(key, held)| Object {
                key: key.clone(),
                bytes: held.size(),
                modified: Some(held.modified),
            })
            .collect())
    }

    fn remove(&self, key: &str, stop: &Stop) -> Result<()> {
        stop.check()?;
        self.objects.lock().expect("no panic while locked").remove(key);
        Ok(())
    }

    fn sweep(&self, _: &str, stop: &Stop) -> Result<usize> {
        stop.check()?;
        Ok(0)
    }

    fn now(&self, stop: &Stop) -> Result<Timestamp> {
        stop.check()?;
        Ok(self.clock.now())
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        probe(self, &coming.probe, coming, stop)
    }

    fn limits(&self) -> Limits {
        Limits { durable: Ability::Lacking, ..Limits::none(1) }
    }

    fn place(&self) -> &str {
        "memory"
    }
}

struct MemoryUpload {
    store: Memory,
    key: String,
    /// Guards the parts that came so far: offset and bytes.
    bytes: Mutex<BTreeMap<u64, Vec<u8>>>,
    stop: Stop,
}

impl Upload for MemoryUpload {
    fn part(&self, _: u32, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()> {
        stop.check()?;
        self.bytes.lock().expect("no panic while locked").insert(offset, bytes.to_vec());
        Ok(())
    }

    fn finish(self: Box<Self>, bytes: u64) -> Result<()> {
        self.stop.check()?;
        let parts = self.bytes.into_inner().expect("no panic while locked");
        let mut whole = Vec::with_capacity(bytes as usize);
        for (offset, part) in parts {
            if offset != whole.len() as u64 {
                break;
            }
            whole.extend_from_slice(&part);
        }
        if whole.len() as u64 != bytes {
            let found = format!("{} of {bytes} bytes came", whole.len());
            return Err(Error::new(
                ErrorKind::Damaged,
                format!("write {} in memory", self.key),
                found,
            ));
        }
        self.store.insert(&self.key, whole)
    }

    fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
