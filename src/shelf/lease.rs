//! Leases: who reads a folder, and who removes from it. The objects, and the rules.
//!
//! Pure. A lease is an object of its folder, written once; whoever holds it writes another with the
//! same token before it is old, and removes the one before. Shared leases go together; an exclusive
//! one goes with no other. A lease is dead when the process that wrote it is gone from this machine,
//! or when it is older than its term by the clock of the store; the clock of this machine never
//! counts.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::artifact::Damage;
use crate::base::ProcessId;
use crate::store::contract::Object;

/// How old a lease is that nobody holds any more.
pub const TERM: SignedDuration = SignedDuration::from_mins(30);

/// How old the newest object of a lease is under which nothing is removed any more.
pub const TRUSTED: SignedDuration = SignedDuration::from_mins(25);

/// The same, as a time of this machine that passes.
pub const TRUSTED_TIME: Duration = Duration::from_secs(25 * 60);

/// Largest lease, in bytes.
pub const LARGEST_LEASE: u64 = 16 << 10;

/// The format of leases.
const FORMAT: u64 = 1;

const LEASE: &str = "vex-lease-";

/// What a lease allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseKind {
    /// To read: nobody removes anything meanwhile.
    Shared,
    /// To remove: nobody reads meanwhile.
    Exclusive,
}

impl LeaseKind {
    fn word(self) -> &'static str {
        match self {
            LeaseKind::Shared => "shared",
            LeaseKind::Exclusive => "exclusive",
        }
    }
}

/// What stands in a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseLine {
    /// Version of the format.
    pub format: u64,
    /// Whose it is: leases with one token never conflict.
    pub token: String,
    /// What holds it, for people.
    pub owner: String,
    /// Machine, for people.
    pub host: String,
    /// Where and when the process runs, if that can be told.
    #[serde(default)]
    pub process: Option<ProcessId>,
}

impl LeaseLine {
    /// A lease of the current format.
    pub fn new(token: &str, owner: &str, host: &str, process: Option<ProcessId>) -> LeaseLine {
        let [token, owner, host] = [token, owner, host].map(str::to_owned);
        LeaseLine { format: FORMAT, token, owner, host, process }
    }

    /// The lease as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("BUG: a lease that is not JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a lease.
    pub fn parse(bytes: &[u8]) -> Result<LeaseLine, Damage> {
        let line: LeaseLine =
            serde_json::from_slice(bytes).map_err(|e| Damage::Manifest(format!("a lease: {e}")))?;
        match line.format {
            FORMAT => Ok(line),
            found => Err(Damage::Newer { found, known: FORMAT }),
        }
    }
}

/// A lease as it stands in a folder.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its object.
    pub object: Object,
    /// What it allows.
    pub kind: LeaseKind,
    /// What stands in it; `None` where that can't be read. Then it may be anybody's.
    pub line: Option<LeaseLine>,
    /// When it was written, by the clock of the store.
    pub at: Timestamp,
}

impl Standing {
    /// Whether it is one of those with this token.
    pub fn is_of(&self, token: &str) -> bool {
        self.line.as_ref().is_some_and(|line| line.token == token)
    }

    /// Whether nobody holds it any more.
    pub fn is_dead(&self, now: Timestamp, is_gone: &dyn Fn(&ProcessId) -> bool) -> bool {
        let process = self.line.as_ref().and_then(|line| line.process.as_ref());
        now.duration_since(self.at) > TERM || process.is_some_and(is_gone)
    }

    /// Whether it keeps a holder of `token` from having a lease of this kind, as long as it lives.
    pub fn opposes(&self, kind: LeaseKind, token: &str) -> bool {
        let alone = LeaseKind::Exclusive;
        !self.is_of(token) && (kind == alone || self.kind == alone)
    }

    /// Who holds it, and since when, for people.
    pub fn holder(&self) -> String {
        match &self.line {
            Some(line) => format!("{} on {}, since {}", line.owner, line.host, self.at),
            None => format!("a lease that can't be read, {}, of {}", self.object.key, self.at),
        }
    }
}

/// The key of a lease in a folder, written at a moment of the store.
pub fn lease_key(folder: &str, kind: LeaseKind, at: Timestamp, random: u32) -> String {
    format!("{folder}{LEASE}{}-{}-{random:08x}.json", kind.word(), at.strftime("%Y%m%dT%H%M%SZ"))
}

/// What all keys of leases in a folder begin with.
pub fn lease_prefix(folder: &str) -> String {
    format!("{folder}{LEASE}")
}

/// What a key of a folder is of a lease, and when that was written by its name; `None` where it is
/// no lease of that folder.
pub fn parse_key(key: &str, folder: &str) -> Option<(LeaseKind, Timestamp)> {
    let rest = key.strip_prefix(folder)?.strip_prefix(LEASE)?.strip_suffix(".json")?;
    let (word, rest) = rest.split_once('-')?;
    let kind = [LeaseKind::Shared, LeaseKind::Exclusive].into_iter().find(|k| k.word() == word)?;
    let (moment, random) = rest.split_once('-')?;
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if random.len() != 8 || !random.bytes().all(is_hex) {
        return None;
    }
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", moment).ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    // One form only: what is not written so is not ours.
    (lease_key(folder, kind, at, u32::from_str_radix(random, 16).ok()?) == key)
        .then_some((kind, at))
}

/// The lease that keeps a holder of `token` from having one of this kind, if there is one.
pub fn opposing<'a>(
    all: &'a [Standing],
    (kind, token): (LeaseKind, &str),
    now: Timestamp,
    is_gone: &dyn Fn(&ProcessId) -> bool,
) -> Option<&'a Standing> {
    all.iter().find(|other| other.opposes(kind, token) && !other.is_dead(now, is_gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn process(pid: u32) -> ProcessId {
        let text = |s: &str| s.to_owned();
        let (machine, boot, namespace) = (text("m"), text("b"), text("pid:[1]"));
        ProcessId { machine, boot, namespace, pid, started: 5 }
    }

    /// A lease of `token`, written at a moment by process 1, or 2 where that is dead.
    fn standing(kind: LeaseKind, token: Option<&str>, since: &str, pid: u32) -> Standing {
        let line = token.map(|token| LeaseLine::new(token, "a run", "h", Some(process(pid))));
        let key = lease_key("f/", kind, at(since), 7);
        Standing { object: Object { key, bytes: 9, modified: None }, kind, line, at: at(since) }
    }

    #[test]
    fn a_key_says_what_it_is_and_nothing_else_is_one() {
        let moment = at("2026-11-29T21:04:05Z");
        for kind in [LeaseKind::Shared, LeaseKind::Exclusive] {
            for folder in ["", "a/", "a/b/"] {
                let key = lease_key(folder, kind, moment, 0x1f);
                assert_eq!(parse_key(&key, folder), Some((kind, moment)), "{key}");
            }
        }
        for other in [
            "f/vex-lease-shared-20261129T210405Z-0000001F.json",
            "f/vex-lease-shared-20261129T210405Z-1f.json",
            "f/vex-lease-shared-20261129T210405Z-0000001f",
            "f/vex-lease-owned-20261129T210405Z-0000001f.json",
            "f/vex-lease-shared-20261329T210405Z-0000001f.json",
            "f/vex-lease-shared-0000001f.json",
            "f/x/vex-lease-shared-20261129T210405Z-0000001f.json",
            "g/vex-lease-shared-20261129T210405Z-0000001f.json",
            "vex-lease-shared-20261129T210405Z-0000001f.json",
        ] {
            assert_eq!(parse_key(other, "f/"), None, "{other}");
        }
    }

    #[test]
    fn who_may_have_a_lease_beside_which() {
        use LeaseKind::{Exclusive, Shared};
        let (then, now) = ("2026-11-29T21:00:00Z", at("2026-11-29T21:30:00Z"));
        let gone: &dyn Fn(&ProcessId) -> bool = &|p| p.pid == 2;
        let may = |other: Standing, kind| opposing(&[other], (kind, "mine"), now, gone).is_none();
        for (held, wanted, together) in [
            (Shared, Shared, true),
            (Shared, Exclusive, false),
            (Exclusive, Shared, false),
            (Exclusive, Exclusive, false),
        ] {
            let what = format!("{held:?} {wanted:?}");
            // Exactly as old as its term it still holds.
            assert_eq!(may(standing(held, Some("theirs"), then, 1), wanted), together, "{what}");
            assert!(may(standing(held, Some("mine"), then, 1), wanted), "{what}: one's own");
            assert!(may(standing(held, Some("theirs"), then, 2), wanted), "{what}: gone");
            let old = "2026-11-29T20:59:59Z";
            assert!(may(standing(held, Some("theirs"), old, 1), wanted), "{what}: stale");
            assert!(may(standing(held, None, old, 1), wanted), "{what}: stale, unreadable");
            // Nobody knows whose it is: it may be anybody's.
            assert_eq!(may(standing(held, None, then, 1), wanted), together, "{what}");
            // A clock that is fast dates into the future, and makes nothing stale.
            let later = "2026-11-29T23:00:00Z";
            assert_eq!(may(standing(held, Some("theirs"), later, 1), wanted), together, "{what}");
        }
    }

    #[test]
    fn a_lease_reads_back_and_a_newer_one_is_no_guess() {
        let line = LeaseLine::new("t", "o", "h", Some(process(3)));
        assert_eq!(LeaseLine::parse(&line.to_bytes()).expect("reads back"), line);
        let newer = LeaseLine { format: 2, ..line };
        assert!(matches!(LeaseLine::parse(&newer.to_bytes()), Err(Damage::Newer { found: 2, .. })));
    }
}
