//! Any store, with a failpoint before and after every call that changes it.
//!
//! Adds nothing else; see `world/failpoint.rs`.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use crate::base::{Finding, Stop};
use crate::store::contract::{Coming, Limits, Object, Result, Store, Upload};
use crate::world::around;

/// A store with points.
pub struct WithFailpoints(pub Arc<dyn Store>);

struct FailpointUpload(Box<dyn Upload>);

impl Store for WithFailpoints {
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>> {
        around("create", || {
            Ok(Box::new(FailpointUpload(self.0.create(key, stop)?)) as Box<dyn Upload>)
        })
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        around("put", || self.0.put(key, bytes, stop))
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>> {
        self.0.read(key, range, stop)
    }

    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>> {
        self.0.read_small(key, most, stop)
    }

    fn size(&self, key: &str, stop: &Stop) -> Result<Option<u64>> {
        self.0.size(key, stop)
    }

    fn list(&self, under: &str, stop: &Stop) -> Result<Vec<Object>> {
        self.0.list(under, stop)
    }

    fn remove(&self, key: &str, stop: &Stop) -> Result<()> {
        around("remove", || self.0.remove(key, stop))
    }

    fn sweep(&self, under: &str, stop: &Stop) -> Result<usize> {
        around("sweep", || self.0.sweep(under, stop))
    }

    fn now(&self, stop: &Stop) -> Result<Timestamp> {
        self.0.now(stop)
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        self.0.examine(coming, stop)
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn free(&self) -> Option<u64> {
        self.0.free()
    }

    fn place(&self) -> &str {
        self.0.place()
    }
}

impl Upload for FailpointUpload {
    fn part(&self, number: u32, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()> {
        around("part", || self.0.part(number, offset, bytes, stop))
    }

    fn finish(self: Box<Self>, bytes: u64) -> Result<()> {
        around("finish", || self.0.finish(bytes))
    }

    fn abort(self: Box<Self>) -> Result<()> {
        around("abort", || self.0.abort())
    }
}
