//! A chain that failed is begun anew: `retry=` and `delay=` of a dump.
//!
//! Does not know how a chain is performed. Invariant: each try is a whole new snapshot, and a chain
//! that made any copy is never tried again.

use std::time::{Duration, Instant};

use jiff::SignedDuration;

use crate::base::Stop;
use crate::job::Engine;
use crate::plan::Backup;
use crate::record::{Failure, TriesFacts};
use crate::recover::Fault;
use crate::run::{Done, Say};
use crate::step::perform::Steps;

impl Steps {
    /// Performs a backup, anew where it failed and the job wants that.
    pub(super) fn tries(&self, backup: &Backup, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let begun = Instant::now();
        let mut found: Vec<(String, u32)> = Vec::new();
        for number in 1.. {
            let ended = self.once(backup, say, stop);
            let failure = match &ended {
                Err(fault) => Some(fault.failure()),
                Ok(done) => done.failure.clone().filter(|_| done.made.is_empty()),
            };
            let Some(failure) = failure.filter(|_| !stop.is_stopped()) else { return ended };
            note(&mut found, failure.line());
            if number > backup.retry.times || self.would_be_late(backup, say) {
                let tries = TriesFacts { count: number, seconds: begun.elapsed().as_secs(), found };
                return Ok(given_up(ended, failure, tries));
            }
            let (all, delay) = (backup.retry.times + 1, spoken(backup.retry.delay));
            let line = failure.line();
            say.alert(format!("try {number} of {all} failed: {line}; the next begins in {delay}"));
            if stop.sleep(backup.retry.delay).is_err() {
                return Ok(Done::interrupted());
            }
        }
        unreachable!("BUG: tries are counted without end")
    }

    /// One try.
    fn once(&self, backup: &Backup, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        match backup.engine {
            Engine::Rman(rman) => self.rman(backup, rman, say, stop),
            Engine::Native
            | Engine::Mydumper
            | Engine::Mysqldump
            | Engine::PgDump(_)
            | Engine::Basebackup => self.backup(backup, say, stop),
        }
    }

    /// Whether the next try would begin after the time in which sources are read.
    fn would_be_late(&self, backup: &Backup, say: &Say) -> bool {
        let next = self.world.clock.now().checked_add(backup.retry.delay);
        let late = self.window().is_some_and(|end| next.is_ok_and(|next| next >= end));
        if late {
            say.alert("there is no further try: it would begin after `not-after` of the job");
        }
        late
    }
}

/// A time as it is written in a job file.
fn spoken(time: Duration) -> String {
    SignedDuration::try_from(time).map_or_else(|_| format!("{time:?}"), |time| format!("{time:#}"))
}

/// What the last try came to, with all that were made.
fn given_up(ended: Result<Done, Fault>, failure: Failure, tries: TriesFacts) -> Done {
    let tries = if tries.count > 1 { Some(tries) } else { failure.tries.clone() };
    let failure = Failure { tries, ..failure };
    match ended {
        Ok(done) => Done { failure: Some(failure), ..done },
        Err(_) => Done::failed(failure),
    }
}

/// Counts what a try found.
fn note(found: &mut Vec<(String, u32)>, line: String) {
    match found.iter_mut().find(|(known, _)| *known == line) {
        Some((_, times)) => *times += 1,
        None => found.push((line, 1)),
    }
}
