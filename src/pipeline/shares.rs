//! Who restores which part of a container: each worker begins with a share of its own.
//!
//! Neighbours in a container are rows of the same table, and connections that fill one table wait
//! for each other's pages. Knows numbers only. Invariant: every number is taken once.

use std::ops::Range;
use std::sync::Mutex;

/// Numbers that workers take.
pub struct WorkShares(
    /// Guards what is left of each worker's share.
    Mutex<Vec<Range<usize>>>,
);

impl WorkShares {
    /// Cuts `0..weights.len()` into shares of about the same weight, one a worker.
    pub fn new(weights: &[u64], workers: usize) -> WorkShares {
        let workers = workers.max(1);
        let total = u128::from(weights.iter().sum::<u64>()).max(1);
        let (mut ends, mut sum) = (vec![0; workers], 0_u128);
        for (number, weight) in weights.iter().enumerate() {
            // Where the middle of it lies.
            let at = (sum + u128::from(*weight) / 2) * workers as u128 / total;
            ends[(at as usize).min(workers - 1)] = number + 1;
            sum += u128::from(*weight);
        }
        let mut from = 0;
        let own = ends.into_iter().map(|end| {
            let range = from..from.max(end);
            from = range.end;
            range
        });
        WorkShares(Mutex::new(own.collect()))
    }

    /// The next number for a worker: of its own share, then of the one that has most left.
    pub fn take(&self, worker: usize) -> Option<usize> {
        let mut all = self.0.lock().expect("no panic while locked");
        match all.get_mut(worker).and_then(Iterator::next) {
            None => all.iter_mut().max_by_key(|range| range.len())?.next(),
            own => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_worker_begins_elsewhere_and_helps_where_most_is_left() {
        let shares = WorkShares::new(&[5, 5, 1, 1, 1, 1, 6], 2);
        assert_eq!([shares.take(0), shares.take(1)], [Some(0), Some(2)]);
        assert_eq!([shares.take(0), shares.take(0)], [Some(1), Some(3)], "it has helped");
        let one = WorkShares::new(&[], 3);
        assert_eq!(one.take(2), None);
    }

    proptest! {
        #[test]
        fn every_number_is_taken_once(weights in prop::collection::vec(0_u64..100, 0..50), workers in 0_usize..9, turns in prop::collection::vec(0_usize..9, 60)) {
            let shares = WorkShares::new(&weights, workers);
            let mut taken: Vec<usize> = turns.iter().filter_map(|worker| shares.take(*worker)).collect();
            taken.sort_unstable();
            prop_assert_eq!(taken, (0..weights.len()).collect::<Vec<_>>());
        }
    }
}
