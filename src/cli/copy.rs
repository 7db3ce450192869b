//! `vex copy`: backups of one store go to another that the same job sends to, byte for byte, and are
//! proven there.
//!
//! Each job is a run of its own, with an ID, a log and a line in the history.

use crate::artifact::Head;
use crate::base::{Id, SecretRef};
use crate::job::KeyRefs;
use crate::plan::{Backup, CopyPlan, Plan, Sent, Step, StepKind, Transfer};
use crate::record::RunKind;
use crate::shelf::{Unnamed, named};

use crate::cli::args::Copy as Args;
use crate::cli::exit::Exit;
use crate::cli::own_run::perform;
use crate::cli::shelves::shelves;
use crate::cli::wiring::{App, Loaded, complain, fail};

/// Copies backups.
pub fn copy(args: &Args, app: &App) -> Exit {
    match try_copy(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_copy(args: &Args, app: &App) -> Result<Exit, Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    if args.from == args.to {
        complain(&format!("--from and --to are both {}", args.from));
        return Err(Exit::Usage);
    }
    let (heads, mut exit) = heads(args, &loaded, app)?;
    let ids = ids(args, &heads)?;
    let mut found = false;
    for plan in &loaded.plans {
        let own = of_copies(plan, args, (&heads, &ids));
        if own.steps.is_empty() {
            continue;
        }
        found = true;
        if app.stop.is_stopped() {
            break;
        }
        exit = exit.worse(perform(
            (&own, RunKind::Copy),
            (&loaded, plan),
            (args.format, args.strict),
            app,
        ));
    }
    match found {
        true => Ok(exit),
        false => Err(nowhere(args, &loaded)),
    }
}

/// Every backup in the store that is read, and how it ends where a folder of it can't be listed:
/// what stands in the others goes all the same. It ends at once where none can.
fn heads(args: &Args, loaded: &Loaded, app: &App) -> Result<(Vec<Head>, Exit), Exit> {
    let (mut heads, mut exit, mut listed) = (Vec::new(), Exit::Success, false);
    for found in shelves(loaded, Some(&args.from), &app.world, &app.stop) {
        match found.listing {
            Ok(listing) => {
                listed = true;
                heads.extend(listing.artifacts.into_iter().map(|a| a.head));
            }
            Err(error) => exit = exit.worse(fail(&error.into())),
        }
    }
    if listed || exit == Exit::Success { Ok((heads, exit)) } else { Err(exit) }
}

/// The runs that are meant.
fn ids(args: &Args, heads: &[Head]) -> Result<Vec<Id>, Exit> {
    let one = |text: &String| {
        named(heads, text).map_err(|unnamed| {
            match unnamed {
                Unnamed::None => complain(&format!("there is no backup {text} in {}", args.from)),
                Unnamed::Ambiguous(ids) => {
                    complain(&format!("{text} may be several backups; say which:"));
                    ids.iter().for_each(|id| complain(&format!("  {id}")));
                }
            }
            Exit::Usage
        })
    };
    args.ids.iter().map(one).collect()
}

/// The copies of a job by themselves.
fn of_copies(plan: &Plan, args: &Args, (heads, ids): (&[Head], &[Id])) -> Plan {
    let mut steps = Vec::new();
    for step in &plan.steps {
        let StepKind::Backup(backup) = &step.kind else { continue };
        let Some((from, to)) = both(backup, args) else { continue };
        let name = &backup.source.name;
        let is_own = |head: &&Head| head.job == plan.job && head.source == *name;
        let has = |id: &Id| heads.iter().filter(is_own).any(|head| head.id == *id);
        if !ids.is_empty() && !ids.iter().any(has) {
            continue;
        }
        let which = if ids.is_empty() { Sent::Missing } else { Sent::Ids(ids.to_vec()) };
        let kind = StepKind::Copy(Box::new(Transfer {
            declared: backup.declared.clone(),
            source: backup.source.clone(),
            from: vec![(from.store.clone(), from.naming.clone())],
            // Whoever asks for it by name wants to know.
            to: CopyPlan { optional: false, ..to.clone() },
            which,
            keys: KeyRefs {
                password: backup.archive.password.clone(),
                previous: backup.archive.previous.clone(),
                identity: args.identity.clone().map(SecretRef::File),
            },
            threads: backup.threads,
        }));
        let address = format!("{}/copy/{name}/{}", plan.job, to.store.name);
        steps.push(Step { address, kind, optional: false });
    }
    Plan {
        job: format!("{}/{}", RunKind::Copy.word(), plan.job),
        steps,
        edges: Vec::new(),
        ..plan.clone()
    }
}

/// The stores that are read and written, where the chain has both.
fn both<'a>(backup: &'a Backup, args: &Args) -> Option<(&'a CopyPlan, &'a CopyPlan)> {
    let named = |name: &str| backup.copies.iter().find(|copy| copy.store.name == name);
    Some((named(&args.from)?, named(&args.to)?))
}

/// Says why nothing can be copied.
fn nowhere(args: &Args, loaded: &Loaded) -> Exit {
    let chains = loaded.plans.iter().flat_map(|plan| &plan.steps).filter_map(|s| match &s.kind {
        StepKind::Backup(backup) => {
            let stores: Vec<&str> = backup.copies.iter().map(|c| c.store.name.as_str()).collect();
            Some(format!("{} to {}", backup.source.name, stores.join(" and ")))
        }
        _ => None,
    });
    complain(&format!(
        "no job of {} sends one source to both {} and {}; it sends {}. Add a `send` first, so that the copies are \
         listed, kept and restored like all others",
        args.file.display(),
        args.from,
        args.to,
        chains.collect::<Vec<_>>().join(", ")
    ));
    Exit::Usage
}
