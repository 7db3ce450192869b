//! The one place where all floors meet: a job file becomes plans, complaints become text, the state
//! folder opens.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, tz::TimeZone};
use miette::{GraphicalReportHandler, GraphicalTheme};
use sha2::{Digest, Sha256};

use crate::artifact::hex;
use crate::base::{Complaint, Id, Severity, Stop, without_number};
use crate::catalog::Catalog;
use crate::job::{CatalogHome, JobFile, Site, SourceSpec};
use crate::lang::Lang;
use crate::plan::{self, Plan};
use crate::recover::Fault;
use crate::report::Recorder;
use crate::syntax;
use crate::world::{Clock, Interrupts, World, absolute, colours, read_env_file};

use crate::cli::args::Language;
use crate::cli::exit::Exit;
use crate::cli::gap;
use crate::cli::home;
use crate::cli::language::language;
use crate::cli::typed::veil;

/// What every command is given.
pub struct App {
    /// Time, chance, the state folder.
    pub world: World,
    /// Stops with the first signal.
    pub stop: Stop,
    /// Which signal came.
    pub interrupts: Interrupts,
    /// The language that was asked for.
    pub lang: Option<Language>,
}

impl App {
    /// The language of what people read, beside the site file of a command.
    pub fn language(&self, file: &JobFile) -> Lang {
        language(self.lang, file.site.language.as_deref())
    }
}

/// A job file, resolved.
pub struct Loaded {
    /// The job file's absolute path, by its text: part of the identity of its chains.
    pub path: String,
    /// What it declares.
    pub file: JobFile,
    /// What its jobs do.
    pub plans: Vec<Plan>,
    /// What is wrong with it.
    pub complaints: Vec<Complaint>,
}

impl Loaded {
    /// Reads and resolves a job file; an `Err` is a file that can't be read.
    pub fn read(path: &Path, site: Option<&Path>) -> std::io::Result<Loaded> {
        let reading = syntax::read(path, site)?;
        let mut complaints = reading.complaints;
        let mut file = reading.file;
        file.sources.iter_mut().for_each(|source| equip(&mut source.spec, &file.site));
        let plans = if reading.broken {
            Vec::new()
        } else {
            let plans = plan::build(&file, &reading.unusable, &mut complaints);
            plan::lint(&file, path, &mut complaints);
            plans
        };
        let now = Clock::real().now();
        gap::lint(&file, &plans, now, &mut complaints);
        home::lint(&file.site, now, &mut complaints);
        complaints.sort_by_key(|c| c.span().map(|s| (s.text.path().to_path_buf(), s.start)));
        Ok(Loaded { path: absolute_text(path), file, plans, complaints })
    }

    /// Reads a job file to use it: errors are printed and end the command.
    pub fn open(path: &Path, site: Option<&Path>, strict: bool) -> Result<Loaded, Exit> {
        Loaded::open_or(path, site, strict, &|_, _| ())
    }

    /// The same; `refused` hears of a file that was read and can't be used, and why.
    pub fn open_or(
        path: &Path,
        site: Option<&Path>,
        strict: bool,
        refused: &dyn Fn(&Loaded, &str),
    ) -> Result<Loaded, Exit> {
        if path == Path::new("-") {
            complain(
                "standard input is no job file to work with, since backups are known by the file that made them; \
                 `vex check -` and `vex fmt -` read it",
            );
            return Err(Exit::Usage);
        }
        let loaded = Loaded::read(path, site).map_err(|error| {
            complain(&error.to_string());
            if error.kind() == std::io::ErrorKind::NotFound { Exit::Usage } else { Exit::Invalid }
        })?;
        let floor = if strict { Severity::Warning } else { Severity::Error };
        // What can be checked elsewhere can't be used here.
        let is_bad = |c: &&Complaint| c.severity >= floor || c.code == home::NO_PROGRAM;
        let bad: Vec<&Complaint> = loaded.complaints.iter().filter(is_bad).collect();
        for complaint in &bad {
            complain(&render(complaint, std::io::stderr().is_terminal()));
        }
        let Some(first) = bad.first() else { return loaded.with_variables() };
        let place = first.span().map_or_else(String::new, |span| format!(", {}", span.place()));
        let more = match bad.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        refused(&loaded, &format!("{}{place}{more}", first.message));
        Err(Exit::Invalid)
    }

    /// Reads the files of variables of its site.
    fn with_variables(self) -> Result<Loaded, Exit> {
        for path in &self.file.site.env_files {
            read_env_file(path).map_err(|why| {
                complain(&why);
                Exit::Invalid
            })?;
        }
        Ok(self)
    }

    /// The longest gap between two moments of the schedule of a job.
    pub fn gap(&self, plan: &Plan, world: &World) -> Option<SignedDuration> {
        let job = self.file.jobs.iter().find(|j| j.name.value == plan.job)?;
        job.schedule.as_ref()?.longest_gap(world.clock.now(), &zone(world, plan))
    }

    /// The plans of the named jobs; unknown names are a usage error.
    pub fn choose(&self, jobs: &[String]) -> Result<Vec<&Plan>, Exit> {
        let mut chosen = Vec::new();
        for job in jobs {
            match self.plans.iter().find(|p| p.job == *job) {
                Some(plan) => chosen.push(plan),
                None => {
                    let known: Vec<&str> = self.plans.iter().map(|p| p.job.as_str()).collect();
                    complain(&format!("there is no job {job}; the file has {}", known.join(", ")));
                    return Err(Exit::Usage);
                }
            }
        }
        Ok(chosen)
    }
}

/// Gives a source what the site knows of it.
pub fn equip(spec: &mut SourceSpec, site: &Site) {
    match spec {
        SourceSpec::Postgres(spec) => spec.tools = site.tools_of(&["postgres"]),
        SourceSpec::Cluster(spec) => spec.server.tools = site.tools_of(&["postgres"]),
        SourceSpec::Mysql(spec) => spec.tools = site.tools_of(&["mysql", "mydumper"]),
        SourceSpec::Oracle(spec) => spec.tools = site.tools_of(&["oracle"]),
        SourceSpec::Sqlite(_) => {}
    }
}

/// A complaint as text with its lines and carets.
pub fn render(complaint: &Complaint, color: bool) -> String {
    let theme =
        if colours(color) { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false);
    let mut out = String::new();
    // Writing to a String can't fail.
    handler.render_report(&mut out, complaint).unwrap_or_default();
    out
}

/// A line on standard error. One that can't be written (a full disk, a reader that went away) is
/// lost and ends nothing: where messages go is no part of a backup.
pub fn complain(text: &str) {
    let line = format!("{}\n", without_number(&veil(text.trim_end())));
    drop(std::io::stderr().lock().write_all(line.as_bytes()));
}

/// Prints a fault and says how the command ends.
pub fn fail(fault: &Fault) -> Exit {
    complain(&fault.line());
    Exit::of(&fault.failure().code).worse(match fault.is_damage() {
        true => Exit::Damage,
        false => Exit::Success,
    })
}

/// A line on standard output; a reader that went away is no error.
pub fn tell(text: &str) {
    let text = veil(text);
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")));
}

/// A path made absolute by its text; where there is no working directory, as it was written.
fn absolute_text(path: &Path) -> String {
    absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// Who types, as notes in stores name it: user@host.
pub fn who(world: &World) -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    format!("{}@{}", user.unwrap_or_else(|_| "?".into()), world.host())
}

/// The zone of a plan.
pub fn zone(world: &World, plan: &Plan) -> TimeZone {
    // `check` refused names that are not zones; a machine without zone data falls back to its own.
    world.clock.zone(plan.zone.as_deref()).unwrap_or_else(|_| TimeZone::system())
}

/// The name of something of a job of one file: two files may have a job of one name.
pub fn by_file(job: &str, file: &str) -> String {
    format!("{job}-{}", hex(&Sha256::digest(file)[..4]))
}

/// The file of the lock of a job of a file on this machine.
pub fn job_lock(world: &World, file: &str, job: &str) -> PathBuf {
    world.state.join("locks").join(format!("{}.lock", by_file(job, file)))
}

/// The lock of a job of a file on this machine: held until dropped, free when its process is gone.
/// Who has it writes down who that is; the inner error is what the other one wrote.
pub fn lock_job(
    world: &World,
    file: &str,
    job: &str,
    run: &Id,
) -> std::io::Result<Result<File, Option<String>>> {
    std::fs::create_dir_all(world.state.join("locks"))?;
    let path = job_lock(world, file, job);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {
            let (process, host, since) = (std::process::id(), world.host(), world.clock.now());
            let holder = format!("run {run}, process {process} on {host}, since {since:.0}");
            // The lock holds whatever stands in its file.
            drop(file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())));
            Ok(Ok(file))
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.take(1024).read_to_string(&mut holder);
            let holder = holder.trim().to_owned();
            Ok(Err(read.ok().filter(|_| !holder.is_empty()).map(|_| holder)))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Where the catalog is, as its messages and what waits to be replayed call it.
pub fn catalog_place(world: &World, file: &JobFile) -> String {
    match &file.site.catalog.home {
        CatalogHome::File(path) => catalog_path(world, path.as_deref()).display().to_string(),
        CatalogHome::Server(server) => server.place(),
    }
}

/// The file of a catalog that is none of a server.
pub fn catalog_path(world: &World, path: Option<&Path>) -> PathBuf {
    path.map_or_else(|| world.state.join("catalog.sqlite"), Path::to_path_buf)
}

/// The catalog, with what earlier runs could not write replayed; the error says why there is none.
pub fn open_catalog(world: &World, file: &JobFile, stop: &Stop) -> Result<Catalog, String> {
    let mut catalog = connect_catalog(world, file, stop)?;
    Recorder::replay(&mut catalog, &world.state)?;
    Ok(catalog)
}

/// The catalog as it is.
pub fn connect_catalog(world: &World, file: &JobFile, stop: &Stop) -> Result<Catalog, String> {
    let opened = match &file.site.catalog.home {
        CatalogHome::File(path) => Catalog::open(&catalog_path(world, path.as_deref())),
        CatalogHome::Server(server) => Catalog::connect(server, stop),
    };
    opened.map_err(|e| e.to_string())
}
