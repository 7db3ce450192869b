//! The lock of a job on this machine, and waiting for it or for its lease.
//!
//! Does not know what runs under it. Invariant: who does not get it is told of, and a wait has an
//! end.

use std::fs::File;
use std::time::{Duration, Instant};

use crate::base::{Id, Stop};
use crate::plan::Plan;
use crate::record::Verdict;

use crate::cli::exit::Exit;
use crate::cli::people::job_refused;
use crate::cli::wiring::{App, Loaded, complain, lock_job};

/// The lock of the job on this machine; who does not get it by the deadline is told of.
pub fn locked(
    (loaded, plan): (&Loaded, &Plan),
    deadline: Instant,
    app: &App,
    id: &Id,
) -> Result<File, Exit> {
    let lock = || match lock_job(&app.world, &loaded.path, &plan.job, id) {
        Ok(Ok(lock)) => Ok(Ok(lock)),
        Ok(Err(holder)) => {
            let holder = holder.map_or_else(String::new, |holder| format!(": {holder}"));
            Err(format!("another run holds job {}{holder}", plan.job))
        }
        Err(error) => Ok(Err(error)),
    };
    match patiently(deadline, &app.stop, plan, lock) {
        Ok(Ok(lock)) => Ok(lock),
        Err(found) => Err(held((loaded, plan), app, &found)),
        Ok(Err(error)) => {
            let state = app.world.state.display();
            let found = format!("unable to lock job {} in {state}: {error}", plan.job);
            complain(&found);
            complain(
                "That is the state folder: of `state path=` in the site file, else of STATE_DIRECTORY or XDG_STATE_HOME. \
                 Give the user that runs vex the right to write there, or name another folder.",
            );
            job_refused((loaded, plan), app, ("state", &found), Verdict::Error);
            Err(Exit::Error)
        }
    }
}

/// Tells that another run has the job; says how the command ends.
pub fn held((loaded, plan): (&Loaded, &Plan), app: &App, found: &str) -> Exit {
    complain(found);
    job_refused((loaded, plan), app, ("held", found), Verdict::Alert);
    Exit::Busy
}

/// Asks again each second, until the deadline, for what another run has.
pub fn patiently<T>(
    deadline: Instant,
    stop: &Stop,
    plan: &Plan,
    mut ask: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let mut told = false;
    loop {
        let why = match ask() {
            Ok(got) => return Ok(got),
            Err(why) => why,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.sleep(left.min(Duration::from_secs(1))).is_err() {
            return Err(why);
        }
        if !told {
            told = true;
            let seconds = left.as_secs() + 1;
            complain(&format!("{why}; job {} waits for it, {seconds} s at most", plan.job));
        }
    }
}
