//! Counters that a run may show while bytes are in motion.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What went by so far.
#[derive(Debug, Default)]
pub struct Meter {
    raw: AtomicU64,
    rows: AtomicU64,
    stored: AtomicU64,
    sent: AtomicU64,
    estimate: AtomicU64,
    moves: AtomicU64,
    waiting: AtomicBool,
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

    /// Says that from now on a server works and nothing is counted: standing still is no stall
    /// then.
    pub fn wait(&self) {
        self.waiting.store(true, Ordering::Relaxed);
    }

    /// Says that from now on it counts again.
    pub fn go_on(&self) {
        self.waiting.store(false, Ordering::Relaxed);
    }

    /// Whether standing still is no stall.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
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
