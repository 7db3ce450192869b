//! `vex plan`: what a run would do, with what servers and stores say of it now.

use std::cmp::Reverse;
use std::path::Path;

use crate::base::{Id, Size, Stop};
use crate::job::{Engine, VacuumKind};
use crate::pipeline::Shape;
use crate::plan::{Backup, Outlook, Plan, Prune, StepKind, Vacuum, show};
use crate::recover::Fault;
use crate::source::{
    self,
    contract::{Error, Facts, Program, Task},
};
use crate::step::{Fate, PruneLine, Steps, because};
use crate::store;
use crate::world::World;

use crate::cli::args::Plan as Args;
use crate::cli::due::override_text;
use crate::cli::exit::Exit;
use crate::cli::wiring::App;
use crate::cli::wiring::{Loaded, complain, tell, zone};

/// Tables shown of one database.
const TABLES: usize = 12;

/// Shows plans.
pub fn plan(args: &Args, app: &App) -> Exit {
    let loaded = match Loaded::open(&args.file, args.site.as_deref(), false) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let plans: Vec<Plan> = match args.jobs.as_slice() {
        [] => loaded.plans.clone(),
        jobs => match loaded.choose(jobs) {
            Ok(plans) => plans.into_iter().cloned().collect(),
            Err(exit) => return exit,
        },
    };
    if plans.is_empty() {
        complain(&format!("{} has no job that takes part", args.file.display()));
        return Exit::Invalid;
    }
    show_all(&plans, &loaded, args.offline, app)
}

/// Shows plans of a file.
pub fn show_all(plans: &[Plan], loaded: &Loaded, is_offline: bool, app: &App) -> Exit {
    let mut exit = Exit::Success;
    if !is_offline {
        tell(&format!("staged in {}, {} free\n", app.world.staging().display(), free(app)));
    }
    for plan in plans {
        let outlook = if is_offline { offline(plan) } else { ask((loaded, plan), app, &mut exit) };
        tell(&show(plan, &outlook));
        if let Some(text) = override_text(loaded, &plan.job, app).filter(|_| !is_offline) {
            tell(&format!("schedule of job {}: {text}", plan.job));
        }
    }
    exit
}

/// Room in the staging folder, or in the folder that it will be made in.
fn free(app: &App) -> String {
    let staging = app.world.staging();
    let there = staging.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let stat = rustix::fs::statvfs(there);
    stat.map_or_else(
        |error| error.to_string(),
        |stat| Size(stat.f_bavail.saturating_mul(stat.f_frsize)).to_string(),
    )
}

/// What can be said without asking: the memory bound for an unknown size.
fn offline(plan: &Plan) -> Outlook {
    let mut outlook = Outlook::default();
    for step in &plan.steps {
        if let StepKind::Backup(backup) = &step.kind {
            let lines = size_lines(backup, None);
            outlook.sizes.insert(step.address.clone(), lines);
        }
    }
    outlook
}

fn ask((loaded, plan): (&Loaded, &Plan), app: &App, exit: &mut Exit) -> Outlook {
    let (world, stop) = (&app.world, &app.stop);
    let mut outlook = Outlook::default();
    for step in &plan.steps {
        match &step.kind {
            StepKind::Backup(backup) => {
                let facts = source::open(&backup.source.spec, &backup.source.name, world, stop)
                    .and_then(|source| {
                        let program = source.engine(backup.engine, stop)?;
                        let facts = source.probe(stop)?;
                        Ok(match program {
                            Some(program) => of_program(facts, program),
                            None => facts,
                        })
                    });
                let lines = match &facts {
                    Ok(facts) => facts_lines(facts),
                    Err(error) => {
                        *exit = exit.worse(Exit::Error);
                        vec![failure(error)]
                    }
                };
                outlook.sources.insert(backup.source.name.clone(), lines);
                outlook.sizes.insert(step.address.clone(), size_lines(backup, facts.as_ref().ok()));
            }
            StepKind::Prune(prune) => {
                let lines = retention_lines((loaded, plan), prune, app).unwrap_or_else(|why| {
                    *exit = exit.worse(Exit::Error);
                    vec![format!("! {why}")]
                });
                outlook.retention.insert(step.address.clone(), lines);
            }
            StepKind::Vacuum(vacuum) => {
                let lines = vacuum_lines(plan, vacuum, world, stop).unwrap_or_else(|error| {
                    *exit = exit.worse(Exit::Error);
                    vec![failure(&error)]
                });
                outlook.vacuum.insert(step.address.clone(), lines);
            }
            StepKind::Verify(_)
            | StepKind::Copy(_)
            | StepKind::Wal(_)
            | StepKind::Binlog(_)
            | StepKind::Exec(_)
            | StepKind::Restore(_)
            | StepKind::ReadBack(_) => {}
        }
    }
    outlook
}

/// An error and what to do, as a line of a plan.
fn failure(error: &Error) -> String {
    let hint = error.hint.as_ref().map_or(String::new(), |h| format!(" {h}"));
    format!("! {error}.{hint}")
}

/// What every table is due for today, the most laborious first.
fn vacuum_lines(
    plan: &Plan,
    vacuum: &Vacuum,
    world: &World,
    stop: &Stop,
) -> Result<Vec<String>, Error> {
    let source = source::open(&vacuum.source.spec, &vacuum.source.name, world, stop)?;
    let maintenance = source.maintenance().expect("BUG: a vacuum of a source that knows none");
    let today = world.clock.now().to_zoned(zone(world, plan)).date();
    let (mut lines, mut full) = (Vec::new(), Vec::new());
    for unit in maintenance.units(stop)? {
        let mut tasks = maintenance.tasks(&unit, &vacuum.rule, today, stop)?;
        tasks.sort_by_key(|c| (c.kind == VacuumKind::Nothing, Reverse(c.bytes)));
        let idle = tasks.iter().filter(|c| c.kind == VacuumKind::Nothing).count();
        lines.push(format!("database {unit}: {} tables, {idle} of them left alone", tasks.len()));
        lines.extend(tasks.iter().take(TABLES).map(|c| task_line(&unit, c)));
        if tasks.len() > TABLES {
            lines.push(format!("and {} more", tasks.len() - TABLES));
        }
        full.extend(
            tasks
                .iter()
                .filter(|c| c.kind == VacuumKind::Full && c.obstacle.is_none())
                .map(|c| c.bytes),
        );
    }
    if let Some(most) = full.iter().max() {
        lines.push(format!(
            "! VACUUM FULL writes {} tables anew, one after another: nobody can read or write a table meanwhile (ACCESS \
             EXCLUSIVE), and it needs about its size again on disk, at most {}; `full=#false` avoids it",
            full.len(),
            Size(*most)
        ));
    }
    Ok(lines)
}

fn task_line(unit: &str, task: &Task) -> String {
    let last =
        task.days.map_or("never vacuumed".to_owned(), |days| format!("vacuumed {days} d ago"));
    let (word, title) = (task.kind.word(), task.title());
    match &task.obstacle {
        Some(why) if task.kind != VacuumKind::Nothing => {
            format!("! {word} {unit}.{title} can't be run: {why}")
        }
        Some(_) | None => format!("{word} {unit}.{title}: {last}, {}", Size(task.bytes)),
    }
}

/// What a probe found, with the locks of the program that will read the source.
fn of_program(facts: Facts, program: Program) -> Facts {
    let warnings =
        facts.warnings.into_iter().filter(|_| !program.covers_all).chain(program.remarks).collect();
    Facts {
        version: format!("{}, read by {}", facts.version, program.title),
        locks: program.locks,
        warnings,
        ..facts
    }
}

fn facts_lines(facts: &Facts) -> Vec<String> {
    let mut lines = vec![format!("server {}; about {}", facts.version, Size(facts.bytes()))];
    for unit in &facts.units {
        let names: Vec<&str> = unit.tables.iter().take(TABLES).map(|t| t.0.as_str()).collect();
        let more = if unit.tables.len() > TABLES {
            format!(" and {} more", unit.tables.len() - TABLES)
        } else {
            String::new()
        };
        lines.push(format!(
            "database {}: {} tables: {}{more}",
            unit.name,
            unit.tables.len(),
            names.join(", ")
        ));
    }
    lines.extend(facts.locks.iter().map(|l| format!("lock: {l}")));
    lines.extend(facts.warnings.iter().chain(&facts.idle).map(|w| format!("! {w}")));
    lines
}

fn size_lines(backup: &Backup, facts: Option<&Facts>) -> Vec<String> {
    if matches!(backup.engine, Engine::Rman(_)) {
        return vec![
            "memory at most 4 parts of 8 MiB, larger for pieces of more than 70 GiB".into(),
        ];
    }
    let lanes = backup.copies.iter().map(|c| store::limits(&c.store.spec).lanes).sum();
    let presses = rayon::current_num_threads();
    let (bytes, tables) = facts.map_or((0, 0), |facts| {
        (facts.bytes(), facts.units.iter().map(|unit| unit.tables.len()).sum::<usize>())
    });
    // A table is its definition and its rows, at least.
    let shape = Shape::new(backup.threads, presses, backup.chunk, lanes, bytes).holding(2 * tables);
    vec![
        format!(
            "memory at most {} and {} times the largest row: {} chunks and entries of {}, {} parts of {}",
            shape.bound(),
            backup.threads,
            shape.chunk_permits(),
            Size(backup.chunk as u64),
            shape.part_permits(),
            Size(shape.part),
        ),
        format!("parts of {}, doubled after every 1 000 beyond 5 000", Size(shape.part)),
    ]
}

fn retention_lines(
    (loaded, plan): (&Loaded, &Plan),
    prune: &Prune,
    app: &App,
) -> Result<Vec<String>, Fault> {
    let planned = foresight((loaded, plan), app).foresee(prune, &app.stop)?;
    Ok(planned.lines.iter().map(prune_line).collect())
}

/// What asks stores what retention would do to them.
pub fn foresight((loaded, plan): (&Loaded, &Plan), app: &App) -> Steps {
    let (world, job) = (&app.world, (plan.job.as_str(), loaded.path.as_str()));
    let id = Id::new(world.clock.now(), world.entropy.bits());
    Steps::new(world.clone(), id, job, zone(world, plan), loaded.gap(plan, world))
}

/// What becomes of an artifact, as a line of a plan.
pub fn prune_line(line: &PruneLine) -> String {
    let key = &line.head.key;
    match &line.fate {
        Fate::Keep(reasons) => format!("keeps {key}: {}", because(reasons)),
        Fate::Remove(reasons) => format!("would remove {key}: {}", because(reasons)),
        Fate::Leave(_) => {
            format!("leaves {key} alone: it is of another host, file or database")
        }
    }
}
