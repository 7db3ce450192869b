//! A server while somebody works with it: started, waited for, ended.
//!
//! Does not know which server. Invariant: it has ended when the call ends, also where the work
//! failed or panicked.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::scratch::account::Account;
use crate::world::ChildError;

/// How long a server may take to let somebody in: one on a slow disk that others use too.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The same of one that recovers first, from as much log as a base backup came with.
pub const RECOVERY: Duration = Duration::from_secs(24 * 3600);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Lines of its log that are kept.
const LINES: usize = 8;

/// A server that is to run.
pub struct Server<'a> {
    /// What messages call it: `MariaDB 10.11`.
    pub title: &'a str,
    /// The program and its arguments; it stays in the foreground.
    pub words: Vec<String>,
    /// As whom.
    pub account: Account,
    /// What ends it.
    pub signal: Signal,
    /// How long it may take to let somebody in.
    pub patience: Duration,
}

/// Stops what it holds when it goes.
struct Ending(Stop);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Runs a server for as long as `work` takes, which begins when `ready` succeeds.
pub fn serve<T, E: From<Error>>(
    server: &Server<'_>,
    ready: &dyn Fn() -> Result<()>,
    work: &mut dyn FnMut() -> std::result::Result<T, E>,
    stop: &Stop,
) -> std::result::Result<T, E> {
    let end = stop.child();
    // Guards the last lines that it said.
    let log: Mutex<VecDeque<String>> = Mutex::default();
    std::thread::scope(|scope| {
        let ending = Ending(end.clone());
        let running = scope.spawn(|| {
            let child = server.account.child(&server.words).ended_by(server.signal);
            child.run(&end, &mut |line| {
                let mut log = log.lock().expect("no panic while locked");
                if log.len() == LINES {
                    log.pop_front();
                }
                log.push_back(line.to_owned());
            })
        });
        let came = wait(server, ready, &|| running.is_finished(), stop);
        let done = match &came {
            Ok(()) => work(),
            Err(_) => Err(Error::from(crate::base::Stopped).into()),
        };
        let died = (!stop.is_stopped() && running.is_finished()).then(|| {
            let doing = format!("work with a scratch server of {}", server.title);
            Error::new(ErrorKind::Failed, doing, "it ended by itself")
        });
        drop(ending);
        let ended = running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match came {
            // A server that ended by itself is why its work failed.
            Ok(()) if done.is_err() && died.is_some() => {
                Err(died.map(|error| explained(error, &ended, &log)).expect("BUG: no error").into())
            }
            Ok(()) => done,
            Err(error) => Err(explained(error, &ended, &log).into()),
        }
    })
}

/// Waits until the server lets us in.
fn wait(
    server: &Server<'_>,
    ready: &dyn Fn() -> Result<()>,
    has_ended: &dyn Fn() -> bool,
    stop: &Stop,
) -> Result<()> {
    let end = Instant::now() + server.patience;
    let doing = || format!("start a scratch server of {}", server.title);
    loop {
        stop.check()?;
        if has_ended() {
            return Err(Error::new(ErrorKind::Failed, doing(), "it ended"));
        }
        match ready() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > end => {
                let found = format!("it lets nobody in after {:?}: {error}", server.patience);
                return Err(Error::new(ErrorKind::Failed, doing(), found));
            }
            Err(_) => stop.sleep(PAUSE)?,
        }
    }
}

/// An error with what the server said.
fn explained(
    error: Error,
    ended: &std::result::Result<(), ChildError>,
    log: &Mutex<VecDeque<String>>,
) -> Error {
    if error.kind == ErrorKind::Stopped {
        return error;
    }
    let lines: Vec<String> = log.lock().expect("no panic while locked").iter().cloned().collect();
    let how = match ended {
        Err(ChildError::Stopped(_)) | Ok(()) => String::new(),
        Err(how) => format!("; {how}"),
    };
    Error { found: format!("{}{how}; it says: {}", error.found, lines.join(" / ")), ..error }
}

/// Every file of these names in these folders that may be run.
pub fn programs(names: &[&str], folders: &[PathBuf]) -> Vec<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let runs = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    names.iter().flat_map(|name| folders.iter().map(move |f| f.join(name))).filter(runs).collect()
}
