//! The jobs that files declare: when each is due next, and what the dashboard holds against its
//! file.

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::catalog::{Estate, KnownJob};
use crate::job::Schedule;
use crate::view::format::{NONE, age, parse};
use crate::view::frame::Viewer;

/// How recently `vex run --due` must have been called, in seconds.
const DUE: i64 = 300;

/// A job.
#[derive(Debug, Clone, Serialize)]
pub struct JobLine {
    /// The job.
    pub job: String,
    /// Its file.
    pub file: String,
    /// The machine.
    pub host: String,
    /// Its schedule as it holds.
    pub schedule: String,
    /// What the dashboard holds against the file; empty where nothing.
    pub override_text: String,
    /// When it is due next.
    pub next: String,
    /// Where it is asked to run; empty where that can't be.
    pub run_href: String,
    /// Where its schedule is changed.
    pub schedule_href: String,
}

/// The jobs of an estate; `to` is the address of a question about one (`run`, `schedule`).
pub fn jobs(
    viewer: &Viewer,
    estate: &Estate,
    to: &dyn Fn(&str, &KnownJob) -> String,
) -> Vec<JobLine> {
    estate.jobs.iter().map(|job| line(viewer, estate, job, to)).collect()
}

fn line(
    viewer: &Viewer,
    estate: &Estate,
    job: &KnownJob,
    to: &dyn Fn(&str, &KnownJob) -> String,
) -> JobLine {
    let held = estate
        .overrides
        .iter()
        .find(|o| o.host == job.host && o.file == job.file && o.job == job.job);
    let (schedule, told) = match held {
        None => (job.schedule.clone(), String::new()),
        Some(held) => {
            let moment = viewer.reader.moment_of(Some(&held.at));
            let file = if job.schedule.is_empty() { NONE } else { &job.schedule };
            let parts = [("schedule", file), ("who", &held.who), ("moment", &moment)];
            match held.state.as_str() {
                "off" => (job.schedule.clone(), viewer.say("override-off", &parts[1..])),
                _ => (held.schedule.clone(), viewer.say("override-moved", &parts)),
            }
        }
    };
    let off = held.is_some_and(|h| h.state == "off");
    let zone = TimeZone::get(&job.zone).unwrap_or_else(|_| viewer.reader.zone.clone());
    let next =
        Schedule::parse(&schedule).ok().filter(|_| !off).and_then(|s| s.next(viewer.now, &zone));
    JobLine {
        job: job.job.clone(),
        file: job.file.clone(),
        host: job.host.clone(),
        schedule: if schedule.is_empty() { NONE.to_owned() } else { schedule },
        override_text: told,
        next: next.map_or_else(|| NONE.to_owned(), |at| viewer.reader.moment(at)),
        run_href: to("run", job),
        schedule_href: to("schedule", job),
    }
}

/// Whether `vex run --due` was called lately, on which host.
pub fn due(viewer: &Viewer, estate: &Estate) -> String {
    let seen = estate.hosts.iter().filter_map(|h| Some((parse(h.due.as_deref()?)?, &h.host))).max();
    match seen {
        Some((at, host)) if viewer.now.duration_since(at).as_secs() <= DUE => {
            let age = age(viewer.now.duration_since(at).as_secs());
            viewer.say("due-seen", &[("host", host), ("age", &age)])
        }
        Some(_) | None => viewer.say("due-never", &[]),
    }
}
