//! `vex run`: one job after the other, each under its lock, heard by console, log, catalog and
//! summary.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::base::Id;
use crate::catalog::{Catalog, ClosedRun, moment};
use crate::job::{Engine, Job, RmanLevel};
use crate::lang::Lang;
use crate::plan::{Plan, Step, StepKind};
use crate::record::{IN_USE, LogLevel, RunFacts, RunKind, Verdict};
use crate::report::{Console, Json, Log, Look, Queue, remove_logs};
use crate::run::Listener;
use crate::step::{IN_USE_RUNS, InUse, Steps};
use crate::view::Reader;
use crate::world::{colours, draws, failpoint};

use crate::cli::args::{Format, Mode, Run};
use crate::cli::chosen::chosen;
use crate::cli::declare::declaration;
use crate::cli::due;
use crate::cli::exit::Exit;
use crate::cli::lease::{Lease, admit};
use crate::cli::lock::{held, locked, patiently};
use crate::cli::metrics::write_metrics;
use crate::cli::people::{file_refused, notifier, tell_of_killed};
use crate::cli::plan;
use crate::cli::report;
use crate::cli::session::{Session, judge};
use crate::cli::wiring::App;
use crate::cli::wiring::{Loaded, by_file, complain, open_catalog, zone};

/// How long logs are kept where the job does not say it.
const KEEP_LOGS: Duration = Duration::from_secs(90 * 86_400);

/// Runs jobs.
pub fn run(args: &Run, app: &App) -> Exit {
    let refused = |loaded: &Loaded, found: &str| {
        let jobs = loaded.file.jobs.iter().map(|job| &job.name.value);
        let meant = |job: &&String| args.jobs.is_empty() || args.jobs.contains(job);
        jobs.filter(meant).for_each(|job| write_metrics(loaded, job, app, Exit::Invalid));
        // Whoever sits at a terminal reads it there.
        if !std::io::stderr().is_terminal() {
            file_refused(loaded, &args.jobs, app, found);
        }
    };
    let loaded = match Loaded::open_or(&args.file, args.site.as_deref(), args.strict, &refused) {
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
    if args.dry_run {
        return plan::show_all(&plans, &loaded, false, app);
    }
    let mut exit = Exit::Success;
    for plan in &plans {
        if app.stop.is_stopped() {
            break;
        }
        if args.scheduled && due::is_held(&loaded, &plan.job, app) {
            continue;
        }
        let ended = run_job(args, &loaded, plan, app);
        write_metrics(&loaded, &plan.job, app, ended);
        exit = exit.worse(ended);
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

fn run_job(args: &Run, loaded: &Loaded, plan: &Plan, app: &App) -> Exit {
    if plan.steps.is_empty() {
        complain(&format!(
            "job {} does nothing: every step, source or store of it is switched off",
            plan.job
        ));
        return Exit::Invalid;
    }
    let deadline = Instant::now() + args.wait.unwrap_or_default();
    let world = &app.world;
    let id = Id::new(world.clock.now(), world.entropy.bits());
    let lock = match locked((loaded, plan), deadline, app, &id) {
        Ok(lock) => lock,
        Err(exit) => return exit,
    };
    failpoint("lock after");
    let (zone, lang) = (zone(world, plan), app.language(&loaded.file));
    let mut early: Vec<(LogLevel, String)> = Vec::new();
    let opened =
        patiently(deadline, &app.stop, plan, || opened(loaded, plan, app, &id, &mut early));
    let Opened { mut catalog, lease, killed } = match opened {
        Ok(opened) => opened,
        Err(why) => return held((loaded, plan), app, &why),
    };
    let job = loaded.file.jobs.iter().find(|j| j.name.value == plan.job);
    let folder = logs_of(job, (loaded, plan), app);
    let log = create_log(&folder, &id, (&zone, lang), &mut early);
    let gap = loaded.gap(plan, world);
    let path = log.as_ref().map(|log| log.path().to_path_buf());
    let mut notifier =
        notifier((loaded, plan), app, (&id, path.clone()), catalog.as_mut(), &mut early);
    tell_of_killed(&mut notifier, (loaded, plan), app, killed);
    let in_use = catalog.as_mut().and_then(|catalog| in_use_before(catalog, &loaded.path, plan));
    let session = Session {
        app,
        file: &loaded.file,
        facts: facts(loaded, plan, app, &id),
        catalog,
        lease,
        log,
        notifier: Some(notifier),
        shown: shown(args, &zone, lang),
        early,
    };
    let window = plan.window_end(world.clock.now(), &zone);
    let steps = Steps::new(world.clone(), id, (&plan.job, &loaded.path), zone, gap);
    let steps = steps.logged(path).within(window);
    let outcome = session.execute(plan, &steps.after(in_use));
    if outcome.verdict == Verdict::Success {
        forget_logs(&folder, job, app);
    }
    failpoint("unlock before");
    drop(lock);
    if let Some(out) = &loaded.file.site.report {
        write_report(loaded, out, app);
    }
    judge(&outcome, args.strict)
}

/// What shows the run.
fn shown(args: &Run, zone: &TimeZone, lang: Lang) -> Queue {
    let terminal = std::io::stderr().is_terminal();
    let look = Look {
        terminal: draws(terminal),
        colours: colours(terminal),
        quiet: args.quiet,
        verbose: args.verbose,
        lang,
        zone: zone.clone(),
    };
    let listener: Box<dyn Listener + Send> = match args.format {
        Format::Human => Box::new(Console::new(look)),
        Format::Json => Box::new(Json(std::io::stdout())),
    };
    Queue::new("the output", listener)
}

/// The folder of the logs of a job.
fn logs_of(job: Option<&Job>, (loaded, plan): (&Loaded, &Plan), app: &App) -> PathBuf {
    let own = job.and_then(|job| job.logs.path.clone());
    own.unwrap_or_else(|| log_folder(&app.world.logs(), &loaded.path, &plan.job))
}

/// Removes the logs that are older than the job keeps them.
fn forget_logs(folder: &Path, job: Option<&Job>, app: &App) {
    let keep = job.and_then(|j| j.logs.keep).unwrap_or(KEEP_LOGS);
    let Ok(keep) = SignedDuration::try_from(keep) else { return };
    let Ok(before) = app.world.clock.now().checked_sub(keep) else { return };
    if let Err(error) = remove_logs(folder, before) {
        complain(&format!("unable to remove old logs in {}: {error}", folder.display()));
    }
}

/// A log of a run, if it can be made.
pub fn create_log(
    folder: &Path,
    id: &Id,
    (zone, lang): (&TimeZone, Lang),
    early: &mut Vec<(LogLevel, String)>,
) -> Option<Log> {
    let log = Log::create(folder, id.as_str(), (zone.clone(), lang));
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

/// Writes the report anew. One that can't be written is told, and changes nothing of a run that is
/// over.
fn write_report(loaded: &Loaded, out: &Path, app: &App) {
    let lang = app.language(&loaded.file);
    let reader = Reader { lang, zone: report::zone(&loaded.file) };
    let written = open_catalog(&app.world, &loaded.file, &app.stop)
        .and_then(|mut catalog| report::write(&app.world, &mut catalog, reader, &loaded.path, out));
    if let Err(why) = written {
        complain(&why);
    }
}

/// What a run begins with.
struct Opened {
    /// The catalog, if it can be used.
    catalog: Option<Catalog>,
    /// The lease of the job, if it needs one.
    lease: Option<Lease>,
    /// Earlier runs of the job that ended without a word.
    killed: Vec<ClosedRun>,
}

/// What a run begins with; the error is why the job does not run now.
fn opened(
    loaded: &Loaded,
    plan: &Plan,
    app: &App,
    id: &Id,
    early: &mut Vec<(LogLevel, String)>,
) -> Result<Opened, String> {
    let (world, host) = (&app.world, app.world.host());
    let catalog = open_catalog(world, &loaded.file, &app.stop);
    let admission = admit(catalog, (loaded, plan), (&host, id.as_str()), early)?;
    let (lease, mut killed) = (admission.lease, Vec::new());
    let Some(mut catalog) = admission.catalog else {
        return Ok(Opened { catalog: None, lease, killed });
    };
    let (own, now) = ((loaded.path.as_str(), plan.job.as_str()), moment(world.clock.now()));
    let mut noted = catalog.close_orphans(own, &host, &now).map(|closed| killed.extend(closed));
    if admission.across && noted.is_ok() {
        noted = catalog.close_silent(own, &host, &now).map(|closed| killed.extend(closed));
    }
    if let Err(error) = noted {
        early.push((LogLevel::Alert, format!("{error}; the run goes on without it")));
        return Ok(Opened { catalog: None, lease, killed });
    }
    early.extend(killed.iter().map(|run| {
        let ClosedRun { id, started, host } = run;
        let text = format!("run {id} of {started} on {host} was killed, or the machine stopped");
        (LogLevel::Info, text)
    }));
    // Pages show what the file said before; history goes on.
    if let Err(error) = catalog.declare(&declaration(loaded, world)) {
        early.push((LogLevel::Alert, format!("what the file says is not noted: {error}")));
    }
    Ok(Opened { catalog: Some(catalog), lease, killed })
}

/// The folder of a job's logs: two files may have a job of one name, and each has a folder.
fn log_folder(logs: &Path, file: &str, job: &str) -> PathBuf {
    let plain = logs.join(job);
    let owner = logs.join(format!("{job}.file"));
    match std::fs::read_to_string(&owner) {
        Ok(text) if text != file => logs.join(by_file(job, file)),
        Ok(_) => plain,
        Err(_) => {
            // Where it can't be written, the log itself says so.
            drop(std::fs::create_dir_all(logs).and_then(|()| std::fs::write(&owner, file)));
            plain
        }
    }
}
