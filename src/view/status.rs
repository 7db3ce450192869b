//! What each source stands at, for a terminal and for programs: its last run, its newest proven
//! backup and how old that is, its last drill, its next run, and why somebody must look.
//!
//! Invariants: a copy that nobody read back is never called proven; moments are of the job's zone,
//! and say it.

use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use serde::Serialize;

use crate::catalog::{Drill, HeldCopy, ListedBackup, ListedRun};
use crate::lang::Lang;
use crate::record::Verdict;
use crate::view::estate::{GRACE, Source};
use crate::view::format::{NONE, Reader, age, limit, parse, short, word};
use crate::view::held::ShownStore;

/// How far back a run that did not begin is looked for.
const BACK_DAYS: i64 = 40;

/// How well a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A copy is young enough, and no run is missing.
    Ok,
    /// The newest run was killed.
    Killed,
    /// A run was planned and did not begin.
    Missed,
    /// No copy is young enough, or there is none.
    Late,
}

impl State {
    /// The key of its word.
    fn key(self) -> &'static str {
        match self {
            State::Ok => "status-ok",
            State::Killed => "status-killed",
            State::Missed => "status-missed",
            State::Late => "status-late",
        }
    }
}

/// A run, for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShownRun {
    /// Its identity.
    pub id: String,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: String,
    /// When it ended; `null` while it runs and of one that was killed.
    pub finished: Option<String>,
    /// How well.
    pub verdict: Option<Verdict>,
    /// Whether it runs now.
    pub running: bool,
}

/// A backup, for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShownBackup {
    /// Its identity.
    pub id: String,
    /// When it began: what is newer is not in it.
    pub started: String,
    /// How old that is.
    pub age_seconds: i64,
    /// The store of the copy.
    pub store: String,
    /// `written`, `hashed`, `read`, `restored`.
    pub proof: String,
    /// When that was proven.
    pub proven_at: Option<String>,
}

/// A drill, for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShownDrill {
    /// When.
    pub at: String,
    /// How well.
    pub verdict: Option<Verdict>,
    /// How long the restore took.
    pub rto_seconds: Option<i64>,
}

/// What a source stands at, version 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Standing {
    /// The version of these fields.
    pub version: u32,
    /// Its job.
    pub job: String,
    /// The job file.
    pub file: String,
    /// The source.
    pub source: String,
    /// How well it stands.
    pub state: State,
    /// The newest run of its job.
    pub last_run: Option<ShownRun>,
    /// Its newest backup of which a copy exists, proven or not.
    pub newest: Option<ShownBackup>,
    /// Its newest backup that was proven.
    pub proven: Option<ShownBackup>,
    /// How old its newest backup may be.
    pub limit_seconds: Option<i64>,
    /// The last moment at which it was to run and did not.
    pub missed: Option<String>,
    /// Its last drill.
    pub drill: Option<ShownDrill>,
    /// When it is to run next.
    pub next_run: Option<String>,
    /// What its stores hold; empty where nobody asked for it.
    pub stores: Vec<ShownStore>,
    /// The zone of its job.
    pub zone: String,
}

/// What a source stands at now; `last` is the newest run of its job, `alive` says whether a run that
/// has no end still runs.
pub fn standing(
    source: &Source,
    last: Option<&ListedRun>,
    alive: &dyn Fn(&ListedRun) -> bool,
    (now, zone): (Timestamp, &TimeZone),
) -> Standing {
    let zone = source.schedule.as_ref().map_or(zone, |(_, zone)| zone);
    let runs = last.is_some_and(|run| run.finished.is_none() && alive(run));
    let killed = last.is_some_and(|run| run.finished.is_none()) && !runs;
    let missed = missed(source, last, now);
    let state = match (source.is_late(), missed, killed) {
        (true, ..) => State::Late,
        (false, Some(_), _) => State::Missed,
        (false, None, true) => State::Killed,
        (false, None, false) => State::Ok,
    };
    let next = source.schedule.as_ref().and_then(|(schedule, zone)| schedule.next(now, zone));
    Standing {
        version: 1,
        job: source.job.clone(),
        file: source.file.clone(),
        source: source.name.clone(),
        state,
        last_run: last.map(|run| shown_run(run, runs)),
        newest: newest(source, now, &|_| true),
        proven: newest(source, now, &|copy| !copy.level.is_empty()),
        limit_seconds: source.limit,
        missed: missed.map(|at| at.to_string()),
        drill: source.failed_drill.as_ref().or(source.drill.as_ref()).map(shown_drill),
        next_run: next.map(|at| at.to_string()),
        stores: Vec::new(),
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
    }
}

/// The last moment at which a source was to run, if its job did not begin since.
fn missed(source: &Source, last: Option<&ListedRun>, now: Timestamp) -> Option<Timestamp> {
    let grace = SignedDuration::from_secs(GRACE);
    let planned = source.planned(now - (BACK_DAYS * 24).hours(), now - grace).pop()?;
    let began = last.and_then(|run| parse(&run.started));
    began.is_none_or(|began| began < planned).then_some(planned)
}

/// The newest backup of a source with a copy that is there and fits.
fn newest(
    source: &Source,
    now: Timestamp,
    fits: &dyn Fn(&HeldCopy) -> bool,
) -> Option<ShownBackup> {
    let there = |copy: &&HeldCopy| copy.is_there() && fits(copy);
    let deepest = |copies: &[HeldCopy]| {
        copies.iter().filter(there).max_by_key(|copy| depth(&copy.level)).cloned()
    };
    let found = source.newest.iter().find_map(|(b, copies)| Some((b, deepest(copies)?)));
    found.map(|(backup, copy)| shown_backup(backup, &copy, now))
}

/// How much a proof says.
fn depth(level: &str) -> u8 {
    match level {
        "restored" => 3,
        "read" | "validated" => 2,
        "hashed" => 1,
        _ => 0,
    }
}

fn shown_backup(backup: &ListedBackup, copy: &HeldCopy, now: Timestamp) -> ShownBackup {
    let at = parse(&backup.started).unwrap_or(now);
    ShownBackup {
        id: backup.id.clone(),
        started: backup.started.clone(),
        age_seconds: now.duration_since(at).as_secs().max(0),
        store: copy.store.clone(),
        proof: if copy.level.is_empty() { "written".into() } else { copy.level.clone() },
        proven_at: copy.proven.clone(),
    }
}

fn shown_run(run: &ListedRun, running: bool) -> ShownRun {
    ShownRun {
        id: run.id.clone(),
        host: run.host.clone(),
        started: run.started.clone(),
        finished: run.finished.clone(),
        verdict: verdict(run.verdict),
        running,
    }
}

fn shown_drill(drill: &Drill) -> ShownDrill {
    ShownDrill {
        at: drill.at.clone(),
        verdict: verdict(Some(drill.verdict)),
        rto_seconds: drill.rto,
    }
}

/// A verdict of the catalog.
pub fn verdict(number: Option<u8>) -> Option<Verdict> {
    match number? {
        1 => Some(Verdict::Success),
        2 => Some(Verdict::Alert),
        3 => Some(Verdict::Error),
        _ => None,
    }
}

impl Standing {
    /// Whether somebody must look.
    pub fn is_overdue(&self) -> bool {
        self.state != State::Ok
    }

    fn reader(&self, lang: Lang) -> Reader {
        Reader { lang, zone: TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC) }
    }

    /// The heads of its cells.
    pub fn heads(lang: Lang) -> Vec<String> {
        let keys = ["job", "source", "state", "last", "proven", "age", "drill", "next"];
        keys.iter().map(|key| lang.say(&format!("status-head-{key}"), &[])).collect()
    }

    /// Its cells, as a person reads them.
    pub fn cells(&self, lang: Lang) -> Vec<String> {
        let reader = self.reader(lang);
        let proven = self.proven.as_ref().map_or_else(
            || lang.say("status-never", &[]),
            |b| format!("{} ({})", reader.zoned_of(&b.started), proof(lang, &b.proof)),
        );
        let allowed = self.limit_seconds.map_or_else(|| NONE.to_owned(), limit);
        let old = self.proven.as_ref().map_or_else(|| NONE.to_owned(), |b| age(b.age_seconds));
        let drill = self.drill.as_ref().map_or_else(
            || lang.say("drill-never", &[]),
            |d| {
                let number = d.verdict.map_or(0, Verdict::code);
                let took = d.rto_seconds.map_or_else(|| NONE.to_owned(), short);
                format!("{} {}, {took}", word(lang, number), reader.zoned_of(&d.at))
            },
        );
        let next = self.next_run.as_deref().map_or_else(|| NONE.to_owned(), |n| reader.zoned_of(n));
        vec![
            self.job.clone(),
            self.source.clone(),
            lang.say(self.state.key(), &[]),
            self.last_text(&reader),
            proven,
            format!("{old} / {allowed}"),
            drill,
            next,
        ]
    }

    fn last_text(&self, reader: &Reader) -> String {
        let lang = reader.lang;
        let Some(run) = &self.last_run else { return lang.say("status-never", &[]) };
        let what = match (&run.verdict, run.running) {
            (Some(verdict), _) => word(lang, verdict.code()),
            (None, true) => lang.say("status-running", &[]),
            (None, false) => lang.say("status-killed", &[]),
        };
        format!("{what} {}", reader.zoned_of(&run.started))
    }

    /// Why somebody must look, a sentence each.
    pub fn reasons(&self, lang: Lang) -> Vec<String> {
        let reader = self.reader(lang);
        let own = [("job", self.job.as_str()), ("source", self.source.as_str())];
        let say = |key: &str, parts: &[(&str, &str)]| lang.say(key, &[&own[..], parts].concat());
        let mut reasons = Vec::new();
        if self.state == State::Late {
            reasons.push(match (&self.newest, &self.proven, self.limit_seconds) {
                (_, Some(proven), Some(most)) => {
                    let parts = [("age", &*age(proven.age_seconds)), ("limit", &limit(most))];
                    say("status-why-late", &parts)
                }
                (Some(newest), ..) => {
                    say("status-why-unproven", &[("at", &reader.zoned_of(&newest.started))])
                }
                (None, ..) => say("status-why-none", &[]),
            });
        }
        if let Some(at) = &self.missed {
            reasons.push(say("status-why-missed", &[("at", &reader.zoned_of(at))]));
        }
        let ended = |run: &&ShownRun| run.finished.is_none() && !run.running;
        if let Some(run) = self.last_run.as_ref().filter(ended) {
            let at = reader.zoned_of(&run.started);
            let parts = [("run", run.id.as_str()), ("at", &at), ("host", &run.host)];
            reasons.push(say("status-why-killed", &parts));
        }
        for store in self.stores.iter().filter(|store| store.missing > 0) {
            let (name, count) = (store.store.as_str(), store.missing.to_string());
            let parts = [("store", name), ("count", count.as_str())];
            reasons.push(match store.newest.as_deref().map(|at| reader.zoned_of(at)) {
                Some(at) => say("status-why-behind", &[&parts[..], &[("at", &at)]].concat()),
                None => say("status-why-behind-all", &parts),
            });
        }
        reasons
    }
}

/// The word of a proof.
fn proof(lang: Lang, level: &str) -> String {
    lang.known(&format!("proof-short-{level}")).unwrap_or_else(|| level.to_owned())
}
