//! How far the files of a log lead: which follow each other, where one is missing, and where a
//! recovery that begins at a base backup ends.
//!
//! Pure. A timeline that parted from another goes on from it: of the segment in which it parted its
//! own copy is needed, which begins with what was before.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::wal::{Ancestry, Lsn, Segment};

/// What is there of one cluster's log.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Bytes of a segment.
    pub size: u64,
    /// The numbers of the segments of each timeline.
    pub segments: BTreeMap<u32, BTreeSet<u64>>,
    /// Where timelines come from.
    pub histories: BTreeMap<u32, Ancestry>,
}

/// Segments that follow each other: the first and the last.
pub type Run = (u64, u64);

/// Where a recovery begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The timeline of the base backup.
    pub timeline: u32,
    /// Where it ends: what is before is in it.
    pub stop: Lsn,
}

/// How far a recovery gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The segments that it reads, in order.
    pub segments: Vec<Segment>,
    /// The place before which it ends.
    pub end: Lsn,
    /// The segment that is missing, where more follow.
    pub gap: Option<Segment>,
}

impl Log {
    /// The stretches of a timeline without gaps.
    pub fn runs(&self, timeline: u32) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for number in self.segments.get(&timeline).into_iter().flatten() {
            match runs.last_mut().filter(|(_, last)| *last + 1 == *number) {
                Some((_, last)) => *last = *number,
                None => runs.push((*number, *number)),
            }
        }
        runs
    }

    /// The newest timeline that is known.
    pub fn newest(&self) -> Option<u32> {
        let own = self.segments.keys().next_back().copied();
        own.max(self.histories.keys().next_back().copied())
    }

    /// A timeline and all that it comes from, each with where it was left: the oldest first.
    pub fn path(&self, timeline: u32) -> Ancestry {
        let mut path = self.histories.get(&timeline).cloned().unwrap_or_default();
        path.push((timeline, Lsn(u64::MAX)));
        path
    }

    /// Whether a recovery from `start` can follow `timeline`.
    pub fn follows(&self, start: Start, timeline: u32) -> bool {
        self.path(timeline).iter().any(|(own, left)| *own == start.timeline && start.stop <= *left)
    }

    /// How far a recovery from `start` along `timeline` gets; `None` where it can't follow it.
    pub fn reach(&self, start: Start, timeline: u32) -> Option<Reach> {
        if !self.follows(start, timeline) || self.size == 0 {
            return None;
        }
        let path = self.path(timeline);
        // The timeline that is on at a segment: the newest that has begun.
        let at = |number: u64| {
            let begun = |index: usize| match index {
                0 => true,
                index => path[index - 1].1.0 / self.size <= number,
            };
            let index = (0..path.len()).rev().find(|index| begun(*index)).unwrap_or(0);
            path[index].0
        };
        let has =
            |number: u64| self.segments.get(&at(number)).is_some_and(|own| own.contains(&number));
        let name = |number: u64| Segment::numbered(at(number), number, self.size);
        let first = start.stop.0 / self.size;
        // The base brings its own last segment along.
        let mut number = if has(first) { first } else { first + 1 };
        let mut segments = Vec::new();
        while has(number) {
            segments.push(name(number));
            number += 1;
        }
        let more = path.iter().any(|(own, _)| {
            let later = self.segments.get(own).into_iter().flat_map(|own| own.range(number + 1..));
            later.into_iter().any(|later| at(*later) == *own)
        });
        let end = if segments.is_empty() { start.stop } else { Lsn(number * self.size) };
        Some(Reach { segments, end, gap: more.then(|| name(number)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    fn log(segments: &[(u32, &[u64])], histories: &[(u32, &[(u32, u64)])]) -> Log {
        let own = segments.iter().map(|(t, all)| (*t, all.iter().copied().collect()));
        let from = histories
            .iter()
            .map(|(t, all)| (*t, all.iter().map(|(t, at)| (*t, Lsn(*at))).collect::<Ancestry>()));
        Log { size: SIZE, segments: own.collect(), histories: from.collect() }
    }

    fn numbers(reach: &Reach) -> Vec<(u32, u64)> {
        reach.segments.iter().map(|s| (s.timeline, s.number(SIZE).expect("of this size"))).collect()
    }

    #[test]
    fn a_gap_ends_a_recovery_and_is_named() {
        let log = log(&[(1, &[2, 3, 4, 6, 7])], &[]);
        assert_eq!(log.runs(1), [(2, 4), (6, 7)]);
        let start = Start { timeline: 1, stop: Lsn(2 * SIZE + 100) };
        let reach = log.reach(start, 1).expect("it follows");
        assert_eq!(numbers(&reach), [(1, 2), (1, 3), (1, 4)]);
        assert_eq!((reach.end, reach.gap), (Lsn(5 * SIZE), Some(Segment::numbered(1, 5, SIZE))));
        let start = Start { timeline: 1, stop: Lsn(5 * SIZE + 1) };
        let reach = log.reach(start, 1).expect("it follows");
        assert_eq!((numbers(&reach), reach.gap), (vec![(1, 6), (1, 7)], None), "the base has 5");
        let start = Start { timeline: 1, stop: Lsn(8 * SIZE + 1) };
        let reach = log.reach(start, 1).expect("it follows");
        assert_eq!((reach.segments.len(), reach.end, reach.gap), (0, start.stop, None));
    }

    #[test]
    fn a_recovery_goes_over_to_the_timelines_that_come_from_its_own() {
        // 2 parted within 4, 3 from 2 within 6; the old primary went on with 5.
        let (four, six) = (4 * SIZE + 50, 6 * SIZE + 50);
        let histories: &[(u32, &[(u32, u64)])] = &[(2, &[(1, four)]), (3, &[(1, four), (2, six)])];
        let all: &[(u32, &[u64])] = &[(1, &[2, 3, 4, 5]), (2, &[4, 5, 6, 7]), (3, &[6, 7])];
        let whole = log(all, histories);
        let start = Start { timeline: 1, stop: Lsn(2 * SIZE + 1) };
        let along = |log: &Log, timeline| numbers(&log.reach(start, timeline).expect("it follows"));
        assert_eq!(along(&whole, 1), [(1, 2), (1, 3), (1, 4), (1, 5)]);
        assert_eq!(along(&whole, 2), [(1, 2), (1, 3), (2, 4), (2, 5), (2, 6), (2, 7)]);
        assert_eq!(along(&whole, 3), [(1, 2), (1, 3), (2, 4), (2, 5), (3, 6), (3, 7)]);
        let late = Start { timeline: 1, stop: Lsn(5 * SIZE) };
        assert_eq!(whole.reach(late, 2), None, "the base is of what 2 never had");
        // The new timeline's own copy of the segment in which it parted is missing.
        let cut = log(&[(1, &[2, 3, 4, 5]), (2, &[5, 6])], histories);
        let reach = cut.reach(start, 2).expect("it follows");
        assert_eq!(numbers(&reach), [(1, 2), (1, 3)]);
        assert_eq!(reach.gap, Some(Segment::numbered(2, 4, SIZE)));
        assert_eq!(whole.newest(), Some(3));
        // Without its history nobody knows where it comes from.
        assert_eq!(log(all, &[]).reach(start, 3), None);
    }
}
