//! Removes what dead runs left: what has a marker of a run that is dead, and no head.
//!
//! A container without a marker may be anybody's: an old script's backup of the same name, or a
//! backup whose head was lost. It is never removed. A run is dead when its process is gone from
//! this machine, or when its newest marker is a week old by the clock of the store.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::artifact::{ABANDONED, LARGEST_MARKER, MANIFEST, Marker, Part};
use crate::base::{Id, ProcessId, Stop};
use crate::shelf::artifacts::Shelf;
use crate::store::contract::{Error as StoreError, ErrorKind, Object};

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Objects that were removed.
    pub objects: usize,
    /// Markers that can't be read, and why: what they stand beside is left alone.
    pub unreadable: Vec<(String, String)>,
}

impl Shelf {
    /// Removes what dead runs left in the folder; `is_gone` knows the processes of this machine.
    pub fn sweep(
        &self,
        is_gone: &dyn Fn(&ProcessId) -> bool,
        stop: &Stop,
    ) -> Result<Swept, StoreError> {
        let objects = self.store.list(self.naming.folder(), stop)?;
        let mut groups: BTreeMap<&str, Vec<(&Object, Part)>> = BTreeMap::new();
        for object in &objects {
            if let Some((container, part)) = self.naming.part(&object.key) {
                groups.entry(container).or_default().push((object, part));
            }
        }
        groups.retain(|_, parts| {
            let has = |kind| parts.iter().any(|(_, part)| *part == kind);
            has(Part::Begun) && !has(Part::Head)
        });
        let mut swept = Swept::default();
        if groups.is_empty() {
            return Ok(swept);
        }
        let now = self.store.now(stop)?;
        for (container, parts) in groups {
            let (dead, runs) = self.dead_runs(&parts, now, is_gone, &mut swept, stop)?;
            // A run that died between its head and its marker left a backup.
            if !dead || self.store.size(&format!("{container}{MANIFEST}"), stop)?.is_some() {
                continue;
            }
            swept.objects += self.store.sweep(container, stop)?;
            for run in &runs {
                swept.objects += self.sweep_pieces(container, run, stop)?;
            }
            // The marker last: a sweep that is cut short is done again.
            let (markers, others): (Vec<_>, Vec<_>) =
                parts.iter().partition(|(_, part)| *part == Part::Begun);
            for (object, _) in others.iter().chain(&markers) {
                self.store.remove(&object.key, stop)?;
                swept.objects += 1;
            }
        }
        Ok(swept)
    }

    /// Whether all that have markers there are dead, and which runs they are.
    fn dead_runs(
        &self,
        parts: &[(&Object, Part)],
        now: Timestamp,
        is_gone: &dyn Fn(&ProcessId) -> bool,
        swept: &mut Swept,
        stop: &Stop,
    ) -> Result<(bool, Vec<Id>), StoreError> {
        let markers = parts.iter().filter(|(_, part)| *part == Part::Begun);
        let (mut dead, mut runs) = (true, Vec::new());
        for (object, _) in markers {
            let old = object.modified.is_some_and(|at| now.duration_since(at) > ABANDONED);
            dead &= match self.store.read_small(&object.key, LARGEST_MARKER, stop) {
                Ok(bytes) => match Marker::parse(&bytes) {
                    Ok(marker) => {
                        let is_dead = old || marker.process.as_ref().is_some_and(is_gone);
                        runs.push(marker.run);
                        is_dead
                    }
                    Err(damage) => {
                        swept.unreadable.push((object.key.clone(), damage.to_string()));
                        false
                    }
                },
                // Its run has just committed, or marks it anew: both are alive.
                Err(error) if error.kind == ErrorKind::Missing => false,
                Err(error) if matches!(error.kind, ErrorKind::Stopped) => return Err(error),
                Err(error) => {
                    swept.unreadable.push((object.key.clone(), error.to_string()));
                    false
                }
            };
        }
        Ok((dead, runs))
    }
}
