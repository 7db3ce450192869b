//! The two operations: a run that backs up into a folder of its own beside the file, and a restore of
//! one archive.
//!
//! Invariant: the file gets its name only when all of it was proven; what else was made is gone with
//! its folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tempfile::{TempDir, TempPath};

use crate::base::{Id, Stop};
use crate::job::{KeyRefs, TrustSpec};
use crate::library::database::Database;
use crate::library::heard::Heard;
use crate::library::job::{Job, NAME};
use crate::library::plain::{self, sync};
use crate::library::rebuilt;
use crate::plan::{BackupWish, LATEST, Places, RestoreSpec, SourceRef, Step, TargetWish};
use crate::record::{RunFacts, RunKind, Verdict};
use crate::recover::{Operator, Picked, Work, pick, resolve, restore};
use crate::run::execute;
use crate::step::Steps;
use crate::world::{World, install_provider};

/// Connections of a restore.
const THREADS: usize = 4;

/// Whether a file is one of SQL, by its name.
fn is_plain(file: &Path) -> bool {
    file.extension() == Some(OsStr::new("sql"))
}

/// Backs up into a file; what is to be looked at, or why there is none.
pub fn backed_up(database: &Database, file: &Path) -> Result<Vec<String>, String> {
    if file.symlink_metadata().is_ok() {
        let why = "it exists, and a backup is never written over; name another";
        return Err(format!("unable to write {}: {why}", file.display()));
    }
    let own = Own::beside(file)?;
    let job = Job::of(database, own.folder.path())?;
    let (made, alerts) = run(&job, &own)?;
    if is_plain(file) {
        let picked = own.pick(&made)?;
        plain::write(picked, file, &own.stop)?;
        return Ok(alerts);
    }
    let failed = |error: std::io::Error| format!("unable to write {}: {error}", file.display());
    let made = TempPath::try_from_path(made).map_err(failed)?;
    made.persist_noclobber(file).map_err(|error| failed(error.error))?;
    sync(file).map_err(failed)?;
    Ok(alerts)
}

/// Brings the backup of a file back; what is to be looked at, or why it is not all there.
pub fn restored(database: &Database, file: &Path) -> Result<Vec<String>, String> {
    if !file.is_file() {
        return Err(format!("unable to read {}: there is no such file", file.display()));
    }
    let own = Own::anywhere()?;
    let job = Job::of(database, own.folder.path())?;
    let archive = match is_plain(file) {
        true => rebuilt::archive(file, own.folder.path(), &own.world, &own.stop)?,
        false => file.to_path_buf(),
    };
    let picked = own.pick(&archive)?;
    let units = picked.manifest.units();
    let rename = match units.as_slice() {
        [unit] => Some(database.name.clone()).filter(|name| name != unit),
        several => {
            let many = several.len();
            return Err(format!("{} holds {many} databases, and not one", file.display()));
        }
    };
    let source = job.source().ok_or("BUG: a job without a source")?;
    let target = SourceRef { name: NAME.to_owned(), spec: source.spec.clone() };
    let spec = wanted(archive, target, rename);
    let watching = Watching::default();
    let work = Work { world: &own.world, operator: &watching, say: None, stop: &own.stop };
    let done = resolve(&spec, work).and_then(|resolved| restore(&spec, resolved, work));
    let heard = watching.0.into_inner().expect("no panic while locked");
    match done {
        Ok(_) => Ok(heard),
        // What is missing or differs was said one by one.
        Err(fault) => {
            let lines: Vec<String> = [fault.line()].into_iter().chain(heard).collect();
            Err(lines.join("; "))
        }
    }
}

fn wanted(archive: PathBuf, target: SourceRef, rename: Option<String>) -> RestoreSpec {
    RestoreSpec {
        which: which(archive),
        into: NAME.to_owned(),
        target: TargetWish::Source { source: Box::new(target), database: None, replay: None },
        only: Vec::new(),
        except: Vec::new(),
        rename,
        overwrite: true,
        read_first: true,
        accounts: false,
        resume: false,
        fallback: false,
        current_definer: false,
        gtid: false,
        skip_binlog: false,
        map_collation: Vec::new(),
        threads: THREADS,
        refused: None,
        beside_log: None,
        password: None,
    }
}

/// One archive.
fn which(archive: PathBuf) -> BackupWish {
    BackupWish {
        typed: None,
        file: None,
        named: None,
        source: None,
        from: Some(archive.display().to_string()),
        places: Places::Archive(archive),
        others: Vec::new(),
        elsewhere: Vec::new(),
        backup: LATEST.to_owned(),
        origin: None,
        keys: KeyRefs { password: None, previous: Vec::new(), identity: None },
        trust: TrustSpec::default(),
    }
}

/// What an operation has for itself: a folder, which is its state folder too.
struct Own {
    folder: TempDir,
    world: World,
    stop: Stop,
}

impl Own {
    /// In the folder of a file, so that what is made there can get its name.
    fn beside(file: &Path) -> Result<Own, String> {
        let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".vex-").tempdir_in(folder);
        let failed = |error| format!("unable to write into {}: {error}", folder.display());
        made.map(Own::of).map_err(failed)
    }

    /// Where temporary files are.
    fn anywhere() -> Result<Own, String> {
        let made = tempfile::Builder::new().prefix("vex-").tempdir();
        made.map(Own::of).map_err(|error| format!("unable to make a temporary folder: {error}"))
    }

    fn of(folder: TempDir) -> Own {
        install_provider();
        let state = folder.path().join("state");
        let staging = Some(state.join("staging"));
        let world = World { state, staging, logs: None, ..World::real() };
        Own { folder, world, stop: Stop::new() }
    }

    /// The backup that an archive is, with all of its members known.
    fn pick(&self, archive: &Path) -> Result<Picked, String> {
        let which = which(archive.to_path_buf());
        let picked = pick(&which, &self.world, &Watching::default(), &self.stop);
        let mut picked = picked.map_err(|fault| fault.line())?;
        picked.load(&[], &self.stop).map_err(|fault| fault.line())?;
        Ok(picked)
    }
}

/// Runs the job; where the proven archive is, and what is to be looked at.
fn run(job: &Job, own: &Own) -> Result<(PathBuf, Vec<String>), String> {
    let (world, plan) = (&own.world, &job.plan);
    let id = Id::new(world.clock.now(), world.entropy.bits());
    let facts = RunFacts {
        id: id.clone(),
        job: plan.job.clone(),
        file: String::new(),
        host: world.host(),
        pid: std::process::id(),
        steps: plan.steps.iter().map(Step::facts).collect(),
        kind: RunKind::Job,
    };
    let steps = Steps::new(world.clone(), id, (&plan.job, ""), TimeZone::system(), None);
    let mut heard = Heard::default();
    let outcome = execute(plan, &facts, &steps, &mut heard, &world.clock, &own.stop);
    match heard.key.filter(|_| heard.proven && outcome.verdict < Verdict::Error) {
        Some(key) => Ok((own.folder.path().join(key), heard.alerts)),
        None => {
            let mut why = heard.failures;
            why.extend(heard.alerts);
            why.dedup();
            Err(why.join("; "))
        }
    }
}

/// Nobody can be asked; what somebody must look at is kept.
#[derive(Default)]
struct Watching(std::sync::Mutex<Vec<String>>);

impl Operator for Watching {
    fn tell(&self, _text: &str) {}

    fn warn(&self, text: &str) {
        self.0.lock().expect("no panic while locked").push(text.to_owned());
    }

    fn differs(&self, text: &str) {
        self.warn(text);
    }
}
