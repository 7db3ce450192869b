//! A store that writes down what is read of it, and may say that an object is larger than it is.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use vex::testing::base::{Finding, Stop};
use vex::testing::store::contract::{Coming, Limits, Object, Result, Store, Upload};

/// A store, and what was read of it.
pub struct Counting {
    inner: Arc<dyn Store>,
    /// Keys, and the range if it was not the whole object.
    reads: Mutex<Vec<(String, Option<Range<u64>>)>>,
    /// Key and size of a container that is not there.
    stated: Option<(String, u64)>,
}

impl Counting {
    pub fn new(inner: Arc<dyn Store>) -> Counting {
        Counting { inner, reads: Mutex::default(), stated: None }
    }

    /// The same with a container of this size, of which there is no byte.
    pub fn stating(inner: Arc<dyn Store>, key: &str, bytes: u64) -> Counting {
        Counting { stated: Some((key.to_owned(), bytes)), ..Counting::new(inner) }
    }

    /// What was read since this was asked last.
    pub fn reads(&self) -> Vec<(String, Option<Range<u64>>)> {
        std::mem::take(&mut *self.reads.lock().unwrap())
    }

    fn note(&self, key: &str, range: Option<Range<u64>>) {
        self.reads.lock().unwrap().push((key.to_owned(), range));
    }
}

impl Store for Counting {
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>> {
        self.inner.create(key, stop)
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        self.inner.put(key, bytes, stop)
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>> {
        self.note(key, range.clone());
        self.inner.read(key, range, stop)
    }

    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>> {
        self.note(key, None);
        self.inner.read_small(key, most, stop)
    }

    fn size(&self, key: &str, stop: &Stop) -> Result<Option<u64>> {
        self.inner.size(key, stop)
    }

    fn list(&self, under: &str, stop: &Stop) -> Result<Vec<Object>> {
        let mut found = self.inner.list(under, stop)?;
        if let Some((key, bytes)) = self.stated.clone() {
            found.push(Object { key, bytes, modified: None });
        }
        Ok(found)
    }

    fn remove(&self, key: &str, stop: &Stop) -> Result<()> {
        self.inner.remove(key, stop)
    }

    fn sweep(&self, under: &str, stop: &Stop) -> Result<usize> {
        self.inner.sweep(under, stop)
    }

    fn now(&self, stop: &Stop) -> Result<Timestamp> {
        self.inner.now(stop)
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        self.inner.examine(coming, stop)
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn place(&self) -> &str {
        self.inner.place()
    }
}
