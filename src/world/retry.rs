//! How long to wait before trying again: exponential, with full jitter, capped.
//!
//! Does not decide whether to try again: the error's kind does. Full jitter as in "Exponential
//! Backoff And Jitter" (AWS Architecture Blog, 2015): a uniform wait below the cap, so that clients
//! do not march in step.

use std::time::{Duration, Instant};

use crate::base::{Stop, Stopped, Tries};
use crate::world::entropy::Entropy;

/// Counts the tries of one call.
#[derive(Debug)]
pub struct Backoff {
    tries: u32,
    limit: u32,
    first: Duration,
    longest: Duration,
    since: Instant,
    history: Tries,
}

impl Backoff {
    /// At most `limit` tries; waits up to `first`, doubling, never over `longest`.
    pub fn new(limit: u32, first: Duration, longest: Duration) -> Backoff {
        let (since, history) = (Instant::now(), Tries::default());
        Backoff { tries: 1, limit, first, longest, since, history }
    }

    /// Waits before the next try; `Ok(false)` when there is none left.
    pub fn wait(&mut self, entropy: &Entropy, stop: &Stop) -> Result<bool, Stopped> {
        if self.tries >= self.limit {
            return Ok(false);
        }
        let cap = self.first.saturating_mul(1 << (self.tries - 1).min(16)).min(self.longest);
        stop.sleep(cap.mul_f64(f64::from(entropy.bits()) / f64::from(u32::MAX)))?;
        self.tries += 1;
        Ok(true)
    }

    /// Notes what a try found.
    pub fn note(&mut self, found: &str) {
        self.history.note(found);
        self.history.seconds = self.since.elapsed().as_secs();
    }

    /// What the tries found.
    pub fn history(&self) -> Tries {
        self.history.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_end_at_the_limit_and_a_stop_ends_the_wait() {
        let mut backoff = Backoff::new(3, Duration::ZERO, Duration::ZERO);
        let stop = Stop::new();
        assert_eq!(backoff.wait(&Entropy::Os, &stop), Ok(true));
        assert_eq!(backoff.wait(&Entropy::Os, &stop), Ok(true));
        assert_eq!(backoff.wait(&Entropy::Os, &stop), Ok(false));
        assert_eq!(backoff.tries, 3);
        stop.stop();
        let mut long = Backoff::new(3, Duration::from_secs(3600), Duration::from_secs(3600));
        assert!(long.wait(&Entropy::Fixed(u32::MAX), &stop).is_err());
    }
}
