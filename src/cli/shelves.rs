//! What every store of a job file holds of every chain.

use crate::artifact::{Damage, Naming};
use crate::base::Stop;
use crate::plan::StepKind;
use crate::recover::open_to_read;
use crate::shelf::{Listing, Shelf};
use crate::store::contract::Result as StoreResult;
use crate::world::World;

use crate::cli::exit::Exit;
use crate::cli::wiring::Loaded;

/// How a listing ends that passed something over.
pub fn exit_of(damage: &Damage) -> Exit {
    match damage {
        Damage::Unread(_) | Damage::Newer { .. } => Exit::Error,
        Damage::Entry { .. }
        | Damage::Sealed { .. }
        | Damage::Manifest(_)
        | Damage::Rows { .. }
        | Damage::Left { .. }
        | Damage::Object(_) => Exit::Damage,
    }
}

/// What one store holds of one chain.
pub struct Found {
    /// The store, as the file names it.
    pub store: String,
    /// What messages call it.
    pub place: String,
    /// How its artifacts are named there.
    pub naming: Naming,
    /// What all keys of the store begin with.
    pub root: String,
    /// What was found.
    pub listing: StoreResult<Listing>,
}

/// The listing of every chain in every store of a job file.
pub fn shelves(loaded: &Loaded, only: Option<&str>, world: &World, stop: &Stop) -> Vec<Found> {
    let mut all = Vec::new();
    for plan in &loaded.plans {
        for step in &plan.steps {
            let StepKind::Backup(backup) = &step.kind else { continue };
            for copy in backup.copies.iter().filter(|c| only.is_none_or(|o| c.store.name == o)) {
                let mut place = copy.store.name.clone();
                let listing = open_to_read(&copy.store.spec, &copy.store.trust, world, stop)
                    .and_then(|store| {
                        store.place().clone_into(&mut place);
                        Shelf::new(store, copy.naming.clone(), &plan.job, &backup.source.name)
                            .list(stop)
                    });
                let (naming, root) = (copy.naming.clone(), copy.root.clone());
                all.push(Found { store: copy.store.name.clone(), place, naming, root, listing });
            }
        }
    }
    all
}
