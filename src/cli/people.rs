//! Who is told of a run, and of what never became one: refused by a lock, by the state folder or by
//! its own file, or killed before it could say so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::Id;
use crate::catalog::{Catalog, CatalogError, ClosedRun, RunRow, moment};
use crate::job::{JobFile, NotifyKind, NotifyOn, NotifySpec};
use crate::notify::{Desk, Notifier, Outbox};
use crate::plan::Plan;
use crate::record::{Failure, LogLevel, Verdict};
use crate::report::Summary;

use crate::cli::wiring::{App, Loaded, complain, open_catalog, zone as zone_of};

/// What a run without an end is called in the history.
pub const REFUSED: &str = "refused";

/// Whoever is told of a run; `log` is its log.
pub fn notifier(
    (loaded, plan): (&Loaded, &Plan),
    app: &App,
    (id, log): (&Id, Option<PathBuf>),
    mut catalog: Option<&mut Catalog>,
    early: &mut Vec<(LogLevel, String)>,
) -> Notifier {
    let specs = specs(&loaded.file, &[&plan.job]);
    let asked = specs.iter().any(|s| s.enabled && s.on == NotifyOn::Change);
    let last = catalog.as_deref_mut().filter(|_| !specs.is_empty());
    let last = last.map(|catalog| last_good(catalog, &loaded.path, &plan.job));
    let last = last.unwrap_or_else(|| Ok(BTreeMap::new())).unwrap_or_else(|error| {
        let text = format!("when each chain was last good is not known: {error}");
        early.push((LogLevel::Alert, text));
        BTreeMap::new()
    });
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
    let desk = Desk { log, last, ..desk(&loaded.file, zone_of(&app.world, plan), app) };
    let summary = Summary { page: page_of(&loaded.file, id.as_str()), ..Summary::default() };
    Notifier { specs, desk, before, summary, outbox: Outbox::default(), told: false }
}

/// Whoever is told where a restore or a verification that a person asked for fails; `None` where
/// nobody is.
pub fn escalation(
    file: &JobFile,
    zone: TimeZone,
    log: Option<PathBuf>,
    app: &App,
) -> Option<Notifier> {
    let escalates = |spec: &NotifySpec| match &spec.kind {
        NotifyKind::Email { escalate, .. } => spec.enabled && !escalate.is_empty(),
        NotifyKind::Webhook { .. } | NotifyKind::Ping { .. } => false,
    };
    // Whoever is told of runs of jobs is not told of what a person does.
    let own = specs(file, &[]).into_iter().filter(escalates);
    let specs: Vec<NotifySpec> =
        own.map(|spec| NotifySpec { on: NotifyOn::Late, ..spec }).collect();
    let desk = Desk { log, ..desk(file, zone, app) };
    let (summary, outbox) = (Summary::default(), Outbox::default());
    let notifier = Notifier { specs, desk, before: None, summary, outbox, told: false };
    (!notifier.specs.is_empty()).then_some(notifier)
}

/// Who is told of the file's jobs of these names; all jobs where none is named.
fn specs(file: &JobFile, jobs: &[&str]) -> Vec<NotifySpec> {
    let meant = file.jobs.iter().filter(|j| jobs.is_empty() || jobs.contains(&&*j.name.value));
    file.notify.iter().chain(meant.flat_map(|j| &j.notify)).cloned().collect()
}

fn desk(file: &JobFile, zone: TimeZone, app: &App) -> Desk {
    Desk {
        mail: file.site.mail.clone(),
        language: file.site.language.clone(),
        zone,
        log: None,
        last: BTreeMap::new(),
        stop: app.stop.clone(),
    }
}

/// When each chain of a job had its last good backup.
fn last_good(
    catalog: &mut Catalog,
    file: &str,
    job: &str,
) -> Result<BTreeMap<String, Timestamp>, CatalogError> {
    let known = catalog.last_good((file, job))?;
    Ok(known.into_iter().filter_map(|(chain, at)| Some((chain, at.parse().ok()?))).collect())
}

/// Where pages show a run: on the dashboard, else in the report.
fn page_of(file: &JobFile, id: &str) -> String {
    match (&file.site.web.public_url, &file.site.report) {
        (Some(url), _) => format!("{}/execucoes/{id}", url.trim_end_matches('/')),
        (None, Some(out)) => out.join("r").join(format!("{id}.html")).display().to_string(),
        (None, None) => String::new(),
    }
}

/// Whoever is told of what is no run; `jobs` are its jobs, all where none is named.
fn of_none((loaded, jobs): (&Loaded, &[&str]), zone: TimeZone, app: &App) -> Notifier {
    let now = app.world.clock.now();
    let summary = Summary {
        job: jobs.join(", "),
        file: loaded.path.clone(),
        host: app.world.host(),
        started: Some(now),
        ..Summary::default()
    };
    Notifier {
        specs: specs(&loaded.file, jobs),
        desk: desk(&loaded.file, zone, app),
        before: None,
        summary,
        outbox: Outbox::default(),
        told: false,
    }
}

fn failure(code: &str, found: &str) -> Failure {
    let values = [("found".to_owned(), found.to_owned())].into();
    Failure { code: code.to_owned(), message: found.to_owned(), values, ..Failure::default() }
}

/// Tells that a job did not run, and why; the history keeps it, if it can.
pub fn job_refused(
    (loaded, plan): (&Loaded, &Plan),
    app: &App,
    (code, found): (&str, &str),
    verdict: Verdict,
) {
    let world = &app.world;
    let (now, id) = (world.clock.now(), Id::new(world.clock.now(), world.entropy.bits()));
    let noted = open_catalog(world, &loaded.file, &app.stop).and_then(|mut catalog| {
        let row = RunRow {
            id: id.to_string(),
            kind: REFUSED.to_owned(),
            job: plan.job.clone(),
            file: loaded.path.clone(),
            host: world.host(),
            pid: std::process::id(),
            started: moment(now),
            finished: None,
            verdict: None,
        };
        let noted = catalog
            .run_started(&row, &[])
            .and_then(|()| catalog.run_finished(id.as_str(), &moment(now), verdict.code(), found));
        noted.map_err(|e| e.to_string())
    });
    if let Err(why) = noted {
        complain(&format!("that job {} did not run is not in the history: {why}", plan.job));
    }
    let notifier = of_none((loaded, &[&plan.job]), zone_of(world, plan), app);
    tell(notifier, failure(code, found), now, verdict);
}

/// Tells that nothing of a file ran, since it is not valid; `jobs` were asked for.
pub fn file_refused(loaded: &Loaded, jobs: &[String], app: &App, found: &str) {
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let zone = app.world.clock.zone(loaded.file.site.timezone.as_deref());
    let zone = zone.unwrap_or_else(|_| TimeZone::system());
    let notifier = of_none((loaded, &jobs), zone, app);
    tell(notifier, failure("invalid", found), app.world.clock.now(), Verdict::Error);
}

fn tell(notifier: Notifier, failure: Failure, now: Timestamp, verdict: Verdict) {
    for (_, why) in notifier.refused(failure, now, verdict) {
        complain(&why);
    }
}

/// Tells one receiver that something of a job is late, or no longer; returns what could not be told.
pub fn tell_late(
    (loaded, job): (&Loaded, &str),
    spec: &NotifySpec,
    app: &App,
    (code, found): (&str, &str),
    verdict: Verdict,
) -> Vec<String> {
    let zone = loaded.plans.iter().find(|plan| plan.job == job);
    let zone = zone.map_or_else(TimeZone::system, |plan| zone_of(&app.world, plan));
    let mut notifier = of_none((loaded, &[job]), zone, app);
    notifier.specs = vec![NotifySpec { on: NotifyOn::Always, ..spec.clone() }];
    let told = notifier.refused(failure(code, found), app.world.clock.now(), verdict);
    told.into_iter().map(|(_, why)| why).collect()
}

/// Has the next run tell of those that were killed, as the first thing it tells.
pub fn tell_of_killed(
    notifier: &mut Notifier,
    (loaded, plan): (&Loaded, &Plan),
    app: &App,
    killed: Vec<ClosedRun>,
) {
    for run in killed {
        let mut own = of_none((loaded, &[&plan.job]), zone_of(&app.world, plan), app);
        own.summary.page = page_of(&loaded.file, &run.id);
        own.summary.started = run.started.parse().ok();
        own.summary.host.clone_from(&run.host);
        let found = format!("run {} of {} on {}", run.id, run.started, run.host);
        own.summary.id = run.id;
        let now = app.world.clock.now();
        notifier.outbox.post(move || {
            let complaints = own.refused(failure("killed", &found), now, Verdict::Error);
            complaints.into_iter().map(|(_, why)| why).collect()
        });
    }
}
