//! `vex doctor`: everything a run would need, asked beforehand, one line a finding.
//!
//! Unlike `check` it contacts what the file names. Changes nothing but what the probe of a store
//! needs. What is down is a line of its own, and the rest is examined all the same.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::slice;

use serde::Serialize;

use crate::artifact::{Origin, may_seal};
use crate::base::{Finding, Grade, Id, SecretRef, Stop};
use crate::job::{Engine, SourceSpec, StoreSpec};
use crate::plan::{Plan, StepKind, Wal};
use crate::record::Verdict;
use crate::recover::signer;
use crate::report::paint;
use crate::source::{self, binlog::BinlogServer, contract::Examined, contract::Purpose};
use crate::store::{self, contract::Coming};
use crate::world::{World, colours, reveal};

use crate::cli::args::{Doctor, Format};
use crate::cli::exit::Exit;
use crate::cli::outside::{Outside, outside};
use crate::cli::wal::examine_archiver;
use crate::cli::wiring::App;
use crate::cli::wiring::{Loaded, tell};
use crate::cli::wish::target_spec;

/// A source, and what it is needed for.
struct SourceCheck<'a> {
    spec: &'a SourceSpec,
    purpose: Purpose,
    /// Programs that dump it.
    engines: Vec<Engine>,
}

/// A store, and what comes into it.
struct StoreCheck<'a> {
    spec: &'a StoreSpec,
    folder: String,
    sources: Vec<String>,
}

/// The password of archives, and what it is needed for.
struct Password<'a> {
    job: &'a str,
    reference: &'a SecretRef,
    /// Whether it seals new ones, or only opens them.
    seals: bool,
}

/// All that the chosen jobs name.
#[derive(Default)]
struct Checks<'a> {
    sources: BTreeMap<&'a str, SourceCheck<'a>>,
    stores: BTreeMap<&'a str, StoreCheck<'a>>,
    passwords: Vec<Password<'a>>,
}

/// Prints findings, and remembers the worst.
struct Printer {
    shows: Shows,
    /// Whether only what is wrong is printed.
    problems: bool,
    worst: Grade,
    counts: [usize; 3],
    /// Statements that were printed, under the name they are for.
    statements: Vec<(String, String)>,
}

/// What is printed of a finding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    All(Format),
    Statements,
}

/// Examines everything, or the one target that is named.
pub fn doctor(args: &Doctor, app: &App) -> Exit {
    let loaded = match Loaded::open(&args.file, args.site.as_deref(), false) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let plans: Vec<&Plan> = match args.jobs.as_slice() {
        [] => loaded.plans.iter().collect(),
        names => match loaded.choose(names) {
            Ok(plans) => plans,
            Err(exit) => return exit,
        },
    };
    let checks = checks(&loaded, &plans);
    let (world, stop) = (&app.world, &app.stop);
    let mut printer = Printer::new(args);
    if let Some(into) = &args.into {
        let spec = match target_spec(into, args.password.secret().as_ref(), &loaded.file) {
            Ok((spec, _)) => spec,
            Err(exit) => return exit,
        };
        let purpose = Purpose { load: true, ..Purpose::default() };
        let check = SourceCheck { spec: &spec, purpose, engines: Vec::new() };
        let found = examine_source(into, &check, world, stop);
        let findings = found.as_ref().map_or_else(slice::from_ref, |found| &found.findings);
        findings.iter().for_each(|f| printer.print("target", into, f));
        return printer.end(args.strict);
    }
    let mut examined: BTreeMap<&str, Option<Examined>> = BTreeMap::new();
    for (name, check) in &checks.sources {
        let found = examine_source(name, check, world, stop);
        let findings = found.as_ref().map_or_else(slice::from_ref, |found| &found.findings);
        findings.iter().for_each(|f| printer.print("source", name, f));
        examined.insert(name, found.ok());
    }
    archivers(&loaded, &plans, stop, &mut printer);
    binlogs(&plans, stop, &mut printer);
    for (name, check) in &checks.stores {
        let own: Vec<&Option<Examined>> =
            check.sources.iter().filter_map(|s| examined.get(s.as_str())).collect();
        let id = Id::new(world.clock.now(), world.entropy.bits());
        let coming = Coming {
            probe: format!("{}vex-doctor-{id}", check.folder),
            bytes: own.iter().map(|e| e.as_ref().map(|e| e.bytes)).sum(),
            largest: own.iter().filter_map(|e| e.as_ref().map(|e| e.bytes)).max(),
            data: own.iter().filter_map(|e| e.as_ref()?.data.clone()).collect(),
        };
        let found = store::examine(check.spec, &coming, world, stop);
        let found = found.unwrap_or_else(|error| vec![broken("opening", &error.found)]);
        found.iter().for_each(|f| printer.print("store", name, f));
    }
    for password in &checks.passwords {
        printer.print("job", password.job, &examine_password(password, stop));
    }
    sign(&loaded, stop, &mut printer);
    let asked = Outside { path: &loaded.path, file: &loaded.file, plans: &plans, world, stop };
    outside(&asked, &mut |kind, name, finding| printer.print(kind, name, finding));
    printer.end(args.strict)
}

/// Whether the servers whose logs are kept send them.
fn archivers(loaded: &Loaded, plans: &[&Plan], stop: &Stop, printer: &mut Printer) {
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        let StepKind::Wal(wal) = &step.kind else { continue };
        let found = examine_archiver(wal, &loaded.path, stop);
        found.iter().for_each(|f| printer.print("source", &wal.source.name, f));
    }
}

/// Whether the binary logs that are kept can be read.
fn binlogs(plans: &[&Plan], stop: &Stop, printer: &mut Printer) {
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        let StepKind::Binlog(log) = &step.kind else { continue };
        let SourceSpec::Mysql(spec) = &log.source.spec else { continue };
        let asked = BinlogServer::open(spec, stop).and_then(|server| {
            let files = server.files()?;
            let newest = files.last().map(|file| server.created(&file.name, stop)).transpose()?;
            Ok((files.len(), newest))
        });
        let finding = match asked {
            Ok((count, Some(_))) => Finding::ok("log", format!("{count} files, readable")),
            Ok((_, None)) => {
                Finding::error("log", "the server has no file of it", "Start it with log_bin.")
            }
            Err(error) => {
                let advice = error.hint.clone().unwrap_or_else(|| "Let vex read it.".into());
                Finding::error("log", error.to_string(), advice)
            }
        };
        printer.print("source", &log.source.name, &finding);
    }
}

/// Examines what signs, if anything does.
fn sign(loaded: &Loaded, stop: &Stop, printer: &mut Printer) {
    if let Some(reference) = &loaded.file.site.trust.sign {
        printer.print("site", "sign", &examine_signer(reference, loaded, stop));
    }
}

/// Whether the private key can be read, and what verifies it.
fn examine_signer(reference: &SecretRef, loaded: &Loaded, stop: &Stop) -> Finding {
    let key = match signer(reference, stop) {
        Ok(signer) => signer.verify_key().to_string(),
        Err(fault) => {
            let advice = fault.hint().unwrap_or_else(|| "Let the user of vex read it.".into());
            return Finding::error("signature", fault.to_string(), advice);
        }
    };
    let verify = &loaded.file.site.trust.verify;
    let found = format!("{reference} signs; its key is {key}");
    match verify.is_empty() || verify.contains(&key) {
        true => Finding::ok("signature", found),
        false => Finding::error(
            "signature",
            found,
            "Add that key to `verify-key`: what is written now would be refused.",
        ),
    }
}

/// What the chosen jobs name; of a file without jobs, all that it declares.
fn checks<'a>(loaded: &'a Loaded, plans: &[&'a Plan]) -> Checks<'a> {
    let mut checks = Checks::default();
    for plan in plans {
        for step in &plan.steps {
            match &step.kind {
                StepKind::Backup(backup) => {
                    let check = checks.source(&backup.source.name, &backup.source.spec);
                    // Files are copied by a program; nobody reads their rows.
                    if !matches!(backup.engine, Engine::Basebackup | Engine::Rman(_)) {
                        check.purpose.readers = check.purpose.readers.max(backup.threads);
                    }
                    if check.engines.iter().all(|own| own.word() != backup.engine.word()) {
                        check.engines.push(backup.engine);
                    }
                    for copy in &backup.copies {
                        let check =
                            checks.store(&copy.store.name, &copy.store.spec, copy.naming.folder());
                        check.sources.push(backup.source.name.clone());
                    }
                    if let Some(password) = &backup.archive.password {
                        checks.password(&plan.job, password, true);
                    }
                    for previous in &backup.archive.previous {
                        checks.password(&plan.job, previous, false);
                    }
                }
                StepKind::Vacuum(vacuum) => {
                    checks.source(&vacuum.source.name, &vacuum.source.spec).purpose.vacuum = true;
                }
                StepKind::Verify(verify) => {
                    checks.store(&verify.store.name, &verify.store.spec, verify.naming.folder());
                    if let Some(into) = &verify.into {
                        checks.source(&into.name, &into.spec).purpose.load = true;
                    }
                    if let Some(password) = &verify.keys.password {
                        checks.password(&plan.job, password, false);
                    }
                }
                StepKind::Wal(wal) | StepKind::Binlog(wal) => checks.log(&plan.job, wal),
                StepKind::Prune(_)
                | StepKind::Copy(_)
                | StepKind::Exec(_)
                | StepKind::Restore(_)
                | StepKind::ReadBack(_) => {}
            }
        }
    }
    if loaded.plans.is_empty() {
        for source in loaded.file.sources.iter().filter(|s| s.enabled) {
            let purpose = &mut checks.source(&source.name.value, &source.spec).purpose;
            (purpose.readers, purpose.load) = if source.scratch { (0, true) } else { (1, false) };
        }
        for store in loaded.file.stores.iter().filter(|s| s.enabled) {
            let folder =
                if store.prefix.is_empty() { String::new() } else { format!("{}/", store.prefix) };
            checks.store(&store.name.value, &store.spec, &folder);
        }
    }
    checks
}

impl<'a> Checks<'a> {
    fn source(&mut self, name: &'a str, spec: &'a SourceSpec) -> &mut SourceCheck<'a> {
        let new = || SourceCheck { spec, purpose: Purpose::default(), engines: Vec::new() };
        self.sources.entry(name).or_insert_with(new)
    }

    fn password(&mut self, job: &'a str, reference: &'a SecretRef, seals: bool) {
        let known = self.passwords.iter_mut().find(|p| p.job == job && p.reference == reference);
        match known {
            Some(password) => password.seals |= seals,
            None => self.passwords.push(Password { job, reference, seals }),
        }
    }

    fn log(&mut self, job: &'a str, wal: &'a Wal) {
        self.source(&wal.source.name, &wal.source.spec);
        for copy in &wal.copies {
            let folder = format!("{}logs/{}/", copy.root, wal.source.name);
            self.store(&copy.store.name, &copy.store.spec, &folder);
        }
        if let Some(password) = &wal.archive.password {
            self.password(job, password, true);
        }
    }

    fn store(&mut self, name: &'a str, spec: &'a StoreSpec, folder: &str) -> &mut StoreCheck<'a> {
        self.stores.entry(name).or_insert_with(|| StoreCheck {
            spec,
            folder: folder.to_owned(),
            sources: Vec::new(),
        })
    }
}

/// What was found; the error is what kept it from being asked.
fn examine_source(
    name: &str,
    check: &SourceCheck,
    world: &World,
    stop: &Stop,
) -> Result<Examined, Finding> {
    let asked = source::open(check.spec, name, world, stop).and_then(|source| {
        let mut found = source.examine(check.purpose, stop)?;
        found.findings.push(match source.origin(stop) {
            Ok(origin) => judge_origin(check.spec, &origin),
            Err(error) => broken("origin", &error.to_string()),
        });
        for engine in &check.engines {
            let looked = format!("engine {}", engine.word());
            match source.engine(*engine, stop) {
                Ok(None) => {}
                Ok(Some(program)) => found.findings.push(Finding::ok(looked, program.title)),
                Err(error) => {
                    let advice = error.hint.as_deref().map(str::to_owned);
                    found.findings.push(Finding { advice, ..broken(&looked, &error.to_string()) });
                }
            }
        }
        Ok(found)
    });
    asked.map_err(|error| Finding {
        advice: error.hint.as_deref().map(str::to_owned),
        ..broken("connection", &error.to_string())
    })
}

/// Which database a source is, and what of it can't be told.
fn judge_origin(spec: &SourceSpec, origin: &Origin) -> Finding {
    let lacks = match spec {
        SourceSpec::Postgres(_) | SourceSpec::Cluster(_) => origin.server.is_none().then_some((
            "the user may not read the identifier of the system, and nothing else tells the server from others",
            "As a superuser, in the database that is asked: `GRANT EXECUTE ON FUNCTION pg_control_system() TO …`.",
        )),
        SourceSpec::Mysql(_) => origin.server.is_none().then_some((
            "the server does not say what tells it from others",
            "It has no `server_uuid`, or no `hostname` and `datadir`: no restore drill will take it for scratch.",
        )),
        // A file that is not there yet has nothing to be told by.
        SourceSpec::Sqlite(_) => None,
        SourceSpec::Oracle(_) => None,
    };
    let nowhere = (origin.sign.is_none() && !origin.anywhere).then_some((
        "the machine can't be told, and retention keeps what may be another's",
        "Give the machine an /etc/machine-id, or write `identity=\"…\"` in the source.",
    ));
    match lacks.or(nowhere) {
        Some((found, advice)) => Finding::alert("origin", format!("{origin}: {found}"), advice),
        None => Finding::ok("origin", origin.to_string()),
    }
}

fn broken(looked: &str, found: &str) -> Finding {
    Finding { grade: Grade::Error, ..Finding::ok(looked, found) }
}

/// Whether the password of an archive can be had, and whether 7-Zip could be given it.
fn examine_password(password: &Password<'_>, stop: &Stop) -> Finding {
    let (looked, reference) = ("archive password", password.reference);
    let revealed = match reveal(reference, stop) {
        Ok(revealed) => revealed,
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, |s| format!(": {s}"));
            return Finding::error(
                looked,
                format!("{error}{cause}"),
                "Set it where cron or systemd starts vex.",
            );
        }
    };
    if !password.seals {
        return Finding::ok(looked, format!("{reference} gives one"));
    }
    match may_seal(revealed.reveal()) {
        Err(error) => {
            Finding::error(looked, format!("{reference} can't seal: {error}"), error.hint())
        }
        Ok(()) => Finding::judged(
            revealed.reveal().is_ascii(),
            looked,
            match revealed.reveal().is_ascii() {
                true => format!("{reference} gives one"),
                false => format!("{reference} gives one with characters beyond ASCII"),
            },
            "Use ASCII: 7-Zip on Windows takes other characters for those of the machine's code page.",
        ),
    }
}

/// A finding as JSON, version 1.
#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    grade: &'static str,
    kind: &'a str,
    name: &'a str,
    looked: &'a str,
    found: &'a str,
    advice: Option<&'a str>,
}

fn json(kind: &str, name: &str, finding: &Finding) -> String {
    let Finding { grade, looked, found, advice } = finding;
    let (grade, advice) = (grade.word(), advice.as_deref());
    let line = Line { version: 1, grade, kind, name, looked, found, advice };
    serde_json::to_string(&line).expect("BUG: a finding that is not JSON")
}

/// A name from a server may hold anything; a line stays a line.
fn shown(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl Printer {
    fn new(args: &Doctor) -> Printer {
        let shows = if args.sql { Shows::Statements } else { Shows::All(args.format) };
        let (problems, statements) = (args.problems, Vec::new());
        Printer { shows, problems, worst: Grade::Ok, counts: [0; 3], statements }
    }

    fn print(&mut self, kind: &str, name: &str, finding: &Finding) {
        self.worst = self.worst.max(finding.grade);
        self.counts[finding.grade as usize] += 1;
        if self.problems && finding.grade == Grade::Ok {
            return;
        }
        match self.shows {
            Shows::All(Format::Human) => {
                let Finding { grade, looked, found, advice } = finding;
                let line = format!("{kind} {name}: {looked}: {found}");
                let line = shown(&match advice {
                    Some(advice) => format!("{line}. {advice}"),
                    None => line,
                });
                tell(&format!("{}  {line}", graded(*grade)));
            }
            Shows::All(Format::Json) => tell(&json(kind, name, finding)),
            Shows::Statements => self.print_statements(&format!("{kind} {name}"), finding),
        }
    }

    fn print_statements(&mut self, of: &str, finding: &Finding) {
        for statement in finding.statements() {
            let line = (of.to_owned(), shown(&statement));
            if self.statements.contains(&line) {
                continue;
            }
            if self.statements.last().is_none_or(|(before, _)| before != of) {
                tell(&format!("-- {}", shown(of)));
            }
            tell(&line.1);
            self.statements.push(line);
        }
    }

    fn end(&self, strict: bool) -> Exit {
        if self.shows == Shows::All(Format::Human) {
            let [ok, alerts, errors] = self.counts;
            tell(&format!("{ok} ok, {alerts} to look at, {errors} to repair"));
        }
        match self.worst {
            Grade::Ok => Exit::Success,
            Grade::Alert if strict => Exit::Alert,
            Grade::Alert => Exit::Success,
            Grade::Error => Exit::Error,
        }
    }
}

/// The word of a grade, in its colour on a terminal.
fn graded(grade: Grade) -> String {
    let word = format!("{:<5}", grade.word());
    if !colours(std::io::stdout().is_terminal()) {
        return word;
    }
    let verdict = match grade {
        Grade::Ok => Verdict::Success,
        Grade::Alert => Verdict::Alert,
        Grade::Error => Verdict::Error,
    };
    paint(verdict, &word)
}
