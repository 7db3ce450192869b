//! What an increment of RMAN may add to, and what RMAN must forget before it is asked for one.
//!
//! RMAN adds to whatever its own record says is there. Invariant: after what is not whole in every
//! store was forgotten, that is a backup which a restore has.

use std::collections::BTreeSet;

use crate::artifact::{Head, Holds, Origin, Position};
use crate::base::{Id, Stop};
use crate::plan::Backup;
use crate::recover::Fault;
use crate::shelf::{Shelved, lineage};
use crate::step::copies::Copies;
use crate::step::parent::is_whole;
use crate::step::perform::Steps;

/// Length of an ID: `20250802T050000Z-d4871358`.
const ID: usize = 25;

/// What the stores hold of a database.
#[derive(Default)]
pub struct RmanGround {
    /// IDs of backups that are whole in every store, with all that they add to.
    whole: BTreeSet<Id>,
    /// The newest of them.
    pub parent: Option<Shelved>,
    /// The heads of that and of all it adds to, the full one first.
    pub chain: Vec<Head>,
    /// The heads of all that the first store has of this incarnation, the oldest first.
    pub earlier: Vec<Head>,
    /// The names of the pieces of data that an increment on it needs RMAN to know.
    data: Vec<String>,
}

impl Steps {
    /// Looks at what every store holds of this incarnation of the database.
    pub(super) fn rman_ground(
        &self,
        backup: &Backup,
        copies: &Copies<'_>,
        origin: &Origin,
        resetlogs: u64,
        stop: &Stop,
    ) -> Result<RmanGround, Fault> {
        let is_ours = |a: &Shelved| {
            let incarnation = match &a.head.position {
                Some(Position::Oracle { resetlogs, .. }) => Some(*resetlogs),
                Some(_) | None => None,
            };
            a.head.kind == backup.source.spec.kind()
                && a.head.origin.as_ref().is_some_and(|other| origin.is_same(other))
                && incarnation == Some(resetlogs)
        };
        let mut listings: Vec<Vec<Shelved>> = Vec::new();
        for (shelf, plan) in copies.shelves() {
            let mut all = shelf.list(stop)?.artifacts;
            for kin in plan.kin.iter().filter(|k| k.job != self.job) {
                all.extend(shelf.sibling(&kin.naming, &kin.job).list(stop)?.artifacts);
            }
            all.retain(is_ours);
            all.sort_by_key(Shelved::moment);
            listings.push(all);
        }
        Ok(RmanGround::of(&listings))
    }
}

impl RmanGround {
    fn of(listings: &[Vec<Shelved>]) -> RmanGround {
        let Some((first, others)) = listings.split_first() else {
            return RmanGround::default();
        };
        let everywhere = |a: &&Shelved| {
            is_whole(first, a)
                && others
                    .iter()
                    .all(|all| all.iter().any(|o| o.head.id == a.head.id && is_whole(all, o)))
        };
        let whole: Vec<&Shelved> = first.iter().filter(everywhere).collect();
        let parent = whole.last().map(|a| (*a).clone());
        let chain = parent.as_ref().and_then(|a| lineage(first, a).ok()).unwrap_or_default();
        // Of a chain, RMAN adds to its newest link, or, cumulative, to its first.
        let ends = chain.first().into_iter().chain(chain.last());
        let data = ends
            .flat_map(|a| a.head.pieces())
            .filter(|(_, line)| line.holds == Holds::Data)
            .map(|(_, line)| line.name.clone());
        RmanGround {
            whole: whole.iter().map(|a| a.head.id.clone()).collect(),
            data: data.collect(),
            chain: chain.iter().map(|a| a.head.clone()).collect(),
            earlier: first.iter().map(|a| a.head.clone()).collect(),
            parent,
        }
    }

    /// Those of the pieces that RMAN knows of `source` whose backup is not whole in every store.
    pub fn not_stored(&self, known: &[String], source: &str) -> Vec<String> {
        let begin = format!("vex_{source}_");
        let run_of = |handle: &str| {
            let name = handle.rsplit_once('/').map_or(handle, |(_, name)| name);
            Id::parse(name.strip_prefix(&begin)?.get(..ID)?)
        };
        let gone = |handle: &&String| run_of(handle).is_some_and(|id| !self.whole.contains(&id));
        known.iter().filter(gone).cloned().collect()
    }

    /// Why no increment can be taken, if none can.
    pub fn why_full(&self, known: &[String]) -> Option<String> {
        let parent = self.parent.as_ref()?;
        let knows = |name: &String| {
            known.iter().any(|handle| {
                handle.rsplit_once('/').map_or(handle.as_str(), |(_, own)| own) == name
            })
        };
        let lost = self.data.iter().filter(|name| !knows(name)).count();
        (lost > 0).then(|| {
            format!(
                "RMAN no longer knows {lost} pieces that it would add to ({} and its full one); raise CONTROL_FILE_RECORD_KEEP_TIME, and crosscheck nothing that vex sent away",
                parent.head.id
            )
        })
    }
}
