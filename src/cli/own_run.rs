//! A run of one step that a person asks for, a restore or a verification: its ID, its log and its line
//! in the history.

use crate::base::Id;
use crate::catalog::{Catalog, moment};
use crate::plan::{Plan, Step};
use crate::record::{LogLevel, RunFacts, RunKind};
use crate::report::Queue;
use crate::run::Listener;
use crate::step::Steps;

use crate::cli::people::escalation;
use crate::cli::report::zone;
use crate::cli::run::create_log;
use crate::cli::session::Session;
use crate::cli::wiring::{App, open_catalog};
use crate::cli::wish::Wish;

/// The catalog, if it can be used: one that can't stops neither a restore nor a verification.
pub fn history(wish: &Wish, app: &App, early: &mut Vec<(LogLevel, String)>) -> Option<Catalog> {
    let catalog = open_catalog(&app.world, &wish.file, &app.stop);
    catalog
        .map_err(|why| early.push((LogLevel::Alert, format!("{why}; the run goes on without it"))))
        .ok()
}

/// A run of the plan's one step.
pub fn session<'a>(
    (plan, kind): (&Plan, RunKind),
    wish: &'a Wish,
    app: &'a App,
    (mut catalog, mut early): (Option<Catalog>, Vec<(LogLevel, String)>),
    shown: Box<dyn Listener + Send>,
) -> Session<'a> {
    let world = &app.world;
    let id = Id::new(world.clock.now(), world.entropy.bits());
    let (host, file) = (world.host(), wish.backup.file.clone().unwrap_or_default());
    if let Some(catalog) = &mut catalog {
        // What was killed is told by whoever comes next.
        let now = moment(world.clock.now());
        if let Err(error) = catalog.close_orphans((&file, &plan.job), &host, &now) {
            early.push((LogLevel::Alert, error.to_string()));
        }
    }
    // A name that no job file declares never becomes a path.
    let declared = wish.backup.source.as_deref().filter(|_| wish.declared);
    let folder = world.state.join("logs").join(format!("{}.runs", kind.word()));
    let folder = folder.join(declared.unwrap_or("archive"));
    let log = create_log(&folder, &id, &zone(&wish.file), &mut early);
    let path = log.as_ref().map(|log| log.path().to_path_buf());
    let notifier = escalation(&wish.file, zone(&wish.file), path, app);
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
        file: &wish.file,
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
