//! A run as a command performs it: its listeners, its heartbeat and its lease, from the first event
//! to the last.

use crate::catalog::Catalog;
use crate::job::JobFile;
use crate::notify::Notifier;
use crate::plan::Plan;
use crate::record::{Event, LogLevel, RunFacts, Stamped, Verdict};
use crate::report::{Fan, Log, Queue, Recorder};
use crate::run::{Listener, Outcome, execute};
use crate::step::Steps;
use crate::world::failpoint;

use crate::cli::exit::Exit;
use crate::cli::lease::{Keeper, Lease, Remarks};
use crate::cli::wiring::{App, catalog_place};

/// Everything a run needs beside its plan.
pub struct Session<'a> {
    /// The world, and the wish to stop.
    pub app: &'a App,
    /// The file whose site names the catalog.
    pub file: &'a JobFile,
    /// What the run is.
    pub facts: RunFacts,
    /// The history, if it can be written.
    pub catalog: Option<Catalog>,
    /// The lease of the job, if it needs one.
    pub lease: Option<Lease>,
    /// The log, if it could be made.
    pub log: Option<Log>,
    /// Whoever is told.
    pub notifier: Option<Notifier>,
    /// What shows it.
    pub shown: Queue,
    /// What was found before there was a run.
    pub early: Vec<(LogLevel, String)>,
}

impl Session<'_> {
    /// Executes a plan.
    pub fn execute(self, plan: &Plan, steps: &Steps) -> Outcome {
        let Session { app, file, facts, catalog, lease, log, notifier, shown, early } = self;
        let (world, id) = (&app.world, facts.id.clone());
        let remarks = Remarks::default();
        let beside = Remarks::clone(&remarks);
        let keeper = Keeper { app, file, run: id.as_str(), lease, remarks: beside };
        keeper.during(|stop| {
            let place = catalog_place(world, file);
            let (state, lang) = (world.state.as_path(), app.language(file));
            let recorder = Recorder::new(catalog, (&place, state), id.as_str(), lang);
            let mut record = Fan::default();
            record.0.extend(log.map(|l| Box::new(l) as Box<dyn Listener + Send>));
            record.0.push(Box::new(FailpointRecorder(recorder)));
            record.0.extend(notifier.map(|n| Box::new(n) as Box<dyn Listener + Send>));
            // A catalog that is busy and a reader that does not read hold up neither the steps nor
            // each other; only the beginning of the run waits a moment to be known.
            let mut fan = Fan::default();
            fan.0.push(Box::new(Queue::history(Box::new(record))));
            fan.0.push(Box::new(shown));
            let mut listener = Early { inner: fan, early, remarks };
            execute(plan, &facts, steps, &mut listener, &world.clock, stop)
        })
    }
}

/// How a run ends its command.
pub fn judge(outcome: &Outcome, strict: bool) -> Exit {
    match outcome.verdict {
        Verdict::Success => Exit::Success,
        Verdict::Alert if strict => Exit::Alert,
        Verdict::Alert => Exit::Success,
        Verdict::Error => {
            let exits = outcome.codes.iter().map(|code| Exit::of(code));
            exits.reduce(Exit::worse).unwrap_or(Exit::Error)
        }
    }
}

/// A recorder with a failpoint before and after every event it writes.
struct FailpointRecorder(Recorder);

impl Listener for FailpointRecorder {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        let said = match &event.event {
            Event::Progress { .. } | Event::Said { .. } | Event::Engine { .. } => {
                return self.0.hear(event);
            }
            _ => {
                failpoint("record before");
                self.0.hear(event)
            }
        };
        failpoint("record after");
        said
    }
}

/// Says what no step says: once, at the start, what was found before there was a run, then what is
/// found beside it.
struct Early {
    inner: Fan,
    early: Vec<(LogLevel, String)>,
    /// What is found while it runs.
    remarks: Remarks,
}

impl Listener for Early {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        let mut said = self.inner.hear(event);
        said.append(&mut self.early);
        said.append(&mut self.remarks.lock().expect("no panic while locked"));
        said
    }

    fn last_word(&mut self, now: jiff::Timestamp, verdict: Verdict) -> Vec<(LogLevel, String)> {
        let mut said = self.inner.last_word(now, verdict);
        said.append(&mut self.remarks.lock().expect("no panic while locked"));
        said
    }
}
