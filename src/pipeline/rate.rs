//! How many bytes a second may go by, at most.
//!
//! Knows no store and no source. Whoever moves bytes asks before it does and waits its turn; what is
//! moved at once is paid for before the next, so the rate holds over seconds, not within one. A wait
//! is told, so that it is no stall.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::base::{Size, Stop, Stopped};
use crate::pipeline::meter::Meter;

/// Waits that are shorter are not told.
const BRIEF: Duration = Duration::from_secs(1);

/// A rate, shared by all who move bytes under it.
pub struct Rate {
    /// Bytes a second.
    most: u64,
    /// Guards when the next bytes may go.
    next: Mutex<Instant>,
}

impl Rate {
    /// So many bytes a second.
    pub fn new(most: u64) -> Rate {
        Rate { most: most.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits until so many bytes may go.
    pub fn pass(&self, bytes: u64, meter: &Meter, stop: &Stop) -> Result<(), Stopped> {
        let wait = {
            let mut next = self.next.lock().expect("no panic while locked");
            let (now, own) = (Instant::now(), *next);
            *next = own.max(now) + Duration::from_secs_f64(bytes as f64 / self.most as f64);
            own.saturating_duration_since(now)
        };
        if wait.is_zero() {
            return stop.check();
        }
        let told = (wait > BRIEF)
            .then(|| meter.wait(format!("the rate of {}/s in the job file", Size(self.most))));
        let slept = stop.sleep(wait);
        drop(told);
        slept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_holds_whoever_moves_and_a_stop_ends_the_wait() {
        let (rate, meter, stop) = (Rate::new(1000), Meter::default(), Stop::new());
        let since = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| rate.pass(100, &meter, &stop).expect("passes"));
            }
        });
        rate.pass(1, &meter, &stop).expect("passes");
        // The first goes at once, each other when what went before is paid for.
        assert!(since.elapsed() >= Duration::from_millis(300), "{:?}", since.elapsed());
        rate.pass(1_000_000, &meter, &stop).expect("its turn");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| rate.pass(1, &meter, &stop));
            while meter.waits().is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(meter.waits(), ["the rate of 1000 B/s in the job file"]);
            stop.stop();
            assert!(waits.join().expect("no panic").is_err());
        });
    }
}
