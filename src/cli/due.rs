//! Which jobs are due: the newest moment of their schedule lies after their last start, or the
//! dashboard asks for them.
//!
//! vex has no scheduler of its own: a timer calls `vex run --due` each minute, or `vex run
//! --scheduled` when a job is due. Invariants: moments that were missed count once, none older than
//! a day, and none from before a schedule was moved; what the dashboard holds against a file's schedule
//! holds here too.

use jiff::{SignedDuration, Timestamp};

use crate::catalog::{Catalog, CatalogError, Override, moment};
use crate::cli::args::Run;
use crate::cli::declare::declaration;
use crate::cli::exit::Exit;
use crate::cli::report;
use crate::cli::wiring::{App, Loaded, complain, open_catalog, tell, zone};
use crate::job::{Job, Schedule};
use crate::lang::Lang;
use crate::plan::Plan;
use crate::view::Reader;

/// How old a moment that was missed may be.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// The jobs of a file that are due now.
pub fn due(args: &Run, loaded: &Loaded, app: &App) -> Result<Vec<Plan>, Exit> {
    let plans: Vec<&Plan> = match args.jobs.is_empty() {
        true => loaded.plans.iter().collect(),
        false => loaded.choose(&args.jobs)?,
    };
    let unable = |why: String| {
        complain(&format!("{why}; without the catalog nobody knows what is due"));
        Exit::Error
    };
    let mut catalog = open_catalog(&app.world, &loaded.file, &app.stop).map_err(unable)?;
    let asked = listen(&mut catalog, loaded, app).map_err(|e| unable(e.to_string()))?;
    let held = catalog.overrides().map_err(|e| unable(e.to_string()))?;
    let mut due = Vec::new();
    for plan in plans {
        let job = loaded.file.jobs.iter().find(|j| j.name.value == plan.job);
        let own = (app.world.host(), loaded.path.as_str(), plan.job.as_str());
        let last = catalog.last_start((&own.0, own.1, own.2)).map_err(|e| unable(e.to_string()))?;
        let held = held.iter().find(|o| o.host == own.0 && o.file == own.1 && o.job == own.2);
        let is_asked = asked.contains(&plan.job);
        if is_asked || job.is_some_and(|job| is_due(job, plan, held, last.as_deref(), app)) {
            due.push(plan.clone());
        }
    }
    Ok(due)
}

/// Notes that this machine listens, and takes what it is asked for: names of jobs.
fn listen(catalog: &mut Catalog, loaded: &Loaded, app: &App) -> Result<Vec<String>, CatalogError> {
    let now = app.world.clock.now();
    let (host, at) = (app.world.host(), moment(now));
    catalog.see_due(&host, &at, env!("CARGO_PKG_VERSION"))?;
    catalog.declare(&declaration(loaded, &app.world))?;
    let since = moment(now - OLDEST);
    let asked = catalog.take_requests(&host, &loaded.path, (&since, &at))?;
    Ok(asked.into_iter().map(|request| request.job).collect())
}

fn is_due(job: &Job, plan: &Plan, held: Option<&Override>, last: Option<&str>, app: &App) -> bool {
    let moved = match held {
        Some(held) if held.state == "off" => return false,
        Some(held) => Schedule::parse(&held.schedule).ok(),
        None => None,
    };
    let Some(schedule) = moved.as_ref().or(job.schedule.as_ref()) else { return false };
    let now = app.world.clock.now();
    let last = last.and_then(|text| text.parse::<Timestamp>().ok());
    // A moment before a schedule was moved is none of it.
    let since = held.and_then(|held| held.at.parse::<Timestamp>().ok());
    let from = last.max(since).unwrap_or(Timestamp::MIN).max(now - OLDEST);
    schedule.next(from, &zone(&app.world, plan)).is_some_and(|next| next <= now)
}

/// Whether the dashboard keeps a job from running when its timer says so; tells why.
pub fn is_held(loaded: &Loaded, job: &str, app: &App) -> bool {
    match override_text(loaded, job, app) {
        Some(text) => {
            tell(&format!("job {job} does not run now: {text}"));
            true
        }
        None => false,
    }
}

/// What the dashboard holds against the schedule of a job's file, in words. Without the catalog the
/// file's own schedule holds.
pub fn override_text(loaded: &Loaded, job: &str, app: &App) -> Option<String> {
    let mut catalog = open_catalog(&app.world, &loaded.file, &app.stop).ok()?;
    let all = catalog.overrides().ok()?;
    let host = app.world.host();
    let own = |o: &Override| o.host == host && o.file == loaded.path && o.job == job;
    let held = all.into_iter().find(own)?;
    let reader = Reader { lang: Lang::En, zone: report::zone(&loaded.file) };
    let at = reader.moment_of(Some(&held.at));
    Some(match held.state.as_str() {
        "off" => format!("{} switched it off on the dashboard at {at}", held.who),
        _ => format!(
            "{} moved it to `{}` on the dashboard at {at}; vex run --due starts it then",
            held.who, held.schedule
        ),
    })
}
