//! `vex run`: one job after the other, each under its lock, heard by console, log, catalog and
//! summary.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::base::Id;
use crate::catalog::{Catalog, moment};
use crate::job::{JobFile, NotifyOn, NotifySpec};
use crate::notify::Notifier;
use crate::plan::{Plan, Step, StepKind};
use crate::record::{Event, IN_USE, LogLevel, RunFacts, RunKind, Stamped, Verdict};
use crate::report::{Console, Fan, Json, Log, Queue, Recorder, Summary};
use crate::run::{Listener, Outcome, execute};
use crate::step::{IN_USE_RUNS, InUse, Steps};
use crate::view::Reader;
use crate::world::failpoint;

use crate::cli::args::{Format, Run};
use crate::cli::declare::declaration;
use crate::cli::due;
use crate::cli::exit::Exit;
use crate::cli::language::language;
use crate::cli::lease::{Keeper, Lease, Remarks, admit};
use crate::cli::report;
use crate::cli::wiring::App;
use crate::cli::wiring::{Loaded, by_file, catalog_place, complain, lock_job, open_catalog, zone};

/// Runs jobs.
pub fn run(args: &Run, app: &App) -> Exit {
    let loaded = match Loaded::open(&args.file, args.site.as_deref(), args.strict) {
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
    let world = &app.world;
    let lock = match lock_job(world, &loaded.path, &plan.job) {
        Ok(Some(lock)) => lock,
        Ok(None) => {
            complain(&format!("another run holds job {}", plan.job));
            return Exit::Busy;
        }
        Err(error) => {
            complain(&format!(
                "unable to lock job {} in {}: {error}",
                plan.job,
                world.state.display()
            ));
            return Exit::Error;
        }
    };
    failpoint("lock after");
    let id = Id::new(world.clock.now(), world.entropy.bits());
    let zone = zone(world, plan);
    let mut early: Vec<(LogLevel, String)> = Vec::new();
    let alert = |text: String| (LogLevel::Alert, text);
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
    let log = Log::create(&folder, id.as_str(), zone.clone());
    let log = log
        .map_err(|e| {
            early.push(alert(format!("unable to make a log in {}: {e}", folder.display())))
        })
        .ok();
    let facts = RunFacts {
        id: id.clone(),
        job: plan.job.clone(),
        file: loaded.path.clone(),
        host: world.host(),
        pid: std::process::id(),
        steps: plan.steps.iter().map(Step::facts).collect(),
        kind: RunKind::Job,
    };
    let schedule = job.and_then(|j| j.schedule.as_ref());
    let gap = schedule.and_then(|s| s.longest_gap(world.clock.now(), &zone));
    let notify = loaded.file.notify.iter().chain(job.iter().flat_map(|j| &j.notify));
    let specs: Vec<NotifySpec> = notify.cloned().collect();
    let asked = specs.iter().any(|s| s.enabled && s.on == NotifyOn::Change);
    // Only a notice of a change asks for it. Why there is no catalog was said already.
    let before = catalog.as_mut().filter(|_| asked).and_then(|catalog| {
        match catalog.last_verdict((&loaded.path, &plan.job), id.as_str()) {
            Ok(Some(verdict)) => return Some(verdict),
            Ok(None) => early
                .push((LogLevel::Info, "the catalog knows no earlier run of the job".to_owned())),
            Err(error) => {
                early.push(alert(format!("how the run before ended is not known: {error}")))
            }
        }
        None
    });
    let in_use = catalog.as_mut().and_then(|catalog| in_use_before(catalog, &loaded.path, plan));
    let notifier = Notifier {
        specs,
        mail: loaded.file.site.mail.clone(),
        language: loaded.file.site.language.clone(),
        zone: zone.clone(),
        log: log.as_ref().map(|l| l.path().to_path_buf()),
        before,
        summary: Summary { page: page_of(&loaded.file, id.as_str()), ..Summary::default() },
        stop: app.stop.clone(),
    };
    let terminal = std::io::stderr().is_terminal();
    let remarks = Remarks::default();
    let keeper = Keeper {
        app,
        file: &loaded.file,
        run: id.as_str(),
        lease,
        remarks: Remarks::clone(&remarks),
    };
    let outcome = keeper.during(|stop| {
        let place = catalog_place(world, &loaded.file);
        let recorder = Recorder::new(catalog, &place, &world.state, id.as_str());
        let mut record = Fan::default();
        record.0.extend(log.map(|l| Box::new(l) as Box<dyn Listener + Send>));
        record.0.push(Box::new(FailpointRecorder(recorder)));
        record.0.push(Box::new(notifier));
        let shown: Box<dyn Listener + Send> = match args.format {
            Format::Human => Box::new(Console::new(terminal, args.quiet, zone.clone())),
            Format::Json => Box::new(Json(std::io::stdout())),
        };
        // A catalog that is busy and a reader that does not read hold up neither the steps nor each
        // other.
        let mut fan = Fan::default();
        fan.0.push(Box::new(Queue::new("the history", Box::new(record))));
        fan.0.push(Box::new(Queue::new("the output", shown)));
        let mut listener = Early { inner: fan, early, remarks };
        let steps = Steps::new(world.clone(), id.clone(), (&plan.job, &loaded.path), zone, gap);
        execute(plan, &facts, &steps.after(in_use), &mut listener, &world.clock, stop)
    });
    failpoint("unlock before");
    drop(lock);
    if let Some(out) = &loaded.file.site.report {
        write_report(loaded, out, app);
    }
    judge(outcome, args.strict)
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

fn judge(outcome: Outcome, strict: bool) -> Exit {
    match outcome.verdict {
        Verdict::Success => Exit::Success,
        Verdict::Alert if strict => Exit::Alert,
        Verdict::Alert => Exit::Success,
        Verdict::Error => Exit::Error,
    }
}
