//! Counters that a run may show while bytes are in motion.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What went by so far.
#[derive(Debug, Default)]
pub struct Meter {
    raw: AtomicU64,
    rows: AtomicU64,
    stored: AtomicU64,
    sent: AtomicU64,
    estimate: AtomicU64,
    moves: AtomicU64,
    /// Guards what is waited for now, each by the number of its wait.
    waits: Mutex<BTreeMap<u64, String>>,
}

/// A wait for a server that works while nothing is counted; ends when it is dropped.
#[derive(Debug)]
pub struct Waiting<'a> {
    meter: &'a Meter,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.meter.waits.lock().expect("no panic while locked").remove(&self.number);
    }
}

/// A reading of a meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes read from the source or taken from entries, uncompressed.
    pub raw: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of the container, written or fetched.
    pub stored: u64,
    /// Bytes acknowledged by stores, all stores together.
    pub sent: u64,
    /// Bytes expected, uncompressed.
    pub estimate: u64,
    /// Changes of any kind; what stands still is stalled.
    pub moves: u64,
}

impl Meter {
    /// Sets what is expected.
    pub fn expect(&self, raw: u64) {
        self.estimate.store(raw, Ordering::Relaxed);
    }

    /// Counts bytes and rows of the source.
    pub fn read(&self, raw: u64, rows: u64) {
        self.raw.fetch_add(raw, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of the container.
    pub fn stored(&self, bytes: u64) {
        self.stored.fetch_add(bytes, Ordering::Relaxed);
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes a store has.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Says what is waited for from now on, until what is returned is dropped: a server works, and
    /// standing still is no stall.
    pub fn wait(&self, on: impl Into<String>) -> Waiting<'_> {
        let mut waits = self.waits.lock().expect("no panic while locked");
        let number = waits.last_key_value().map_or(0, |(last, _)| last + 1);
        waits.insert(number, on.into());
        Waiting { meter: self, number }
    }

    /// What is waited for, the longest wait first; standing still is no stall while there is any.
    pub fn waits(&self) -> Vec<String> {
        self.waits.lock().expect("no panic while locked").values().cloned().collect()
    }

    /// All counters.
    pub fn counts(&self) -> Counts {
        Counts {
            raw: self.raw.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            stored: self.stored.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            estimate: self.estimate.load(Ordering::Relaxed),
            moves: self.moves.load(Ordering::Relaxed),
        }
    }
}
