//! `vex run`: one job after the other, each under its lock, heard by console, log, catalog and
//! summary.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::base::Id;
use crate::catalog::{Catalog, moment};
use crate::job::{Engine, JobFile, NotifyOn, NotifySpec, RmanLevel};
use crate::notify::Notifier;
use crate::plan::{Plan, Step, StepKind};
use crate::record::{IN_USE, LogLevel, RunFacts, RunKind};
use crate::report::{Console, Json, Log, Queue, Summary};
use crate::step::{IN_USE_RUNS, InUse, Steps};
use crate::view::Reader;
use crate::world::failpoint;

use crate::cli::args::{Format, Mode, Run};
use crate::cli::declare::declaration;
use crate::cli::due;
use crate::cli::exit::Exit;
use crate::cli::language::language;
use crate::cli::lease::{Lease, admit};
use crate::cli::report;
use crate::cli::session::{Session, judge};
use crate::cli::wiring::App;
use crate::cli::wiring::{Loaded, by_file, complain, lock_job, open_catalog, zone};

/// Runs jobs.
pub fn run(args: &Run, app: &App) -> Exit {
    let loaded = match Loaded::open(&args.file, args.site.as_deref(), args.strict) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let loaded = match in_mode(loaded, args.mode) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let plans = match args.due {
        true => due::due(args, &loaded, app),
        false => chosen(args, &loaded),
    };
    let plans = match plans {
        Ok(plans) => plans,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Success;
    for plan in plans {
        if app.stop.is_stopped() {
            break;
        }
        if args.scheduled && due::is_held(&loaded, &plan.job, app) {
            continue;
        }
        exit = exit.worse(run_job(args, &loaded, plan, app));
    }
    exit
}

/// The file with the level of every rman step as it was asked for.
fn in_mode(mut loaded: Loaded, mode: Option<Mode>) -> Result<Loaded, Exit> {
    let level = match mode {
        None => return Ok(loaded),
        Some(Mode::Full) => RmanLevel::Full,
        Some(Mode::Incremental) => RmanLevel::Incremental,
    };
    let mut found = false;
    for step in loaded.plans.iter_mut().flat_map(|plan| &mut plan.steps) {
        if let StepKind::Backup(backup) = &mut step.kind
            && let Engine::Rman(rman) = &mut backup.engine
        {
            rman.level = level;
            found = true;
        }
    }
    if found {
        return Ok(loaded);
    }
    complain("--mode has no meaning here: no job of the file has an rman step");
    Err(Exit::Usage)
}

/// The jobs that run: those that are named, else the only one, else the one named as the file.
fn chosen<'a>(args: &Run, loaded: &'a Loaded) -> Result<Vec<&'a Plan>, Exit> {
    let names = |plans: &[&Plan]| {
        let names: Vec<&str> = plans.iter().map(|p| p.job.as_str()).collect();
        names.join(", ")
    };
    let all: Vec<&Plan> = loaded.plans.iter().collect();
    if !args.jobs.is_empty() {
        return loaded.choose(&args.jobs);
    }
    if all.is_empty() {
        complain(&format!("{} has no job that takes part", args.file.display()));
        return Err(Exit::Usage);
    }
    if args.all || all.len() == 1 {
        return Ok(all);
    }
    let is_own = |plan: &&Plan| args.file.file_stem().is_some_and(|stem| stem == plan.job.as_str());
    let (own, left): (Vec<&Plan>, Vec<&Plan>) = all.iter().partition(|plan| is_own(plan));
    if own.is_empty() {
        complain(&format!(
            "{} has the jobs {}; name one, or say --all",
            args.file.display(),
            names(&all)
        ));
        return Err(Exit::Usage);
    }
    if !args.quiet {
        complain(&format!(
            "runs job {}, named as its file; left: {}; name others, or say --all",
            names(&own),
            names(&left)
        ));
    }
    Ok(own)
}

fn run_job(args: &Run, loaded: &Loaded, plan: &Plan, app: &App) -> Exit {
    if plan.steps.is_empty() {
        complain(&format!(
            "job {} does nothing: every step, source or store of it is switched off",
            plan.job
        ));
        return Exit::Invalid;
    }
    let lock = match locked(loaded, plan, app) {
        Ok(lock) => lock,
        Err(exit) => return exit,
    };
    failpoint("lock after");
    let world = &app.world;
    let id = Id::new(world.clock.now(), world.entropy.bits());
    let zone = zone(world, plan);
    let mut early: Vec<(LogLevel, String)> = Vec::new();
    let (mut catalog, lease) = match opened(loaded, plan, app, &id, &mut early) {
        Ok(opened) => opened,
        Err(why) => {
            complain(&why);
            return Exit::Busy;
        }
    };
    let job = loaded.file.jobs.iter().find(|j| j.name.value == plan.job);
    let folder = job
        .and_then(|j| j.logs.clone())
        .unwrap_or_else(|| log_folder(&world.state, &loaded.path, &plan.job));
    let log = create_log(&folder, &id, &zone, &mut early);
    let gap =
        job.and_then(|j| j.schedule.as_ref()).and_then(|s| s.longest_gap(world.clock.now(), &zone));
    let notifier = notifier(loaded, plan, app, (&id, &log), catalog.as_mut(), &mut early);
    let in_use = catalog.as_mut().and_then(|catalog| in_use_before(catalog, &loaded.path, plan));
    let terminal = std::io::stderr().is_terminal();
    let session = Session {
        app,
        file: &loaded.file,
        facts: facts(loaded, plan, app, &id),
        catalog,
        lease,
        log,
        notifier: Some(notifier),
        shown: Queue::new(
            "the output",
            match args.format {
                Format::Human => Box::new(Console::new(terminal, args.quiet, zone.clone())),
                Format::Json => Box::new(Json(std::io::stdout())),
            },
        ),
        early,
    };
    let steps = Steps::new(world.clone(), id, (&plan.job, &loaded.path), zone, gap);
    let outcome = session.execute(plan, &steps.after(in_use));
    failpoint("unlock before");
    drop(lock);
    if let Some(out) = &loaded.file.site.report {
        write_report(loaded, out, app);
    }
    judge(&outcome, args.strict)
}

/// The lock of the job on this machine.
fn locked(loaded: &Loaded, plan: &Plan, app: &App) -> Result<std::fs::File, Exit> {
    match lock_job(&app.world, &loaded.path, &plan.job) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => {
            complain(&format!("another run holds job {}", plan.job));
            Err(Exit::Busy)
        }
        Err(error) => {
            complain(&format!(
                "unable to lock job {} in {}: {error}",
                plan.job,
                app.world.state.display()
            ));
            Err(Exit::Error)
        }
    }
}

/// A log of a run, if it can be made.
pub fn create_log(
    folder: &Path,
    id: &Id,
    zone: &TimeZone,
    early: &mut Vec<(LogLevel, String)>,
) -> Option<Log> {
    let log = Log::create(folder, id.as_str(), zone.clone());
    log.map_err(|e| {
        let text = format!("unable to make a log in {}: {e}", folder.display());
        early.push((LogLevel::Alert, text));
    })
    .ok()
}

fn facts(loaded: &Loaded, plan: &Plan, app: &App, id: &Id) -> RunFacts {
    RunFacts {
        id: id.clone(),
        job: plan.job.clone(),
        file: loaded.path.clone(),
        host: app.world.host(),
        pid: std::process::id(),
        steps: plan.steps.iter().map(Step::facts).collect(),
        kind: RunKind::Job,
    }
}

/// Whoever is told of the run.
fn notifier(
    loaded: &Loaded,
    plan: &Plan,
    app: &App,
    (id, log): (&Id, &Option<Log>),
    catalog: Option<&mut Catalog>,
    early: &mut Vec<(LogLevel, String)>,
) -> Notifier {
    let job = loaded.file.jobs.iter().find(|j| j.name.value == plan.job);
    let notify = loaded.file.notify.iter().chain(job.iter().flat_map(|j| &j.notify));
    let specs: Vec<NotifySpec> = notify.cloned().collect();
    let asked = specs.iter().any(|s| s.enabled && s.on == NotifyOn::Change);
    // Only a notice of a change asks for it. Why there is no catalog was said already.
    let before = catalog.filter(|_| asked).and_then(|catalog| {
        match catalog.last_verdict((&loaded.path, &plan.job), id.as_str()) {
            Ok(Some(verdict)) => return Some(verdict),
            Ok(None) => early
                .push((LogLevel::Info, "the catalog knows no earlier run of the job".to_owned())),
            Err(error) => {
                let text = format!("how the run before ended is not known: {error}");
                early.push((LogLevel::Alert, text));
            }
        }
        None
    });
    Notifier {
        specs,
        mail: loaded.file.site.mail.clone(),
        language: loaded.file.site.language.clone(),
        zone: zone(&app.world, plan),
        log: log.as_ref().map(|l| l.path().to_path_buf()),
        before,
        summary: Summary { page: page_of(&loaded.file, id.as_str()), ..Summary::default() },
        stop: app.stop.clone(),
    }
}

/// How many runs in a row found each folder of the plan in use; `None` where the history can't say.
fn in_use_before(catalog: &mut Catalog, file: &str, plan: &Plan) -> Option<InUse> {
    let mut known = InUse::new();
    for step in &plan.steps {
        let StepKind::Prune(prune) = &step.kind else { continue };
        let (source, store) = (&prune.source, &prune.store.name);
        let found =
            catalog.retention_ended((file, &plan.job), (source, store), IN_USE, IN_USE_RUNS);
        known.insert((source.clone(), store.clone()), found.ok()?);
    }
    Some(known)
}

/// Where pages show a run: on the dashboard, else in the report.
fn page_of(file: &JobFile, id: &str) -> String {
    match (&file.site.web.public_url, &file.site.report) {
        (Some(url), _) => format!("{}/execucoes/{id}", url.trim_end_matches('/')),
        (None, Some(out)) => out.join("r").join(format!("{id}.html")).display().to_string(),
        (None, None) => String::new(),
    }
}

/// Writes the report anew. One that can't be written is told, and changes nothing of a run that is
/// over.
fn write_report(loaded: &Loaded, out: &Path, app: &App) {
    let lang = language(None, loaded.file.site.language.as_deref());
    let reader = Reader { lang, zone: report::zone(&loaded.file) };
    let written = open_catalog(&app.world, &loaded.file, &app.stop)
        .and_then(|mut catalog| report::write(&app.world, &mut catalog, reader, &loaded.path, out));
    if let Err(why) = written {
        complain(&why);
    }
}

/// The catalog, if it can be used, and the lease of the job, if it needs one; the error is why the
/// job does not run now.
fn opened(
    loaded: &Loaded,
    plan: &Plan,
    app: &App,
    id: &Id,
    early: &mut Vec<(LogLevel, String)>,
) -> Result<(Option<Catalog>, Option<Lease>), String> {
    let (world, host) = (&app.world, app.world.host());
    let catalog = open_catalog(world, &loaded.file, &app.stop);
    let admission = admit(catalog, (loaded, plan), (&host, id.as_str()), early)?;
    let Some(mut catalog) = admission.catalog else { return Ok((None, None)) };
    let (own, now) = ((loaded.path.as_str(), plan.job.as_str()), moment(world.clock.now()));
    let mut noted = catalog.close_orphans(own, &host, &now).map(drop);
    if admission.across && noted.is_ok() {
        noted = catalog.close_silent(own, &host, &now).map(drop);
    }
    if let Err(error) = noted {
        early.push((LogLevel::Alert, format!("{error}; the run goes on without it")));
        return Ok((None, admission.lease));
    }
    // Pages show what the file said before; history goes on.
    if let Err(error) = catalog.declare(&declaration(loaded, world)) {
        early.push((LogLevel::Alert, format!("what the file says is not noted: {error}")));
    }
    Ok((Some(catalog), admission.lease))
}

/// The folder of a job's logs: two files may have a job of one name, and each has a folder.
fn log_folder(state: &Path, file: &str, job: &str) -> PathBuf {
    let plain = state.join("logs").join(job);
    let owner = state.join("logs").join(format!("{job}.file"));
    match std::fs::read_to_string(&owner) {
        Ok(text) if text != file => state.join("logs").join(by_file(job, file)),
        Ok(_) => plain,
        Err(_) => {
            // Where it can't be written, the log itself says so.
            drop(
                std::fs::create_dir_all(state.join("logs"))
                    .and_then(|()| std::fs::write(&owner, file)),
            );
            plain
        }
    }
}
