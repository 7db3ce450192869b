//! Which backups a wish may mean: in stores of the job file, in a store by its address, or one
//! `.zip`.
//!
//! `latest` goes by the manifest's UTC time, never by name or age of a file.

use crate::base::{Stop, show_address};
use crate::job::{KeyRefs, StoreSpec};
use crate::plan::{BackupWish, LATEST, Places, StorePlace};
use crate::recover::candidates::{Candidates, Held, Picked};
use crate::recover::fault::Fault;
use crate::recover::lone::lone_zip;
use crate::recover::operator::Operator;
use crate::recover::trust::open_to_read;
use crate::shelf::{Holder, Listing, Reading, Shelf, Shelved, part_anywhere, survey};
use crate::world::World;

/// Picks the backup that is meant.
pub fn pick(
    which: &BackupWish,
    world: &World,
    operator: &dyn Operator,
    stop: &Stop,
) -> Result<Picked, Fault> {
    look(which, world, operator, stop)?.take(which, operator, stop)
}

/// Looks at all that may be meant.
pub fn look(
    which: &BackupWish,
    world: &World,
    operator: &dyn Operator,
    stop: &Stop,
) -> Result<Candidates, Fault> {
    let mut candidates = match &which.places {
        Places::Archive(path) => {
            return lone_zip(path, which, world, stop).map(Candidates::lone);
        }
        Places::Stores(places) => in_stores(places, which, world, operator, stop)?,
        Places::Address { spec, under } => in_address((spec, under), which, world, operator, stop)?,
    };
    let (origin, now) = (which.origin.as_deref(), world.clock.now());
    candidates.one_origin(origin, &world.host(), which.file.as_deref(), now, operator)?;
    candidates.find()?;
    Ok(candidates)
}

fn in_stores(
    places: &[StorePlace],
    which: &BackupWish,
    world: &World,
    operator: &dyn Operator,
    stop: &Stop,
) -> Result<Candidates, Fault> {
    let of = which.source.as_ref().map_or_else(String::new, |source| format!("of {source}"));
    let mut candidates = Candidates::new(&which.backup, of);
    let (holder, mut readings) = (Holder::new(world, "a reader"), Vec::new());
    for place in places {
        let listed =
            open_to_read(&place.store.spec, &place.store.trust, world, stop).and_then(|store| {
                let naming = place.naming.clone();
                // Before it is looked at: what is found then stays until it was read.
                let (reading, remark) = Reading::begin(&store, &[naming.folder()], &holder, stop);
                remark.iter().for_each(|remark| operator.warn(remark));
                readings.push(reading);
                let shelf = Shelf::new(store.clone(), naming, &place.job, &place.source);
                Ok((store, shelf.list(stop)?))
            });
        match listed {
            Ok((store, listing)) => {
                candidates.headless(lost_heads(&listing));
                let held = Held {
                    name: Some(place.store.name.clone()),
                    store,
                    naming: Some(place.naming.clone()),
                    artifacts: listing.artifacts,
                    notes: listing.notes,
                    keys: place.keys.clone(),
                };
                candidates.add(held, &listing.unreadable, operator);
            }
            Err(error) => candidates.silent(&place.store.name, error.into(), operator),
        }
    }
    candidates.readings = readings;
    Ok(candidates)
}

fn in_address(
    (spec, under): (&StoreSpec, &str),
    which: &BackupWish,
    world: &World,
    operator: &dyn Operator,
    stop: &Stop,
) -> Result<Candidates, Fault> {
    let store = open_to_read(spec, &which.trust, world, stop)?;
    let mut listing = survey(store.as_ref(), under, &part_anywhere, stop)?;
    let own = |a: &Shelved| which.source.as_ref().is_none_or(|s| a.head.source == *s);
    let artifacts: Vec<Shelved> =
        std::mem::take(&mut listing.artifacts).into_iter().filter(own).collect();
    let mut sources: Vec<&str> = artifacts.iter().map(|a| a.head.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let from = show_address(which.from.as_deref().unwrap_or(store.place()));
    if sources.len() > 1 && which.backup == LATEST {
        let found = format!("{from} holds the sources {}", sources.join(", "));
        return Err(Fault::usage(found, "Name one."));
    }
    let mut candidates = Candidates::new(&which.backup, format!("in {from}"));
    candidates.headless(lost_heads(&listing));
    let notes = listing.notes;
    let held = Held { name: None, store, naming: None, artifacts, notes, keys: KeyRefs::default() };
    candidates.add(held, &listing.unreadable, operator);
    Ok(candidates)
}

/// Containers that have no head and no run that is at work on them: vex did not make them, or their
/// head was lost.
fn lost_heads(listing: &Listing) -> impl Iterator<Item = &str> {
    listing.headless.iter().filter(|(_, begun)| !begun).map(|(object, _)| object.key.as_str())
}
