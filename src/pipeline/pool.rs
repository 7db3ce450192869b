//! Permits: memory is a number one can compute.
//!
//! A permit is the right to hold one buffer. The pool hands out exactly as many as it was made
//! with; who wants another waits, and the wait ends with the pipeline. Knows nothing of what the
//! buffers hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::base::{Stop, Stopped};

/// A fixed number of permits.
#[derive(Clone)]
pub struct Pool {
    free: Receiver<()>,
    back: Sender<()>,
    out: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

/// The right to hold one buffer; given back when dropped.
pub struct Permit {
    back: Sender<()>,
    out: Arc<AtomicUsize>,
}

impl Pool {
    /// A pool of `count` permits.
    pub fn new(count: usize) -> Pool {
        let (back, free) = bounded(count);
        for _ in 0..count {
            back.send(()).expect("BUG: a pool smaller than itself");
        }
        Pool { free, back, out: Arc::default(), peak: Arc::default() }
    }

    /// Waits for a permit.
    pub fn take(&self, stop: &Stop) -> Result<Permit, Stopped> {
        stop.check()?;
        select! {
            recv(self.free) -> _ => {}
            recv(stop.closed()) -> _ => return Err(Stopped),
        }
        let out = self.out.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(out, Ordering::SeqCst);
        Ok(Permit { back: self.back.clone(), out: self.out.clone() })
    }

    /// How many permits there are.
    pub fn size(&self) -> usize {
        self.free.capacity().expect("a pool is bounded")
    }

    /// Most permits that were out at once.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.out.fetch_sub(1, Ordering::SeqCst);
        // The pool may be gone; then nobody waits.
        self.back.try_send(()).unwrap_or(());
    }
}

/// Buffers to use again: memory that is asked of the system anew costs a fault for every page.
/// There are never more than lived at once.
#[derive(Clone)]
pub struct Spare {
    give: Sender<Vec<u8>>,
    take: Receiver<Vec<u8>>,
    largest: usize,
}

impl Spare {
    /// Keeps up to `count` buffers of no more than `largest` bytes: a huge row may have blown one
    /// up.
    pub fn new(count: usize, largest: usize) -> Spare {
        let (give, take) = bounded(count);
        Spare { give, take, largest }
    }

    /// An empty buffer with room for `room` bytes.
    pub fn take(&self, room: usize) -> Vec<u8> {
        let mut buffer = self.take.try_recv().unwrap_or_default();
        buffer.reserve(room);
        buffer
    }

    /// Keeps a buffer for the next.
    pub fn give(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= self.largest {
            buffer.clear();
            // One too many is freed.
            drop(self.give.try_send(buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_unless_it_grew_too_large() {
        let spare = Spare::new(1, 100);
        spare.give(vec![1; 60]);
        spare.give(vec![2; 70]);
        spare.give(vec![3; 101]);
        let first = spare.take(10);
        assert!(first.is_empty() && (60..70).contains(&first.capacity()));
        assert!(spare.take(5).capacity() < 60, "there was one");
    }

    #[test]
    fn a_pool_never_hands_out_more_than_it_has_and_a_stop_ends_the_wait() {
        let (pool, stop) = (Pool::new(2), Stop::new());
        let (a, b) = (pool.take(&stop).expect("free"), pool.take(&stop).expect("free"));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.take(&stop).map(|_| ()));
            drop(a);
            waiting.join().expect("no panic").expect("a permit came back");
            let c = pool.take(&stop).expect("free");
            let stopped = scope.spawn(|| pool.take(&stop).map(|_| ()));
            stop.stop();
            assert_eq!(stopped.join().expect("no panic"), Err(Stopped));
            drop((b, c));
        });
        assert_eq!(pool.peak(), 2);
    }
}
