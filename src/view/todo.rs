//! What asks for somebody, worst first: what it is and how much, why, and one link.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::catalog::{HeldCopy, ListedBackup};
use crate::view::address::Address;
use crate::view::estate::{Night, Source, date};
use crate::view::format::{age, limit, parse, short, shorten, word};
use crate::view::frame::Viewer;

/// Moments of a day from which on they are told together.
const SEVERAL: usize = 4;

/// How long after its moment a run that did not begin is missed.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// Why somebody should look.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// `er` or `al`.
    pub k: &'static str,
    /// Its shape.
    pub icon: &'static str,
    /// What it is, and how much.
    pub title: String,
    /// Why.
    pub text: String,
    /// Where to look; empty for nowhere.
    pub href: String,
    /// What that is called.
    pub link: String,
    /// The source it is about.
    #[serde(skip)]
    pub source: String,
}

/// All reasons of some sources.
pub fn reasons(viewer: &Viewer, sources: &[Source]) -> Vec<Reason> {
    let mut all: Vec<Reason> = Vec::new();
    for source in sources {
        all.extend(late(viewer, source));
        all.extend(damaged(viewer, source));
        all.extend(without_copy(viewer, source));
        if !source.is_late() {
            all.extend(today(viewer, source).or_else(|| last(viewer, source)));
        }
        all.extend(overdue(viewer, source));
    }
    all.sort_by_key(|reason| reason.k != "er");
    all
}

fn reason(
    viewer: &Viewer,
    source: &Source,
    k: &'static str,
    title: String,
    text: String,
) -> Reason {
    Reason {
        k,
        icon: k,
        title,
        text,
        href: viewer.to(&Address::Sources),
        link: viewer.say("todo-see-source", &[]),
        source: source.name.clone(),
    }
}

/// Leads to a backup.
fn at_backup(viewer: &Viewer, reason: Reason, number: i64, key: &str) -> Reason {
    let href = viewer.to(&Address::Backup(number));
    Reason { href, link: viewer.say(key, &[]), ..reason }
}

fn late(viewer: &Viewer, source: &Source) -> Option<Reason> {
    if !source.is_late() {
        return None;
    }
    let name = source.name.as_str();
    let title = match (source.over(), source.limit) {
        (Some(over), Some(most)) => viewer
            .say("todo-late", &[("source", name), ("over", &age(over)), ("limit", &limit(most))]),
        _ => viewer.say("todo-never", &[("source", name)]),
    };
    let failed = source.newest.iter().map(|(b, _)| b).find(|b| b.verdict == Some(3));
    let proven = source.proven.as_ref().map(|b| b.started.as_str()).unwrap_or_default();
    match failed.filter(|b| b.started.as_str() > proven) {
        Some(failed) => {
            let day =
                parse(&failed.started).map(|at| viewer.reader.short_day(at)).unwrap_or_default();
            let text = format!("{day}: {}", shorten(&failed.note));
            let reason = reason(viewer, source, "er", title, text);
            Some(at_backup(viewer, reason, failed.number, "todo-see-error"))
        }
        None => {
            let key = if source.proven.is_some() { "todo-no-failure" } else { "todo-never-text" };
            Some(reason(viewer, source, "er", title, viewer.say(key, &[])))
        }
    }
}

fn damaged(viewer: &Viewer, source: &Source) -> Option<Reason> {
    let (backup, copy) = source.newest.iter().find_map(|(backup, copies)| {
        let copy = copies.iter().find(|c| !c.damage.is_empty() && c.removed.is_none())?;
        Some((backup, copy))
    })?;
    let title = viewer.say("todo-damage", &[("source", &source.name), ("store", &copy.store)]);
    let reason = reason(viewer, source, "er", title, shorten(&copy.damage));
    Some(at_backup(viewer, reason, backup.number, "todo-see"))
}

/// Nights in a row, up to the last, in which a store got no copy of what was read.
fn without_copy(viewer: &Viewer, source: &Source) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for store in source.stores() {
        let of = |copies: &[HeldCopy]| copies.iter().find(|c| c.store == store.store).cloned();
        let failing: Vec<_> = source
            .newest
            .iter()
            .filter(|(backup, copies)| backup.verdict != Some(3) || !copies.is_empty())
            .take_while(|(_, copies)| of(copies).is_none_or(|c| !c.message.is_empty()))
            .collect();
        let Some((backup, copies)) = failing.first() else { continue };
        let why = of(copies).map(|c| shorten(&c.message)).unwrap_or_default();
        let there: Vec<&HeldCopy> = copies.iter().filter(|c| c.is_there()).collect();
        let why = match there.as_slice() {
            [one] if !why.is_empty() => {
                viewer.say("todo-copy-only", &[("why", &why), ("store", &one.store)])
            }
            _ => why,
        };
        let title = viewer.lang().count(
            "todo-copy",
            failing.len(),
            &[("source", &source.name), ("store", &store.store)],
        );
        let k = if store.optional || backup.verdict != Some(3) { "al" } else { "er" };
        let reason = reason(viewer, source, k, title, why);
        reasons.push(at_backup(viewer, reason, backup.number, "todo-see"));
    }
    reasons
}

/// Moments of today at which a source that is due several times a day did not go well, where they
/// are more than one.
fn today(viewer: &Viewer, source: &Source) -> Option<Reason> {
    let zone = &viewer.reader.zone;
    let midnight = date(viewer.now, zone).to_zoned(zone.clone()).ok()?.timestamp();
    let planned = source.planned(midnight, viewer.now - GRACE);
    let ends = planned.iter().skip(1).copied().chain([viewer.now]);
    let of = |from: Timestamp, to: Timestamp| {
        let began = |b: &&ListedBackup| parse(&b.started).is_some_and(|at| from <= at && at < to);
        source.recent.iter().filter(began).filter_map(|b| b.verdict).max()
    };
    let mut bad = Vec::new();
    for (from, to) in planned.iter().copied().zip(ends) {
        let what = match of(from, to) {
            Some(1) => continue,
            Some(verdict) => word(viewer.lang(), verdict).to_lowercase(),
            None => viewer.say("night-none", &[]),
        };
        bad.push(format!("{} {what}", viewer.reader.minute(from)));
    }
    if bad.len() < 2 || planned.len() < SEVERAL {
        return None;
    }
    let (n, m) = (bad.len().to_string(), planned.len().to_string());
    let title = viewer.say("todo-today", &[("source", &source.name), ("n", &n), ("m", &m)]);
    bad.truncate(SEVERAL);
    Some(reason(viewer, source, "al", title, bad.join(", ")))
}

/// What the last backup says, or that it is missing, where the source is still in time.
fn last(viewer: &Viewer, source: &Source) -> Option<Reason> {
    if let Some(Night::Missed(at)) = source.nights.last() {
        let day = viewer.reader.day(*at);
        let title = viewer.say("todo-missed", &[("source", &source.name), ("day", &day)]);
        let text = viewer.say("todo-missed-text", &[("moment", &viewer.reader.moment(*at))]);
        return Some(Reason { icon: "no", ..reason(viewer, source, "al", title, text) });
    }
    let (backup, copies) = source.newest.first()?;
    let key = match backup.verdict {
        Some(3) => "todo-failed",
        Some(2) if copies.iter().all(|c| c.message.is_empty()) => "todo-look",
        _ => return None,
    };
    let title = viewer.say(key, &[("source", &source.name)]);
    let reason = reason(viewer, source, "al", title, shorten(&backup.note));
    Some(at_backup(viewer, reason, backup.number, "todo-see"))
}

fn overdue(viewer: &Viewer, source: &Source) -> Option<Reason> {
    let days = source.drill_overdue(viewer.now)?;
    let title =
        viewer.lang().count("todo-drill", usize::try_from(days).ok()?, &[("source", &source.name)]);
    let at = source.drill.as_ref().and_then(|d| parse(&d.at))?;
    let mut text = viewer.say("todo-drill-last", &[("day", &viewer.reader.day(at))]);
    if let Some(failed) = &source.failed_drill {
        text = format!("{text}; {}", shorten(&failed.message));
    }
    Some(Reason {
        icon: "no",
        href: viewer.to(&Address::Drills),
        link: viewer.say("todo-see-drills", &[]),
        ..reason(viewer, source, "al", title, text)
    })
}

/// How much longer than allowed a restore took.
pub fn rto_over(viewer: &Viewer, source: &Source) -> Option<String> {
    let most = source.declared.as_ref()?.restore_within?;
    let took = source.drill.as_ref()?.rto?;
    (took > most).then(|| viewer.say("rto-over", &[("limit", &short(most))]))
}
