//! Removes what the policy does not keep, after a proven copy, with a reason for every line.

use crate::artifact::Level;
use crate::base::Stop;
use crate::plan::Retire;
use crate::retention::{Held, judge};
use crate::run::{Done, Event, Say};
use crate::shelf::{Shelf, Shelved, lineage};
use crate::step::fault::Fault;
use crate::step::perform::Steps;

/// Artifacts as retention sees them: damaged ones never count, unverified ones only where nothing
/// is verified, and an increment no more than all it adds to.
pub fn held(artifacts: &[Shelved], verified: bool) -> Vec<Held> {
    let proven = |a: &Shelved| !a.is_damaged() && (!verified || a.level() >= Level::Read);
    let whole =
        |a: &Shelved| lineage(artifacts, a).is_ok_and(|chain| chain.into_iter().all(proven));
    let parent = |a: &Shelved| {
        let id = a.manifest.parent.as_ref()?;
        artifacts.iter().position(|other| other.manifest.id == *id)
    };
    artifacts
        .iter()
        .map(|a| Held { finished: a.manifest.finished, proven: whole(a), parent: parent(a) })
        .collect()
}

impl Steps {
    /// Performs retention.
    pub(super) fn retire(&self, retire: &Retire, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let store = self.store(&retire.store, stop)?;
        let shelf = Shelf::new(store, retire.naming.clone(), &self.job, &retire.source);
        let listing = shelf.list(stop)?;
        for (key, damage) in &listing.unreadable {
            say.info(format!("{key} is left alone: {damage}"));
        }
        let judged = judge(
            &retire.keep,
            &held(&listing.artifacts, retire.verified),
            self.world.clock.now(),
            &self.zone,
        );
        // The newest first: stopped half way, no increment is left without what it adds to.
        for (artifact, judgement) in listing.artifacts.iter().zip(judged).rev() {
            stop.check()?;
            let key = &artifact.manifest.key;
            if judgement.keep {
                say.info(format!("keeps {key}: {}", judgement.reason));
                continue;
            }
            shelf.remove(&artifact.manifest, stop)?;
            say.info(format!("removed {key}: {}", judgement.reason));
            say.event(Event::Removed {
                step: say.step(),
                id: artifact.manifest.id.clone(),
                store: retire.store.name.clone(),
                key: key.clone(),
            });
        }
        Ok(Done::well())
    }
}
