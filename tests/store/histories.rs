//! Random histories of a chain, day by day, beside a model of what retention owes.
//!
//! The model knows no order of steps: it says of each copy by itself whether it stays. What the
//! judgement removes is removed, and the next day begins with what is left. `tests/torture.sh
//! retention` runs a million of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vex::testing::job::KeepSpec;
use vex::testing::retention::{Held, Pinned, judge};

/// Numbers that look random, the same for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    /// Once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }

    fn count(&mut self) -> Option<u32> {
        self.once_in(2).then(|| 1 + self.roll(4) as u32)
    }
}

fn policy(dice: &mut Dice) -> KeepSpec {
    KeepSpec {
        last: dice.count(),
        within: dice.once_in(3).then(|| Duration::from_secs(3600 * (1 + dice.roll(100)))),
        hourly: dice.count(),
        daily: dice.count(),
        weekly: dice.count(),
        monthly: dice.count(),
        yearly: dice.count(),
        max_size: dice.once_in(3).then(|| 1 + dice.roll(40)),
    }
}

/// Which periods a moment is in: hour, day, week, month, year.
fn periods(moment: Timestamp, zone: &TimeZone) -> [(i64, i64, i64); 5] {
    let here = moment.to_zoned(zone.clone());
    let week = here.date().iso_week_date();
    let (year, month) = (i64::from(here.year()), i64::from(here.month()));
    let day = i64::from(here.date().day_of_year());
    // An hour that comes twice is two.
    let hour = i64::from(here.hour()) * 100_000 + i64::from(here.offset().seconds());
    [
        (year, day, hour),
        (year, day, 0),
        (i64::from(week.year()), i64::from(week.week()), 0),
        (year, month, 0),
        (year, 0, 0),
    ]
}

/// Whether a rule keeps a copy, if only those counted.
fn ruled(keep: &KeepSpec, copy: &Held, counted: &[&Held], zone: &TimeZone) -> bool {
    let newer: Vec<_> = counted.iter().filter(|c| c.finished > copy.finished).collect();
    let newest = counted.iter().map(|c| c.finished).max().expect("one counts");
    let only_size = KeepSpec { max_size: keep.max_size, ..KeepSpec::default() };
    let counts = [keep.hourly, keep.daily, keep.weekly, keep.monthly, keep.yearly];
    let own = periods(copy.finished, zone);
    let periodic = counts.iter().enumerate().any(|(i, count)| {
        let later: BTreeSet<_> = newer.iter().map(|c| periods(c.finished, zone)[i]).collect();
        !later.contains(&own[i]) && (later.len() as u64) < u64::from(count.unwrap_or(0))
    });
    let within = keep.within.is_some_and(|within| {
        newest.duration_since(copy.finished) <= SignedDuration::try_from(within).expect("small")
    });
    periodic
        || within
        || keep.last.is_some_and(|last| newer.len() < last as usize)
        || (keep.max_size.is_some() && *keep == only_size)
}

/// What stays, before sizes and increments are looked at.
fn model(keep: &KeepSpec, held: &[Held], now: Timestamp, zone: &TimeZone) -> Vec<bool> {
    let ahead = |copy: &Held| copy.finished.as_second() > now.as_second() + 300;
    let proven: Vec<&Held> = held.iter().filter(|copy| copy.proven).collect();
    if held.iter().any(ahead) || proven.is_empty() {
        return vec![true; held.len()];
    }
    let all: Vec<&Held> = held.iter().collect();
    let newest = proven.iter().map(|copy| copy.finished).max();
    let stays = |copy: &Held| Some(copy.finished) == newest || ruled(keep, copy, &proven, zone);
    let oldest = proven.iter().filter(|copy| stays(copy)).map(|copy| copy.finished).min();
    held.iter()
        .map(|copy| {
            let held_on = copy.made || copy.needed || copy.pinned.is_some();
            let own = match copy.proven {
                true => stays(copy),
                false => Some(copy.finished) >= oldest || ruled(keep, copy, &all, zone),
            };
            own || held_on
        })
        .collect()
}

/// All that copies add to, themselves among them.
fn lines(held: &[Held], of: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for index in of {
        let mut at = Some(index);
        while let Some(i) = at.filter(|i| found.insert(*i)) {
            at = held[i].parent;
        }
    }
    found
}

/// Holds a judgement against what is owed.
fn check(keep: &KeepSpec, held: &[Held], now: Timestamp, zone: &TimeZone, kept: &[bool]) {
    let shown = || format!("{keep:?}\n{held:#?}\n{now} {zone:?}\n{kept:?}");
    let base = model(keep, held, now, zone);
    let wanted = lines(held, (0..held.len()).filter(|i| base[*i]));
    let left: BTreeSet<usize> = (0..held.len()).filter(|i| kept[*i]).collect();
    // Whatever the sizes: the newest proven one, what is held on to, and what they add to.
    let newest = (0..held.len()).filter(|i| held[*i].proven).max_by_key(|i| held[*i].finished);
    let fixed = |i: &usize| {
        Some(*i) == newest || held[*i].made || held[*i].needed || held[*i].pinned.is_some()
    };
    let fixed = lines(held, (0..held.len()).filter(fixed));
    assert!(fixed.is_subset(&left), "{}", shown());
    assert_eq!(lines(held, left.iter().copied()), left, "nothing adds to what went: {}", shown());
    let ahead = held.iter().any(|copy| copy.finished.as_second() > now.as_second() + 300);
    let free = ahead || newest.is_none();
    match keep.max_size.filter(|_| !free) {
        None => assert_eq!(left, wanted, "{}", shown()),
        Some(most) => {
            assert!(left.is_subset(&wanted), "{}", shown());
            let bytes = |of: &BTreeSet<usize>| of.iter().map(|i| held[*i].bytes).sum::<u64>();
            assert!(left == fixed || bytes(&left) <= most.max(bytes(&fixed)), "{}", shown());
            // Oldest first: what went is not newer than what stays by its own right.
            let went = wanted.difference(&left).filter(|i| base[**i] && held[**i].proven);
            let newest_gone = went.map(|i| held[*i].finished).max();
            let stay = left.iter().filter(|i| base[**i] && held[**i].proven && !fixed.contains(i));
            for i in stay {
                let adds = left.iter().any(|j| held[*j].parent == Some(*i));
                assert!(adds || Some(held[*i].finished) > newest_gone, "{}", shown());
            }
        }
    }
}

/// One history: what is held after each day.
fn history(seed: u64) -> usize {
    let mut dice = Dice(seed);
    let zones = ["UTC", "America/Sao_Paulo", "Pacific/Apia", "Europe/Lisbon"];
    let zone = TimeZone::get(zones[dice.roll(4) as usize]).expect("a zone");
    let keep = policy(&mut dice);
    let mut held: Vec<Held> = Vec::new();
    let mut now = Timestamp::from_second(1_700_000_000 + dice.roll(40_000_000) as i64).unwrap();
    let mut judged = 0;
    for _ in 0..2 + dice.roll(7) {
        for copy in &mut held {
            copy.made = false;
            copy.proven |= dice.once_in(5);
            copy.needed = dice.once_in(12);
            copy.pinned = dice.once_in(10).then_some(Pinned::UntilReleased);
        }
        for made in 0..1 + dice.roll(3) {
            let step = [1800, 86_400, 86_400, 700_000][dice.roll(4) as usize];
            now += SignedDuration::from_secs(1 + dice.roll(step) as i64);
            let parent = (!held.is_empty() && dice.once_in(3))
                .then(|| dice.roll(held.len() as u64) as usize);
            let ahead = if dice.once_in(60) { 1000 } else { 0 };
            held.push(Held {
                finished: now + SignedDuration::from_secs(ahead + made as i64),
                proven: !dice.once_in(4),
                made: true,
                needed: false,
                parent,
                pinned: None,
                bytes: 1 + dice.roll(9),
            });
        }
        now += SignedDuration::from_secs(3);
        let kept: Vec<bool> =
            judge(&keep, &held, now, &zone).into_iter().map(|judgement| judgement.keep).collect();
        check(&keep, &held, now, &zone, &kept);
        judged += held.len();
        // What is left keeps its parents, by their new places.
        let place: Vec<usize> = kept
            .iter()
            .scan(0, |count, keep| {
                *count += usize::from(*keep);
                Some(count.saturating_sub(1))
            })
            .collect();
        let mut left: Vec<Held> =
            held.into_iter().zip(&kept).filter(|(_, keep)| **keep).map(|(copy, _)| copy).collect();
        left.iter_mut().for_each(|copy| copy.parent = copy.parent.map(|parent| place[parent]));
        held = left;
    }
    judged
}

#[test]
fn what_retention_owes_is_what_it_does_over_random_histories() {
    let asked = std::env::var("VEX_RETENTION_HISTORIES").ok();
    let histories: u64 = asked.map_or(10_000, |n| n.parse().expect("a number"));
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64);
    let run =
        |first: u64| -> usize { (first..histories).step_by(threads as usize).map(history).sum() };
    let judged: usize = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || run(first))).collect();
        running.into_iter().map(|thread| thread.join().expect("see above")).sum()
    });
    assert!(judged as u64 > histories);
    let figure =
        format!("figure {histories} histories, {judged} judgements, all as the model says\n");
    std::io::stdout().write_all(figure.as_bytes()).unwrap();
}
