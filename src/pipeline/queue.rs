//! The pieces that are still to be read, and how many are being read: what is cut off a piece comes
//! back here.
//!
//! Knows no source. A worker without a piece waits as long as another may still hand one back, and
//! leaves only when nothing is being read.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::base::{Stop, Stopped};
use crate::source::contract::Piece;

/// Time between two checks for cancellation.
const PATIENCE: Duration = Duration::from_millis(100);

/// The queue of one phase.
pub struct Queue {
    /// Guards the pieces in the order in which they are read, and how many are being read.
    state: Mutex<(VecDeque<Piece>, usize)>,
    changed: Condvar,
}

impl Queue {
    /// A queue of these pieces, in this order.
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Queue {
        Queue { state: Mutex::new((pieces.into_iter().collect(), 0)), changed: Condvar::new() }
    }

    /// The next piece; `None` when all were read. Every piece that was taken and read is told to
    /// [`Queue::done`]; a reader that fails stops `stop`.
    pub fn take(&self, stop: &Stop) -> Result<Option<Piece>, Stopped> {
        let mut state = self.state.lock().expect("no panic while locked");
        loop {
            stop.check()?;
            if let Some(piece) = state.0.pop_front() {
                state.1 += 1;
                return Ok(Some(piece));
            }
            if state.1 == 0 {
                return Ok(None);
            }
            state = self.changed.wait_timeout(state, PATIENCE).expect("no panic while locked").0;
        }
    }

    /// A piece was read.
    pub fn done(&self) {
        self.state.lock().expect("no panic while locked").1 -= 1;
        self.changed.notify_all();
    }

    /// Puts a piece in front.
    pub fn push(&self, piece: Piece) {
        self.state.lock().expect("no panic while locked").0.push_front(piece);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_is_cut_off_is_read_by_all_and_nobody_leaves_before() {
        let (queue, stop) = (Queue::new([Piece { member: 0, number: 0 }]), Stop::new());
        let read: Vec<AtomicUsize> = (0..200).map(|_| AtomicUsize::new(0)).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(piece) = queue.take(&stop).expect("not stopped") {
                        if piece.number + 1 < read.len() {
                            queue.push(Piece { member: 0, number: piece.number + 1 });
                        }
                        read[piece.number].fetch_add(1, Ordering::SeqCst);
                        queue.done();
                    }
                });
            }
        });
        assert!(read.iter().all(|n| n.load(Ordering::SeqCst) == 1));
    }
}
