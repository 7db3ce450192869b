//! Rows and digests of what was restored, against the manifest.
//!
//! Knows a target, not which server it is. What is counted is what the target has now; a table
//! counts as restored only if all its parts together are what the manifest says.

use std::sync::Mutex;

use crate::artifact::{Damage, Manifest, Proof};
use crate::base::Stop;
use crate::pipeline::stage::Error;
use crate::source::contract::Target;

/// A count of many tables, in parts that workers take.
pub struct Recount<'a> {
    manifest: &'a Manifest,
    target: &'a dyn Target,
    /// The rows of each table, by its member, as the manifest has them.
    tables: Vec<(usize, Proof)>,
    /// Which table, and which part of it.
    work: Vec<(usize, usize)>,
    /// Guards what was found so far, by table.
    found: Vec<Mutex<Proof>>,
}

impl<'a> Recount<'a> {
    /// Of these tables, by their members, which should have what stands beside them.
    pub fn new(
        manifest: &'a Manifest,
        target: &'a dyn Target,
        tables: Vec<(usize, Proof)>,
        stop: &Stop,
    ) -> Result<Recount<'a>, Error> {
        let mut work: Vec<(usize, usize)> = Vec::new();
        for (table, (index, _)) in tables.iter().enumerate() {
            let parts = target.parts(&manifest.members[*index], stop)?;
            work.extend((0..parts).map(|part| (table, part)));
        }
        let found = tables.iter().map(|_| Mutex::default()).collect();
        Ok(Recount { manifest, target, tables, work, found })
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.work.len()
    }

    /// Counts one part as worker number `worker`.
    pub fn count(&self, worker: usize, part: usize, stop: &Stop) -> Result<(), Error> {
        let (table, part) = self.work[part];
        let member = &self.manifest.members[self.tables[table].0];
        let own = self.target.prove_part(worker, member, part, stop)?;
        *self.found[table].lock().expect("no panic while locked") += own;
        Ok(())
    }

    /// What differs, once all parts are counted.
    pub fn differences(self) -> Vec<Damage> {
        let mut damage = Vec::new();
        for ((index, expected), found) in self.tables.iter().zip(self.found) {
            let found = found.into_inner().expect("no panic while locked");
            if found != *expected {
                let show = |p: Proof| format!("{} rows with digest {}", p.rows, p.digest);
                let title = self.manifest.members[*index].title();
                damage.push(Damage::Rows { title, expected: show(*expected), found: show(found) });
            }
        }
        damage
    }
}
