//! A drill of a physical backup: unpacked with all that it adds to, checked by PostgreSQL's own
//! program, and a server started on it.
//!
//! Invariant: a server that does not start is an error of the drill; damage of the backup is only
//! what its own hashes or `pg_verifybackup` say.

use std::cell::Cell;
use std::time::Instant;

use jiff::Timestamp;

use crate::artifact::{Damage, Head, Level};
use crate::base::Stop;
use crate::job::SourceSpec;
use crate::pipeline::{Fetch, Meter};
use crate::plan::{SCRATCH, SourceRef, Verify};
use crate::recover::{Fault, facts, key_of, load_all};
use crate::run::Say;
use crate::shelf::Shelf;
use crate::source::{Room, write_map};
use crate::step::drill::Drill;
use crate::step::perform::Steps;
use crate::step::verify::{no_cluster, sealed};

impl Steps {
    /// Drills; returns what is damaged, and whether it took too long.
    pub(super) fn drill_files(
        &self,
        verify: &Verify,
        (shelf, head): (&Shelf, &Head),
        (began, told): ((Timestamp, Instant), &Cell<bool>),
        say: &Say,
        stop: &Stop,
    ) -> Result<(Vec<Damage>, bool), Fault> {
        let SourceSpec::Cluster(spec) = &verify.source.spec else {
            return Err(no_cluster(verify));
        };
        let key = key_of(&verify.keys, head, stop)?;
        if head.sealed_by_age() && key.is_none() {
            return Err(sealed(head, SCRATCH));
        }
        let (store, meter) = (shelf.store().as_ref(), Meter::default());
        let manifest = load_all(store, head, stop)?;
        let fetch = Fetch { store, manifest: &manifest, key: key.as_ref(), meter: &meter };
        let tools = &spec.server.tools;
        let room = Room::of(tools, facts(&fetch, stop)?.major(), &self.world.staging(), stop)?;
        let prove = |level: Level, damage: &[Damage]| {
            let name = Some(SCRATCH.to_owned());
            self.note_proof(shelf, head, level, name, damage, verify, say, stop)
        };
        let drilled = |spec: &SourceSpec, damage: Vec<Damage>| {
            let into = SourceRef { name: SCRATCH.to_owned(), spec: spec.clone() };
            told.set(true);
            self.drilled(&Drill { verify, into: &into, head, began }, Ok(damage), say, stop)
        };
        let place = (room.private(), room.owner());
        let made = match self.assembled(verify, shelf, &fetch, place, say, stop) {
            Ok(made) => made,
            Err(fault) => {
                let damage = vec![fault.damage()?];
                prove(Level::Restored, &damage)?;
                return drilled(&verify.source.spec, damage);
            }
        };
        if !made.damage.is_empty() {
            prove(Level::Restored, &made.damage)?;
            return drilled(&verify.source.spec, made.damage);
        }
        write_map(&made.data, &made.spaces, room.owner())?;
        let mut with = |spec: &SourceSpec| {
            let ended = drilled(spec, Vec::new());
            stop.check()?;
            // What does not answer as the job asserts is what was dumped, and no restore that anybody
            // wants.
            prove(if ended.is_ok() { Level::Restored } else { Level::Read }, &[])?;
            ended
        };
        room.serve((&made.data, &spec.server), &|line| say.info(line), &mut with, stop)
    }
}
