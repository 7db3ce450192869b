//! `vex prune`: the retention of a job without its run; `--dry-run` shows the plan that a run
//! performs.
//!
//! Knows no policy. Each job is a run of its own, with an ID, a log and a line in the history; it
//! asks every source who it is, since retention acts on its own chain only.

use serde::Serialize;

use crate::plan::{Plan, Prune, PruneTask, Step, StepKind};
use crate::record::RunKind;
use crate::step::{Fate, PruneLine};

use crate::cli::args::{Format, Prune as Args};
use crate::cli::exit::Exit;
use crate::cli::own_run::perform;
use crate::cli::plan::{foresight, prune_line};
use crate::cli::wiring::{App, Loaded, complain, fail, tell};

/// Prunes, or shows what pruning would do.
pub fn prune(args: &Args, app: &App) -> Exit {
    match try_prune(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_prune(args: &Args, app: &App) -> Result<Exit, Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let chosen: Vec<&Plan> = match args.jobs.as_slice() {
        [] => loaded.plans.iter().collect(),
        jobs => loaded.choose(jobs)?,
    };
    let task = if args.uploads { PruneTask::Uploads } else { PruneTask::Policy };
    let plans: Vec<(&Plan, Plan)> = chosen
        .into_iter()
        .map(|plan| (plan, of_retention(plan, task)))
        .filter(|(_, own)| !own.steps.is_empty())
        .collect();
    if plans.is_empty() {
        complain(&format!(
            "{} has no retention: no store that its jobs send to has a `keep`",
            args.file.display()
        ));
        return Err(Exit::Usage);
    }
    let mut exit = Exit::Success;
    for (plan, own) in &plans {
        if app.stop.is_stopped() {
            break;
        }
        exit = exit.worse(match args.dry_run {
            true => foresee(args, (&loaded, plan), own, app),
            false => {
                perform((own, RunKind::Prune), (&loaded, plan), (args.format, args.strict), app)
            }
        });
    }
    Ok(exit)
}

/// The retention of a job by itself.
fn of_retention(plan: &Plan, task: PruneTask) -> Plan {
    let step = |step: &Step| match &step.kind {
        StepKind::Prune(prune) => {
            let kind = StepKind::Prune(Box::new(Prune { task, ..(**prune).clone() }));
            Some(Step { kind, ..step.clone() })
        }
        StepKind::Wal(_) if task == PruneTask::Policy => Some(step.clone()),
        StepKind::Vacuum(_)
        | StepKind::Backup(_)
        | StepKind::Verify(_)
        | StepKind::Copy(_)
        | StepKind::Wal(_)
        | StepKind::Binlog(_)
        | StepKind::Exec(_)
        | StepKind::Restore(_)
        | StepKind::ReadBack(_) => None,
    };
    Plan {
        job: format!("{}/{}", RunKind::Prune.word(), plan.job),
        steps: plan.steps.iter().filter_map(step).collect(),
        edges: Vec::new(),
        ..plan.clone()
    }
}

/// What becomes of one backup, version 1.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    version: u32,
    job: &'a str,
    source: &'a str,
    store: &'a str,
    id: &'a str,
    key: &'a str,
    fate: &'static str,
    reasons: Vec<String>,
}

impl<'a> Line<'a> {
    fn of(plan: &'a Plan, prune: &'a Prune, line: &'a PruneLine) -> Line<'a> {
        let (fate, reasons) = match &line.fate {
            Fate::Keep(reasons) => ("keep", reasons.as_slice()),
            Fate::Remove(reasons) => ("remove", reasons.as_slice()),
            Fate::Leave(_) => ("leave", [].as_slice()),
        };
        Line {
            version: 1,
            job: &plan.job,
            source: &prune.source,
            store: &prune.store.name,
            id: line.head.id.as_str(),
            key: &line.head.key,
            fate,
            reasons: reasons.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Shows what would be done.
fn foresee(args: &Args, job: (&Loaded, &Plan), own: &Plan, app: &App) -> Exit {
    let steps = foresight(job, app);
    let mut exit = Exit::Success;
    for step in &own.steps {
        if let StepKind::Wal(wal) = &step.kind {
            let planned = steps.foresee_wal(wal, &app.stop);
            exit = exit.worse(
                planned.map_or_else(|fault| fail(&fault), |gone| logs(step, &gone, args, job.1)),
            );
            continue;
        }
        let StepKind::Prune(prune) = &step.kind else { continue };
        let planned = match steps.foresee(prune, &app.stop) {
            Ok(planned) => planned,
            Err(fault) => {
                exit = exit.worse(fail(&fault));
                continue;
            }
        };
        match args.format {
            Format::Json => planned.lines.iter().for_each(|line| {
                let line = Line::of(job.1, prune, line);
                tell(&serde_json::to_string(&line).expect("BUG: a plan that is not JSON"));
            }),
            Format::Human => {
                tell(&format!("{}, {} backups", step.address, planned.lines.len()));
                planned.lines.iter().for_each(|line| tell(&format!("  {}", prune_line(line))));
            }
        }
    }
    exit
}

/// Shows which files of a log would go.
fn logs(step: &Step, gone: &[(String, String)], args: &Args, plan: &Plan) -> Exit {
    match args.format {
        Format::Json => gone.iter().for_each(|(store, name)| {
            let source = step.facts().source.unwrap_or_default();
            let line = Line {
                version: 1,
                job: &plan.job,
                source: &source,
                store,
                id: name,
                key: "",
                fate: "remove",
                reasons: vec!["no base backup needs it".into()],
            };
            tell(&serde_json::to_string(&line).expect("BUG: a plan that is not JSON"));
        }),
        Format::Human => {
            tell(&format!("{}, {} files of the log", step.address, gone.len()));
            gone.iter().for_each(|(store, name)| {
                tell(&format!("  remove  {name} in {store}: no base backup needs it"));
            });
        }
    }
    Exit::Success
}
