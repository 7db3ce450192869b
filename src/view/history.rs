//! What ran, for a terminal, a spreadsheet and programs: verdicts, sizes, rows, how long each stage
//! took, what was removed meanwhile, and how the size went on from the run before.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::catalog::{ListedBackup, ListedRun, ListedStep, RemovedCopy};
use crate::lang::Lang;
use crate::record::Verdict;
use crate::view::format::{NONE, Reader, number, seconds, short, shorten, size, word};
use crate::view::status::verdict;

/// A backup of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PastBackup {
    /// What it is of.
    pub source: String,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the container.
    pub bytes: u64,
    /// Rows; `null` where there is no archive.
    pub rows: Option<u64>,
    /// How well.
    pub verdict: Option<Verdict>,
    /// Why it failed, or what to look at.
    pub note: String,
}

/// A copy that was removed while a run lasted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PastCopy {
    /// Identity of the backup.
    pub id: String,
    /// What it was of.
    pub source: String,
    /// The store it was in.
    pub store: String,
}

/// A run that is on record, version 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Past {
    /// The version of these fields.
    pub version: u32,
    /// Its identity.
    pub id: String,
    /// `job`, `restore`.
    pub kind: String,
    /// Its job.
    pub job: String,
    /// The job file.
    pub file: String,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: String,
    /// When it ended; `null` while it has no end.
    pub finished: Option<String>,
    /// How long that was.
    pub seconds: Option<i64>,
    /// How well.
    pub verdict: Option<Verdict>,
    /// `interrupted` and the like.
    pub note: String,
    /// Bytes of its backups before compression.
    pub raw_bytes: u64,
    /// Bytes of their containers.
    pub bytes: u64,
    /// Their rows.
    pub rows: u64,
    /// By how many percent `raw-bytes` grew since the run before of the same job that has any.
    pub growth_percent: Option<f64>,
    /// Seconds from the beginning of the first step of a kind to the end of the last one.
    pub stages: BTreeMap<String, i64>,
    /// Its backups.
    pub backups: Vec<PastBackup>,
    /// Copies of the job that were removed while it lasted.
    pub removed: Vec<PastCopy>,
}

/// What the catalog knows of a run.
pub struct PastParts<'a> {
    /// The run.
    pub run: &'a ListedRun,
    /// Its steps.
    pub steps: &'a [ListedStep],
    /// Its backups.
    pub backups: &'a [ListedBackup],
    /// Their rows, by what they are of.
    pub rows: &'a BTreeMap<String, u64>,
    /// Copies that were removed at any time.
    pub removed: &'a [RemovedCopy],
}

/// A run with all that is known of it.
pub fn past(parts: &PastParts<'_>) -> Past {
    let run = parts.run;
    let backup = |b: &ListedBackup| PastBackup {
        source: b.chain.clone(),
        raw_bytes: b.raw_bytes,
        bytes: b.bytes,
        rows: parts.rows.get(&b.chain).copied(),
        verdict: verdict(b.verdict),
        note: b.note.clone(),
    };
    Past {
        version: 1,
        id: run.id.clone(),
        kind: run.kind.clone(),
        job: run.job.clone(),
        file: run.file.clone(),
        host: run.host.clone(),
        started: run.started.clone(),
        finished: run.finished.clone(),
        seconds: seconds(Some(&run.started), run.finished.as_deref()),
        verdict: verdict(run.verdict),
        note: run.note.clone(),
        raw_bytes: parts.backups.iter().map(|b| b.raw_bytes).sum(),
        bytes: parts.backups.iter().map(|b| b.bytes).sum(),
        rows: parts.rows.values().sum(),
        growth_percent: None,
        stages: stages(parts.steps),
        backups: parts.backups.iter().map(backup).collect(),
        removed: removed(run, parts.removed),
    }
}

/// Seconds from the beginning of the first step of a kind to the end of the last one.
fn stages(steps: &[ListedStep]) -> BTreeMap<String, i64> {
    let mut spans: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for step in steps {
        let (Some(from), Some(to)) = (&step.started, &step.finished) else { continue };
        let span = spans.entry(&step.verb).or_insert((from, to));
        *span = (span.0.min(from), span.1.max(to));
    }
    let took = |(from, to)| seconds(Some(from), Some(to));
    spans.into_iter().filter_map(|(verb, span)| Some((verb.to_owned(), took(span)?))).collect()
}

/// Copies of the job of a run that were removed while it lasted.
fn removed(run: &ListedRun, all: &[RemovedCopy]) -> Vec<PastCopy> {
    let is_own = |c: &&RemovedCopy| {
        c.file == run.file
            && c.job == run.job
            && c.at >= run.started
            && run.finished.as_ref().is_none_or(|end| c.at <= *end)
    };
    let copy = |c: &RemovedCopy| PastCopy {
        id: c.id.clone(),
        source: c.source.clone(),
        store: c.store.clone(),
    };
    all.iter().filter(is_own).map(copy).collect()
}

impl Past {
    /// Tells each run, newest first, by how much its size differs from the one before.
    pub fn compare(runs: &mut [Past]) {
        for i in 0..runs.len() {
            let (newer, older) = runs.split_at_mut(i + 1);
            let Some(run) = newer.last_mut().filter(|run| run.raw_bytes > 0) else { continue };
            let is_before =
                |r: &&Past| r.file == run.file && r.job == run.job && r.kind == run.kind;
            let before = older.iter().filter(is_before).find(|r| r.raw_bytes > 0);
            run.growth_percent = before.map(|before| {
                let change = run.raw_bytes as f64 / before.raw_bytes as f64 - 1.0;
                (change * 1000.0).round() / 10.0
            });
        }
    }

    /// The heads of its cells.
    pub fn heads(lang: Lang) -> Vec<String> {
        let keys = [
            "run", "job", "host", "started", "took", "verdict", "raw", "bytes", "rows", "trend",
            "removed", "stages", "note",
        ];
        keys.iter().map(|key| lang.say(&format!("history-head-{key}"), &[])).collect()
    }

    /// Its cells, as a person reads them in a zone.
    pub fn cells(&self, lang: Lang, zone: &TimeZone) -> Vec<String> {
        let reader = Reader { lang, zone: zone.clone() };
        let stage = |(verb, took): (&String, &i64)| format!("{verb} {}", short(*took));
        vec![
            self.id.clone(),
            self.job.clone(),
            self.host.clone(),
            reader.zoned_of(&self.started),
            self.seconds.map_or_else(|| NONE.to_owned(), short),
            self.verdict.map_or_else(|| lang.say("history-open", &[]), |v| word(lang, v.code())),
            size(self.raw_bytes),
            size(self.bytes),
            number(self.rows),
            self.growth_percent.map_or_else(|| NONE.to_owned(), |p| format!("{p:+.1}%")),
            self.removed.len().to_string(),
            self.stages.iter().map(stage).collect::<Vec<_>>().join(", "),
            shorten(&self.why()),
        ]
    }

    /// What to look at: the run's own note, else the first of its backups'.
    fn why(&self) -> String {
        let notes = self.backups.iter().map(|b| &b.note);
        let first = std::iter::once(&self.note).chain(notes).find(|note| !note.is_empty());
        first.map(|note| note.lines().next().unwrap_or_default().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, raw_bytes: u64) -> Past {
        let listed = ListedRun { id: id.into(), job: "j".into(), ..ListedRun::default() };
        let backups = [ListedBackup { chain: "a".into(), raw_bytes, ..ListedBackup::default() }];
        past(&PastParts {
            run: &listed,
            steps: &[],
            backups: &backups,
            rows: &BTreeMap::new(),
            removed: &[],
        })
    }

    #[test]
    fn growth_is_told_against_the_run_before_that_has_a_size() {
        let mut runs = [run("4", 1100), run("3", 0), run("2", 1000), run("1", 2000)];
        Past::compare(&mut runs);
        assert_eq!(runs.map(|r| r.growth_percent), [Some(10.0), None, Some(-50.0), None],);
    }

    #[test]
    fn a_stage_lasts_from_its_first_step_to_its_last_and_a_copy_belongs_to_the_run_that_removed_it()
    {
        let step = |verb: &str, from: u32, to: u32| ListedStep {
            verb: verb.into(),
            started: Some(format!("2026-11-20T03:00:{from:02}Z")),
            finished: Some(format!("2026-11-20T03:00:{to:02}Z")),
            ..ListedStep::default()
        };
        // Two dumps at once are not twice the time.
        let steps = [step("dump", 1, 20), step("dump", 5, 30), step("verify", 31, 33)];
        let expected = BTreeMap::from([("dump".to_owned(), 29), ("verify".to_owned(), 2)]);
        assert_eq!(stages(&steps), expected);
        let copy = |id: &str, at: &str, job: &str| RemovedCopy {
            id: id.into(),
            at: at.into(),
            job: job.into(),
            ..RemovedCopy::default()
        };
        let listed = ListedRun {
            job: "j".into(),
            started: "2026-11-20T03:00:00Z".into(),
            finished: Some("2026-11-20T03:01:00Z".into()),
            ..ListedRun::default()
        };
        let all = [
            copy("before", "2026-11-20T02:59:59Z", "j"),
            copy("own", "2026-11-20T03:00:30Z", "j"),
            copy("other", "2026-11-20T03:00:30Z", "k"),
        ];
        let found: Vec<String> = removed(&listed, &all).into_iter().map(|c| c.id).collect();
        assert_eq!(found, ["own"]);
    }
}
