//! Removes what dead runs left in a store: containers without a head, and uploads that nobody will
//! finish.
//!
//! Knows no policy. Removed is only what is provably ours: what has a marker of a dead run, and
//! unfinished uploads under the key of a backup that this job file made and finished, which is
//! written once and never again.

use crate::base::Stop;
use crate::plan::Prune;
use crate::record::Verdict;
use crate::recover::Fault;
use crate::run::{Done, Say};
use crate::shelf::Shelf;
use crate::step::perform::Steps;
use crate::world::is_gone;

impl Steps {
    /// Removes them from the folder of one chain.
    pub(super) fn uploads(&self, prune: &Prune, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let store = self.store(&prune.store, stop)?;
        let shelf = Shelf::new(store.clone(), prune.naming.clone(), &self.job, &prune.source);
        let swept = shelf.sweep(&is_gone, stop)?;
        for (key, why) in &swept.unreadable {
            say.alert(format!("{key} is left alone: {why}"));
        }
        let mut count = swept.objects;
        for artifact in shelf.list(stop)?.artifacts {
            if artifact.head.file.as_deref() == Some(&*self.file) {
                count += store.sweep(&artifact.head.key, stop)?;
            }
        }
        let place = format!("{} in {}", prune.naming.folder(), store.place());
        say.info(match count {
            0 => format!("dead runs left nothing in {place}"),
            _ => format!("removed {count} objects and uploads that dead runs left in {place}"),
        });
        let verdict = if swept.unreadable.is_empty() { Verdict::Success } else { Verdict::Alert };
        Ok(Done { verdict, ..Done::well() })
    }
}
