//! From a wish to a plan: heads are read, a backup is taken, and what would be done is found out.
//!
//! Writes nothing. A dry run ends here, and a restore begins with it, so that both say the same.

use crate::artifact::{Damage, Head};
use crate::pipeline::{self, Meter};
use crate::plan::{BackupWish, LATEST, Places, RestoreSpec, TargetWish};
use crate::recover::another_kind::{name_another, name_elsewhere};
use crate::recover::candidates::{Candidates, Other, Picked};
use crate::recover::cluster::{self, route};
use crate::recover::cluster_plan::ClusterPlan;
use crate::recover::database;
use crate::recover::fault::Fault;
use crate::recover::goal::Goal;
use crate::recover::look::look;
use crate::recover::operator::Work;
use crate::recover::prove::{Setback, agree, may_fall_back, tell_passed};
use crate::recover::restore_plan::RestorePlan;
use crate::recover::rman::{self, RmanPlan};
use crate::shelf::Shelved;

/// What would be done.
pub enum Planned {
    /// Into a server or a file.
    Database(Box<RestorePlan>),
    /// The files of a cluster.
    Cluster(Box<ClusterPlan>),
    /// An Oracle database, through RMAN.
    Rman(Box<RmanPlan>),
}

/// A wish whose backup was taken and whose plan was made.
pub struct Resolved {
    pub(super) candidates: Candidates,
    /// What is known of the log, where a recovery is asked for.
    pub(super) aim: Option<Goal>,
    pub(super) picked: Picked,
    pub(super) planned: Planned,
}

impl Resolved {
    /// The keys of all that is read.
    pub(super) fn keys(&self) -> Vec<String> {
        match &self.planned {
            Planned::Cluster(plan) => plan.manifests.iter().map(|m| m.head.key.clone()).collect(),
            Planned::Rman(plan) => plan.keys(),
            Planned::Database(_) => vec![self.picked.manifest.head.key.clone()],
        }
    }
}

/// Takes a backup, makes the plan and says it; the error is why nothing may begin, and says that
/// nothing was written.
pub fn resolve(spec: &RestoreSpec, work: Work<'_>) -> Result<Resolved, Fault> {
    plan_of(spec, work).map_err(Fault::before_writing)
}

fn plan_of(spec: &RestoreSpec, work: Work<'_>) -> Result<Resolved, Fault> {
    let mut candidates = look(&spec.which, work.world, work.operator, work.stop)?;
    let aim = Goal::find(spec, &mut candidates, work)?;
    may_fall_back(spec, &candidates)?;
    let resolved = next(spec, (candidates, aim), work).inspect_err(|fault| {
        if matches!(fault, Fault::NoBackup { .. }) {
            name_elsewhere(spec, work);
            name_another(spec, work);
        }
    })?;
    if let Planned::Database(plan) = &resolved.planned
        && spec.overwrite
        && !plan.existing.is_empty()
        && !work.operator.agrees(&plan.existing)
    {
        return Err(Fault::Nothing {
            doing: format!("restore into {}", plan.target.place()),
            found: "it was not agreed to; nothing was written".into(),
            hint: None,
        });
    }
    Ok(resolved)
}

/// Takes the next backup that can be planned with.
pub(super) fn next(
    spec: &RestoreSpec,
    (mut candidates, aim): (Candidates, Option<Goal>),
    work: Work<'_>,
) -> Result<Resolved, Fault> {
    loop {
        let mut picked = candidates.take(&spec.which, work.operator, work.stop)?;
        let beside = candidates.beside(&picked);
        let planned = match &spec.target {
            TargetWish::Oracle(wish) => route(spec, &picked).map_err(Setback::of).and_then(|()| {
                let key = |head: &Head, own: &Picked| {
                    candidates.key_beside(own, head, &spec.which, work.stop)
                };
                let plan =
                    rman::plan(spec, wish, &picked, (beside, &|head| key(head, &picked)), work)?;
                Ok(Planned::Rman(Box::new(plan)))
            }),
            TargetWish::Cluster(_) | TargetWish::Source { .. } => {
                plan(spec, &mut picked, (beside, aim.as_ref()), work)
            }
        };
        match planned {
            Ok(planned) => return Ok(Resolved { candidates, aim, picked, planned }),
            Err(setback) => pass_over(spec, &mut candidates, &picked, setback, work)?,
        }
    }
}

fn plan(
    spec: &RestoreSpec,
    picked: &mut Picked,
    (beside, aim): (Vec<Shelved>, Option<&Goal>),
    work: Work<'_>,
) -> Result<Planned, Setback> {
    route(spec, picked).map_err(Setback::of)?;
    picked.load(&spec.only, work.stop).map_err(Setback::of)?;
    opens(picked, work).map_err(Setback::of)?;
    agree(spec, picked, std::slice::from_ref(&picked.manifest), work)?;
    match &spec.target {
        TargetWish::Cluster(wish) => {
            let plan = cluster::plan(spec, (wish, aim.and_then(Goal::wal)), picked, &beside, work)?;
            plan.lines(picked).iter().for_each(|line| work.tell(line));
            plan.refusal(work.stop).map_err(Setback::of)?;
            Ok(Planned::Cluster(Box::new(plan)))
        }
        TargetWish::Source { source, database, .. } => {
            let own = (source.as_ref(), database.as_deref());
            let log = aim.and_then(Goal::binlog);
            let plan = database::plan(spec, own, (picked, log), work).map_err(Setback::of)?;
            plan.lines(spec).iter().for_each(|line| work.tell(line));
            database::refusal(spec, &plan, work).map_err(Setback::of)?;
            Ok(Planned::Database(Box::new(plan)))
        }
        TargetWish::Oracle(_) => panic!("BUG: a wish for RMAN that was not planned"),
    }
}

/// Tries the password of a sealed backup on its smallest entry, before anything is written.
fn opens(picked: &Picked, work: Work<'_>) -> Result<(), Fault> {
    let smallest = picked.manifest.entries.iter().min_by_key(|entry| entry.stored);
    let Some(entry) = smallest.filter(|_| picked.manifest.head.sealed()) else { return Ok(()) };
    let meter = Meter::default();
    let read = database::fetch(picked, &meter).group_needing(
        &[entry],
        &|_| false,
        work.stop,
        &mut |_, _| Ok(()),
    );
    match read {
        Err(pipeline::Error::Damage(damage @ Damage::Sealed { .. })) => Err(damage.into()),
        // What is wrong besides is found where it is read.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Passes over a backup that can't be used, where another may be taken; else the fault that ends
/// the restore, with the command for another backup.
pub(super) fn pass_over(
    spec: &RestoreSpec,
    candidates: &mut Candidates,
    picked: &Picked,
    setback: Setback,
    work: Work<'_>,
) -> Result<(), Fault> {
    match setback {
        Setback::Unusable { fault, bad } => {
            let another_may_do = fault.condemns() || candidates.has_copy(picked);
            candidates.pass_over(picked, &bad);
            if spec.fallback && another_may_do {
                tell_passed(picked, &fault, work.operator);
                return Ok(());
            }
            if another_may_do {
                offer(spec, candidates, picked, false, work);
            }
            Err(fault.before_writing())
        }
        Setback::Spoilt(fault) => {
            candidates.pass_over(picked, &[]);
            offer(spec, candidates, picked, true, work);
            Err(fault)
        }
        Setback::Ended(fault) => Err(fault),
    }
}

/// Names the backup that may be restored instead, and the command that does it.
fn offer(
    spec: &RestoreSpec,
    candidates: &mut Candidates,
    picked: &Picked,
    written: bool,
    work: Work<'_>,
) {
    let Some(other) = candidates.other(work.operator) else {
        if !name_elsewhere(spec, work) {
            let hint = match spec.which.places {
                Places::Stores(_) => "in any store of the file that answers",
                Places::Address { .. } | Places::Archive(_) => {
                    "there; look into another store with --from"
                }
            };
            work.warn(format_args!("there is no other backup of it that may be whole {hint}"));
        }
        name_another(spec, work);
        return;
    };
    let given = spec.which.backup != LATEST || spec.fallback;
    let what = if other.id == picked.manifest.head.id {
        format!(
            "another copy of it, in {}, may be whole",
            other.store.as_deref().unwrap_or("the same store")
        )
    } else {
        format!("the one before it, of {}, may be whole", other.finished)
    };
    let takes = if given { "" } else { " reads it first and restores it if it is" };
    let exact =
        if given { String::new() } else { format!("; --backup {} takes it unread", other.id) };
    work.warn(format_args!("{what}: `{}`{takes}{exact}", instead(spec, &other, given)));
    if written {
        work.warn(
            "If this restore left something in the target, it is in the way: --overwrite replaces it, and --dry-run shows \
             beforehand what else.",
        );
    }
}

/// The command for another backup: with its ID where one was given, else with `--fallback`.
fn instead(spec: &RestoreSpec, other: &Other, exact: bool) -> String {
    let which = match exact {
        true => BackupWish {
            backup: other.id.to_string(),
            from: other.store.clone().or(spec.which.from.clone()),
            ..spec.which.clone()
        },
        false => spec.which.clone(),
    };
    RestoreSpec { which, fallback: !exact, resume: false, ..spec.clone() }.command()
}
