//! What follows the rows: rounds of keys and indexes, one round after the other, and the recount
//! where there is room.
//!
//! Knows a target, not which server it is. A round begins when all of the one before is made; a
//! worker that would wait for that counts meanwhile. Then no more count than make: all wait for the
//! last index of a round, and many that count would slow it.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::base::{Stop, Stopped};
use crate::pipeline::recount::Recount;
use crate::pipeline::refusals::Refusals;
use crate::pipeline::stage::{Error, FirstFailure};
use crate::source::contract::Target;

/// Time between two checks for cancellation.
const PATIENCE: Duration = Duration::from_millis(100);

/// Makes `rounds` of so many pieces each, and counts, on all connections. What the target refuses
/// goes to `refusals`.
pub fn finish(
    target: &dyn Target,
    rounds: Vec<usize>,
    recount: Option<&Recount<'_>>,
    refusals: &Refusals<'_>,
    stop: &Stop,
) -> Result<(), Error> {
    let counts = recount.map_or(0, Recount::parts);
    let most = rounds.iter().copied().chain([counts]).max().unwrap_or(0);
    let rounds = Rounds::new(rounds, counts);
    let failure = FirstFailure::new(stop);
    std::thread::scope(|scope| {
        for worker in 0..target.workers().min(most.max(1)) {
            let (failure, rounds) = (&failure, &rounds);
            scope.spawn(move || {
                failure.run(|| {
                    while let Some(work) = rounds.take(&failure.stop)? {
                        match (work, recount) {
                            (Work::Make(round, number), _) => {
                                refusals.extend(target.make(
                                    worker,
                                    round,
                                    number,
                                    &failure.stop,
                                )?);
                                rounds.made();
                            }
                            (Work::Count(part), recount) => {
                                recount.map_or(Ok(()), |r| r.count(worker, part, &failure.stop))?;
                                rounds.counted();
                            }
                        }
                    }
                    Ok(())
                });
            });
        }
    });
    failure.result()
}

/// What a worker does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// A piece of a round.
    Make(usize, usize),
    /// A part of the recount.
    Count(usize),
}

/// Who does what, and when.
struct Rounds {
    rounds: Vec<usize>,
    counts: usize,
    /// Guards how far all is.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    round: usize,
    /// The next piece of the round.
    next: usize,
    /// Pieces of it that are being made.
    running: usize,
    /// The next part to count.
    count: usize,
    /// Parts that are being counted.
    counting: usize,
}

impl Rounds {
    fn new(rounds: Vec<usize>, counts: usize) -> Rounds {
        Rounds { rounds, counts, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The next piece of work; `None` when there is none left to begin. Every piece that was made
    /// is told to [`Rounds::made`], every part to [`Rounds::counted`]; a worker that fails stops
    /// `stop`.
    fn take(&self, stop: &Stop) -> Result<Option<Work>, Stopped> {
        let mut state = self.state.lock().expect("no panic while locked");
        loop {
            stop.check()?;
            while state.running == 0
                && self.rounds.get(state.round).is_some_and(|pieces| state.next >= *pieces)
            {
                (state.round, state.next) = (state.round + 1, 0);
            }
            let round = self.rounds.get(state.round).copied();
            if round.is_some_and(|pieces| state.next < pieces) {
                let work = Work::Make(state.round, state.next);
                (state.next, state.running) = (state.next + 1, state.running + 1);
                return Ok(Some(work));
            }
            let room = round.is_none() || state.counting < state.running;
            if state.count < self.counts && room {
                (state.count, state.counting) = (state.count + 1, state.counting + 1);
                return Ok(Some(Work::Count(state.count - 1)));
            }
            if round.is_none() {
                return Ok(None);
            }
            state = self.changed.wait_timeout(state, PATIENCE).expect("no panic while locked").0;
        }
    }

    /// A piece of a round was made.
    fn made(&self) {
        self.state.lock().expect("no panic while locked").running -= 1;
        self.changed.notify_all();
    }

    /// A part was counted.
    fn counted(&self) {
        self.state.lock().expect("no panic while locked").counting -= 1;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_waits_for_the_one_before_and_the_recount_fills_the_wait() {
        let (rounds, stop) = (Rounds::new(vec![2, 0, 1], 3), Stop::new());
        let take = || rounds.take(&stop).expect("not stopped");
        assert_eq!([take(), take()], [Some(Work::Make(0, 0)), Some(Work::Make(0, 1))]);
        assert_eq!(take(), Some(Work::Count(0)));
        rounds.made();
        rounds.counted();
        assert_eq!(take(), Some(Work::Count(1)), "one piece of the round is still being made");
        rounds.made();
        assert_eq!(take(), Some(Work::Make(2, 0)), "a round comes before the recount");
        assert_eq!(rounds.state.lock().expect("no panic").counting, 1, "no more count than make");
        rounds.made();
        assert_eq!([take(), take()], [Some(Work::Count(2)), None]);
        let idle = Rounds::new(Vec::new(), 1);
        assert_eq!([idle.take(&stop), idle.take(&stop)], [Ok(Some(Work::Count(0))), Ok(None)]);
    }

    #[test]
    fn nobody_leaves_or_begins_a_round_too_early() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (rounds, stop) = (Rounds::new(vec![20, 7, 13], 50), Stop::new());
        let (made, counted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(work) = rounds.take(&stop).expect("not stopped") {
                        match work {
                            Work::Make(round, _) => {
                                assert!(made.load(Ordering::SeqCst) >= [0, 20, 27][round]);
                                std::thread::sleep(Duration::from_micros(200));
                                made.fetch_add(1, Ordering::SeqCst);
                                rounds.made();
                            }
                            Work::Count(_) => {
                                counted.fetch_add(1, Ordering::SeqCst);
                                rounds.counted();
                            }
                        }
                    }
                });
            }
        });
        assert_eq!((made.into_inner(), counted.into_inner()), (40, 50));
    }
}
