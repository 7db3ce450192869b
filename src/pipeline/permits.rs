//! Permits: memory is a number one can compute.
//!
//! A permit is the right to hold one buffer. There are exactly as many as were made; a thread that
//! wants another waits until one is given back, or until the pipeline is stopped. Knows nothing of
//! what the buffers hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::base::{Stop, Stopped};

/// A fixed number of permits.
#[derive(Clone)]
pub struct Permits {
    free: Receiver<()>,
    back: Sender<()>,
    out: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

/// The right to hold one buffer; given back when dropped.
pub struct BufferPermit {
    back: Sender<()>,
    out: Arc<AtomicUsize>,
}

impl Permits {
    /// `count` permits, all free.
    pub fn new(count: usize) -> Permits {
        let (back, free) = bounded(count);
        for _ in 0..count {
            back.send(()).expect("BUG: a channel smaller than itself");
        }
        Permits { free, back, out: Arc::default(), peak: Arc::default() }
    }

    /// Waits for a permit.
    pub fn take(&self, stop: &Stop) -> Result<BufferPermit, Stopped> {
        stop.check()?;
        select! {
            recv(self.free) -> _ => {}
            recv(stop.closed()) -> _ => return Err(Stopped),
        }
        let out = self.out.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(out, Ordering::SeqCst);
        Ok(BufferPermit { back: self.back.clone(), out: self.out.clone() })
    }

    /// How many permits there are.
    pub fn size(&self) -> usize {
        self.free.capacity().expect("the channel is bounded")
    }

    /// Most permits that were out at once.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }
}

impl Drop for BufferPermit {
    fn drop(&mut self) {
        self.out.fetch_sub(1, Ordering::SeqCst);
        // The permits may be gone; then nobody waits.
        self.back.try_send(()).unwrap_or(());
    }
}

/// Buffers to use again: fresh memory costs a page fault for every page. The pool never holds more
/// buffers than were in use at once.
#[derive(Clone)]
pub struct BufferPool {
    give: Sender<Vec<u8>>,
    take: Receiver<Vec<u8>>,
    largest: usize,
}

impl BufferPool {
    /// Keeps up to `count` buffers of no more than `largest` bytes: a huge row may have blown one
    /// up.
    pub fn new(count: usize, largest: usize) -> BufferPool {
        let (give, take) = bounded(count);
        BufferPool { give, take, largest }
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
        let buffers = BufferPool::new(1, 100);
        buffers.give(vec![1; 60]);
        buffers.give(vec![2; 70]);
        buffers.give(vec![3; 101]);
        let first = buffers.take(10);
        assert!(first.is_empty() && (60..70).contains(&first.capacity()));
        assert!(buffers.take(5).capacity() < 60, "there was one");
    }

    #[test]
    fn no_more_permits_are_out_than_there_are_and_a_stop_ends_the_wait() {
        let (permits, stop) = (Permits::new(2), Stop::new());
        let (a, b) = (permits.take(&stop).expect("free"), permits.take(&stop).expect("free"));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| permits.take(&stop).map(|_| ()));
            drop(a);
            waiting.join().expect("no panic").expect("a permit came back");
            let c = permits.take(&stop).expect("free");
            let stopped = scope.spawn(|| permits.take(&stop).map(|_| ()));
            stop.stop();
            assert_eq!(stopped.join().expect("no panic"), Err(Stopped));
            drop((b, c));
        });
        assert_eq!(permits.peak(), 2);
    }
}
