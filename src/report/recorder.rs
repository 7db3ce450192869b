//! Events into the catalog; a run goes on when the catalog can't be written.
//!
//! Then every event is kept in `replay/<run>.ndjson` of the state folder and replayed at the next
//! start. Writes can be repeated, so a replay that is killed is simply done again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::artifact::hex;
use crate::catalog::{BackupRow, Catalog, CatalogError, LogLine, RunRow, StepRow, moment};
use crate::lang::Lang;
use crate::record::{Event, LogLevel, Progress, ProofFacts, RunFacts, Stamped, StepEnd, StepFacts};
use crate::report::line::line_of;
use crate::report::rows::{
    artifact_row, backup_row, copy_row, drill_row, ended_row, proof_row, step_row,
};
use crate::run::Listener;

/// How often counters are written at most.
const EVERY: Duration = Duration::from_secs(2);

/// Lines of a run's log that the catalog keeps; what is an alert or an error is always kept.
const LINES: usize = 5000;

/// Writes history.
pub struct Recorder {
    catalog: Option<Catalog>,
    spill: PathBuf,
    /// The file of that name, locked, once something was kept there.
    file: Option<File>,
    /// Whether it was said that history is kept beside the catalog.
    told: bool,
    /// The beginning of the run, which a replay must hear first.
    head: Option<Stamped>,
    known: Known,
}

/// What must be remembered between events: the run, and what its steps are about.
#[derive(Default)]
struct Known {
    /// The language of the run's lines; of a replay English.
    lang: Option<Lang>,
    job: String,
    file: String,
    host: String,
    steps: Vec<StepFacts>,
    /// The counters of its steps, by number.
    progress: BTreeMap<usize, Progress>,
    /// When they were last written.
    shown: Option<Timestamp>,
    /// When the run began.
    began: Option<Timestamp>,
    /// The number of the last line of its log.
    line: i64,
    /// How many lines its log has.
    lines: usize,
}

impl Known {
    /// The number of the next line: microseconds since the run began, so that a replay, whatever
    /// of the run it hears, numbers a line as the run did. `None` where the log is full.
    fn number(&mut self, level: LogLevel, at: Timestamp) -> Option<i64> {
        let began = *self.began.get_or_insert(at);
        self.lines += 1;
        if self.lines > LINES && level == LogLevel::Info {
            return None;
        }
        let number = at.as_microsecond().saturating_sub(began.as_microsecond());
        self.line = number.max(self.line + 1);
        Some(self.line)
    }

    /// Takes counters in; says whether it is time to write them.
    fn moves(&mut self, step: usize, progress: Progress, at: Timestamp) -> bool {
        self.progress.insert(step, progress);
        let due = self.shown.is_none_or(|shown| at.duration_since(shown).unsigned_abs() >= EVERY);
        if due {
            self.shown = Some(at);
        }
        due
    }

    /// The counters as the catalog keeps them.
    fn counters(&self) -> String {
        serde_json::to_string(&self.progress).expect("BUG: counters that are not JSON")
    }

    /// What a step is about; of one that the run did not announce nothing is known.
    fn step(&self, step: usize) -> Option<&StepFacts> {
        self.steps.get(step)
    }

    /// What the artifacts of a step are of, if it makes some.
    fn backs_up(&self, step: usize) -> Option<&StepFacts> {
        self.step(step).filter(|s| s.verb.backs_up())
    }
}

impl Recorder {
    /// Records into the catalog at `place`, or beside it in `state` if there is none or it fails.
    pub fn new(
        catalog: Option<Catalog>,
        (place, state): (&str, &Path),
        run: &str,
        lang: Lang,
    ) -> Recorder {
        let spill = state.join("replay").join(format!("{run}{}", suffix(place)));
        let known = Known { lang: Some(lang), ..Known::default() };
        Recorder { catalog, spill, file: None, told: false, head: None, known }
    }

    /// Replays what earlier runs could not write into this catalog; returns how many runs. What
    /// belongs to another catalog, or to a run that is alive, is left alone.
    pub fn replay(catalog: &mut Catalog, state: &Path) -> Result<usize, String> {
        let folder = state.join("replay");
        let unable = |e: std::io::Error| format!("unable to read {}: {e}", folder.display());
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(unable(error)),
        };
        let own = suffix(catalog.place());
        let mut replayed = 0;
        for entry in entries {
            let path = entry.map_err(unable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Earlier versions had one catalog, and no name for it.
            let is_own = name.ends_with(&own) || is_unnamed(&name);
            if is_own && replay_one(catalog, &path)? {
                replayed += 1;
            }
        }
        Ok(replayed)
    }

    fn keep(&mut self, event: &Stamped) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                if let Some(folder) = self.spill.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                let mut options = OpenOptions::new();
                let file = options.create(true).append(true).mode(0o600).open(&self.spill)?;
                // As long as this run lives, nobody replays its beginning. Where there are no locks
                // nobody gets one either.
                drop(file.try_lock());
                none.insert(file)
            }
        };
        let head = self.head.take().filter(|head| head != event);
        for event in head.iter().chain([event]) {
            let mut line = serde_json::to_vec(event)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        Ok(())
    }
}

/// What the name of a file ends in that is to be replayed into the catalog at `place`.
fn suffix(place: &str) -> String {
    let digest = Sha256::digest(place);
    format!(".{}.ndjson", hex(&digest[..4]))
}

/// Whether such a file names no catalog.
fn is_unnamed(name: &str) -> bool {
    name.strip_suffix(".ndjson").is_some_and(|run| !run.contains('.'))
}

/// Replays one file, unless its run is alive.
fn replay_one(catalog: &mut Catalog, path: &Path) -> Result<bool, String> {
    let fail = |e: &dyn std::fmt::Display| format!("unable to replay {}: {e}", path.display());
    let mut file = match File::open(path) {
        Ok(file) => file,
        // Another run was faster.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(fail(&error)),
    };
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Ok(false);
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|e| fail(&e))?;
    let (mut known, mut unread) = (Known::default(), 0);
    for line in text.lines() {
        match serde_json::from_str::<Stamped>(line) {
            // What was remarked then was told then.
            Ok(stamped) => drop(record(catalog, &mut known, &stamped).map_err(|e| fail(&e))?),
            Err(_) => unread += 1,
        }
    }
    // A last line that is cut off is the event a crash interrupted; anything else is kept for a
    // person.
    let cut_off = unread == 1 && !text.ends_with('\n');
    match unread == 0 || cut_off {
        true => std::fs::remove_file(path).map_err(|e| fail(&e))?,
        false => std::fs::rename(path, path.with_extension("unread")).map_err(|e| fail(&e))?,
    }
    Ok(true)
}

impl Listener for Recorder {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        match &event.event {
            Event::Engine { .. } => return Vec::new(),
            // Counters are of the moment: what can't be written is not kept.
            Event::Progress { .. } if self.catalog.is_none() => return Vec::new(),
            _ => {}
        }
        if matches!(event.event, Event::RunStarted { .. }) {
            self.head = Some(event.clone());
        }
        let mut said = Vec::new();
        if let Some(catalog) = &mut self.catalog {
            match record(catalog, &mut self.known, event) {
                Ok(remark) => {
                    said.extend(remark.map(|text| (LogLevel::Alert, text)));
                    return said;
                }
                Err(error) => {
                    self.catalog = None;
                    said.push((
                        LogLevel::Alert,
                        format!(
                            "{error}; the history of this run is kept in {}",
                            self.spill.display()
                        ),
                    ));
                    self.told = true;
                }
            }
        }
        if matches!(event.event, Event::Progress { .. }) {
            return said;
        }
        match self.keep(event) {
            Ok(()) => {}
            Err(error) if !self.told || !said.is_empty() => {
                said.push((
                    LogLevel::Alert,
                    format!("unable to keep history in {}: {error}", self.spill.display()),
                ));
                self.told = true;
            }
            Err(_) => {}
        }
        said
    }
}

/// Keeps the line of an event, for pages of other hosts.
fn log_line(
    catalog: &mut Catalog,
    known: &mut Known,
    stamped: &Stamped,
) -> Result<(), CatalogError> {
    let Some((level, step, text)) = line_of(&stamped.event, known.lang.unwrap_or(Lang::En)) else {
        return Ok(());
    };
    let Some(number) = known.number(level, stamped.at) else { return Ok(()) };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let level = match level {
        LogLevel::Info => 1,
        LogLevel::Alert => 2,
        LogLevel::Error => 3,
    };
    let line = LogLine {
        number,
        at: moment(stamped.at),
        level,
        step: step.and_then(|s| i64::try_from(s).ok()),
        text,
    };
    catalog.log_line(stamped.run.as_str(), &line)
}

fn record(
    catalog: &mut Catalog,
    known: &mut Known,
    stamped: &Stamped,
) -> Result<Option<String>, CatalogError> {
    log_line(catalog, known, stamped)?;
    let (at, run) = (moment(stamped.at), stamped.run.to_string());
    match &stamped.event {
        Event::RunStarted { run } => run_started(catalog, known, run, at)?,
        Event::StepStarted { step, .. } => {
            if let Some(facts) = known.backs_up(*step) {
                catalog.backup_started(&begun(known, facts, &run, &at))?;
            }
            catalog.step_started(&run, *step, &at)?;
        }
        Event::Progress { step, progress } => {
            if known.moves(*step, *progress, stamped.at) {
                catalog.run_moves(&run, &known.counters())?;
            }
        }
        Event::Said { .. } | Event::Engine { .. } => {}
        Event::Restoring { .. } | Event::Restored { .. } => {}
        Event::StoreSeen { place, id, .. } => {
            let before = catalog.place_seen(place, id, &at)?.filter(|before| before != id);
            return Ok(before.map(|before| replaced(place, id, &before)));
        }
        Event::Dumping { dump, .. } => catalog.backup_named(&BackupRow {
            id: run,
            source: dump.source.clone(),
            server: dump.server.clone(),
            units: dump.units.join(","),
            name: dump.name.clone(),
            started: moment(dump.started),
            ..BackupRow::default()
        })?,
        Event::Artifact { step, artifact } => {
            catalog.artifact(&artifact_row(artifact, &known.job, &known.file))?;
            let row = backup_row(artifact, &known.job, &known.file, &known.host);
            catalog.backup_read(&BackupRow { chain: declared(known, *step), ..row })?;
        }
        Event::Copied { copy, .. } => catalog.copy(&copy_row(copy, &at))?,
        Event::Proved { proof, .. } => proved(catalog, proof)?,
        Event::Drilled { step, drill } => catalog.drill(&run, &drill_row((&run, *step), drill))?,
        Event::Pruned { id, source, store, .. } => {
            catalog.copy_removed(id.as_str(), source, store, &at)?
        }
        Event::StepFinished { step, end, .. } => {
            backup_ended(catalog, known, (*step, end), (&run, &at))?;
            catalog.step_finished(&run, &ended_row(*step, end), &at)?;
        }
        Event::RunFinished { verdict, interrupted } => {
            let note = if *interrupted { "interrupted" } else { "" };
            if !known.progress.is_empty() {
                catalog.run_moves(&run, &known.counters())?;
            }
            catalog.run_finished(&run, &at, verdict.code(), note)?;
        }
    }
    Ok(None)
}

/// Notes that a run began, with its steps.
fn run_started(
    catalog: &mut Catalog,
    known: &mut Known,
    run: &RunFacts,
    at: String,
) -> Result<(), CatalogError> {
    known.job.clone_from(&run.job);
    known.file.clone_from(&run.file);
    known.host.clone_from(&run.host);
    known.steps.clone_from(&run.steps);
    let row = RunRow {
        id: run.id.to_string(),
        kind: run.kind.word().to_owned(),
        job: run.job.clone(),
        file: run.file.clone(),
        host: run.host.clone(),
        pid: run.pid,
        started: at,
        finished: None,
        verdict: None,
    };
    let steps: Vec<StepRow> = run.steps.iter().enumerate().map(step_row).collect();
    catalog.run_started(&row, &steps)?;
    catalog.run_beats(&row.id)
}

/// Notes what became of a dump whose step ended, if that made none.
fn backup_ended(
    catalog: &mut Catalog,
    known: &Known,
    (step, end): (usize, &StepEnd),
    (run, at): (&str, &str),
) -> Result<(), CatalogError> {
    let Some(facts) = known.backs_up(step) else { return Ok(()) };
    let note = match end {
        StepEnd::Done { .. } => return Ok(()),
        StepEnd::Failed { failure, .. } => failure.line(),
        StepEnd::Skipped { missing } => {
            format!("did not run: {missing} did not give what it needs")
        }
        StepEnd::Interrupted => "interrupted".into(),
    };
    // One that did not run has no row yet.
    let row = begun(known, facts, run, at);
    catalog.backup_started(&row)?;
    catalog.backup_failed(run, &row.source, at, &note)
}

/// Notes a proof, of a store that is known by its address only where the catalog knows the copy.
fn proved(catalog: &mut Catalog, proof: &ProofFacts) -> Result<(), CatalogError> {
    let mut row = proof_row(proof);
    if row.store.is_empty() {
        match catalog.store_at((proof.id.as_str(), &proof.source), &proof.place)? {
            Some(store) => row.store = store,
            None => return Ok(()),
        }
    }
    catalog.proof(&row)
}

/// What is said of a store whose ID is another one than before.
fn replaced(place: &str, id: &str, before: &str) -> String {
    format!(
        "{place} is another store than before: its vex.json has the ID {id}, not {before}. If it was \
         replaced on purpose, nothing is to be done."
    )
}

/// The source of a step as the job file names it.
fn declared(known: &Known, step: usize) -> String {
    known.step(step).and_then(|s| s.source.clone()).unwrap_or_default()
}

/// A dump of which nothing is known but that it is to be made.
fn begun(known: &Known, facts: &StepFacts, run: &str, at: &str) -> BackupRow {
    BackupRow {
        id: run.to_owned(),
        source: facts.chain.clone().unwrap_or_default(),
        chain: facts.source.clone().unwrap_or_default(),
        job: known.job.clone(),
        file: known.file.clone(),
        host: known.host.clone(),
        started: at.to_owned(),
        ..BackupRow::default()
    }
}
