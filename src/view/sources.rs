//! Sources: what would be lost now, how long it would take to be back, how stores grow, and what
//! retention keeps.

use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use crate::base::Size;
use crate::catalog::{Growth, HeldCopy};
use crate::job::KeepSpec;
use crate::retention::{Held, Judgement, Rule, judge};
use crate::view::dashboard::{gauge, tabs};
use crate::view::details::proof;
use crate::view::estate::{DAYS, Source};
use crate::view::format::{NONE, age, parse, short, size};
use crate::view::frame::{Tab, Viewer};
use crate::view::svg::{Dot, growth, keep_line};
use crate::view::todo::rto_over;

/// A store and the proof of a copy in it.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    /// The store.
    pub store: String,
    /// 0 no copy, 1 written, 2 read, 3 restored.
    pub level: u8,
    /// The word of that.
    pub proof: String,
}

/// The last restore drill of a source.
#[derive(Debug, Clone, Serialize)]
pub struct DrillMark {
    /// `ok`, `al`, `er`, `no`.
    pub k: &'static str,
    /// Its day, or that there was none.
    pub text: String,
    /// How overdue it is.
    pub more: String,
}

/// A source.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What it is, and on which machine.
    pub label: String,
    /// The age of its newest proven copy.
    pub age: String,
    /// Whether that is too old.
    pub late: bool,
    /// By how much.
    pub over: String,
    /// The age beside its limit.
    pub gauge: String,
    /// The limit.
    pub within: String,
    /// When its newest proven copy was begun.
    pub proven: String,
    /// Its size.
    pub size: String,
    /// The copies of that backup.
    pub copies: Vec<Proof>,
    /// How long the last drill took.
    pub rto: String,
    /// How much longer than allowed.
    pub rto_over: String,
    /// The last drill.
    pub drill: DrillMark,
}

/// A store.
#[derive(Debug, Clone, Serialize)]
pub struct Store {
    /// Its name.
    pub name: String,
    /// What messages call it.
    pub place: String,
    /// What it holds.
    pub size: String,
    /// How it grew.
    pub grown: String,
    /// The same, drawn.
    pub chart: String,
    /// Below the chart.
    pub axis: [String; 2],
}

/// What retention keeps of a source in a store.
#[derive(Debug, Clone, Serialize)]
pub struct KeepLine {
    /// The store.
    pub store: String,
    /// The rules.
    pub rules: String,
    /// The copies.
    pub chart: String,
}

/// What retention keeps of a source.
#[derive(Debug, Clone, Serialize)]
pub struct Keep {
    /// The heading.
    pub title: String,
    /// Its stores.
    pub lines: Vec<KeepLine>,
}

/// The page of sources.
#[derive(Debug, Clone, Serialize)]
pub struct Sources {
    /// Its tabs.
    pub tabs: Vec<Tab>,
    /// The sources.
    pub sources: Vec<Line>,
    /// The stores.
    pub stores: Vec<Store>,
    /// What retention keeps.
    pub keeps: Vec<Keep>,
}

/// The page of sources.
pub fn page(viewer: &Viewer, sources: &[Source], growths: &[Growth]) -> Sources {
    Sources {
        tabs: tabs(viewer, sources.len(), "sources"),
        sources: sources.iter().map(|s| line(viewer, s)).collect(),
        stores: growths.iter().filter(|g| g.2 > 0).map(|g| store(viewer, g)).collect(),
        keeps: sources.iter().filter_map(|s| keep(viewer, s)).collect(),
    }
}

fn line(viewer: &Viewer, source: &Source) -> Line {
    let last = source.newest.first().map(|(b, _)| b);
    let label = [
        last.map(|b| b.server.clone()).filter(|s| !s.is_empty()),
        source.declared.as_ref().map(|d| d.label.clone()).filter(|l| !l.is_empty()),
        last.map(|b| b.host.clone()),
    ];
    let label: Vec<String> = label.into_iter().flatten().collect();
    let (gauge, within) = gauge(viewer, source);
    let proven = source.proven.as_ref();
    let of_proven = proven
        .and_then(|p| source.newest.iter().find(|(b, _)| b.number == p.number))
        .map(|(_, copies)| copies.as_slice())
        .unwrap_or_default();
    let mark = |store: String| {
        let missing = HeldCopy { verdict: 3, ..HeldCopy::default() };
        let copy = of_proven.iter().find(|c| c.store == store).unwrap_or(&missing);
        let (level, proof) = proof(viewer, copy);
        Proof { store, level, proof }
    };
    Line {
        name: source.name.clone(),
        label: label.join(" · "),
        age: source.age.map_or_else(|| NONE.to_owned(), age),
        late: source.is_late(),
        over: source.over().map(|s| viewer.say("over", &[("age", &age(s))])).unwrap_or_default(),
        gauge,
        within,
        proven: proven
            .map_or_else(|| NONE.to_owned(), |b| viewer.reader.moment_of(Some(&b.started))),
        size: proven.map_or_else(String::new, |b| size(b.raw_bytes)),
        copies: source.stores().into_iter().map(|s| mark(s.store)).collect(),
        rto: source.drill.as_ref().and_then(|d| d.rto).map_or_else(|| NONE.to_owned(), short),
        rto_over: rto_over(viewer, source).unwrap_or_default(),
        drill: drill(viewer, source),
    }
}

/// The last drill of a source as a mark.
pub fn drill(viewer: &Viewer, source: &Source) -> DrillMark {
    let day = |at: &str| parse(at).map(|at| viewer.reader.day(at)).unwrap_or_default();
    match (&source.drill, source.drill_overdue(viewer.now)) {
        (Some(drill), Some(days)) => {
            let days = usize::try_from(days).unwrap_or(0);
            let more = viewer.lang().count("drill-overdue", days, &[]);
            DrillMark { k: "al", text: day(&drill.at), more }
        }
        (Some(drill), None) => DrillMark { k: "ok", text: day(&drill.at), more: String::new() },
        (None, _) => match &source.failed_drill {
            Some(failed) => DrillMark { k: "er", text: day(&failed.at), more: String::new() },
            None => {
                DrillMark { k: "no", text: viewer.say("drill-never", &[]), more: String::new() }
            }
        },
    }
}

fn store(viewer: &Viewer, (name, place, now, moved): &Growth) -> Store {
    // Backwards from what is there now: the days of the catalog are days of UTC.
    let mut values = vec![*now as f64];
    for back in 0..DAYS - 1 {
        let at = viewer.now - (back * 24).hours();
        let day = at.to_string().chars().take(10).collect::<String>();
        let change: i64 = moved.iter().filter(|(d, _)| *d == day).map(|(_, n)| n).sum();
        let before = values.last().copied().unwrap_or(0.0) - change as f64;
        values.push(before.max(0.0));
    }
    values.reverse();
    let first = values.first().copied().unwrap_or(0.0) as u64;
    let last = u64::try_from(*now).unwrap_or(0);
    let (sign, by) = if last >= first { ("+", last - first) } else { ("−", first - last) };
    let label =
        viewer.say("grown-chart", &[("store", name), ("from", &size(first)), ("to", &size(last))]);
    let start = viewer.now - ((DAYS - 1) * 24).hours();
    Store {
        name: name.clone(),
        place: place.clone(),
        size: size(last),
        grown: viewer.say(
            "grown",
            &[("sign", sign), ("size", &if by == 0 { "0".into() } else { size(by) })],
        ),
        chart: growth(&values, &label),
        axis: [viewer.reader.short_day(start), viewer.reader.short_day(viewer.now)],
    }
}

/// The rules that a file writes: `daily=7 weekly=4`, `last=5 within=30d`.
pub fn rules(text: &str) -> KeepSpec {
    let mut keep = KeepSpec::default();
    for (name, value) in text.split_whitespace().filter_map(|rule| rule.split_once('=')) {
        let value = value.trim_matches('"');
        let n = value.parse().ok();
        match name {
            "last" => keep.last = n,
            "hourly" => keep.hourly = n,
            "daily" => keep.daily = n,
            "weekly" => keep.weekly = n,
            "monthly" => keep.monthly = n,
            "yearly" => keep.yearly = n,
            "within" => keep.within = duration(value),
            "max-size" => keep.max_size = Size::parse(value).map(|size| size.0),
            _ => {}
        }
    }
    keep
}

fn duration(text: &str) -> Option<std::time::Duration> {
    let unit = text.chars().last()?;
    let n: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    Some(std::time::Duration::from_secs(n.checked_mul(seconds)?))
}

/// What the rules keep of a source, as far as its newest copies tell.
fn keep(viewer: &Viewer, source: &Source) -> Option<Keep> {
    let lines: Vec<KeepLine> = source
        .stores()
        .iter()
        .filter(|s| !s.keep.is_empty())
        .filter_map(|s| keep_of(viewer, source, &s.store, &s.keep))
        .collect();
    let title = viewer.say("keep-title", &[("source", &source.name)]);
    (!lines.is_empty()).then_some(Keep { title, lines })
}

fn keep_of(viewer: &Viewer, source: &Source, store: &str, text: &str) -> Option<KeepLine> {
    let of =
        |copies: &[HeldCopy]| copies.iter().find(|c| c.store == store && c.is_there()).cloned();
    let held: Vec<(Timestamp, HeldCopy)> = source
        .newest
        .iter()
        .filter_map(|(backup, copies)| Some((parse(&backup.started)?, of(copies)?)))
        .collect();
    let judged = judge(
        &rules(text),
        &held
            .iter()
            .map(|(finished, copy)| Held {
                finished: *finished,
                proven: source.counts(copy),
                made: false,
                needed: false,
                parent: None,
                pinned: None,
                bytes: copy.bytes,
            })
            .collect::<Vec<_>>(),
        viewer.now,
        &viewer.reader.zone,
    );
    let dots: Vec<Dot> = held
        .iter()
        .zip(&judged)
        .map(|((at, copy), judgement)| {
            let days = viewer.now.duration_since(*at).as_secs() as f64 / 86_400.0;
            let (level, word) = proof(viewer, copy);
            Dot {
                days,
                proof: level.max(1),
                letters: letters(viewer, judgement),
                goes: !judgement.keep,
                tip: format!("{} {word}", viewer.reader.moment(*at)),
            }
        })
        .collect();
    let oldest = dots.iter().map(|d| d.days).fold(0.0, f64::max);
    let n = dots.iter().filter(|d| !d.goes).count().to_string();
    let label = viewer.say("keep-chart", &[("n", &n), ("days", &format!("{oldest:.0}"))]);
    (!dots.is_empty()).then(|| KeepLine {
        store: store.to_owned(),
        rules: text.to_owned(),
        chart: keep_line(&dots, oldest.max(1.0), &label),
    })
}

/// The letters of the periods that keep a copy, as the heading explains them.
fn letters(viewer: &Viewer, judgement: &Judgement) -> String {
    let letter = |rule: &Rule| match rule {
        Rule::Last | Rule::Within | Rule::MaxSize => None,
        Rule::Hourly => Some("keep-letter-hourly"),
        Rule::Daily => Some("keep-letter-daily"),
        Rule::Weekly => Some("keep-letter-weekly"),
        Rule::Monthly => Some("keep-letter-monthly"),
        Rule::Yearly => Some("keep-letter-yearly"),
    };
    // The longest period says most.
    let mut rules = judgement.rules();
    rules.sort();
    rules.iter().rev().find_map(letter).map(|key| viewer.say(key, &[])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_a_file_writes_them() {
        let keep = rules("last=5 within=30d daily=7");
        assert_eq!((keep.last, keep.daily, keep.weekly), (Some(5), Some(7), None));
        assert_eq!(keep.within, Some(std::time::Duration::from_secs(30 * 86_400)));
        assert_eq!(
            rules("within=\"90m\" x=y last=z"),
            KeepSpec { within: keep_minutes(90), ..KeepSpec::default() }
        );
    }

    fn keep_minutes(n: u64) -> Option<std::time::Duration> {
        Some(std::time::Duration::from_secs(n * 60))
    }
}
