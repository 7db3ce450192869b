//! The base backups that a log adds to, in whatever store and of whatever job of the file.

use crate::artifact::{Head, Position};
use crate::base::Stop;
use crate::plan::StorePlace;
use crate::recover::trust::open_to_read;
use crate::recover::wal::reach::Start;
use crate::shelf::Shelf;
use crate::source::wal::Lsn;
use crate::world::World;

/// A base backup.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its head.
    pub head: Head,
    /// The store that holds it.
    pub store: String,
    /// Its cluster.
    pub system: String,
    /// Where it begins: its log is needed from there on.
    pub from: Lsn,
    /// Where it ends, and on which timeline.
    pub start: Start,
}

impl Base {
    /// The base of a head; `None` for what is none, or says no place that can be read.
    pub fn of(head: &Head, store: &str) -> Option<Base> {
        let Some(Position::Postgres { system, timeline, start, stop }) = &head.position else {
            return None;
        };
        Some(Base {
            store: store.to_owned(),
            system: system.clone(),
            from: start.parse().ok()?,
            start: Start { timeline: *timeline, stop: stop.parse().ok()? },
            head: head.clone(),
        })
    }
}

/// All that was found, the oldest first.
#[derive(Debug, Default)]
pub struct Bases {
    /// The backups.
    pub all: Vec<Base>,
    /// What could not be read, so that there may be more.
    pub lost: Vec<String>,
}

/// Looks for base backups.
pub fn bases(places: &[StorePlace], world: &World, stop: &Stop) -> Bases {
    let of = |head: &Head, store: &str| match Base::of(head, store) {
        Some(base) => Ok(Some(base)),
        None => Err(format!("{} in {store} says no place", head.id)),
    };
    let (mut all, lost) = backups(places, &of, world, stop);
    all.sort_by_key(|base| base.head.finished);
    Bases { all, lost }
}

/// What is made of the head of a backup and the name of its store; the error is that it can't be
/// known.
type Of<'o, T> = &'o dyn Fn(&Head, &str) -> Result<Option<T>, String>;

/// Looks for backups; the second is what could not be read, so that there may be more.
pub fn backups<T>(
    places: &[StorePlace],
    of: Of<'_, T>,
    world: &World,
    stop: &Stop,
) -> (Vec<T>, Vec<String>) {
    let (mut all, mut lost) = (Vec::new(), Vec::new());
    for place in places {
        let name = &place.store.name;
        let listed =
            open_to_read(&place.store.spec, &place.store.trust, world, stop).and_then(|store| {
                Shelf::new(store, place.naming.clone(), &place.job, &place.source).list(stop)
            });
        match listed {
            Err(error) => lost.push(format!("store {name}: {error}")),
            Ok(listing) => {
                let unreadable = listing.unreadable.iter();
                lost.extend(unreadable.map(|(key, why)| format!("{key} in {name}: {why}")));
                for artifact in listing.artifacts.iter().filter(|a| a.head.source == place.source) {
                    match of(&artifact.head, name) {
                        Ok(found) => all.extend(found),
                        Err(why) => lost.push(why),
                    }
                }
            }
        }
    }
    (all, lost)
}
