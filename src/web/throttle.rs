//! How fast somebody may try passwords: a delay that doubles for each failure of an address, and of
//! an account from addresses that never signed in to it.
//!
//! Knows no password. Invariants: memory is bounded; a try is counted before its password is looked
//! at, so that tries at once are no more than tries in turn; an address that did not fail lately, or
//! from which an account has signed in, is never slowed down by what others try against that
//! account, so that nobody can lock an administrator out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Failures that cost nothing.
const FREE: u32 = 4;

/// The longest delay.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a failure counts.
const MEMORY: Duration = Duration::from_secs(900);

/// Subjects that are remembered at most; the oldest are forgotten first.
const MOST: usize = 4096;

/// What failed: an address, or an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Address(Net),
    Account(String),
}

/// An address as one subject: all of IPv4, the first half of IPv6, which one machine has whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Net([u8; 16]);

impl Net {
    fn of(peer: IpAddr) -> Net {
        match peer {
            IpAddr::V4(v4) => Net(v4.to_ipv6_mapped().octets()),
            IpAddr::V6(v6) => {
                let mut octets = v6.octets();
                if v6.to_ipv4_mapped().is_none() {
                    octets[8..].fill(0);
                }
                Net(octets)
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Remembers failures.
#[derive(Debug, Default)]
pub struct Throttle {
    failures: BTreeMap<Subject, Failures>,
    /// Accounts and the addresses that signed in to them.
    friends: BTreeSet<(String, Net)>,
}

impl Throttle {
    /// How long to wait before the next try; zero for now.
    pub fn wait(&self, peer: IpAddr, login: &str, now: Instant) -> Duration {
        let net = Net::of(peer);
        let of = |subject: &Subject| {
            let known = self.failures.get(subject)?;
            let over = known.count.checked_sub(FREE)?;
            let delay = Duration::from_secs(1 << over.min(6)).min(LONGEST);
            Some(delay.saturating_sub(now.duration_since(known.last)))
        };
        let address = of(&Subject::Address(net)).unwrap_or_default();
        let is_friend = self.friends.contains(&(login.to_owned(), net));
        let lately = |f: &Failures| f.count > 0 && now.duration_since(f.last) <= MEMORY;
        let failed = self.failures.get(&Subject::Address(net)).is_some_and(lately);
        let account = match is_friend || !failed {
            true => Duration::ZERO,
            false => of(&Subject::Account(login.to_owned())).unwrap_or_default(),
        };
        address.max(account)
    }

    /// Counts a try as a failure, to be taken back by [`Throttle::succeed`] or [`Throttle::undo`]; how
    /// long to wait where it comes too early.
    pub fn begin(&mut self, peer: IpAddr, login: &str, now: Instant) -> Result<u32, Duration> {
        match self.wait(peer, login, now) {
            Duration::ZERO => Ok(self.fail(peer, login, now)),
            wait => Err(wait),
        }
    }

    /// Takes a try back that was none.
    pub fn undo(&mut self, peer: IpAddr, login: &str) {
        for subject in [Subject::Account(login.to_owned()), Subject::Address(Net::of(peer))] {
            if let Some(known) = self.failures.get_mut(&subject) {
                known.count = known.count.saturating_sub(1);
            }
        }
    }

    /// Notes a failure; returns how many there were of that address.
    fn fail(&mut self, peer: IpAddr, login: &str, now: Instant) -> u32 {
        let mut count = 0;
        for subject in [Subject::Account(login.to_owned()), Subject::Address(Net::of(peer))] {
            let known = self.failures.entry(subject).or_insert(Failures { count: 0, last: now });
            if now.duration_since(known.last) > MEMORY {
                known.count = 0;
            }
            known.count = known.count.saturating_add(1);
            known.last = now;
            count = known.count;
        }
        self.forget(now);
        count
    }

    /// Notes that somebody signed in.
    pub fn succeed(&mut self, peer: IpAddr, login: &str) {
        let net = Net::of(peer);
        self.undo(peer, login);
        self.failures.remove(&Subject::Address(net));
        if self.friends.len() >= MOST {
            self.friends.pop_first();
        }
        self.friends.insert((login.to_owned(), net));
    }

    fn forget(&mut self, now: Instant) {
        if self.failures.len() <= MOST {
            return;
        }
        self.failures.retain(|_, known| now.duration_since(known.last) <= MEMORY);
        while self.failures.len() > MOST {
            let oldest = self.failures.iter().min_by_key(|(_, f)| f.last).map(|(s, _)| s.clone());
            oldest.map(|subject| self.failures.remove(&subject));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_cost_time_and_an_administrator_is_never_locked_out() {
        let (own, foe): (IpAddr, IpAddr) =
            ("10.0.0.1".parse().expect("an address"), "10.9.9.9".parse().expect("an address"));
        let mut throttle = Throttle::default();
        let now = Instant::now();
        throttle.succeed(own, "admin");
        for _ in 0..20 {
            throttle.fail(foe, "admin", now);
        }
        assert_eq!(throttle.wait(foe, "admin", now), LONGEST);
        assert_eq!(throttle.wait(foe, "other", now), LONGEST, "the address pays for any account");
        assert_eq!(throttle.wait(own, "admin", now), Duration::ZERO);
        let third = "10.3.3.3".parse().expect("an address");
        assert_eq!(throttle.wait(third, "admin", now), Duration::ZERO, "it did not fail yet");
        throttle.fail(third, "admin", now);
        assert_eq!(throttle.wait(third, "admin", now), LONGEST, "it is one of many that fail");
        assert_eq!(throttle.wait(third, "admin", now + LONGEST), Duration::ZERO);
    }

    #[test]
    fn tries_at_once_are_no_more_than_tries_in_turn() {
        let peer = "10.9.9.9".parse().expect("an address");
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let begun = (0..50).filter(|_| throttle.begin(peer, "admin", now).is_ok()).count();
        assert_eq!(begun, FREE as usize);
        throttle.undo(peer, "admin");
        assert!(throttle.begin(peer, "admin", now).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for i in 0..MOST as u32 + 50 {
            throttle.fail(IpAddr::from(i.to_be_bytes()), &format!("u{i}"), now);
        }
        assert!(throttle.failures.len() <= MOST);
    }
}
