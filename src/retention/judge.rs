//! Keep or prune, and why: a pure function of policy, copies, and zone.
//!
//! Knows no store and no clock. Rules are a union, as in restic: the newest copy of each period
//! counts, empty periods do not count, `within` is measured back from the newest proven copy, so
//! that failing backups never age the last good ones away. Invariants: copies that are not proven
//! are never counted; an increment is never left without what it adds to; the newest proven copy is
//! always kept; a copy that is not proven goes only when no rule would keep it even if it counted,
//! so that a job that begins to verify, or was killed before it did, does not lose what it had;
//! a copy that somebody pinned stays, with all that it adds to; `max-size` takes from what the rules
//! keep, never the last proven copy;
//! when a copy claims to be from the future, nothing is removed, since some clock is wrong.

use std::cmp::Reverse;

use jiff::{Timestamp, tz::TimeZone};

use crate::job::KeepSpec;
use crate::retention::cap::cap;
use crate::retention::held::Held;
use crate::retention::reason::{Judgement, Reason, Rule};

/// How far ahead of `now` a copy may be before a clock is wrong.
const SKEW_SECONDS: i64 = 300;

/// Judges every copy, in the order given. What a copy that stays adds to stays as well, however old
/// it is.
pub fn judge(keep: &KeepSpec, held: &[Held], now: Timestamp, zone: &TimeZone) -> Vec<Judgement> {
    let mut judged = alone(keep, held, now, zone);
    for (copy, judgement) in held.iter().zip(&mut judged) {
        // Whatever the clocks say: what a run has just made is not what it removes.
        let reason = match (copy.made, copy.needed) {
            _ if judgement.keep => None,
            (true, _) => Some(Reason::Made),
            (false, true) => Some(Reason::Needed),
            (false, false) => None,
        };
        if let Some(reason) = reason {
            *judgement = Judgement::because(true, reason);
        }
        if let Some(pinned) = copy.pinned.map(Reason::Pinned) {
            match judgement.keep {
                true => judgement.reasons.push(pinned),
                false => *judgement = Judgement::because(true, pinned),
            }
        }
    }
    cap(keep, held, &mut judged);
    for index in 0..held.len() {
        let mut at = index;
        // No walk is longer than the list: whatever a manifest claims, this ends.
        for _ in 0..held.len() {
            let Some(parent) =
                held[at].parent.filter(|parent| judged[at].keep && *parent < held.len())
            else {
                break;
            };
            if !judged[parent].keep {
                judged[parent] = Judgement::because(true, Reason::Parent);
            }
            at = parent;
        }
    }
    judged
}

/// Judges every copy as if none added to another.
fn alone(keep: &KeepSpec, held: &[Held], now: Timestamp, zone: &TimeZone) -> Vec<Judgement> {
    if held.iter().any(|h| h.finished.as_second() > now.as_second() + SKEW_SECONDS) {
        return held.iter().map(|_| Judgement::because(true, Reason::Future)).collect();
    }
    // Of two that ended in one second, the one that is listed later is newer.
    let newest_first = |i: &usize| Reverse((held[*i].finished, *i));
    let mut order: Vec<usize> = (0..held.len()).filter(|i| held[*i].proven).collect();
    order.sort_by_key(newest_first);
    if order.is_empty() {
        return held.iter().map(|_| Judgement::because(true, Reason::NoneProven)).collect();
    }
    let mut counted = reasons(keep, held, &order, zone);
    let mut all: Vec<usize> = (0..held.len()).collect();
    all.sort_by_key(newest_first);
    let hoped = reasons(keep, held, &all, zone);
    if let Some(first) = order.first()
        && counted[*first].is_empty()
    {
        counted[*first].push(Reason::LastProven);
    }
    let oldest_kept =
        order.iter().filter(|i| !counted[**i].is_empty()).map(|i| held[*i].finished).min();
    held.iter()
        .zip(counted.into_iter().zip(hoped))
        .map(|(copy, (reasons, hoped))| match (copy.proven, reasons.is_empty()) {
            (true, false) => Judgement { keep: true, reasons },
            (true, true) => Judgement::because(false, Reason::NoRule),
            (false, _)
                if hoped.is_empty() && oldest_kept.is_some_and(|oldest| copy.finished < oldest) =>
            {
                Judgement::because(false, Reason::NotProven)
            }
            (false, _) => Judgement::because(true, Reason::NotCounted),
        })
        .collect()
}

/// Why the rules keep each copy, if only those of `order`, newest first, counted; empty where they
/// do not.
fn reasons(keep: &KeepSpec, held: &[Held], order: &[usize], zone: &TimeZone) -> Vec<Vec<Reason>> {
    let mut reasons: Vec<Vec<Reason>> = vec![Vec::new(); held.len()];
    let all = KeepSpec { max_size: keep.max_size, ..KeepSpec::default() };
    let sized = keep.max_size.is_some() && *keep == all;
    for (rank, index) in order.iter().enumerate() {
        if sized {
            reasons[*index].push(Reason::Rule(Rule::MaxSize, Rule::MaxSize.word().to_owned()));
        }
        if keep.last.is_some_and(|n| rank < n as usize) {
            reasons[*index].push(Reason::Rule(Rule::Last, format!("last {}", rank + 1)));
        }
        let age = held[order[0]].finished.duration_since(held[*index].finished);
        if keep.within.is_some_and(|w| age.as_secs() <= w.as_secs() as i64) {
            reasons[*index].push(Reason::Rule(Rule::Within, "within".into()));
        }
    }
    let periods: [(Rule, Option<u32>, &str); 5] = [
        (Rule::Hourly, keep.hourly, "%Y-%m-%d %H %z"),
        (Rule::Daily, keep.daily, "%Y-%m-%d"),
        (Rule::Weekly, keep.weekly, "%G-W%V"),
        (Rule::Monthly, keep.monthly, "%Y-%m"),
        (Rule::Yearly, keep.yearly, "%Y"),
    ];
    for (rule, count, form) in periods {
        let mut seen: Vec<String> = Vec::new();
        for index in order {
            let period = held[*index].finished.to_zoned(zone.clone()).strftime(form).to_string();
            if seen.len() < count.unwrap_or(0) as usize && !seen.contains(&period) {
                let text = format!("{} {period}", rule.word());
                reasons[*index].push(Reason::Rule(rule, text));
                seen.push(period);
            }
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::retention::reason::Pinned;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn copies(moments: &[&str]) -> Vec<Held> {
        moments
            .iter()
            .map(|m| Held {
                finished: at(m),
                proven: true,
                made: false,
                needed: false,
                parent: None,
                pinned: None,
                bytes: 1,
            })
            .collect()
    }

    fn kept(keep: &KeepSpec, held: &[Held], now: &str) -> Vec<bool> {
        judge(keep, held, at(now), &TimeZone::UTC).into_iter().map(|j| j.keep).collect()
    }

    #[test]
    fn of_two_of_one_second_the_later_one_stays() {
        let keep = KeepSpec { last: Some(1), ..KeepSpec::default() };
        let held = copies(&["2026-03-04T05:06:07Z", "2026-03-04T05:06:07Z"]);
        assert_eq!(kept(&keep, &held, "2026-03-04T05:06:08Z"), [false, true]);
    }

    #[test]
    fn rules_are_a_union_and_empty_periods_do_not_count() {
        let held = copies(&[
            "2026-01-01T01:00:00Z",
            "2026-03-01T01:00:00Z",
            "2026-03-09T01:00:00Z",
            "2026-03-10T01:00:00Z",
            "2026-03-10T13:00:00Z",
        ]);
        let keep = KeepSpec { daily: Some(2), monthly: Some(2), ..KeepSpec::default() };
        assert_eq!(kept(&keep, &held, "2026-03-11T00:00:00Z"), [true, false, true, false, true]);
        let last = KeepSpec { last: Some(1), ..KeepSpec::default() };
        assert_eq!(kept(&last, &held, "2026-03-11T00:00:00Z"), [false, false, false, false, true]);
        // A boundary: exactly as old as `within` stays. Long silence changes nothing.
        let within =
            KeepSpec { within: Some(Duration::from_secs(12 * 3600)), ..KeepSpec::default() };
        assert_eq!(kept(&within, &held, "2027-01-01T00:00:00Z"), [false, false, false, true, true]);
    }

    #[test]
    fn the_zone_decides_the_day() {
        let held = copies(&["2026-03-10T02:00:00Z", "2026-03-10T05:00:00Z"]);
        let keep = KeepSpec { daily: Some(5), ..KeepSpec::default() };
        let zone = TimeZone::get("America/Porto_Velho").expect("in the database");
        let judged = judge(&keep, &held, at("2026-03-11T00:00:00Z"), &zone);
        assert!(
            judged.iter().all(|j| j.keep),
            "22:00 of the 9th and 01:00 of the 10th: {judged:?}"
        );
        assert_eq!(kept(&keep, &held, "2026-03-11T00:00:00Z"), [false, true]);
    }

    #[test]
    fn what_is_not_proven_does_not_count_and_a_wrong_clock_removes_nothing() {
        let mut held =
            copies(&["2026-03-08T01:00:00Z", "2026-03-09T01:00:00Z", "2026-03-10T01:00:00Z"]);
        held[2].proven = false;
        let last = KeepSpec { last: Some(1), ..KeepSpec::default() };
        assert_eq!(kept(&last, &held, "2026-03-11T00:00:00Z"), [false, true, true]);
        assert_eq!(kept(&last, &held, "2026-03-09T12:00:00Z"), [true, true, true]);
        held[1].proven = false;
        let three = KeepSpec { last: Some(3), ..KeepSpec::default() };
        held.rotate_left(1);
        // Older and not proven: as long as the policy has room for it.
        held[2].finished = at("2026-03-12T01:00:00Z");
        held[2].proven = true;
        assert_eq!(kept(&three, &held, "2026-03-13T00:00:00Z"), [true, true, true]);
        assert_eq!(kept(&last, &held, "2026-03-13T00:00:00Z"), [false, false, true]);
        for copy in &mut held {
            copy.proven = false;
        }
        assert_eq!(kept(&last, &held, "2026-03-11T00:00:00Z"), [true, true, true]);
    }

    #[test]
    fn what_the_run_made_and_what_others_add_to_is_never_removed() {
        let mut held =
            copies(&["2026-03-08T01:00:00Z", "2026-03-09T01:00:00Z", "2026-03-10T01:00:00Z"]);
        let last = KeepSpec { last: Some(1), ..KeepSpec::default() };
        held[0].made = true;
        held[1].needed = true;
        let judged = judge(&last, &held, at("2026-03-11T00:00:00Z"), &TimeZone::UTC);
        let reasons: Vec<String> = judged.iter().map(|j| j.reasons[0].to_string()).collect();
        assert_eq!(
            reasons,
            ["this run made it", "an increment of another job adds to it", "last 1"]
        );
    }

    #[test]
    fn an_increment_keeps_what_it_adds_to() {
        // A full one, two increments, a full one, an increment.
        let mut held = copies(&[
            "2026-03-01T01:00:00Z",
            "2026-03-02T01:00:00Z",
            "2026-03-03T01:00:00Z",
            "2026-03-04T01:00:00Z",
            "2026-03-05T01:00:00Z",
        ]);
        for (child, parent) in [(1, 0), (2, 1), (4, 3)] {
            held[child].parent = Some(parent);
        }
        let last = |n: u32| KeepSpec { last: Some(n), ..KeepSpec::default() };
        let now = "2026-03-06T00:00:00Z";
        assert_eq!(kept(&last(1), &held, now), [false, false, false, true, true]);
        assert_eq!(kept(&last(2), &held, now), [false, false, false, true, true]);
        assert_eq!(kept(&last(3), &held, now), [true, true, true, true, true]);
        let judged = judge(&last(3), &held, at(now), &TimeZone::UTC);
        assert_eq!(judged[0].reasons, [Reason::Parent]);
        // Two that claim to add to each other end nothing but themselves.
        held[0].parent = Some(2);
        assert_eq!(kept(&last(1), &held, now), [false, false, false, true, true]);
        assert_eq!(kept(&last(3), &held, now), [true; 5]);
    }

    #[test]
    fn what_is_pinned_stays_with_all_that_it_adds_to() {
        let mut held = copies(&[
            "2026-03-01T01:00:00Z",
            "2026-03-02T01:00:00Z",
            "2026-03-03T01:00:00Z",
            "2026-03-04T01:00:00Z",
        ]);
        held[1].parent = Some(0);
        let last = KeepSpec { last: Some(1), ..KeepSpec::default() };
        let now = "2026-03-06T00:00:00Z";
        assert_eq!(kept(&last, &held, now), [false, false, false, true]);
        held[1].pinned = Some(Pinned::Until(at("2026-04-01T00:00:00Z")));
        held[3].pinned = Some(Pinned::UntilReleased);
        let judged = judge(&last, &held, at(now), &TimeZone::UTC);
        assert_eq!(judged[0].reasons, [Reason::Parent]);
        let why: Vec<String> = judged
            .iter()
            .map(|j| {
                let all: Vec<String> = j.reasons.iter().map(ToString::to_string).collect();
                format!("{} {}", j.keep, all.join(", "))
            })
            .collect();
        assert_eq!(
            why,
            [
                "true an increment that is kept adds to it",
                "true pinned until 2026-04-01T00:00:00Z",
                "false no rule keeps it",
                "true last 1, pinned until it is released",
            ]
        );
        // One that nobody can read is taken for one that holds.
        held[2].pinned = Some(Pinned::Unreadable);
        assert_eq!(kept(&last, &held, now), [true; 4]);
    }

    proptest! {
        #[test]
        fn nothing_that_stays_adds_to_what_goes(
            copies in prop::collection::vec((0_i64..2000, any::<bool>(), prop::option::of(0_usize..40)), 0..30),
            last in prop::option::of(1_u32..4), daily in prop::option::of(1_u32..9),
        ) {
            let held: Vec<Held> = copies
                .iter()
                .map(|(day, proven, parent)| Held {
                    finished: Timestamp::from_second(day * 40_000).expect("in range"),
                    proven: *proven,
                    made: false,
                    needed: false,
                    parent: *parent,
                    pinned: None,
                    bytes: 1,
                })
                .collect();
            let keep = KeepSpec { last, daily, ..KeepSpec::default() };
            let now = Timestamp::from_second(2001 * 40_000).expect("in range");
            let judged = judge(&keep, &held, now, &TimeZone::UTC);
            for (copy, judgement) in held.iter().zip(&judged) {
                let parent = copy.parent.and_then(|parent| judged.get(parent));
                prop_assert!(!judgement.keep || parent.is_none_or(|p| p.keep));
            }
        }

        #[test]
        fn the_newest_proven_copy_always_stays(
            days in prop::collection::vec((0_i64..2000, any::<bool>()), 0..30),
            last in prop::option::of(1_u32..4), daily in prop::option::of(1_u32..9), yearly in prop::option::of(1_u32..3),
        ) {
            let held: Vec<Held> = days
                .iter()
                .map(|(d, proven)| Held { finished: Timestamp::from_second(d * 40_000).expect("in range"), proven: *proven, made: false, needed: false, parent: None, pinned: None, bytes: 7 })
                .collect();
            let keep = KeepSpec { last, daily, yearly, ..KeepSpec::default() };
            let now = Timestamp::from_second(2001 * 40_000).expect("in range");
            let judged = judge(&keep, &held, now, &TimeZone::UTC);
            let newest = held.iter().filter(|h| h.proven).map(|h| h.finished).max();
            prop_assert!(newest.is_none() || held.iter().zip(&judged).any(|(h, j)| Some(h.finished) == newest && j.keep));
            // Time alone changes nothing.
            let later = Timestamp::from_second(9000 * 40_000).expect("in range");
            prop_assert_eq!(judge(&keep, &held, later, &TimeZone::UTC), judged);
        }
    }
}
