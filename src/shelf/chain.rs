//! Which artifacts of a folder are of one backup chain, and which were made by another host, job
//! file, database or machine (design, section 6).
//!
//! Pure: heads, notes and moments in, an answer for each artifact out. A chain is (job, source,
//! origin, kind) of one job file. What is not of the chain is left alone by whoever asks; a false
//! difference costs an alert, a false sameness a backup. So:
//! - another origin or another file is never taken over by time, only by `vex adopt`;
//! - another machine sign under one origin may be a move or a clone. What the older sign made waits
//!   for seven days, or twice its longest gap; if the older sign makes a backup after the newer one
//!   began, they are two machines, for good;
//! - formats 1 to 3 name no origin: they are of the chain if this host made them and no other
//!   origin is about.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::artifact::{Head, Origin};
use crate::shelf::note::{Adopt, ChainName, Notes};
use crate::shelf::shelved::Shelved;

/// How long a new machine sign leaves alone what an older one made, at least.
const WAIT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Who asks.
#[derive(Debug, Clone)]
pub struct Own {
    /// The job file, absolute.
    pub file: String,
    /// The job.
    pub job: String,
    /// The source.
    pub source: String,
    /// Kind of the source.
    pub kind: String,
    /// Which database it is.
    pub origin: Origin,
    /// This machine, which formats 1 to 3 name.
    pub host: String,
    /// The longest gap between two moments of the job's schedule.
    pub gap: Option<SignedDuration>,
}

impl Own {
    /// The chain, of any machine.
    pub fn name(&self) -> ChainName {
        ChainName {
            file: Some(self.file.clone()),
            job: self.job.clone(),
            source: self.source.clone(),
            kind: self.kind.clone(),
            origin: Some(self.origin.id.clone()),
            sign: None,
            host: None,
        }
    }
}

/// Whose an artifact is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belongs {
    /// The chain's own.
    Own,
    /// Made under an older machine sign, which may yet come back: left alone until then.
    Waits(Timestamp),
    /// Made on another machine of the same origin, or on one whose sign can't be read.
    Machine(Option<String>),
    /// Made by another file, database or host.
    Foreign(ChainName),
}

/// What was found about a folder.
#[derive(Debug, Clone, Default)]
pub struct Division {
    /// Whose each artifact is, in the order given.
    pub belongs: Vec<Belongs>,
    /// A finding that is to be written down.
    pub finding: Option<Vec<String>>,
}

impl Division {
    /// The chains that are left alone and somebody must decide about, each once with how many
    /// artifacts it has.
    pub fn foreign(&self) -> Vec<(ChainName, usize)> {
        let mut found: Vec<(ChainName, usize)> = Vec::new();
        for belongs in &self.belongs {
            let Belongs::Foreign(chain) = belongs else { continue };
            match found.iter_mut().find(|(known, _)| known == chain) {
                Some((_, count)) => *count += 1,
                None => found.push((chain.clone(), 1)),
            }
        }
        found
    }

    /// The signs of other machines that share the origin.
    pub fn machines(&self) -> Vec<String> {
        let signs = self.belongs.iter().filter_map(|b| match b {
            Belongs::Machine(Some(sign)) => Some(sign.clone()),
            Belongs::Machine(None) | Belongs::Own | Belongs::Waits(_) | Belongs::Foreign(_) => None,
        });
        let mut signs: Vec<String> = signs.collect();
        signs.sort_unstable();
        signs.dedup();
        signs
    }
}

/// Says of each artifact of a folder whose it is; `now` is by the clock of the store.
pub fn divide(own: &Own, all: &[Shelved], notes: &Notes, now: Timestamp) -> Division {
    let chain = adopted(own.name(), &notes.adopts);
    let named = |a: &&Shelved| (&a.head.job, &a.head.source) == (&own.job, &own.source);
    let others = all.iter().filter(named).filter_map(|a| a.head.origin.as_ref());
    let alone = others.into_iter().all(|o| o.id == own.origin.id);
    let is_own = |head: &Head| match &head.origin {
        None if head.kind == own.kind && head.host == own.host && alone => true,
        None | Some(_) => chain.iter().any(|c| c.covers(&ChainName::of(head))),
    };
    let mut division = Division::default();
    let signs =
        Signs::of(all.iter().filter(|a| is_own(&a.head)), (&own.origin.id, own.gap), notes, now);
    let mut two = Vec::new();
    for artifact in all {
        division.belongs.push(match &artifact.head.origin {
            _ if !is_own(&artifact.head) => Belongs::Foreign(ChainName::of(&artifact.head)),
            None => Belongs::Own,
            Some(origin) if origin.has_sign_of(&own.origin) => Belongs::Own,
            // One that can't be read equals no other.
            Some(origin) => match (&own.origin.sign, &origin.sign) {
                (Some(own_sign), Some(sign)) => match signs.judge(own_sign, sign) {
                    Judged::Moved => Belongs::Own,
                    Judged::Waits(until) => Belongs::Waits(until),
                    Judged::Two { known } => {
                        if !known {
                            two = vec![own_sign.clone(), sign.clone()];
                        }
                        Belongs::Machine(Some(sign.clone()))
                    }
                },
                _ => Belongs::Machine(None),
            },
        });
    }
    division.finding = Some(two).filter(|two| !two.is_empty());
    division
}

/// All chains that are one with `own`, by what was adopted.
pub(super) fn adopted(own: ChainName, adopts: &[Adopt]) -> Vec<ChainName> {
    let mut chain = vec![own];
    loop {
        let before = chain.len();
        for adopt in adopts {
            let joins = |name: &ChainName, all: &[ChainName]| {
                all.iter().any(|c| c.covers(name) || name.covers(c))
            };
            for (one, other) in [(&adopt.from, &adopt.to), (&adopt.to, &adopt.from)] {
                // The sign of a note says which machines are one, not which chains are.
                let (one, other) = (unsigned(one), unsigned(other));
                if joins(&one, &chain) && !joins(&other, &chain) {
                    chain.push(other);
                }
            }
        }
        if chain.len() == before {
            return chain;
        }
    }
}

fn unsigned(name: &ChainName) -> ChainName {
    ChainName { sign: None, ..name.clone() }
}

/// When each sign made its artifacts, of one chain.
pub(super) struct Signs<'a> {
    /// Moments by sign, oldest first.
    moments: BTreeMap<&'a str, Vec<Timestamp>>,
    origin: &'a str,
    gap: Option<SignedDuration>,
    notes: &'a Notes,
    now: Timestamp,
}

/// What another sign means.
pub(super) enum Judged {
    /// The same database moved.
    Moved,
    /// It may have moved.
    Waits(Timestamp),
    /// Two machines; whether that is written down already.
    Two { known: bool },
}

impl<'a> Signs<'a> {
    /// Of these artifacts, which are of one origin.
    pub(super) fn of(
        all: impl Iterator<Item = &'a Shelved>,
        (origin, gap): (&'a str, Option<SignedDuration>),
        notes: &'a Notes,
        now: Timestamp,
    ) -> Signs<'a> {
        let mut moments: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
        for artifact in all {
            let sign = artifact.head.origin.as_ref().filter(|o| !o.anywhere);
            if let Some(sign) = sign.and_then(|o| o.sign.as_deref()) {
                moments.entry(sign).or_default().push(artifact.since());
            }
        }
        moments.values_mut().for_each(|m| m.sort_unstable());
        Signs { moments, origin, gap, notes, now }
    }

    /// What it means that `other` made artifacts besides `own`.
    pub(super) fn judge(&self, own: &str, other: &str) -> Judged {
        let both =
            |signs: &[String]| signs.iter().any(|s| s == own) && signs.iter().any(|s| s == other);
        let found = self.notes.machines.iter().filter(|m| m.origin == self.origin);
        let found = found.filter(|m| both(&m.signs)).map(|m| m.at).max();
        let joined = self.notes.adopts.iter().filter(|a| {
            let signs: Vec<String> =
                [&a.from.sign, &a.to.sign].into_iter().flatten().cloned().collect();
            both(&signs)
        });
        let joined = joined.map(|a| a.at).max();
        if joined.is_some() && joined >= found {
            return Judged::Moved;
        }
        if found.is_some() {
            return Judged::Two { known: true };
        }
        let none = Vec::new();
        let (ours, theirs) =
            (self.moments.get(own).unwrap_or(&none), self.moments.get(other).unwrap_or(&none));
        let (Some(our_first), Some(their_first), Some(their_last)) =
            (ours.first(), theirs.first(), theirs.last())
        else {
            // Nothing was made here yet: what others made waits for the first backup of this one.
            return Judged::Waits(self.now.checked_add(WAIT).unwrap_or(Timestamp::MAX));
        };
        let our_last = ours.last().unwrap_or(our_first);
        let two = match our_first < their_first {
            true => our_last > their_first,
            false => their_last > our_first,
        };
        if two {
            return Judged::Two { known: false };
        }
        // Counted from the first backup of whichever sign came next.
        let next = self.moments.iter().filter(|(sign, _)| **sign != other);
        let next = next.flat_map(|(_, m)| m).filter(|m| *m >= their_last).min();
        let until = next.unwrap_or(our_first).checked_add(self.wait(theirs));
        let until = until.unwrap_or(Timestamp::MAX);
        if self.now >= until { Judged::Moved } else { Judged::Waits(until) }
    }

    /// How long an older sign may still come back.
    fn wait(&self, theirs: &[Timestamp]) -> SignedDuration {
        let gaps = theirs.windows(2).map(|pair| pair[1].duration_since(pair[0]));
        let gaps = gaps.chain(self.gap).max().unwrap_or_default();
        WAIT.max(gaps.checked_mul(2).unwrap_or(SignedDuration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shelf::lineage::groups;
    use crate::shelf::note::Machines;

    const FILE: &str = "/etc/vex/nightly.kdl";

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).expect("in range")
    }

    fn origin(id: &str, sign: &str) -> Origin {
        Origin { id: id.into(), sign: Some(sign.into()), anywhere: false, server: None }
    }

    /// A backup of a day, by its origin and machine sign.
    fn made(at: i64, id: &str, sign: &str) -> Shelved {
        let text = include_str!("../../tests/fixtures/head.json");
        let head = Head::parse(text.as_bytes()).expect("a head");
        let head = Head {
            file: Some(FILE.into()),
            job: "nightly".into(),
            source: "shop".into(),
            kind: "mysql".into(),
            origin: Some(origin(id, sign)),
            host: sign.into(),
            finished: day(at),
            ..head
        };
        Shelved { head, stored: Some(day(at)), proofs: Vec::new() }
    }

    fn old(at: i64, host: &str) -> Shelved {
        let mut artifact = made(at, "", host);
        (artifact.head.origin, artifact.head.file, artifact.head.format) = (None, None, 3);
        artifact
    }

    fn own(id: &str, sign: &str) -> Own {
        Own {
            file: FILE.into(),
            job: "nightly".into(),
            source: "shop".into(),
            kind: "mysql".into(),
            origin: origin(id, sign),
            host: sign.into(),
            gap: None,
        }
    }

    /// What is whose: `o` own, `w` waits, `m` another machine's, `f` foreign.
    fn whose(own: &Own, all: &[Shelved], notes: &Notes, now: i64) -> String {
        let letter = |b: &Belongs| match b {
            Belongs::Own => 'o',
            Belongs::Waits(_) => 'w',
            Belongs::Machine(_) => 'm',
            Belongs::Foreign(_) => 'f',
        };
        divide(own, all, notes, day(now)).belongs.iter().map(letter).collect()
    }

    fn labels(all: &[Shelved], notes: &Notes, now: i64) -> Vec<String> {
        let all: Vec<&Shelved> = all.iter().collect();
        let found = groups(&all, notes, "h1", Some(FILE), day(now));
        found.into_iter().map(|g| format!("{} {}", g.label, g.artifacts.len())).collect()
    }

    #[test]
    fn another_database_or_file_is_foreign_for_good_and_never_chosen_silently() {
        let notes = Notes::default();
        let mut all = vec![made(0, "a", "h1"), made(1, "b", "h2"), made(2, "a", "h1")];
        assert_eq!(whose(&own("a", "h1"), &all, &notes, 900), "ofo");
        assert_eq!(labels(&all, &notes, 900), ["a 2", "b 1"]);
        all[1] = made(1, "a", "h1");
        all[1].head.file = Some("/other.kdl".into());
        assert_eq!(whose(&own("a", "h1"), &all, &notes, 900), "ofo");
        // The file that asks takes its own.
        assert_eq!(labels(&all, &notes, 900), ["a 2"]);
        all[1] = made(1, "a", "h1");
        all[1].head.kind = "postgres".into();
        assert_eq!(whose(&own("a", "h1"), &all, &notes, 900), "ofo");
    }

    #[test]
    fn a_new_sign_takes_over_after_a_week_and_a_clone_never_does() {
        let notes = Notes::default();
        let moved = vec![made(0, "a", "h1"), made(1, "a", "h1"), made(2, "a", "h2")];
        assert_eq!(whose(&own("a", "h2"), &moved, &notes, 8), "wwo");
        assert_eq!(labels(&moved, &notes, 8), ["a@h1 2", "a@h2 1"]);
        assert_eq!(whose(&own("a", "h2"), &moved, &notes, 9), "ooo");
        assert_eq!(labels(&moved, &notes, 9), ["a 3"]);
        // A weekly job is waited for for two weeks.
        let weekly = Own { gap: Some(SignedDuration::from_hours(7 * 24)), ..own("a", "h2") };
        assert_eq!(whose(&weekly, &moved, &notes, 15), "wwo");
        assert_eq!(whose(&weekly, &moved, &notes, 16), "ooo");
        // The old sign came back: two machines, each with its own, from either side.
        let mut cloned = moved.clone();
        cloned.push(made(3, "a", "h1"));
        assert_eq!(whose(&own("a", "h2"), &cloned, &notes, 900), "mmom");
        assert_eq!(whose(&own("a", "h1"), &cloned, &notes, 900), "oomo");
        assert_eq!(labels(&cloned, &notes, 900), ["a@h1 3", "a@h2 1"]);
        let finding = divide(&own("a", "h1"), &cloned, &notes, day(3)).finding;
        assert_eq!(finding, Some(vec!["h1".to_owned(), "h2".to_owned()]));
        // What was found holds when the backups that showed it are gone.
        let signs = finding.expect("found");
        let machines = Machines { format: 1, origin: "a".into(), signs, at: day(3) };
        let notes = Notes { machines: vec![machines], ..Notes::default() };
        assert_eq!(whose(&own("a", "h2"), &moved, &notes, 900), "mmo");
        assert_eq!(divide(&own("a", "h2"), &moved, &notes, day(900)).finding, None);
    }

    #[test]
    fn containers_that_are_made_anew_each_week_keep_one_chain() {
        let notes = Notes::default();
        let mut all: Vec<Shelved> = Vec::new();
        for week in 0..10 {
            let sign = format!("pod-{week}");
            for night in 0..7 {
                all.push(made(week * 7 + night, "a", &sign));
                let division = divide(&own("a", &sign), &all, &notes, day(week * 7 + night));
                assert!(division.foreign().is_empty() && division.machines().is_empty());
            }
        }
        let last = own("a", "pod-9");
        assert_eq!(whose(&last, &all, &notes, 70), "o".repeat(70));
        let waits = format!("{}{}o", "o".repeat(56), "w".repeat(7));
        assert_eq!(whose(&last, &all[..64], &notes, 63), waits);
    }

    #[test]
    fn an_identity_is_one_chain_on_every_machine_and_an_unreadable_sign_equals_none() {
        let notes = Notes::default();
        let mut all = vec![made(0, "x", "h1"), made(1, "x", "h2"), made(2, "x", "h1")];
        for artifact in &mut all {
            artifact.head.origin.as_mut().expect("an origin").anywhere = true;
        }
        let mut named = own("x", "h3");
        named.origin.anywhere = true;
        assert_eq!(whose(&named, &all, &notes, 2), "ooo");
        assert_eq!(labels(&all, &notes, 2), ["x 3"]);
        let all = [made(0, "a", "h1"), made(1, "a", "h1")];
        let mut blind = own("a", "h1");
        blind.origin.sign = None;
        assert_eq!(whose(&blind, &all, &notes, 900), "mm");
    }

    #[test]
    fn what_was_adopted_is_one_chain_and_older_formats_go_by_host() {
        let all = vec![old(0, "h1"), old(1, "h2"), made(2, "a", "h1"), made(3, "b", "h9")];
        let none = Notes::default();
        assert_eq!(whose(&own("a", "h1"), &all[..3], &none, 900), "ofo");
        // As soon as another origin is about, nobody knows whose they were.
        assert_eq!(whose(&own("a", "h1"), &all, &none, 900), "ffof");
        let adopt = |from: &Shelved, to: &Own| Adopt {
            format: 1,
            from: ChainName { sign: None, ..ChainName::of(&from.head) },
            to: to.name(),
            by: "dba@h1".into(),
            at: day(4),
        };
        let to = own("a", "h1");
        let adopts = vec![adopt(&all[1], &to), adopt(&all[3], &to)];
        let notes = Notes { adopts, ..Notes::default() };
        assert_eq!(whose(&to, &all, &notes, 900), "fooo");
        // From the other side it is the same chain.
        assert_eq!(whose(&own("b", "h1"), &all, &notes, 900), "fooo");
        assert_eq!(labels(&all[1..], &notes, 900), ["a 3"]);
        // Two machines that were declared one.
        let clones = vec![made(0, "a", "h1"), made(1, "a", "h2"), made(2, "a", "h1")];
        assert_eq!(whose(&to, &clones, &none, 2), "omo");
        let mut one = adopt(&clones[1], &to);
        (one.from.sign, one.to.sign) = (Some("h2".into()), Some("h1".into()));
        let notes = Notes { adopts: vec![one], ..Notes::default() };
        assert_eq!(whose(&to, &clones, &notes, 2), "ooo");
        assert_eq!(labels(&clones, &notes, 2), ["a 3"]);
    }
}
