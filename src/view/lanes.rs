//! The waterfall: one lane a step, grouped by source; reading and sending overlap, as they do.

use serde::Serialize;

use crate::catalog::{HeldCopy, ListedBackup, ListedStep};
use crate::view::format::{NONE, class, parse, short, word};
use crate::view::frame::Viewer;
use crate::view::svg::{Piece, bracket, lane};

/// What a step took.
#[derive(Debug, Clone, Default)]
pub struct Timed {
    /// What it is called: `dump`, `send/cloud`.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The class of its lane.
    pub class: &'static str,
    /// When it began, in milliseconds.
    pub from: Option<i64>,
    /// When it ended, in milliseconds; `None` while it runs.
    pub to: Option<i64>,
    /// How well.
    pub verdict: Option<u8>,
    /// `waiting`, `running`, `done`, `failed`, `skipped`, `interrupted`.
    pub state: String,
    /// What it did, or why it failed.
    pub tip: String,
}

fn millisecond(text: Option<&str>) -> Option<i64> {
    Some(parse(text?)?.as_millisecond())
}

impl Timed {
    /// A step of a run; a dump ends when its last byte was read.
    pub fn of_step(step: &ListedStep, backup: &ListedBackup) -> Option<Timed> {
        let (class, finished) = match step.verb.as_str() {
            "dump" | "physical" | "rman" => {
                ("g-read", backup.finished.as_deref().or(step.finished.as_deref()))
            }
            "verify" => ("g-proof", step.finished.as_deref()),
            "keep" => ("g-keep", step.finished.as_deref()),
            _ => ("g-wait", step.finished.as_deref()),
        };
        let name = match step.store.as_str() {
            "" => step.verb.clone(),
            store => format!("{}/{store}", step.verb),
        };
        Some(Timed {
            name,
            address: step.address.clone(),
            class: if step.verdict == Some(3) { "g-er" } else { class },
            from: millisecond(step.started.as_deref()),
            to: millisecond(finished),
            verdict: step.verdict,
            state: step.state.clone(),
            tip: step.message.clone(),
        })
    }

    /// A copy that was sent.
    pub fn of_copy(copy: &HeldCopy) -> Timed {
        let failed = !copy.message.is_empty();
        Timed {
            name: format!("send/{}", copy.store),
            address: copy.key.clone(),
            class: if failed { "g-er" } else { "g-send" },
            from: millisecond(Some(&copy.started)),
            to: millisecond(copy.finished.as_deref()),
            verdict: Some(copy.verdict),
            state: if failed { "failed".into() } else { "done".into() },
            tip: copy.message.clone(),
        }
    }

    /// How long it took, in seconds; `None` while it runs.
    pub fn seconds(&self) -> Option<i64> {
        Some((self.to? - self.from? + 500).div_euclid(1000).max(0))
    }
}

/// A step as a lane.
#[derive(Debug, Clone, Serialize)]
pub struct Lane {
    /// What it is called.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its lane.
    pub lane: String,
    /// How long it took.
    pub duration: String,
    /// The class of its verdict; empty where it has none.
    pub k: &'static str,
    /// The word of that, or what it waits for.
    pub word: String,
}

/// The lanes of one source.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// The source; empty where there is only one.
    pub name: String,
    /// Its bracket.
    pub lane: String,
    /// How long it took.
    pub duration: String,
    /// The class of its verdict.
    pub k: &'static str,
    /// The word of that.
    pub word: String,
    /// Its steps.
    pub steps: Vec<Lane>,
}

/// A waterfall.
#[derive(Debug, Clone, Serialize)]
pub struct Lanes {
    /// What is to be seen in it.
    pub about: String,
    /// Over the lanes.
    pub ticks: Vec<String>,
    /// The groups.
    pub groups: Vec<Group>,
}

/// Steps in groups as lanes; `None` where nothing began.
pub fn lanes(viewer: &Viewer, groups: &[(String, Vec<Timed>)], about: String) -> Option<Lanes> {
    let all = || groups.iter().flat_map(|(_, steps)| steps);
    let first = all().filter_map(|s| s.from).min()?;
    let now = viewer.now.as_millisecond();
    let last = all().filter_map(|s| s.from.map(|_| s.to.unwrap_or(now))).max()?.max(first + 1000);
    let total = (last - first) as f64 / 1000.0;
    let at = |ms: i64| (ms - first) as f64 / 1000.0;
    let ends = |steps: &[Timed]| {
        let from = steps.iter().filter_map(|s| s.from).min();
        let to = steps.iter().filter_map(|s| s.from.map(|_| s.to.unwrap_or(now))).max();
        from.zip(to)
    };
    let longest = groups.iter().filter_map(|(_, s)| ends(s)).map(|(_, to)| to).max();
    let group = |(name, steps): &(String, Vec<Timed>)| {
        let ends = ends(steps);
        let verdict = steps.iter().filter_map(|s| s.verdict).max();
        Group {
            name: name.clone(),
            lane: ends.map_or_else(String::new, |(from, to)| {
                bracket(total, at(from), at(to), Some(to) == longest)
            }),
            duration: ends.map_or_else(|| NONE.to_owned(), |(a, b)| short((b - a + 500) / 1000)),
            k: verdict.map_or("", class),
            word: verdict.map_or_else(String::new, |v| word(viewer.lang(), v)),
            steps: steps.iter().map(|step| shown(viewer, step, total, &at, now)).collect(),
        }
    };
    Some(Lanes {
        about,
        ticks: (0..6).map(|i| tick(total * f64::from(i) / 6.0)).collect(),
        groups: groups.iter().map(group).collect(),
    })
}

fn tick(seconds: f64) -> String {
    if seconds == 0.0 { "0".to_owned() } else { short(seconds.round() as i64) }
}

fn shown(viewer: &Viewer, step: &Timed, total: f64, at: &dyn Fn(i64) -> f64, now: i64) -> Lane {
    let pieces: Vec<Piece> = step
        .from
        .map(|from| Piece {
            class: step.class,
            from: at(from),
            to: at(step.to.unwrap_or(now)),
            tip: if step.tip.is_empty() { step.name.clone() } else { step.tip.clone() },
        })
        .into_iter()
        .collect();
    let (k, text) = match (step.verdict, step.state.as_str()) {
        (Some(verdict), _) => (class(verdict), word(viewer.lang(), verdict)),
        (None, "running") => ("run", viewer.say("running", &[])),
        (None, "skipped") => ("", viewer.say("step-skipped-short", &[])),
        (None, _) => ("", viewer.say("step-waits", &[])),
    };
    Lane {
        name: step.name.clone(),
        address: step.address.clone(),
        lane: lane(total, &pieces),
        duration: step.seconds().map_or_else(|| NONE.to_owned(), short),
        k,
        word: text,
    }
}
