//! What keeps a job from running twice at once on hosts that share a catalog, and tells the others
//! that a run is alive.
//!
//! A lease is a row of the catalog that is taken before a run and kept by a thread. When others hold
//! it the run does not begin; when it is lost the run stops before its next commit and its next
//! removal. A catalog that does not answer stops nobody, but for `exclusive="required"`: then the
//! run counts as stopped once the lease must have ended by its own clock.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::artifact::hex;
use crate::base::{Deadline, ProcessId, Stop};
use crate::catalog::{Catalog, CatalogError, LEASE_SECONDS, Taken};
use crate::job::{CatalogHome, Exclusive, JobFile, SourceSpec};
use crate::plan::{Plan, StepKind};
use crate::record::LogLevel;
use crate::world::{is_gone, process_id};

use crate::cli::wiring::{App, Loaded, complain, connect_catalog};

/// How often a run says that it is alive, and keeps its lease.
const EVERY: Duration = Duration::from_secs(30);

/// How soon a catalog that did not answer is asked again.
const SOON: Duration = Duration::from_secs(5);

/// How long a lease is trusted that could not be kept: less than it lasts.
const TRUSTED: Duration = Duration::from_secs(LEASE_SECONDS as u64 - 10);

/// Remarks for the listeners of a run.
pub type Remarks = Arc<Mutex<Vec<(LogLevel, String)>>>;

/// A lease that is held.
#[derive(Debug, Clone)]
pub struct Lease {
    job: String,
    holder: String,
    token: i64,
    /// When it was asked for.
    asked: Instant,
}

/// What is known before a run begins.
pub struct Admission {
    /// The catalog, if it can be used.
    pub catalog: Option<Catalog>,
    /// The lease, if one is to be had.
    pub lease: Option<Lease>,
    /// Whether runs of other hosts are kept out.
    pub across: bool,
}

/// The name of the lease that a job needs, and whether other hosts may want it too; `None` where
/// the lock of the host is enough.
pub fn wanted(loaded: &Loaded, plan: &Plan, host: &str) -> Option<(String, bool)> {
    let spec = &loaded.file.site.catalog;
    let shared = matches!(spec.home, CatalogHome::Server(_));
    let across = match spec.exclusive {
        Exclusive::Host => return None,
        Exclusive::Required => true,
        Exclusive::Shared if !shared => return None,
        Exclusive::Shared => !plan.steps.iter().any(|step| match &step.kind {
            StepKind::Backup(backup) => is_here(&backup.source.spec),
            StepKind::Vacuum(vacuum) => is_here(&vacuum.source.spec),
            StepKind::Verify(_)
            | StepKind::Prune(_)
            | StepKind::Copy(_)
            | StepKind::Wal(_)
            | StepKind::Binlog(_)
            | StepKind::Exec(_)
            | StepKind::Restore(_)
            | StepKind::ReadBack(_) => false,
        }),
    };
    let mut digest = Sha256::new();
    digest.update(&loaded.path);
    if !across {
        digest.update([0]);
        digest.update(host);
    }
    Some((format!("{}-{}", plan.job, hex(&digest.finalize()[..8])), across))
}

/// Whether a source is one of this host, so that another host's of the same words is another.
fn is_here(spec: &SourceSpec) -> bool {
    let near = |host: &String| {
        host.starts_with('/') || ["localhost", "127.0.0.1", "::1"].contains(&host.as_str())
    };
    match spec {
        SourceSpec::Sqlite(_) | SourceSpec::Oracle(_) => true,
        SourceSpec::Mysql(spec) => spec.socket.is_some() || near(&spec.host),
        SourceSpec::Postgres(spec) => spec.socket.is_some() || spec.hosts.iter().all(near),
        SourceSpec::Cluster(spec) => {
            spec.server.socket.is_some() || spec.server.hosts.iter().all(near)
        }
    }
}

/// Takes the lease of a job, where it needs one; the error is why the job does not run now.
pub fn admit(
    catalog: Result<Catalog, String>,
    (loaded, plan): (&Loaded, &Plan),
    (host, run): (&str, &str),
    early: &mut Vec<(LogLevel, String)>,
) -> Result<Admission, String> {
    let required = loaded.file.site.catalog.exclusive == Exclusive::Required;
    let wanted = wanted(loaded, plan, host);
    let across = wanted.as_ref().is_some_and(|(_, across)| *across);
    let alone = if across { ", and keeps no other host from running the job" } else { "" };
    let asked = Instant::now();
    let holder = format!("{host} process {} run {run}", std::process::id());
    let (catalog, taken) = match (catalog, &wanted) {
        (Ok(mut catalog), Some((job, _))) => match take(&mut catalog, job, &holder) {
            Ok(taken) => (catalog, Some(taken)),
            Err(error) => return without(required, &error.to_string(), alone, early),
        },
        (Ok(catalog), None) => (catalog, None),
        (Err(why), _) => return without(required, &why, alone, early),
    };
    let lease = match (taken, wanted) {
        (Some(Taken::Other { holder, expires, .. }), _) => {
            return Err(format!(
                "another run holds job {}: {holder}, until {expires} if it is dead",
                plan.job
            ));
        }
        (Some(Taken::Ours(token)), Some((job, _))) => {
            early.push((LogLevel::Info, format!("holds the lease {job}, number {token}")));
            Some(Lease { job, holder, token, asked })
        }
        (None, _) | (Some(Taken::Ours(_)), None) => None,
    };
    Ok(Admission { catalog: Some(catalog), lease, across })
}

/// Takes a lease, also from a process of this machine that is gone for certain.
fn take(catalog: &mut Catalog, job: &str, holder: &str) -> Result<Taken, CatalogError> {
    let own = process_id().and_then(|own| serde_json::to_string(&own).ok()).unwrap_or_default();
    let taken = catalog.lease_take(job, holder, &own)?;
    let Taken::Other { holder: other, process, token, .. } = &taken else { return Ok(taken) };
    let process: Option<ProcessId> = serde_json::from_str(process).ok();
    if !process.is_some_and(|process| is_gone(&process)) {
        return Ok(taken);
    }
    catalog.lease_free(job, other, *token)?;
    catalog.lease_take(job, holder, &own)
}

/// What becomes of a run without a catalog.
fn without(
    required: bool,
    why: &str,
    alone: &str,
    early: &mut Vec<(LogLevel, String)>,
) -> Result<Admission, String> {
    if required {
        return Err(format!("{why}; the site says exclusive=\"required\", so nothing runs"));
    }
    early.push((LogLevel::Alert, format!("{why}; the run goes on without it{alone}")));
    Ok(Admission { catalog: None, lease: None, across: false })
}

/// What a run is kept alive with.
pub struct Keeper<'a> {
    /// The world, and the wish to stop.
    pub app: &'a App,
    /// The file whose site names the catalog.
    pub file: &'a JobFile,
    /// The run.
    pub run: &'a str,
    /// Its lease.
    pub lease: Option<Lease>,
    /// What the listeners of the run are to hear.
    pub remarks: Remarks,
}

/// Ends the thread that keeps, also when the work panics.
struct Ends(Stop);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Keeper<'_> {
    /// Does the work while a thread keeps the lease and says that the run is alive.
    pub fn during<T>(&self, work: impl FnOnce(&Stop) -> T) -> T {
        let (deadline, ended) = (Deadline::never(), Stop::new());
        let stop = self.app.stop.until(&deadline);
        if let Some(lease) = self.lease.as_ref().filter(|_| self.is_required()) {
            deadline.set(lease.asked, TRUSTED);
        }
        thread::scope(|scope| {
            let ends = Ends(ended.clone());
            scope.spawn(|| self.keep(&stop, &deadline, &ended));
            let done = work(&stop);
            drop(ends);
            done
        })
    }

    fn is_required(&self) -> bool {
        self.file.site.catalog.exclusive == Exclusive::Required
    }

    fn keep(&self, stop: &Stop, deadline: &Deadline, ended: &Stop) {
        let (mut catalog, mut wait, mut told) = (None, EVERY, false);
        while ended.sleep(wait).is_ok() {
            let begun = Instant::now();
            match self.beat(&mut catalog) {
                Ok(true) => {
                    if self.lease.is_some() && self.is_required() {
                        deadline.set(begun, TRUSTED);
                    }
                    wait = EVERY;
                }
                Ok(false) => {
                    self.say("the lease of the job was lost to another run");
                    stop.stop();
                    return;
                }
                Err(why) => {
                    if self.lease.is_some() && !told {
                        self.say(&format!("unable to keep the lease of the job: {why}"));
                    }
                    (catalog, wait, told) = (None, SOON, true);
                }
            }
            if stop.is_stopped() && deadline.has_passed() {
                self.say("the lease of the job could not be kept in time");
                stop.stop();
            }
        }
        self.free(catalog);
    }

    /// Says that the run is alive and keeps its lease; says whether it is still held.
    fn beat(&self, catalog: &mut Option<Catalog>) -> Result<bool, String> {
        let open = match catalog {
            Some(open) => open,
            none => none.insert(connect_catalog(&self.app.world, self.file, &self.app.stop)?),
        };
        open.run_beats(self.run).map_err(|e| e.to_string())?;
        match &self.lease {
            Some(Lease { job, holder, token, .. }) => {
                open.lease_keep(job, holder, *token).map_err(|e| e.to_string())
            }
            None => Ok(true),
        }
    }

    /// Lets the lease go, so that nobody waits for its end.
    fn free(&self, catalog: Option<Catalog>) {
        let Some(Lease { job, holder, token, .. }) = &self.lease else { return };
        let open = match catalog {
            Some(open) => Ok(open),
            None => connect_catalog(&self.app.world, self.file, &self.app.stop),
        };
        let freed = open.and_then(|mut catalog| {
            catalog.lease_free(job, holder, *token).map_err(|e| e.to_string())
        });
        if let Err(why) = freed {
            complain(&format!("the lease of the job ends in {LEASE_SECONDS} s: {why}"));
        }
    }

    fn say(&self, text: &str) {
        let mut remarks = self.remarks.lock().expect("no panic while locked");
        remarks.push((LogLevel::Alert, text.to_owned()));
    }
}
