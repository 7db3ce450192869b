//! Proves pieces of RMAN: all of them are read back and hashed, and, where an instance is named, RMAN
//! itself reads them there.
//!
//! Invariant: a backup is called validated only if RMAN ended without an error.

use std::sync::Arc;

use crate::artifact::{Damage, Head, Level, Position};
use crate::base::Stop;
use crate::job::{OracleSpec, SourceSpec};
use crate::pipeline::Meter;
use crate::plan::Verify;
use crate::recover::{Fault, StoredPiece, Validate, key_of, read_pieces, watched};
use crate::run::Say;
use crate::shelf::{Shelf, Shelved};
use crate::source::contract::Hear;
use crate::step::perform::Steps;
use crate::step::verify::beside;
use crate::store::contract::Store;

impl Steps {
    /// Reads all pieces of a backup; says how deep that went, and what is damaged.
    pub(super) fn examine_pieces(
        &self,
        verify: &Verify,
        shelf: &Shelf,
        head: &Head,
        say: &Say,
        stop: &Stop,
    ) -> Result<(Level, Vec<Damage>), Fault> {
        let lab = match verify.into.as_ref().map(|into| &into.spec) {
            Some(SourceSpec::Oracle(spec)) => spec,
            Some(_) | None => {
                let found = hashed(shelf.store().as_ref(), head, verify.threads, stop)?;
                return Ok((Level::Hashed, found));
            }
        };
        let found = hashed(shelf.store().as_ref(), head, verify.threads, stop)?;
        if !found.is_empty() {
            return Ok((Level::Hashed, found));
        }
        Ok((Level::Validated, self.validated(verify, lab, (shelf, head), say, stop)?))
    }

    fn validated(
        &self,
        verify: &Verify,
        lab: &OracleSpec,
        (shelf, head): (&Shelf, &Head),
        say: &Say,
        stop: &Stop,
    ) -> Result<Vec<Damage>, Fault> {
        let incarnation = |head: &Head| match head.position {
            Some(Position::Oracle { dbid, resetlogs, .. }) => Some((dbid, resetlogs)),
            Some(_) | None => None,
        };
        let mut all = beside(verify, shelf, stop)?;
        all.retain(|a| incarnation(&a.head) == incarnation(head) && a.head.key != head.key);
        all.retain(|a| !a.is_damaged() && a.head.started <= head.started);
        all.sort_by_key(Shelved::moment);
        let heads: Vec<Head> = all.into_iter().map(|a| a.head).chain([head.clone()]).collect();
        let voice = say.clone();
        let hear: Hear = Arc::new(move |line: &str| voice.engine(line));
        let store = shelf.store().clone();
        let meter = Meter::default();
        watched_fault(&meter, say, stop, |stop| {
            let key = |head: &Head| key_of(&verify.keys, head, stop);
            let ask = Validate {
                lab,
                heads: &heads,
                store: store.as_ref(),
                key: &key,
                threads: verify.threads,
                hear: hear.clone(),
            };
            ask.perform(&self.world, &meter, stop)
        })
    }
}

/// Does work whose counters are shown, and whose error is any.
fn watched_fault<T>(
    meter: &Meter,
    say: &Say,
    stop: &Stop,
    work: impl FnOnce(&Stop) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut ended = None;
    watched(meter, say, stop, &|| {}, |stop| {
        let _wait = meter.wait("RMAN");
        ended = Some(work(stop));
        Ok(())
    })?;
    ended.expect("BUG: work that was not done")
}

/// Reads every piece of a backup, and hashes it; returns what is damaged.
fn hashed(
    store: &dyn Store,
    head: &Head,
    threads: usize,
    stop: &Stop,
) -> Result<Vec<Damage>, Fault> {
    let pieces = head.objects.iter().map(|object| StoredPiece { store, object, key: None });
    let pieces: Vec<StoredPiece<'_>> = pieces.collect();
    read_pieces(&pieces, None, threads, &Meter::default(), stop)
}
