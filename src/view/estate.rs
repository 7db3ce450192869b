//! What each source stands at: how old its newest proven copy is, what its nights were, and what
//! asks for somebody.
//!
//! Numbers and rows, no words yet. Invariant: a source is well by the age of a proven copy, never
//! by the verdict of its last run (`ui/design.md` §2.1).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use crate::catalog::{Drill, Estate, HeldCopy, KnownChain, KnownCopy, ListedBackup, Override};
use crate::job::Schedule;
use crate::view::format::parse;

/// Days that overviews look back on, today included.
pub const DAYS: i64 = 30;

/// How long after its moment a run that did not begin is missed, in seconds.
pub(super) const GRACE: i64 = 600;

/// What is added to the longest gap of a schedule where no `within` is declared, in seconds.
const SLACK: i64 = 7200;

/// Days after which a good drill is too old (C44: a drill each month).
const DRILL_DAYS: i64 = 31;

/// A night of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Night {
    /// It ran: the worst backup of the night, and how many there were.
    Ran(Box<ListedBackup>, usize),
    /// It was planned and did not run.
    Missed(Timestamp),
    /// Nothing was planned.
    Off,
    /// The source was not known yet.
    Unborn,
}

/// A source, or rather a chain of backups.
#[derive(Debug, Clone)]
pub struct Source {
    /// What its artifacts are of.
    pub name: String,
    /// Its job.
    pub job: String,
    /// Its job file.
    pub file: String,
    /// What its file declares of it, where a run said so.
    pub declared: Option<KnownChain>,
    /// The schedule that holds, with its zone.
    pub schedule: Option<(Schedule, TimeZone)>,
    /// Since when the dashboard holds that against the file's, and the file's.
    pub earlier: Option<(Timestamp, Option<(Schedule, TimeZone)>)>,
    /// Its backups of the last days, oldest first.
    pub recent: Vec<ListedBackup>,
    /// Its newest backups, newest first, with their copies.
    pub newest: Vec<(ListedBackup, Vec<HeldCopy>)>,
    /// The newest that has a proven copy.
    pub proven: Option<ListedBackup>,
    /// How old that is, in seconds.
    pub age: Option<i64>,
    /// How old it may be, in seconds.
    pub limit: Option<i64>,
    /// The nights, oldest first.
    pub nights: Vec<Night>,
    /// Its newest good drill, its newest bad one after that.
    pub drill: Option<Drill>,
    /// The newest drill, if that one failed.
    pub failed_drill: Option<Drill>,
}

impl Source {
    /// Whether no proven copy is young enough.
    pub fn is_late(&self) -> bool {
        match (self.age, self.limit) {
            (Some(age), Some(limit)) => age > limit,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// How much older than allowed it is, in seconds.
    pub fn over(&self) -> Option<i64> {
        Some(self.age? - self.limit?).filter(|over| *over > 0)
    }

    /// When its first backup that is known began.
    fn born(&self) -> Option<Timestamp> {
        let known = self.newest.iter().map(|(b, _)| b).chain(&self.recent);
        known.filter_map(|b| parse(&b.started)).min()
    }

    /// The moments of a time at which it was to run, from the one on that its first backup answers:
    /// until the dashboard changed it by the file's schedule.
    pub fn planned(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let now = self.schedule.as_ref();
        let mut all = match &self.earlier {
            None => moments(now, from, to),
            Some((since, earlier)) => {
                let mut all = moments(earlier.as_ref(), from, to.min(*since));
                all.extend(moments(now, from.max(*since), to));
                all.dedup();
                all
            }
        };
        if let Some(born) = self.born() {
            let before = all.iter().filter(|at| **at <= born).count();
            all.drain(..before.saturating_sub(1));
        }
        all
    }

    /// Days that the newest good drill is overdue; `None` if it is not, or there was none.
    pub fn drill_overdue(&self, now: Timestamp) -> Option<i64> {
        let at = parse(&self.drill.as_ref()?.at)?;
        let days = now.duration_since(at).as_secs() / 86_400;
        Some(days - DRILL_DAYS).filter(|over| *over > 0)
    }

    /// The copies that its file declares, or those that its last backup has.
    pub fn stores(&self) -> Vec<KnownCopy> {
        if let Some(declared) = &self.declared {
            return declared.copies.clone();
        }
        let of = |copy: &HeldCopy| KnownCopy {
            store: copy.store.clone(),
            place: copy.place.clone(),
            ..KnownCopy::default()
        };
        self.newest.first().map(|(_, copies)| copies.iter().map(of).collect()).unwrap_or_default()
    }

    /// Whether a copy counts: it is there, and proven where its chain verifies it.
    pub fn counts(&self, copy: &HeldCopy) -> bool {
        let verified = self
            .declared
            .iter()
            .flat_map(|d| &d.copies)
            .any(|c| c.store == copy.store && c.verified);
        copy.is_there() && (!verified || !copy.level.is_empty())
    }

    /// The newest backup of which a copy counts and `fits`, with that copy.
    pub fn newest_with(
        &self,
        fits: &dyn Fn(&HeldCopy) -> bool,
    ) -> Option<(&ListedBackup, &HeldCopy)> {
        self.newest.iter().find_map(|(backup, copies)| {
            let copy = copies.iter().find(|c| self.counts(c) && fits(c))?;
            Some((backup, copy))
        })
    }

    /// The newest backup that would be left if the place of the source burned: a copy that is not
    /// at the source's own site.
    pub fn elsewhere(&self) -> Option<(&ListedBackup, &HeldCopy)> {
        let own = self.declared.as_ref().map(|d| d.site.as_str()).unwrap_or_default();
        let stores = self.stores();
        self.newest_with(&|copy| {
            let site = stores.iter().find(|s| s.store == copy.store).map(|s| s.site.as_str());
            own.is_empty() || site != Some(own)
        })
    }
}

/// How old copies may be by a schedule and its zone: a year of moments, looked through once for all
/// chains that share it.
#[derive(Default)]
struct Limits(BTreeMap<(String, String), Option<i64>>);

impl Limits {
    fn of(&mut self, (schedule, zone): &(Schedule, TimeZone), now: Timestamp) -> Option<i64> {
        let key = (schedule.text().to_owned(), format!("{zone:?}"));
        let look = || Some(schedule.longest_gap(now, zone)?.as_secs() + SLACK);
        *self.0.entry(key).or_insert_with(look)
    }
}

/// The sources of an estate at a moment, in a zone: late ones first, then as their files list them.
pub fn sources(estate: &Estate, now: Timestamp, zone: &TimeZone) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut known = BTreeSet::new();
    let mut limits = Limits::default();
    for declared in &estate.chains {
        let key = (declared.job.file.clone(), declared.job.job.clone(), declared.chain.clone());
        if known.insert(key.clone()) {
            sources.push(source(estate, &key, Some(declared), &mut limits, (now, zone)));
        }
    }
    for backup in &estate.recent {
        let key = (backup.file.clone(), backup.job.clone(), backup.chain.clone());
        if known.insert(key.clone()) {
            sources.push(source(estate, &key, None, &mut limits, (now, zone)));
        }
    }
    sources.sort_by_key(|s| !s.is_late());
    sources
}

fn source(
    estate: &Estate,
    key: &(String, String, String),
    declared: Option<&KnownChain>,
    limits: &mut Limits,
    (now, zone): (Timestamp, &TimeZone),
) -> Source {
    let (file, job, name) = key.clone();
    let is_own = |b: &&ListedBackup| b.file == file && b.job == job && b.chain == name;
    let recent: Vec<ListedBackup> = estate.recent.iter().filter(is_own).cloned().collect();
    let newest = estate.newest.get(key).cloned().unwrap_or_default();
    let own = declared.map(|d| d.source.as_str()).unwrap_or(&name).to_owned();
    let mut drills =
        estate.drills.iter().filter(|d| d.source == own || d.source == name).peekable();
    let failed_drill = drills.peek().filter(|d| d.verdict == 3).map(|d| (*d).clone());
    let drill = drills.find(|d| d.verdict < 3).cloned();
    let held = declared.and_then(|d| held(d, &estate.overrides));
    let schedule = declared.and_then(|d| schedule(d, held, zone));
    let earlier = declared.zip(held).and_then(|(d, held)| {
        let since = parse(&held.at)?;
        Some((since, schedule_of(d, &d.job.schedule, zone)))
    });
    let mut source = Source {
        name,
        job,
        file,
        limit: declared.and_then(|d| d.job.within).or_else(|| limits.of(schedule.as_ref()?, now)),
        declared: declared.cloned(),
        schedule,
        earlier,
        recent,
        newest,
        proven: None,
        age: None,
        nights: Vec::new(),
        drill,
        failed_drill,
    };
    source.proven = source.newest_with(&|_| true).map(|(backup, _)| backup.clone());
    source.age = source
        .proven
        .as_ref()
        .and_then(|b| parse(&b.started))
        .map(|at| now.duration_since(at).as_secs().max(0));
    source.nights = nights(&source, now, zone);
    source
}

/// What the dashboard holds against the schedule of a job's file.
fn held<'a>(declared: &KnownChain, overrides: &'a [Override]) -> Option<&'a Override> {
    let job = &declared.job;
    overrides.iter().find(|o| o.file == job.file && o.job == job.job && o.host == job.host)
}

/// The schedule that holds for a job: the file's, unless the dashboard moved or stopped it.
fn schedule(
    declared: &KnownChain,
    held: Option<&Override>,
    zone: &TimeZone,
) -> Option<(Schedule, TimeZone)> {
    match held {
        Some(held) if held.state == "off" => None,
        Some(held) => schedule_of(declared, &held.schedule, zone),
        None => schedule_of(declared, &declared.job.schedule, zone),
    }
}

/// Cron fields in the zone of a job.
fn schedule_of(
    declared: &KnownChain,
    fields: &str,
    zone: &TimeZone,
) -> Option<(Schedule, TimeZone)> {
    let zone = match declared.job.zone.as_str() {
        "" => zone.clone(),
        name => TimeZone::get(name).unwrap_or_else(|_| zone.clone()),
    };
    Some((Schedule::parse(fields).ok()?, zone))
}

/// The date of a moment in a zone.
pub fn date(at: Timestamp, zone: &TimeZone) -> Date {
    at.to_zoned(zone.clone()).date()
}

/// The last days, oldest first.
pub fn days(now: Timestamp, zone: &TimeZone) -> Vec<Date> {
    let today = date(now, zone);
    (0..DAYS).rev().filter_map(|back| today.checked_sub(back.days()).ok()).collect()
}

/// When the first of the last days begins.
pub fn since(now: Timestamp, zone: &TimeZone) -> Timestamp {
    let first = days(now, zone).first().and_then(|day| day.to_zoned(zone.clone()).ok());
    first.map_or(now, |zoned| zoned.timestamp())
}

/// The moments of a schedule between two moments.
fn moments(
    schedule: Option<&(Schedule, TimeZone)>,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Timestamp> {
    let Some((schedule, zone)) = schedule else { return Vec::new() };
    let mut moments = Vec::new();
    let mut at = from - 1.second();
    // A schedule has at most one moment a minute.
    while let Some(next) = schedule.next(at, zone).filter(|next| *next <= to) {
        moments.push(next);
        at = next;
        if moments.len() > (DAYS * 1440) as usize {
            break;
        }
    }
    moments
}

fn nights(source: &Source, now: Timestamp, zone: &TimeZone) -> Vec<Night> {
    let grace = jiff::SignedDuration::from_secs(GRACE);
    let planned = source.planned(since(now, zone), now - grace);
    let born = source.born().map(|at| date(at, zone));
    let mut ran: BTreeMap<Date, Vec<&ListedBackup>> = BTreeMap::new();
    for backup in source.recent.iter().filter(|b| b.verdict.is_some()) {
        if let Some(at) = parse(&backup.started) {
            ran.entry(date(at, zone)).or_default().push(backup);
        }
    }
    let mut due: BTreeMap<Date, Timestamp> = BTreeMap::new();
    for at in planned {
        due.entry(date(at, zone)).or_insert(at);
    }
    let night = |day: Date| {
        let of_day = ran.get(&day).map(Vec::as_slice).unwrap_or_default();
        // The first of the worst ones.
        if let Some(worst) = of_day.iter().rev().max_by_key(|b| b.verdict) {
            return Night::Ran(Box::new((*worst).clone()), of_day.len());
        }
        if born.is_none_or(|born| day < born) {
            return Night::Unborn;
        }
        match due.get(&day) {
            Some(at) => Night::Missed(*at),
            None => Night::Off,
        }
    };
    days(now, zone).into_iter().map(night).collect()
}
