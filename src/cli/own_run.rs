//! A run that a person asks for, a restore, a verification or a retention: its ID, its log and its line
//! in the history.

use crate::base::Id;
use crate::catalog::{Catalog, moment};
use crate::job::JobFile;
use crate::plan::{Plan, Step};
use crate::record::{LogLevel, RunFacts, RunKind};
use crate::report::{Json, Queue};
use crate::run::Listener;
use crate::step::Steps;

use crate::cli::args::Format;
use crate::cli::exit::Exit;
use crate::cli::people::escalation;
use crate::cli::report::zone;
use crate::cli::restore_console::RestoreConsole;
use crate::cli::run::create_log;
use crate::cli::session::{Session, judge};
use crate::cli::wiring::{self, App, Loaded, open_catalog};
use crate::cli::wish::Wish;

/// What a run is asked of.
pub struct Asked<'a> {
    /// The file whose site names the catalog.
    pub file: &'a JobFile,
    /// The job file, absolute; empty where none was given.
    pub path: &'a str,
    /// A name that the job file declares, which becomes the folder of the logs.
    pub name: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// Of what is wished of a backup. A name that no job file declares never becomes a path.
    pub fn of(wish: &'a Wish) -> Asked<'a> {
        Asked {
            file: &wish.file,
            path: wish.backup.file.as_deref().unwrap_or_default(),
            name: wish.backup.source.as_deref().filter(|_| wish.declared),
        }
    }
}

/// The catalog, if it can be used: one that can't stops neither a restore nor a verification.
pub fn history(file: &JobFile, app: &App, early: &mut Vec<(LogLevel, String)>) -> Option<Catalog> {
    let catalog = open_catalog(&app.world, file, &app.stop);
    catalog
        .map_err(|why| early.push((LogLevel::Alert, format!("{why}; the run goes on without it"))))
        .ok()
}

/// A run of a plan that a person asks for.
pub fn session<'a>(
    (plan, kind): (&Plan, RunKind),
    asked: &Asked<'a>,
    app: &'a App,
    (mut catalog, mut early): (Option<Catalog>, Vec<(LogLevel, String)>),
    shown: Box<dyn Listener + Send>,
) -> Session<'a> {
    let world = &app.world;
    let id = Id::new(world.clock.now(), world.entropy.bits());
    let (host, file) = (world.host(), asked.path.to_owned());
    if let Some(catalog) = &mut catalog {
        // What was killed is told by whoever comes next.
        let now = moment(world.clock.now());
        if let Err(error) = catalog.close_orphans((&file, &plan.job), &host, &now) {
            early.push((LogLevel::Alert, error.to_string()));
        }
    }
    let folder = world.logs().join(format!("{}.runs", kind.word()));
    let folder = folder.join(asked.name.unwrap_or("archive"));
    let log = create_log(&folder, &id, (&zone(asked.file), app.language(asked.file)), &mut early);
    let path = log.as_ref().map(|log| log.path().to_path_buf());
    let notifier = escalation(asked.file, zone(asked.file), path, app);
    let facts = RunFacts {
        id,
        job: plan.job.clone(),
        file,
        host,
        pid: std::process::id(),
        steps: plan.steps.iter().map(Step::facts).collect(),
        kind,
    };
    Session {
        app,
        file: asked.file,
        facts,
        catalog,
        lease: None,
        log,
        notifier,
        shown: Queue::lossless("the output", shown),
        early,
    }
}

/// What performs the step of a session.
pub fn steps(session: &Session<'_>) -> Steps {
    let facts = &session.facts;
    let names = (facts.job.as_str(), facts.file.as_str());
    let world = session.app.world.clone();
    Steps::new(world, facts.id.clone(), names, zone(session.file), None)
}

/// Performs a plan that is made of a job, as a run of its own, shown as a restore is.
pub fn perform(
    (own, kind): (&Plan, RunKind),
    (loaded, plan): (&Loaded, &Plan),
    (format, strict): (Format, bool),
    app: &App,
) -> Exit {
    let mut early = Vec::new();
    let catalog = history(&loaded.file, app, &mut early);
    let asked = Asked { file: &loaded.file, path: &loaded.path, name: Some(&plan.job) };
    let shown: Box<dyn Listener + Send> = match format {
        Format::Human => Box::new(RestoreConsole::new(app.language(&loaded.file))),
        Format::Json => Box::new(Json(std::io::stdout())),
    };
    let session = session((own, kind), &asked, app, (catalog, early), shown);
    let (world, id) = (app.world.clone(), session.facts.id.clone());
    let job = (plan.job.as_str(), loaded.path.as_str());
    let zone = wiring::zone(&app.world, plan);
    let steps = Steps::new(world, id, job, zone, loaded.gap(plan, &app.world));
    judge(&session.execute(own, &steps), strict)
}
