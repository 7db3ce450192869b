//! `vex restore`: the plan of it is shown, then performed as a run with an ID, a log and a line in
//! the history.

use std::io::IsTerminal;

use jiff::tz::TimeZone;

use crate::base::Id;
use crate::catalog::{Catalog, moment};
use crate::job::CatalogHome;
use crate::plan::{Plan, RestoreSpec, Step, StepKind};
use crate::record::{LogLevel, RunFacts, RunKind};
use crate::recover::{Work, dry_run, resolve};
use crate::report::{Json, Queue};
use crate::run::Listener;
use crate::step::{Prepared, Steps};

use crate::cli::args::{Format, Restore};
use crate::cli::exit::Exit;
use crate::cli::operator::{Keeps, Terminal, print};
use crate::cli::report::zone;
use crate::cli::restore_console::RestoreConsole;
use crate::cli::run::create_log;
use crate::cli::session::{Session, judge};
use crate::cli::wiring::{App, catalog_path, fail, open_catalog};
use crate::cli::wish::{Wish, restore_spec, wish};

/// Brings a backup back.
pub fn restore(args: &Restore, app: &App) -> Exit {
    match try_restore(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_restore(args: &Restore, app: &App) -> Result<Exit, Exit> {
    let wish = wish(&args.which)?;
    let spec = restore_spec(args, &wish)?;
    let mut early = Vec::new();
    let mut catalog = history(args, &wish, app, &mut early);
    let pace = catalog.as_mut().and_then(|catalog| catalog.restore_pace().ok().flatten());
    let keeps = Keeps::new(args.yes || args.dry_run, pace);
    let work = Work { world: &app.world, operator: &keeps, say: None, stop: &app.stop };
    let resolved = match resolve(&spec, work) {
        Ok(resolved) => resolved,
        Err(fault) => {
            print(&keeps.said());
            return Err(fail(&fault));
        }
    };
    let said = keeps.said();
    if args.dry_run {
        print(&said);
        let work = Work { operator: &Terminal, ..work_of(app) };
        let ended = dry_run(&spec, resolved, work).map_err(|fault| fail(&fault))?;
        return Ok(if ended.older && args.strict { Exit::Alert } else { Exit::Success });
    }
    let prepared = Prepared { resolved, said };
    let mut session = session(args, &spec, &wish, app, early);
    if let Some(catalog) = &mut catalog {
        let own = (session.facts.file.as_str(), session.facts.job.as_str());
        let now = moment(app.world.clock.now());
        if let Err(error) = catalog.close_orphans(own, &session.facts.host, &now) {
            session.early.push((LogLevel::Alert, error.to_string()));
        }
    }
    Ok(perform(args, spec, prepared, Session { catalog, ..session }))
}

/// The catalog, if there is one: what can't be opened or written stops no restore. A dry run makes
/// none.
fn history(
    args: &Restore,
    wish: &Wish,
    app: &App,
    early: &mut Vec<(LogLevel, String)>,
) -> Option<Catalog> {
    if let CatalogHome::File(path) = &wish.file.site.catalog.home
        && args.dry_run
        && !catalog_path(&app.world, path.as_deref()).exists()
    {
        return None;
    }
    let catalog = open_catalog(&app.world, &wish.file, &app.stop);
    catalog
        .map_err(|why| {
            early.push((LogLevel::Alert, format!("{why}; the restore goes on without it")))
        })
        .ok()
}

fn work_of(app: &App) -> Work<'_> {
    Work { world: &app.world, operator: &Terminal, say: None, stop: &app.stop }
}

/// Performs the restore as a run of its own.
fn perform(args: &Restore, spec: RestoreSpec, prepared: Prepared, session: Session<'_>) -> Exit {
    let (world, facts) = (&session.app.world, &session.facts);
    let names = (facts.job.as_str(), facts.file.as_str());
    let zone = zone(session.file);
    let steps = Steps::new(world.clone(), facts.id.clone(), names, zone, None);
    steps.prepare(prepared);
    let plan = plan(spec);
    judge(&session.execute(&plan, &steps), args.strict)
}

fn plan(spec: RestoreSpec) -> Plan {
    let source = spec.which.source.clone().unwrap_or_default();
    let address =
        if source.is_empty() { "restore".to_owned() } else { format!("restore/{source}") };
    Plan::of_one(StepKind::Restore(Box::new(spec)), address)
}

fn session<'a>(
    args: &Restore,
    spec: &RestoreSpec,
    wish: &'a Wish,
    app: &'a App,
    mut early: Vec<(LogLevel, String)>,
) -> Session<'a> {
    let world = &app.world;
    let id = Id::new(world.clock.now(), world.entropy.bits());
    let zone: TimeZone = zone(&wish.file);
    let plan = plan(spec.clone());
    // A name that no job file declares never becomes a path.
    let declared = spec.which.source.as_deref().filter(|_| wish.declared);
    let folder = world.state.join("logs").join("restore.runs");
    let folder = folder.join(declared.unwrap_or("archive"));
    let log = create_log(&folder, &id, &zone, &mut early);
    let shown: Box<dyn Listener + Send> = match args.format {
        Format::Human => Box::new(RestoreConsole::new(std::io::stderr().is_terminal())),
        Format::Json => Box::new(Json(std::io::stdout())),
    };
    let facts = RunFacts {
        id,
        job: plan.job.clone(),
        file: spec.which.file.clone().unwrap_or_default(),
        host: world.host(),
        pid: std::process::id(),
        steps: plan.steps.iter().map(Step::facts).collect(),
        kind: RunKind::Restore,
    };
    Session {
        app,
        file: &wish.file,
        facts,
        catalog: None,
        lease: None,
        log,
        notifier: None,
        shown: Queue::lossless("the output", shown),
        early,
    }
}
