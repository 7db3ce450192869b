//! What retention removes and keeps of a chain, as a value: made from what stands in the folder,
//! shown by `vex plan`, performed by the step of a run.
//!
//! Pure, but for [`others`], which asks the folders of other jobs.

use std::collections::{BTreeSet, HashMap};

use jiff::{Timestamp, tz::TimeZone};

use crate::artifact::{Head, Level, MANIFEST, Naming};
use crate::base::{Id, Stop};
use crate::job::KeepSpec;
use crate::plan::Kin;
use crate::retention::{Held, Pinned, Reason, judge};
use crate::shelf::{
    Belongs, Division, Listing, Own, Shelf, Shelved, Until, divide, lineage, pin_key,
};
use crate::store::contract::Error as StoreError;

/// Kinds of backups that increments add to.
const ADDED_TO: [&str; 2] = ["postgres-physical", "oracle"];

/// All that decides what is removed.
pub struct PruneGround<'a> {
    /// The chain that asks.
    pub own: &'a Own,
    /// Its names in the store.
    pub naming: &'a Naming,
    /// What stands in its folder.
    pub listing: &'a Listing,
    /// What other jobs of this source made, in this store.
    pub others: &'a [Shelved],
    /// What the run made that asks.
    pub made: Option<&'a Id>,
    /// What is kept.
    pub keep: &'a KeepSpec,
    /// Whether a copy counts only once it was verified.
    pub verified: bool,
    /// By the clock of the store.
    pub now: Timestamp,
    /// The zone of the policy.
    pub zone: &'a TimeZone,
}

/// What becomes of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays, and why.
    Keep(Vec<Reason>),
    /// It goes, and why.
    Remove(Vec<Reason>),
    /// It is of another chain or machine, and left alone.
    Leave(Belongs),
}

/// One artifact, and what becomes of it.
#[derive(Debug, Clone)]
pub struct PruneLine {
    /// Its head: key and ID.
    pub head: Head,
    /// The key of its pin, if there is one: it goes with it.
    pub pin: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What retention does with a folder.
#[derive(Debug, Clone)]
pub struct PrunePlan {
    /// Every artifact, oldest first.
    pub lines: Vec<PruneLine>,
    /// Whose each is.
    pub division: Division,
}

impl PrunePlan {
    /// Decides about every artifact of a folder.
    pub fn make(ground: &PruneGround<'_>) -> PrunePlan {
        let PruneGround { listing, now, .. } = ground;
        let division = divide(ground.own, &listing.artifacts, &listing.notes, *now);
        let all = || listing.artifacts.iter().zip(&division.belongs);
        let own: Vec<Shelved> =
            all().filter(|(_, b)| **b == Belongs::Own).map(|(a, _)| a.clone()).collect();
        let mut judged = judge(ground.keep, &held(&own, ground), *now, ground.zone).into_iter();
        let is_blind = ADDED_TO.contains(&ground.own.kind.as_str())
            && listing.unreadable.iter().any(|(key, _)| key.ends_with(MANIFEST));
        let fate = |belongs: &Belongs| match belongs {
            Belongs::Own => {
                let judgement = judged.next().expect("BUG: an artifact without a judgement");
                match judgement.keep {
                    true => Fate::Keep(judgement.reasons),
                    false if is_blind => Fate::Keep(vec![Reason::Unread]),
                    false => Fate::Remove(judgement.reasons),
                }
            }
            Belongs::Waits(_) | Belongs::Machine(_) | Belongs::Foreign(_) => {
                Fate::Leave(belongs.clone())
            }
        };
        let fates: Vec<Fate> = division.belongs.iter().map(fate).collect();
        let line = |(artifact, fate): (&Shelved, Fate)| {
            let head = &artifact.head;
            let is_pinned = listing.notes.pin_of(head).is_some();
            let pin = pin_key(ground.naming, head).filter(|_| is_pinned);
            PruneLine { head: head.clone(), pin, fate }
        };
        let lines = listing.artifacts.iter().zip(fates).map(line).collect();
        PrunePlan { lines, division }
    }

    /// What is removed, in the order in which it is: the newest first, so that a removal that is
    /// cut short leaves no increment without what it adds to.
    pub fn removals(&self) -> impl Iterator<Item = &PruneLine> {
        self.lines.iter().rev().filter(|line| matches!(line.fate, Fate::Remove(_)))
    }
}

/// Reasons in words.
pub fn because(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Artifacts of one chain as retention sees them: damaged ones never count, unverified ones only
/// where nothing is verified, and an increment no more than all it adds to.
fn held(artifacts: &[Shelved], ground: &PruneGround<'_>) -> Vec<Held> {
    let verified = ground.verified;
    let proven = |a: &Shelved| !a.is_damaged() && (!verified || a.level() >= Level::Hashed);
    let all: Vec<Shelved> = artifacts.iter().chain(ground.others).cloned().collect();
    let whole = |a: &Shelved| lineage(&all, a).is_ok_and(|chain| chain.into_iter().all(proven));
    let places: HashMap<&Id, usize> =
        artifacts.iter().enumerate().map(|(i, a)| (&a.head.id, i)).collect();
    // What another file or machine made may add to it as well.
    let strangers = ground.listing.artifacts.iter().filter(|a| !places.contains_key(&a.head.id));
    let needed: BTreeSet<&Id> =
        ground.others.iter().chain(strangers).filter_map(|a| a.head.parent.as_ref()).collect();
    let one = |a: &Shelved| Held {
        finished: a.moment(),
        proven: whole(a),
        made: Some(&a.head.id) == ground.made,
        needed: needed.contains(&a.head.id),
        parent: a.head.parent.as_ref().and_then(|id| places.get(id).copied()),
        pinned: pinned(&a.head, ground),
        bytes: a.head.bytes() + a.head.index.as_ref().map_or(0, |index| index.bytes),
    };
    artifacts.iter().map(one).collect()
}

/// Whether a backup is pinned now.
fn pinned(head: &Head, ground: &PruneGround<'_>) -> Option<Pinned> {
    let listing = ground.listing;
    if let Some(pin) = listing.notes.pin_of(head) {
        return pin.holds(ground.now).then_some(match pin.until {
            Until::Moment(until) => Pinned::Until(until),
            Until::Never => Pinned::UntilReleased,
        });
    }
    let key = pin_key(ground.naming, head)?;
    let unreadable = listing.unreadable.iter().any(|(unreadable, _)| *unreadable == key);
    unreadable.then_some(Pinned::Unreadable)
}

/// What other jobs of this source made, in this store: it may add to what this job made.
pub fn others(
    kin: &[Kin],
    job: &str,
    shelf: &Shelf,
    stop: &Stop,
) -> Result<Vec<Shelved>, StoreError> {
    let mut others = Vec::new();
    for kin in kin.iter().filter(|k| k.job != job) {
        others.extend(shelf.sibling(&kin.naming, &kin.job).list(stop)?.artifacts);
    }
    Ok(others)
}
