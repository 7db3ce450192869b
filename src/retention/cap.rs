//! `max-size`: how much all copies of a chain may take together.
//!
//! Pure. Takes from what the rules keep, oldest first: copies that are proven have the room before
//! those that are not, and a copy counts with all that it adds to. What stays for another reason
//! (pinned, just made, needed by another job, the last proven one) stays, whatever it takes, and its
//! room is counted first.

use std::cmp::Reverse;

use crate::job::KeepSpec;
use crate::retention::held::Held;
use crate::retention::reason::{Judgement, Reason};

/// Removes what does not fit.
pub fn cap(keep: &KeepSpec, held: &[Held], judged: &mut [Judgement]) {
    let Some(most) = keep.max_size else { return };
    // Some clock is wrong, or nothing is proven: then nothing is removed.
    let untouched =
        |j: &Judgement| j.reasons.iter().any(|r| matches!(r, Reason::Future | Reason::NoneProven));
    if judged.iter().any(untouched) {
        return;
    }
    let mut order: Vec<usize> = (0..held.len()).filter(|i| judged[*i].keep).collect();
    order.sort_by_key(|i| (Reverse(held[*i].finished), Reverse(*i)));
    let newest_proven = order.iter().copied().find(|i| held[*i].proven);
    let stays = |i: usize| {
        let copy = &held[i];
        copy.made || copy.needed || copy.pinned.is_some() || Some(i) == newest_proven
    };
    let mut room = Room { held, counted: vec![false; held.len()], used: 0 };
    order.iter().filter(|i| stays(**i)).for_each(|i| room.take(*i));
    for proven in [true, false] {
        let mut full = false;
        for index in order.iter().copied().filter(|i| held[*i].proven == proven && !stays(*i)) {
            full = full || room.used.saturating_add(room.wants(index)) > most;
            match full {
                true => judged[index] = Judgement::because(false, Reason::TooLarge(most)),
                false => room.take(index),
            }
        }
    }
}

/// What copies take that stay.
struct Room<'a> {
    held: &'a [Held],
    counted: Vec<bool>,
    used: u64,
}

impl Room<'_> {
    /// A copy and all it adds to that is not counted yet.
    fn line(&self, index: usize) -> Vec<usize> {
        let (mut line, mut at) = (Vec::new(), Some(index));
        while let Some(i) = at.filter(|i| *i < self.held.len() && !line.contains(i)) {
            if self.counted[i] {
                break;
            }
            line.push(i);
            at = self.held[i].parent;
        }
        line
    }

    /// The bytes that a copy would take besides.
    fn wants(&self, index: usize) -> u64 {
        self.line(index).into_iter().fold(0, |sum, i| sum.saturating_add(self.held[i].bytes))
    }

    fn take(&mut self, index: usize) {
        self.used = self.used.saturating_add(self.wants(index));
        self.line(index).into_iter().for_each(|i| self.counted[i] = true);
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZone};
    use proptest::prelude::*;

    use super::*;
    use crate::retention::judge::judge;
    use crate::retention::reason::Pinned;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).expect("in range")
    }

    /// One copy a day: its bytes, and whether it is proven.
    fn copies(all: &[(u64, bool)]) -> Vec<Held> {
        let one = |(at, (bytes, proven)): (i64, &(u64, bool))| Held {
            finished: day(at),
            proven: *proven,
            made: false,
            needed: false,
            parent: None,
            pinned: None,
            bytes: *bytes,
        };
        (0..).zip(all).map(one).collect()
    }

    fn kept(keep: &KeepSpec, held: &[Held]) -> String {
        let judged = judge(keep, held, day(900), &TimeZone::UTC);
        judged.iter().map(|j| if j.keep { 'k' } else { '-' }).collect()
    }

    #[test]
    fn the_newest_that_fit_stay_and_never_less_than_the_last_proven() {
        let most = |bytes| KeepSpec { max_size: Some(bytes), ..KeepSpec::default() };
        let held = copies(&[(10, true), (10, true), (10, true), (10, true)]);
        for (bytes, wanted) in [(40, "kkkk"), (39, "-kkk"), (20, "--kk"), (9, "---k"), (0, "---k")]
        {
            assert_eq!(kept(&most(bytes), &held), wanted, "{bytes}");
        }
        // A small one behind a large one that did not fit goes as well: no holes.
        assert_eq!(kept(&most(25), &copies(&[(1, true), (20, true), (10, true)])), "--k");
        // What is not proven has what is left, and takes nothing from what is.
        let mixed = copies(&[(10, true), (10, true), (10, false), (10, false)]);
        assert_eq!(kept(&most(20), &mixed), "kk--");
        assert_eq!(kept(&most(30), &mixed), "kk-k");
        // Other rules say what may stay, `max-size` how much of it.
        let last = KeepSpec { last: Some(3), ..most(20) };
        assert_eq!(kept(&last, &held), "--kk");
        let last = KeepSpec { last: Some(1), ..most(1000) };
        assert_eq!(kept(&last, &held), "---k");
        let judged = judge(&most(20), &held, day(900), &TimeZone::UTC);
        assert_eq!(judged[0].reasons, [Reason::TooLarge(20)]);
    }

    #[test]
    fn what_is_pinned_and_what_is_added_to_takes_its_room_first() {
        let keep = KeepSpec { max_size: Some(30), ..KeepSpec::default() };
        let mut held = copies(&[(10, true), (10, true), (10, true), (10, true)]);
        held[0].pinned = Some(Pinned::UntilReleased);
        assert_eq!(kept(&keep, &held), "k-kk");
        held[0].pinned = None;
        // The newest adds to the oldest: both or none of them.
        held[3].parent = Some(0);
        assert_eq!(kept(&keep, &held), "k-kk");
        held[3].parent = None;
        held[2].parent = Some(0);
        assert_eq!(kept(&KeepSpec { max_size: Some(29), ..KeepSpec::default() }, &held), "---k");
    }

    proptest! {
        #[test]
        fn no_more_stays_than_fits_but_for_what_always_does(
            copies in prop::collection::vec(
                (0_u64..50, any::<bool>(), any::<bool>(), prop::option::of(0_usize..20)), 1..20,
            ),
            most in 0_u64..200, last in prop::option::of(1_u32..9),
        ) {
            let mut held = super::tests::copies(
                &copies.iter().map(|c| (c.0, c.1)).collect::<Vec<_>>(),
            );
            for (index, (copy, (.., pinned, parent))) in held.iter_mut().zip(&copies).enumerate() {
                copy.pinned = pinned.then_some(Pinned::UntilReleased);
                copy.parent = parent.filter(|p| *p < index);
            }
            let keep = KeepSpec { last, max_size: Some(most), ..KeepSpec::default() };
            let judged = judge(&keep, &held, day(900), &TimeZone::UTC);
            let newest = (0..held.len()).rev().find(|i| held[*i].proven);
            prop_assert!(newest.is_none_or(|i| judged[i].keep));
            let Some(newest) = newest else { return Ok(()) };
            for (copy, judgement) in held.iter().zip(&judged) {
                prop_assert!(!judgement.keep || copy.parent.is_none_or(|p| judged[p].keep));
                prop_assert!(copy.pinned.is_none() || judgement.keep);
            }
            let mut always = vec![false; held.len()];
            for start in (0..held.len()).filter(|i| held[*i].pinned.is_some() || *i == newest) {
                let mut at = Some(start);
                while let Some(i) = at {
                    always[i] = true;
                    at = held[i].parent;
                }
            }
            let sum = |which: &dyn Fn(usize) -> bool| -> u64 {
                (0..held.len()).filter(|i| which(*i)).map(|i| held[i].bytes).sum()
            };
            let (stays, forced) = (sum(&|i| judged[i].keep), sum(&|i| always[i]));
            prop_assert!(stays <= most.max(forced), "{stays} of {most}, {forced} always");
        }
    }
}
