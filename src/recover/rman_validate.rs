//! Has RMAN read a backup in a scratch instance, with all that a restore of it would read.
//!
//! Invariants: the instance is asked before any piece is read; the pieces lie in a folder of their
//! own, hashed, before RMAN sees them; what is no finding of RMAN about pieces is no damage.

use crate::artifact::{Damage, Head, Key, Position};
use crate::base::Stop;
use crate::job::OracleSpec;
use crate::pipeline::Meter;
use crate::plan::{OracleMode, Until};
use crate::recover::fault::Fault;
use crate::recover::pieces::{StoredPiece, opener, read_pieces};
use crate::recover::rman_select::select;
use crate::source::contract::Hear;
use crate::source::{Oracle, Validation};
use crate::store::contract::Store;
use crate::world::World;

/// What is validated, and where.
pub struct Validate<'a> {
    /// The scratch instance.
    pub lab: &'a OracleSpec,
    /// The backup, last, and what its store has of its incarnation before it, the oldest first.
    pub heads: &'a [Head],
    /// The store.
    pub store: &'a dyn Store,
    /// What opens the pieces of a head.
    pub key: &'a dyn Fn(&Head) -> Result<Option<Key>, Fault>,
    /// Pieces that are read at once.
    pub threads: usize,
    /// Hears RMAN.
    pub hear: Hear,
}

impl Validate<'_> {
    /// Reads the pieces and has RMAN read them; returns what is damaged.
    pub fn perform(self, world: &World, meter: &Meter, stop: &Stop) -> Result<Vec<Damage>, Fault> {
        let refs: Vec<&Head> = self.heads.iter().collect();
        let head = refs.last().expect("BUG: no backup to validate");
        let Some(Position::Oracle { dbid, .. }) = head.position else {
            return Ok(vec![Damage::Manifest("it does not say which database it is of".into())]);
        };
        let level = head.pieces().filter_map(|(_, line)| line.level).max();
        let mode = if level == Some(0) { OracleMode::Full } else { OracleMode::Incremental };
        let selection = match select(&refs, mode, &Until::Latest) {
            Ok(selection) => selection,
            Err(found) => return Ok(vec![Damage::Manifest(found)]),
        };
        let oracle = Oracle::open(self.lab, world)?;
        let _lock = oracle.lock("validate in")?;
        let private = oracle.private()?;
        // Scripts lie elsewhere: RMAN catalogues a whole folder.
        let scripts = oracle.private()?;
        let lab = oracle.lab(&scripts, self.hear.clone(), stop)?;
        let mut keys: Vec<Option<Key>> = Vec::new();
        for (at, head) in refs.iter().enumerate() {
            let used = selection.pieces.iter().find(|(own, _)| *own == at);
            let Some((_, object)) = used.filter(|_| head.sealed()) else {
                keys.push(None);
                continue;
            };
            keys.push(Some(opener(head, &head.objects[*object], (self.key)(head)?)?));
        }
        let of = |(at, object): &(usize, usize)| StoredPiece {
            store: self.store,
            object: &refs[*at].objects[*object],
            key: keys[*at].as_ref(),
        };
        let pieces: Vec<StoredPiece<'_>> = selection.pieces.iter().map(of).collect();
        let bytes: u64 = pieces.iter().map(|piece| piece.object.bytes).sum();
        private
            .has_room(bytes, "or name another folder with `staging=` of the scratch instance")?;
        meter.expect(bytes);
        let damage = read_pieces(&pieces, Some(private.path()), self.threads, meter, stop)?;
        if !damage.is_empty() {
            return Ok(damage);
        }
        let (at, object) = selection.control;
        let control = refs[at].objects[object].piece.as_ref().map(|piece| piece.name.as_str());
        let found = lab.validate(&Validation {
            folder: private.path(),
            dbid,
            control: control.expect("BUG: a control file that is no piece"),
            channels: oracle.channels(self.threads),
            end: selection.end(&Until::Latest, false, |at| at.to_string()),
        })?;
        Ok(found.err().map(|error| Damage::Object(error.found)).into_iter().collect())
    }
}
