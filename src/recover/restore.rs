//! Performs a plan; where the backup turns out damaged before anything is written, the next one is
//! taken if the wish allows it.

use crate::lang::Lang;
use crate::plan::RestoreSpec;
use crate::recover::cluster;
use crate::recover::database;
use crate::recover::fault::Fault;
use crate::recover::lease::leased;
use crate::recover::operator::Work;
use crate::recover::prove::Setback;
use crate::recover::resolve::{Planned, Resolved, next, pass_over};

/// How a restore ended that came to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Whether it is not the newest backup, or may not be.
    pub older: bool,
}

/// Performs a plan to its end. The error says what came back where that is not all.
pub fn restore(spec: &RestoreSpec, mut resolved: Resolved, work: Work<'_>) -> Result<Ended, Fault> {
    loop {
        let is_kept = !resolved.candidates.readings.is_empty();
        let (place, keys) = (resolved.picked.place().filter(|_| !is_kept), resolved.keys());
        match leased(&place, &keys, work, || perform(spec, &resolved, work)) {
            Ok(ended) => {
                let older = caveat(&resolved, work);
                ended?;
                return Ok(Ended { older });
            }
            Err(setback) => {
                let Resolved { mut candidates, aim, picked, .. } = resolved;
                pass_over(spec, &mut candidates, &picked, setback, work)?;
                resolved = next(spec, (candidates, aim), work)?;
            }
        }
    }
}

fn perform(
    spec: &RestoreSpec,
    resolved: &Resolved,
    work: Work<'_>,
) -> Result<Result<(), Fault>, Setback> {
    let picked = &resolved.picked;
    match &resolved.planned {
        Planned::Database(plan) => {
            let done = database::perform(spec, plan, picked, work)?;
            Ok(database::judge(spec, plan, picked, &done, work))
        }
        Planned::Cluster(plan) => cluster::perform(spec, plan, picked, work),
        Planned::Rman(plan) => plan.perform(picked, work),
    }
}

/// Does of a restore what writes nothing: reads what would be read first, and says how it stands.
pub fn dry_run(spec: &RestoreSpec, mut resolved: Resolved, work: Work<'_>) -> Result<Ended, Fault> {
    loop {
        let picked = &resolved.picked;
        let id = &picked.manifest.head.id;
        let read = match &resolved.planned {
            Planned::Database(plan) if plan.reads_first(spec) => {
                let read = database::read_first(spec, plan, picked, work);
                read.map(|()| work.tell(format_args!("{id} is whole: it would be restored")))
            }
            Planned::Cluster(plan) if spec.fallback => plan.read(spec, picked, work).map(|()| {
                work.tell(format_args!(
                    "{id} is whole: it would be unpacked and checked by pg_verifybackup"
                ))
            }),
            Planned::Database(_) | Planned::Cluster(_) | Planned::Rman(_) => Ok(()),
        };
        match read {
            Ok(()) => {
                let older = caveat(&resolved, work);
                if let Planned::Database(plan) = &resolved.planned {
                    plan.foreseen()?;
                }
                return Ok(Ended { older });
            }
            Err(setback) => {
                let Resolved { mut candidates, aim, picked, .. } = resolved;
                pass_over(spec, &mut candidates, &picked, setback, work)?;
                resolved = next(spec, (candidates, aim), work)?;
            }
        }
    }
}

/// Says that the backup is not the newest, and how old its data are; whether it is so.
fn caveat(resolved: &Resolved, work: Work<'_>) -> bool {
    let now = work.world.clock.now();
    let line = resolved.candidates.caveat(&resolved.picked, now, Lang::En);
    line.iter().for_each(|line| work.tell(line));
    line.is_some()
}
