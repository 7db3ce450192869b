//! `vex restore`: the plan of it is shown, then performed as a run with an ID, a log and a line in
//! the history.

use crate::base::Id;
use crate::catalog::Catalog;
use crate::job::CatalogHome;
use crate::plan::{Plan, RestoreSpec, StepKind};
use crate::record::{LogLevel, RunKind};
use crate::recover::{Operator, Work, dry_run, resolve};
use crate::report::Json;
use crate::run::Listener;
use crate::step::Prepared;

use crate::cli::args::{Format, Restore};
use crate::cli::exit::Exit;
use crate::cli::operator::{Events, Keeps, Terminal, hand_on};
use crate::cli::own_run::{Asked, history, session, steps};
use crate::cli::restore_console::RestoreConsole;
use crate::cli::session::judge;
use crate::cli::wiring::{App, catalog_path, fail};
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
    let mut catalog = match args.dry_run && has_no_catalog(&wish, app) {
        true => None,
        false => history(&wish.file, app, &mut early),
    };
    let pace = catalog.as_mut().and_then(|catalog| catalog.restore_pace().ok().flatten());
    let keeps = Keeps::new(args.yes || args.dry_run, pace);
    let work = Work { world: &app.world, operator: &keeps, say: None, stop: &app.stop };
    let resolved = resolve(&spec, work);
    let said = keeps.said();
    let operator: Box<dyn Operator> = match args.format {
        Format::Human => Box::new(Terminal),
        Format::Json => {
            let run = Id::new(app.world.clock.now(), app.world.entropy.bits());
            Box::new(Events { run, clock: app.world.clock.clone() })
        }
    };
    let resolved = resolved.map_err(|fault| {
        hand_on(&said, operator.as_ref());
        fail(&fault)
    })?;
    if args.dry_run {
        hand_on(&said, operator.as_ref());
        let operator = operator.as_ref();
        let work = Work { world: &app.world, operator, say: None, stop: &app.stop };
        let ended = dry_run(&spec, resolved, work).map_err(|fault| fail(&fault))?;
        return Ok(if ended.older && args.strict { Exit::Alert } else { Exit::Success });
    }
    let prepared = Prepared { resolved, said };
    Ok(perform(args, spec, prepared, &wish, app, (catalog, early)))
}

/// Whether there is no catalog yet: a dry run makes none.
fn has_no_catalog(wish: &Wish, app: &App) -> bool {
    match &wish.file.site.catalog.home {
        CatalogHome::File(path) => !catalog_path(&app.world, path.as_deref()).exists(),
        CatalogHome::Server(_) => false,
    }
}

/// Performs the restore as a run of its own.
fn perform(
    args: &Restore,
    spec: RestoreSpec,
    prepared: Prepared,
    wish: &Wish,
    app: &App,
    found: (Option<Catalog>, Vec<(LogLevel, String)>),
) -> Exit {
    let shown: Box<dyn Listener + Send> = match args.format {
        Format::Human => Box::new(RestoreConsole::new(app.language(&wish.file))),
        Format::Json => Box::new(Json(std::io::stdout())),
    };
    let source = spec.which.source.as_deref();
    let address = source.map_or("restore".to_owned(), |source| format!("restore/{source}"));
    let mut plan = Plan::of_one(StepKind::Restore(Box::new(spec)), address);
    let session = session((&plan, RunKind::Restore), &Asked::of(wish), app, found, shown);
    if let (Some(step), Some(log)) = (plan.steps.first_mut(), &session.log)
        && let StepKind::Restore(spec) = &mut step.kind
    {
        spec.beside_log = Some(log.path().with_file_name("refused.sql"));
    }
    let steps = steps(&session);
    steps.prepare(prepared);
    judge(&session.execute(&plan, &steps), args.strict)
}
