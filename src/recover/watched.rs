//! Work whose counters are shown, and which is stopped when they stand still and nobody says what
//! is waited for. A wait that takes long is told with its reason.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::base::Stop;
use crate::pipeline::{self, Counts, Meter};
use crate::record::Progress;
use crate::recover::fault::Fault;
use crate::run::Say;

/// Time between two readings of the meter.
const TICK: Duration = Duration::from_millis(200);

/// A step in which nothing moves for this long has stalled.
const STALL: Duration = Duration::from_secs(900);

/// A wait that takes longer than this is told, and again each time as much went by.
const TOLD: Duration = Duration::from_secs(60);

/// Runs work while its counters are shown, and stops it when they stand still.
pub fn watched<T>(
    meter: &Meter,
    say: &Say,
    stop: &Stop,
    each_tick: &(dyn Fn() + Sync),
    work: impl FnOnce(&Stop) -> Result<T, pipeline::Error>,
) -> Result<T, Fault> {
    let patience = Patience { stall: STALL, told: TOLD };
    patience.watch(meter, say, stop, each_tick, work)
}

/// How long nothing may move.
struct Patience {
    /// Until the work is stopped, if nothing is waited for.
    stall: Duration,
    /// Until what is waited for is told.
    told: Duration,
}

impl Patience {
    fn watch<T>(
        &self,
        meter: &Meter,
        say: &Say,
        stop: &Stop,
        each_tick: &(dyn Fn() + Sync),
        work: impl FnOnce(&Stop) -> Result<T, pipeline::Error>,
    ) -> Result<T, Fault> {
        let (inner, over) = (stop.child(), Stop::new());
        let stalled = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                stalled.store(self.stalls(meter, say, &over, each_tick), Ordering::SeqCst);
                if stalled.load(Ordering::SeqCst) {
                    inner.stop();
                }
            });
            // Also where the work panics: nobody would end the thread beside it.
            let _ends = Ends(&over);
            work(&inner)
        });
        say.progress(progress(meter.counts()));
        if stalled.load(Ordering::SeqCst) {
            return Err(Fault::Stalled(self.stall.as_secs()));
        }
        Ok(result?)
    }

    /// Shows the counters until the work is over, or stands still for too long: whether it does.
    fn stalls(&self, meter: &Meter, say: &Say, over: &Stop, each_tick: &dyn Fn()) -> bool {
        let (mut last, mut since, mut told) = (Counts::default(), Instant::now(), self.told);
        while over.sleep(TICK.min(self.stall / 4)).is_ok() {
            each_tick();
            let (counts, waits) = (meter.counts(), meter.waits());
            if counts != last {
                (last, since, told) = (counts, Instant::now(), self.told);
                say.progress(progress(counts));
            } else if let Some(longest) = waits.first() {
                if since.elapsed() > told {
                    let seconds = since.elapsed().as_secs();
                    say.info(format!("nothing came for {seconds} s: waiting for {longest}"));
                    told += self.told;
                }
            } else if since.elapsed() > self.stall {
                return true;
            }
        }
        false
    }
}

/// Stops when it is dropped.
struct Ends<'a>(&'a Stop);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn progress(counts: Counts) -> Progress {
    Progress {
        raw: counts.raw,
        rows: counts.rows,
        stored: counts.stored,
        sent: counts.sent,
        estimate: counts.estimate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Event;
    use crate::run::Message;

    const SHORT: Patience =
        Patience { stall: Duration::from_millis(40), told: Duration::from_millis(20) };

    #[test]
    fn what_stands_still_is_stopped_unless_it_waits_for_its_server() {
        let (to, heard) = crossbeam_channel::unbounded();
        let (say, stop, meter) = (Say::new(0, to), Stop::new(), Meter::default());
        let still = |inner: &Stop| Ok(inner.sleep(Duration::from_secs(3600))?);
        let stalled = SHORT.watch(&meter, &say, &stop, &|| (), still);
        assert!(matches!(stalled, Err(Fault::Stalled(_))), "{stalled:?}");
        // As long as a server computes; what it computes is told, twice.
        let told = || {
            let said = heard.try_iter().filter(|message| {
                matches!(message, Message::Event(Event::Said { text, .. })
                    if text.ends_with("waiting for the count of t"))
            });
            said.count()
        };
        let computes = |inner: &Stop| {
            let _wait = meter.wait("the count of t");
            let mut times = 0;
            while times < 2 {
                inner.sleep(Duration::from_millis(1))?;
                times += told();
            }
            Ok(())
        };
        SHORT.watch(&meter, &say, &stop, &|| (), computes).expect("it only waits");
        assert!(meter.waits().is_empty(), "the wait is over");
    }
}
