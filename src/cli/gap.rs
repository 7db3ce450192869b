//! Schedules at an hour that a clock skips when summer time begins.
//!
//! Does not know what the jobs do. Hourly schedules are left out: nobody misses one of their runs.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::Complaint;
use crate::job::JobFile;
use crate::plan::Plan;

/// Warns of each enabled job that is due at a time of day that does not exist on a day to come.
pub fn lint(file: &JobFile, plans: &[Plan], now: Timestamp, complaints: &mut Vec<Complaint>) {
    for job in file.jobs.iter().filter(|job| job.enabled) {
        let plan = plans.iter().find(|plan| plan.job == job.name.value);
        let (Some(schedule), Some(plan)) = (&job.schedule, plan) else { continue };
        let zone = match plan.zone.as_deref().map(TimeZone::get) {
            None => TimeZone::system(),
            Some(Ok(zone)) => zone,
            // Names that are no zones are told elsewhere.
            Some(Err(_)) => continue,
        };
        let Some(at) = schedule.lost(now, &zone) else { continue };
        let name = zone.iana_name().unwrap_or("this machine");
        let message = format!(
            "the clock of {name} skips what `{}` names, on {}",
            schedule.text(),
            at.to_zoned(zone.clone()).date()
        );
        let help = format!(
            "`vex run --due` runs it at {} that day; another scheduler may leave it out or take another hour. A time outside of that hour has no such day.",
            at.to_zoned(zone.clone()).strftime("%H:%M")
        );
        complaints.push(
            Complaint::warning("vex::schedule::gap", message)
                .label(&job.name.span, "is due then")
                .help(help),
        );
    }
}
