//! Reads a backup back, all of it, and keeps what was found beside it and in the history.

use std::slice;

use crate::artifact::{Damage, Dialect, Head, Level, PROOF_FORMAT, ProofLine};
use crate::pipeline::{self, Fetch, Meter};
use crate::plan::BackupWish;
use crate::record::{Event, ProofFacts};
use crate::recover::candidates::Picked;
use crate::recover::fault::Fault;
use crate::recover::lease::leased;
use crate::recover::look::look;
use crate::recover::opened::Opened;
use crate::recover::operator::Work;
use crate::recover::pieces::{StoredPiece, read_pieces};
use crate::source;

/// Threads that read.
const THREADS: usize = 4;

/// A backup that was read back, and what was found.
#[derive(Debug, Clone)]
pub struct ReadBack {
    /// The backup.
    pub head: Head,
    /// What was found.
    pub proof: ProofLine,
    /// Rows that its manifest has.
    pub rows: u64,
}

/// Reads the backup that is meant; what is damaged is a finding, and no error.
pub fn read_back(which: &BackupWish, work: Work<'_>) -> Result<ReadBack, Fault> {
    let mut candidates = look(which, work.world, work.operator, work.stop)?;
    // One that was found damaged stays the newest: an older one says nothing of it.
    candidates.again = true;
    let mut picked = candidates.take(which, work.operator, work.stop)?;
    let head = picked.manifest.head.clone();
    let place = picked.place().filter(|_| candidates.readings.is_empty());
    let (level, damage) = leased(&place, slice::from_ref(&head.key), work, || {
        if head.is_pieces() {
            return Ok((Level::Hashed, hash(&picked, work)?));
        }
        let dialect = source::dialect(&head.kind).ok_or_else(|| Fault::Nothing {
            doing: format!("read {}", head.key),
            found: format!("this vex does not know backups of kind {}", head.kind),
            hint: Some("Use a newer vex.".into()),
        })?;
        read(&mut picked, dialect, work)
    })?;
    let proof = ProofLine {
        format: PROOF_FORMAT,
        id: head.id.clone(),
        level,
        at: work.world.clock.now(),
        good: damage.is_empty(),
        damage: damage.iter().map(ToString::to_string).collect(),
        host: work.world.host(),
        into: None,
    };
    keep(&picked, &head, &proof, work);
    let rows = picked.manifest.proofs().iter().map(|(_, p)| p.rows).sum();
    Ok(ReadBack { head, proof, rows })
}

/// Reads every piece of a backup, and hashes it; returns what is damaged.
fn hash(picked: &Picked, work: Work<'_>) -> Result<Vec<Damage>, Fault> {
    let store = picked.store.as_ref();
    let of = |object| StoredPiece { store, object, key: None };
    let pieces: Vec<StoredPiece<'_>> = picked.manifest.head.objects.iter().map(of).collect();
    read_pieces(&pieces, None, THREADS, &Meter::default(), work.stop)
}

/// Reads all of a backup, its index first; returns how deep that went, and what is damaged.
fn read(
    picked: &mut Picked,
    dialect: Dialect,
    work: Work<'_>,
) -> Result<(Level, Vec<Damage>), Fault> {
    let store = picked.store.clone();
    if picked.manifest.head.sealed_by_age() && picked.key.is_none() && picked.shelf.is_some() {
        let (meter, head) = (Meter::default(), picked.manifest.head.clone());
        let found =
            work.watched(&meter, |stop| pipeline::hashed(store.as_ref(), &head, &meter, stop))?;
        return Ok((Level::Hashed, found));
    }
    if let Err(fault) = picked.open(work.stop) {
        return Ok((Level::Read, vec![fault.damage()?]));
    }
    let opened = Opened::new(store.as_ref(), picked.contents());
    let meter = Meter::default();
    let fetch = Fetch {
        store: store.as_ref(),
        manifest: &picked.manifest,
        key: picked.key.as_ref(),
        meter: &meter,
    };
    let found =
        work.watched(&meter, |stop| pipeline::verify(&fetch, &opened, dialect, THREADS, stop))?;
    Ok((Level::Read, found))
}

/// Keeps a proof beside its artifact, and in the history.
pub(super) fn keep(picked: &Picked, head: &Head, proof: &ProofLine, work: Work<'_>) {
    if let Some(shelf) = &picked.shelf
        && let Err(error) = shelf.prove(head, proof, work.stop)
    {
        work.warn(format_args!("the proof could not be kept: {error}"));
    }
    let Some(say) = work.say else { return };
    let name = picked.name.as_deref().unwrap_or_default();
    let facts = ProofFacts::of(proof, &head.source, name);
    let facts = ProofFacts { place: picked.store.place().to_owned(), ..facts };
    say.event(Event::Proved { step: say.step(), proof: facts });
}
