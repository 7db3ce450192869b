//! What each store of a source holds: which of its newest backups are not there, how the store grows,
//! and when it is full.
//!
//! Numbers by the catalog; how much is free comes in, for nobody is asked here. Invariant: of a store
//! that was looked at for less than a week no growth is told.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::catalog::{Growth, HeldCopy};
use crate::lang::Lang;
use crate::view::estate::Source;
use crate::view::format::{NONE, size};

/// Days that growth is measured over, at most and at least.
pub const GROWTH_DAYS: i64 = 28;
const LEAST_DAYS: i64 = 7;

/// A store that is full in so many days is a reason to look.
const SOON: i64 = 14;

/// What a store holds, for programs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShownStore {
    /// Its name.
    pub store: String,
    /// What messages call it.
    pub place: String,
    /// How many of the source's newest backups are elsewhere and not there.
    pub missing: usize,
    /// When the newest that is there began.
    pub newest: Option<String>,
    /// Bytes of all backups there, of whatever source.
    pub held_bytes: i64,
    /// By how many bytes that grows in a week.
    pub growth_bytes_per_week: Option<i64>,
    /// Bytes that are free there, where that can be asked.
    pub free_bytes: Option<u64>,
    /// In how many days it is full, if it goes on like that.
    pub full_in_days: Option<i64>,
}

/// The stores of a source; `free` says how many bytes are free in one.
pub fn stores(
    source: &Source,
    growth: &[Growth],
    free: &dyn Fn(&str) -> Option<u64>,
    (now, zone): (Timestamp, &TimeZone),
) -> Vec<ShownStore> {
    let today = now.to_zoned(zone.clone()).date();
    let one = |known: crate::catalog::KnownCopy| {
        let is_in = |copy: &HeldCopy| copy.store == known.store && copy.is_there();
        let newest = source.newest.iter().position(|(_, copies)| copies.iter().any(is_in));
        let before = &source.newest[..newest.unwrap_or(source.newest.len())];
        let elsewhere = |copies: &[HeldCopy]| copies.iter().any(HeldCopy::is_there);
        let own = growth.iter().find(|(store, place, ..)| {
            *store == known.store && (known.place.is_empty() || *place == known.place)
        });
        let by_week = own.and_then(|(.., moved)| weekly(moved, today));
        let free_bytes = free(&known.store);
        ShownStore {
            missing: before.iter().filter(|(_, copies)| elsewhere(copies)).count(),
            newest: newest.map(|at| source.newest[at].0.started.clone()),
            held_bytes: own.map_or(0, |(_, _, held, _)| *held),
            growth_bytes_per_week: by_week,
            full_in_days: free_bytes.zip(by_week).and_then(|(free, week)| full(free, week)),
            free_bytes,
            store: known.store,
            place: known.place,
        }
    };
    source.stores().into_iter().map(one).collect()
}

/// Bytes that come and stay in a week.
fn weekly(moved: &[(String, i64)], today: Date) -> Option<i64> {
    let first: Date = moved.iter().map(|(day, _)| day).min()?.parse().ok()?;
    let days = i64::from(today.since(first).ok()?.get_days()) + 1;
    let net: i64 = moved.iter().map(|(_, bytes)| bytes).sum();
    (days >= LEAST_DAYS).then(|| (i128::from(net) * 7 / i128::from(days)) as i64)
}

/// Days until `free` bytes are taken.
fn full(free: u64, week: i64) -> Option<i64> {
    let week = u128::try_from(week).ok().filter(|week| *week > 0)?;
    i64::try_from(u128::from(free) * 7 / week).ok()
}

impl ShownStore {
    /// Whether somebody should look before it is full.
    pub fn is_full_soon(&self) -> bool {
        self.full_in_days.is_some_and(|days| days < SOON)
    }

    /// The heads of its cells.
    pub fn heads(lang: Lang) -> Vec<String> {
        let keys = ["store", "held", "growth", "free", "full"];
        keys.iter().map(|key| lang.say(&format!("held-head-{key}"), &[])).collect()
    }

    /// Its cells, as a person reads them.
    pub fn cells(&self, lang: Lang) -> Vec<String> {
        let growth = self.growth_bytes_per_week.map_or_else(
            || NONE.to_owned(),
            |bytes| match bytes {
                0 => "0".to_owned(),
                bytes => {
                    format!("{}{}", if bytes < 0 { "-" } else { "+" }, size(bytes.unsigned_abs()))
                }
            },
        );
        let days = |days: i64| lang.say("held-days", &[("days", &days.to_string())]);
        vec![
            self.store.clone(),
            size(self.held_bytes.max(0) as u64),
            growth,
            self.free_bytes.map_or_else(|| NONE.to_owned(), size),
            self.full_in_days.map_or_else(|| NONE.to_owned(), days),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_stays_of_a_week_and_tells_when_a_store_is_full() {
        let today: Date = "2026-12-01".parse().expect("a day");
        let day = |text: &str, bytes| (text.to_owned(), bytes);
        let moved = [day("2026-11-18", 140), day("2026-11-25", 30), day("2026-12-01", -30)];
        assert_eq!(weekly(&moved, today), Some(70));
        assert_eq!(weekly(&moved[1..], today), Some(0));
        assert_eq!(weekly(&moved[2..], today), None, "for less than a week");
        assert_eq!(weekly(&[], today), None);
        assert_eq!(weekly(&[day("2026-10-30", 330)], today), Some(70), "over the end of a month");
        assert_eq!(full(100, 70), Some(10));
        assert_eq!((full(100, 0), full(100, -7)), (None, None));
        assert_eq!(full(u64::MAX, 1), None, "no number of days");
    }
}
