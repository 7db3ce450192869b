//! The overview: the sentence, what asks for somebody, the nights, and the day in numbers.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use crate::catalog::{Estate, ListedBackup};
use crate::view::address::Address;
use crate::view::estate::{Night, Source, date, days};
use crate::view::format::{NONE, age, class, limit, parse, shorten, size, word};
use crate::view::frame::{Tab, Viewer};
use crate::view::live::{Live, live_runs};
use crate::view::svg;
use crate::view::todo::{Reason, reasons};

/// Reasons that the overview lists before it counts the rest.
const SHOWN: usize = 6;

/// The sentence.
#[derive(Debug, Clone, Serialize)]
pub struct Sentence {
    /// `ok`, `al`, `er`.
    pub k: &'static str,
    /// What it says.
    pub text: String,
}

/// What would be left of a source.
#[derive(Debug, Clone, Serialize)]
pub struct Burn {
    /// How old.
    pub age: String,
    /// The source.
    pub source: String,
    /// From which store.
    pub place: String,
    /// Whether that is too old.
    pub late: bool,
}

/// A night of a source as a cell.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// `ok`, `al`, `er`, `no`, `off`.
    pub k: &'static str,
    /// What it says when pointed at.
    pub tip: String,
    /// The worst backup of the night; empty where it has no page.
    pub href: String,
}

/// A line of the nights.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The source.
    pub name: String,
    /// Its job.
    pub job: String,
    /// Its nights.
    pub cells: Vec<Cell>,
    /// Its nights in words.
    pub summary: String,
    /// Whether it is late.
    pub late: bool,
    /// The age of its newest proven copy.
    pub age: String,
    /// The age beside its limit.
    pub gauge: String,
    /// The limit.
    pub within: String,
    /// The size of its last backup.
    pub size: String,
    /// The sizes of its last ones.
    pub trend: String,
}

/// A number of today, by verdict.
#[derive(Debug, Clone, Serialize)]
pub struct Stat {
    /// `ok`, `al`, `er`.
    pub k: &'static str,
    /// The verdict.
    pub label: String,
    /// The same with its day.
    pub about: String,
    /// How many.
    pub n: usize,
    /// By the hour.
    pub chart: String,
}

/// A number of backups in some time.
#[derive(Debug, Clone, Serialize)]
pub struct Frequency {
    /// How many.
    pub n: usize,
    /// In which time.
    pub title: String,
    /// Over time.
    pub chart: String,
    /// Below the chart.
    pub axis: [String; 3],
}

/// The overview.
#[derive(Debug, Clone, Serialize)]
pub struct Dashboard {
    /// Its tabs.
    pub tabs: Vec<Tab>,
    /// The sentence.
    pub sentence: Sentence,
    /// If all burned now.
    pub burn: Vec<Burn>,
    /// What asks for somebody, worst first.
    pub todo: Vec<Reason>,
    /// How many more there are.
    pub more: String,
    /// What runs.
    pub running: Vec<Live>,
    /// Dates over the nights.
    pub nights: [String; 4],
    /// The sources.
    pub sources: Vec<Line>,
    /// Today by verdict.
    pub stats: Vec<Stat>,
    /// Backups per day, hour and minute.
    pub frequency: Vec<Frequency>,
}

/// The tabs of the overview.
pub fn tabs(viewer: &Viewer, sources: usize, here: &str) -> Vec<Tab> {
    let tab = |address: Address, key: &str, count: Option<u64>| Tab {
        href: viewer.to(&address),
        label: viewer.say(key, &[]),
        count,
        here: key == here,
    };
    vec![
        tab(Address::Home, "tab-overview", None),
        tab(Address::Sources, "sources", Some(sources as u64)),
        tab(Address::Drills, "tab-drills", None),
    ]
}

/// The overview of an estate.
pub fn dashboard(viewer: &Viewer, estate: &Estate, sources: &[Source]) -> Dashboard {
    let all = reasons(viewer, sources);
    let more = all.len().saturating_sub(SHOWN);
    let days = days(viewer.now, &viewer.reader.zone);
    let label = |i: usize| {
        let at = days.get(i).and_then(|d| d.to_zoned(viewer.reader.zone.clone()).ok());
        at.map_or_else(String::new, |z| viewer.reader.short_day(z.timestamp()))
    };
    let ended: Vec<&ListedBackup> = estate.recent.iter().filter(|b| b.verdict.is_some()).collect();
    Dashboard {
        tabs: tabs(viewer, sources.len(), "tab-overview"),
        sentence: sentence(viewer, sources, &all),
        burn: burn(viewer, sources),
        more: match more {
            0 => String::new(),
            n => viewer.say("todo-more", &[("n", &n.to_string())]),
        },
        todo: all.into_iter().take(SHOWN).collect(),
        running: live_runs(viewer, estate),
        nights: [label(0), label(10), label(20), viewer.say("today", &[])],
        sources: sources.iter().map(|source| line(viewer, source)).collect(),
        stats: stats(viewer, &ended),
        frequency: frequency(viewer, &ended),
    }
}

fn sentence(viewer: &Viewer, sources: &[Source], reasons: &[Reason]) -> Sentence {
    let late = sources.iter().filter(|s| s.is_late()).count();
    let all = sources.len().to_string();
    let lang = viewer.lang();
    let mut looked: Vec<&str> = reasons.iter().map(|r| r.source.as_str()).collect();
    looked.sort_unstable();
    looked.dedup();
    let (k, text) = if sources.is_empty() {
        ("al", viewer.say("sentence-none", &[]))
    } else if late > 0 {
        ("er", lang.count("sentence-late", late, &[("m", &all)]))
    } else if !looked.is_empty() {
        ("al", lang.count("sentence-look", looked.len(), &[("m", &all)]))
    } else {
        ("ok", lang.count("sentence-well", sources.len(), &[]))
    };
    Sentence { k, text }
}

fn burn(viewer: &Viewer, sources: &[Source]) -> Vec<Burn> {
    let mut left: Vec<(i64, Burn)> = sources
        .iter()
        .map(|source| match source.elsewhere() {
            Some((backup, copy)) => {
                let at = parse(&backup.started).unwrap_or(viewer.now);
                let seconds = viewer.now.duration_since(at).as_secs();
                let burn = Burn {
                    age: viewer.say("age-ago", &[("age", &age(seconds))]),
                    source: source.name.clone(),
                    place: viewer.say("burn-place", &[("store", &copy.store)]),
                    late: source.limit.is_some_and(|limit| seconds > limit),
                };
                (seconds, burn)
            }
            None => {
                let burn = Burn {
                    age: viewer.say("burn-never", &[]),
                    source: source.name.clone(),
                    place: viewer.say("burn-nowhere", &[]),
                    late: true,
                };
                (i64::MAX, burn)
            }
        })
        .collect();
    left.sort_by_key(|(seconds, _)| std::cmp::Reverse(*seconds));
    left.into_iter().map(|(_, burn)| burn).collect()
}

/// The gauge of a source's age, and its limit in words.
pub fn gauge(viewer: &Viewer, source: &Source) -> (String, String) {
    let shown = source.age.map_or_else(|| NONE.to_owned(), age);
    let Some(most) = source.limit else {
        return (String::new(), NONE.to_owned());
    };
    let label = viewer.say("gauge", &[("age", &shown), ("limit", &limit(most))]);
    (svg::gauge(source.age.unwrap_or(most * 2), most, &label), limit(most))
}

fn line(viewer: &Viewer, source: &Source) -> Line {
    let cells: Vec<Cell> = source
        .nights
        .iter()
        .zip(days(viewer.now, &viewer.reader.zone))
        .map(|(night, day)| cell(viewer, night, day))
        .collect();
    let count = |k: &str| cells.iter().filter(|c| c.k == k).count().to_string();
    let summary = viewer.say(
        "nights-count",
        &[("ok", &count("ok")), ("al", &count("al")), ("er", &count("er")), ("no", &count("no"))],
    );
    let read: Vec<f64> = source
        .recent
        .iter()
        .filter(|b| matches!(b.verdict, Some(1 | 2)))
        .map(|b| b.raw_bytes as f64)
        .collect();
    let n = source.recent.len().to_string();
    let label = viewer.say("trend", &[("source", &source.name), ("n", &n)]);
    let (gauge, within) = gauge(viewer, source);
    Line {
        summary: viewer.say("nights-label", &[("source", &source.name), ("summary", &summary)]),
        name: source.name.clone(),
        job: source.job.clone(),
        cells,
        late: source.is_late(),
        age: source.age.map_or_else(|| NONE.to_owned(), age),
        gauge,
        within,
        size: source.proven.as_ref().map_or_else(|| NONE.to_owned(), |b| size(b.raw_bytes)),
        trend: svg::trend(&read, &label),
    }
}

fn cell(viewer: &Viewer, night: &Night, day: Date) -> Cell {
    let at = day.to_zoned(viewer.reader.zone.clone()).map(|z| z.timestamp());
    let day = at.map_or_else(|_| String::new(), |at| viewer.reader.short_day(at));
    let say = |key: &str| format!("{day} {}", viewer.say(key, &[]));
    match night {
        Night::Ran(backup, count) => {
            let verdict = backup.verdict.unwrap_or(0);
            let many = match count {
                1 => String::new(),
                n => viewer.say("night-many", &[("n", &n.to_string())]),
            };
            let what = match backup.note.is_empty() {
                true => format!(", {}", size(backup.raw_bytes)),
                false => format!(": {}", shorten(&backup.note)),
            };
            Cell {
                k: class(verdict),
                tip: format!("{day} {}{many}{what}", word(viewer.lang(), verdict)),
                href: viewer.to(&Address::Backup(backup.number)),
            }
        }
        Night::Missed(_) => Cell { k: "no", tip: say("night-none"), href: String::new() },
        Night::Off => Cell { k: "off", tip: say("night-off"), href: String::new() },
        Night::Unborn => Cell { k: "off", tip: say("night-unborn"), href: String::new() },
    }
}

/// How many of some backups have each verdict.
fn parts<'a>(backups: impl Iterator<Item = &'a &'a ListedBackup>) -> [usize; 3] {
    let mut parts = [0; 3];
    for backup in backups {
        if let Some(part) = parts.get_mut(usize::from(backup.verdict.unwrap_or(3).clamp(1, 3)) - 1)
        {
            *part += 1;
        }
    }
    parts
}

/// The hour of the day of a backup of today, `None` of another day.
fn hour_of(viewer: &Viewer, backup: &ListedBackup) -> Option<i8> {
    let zoned = parse(&backup.started)?.to_zoned(viewer.reader.zone.clone());
    (zoned.date() == date(viewer.now, &viewer.reader.zone)).then_some(zoned.hour())
}

fn stats(viewer: &Viewer, ended: &[&ListedBackup]) -> Vec<Stat> {
    let of = |verdict: u8| {
        let label = word(viewer.lang(), verdict);
        let mut hours = [0; 24];
        for hour in
            ended.iter().filter(|b| b.verdict == Some(verdict)).filter_map(|b| hour_of(viewer, b))
        {
            hours[usize::from(hour.clamp(0, 23) as u8)] += 1;
        }
        let columns: Vec<svg::Column> = hours
            .iter()
            .enumerate()
            .map(|(hour, n)| {
                let mut parts = [0; 3];
                parts[usize::from(verdict) - 1] = *n;
                svg::Column { tip: hour_tip(viewer, hour as i8, *n), parts }
            })
            .collect();
        let title = viewer.say("stat-chart", &[("word", &label)]);
        Stat {
            k: class(verdict),
            about: viewer.say("stat-about", &[("word", &label)]),
            n: hours.iter().sum(),
            chart: svg::bars(&columns, &title, true),
            label,
        }
    };
    (1..=3).map(of).collect()
}

fn hour_tip(viewer: &Viewer, hour: i8, n: usize) -> String {
    viewer.lang().count("hour-tip", n, &[("hour", &format!("{hour:02}"))])
}

/// Backups of each of the last days.
fn per_day(viewer: &Viewer, ended: &[&ListedBackup]) -> Vec<svg::Column> {
    let zone = &viewer.reader.zone;
    let of_day = |day: &Date| {
        let is = |b: &&&ListedBackup| parse(&b.started).is_some_and(|at| date(at, zone) == *day);
        let parts = parts(ended.iter().filter(is));
        let n = parts.iter().sum::<usize>();
        svg::Column { tip: format!("{}: {n}", stamp(viewer, day)), parts }
    };
    days(viewer.now, zone).iter().map(of_day).collect()
}

/// A day as an axis names it.
fn stamp(viewer: &Viewer, day: &Date) -> String {
    let zoned = day.to_zoned(viewer.reader.zone.clone());
    zoned.map_or_else(|_| String::new(), |z| viewer.reader.short_day(z.timestamp()))
}

/// Backups of each hour of today.
fn per_hour(viewer: &Viewer, ended: &[&ListedBackup]) -> Vec<svg::Column> {
    let of_hour = |hour| {
        let parts = parts(ended.iter().filter(|b| hour_of(viewer, b) == Some(hour)));
        svg::Column { tip: hour_tip(viewer, hour, parts.iter().sum()), parts }
    };
    (0..24).map(of_hour).collect()
}

/// The minute that a moment lies in, counted from 1970.
fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// A minute as an axis names it.
fn clock(viewer: &Viewer, minute: i64) -> String {
    let at = Timestamp::from_second(minute * 60);
    at.map_or_else(|_| String::new(), |at| viewer.reader.minute(at))
}

/// Backups of each minute of the last hour.
fn per_minute(viewer: &Viewer, ended: &[&ListedBackup]) -> Vec<svg::Column> {
    let this = minute_of(viewer.now);
    let of_minute = |minute| {
        let is = |b: &&&ListedBackup| parse(&b.started).map(minute_of) == Some(minute);
        let parts = parts(ended.iter().filter(is));
        let n = parts.iter().sum::<usize>();
        svg::Column { tip: format!("{}: {n}", clock(viewer, minute)), parts }
    };
    (this - 59..=this).map(of_minute).collect()
}

fn frequency(viewer: &Viewer, ended: &[&ListedBackup]) -> Vec<Frequency> {
    let now = viewer.now.to_zoned(viewer.reader.zone.clone());
    let sum = |c: &svg::Column| c.parts.iter().sum::<usize>();
    let (by_day, by_hour, by_minute) =
        (per_day(viewer, ended), per_hour(viewer, ended), per_minute(viewer, ended));
    let dates = days(viewer.now, &viewer.reader.zone);
    let day = |i: usize| dates.get(i).map(|d| stamp(viewer, d)).unwrap_or_default();
    let (hour, this) = (format!("{:02}", now.hour()), minute_of(viewer.now));
    vec![
        Frequency {
            n: by_day.last().map_or(0, sum),
            title: viewer.say("frequency-day", &[]),
            chart: svg::bars(&by_day, &viewer.say("frequency-chart-day", &[]), false),
            axis: [day(0), day(14), day(dates.len().saturating_sub(1))],
        },
        Frequency {
            n: by_hour.get(usize::from(now.hour().max(0) as u8)).map_or(0, sum),
            title: viewer.say("frequency-hour", &[("hour", &hour)]),
            chart: svg::bars(&by_hour, &viewer.say("frequency-chart-hour", &[]), false),
            axis: ["0h", "12h", "23h"].map(str::to_owned),
        },
        Frequency {
            n: by_minute.last().map_or(0, sum),
            title: viewer.say("frequency-minute", &[("minute", &clock(viewer, this))]),
            chart: svg::bars(&by_minute, &viewer.say("frequency-chart-minute", &[]), false),
            axis: [clock(viewer, this - 59), clock(viewer, this - 30), clock(viewer, this)],
        },
    ]
}
