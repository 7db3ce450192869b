//! Events into the catalog; a run goes on when the catalog can't be written.
//!
//! Then every event is kept in `replay/<run>.ndjson` of the state folder and replayed at the next
//! start. Writes can be repeated, so a replay that is killed is simply done again.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::catalog::{
    ArtifactRow, BackupRow, Catalog, CatalogError, CopyRow, ProofRow, RunRow, StepRow,
};
use crate::run::{ArtifactFacts, Event, Failure, Level, Listener, Stamped, StepEnd};

/// Writes history.
pub struct Recorder {
    catalog: Option<Catalog>,
    spill: PathBuf,
    /// Whether it was said that history is kept beside the catalog.
    told: bool,
    /// The beginning of the run, which a replay must hear first.
    head: Option<Stamped>,
    known: Known,
}

/// What must be remembered between events: job and machine, the source of each step, and which
/// steps dump.
#[derive(Default)]
struct Known {
    job: String,
    host: String,
    sources: Vec<(usize, String)>,
    dumps: Vec<usize>,
}

impl Recorder {
    /// Records into `catalog`, or beside it in `state` if it is `None` or fails.
    pub fn new(catalog: Option<Catalog>, state: &Path, run: &str) -> Recorder {
        let spill = state.join("replay").join(format!("{run}.ndjson"));
        Recorder { catalog, spill, told: false, head: None, known: Known::default() }
    }

    /// Replays what earlier runs could not write; returns how many runs.
    pub fn replay(catalog: &mut Catalog, state: &Path) -> Result<usize, String> {
        let folder = state.join("replay");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(format!("unable to read {}: {error}", folder.display())),
        };
        let mut replayed = 0;
        for entry in
            entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "ndjson"))
        {
            let path = entry.path();
            let fail =
                |e: &dyn std::fmt::Display| format!("unable to replay {}: {e}", path.display());
            let text = std::fs::read_to_string(&path).map_err(|e| fail(&e))?;
            let mut known = Known::default();
            let mut unread = 0;
            for line in text.lines() {
                match serde_json::from_str::<Stamped>(line) {
                    Ok(stamped) => record(catalog, &mut known, &stamped).map_err(|e| fail(&e))?,
                    Err(_) => unread += 1,
                }
            }
            // A last line that is cut off is the event a crash interrupted; anything else is kept
            // for a person.
            let cut_off = unread == 1 && !text.ends_with('\n');
            match unread == 0 || cut_off {
                true => std::fs::remove_file(&path).map_err(|e| fail(&e))?,
                false => {
                    std::fs::rename(&path, path.with_extension("unread")).map_err(|e| fail(&e))?
                }
            }
            replayed += 1;
        }
        Ok(replayed)
    }

    fn keep(&mut self, event: &Stamped) -> std::io::Result<()> {
        if let Some(folder) = self.spill.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file =
            OpenOptions::new().create(true).append(true).mode(0o600).open(&self.spill)?;
        let head = self.head.take().filter(|head| head != event);
        for event in head.iter().chain([event]) {
            let mut line = serde_json::to_vec(event)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        Ok(())
    }
}

impl Listener for Recorder {
    fn hear(&mut self, event: &Stamped) -> Vec<(Level, String)> {
        if matches!(event.event, Event::Progress { .. } | Event::Said { .. } | Event::Engine { .. })
        {
            return Vec::new();
        }
        if matches!(event.event, Event::RunStarted { .. }) {
            self.head = Some(event.clone());
        }
        let mut said = Vec::new();
        if let Some(catalog) = &mut self.catalog {
            match record(catalog, &mut self.known, event) {
                Ok(()) => return said,
                Err(error) => {
                    self.catalog = None;
                    said.push((
                        Level::Alert,
                        format!(
                            "{error}; the history of this run is kept in {}",
                            self.spill.display()
                        ),
                    ));
                    self.told = true;
                }
            }
        }
        match self.keep(event) {
            Ok(()) => {}
            Err(error) if !self.told || !said.is_empty() => {
                said.push((
                    Level::Alert,
                    format!("unable to keep history in {}: {error}", self.spill.display()),
                ));
                self.told = true;
            }
            Err(_) => {}
        }
        said
    }
}

fn record(catalog: &mut Catalog, known: &mut Known, stamped: &Stamped) -> Result<(), CatalogError> {
    let (at, run) = (stamped.at.to_string(), stamped.run.to_string());
    let source_of = |known: &Known, step: usize| {
        known
            .sources
            .iter()
            .find(|(s, _)| *s == step)
            .map(|(_, name)| name.clone())
            .unwrap_or_default()
    };
    match &stamped.event {
        Event::RunStarted { run } => {
            known.job.clone_from(&run.job);
            known.host.clone_from(&run.host);
            let dumps = |(_, a): &(usize, &String)| a.split('/').nth(1) == Some("dump");
            known.dumps = run.steps.iter().enumerate().filter(dumps).map(|(i, _)| i).collect();
            // The third part of an address is the source it is about.
            let source = |a: &String| a.split('/').nth(2).unwrap_or_default().to_owned();
            known.sources = run.steps.iter().enumerate().map(|(i, a)| (i, source(a))).collect();
            let row = RunRow {
                id: run.id.to_string(),
                job: run.job.clone(),
                file: run.file.clone(),
                host: run.host.clone(),
                pid: run.pid,
                started: at,
                finished: None,
                verdict: None,
            };
            catalog.run_started(&row, &run.steps)
        }
        Event::StepStarted { step, .. } => {
            if known.dumps.contains(step) {
                catalog.backup_started(&begun(known, &run, &source_of(known, *step), &at))?;
            }
            catalog.step_started(&run, *step, &at)
        }
        Event::Progress { .. } | Event::Said { .. } | Event::Engine { .. } => Ok(()),
        Event::Dumping { dump, .. } => catalog.backup_named(&BackupRow {
            id: run,
            source: dump.source.clone(),
            server: dump.server.clone(),
            units: dump.units.join(","),
            name: dump.name.clone(),
            started: dump.started.to_string(),
            ..BackupRow::default()
        }),
        Event::Artifact { artifact, .. } => {
            catalog.artifact(&artifact_rows(artifact, &known.job))?;
            catalog.backup_read(&backup_row(artifact, known))
        }
        Event::Copied {
            step,
            id,
            store,
            place,
            key,
            bytes,
            started,
            finished,
            bucket,
            verdict,
            failure,
        } => catalog.copy(&CopyRow {
            id: id.to_string(),
            source: source_of(known, *step),
            store: store.clone(),
            place: place.clone(),
            bucket: bucket.clone().unwrap_or_default(),
            key: key.clone(),
            bytes: *bytes,
            started: started.to_string(),
            finished: finished.map_or(at, |f| f.to_string()),
            verdict: verdict.code(),
            message: failure.as_ref().map(Failure::line).unwrap_or_default(),
        }),
        Event::Proved { step, id, store, level, proven, good, damage } => {
            catalog.proof(&ProofRow {
                id: id.to_string(),
                source: source_of(known, *step),
                store: store.clone(),
                level: level.clone(),
                at: proven.to_string(),
                good: *good,
                damage: damage.join("; "),
            })
        }
        Event::Removed { step, id, store, .. } => {
            catalog.copy_removed(id.as_str(), &source_of(known, *step), store, &at)
        }
        Event::StepFinished { step, address, end } => {
            let (state, verdict, message) = match end {
                StepEnd::Done { verdict } => ("done", Some(verdict.code()), String::new()),
                StepEnd::Failed { verdict, failure } => {
                    ("failed", Some(verdict.code()), failure.line())
                }
                StepEnd::Skipped { missing } => {
                    ("skipped", None, format!("{missing} did not give what it needs"))
                }
                StepEnd::Interrupted => ("interrupted", Some(3), String::new()),
            };
            if known.dumps.contains(step) {
                let source = source_of(known, *step);
                let note = match end {
                    StepEnd::Done { .. } => None,
                    StepEnd::Failed { failure, .. } => Some(failure.line()),
                    StepEnd::Skipped { .. } => Some(format!("did not run: {message}")),
                    StepEnd::Interrupted => Some("interrupted".into()),
                };
                if let Some(note) = note {
                    // One that did not run has no row yet.
                    catalog.backup_started(&begun(known, &run, &source, &at))?;
                    catalog.backup_failed(&run, &source, &at, &note)?;
                }
            }
            let row = StepRow {
                number: *step,
                address: address.clone(),
                state: state.into(),
                verdict,
                message,
            };
            catalog.step_finished(&run, &row, &at)
        }
        Event::RunFinished { verdict, interrupted } => catalog.run_finished(
            &run,
            &at,
            verdict.code(),
            if *interrupted { "interrupted" } else { "" },
        ),
    }
}

/// A dump of which nothing is known but that it is to be made.
fn begun(known: &Known, run: &str, source: &str, at: &str) -> BackupRow {
    BackupRow {
        id: run.to_owned(),
        source: source.to_owned(),
        job: known.job.clone(),
        host: known.host.clone(),
        started: at.to_owned(),
        ..BackupRow::default()
    }
}

/// A dump that was read to its end.
fn backup_row(artifact: &ArtifactFacts, known: &Known) -> BackupRow {
    let look: Vec<String> = artifact.inconsistent.iter().chain(&artifact.lost).cloned().collect();
    BackupRow {
        id: artifact.id.to_string(),
        source: artifact.source.clone(),
        job: known.job.clone(),
        host: known.host.clone(),
        server: artifact.server.clone(),
        units: artifact.units.join(","),
        name: artifact.name.clone(),
        raw_bytes: artifact.raw,
        bytes: artifact.bytes,
        started: artifact.started.to_string(),
        finished: artifact.finished.to_string(),
        verdict: if look.is_empty() { 1 } else { 2 },
        note: look.join("; "),
    }
}

/// An artifact as the catalog keeps it.
pub fn artifact_rows(artifact: &ArtifactFacts, job: &str) -> ArtifactRow {
    ArtifactRow {
        id: artifact.id.to_string(),
        source: artifact.source.clone(),
        job: job.to_owned(),
        kind: artifact.kind.clone(),
        server: artifact.server.clone(),
        units: artifact.units.join(","),
        name: artifact.name.clone(),
        raw_bytes: artifact.raw,
        bytes: artifact.bytes,
        rows: artifact.rows,
        started: artifact.started.to_string(),
        finished: artifact.finished.to_string(),
        position: artifact.position.clone(),
        inconsistent: artifact.inconsistent.join("; "),
    }
}
