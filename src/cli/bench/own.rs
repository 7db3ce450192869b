//! vex itself, measured: a job of one dump and one copy, run as `vex run` runs it, without history
//! and without anybody who is told.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::base::{Glob, Id, Severity, Stop, Text};
use crate::cli::args::Bench;
use crate::cli::exit::Exit;
use crate::cli::wiring::{App, Loaded, complain, zone};
use crate::job::SourceSpec;
use crate::plan::{self, Plan, Step, StepKind};
use crate::record::{Event, LogLevel, RunFacts, RunKind, Stamped, StepEnd, Verdict};
use crate::run::{Listener, execute};
use crate::step::Steps;
use crate::store;
use crate::store::contract::Store;
use crate::syntax;
use crate::view::Stages;

/// The job, and what it is run with.
pub struct Own<'a> {
    app: &'a App,
    plan: Plan,
    /// Its database, and its job: a name that nothing else has.
    name: String,
    store: Arc<dyn Store>,
}

impl<'a> Own<'a> {
    /// Of the source and the store that are named.
    pub fn new(args: &Bench, loaded: &Loaded, app: &'a App) -> Result<Own<'a>, Exit> {
        let chance = || app.world.entropy.bits();
        let name = format!("vex_bench_{:08x}{:08x}", chance(), chance());
        let text = format!(
            "job \"{name}\" {{ dump {:?} threads={} {{ send {:?} }} }}\n",
            args.source, args.threads, args.to
        );
        let mut file = syntax::read_one(&Text::new("bench", text)).file;
        file.site = loaded.file.site.clone();
        file.sources = loaded.file.sources.clone();
        file.stores = loaded.file.stores.clone();
        for source in file.sources.iter_mut().filter(|s| s.name.value == args.source) {
            if let SourceSpec::Mysql(spec) = &mut source.spec {
                spec.databases = Glob::parse(&name).into_iter().collect();
                (spec.exclude, spec.tables) = (Vec::new(), Vec::new());
                spec.accounts = false;
            }
        }
        for store in file.stores.iter_mut().filter(|s| s.name.value == args.to) {
            // Its objects stand in a folder that is named as the job.
            (store.key, store.keep) = (None, None);
        }
        let mut complaints = Vec::new();
        let plans = plan::build(&file, &[], &mut complaints);
        if let Some(bad) = complaints.iter().find(|c| c.severity == Severity::Error) {
            complain(&bad.message);
            return Err(Exit::Usage);
        }
        let plan = plans.into_iter().next().ok_or(Exit::Bug)?;
        let own = file.stores.iter().find(|s| s.name.value == args.to).ok_or(Exit::Usage)?;
        let store = store::open(&own.spec, &app.world, &app.stop).map_err(|error| {
            complain(&error.to_string());
            Exit::Error
        })?;
        Ok(Own { app, plan, name, store })
    }

    /// The name of its database.
    pub fn database(&self) -> &str {
        &self.name
    }

    /// Backs up once; the copy is gone afterwards.
    pub fn run(&self, stop: &Stop) -> Result<Stages, Exit> {
        let (world, plan) = (&self.app.world, &self.plan);
        let id = Id::new(world.clock.now(), world.entropy.bits());
        let facts = RunFacts {
            id: id.clone(),
            job: plan.job.clone(),
            file: String::new(),
            host: world.host(),
            pid: std::process::id(),
            steps: plan.steps.iter().map(Step::facts).collect(),
            kind: RunKind::Job,
        };
        let steps = Steps::new(world.clone(), id, (&plan.job, ""), zone(world, plan), None);
        let (mut heard, begun, since) = (Heard::default(), world.clock.now(), Instant::now());
        let outcome = execute(plan, &facts, &steps, &mut heard, &world.clock, stop);
        let total = since.elapsed().as_secs_f64();
        let removed = self.remove();
        let read = heard.read.filter(|_| outcome.verdict < Verdict::Error);
        let Some(read) = read else {
            heard.failures.iter().for_each(|why| complain(why));
            return Err(Exit::Error);
        };
        removed?;
        let dump = read.duration_since(begun).as_secs_f64().clamp(0.0, total);
        Ok(Stages { dump, press: None, upload: total - dump })
    }

    /// The folders of its name in the store.
    fn folders(&self) -> impl Iterator<Item = String> {
        let backups = self.plan.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Backup(backup) => Some(backup),
            _ => None,
        });
        let folders = backups.flat_map(|backup| &backup.copies).map(|copy| copy.naming.folder());
        folders.filter_map(|folder| {
            let end = folder.find(&self.name)? + self.name.len();
            Some(format!("{}/", &folder[..end]))
        })
    }

    /// Removes what the job put into the store: all that stands in the folder of its name, also what
    /// was begun only.
    fn remove(&self) -> Result<(), Exit> {
        // Also after Ctrl-C: nothing of a measurement stays.
        let stop = Stop::new();
        let mut bad = Ok(());
        for folder in self.folders() {
            let removed = self.store.list(&folder, &stop).and_then(|found| {
                found.iter().try_for_each(|object| self.store.remove(&object.key, &stop))
            });
            if let Err(error) = removed {
                complain(&format!("{error}. What is left of {folder} may be removed"));
                bad = Err(Exit::Error);
            }
        }
        bad
    }
}

/// What is heard of a run.
#[derive(Default)]
struct Heard {
    /// When the last byte was read.
    read: Option<Timestamp>,
    failures: Vec<String>,
}

impl Listener for Heard {
    fn hear(&mut self, stamped: &Stamped) -> Vec<(LogLevel, String)> {
        match &stamped.event {
            Event::Artifact { artifact, .. } => self.read = Some(artifact.finished),
            Event::Copied { copy, .. } => {
                self.failures.extend(copy.failure.as_ref().map(|failure| failure.line()));
            }
            Event::StepFinished { end: StepEnd::Failed { failure, .. }, .. } => {
                self.failures.push(failure.line());
            }
            _ => {}
        }
        Vec::new()
    }
}
