//! What runs now: how far it is, and how long it will take, from the progress that runs leave in
//! the catalog.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalog::{Estate, ListedBackup, ListedRun};
use crate::record::Progress;
use crate::view::address::Address;
use crate::view::format::{parse, short, size};
use crate::view::frame::Viewer;
use crate::view::svg;

/// Something that runs.
#[derive(Debug, Clone, Serialize)]
pub struct Live {
    /// What it is of.
    pub title: String,
    /// What it does.
    pub what: String,
    /// How far it is.
    pub figures: String,
    /// Since when.
    pub since: String,
    /// How far it is, drawn.
    pub bar: String,
    /// Its page; empty where it has none.
    pub href: String,
}

/// What a run's steps have moved, by their number.
pub fn progress(run: &ListedRun) -> BTreeMap<usize, Progress> {
    let by_step: BTreeMap<String, Progress> =
        serde_json::from_str(&run.progress).unwrap_or_default();
    by_step.into_iter().filter_map(|(step, p)| Some((step.parse().ok()?, p))).collect()
}

/// What is shown of a backup that runs: the counters of its step, if it has moved something.
pub fn live(
    viewer: &Viewer,
    title: &str,
    started: &str,
    moved: Option<&Progress>,
    href: String,
) -> Live {
    let since = parse(started).map_or(0, |at| viewer.now.duration_since(at).as_secs().max(0));
    let mut figures = Vec::new();
    let mut share = 0.0;
    if let Some(p) = moved {
        if p.estimate > 0 {
            share = (p.raw as f64 / p.estimate as f64).clamp(0.0, 1.0);
            figures.push(viewer.say("live-percent", &[("n", &format!("{:.0}", share * 100.0))]));
            let (done, all) = (size(p.raw), size(p.estimate.max(p.raw)));
            figures.push(viewer.say("live-detail", &[("done", &done), ("all", &all)]));
        } else if p.raw > 0 {
            figures.push(viewer.say("live-so-far", &[("size", &size(p.raw))]));
        }
        if share > 0.02 && since > 5 {
            let left = (since as f64 * (1.0 - share) / share) as i64;
            figures.push(viewer.say("live-left", &[("time", &short(left))]));
        }
    }
    let percent = format!("{:.0}", share * 100.0);
    let label = viewer.say("bar-percent", &[("name", title), ("n", &percent)]);
    Live {
        title: title.to_owned(),
        what: String::new(),
        figures: figures.join(", "),
        since: viewer.say("live-since", &[("time", &short(since))]),
        bar: svg::progress(share, &label),
        href,
    }
}

/// Everything that runs: each backup of a run, or the run itself where it makes none yet.
pub fn live_runs(viewer: &Viewer, estate: &Estate) -> Vec<Live> {
    let mut all = Vec::new();
    for run in &estate.running {
        let moved = progress(run);
        let own: Vec<&ListedBackup> =
            estate.recent.iter().filter(|b| b.id == run.id && b.verdict.is_none()).collect();
        for backup in &own {
            // A run with one backup has one set of counters that move bytes.
            let counters = match own.len() {
                1 => moved.values().max_by_key(|p| p.raw),
                _ => None,
            };
            let href = viewer.to(&Address::Backup(backup.number));
            let shown = live(viewer, &backup.chain, &backup.started, counters, href);
            all.push(Live { what: format!("{}, {}", backup.job, backup.host), ..shown });
        }
        if own.is_empty() {
            let href = viewer.to(&Address::Run(run.id.clone()));
            let shown = live(viewer, &run.job, &run.started, None, href);
            all.push(Live { what: run.host.clone(), ..shown });
        }
    }
    all
}
