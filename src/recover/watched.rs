//! Work whose counters are shown, and which is stopped when they stand still.

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

/// Runs work while its counters are shown, and stops it when they stand still.
pub fn watched<T>(
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
            let (mut last, mut since) = (Counts::default(), Instant::now());
            while over.sleep(TICK).is_ok() {
                each_tick();
                let counts = meter.counts();
                if counts != last {
                    (last, since) = (counts, Instant::now());
                    say.progress(progress(counts));
                } else if since.elapsed() > STALL && !meter.is_waiting() {
                    stalled.store(true, Ordering::SeqCst);
                    inner.stop();
                    return;
                }
            }
        });
        // Also where the work panics: nobody would end the thread beside it.
        let _ends = Ends(&over);
        work(&inner)
    });
    say.progress(progress(meter.counts()));
    if stalled.load(Ordering::SeqCst) {
        return Err(Fault::Stalled(STALL.as_secs()));
    }
    Ok(result?)
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
