//! Whether a dump holds what the one before it lets one expect: no table lost its rows, or most of
//! them; and, before it begins, whether there is room for another one as large.
//!
//! Reads heads and members, no rows. What is not as expected is an Alerta, and what it was compared
//! with is kept for a month beside what the policy keeps. Invariant: what can't be compared is said in
//! the log and keeps nothing from being made.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::artifact::{Head, Kind, Level, Origin};
use crate::base::{Id, Size, Stop};
use crate::job::{Engine, ExpectSpec, TableExpect};
use crate::plan::Backup;
use crate::recover::Fault;
use crate::run::Say;
use crate::shelf::{
    Contents, Lease, LeaseKind, NOTE_FORMAT, Pin, Shelf, Shelved, Until, pin_key, write_note,
};
use crate::step::copies::Copies;
use crate::step::perform::Steps;
use crate::store::contract::Store;

/// Tables that had fewer rows are measured only where the job names them: small ones fill and empty
/// all the time.
const FEW: u64 = 100;

/// Sentences of one dump, at most.
const MOST: usize = 20;

/// How long what was compared with is kept, in days.
const KEPT: i64 = 30;

/// Rows of each table, by its name.
type Counts = BTreeMap<String, u64>;

/// A copy that was just made: its store, and its head there.
pub type MadeCopy = (Arc<dyn Store>, Head);

/// The backup that a new one is compared with.
pub struct Baseline {
    id: Id,
    counts: Counts,
    /// Where it lies.
    copies: Vec<(Shelf, Head)>,
}

/// Says, before anything is written, in which store a backup as large as the last one will not fit.
fn tell_room(copies: &Copies<'_>, last: u64, say: &Say) {
    for (shelf, _) in copies.shelves() {
        let store = shelf.store();
        let Some(free) = store.free().filter(|free| *free < last) else { continue };
        say.alert(format!(
            "{} has {} free, and the last backup takes {}: this one will not fit if it is as large; make room, or shorten `keep`",
            store.place(),
            Size(free),
            Size(last)
        ));
    }
}

impl Steps {
    /// The newest proven backup of the chain, before another one is made.
    pub(super) fn baseline(
        &self,
        backup: &Backup,
        copies: &Copies<'_>,
        origin: &Origin,
        say: &Say,
        stop: &Stop,
    ) -> Option<Baseline> {
        if !backup.expect.enabled {
            return None;
        }
        let mut found: Option<Baseline> = None;
        for (shelf, _) in copies.shelves() {
            match self.newest(shelf, origin, found.as_ref(), stop) {
                Ok(Some((head, counts))) => {
                    let copy = (shelf.sibling(shelf.naming(), &self.job), head.clone());
                    match &mut found {
                        Some(known) => known.copies.push(copy),
                        none => {
                            let id = head.id;
                            *none = Some(Baseline { id, counts, copies: vec![copy] });
                        }
                    }
                }
                Ok(None) => {}
                Err(fault) => say.info(format!("what was there before is not compared: {fault}")),
            }
        }
        let last = found.as_ref().and_then(|known| known.copies.first());
        if let Some((_, head)) = last {
            tell_room(copies, head.objects.iter().map(|object| object.bytes).sum(), say);
        }
        found
    }

    /// The newest proven backup in one store, or the one that was found in another.
    fn newest(
        &self,
        shelf: &Shelf,
        origin: &Origin,
        known: Option<&Baseline>,
        stop: &Stop,
    ) -> Result<Option<(Head, Counts)>, Fault> {
        let own = |a: &&Shelved| {
            let same = a.head.origin.as_ref().is_some_and(|other| origin.is_same(other));
            same && a.head.file.as_ref() == Some(&self.file) && !a.is_damaged()
        };
        let all = shelf.list(stop)?.artifacts;
        let own: Vec<&Shelved> = all.iter().filter(own).collect();
        let proven = own.iter().rev().find(|a| a.level() > Level::Written);
        let meant = match known {
            Some(known) => own.iter().find(|a| a.head.id == known.id),
            None => proven.or(own.last()),
        };
        let Some(meant) = meant else { return Ok(None) };
        let counts = match known {
            Some(_) => Counts::new(),
            None => counts(shelf.store().as_ref(), &meant.head, stop)?,
        };
        Ok(Some((meant.head.clone(), counts)))
    }

    /// Compares what was made with what is expected, and says what is not as expected.
    pub(super) fn expect(
        &self,
        backup: &Backup,
        (before, made): (Option<&Baseline>, Option<MadeCopy>),
        say: &Say,
        stop: &Stop,
    ) -> Vec<String> {
        let Some((store, head)) = made.filter(|_| backup.expect.enabled) else { return Vec::new() };
        if before.is_none() && !backup.expect.asks() {
            return Vec::new();
        }
        if backup.engine != Engine::Native {
            let word = backup.engine.word();
            let told = format!("what is expected is not compared: {word} counts no rows");
            return if backup.expect.asks() { vec![told] } else { Vec::new() };
        }
        let after = match counts(store.as_ref(), &head, stop) {
            Ok(after) => after,
            Err(fault) => {
                say.info(format!("what was made is not compared: {fault}"));
                return Vec::new();
            }
        };
        let known = before.map(|before| (before.id.as_str(), &before.counts));
        let mut unmet = unmet(&backup.expect, known, &after);
        if let Some(before) = before.filter(|_| !unmet.is_empty()) {
            unmet.extend(self.keep_compared(before, stop));
        }
        unmet
    }

    /// Pins what was compared with, wherever it lies and nobody pinned it; says what could not be.
    fn keep_compared(&self, before: &Baseline, stop: &Stop) -> Vec<String> {
        let mut unable = Vec::new();
        for (shelf, head) in &before.copies {
            let now = self.world.clock.now();
            if let Err(fault) = self.pin(shelf, head, now, stop) {
                unable.push(format!("{} could not be pinned: {fault}", head.key));
            }
        }
        unable
    }

    fn pin(&self, shelf: &Shelf, head: &Head, now: Timestamp, stop: &Stop) -> Result<(), Fault> {
        let Some(key) = pin_key(shelf.naming(), head) else { return Ok(()) };
        let holder = self.holder(&format!("expectations of job {}", self.job));
        // Nobody removes it meanwhile; where somebody does, the pin comes too late and says so.
        let lease =
            Lease::take(shelf.store(), shelf.naming().folder(), LeaseKind::Shared, &holder, stop);
        let _lease = lease.map_err(|error| Fault::Nothing {
            doing: format!("keep {}", head.key),
            found: error.to_string(),
            hint: None,
        })?;
        if shelf.store().size(&key, stop)?.is_some() {
            return Ok(());
        }
        let pin = Pin {
            format: NOTE_FORMAT,
            id: head.id.clone(),
            source: head.source.clone(),
            kind: head.kind.clone(),
            until: Until::Moment(now + SignedDuration::from_hours(24 * KEPT)),
            who: format!("run {}", self.run),
            why: "the dump after it is not as expected".to_owned(),
            at: now,
        };
        Ok(write_note(shelf.store().as_ref(), &key, &pin, stop)?)
    }
}

/// Rows of every table of a backup.
fn counts(store: &dyn Store, head: &Head, stop: &Stop) -> Result<Counts, Fault> {
    let manifest = Contents::open(store, head, stop)?.bare();
    let mut counts = Counts::new();
    for (member, sum) in manifest.members.iter().zip(&manifest.sums) {
        if let (Kind::Rows, Some(proof)) = (member.kind, &sum.proof) {
            *counts.entry(member.title()).or_default() += proof.rows;
        }
    }
    Ok(counts)
}

/// What is not as expected, a sentence each.
fn unmet(spec: &ExpectSpec, before: Option<(&str, &Counts)>, after: &Counts) -> Vec<String> {
    let mut said = Vec::new();
    let total: u64 = after.values().sum();
    if let Some(least) = spec.min_rows.filter(|least| total < *least) {
        said.push(format!("the dump has {total} rows, and min-rows is {least}"));
    }
    for rule in &spec.tables {
        match (after.get(&rule.name), rule.min_rows) {
            (None, _) => said.push(format!("the dump has no rows of table {}", rule.name)),
            (Some(rows), Some(least)) if *rows < least => {
                said.push(format!("table {} has {rows} rows, and min-rows is {least}", rule.name));
            }
            (Some(_), Some(_) | None) => {}
        }
    }
    let Some((id, before)) = before else { return said };
    let had: u64 = before.values().sum();
    if had >= FEW && dropped(had, total, spec.max_drop) {
        said.push(format!("the dump has {total} rows, and {id} had {had}"));
    }
    for (name, had) in before {
        let rule = spec.tables.iter().find(|rule| rule.name == *name);
        if *had < FEW && rule.is_none() {
            continue;
        }
        let most = rule.and_then(|rule: &TableExpect| rule.max_drop).unwrap_or(spec.max_drop);
        match after.get(name) {
            None if rule.is_some() => {}
            None => said.push(format!("table {name} is gone, and had {had} rows in {id}")),
            Some(rows) if *had > 0 && (*rows == 0 || dropped(*had, *rows, most)) => {
                said.push(format!("table {name} has {rows} rows, and had {had} in {id}"));
            }
            Some(_) => {}
        }
    }
    if said.len() > MOST {
        let more = said.len() - MOST;
        said.truncate(MOST);
        said.push(format!("{more} more tables are not as expected"));
    }
    said
}

/// Whether more than so many hundredths are gone.
fn dropped(had: u64, has: u64, most: u8) -> bool {
    let lost = u128::from(had.saturating_sub(has)) * 100;
    lost > u128::from(had) * u128::from(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_of(all: &[(&str, u64)]) -> Counts {
        all.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
    }

    #[test]
    fn what_is_lost_is_told_with_both_counts() {
        let before = counts_of(&[("s.a", 1000), ("s.b", 400), ("s.gone", 300), ("s.few", 99)]);
        let after = counts_of(&[("s.a", 0), ("s.b", 190), ("s.few", 0)]);
        let spec = ExpectSpec::default();
        let said = unmet(&spec, Some(("ID", &before)), &after);
        let expected = [
            "the dump has 190 rows, and ID had 1799",
            "table s.a has 0 rows, and had 1000 in ID",
            "table s.b has 190 rows, and had 400 in ID",
            "table s.gone is gone, and had 300 rows in ID",
        ];
        assert_eq!(said, expected);
        let half = counts_of(&[("s.a", 500), ("s.b", 200), ("s.gone", 150), ("s.few", 99)]);
        assert_eq!(unmet(&spec, Some(("ID", &before)), &half), [""; 0], "half is allowed");
        assert_eq!(unmet(&spec, None, &after), [""; 0]);
    }

    #[test]
    fn a_rule_of_a_table_is_its_own() {
        let rule = TableExpect { name: "s.a".into(), min_rows: Some(5), max_drop: Some(10) };
        let spec = ExpectSpec { min_rows: Some(100), tables: vec![rule], ..ExpectSpec::default() };
        let before = counts_of(&[("s.a", 20), ("s.b", 200)]);
        let seen = |a: u64| {
            let after = counts_of(&[("s.a", a), ("s.b", 200)]);
            unmet(&spec, Some(("ID", &before)), &after)
        };
        assert_eq!(seen(18), [""; 0]);
        assert_eq!(seen(17), ["table s.a has 17 rows, and had 20 in ID"]);
        assert_eq!(seen(4).len(), 2);
        let none = unmet(&spec, None, &counts_of(&[("s.b", 7)]));
        assert_eq!(
            none,
            ["the dump has 7 rows, and min-rows is 100", "the dump has no rows of table s.a"]
        );
    }

    /// A month of a shop: orders grow, a log is cut to a week, a queue and sessions come and go.
    #[test]
    fn a_month_of_ordinary_life_raises_no_alarm() {
        let mut before: Option<Counts> = None;
        let mut alarms = Vec::new();
        for day in 0..31_u64 {
            let weekly = day % 7;
            let after = counts_of(&[
                ("s.orders", 10_000 + day * 300),
                ("s.customers", 4_000 + day * 20),
                ("s.log", 50_000 + weekly * 6_000),
                ("s.queue", (day * 37) % 90),
                ("s.sessions", 600 + (day * 131) % 400),
                ("s.config", 40),
            ]);
            let spec = ExpectSpec::default();
            alarms.extend(unmet(&spec, before.as_ref().map(|b| ("ID", b)), &after));
            before = Some(after);
        }
        assert_eq!(alarms, [""; 0]);
    }
}
