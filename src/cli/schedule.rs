//! `vex jobs` and `vex schedule`: when the jobs of a file run, and the units that have the
//! scheduler of a machine or a cluster start them.
//!
//! Contacts nothing and starts nothing. What a scheduler can't say is refused, and its next moments
//! are shown as that scheduler has them.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};

use crate::cli::args::{Engine, Format, Jobs, Schedule as Args};
use crate::cli::exit::Exit;
use crate::cli::units::{self, Unit};
use crate::cli::wiring::{App, Loaded, complain, tell, zone};
use crate::job::{Job, Schedule};
use crate::plan::Plan;

/// How many next moments are shown.
const SHOWN: usize = 3;

/// How many moments are looked through for those: enough for a change of DST in each.
const LOOKED: usize = 64;

/// One job with the plan that names its zone.
struct Timed<'a> {
    job: &'a Job,
    plan: &'a Plan,
    zone: TimeZone,
}

/// Shows the jobs of files, their schedules and next moments.
pub fn jobs(args: &Jobs, app: &App) -> Exit {
    let mut exit = Exit::Success;
    for path in &args.files {
        match Loaded::open(path, args.site.as_deref(), false) {
            Ok(loaded) => {
                timed(&loaded, app).iter().for_each(|job| tell(&row(&loaded, job, args, app)));
            }
            Err(worse) => exit = exit.worse(worse),
        }
    }
    exit
}

fn timed<'a>(loaded: &'a Loaded, app: &App) -> Vec<Timed<'a>> {
    let of = |plan: &'a Plan| {
        let job = loaded.file.jobs.iter().find(|job| job.name.value == plan.job)?;
        Some(Timed { job, plan, zone: zone(&app.world, plan) })
    };
    loaded.plans.iter().filter_map(of).collect()
}

fn row(loaded: &Loaded, timed: &Timed<'_>, args: &Jobs, app: &App) -> String {
    let schedule = timed.job.schedule.as_ref();
    let next = schedule.and_then(|schedule| schedule.next(app.world.clock.now(), &timed.zone));
    let next = next.map(|at| shown(at, &timed.zone));
    let name = &timed.plan.job;
    if args.format == Format::Json {
        return serde_json::json!({
            "version": 1, "file": loaded.path, "job": name, "schedule": schedule.map(Schedule::text),
            "zone": timed.plan.zone, "next": next,
        })
        .to_string();
    }
    match (schedule, next) {
        (Some(schedule), Some(next)) => format!("{name}  {}  next {next}", schedule.text()),
        (Some(schedule), None) => format!("{name}  {}  never", schedule.text()),
        (None, _) => format!("{name}  no schedule: it runs when somebody starts it"),
    }
}

fn shown(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
}

/// Prints the units of the jobs of a file, or writes them into a folder.
pub fn schedule(args: &Args, app: &App) -> Exit {
    let loaded = match Loaded::open(&args.file, args.site.as_deref(), false) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if let Err(exit) = loaded.choose(&args.jobs) {
        return exit;
    }
    let chosen: Vec<Timed<'_>> = timed(&loaded, app)
        .into_iter()
        .filter(|timed| args.jobs.is_empty() || args.jobs.contains(&timed.plan.job))
        .collect();
    let mut units = Vec::new();
    for timed in chosen {
        let Some(schedule) = timed.job.schedule.as_ref() else {
            match args.jobs.is_empty() {
                true => continue,
                false => {
                    complain(&format!("job {} has no schedule; add one to it", timed.plan.job));
                    return Exit::Usage;
                }
            }
        };
        match units_of(args, &loaded, &timed, schedule, app) {
            Ok(made) => units.extend(made),
            Err(why) => {
                complain(&why);
                return Exit::Usage;
            }
        }
    }
    if units.is_empty() {
        complain(&format!(
            "no job of {} has a schedule; add one: `schedule=\"0 1 * * *\"`",
            loaded.path
        ));
        return Exit::Usage;
    }
    match &args.out {
        Some(folder) => write(folder, &units),
        None => {
            units.iter().for_each(|unit| tell(unit.text.trim_end()));
            Exit::Success
        }
    }
}

fn units_of(
    args: &Args,
    loaded: &Loaded,
    timed: &Timed<'_>,
    schedule: &Schedule,
    app: &App,
) -> Result<Vec<Unit>, String> {
    let notes = next_lines(args.format, schedule, &timed.zone, app.world.clock.now());
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/usr/bin/vex"));
    let wanted = units::Wanted {
        file: &loaded.path,
        job: &timed.plan.job,
        zone: timed.plan.zone.as_deref(),
        program: &program,
        image: &args.image,
        notes: &notes,
        schedule,
    };
    wanted.units(args.format).map_err(|what| {
        format!(
            "unable to say the schedule `{}` of job {} to {}: {what}. Start `vex run --due` each minute there, or write a \
             plainer schedule",
            schedule.text(),
            timed.plan.job,
            args.format.name()
        )
    })
}

/// The next moments as the engine will have them: only vex and cron run a job whose moment a DST
/// change has lost.
fn next_lines(engine: Engine, schedule: &Schedule, zone: &TimeZone, now: Timestamp) -> Vec<String> {
    let (mut at, mut lines, mut shown_lines) = (now, Vec::new(), 0);
    for _ in 0..LOOKED {
        let Some(next) = schedule.next(at, zone) else { break };
        at = next;
        if schedule.holds(next, zone) || engine == Engine::Cron {
            lines.push(format!("next: {}", shown(next, zone)));
            shown_lines += 1;
        } else {
            lines.push(format!("skipped by {}: {}, a lost hour", engine.name(), shown(next, zone)));
        }
        if shown_lines == SHOWN {
            break;
        }
    }
    lines
}

fn write(folder: &Path, units: &[Unit]) -> Exit {
    let write = |unit: &Unit| {
        let path = folder.join(&unit.name);
        std::fs::write(&path, &unit.text).map(|()| path)
    };
    let made = std::fs::create_dir_all(folder)
        .and_then(|()| units.iter().map(write).collect::<std::io::Result<Vec<PathBuf>>>());
    match made {
        Ok(paths) => {
            paths.iter().for_each(|path| tell(&format!("{}: written", path.display())));
            Exit::Success
        }
        Err(error) => {
            complain(&format!("unable to write the units into {}: {error}", folder.display()));
            Exit::Error
        }
    }
}
