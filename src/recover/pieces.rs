//! Pieces of a backup, read back from a store: every byte is hashed, and kept in a folder where that
//! is asked for.
//!
//! Knows what a head says of its pieces, not what they hold. Invariants: a finding of damage has a
//! second, fresh reading; a file in the folder is whole and proven, or it is not there.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use crate::artifact::{Damage, ObjectLine, hex};
use crate::base::Stop;
use crate::pipeline::Meter;
use crate::recover::fault::Fault;
use crate::store::contract::{Error, ErrorKind, Store};

/// Bytes that are read in one request.
const RANGE: u64 = 8 << 20;

/// A piece, and the store that has it.
pub struct StoredPiece<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The piece.
    pub object: &'a ObjectLine,
}

/// Names the pieces that are not there, or have another size; reads nothing.
pub fn missing_pieces(pieces: &[StoredPiece<'_>], stop: &Stop) -> Result<Vec<Damage>, Fault> {
    let mut missing = Vec::new();
    for StoredPiece { store, object } in pieces {
        let found = match store.size(&object.key, stop)? {
            Some(bytes) if bytes == object.bytes => continue,
            Some(bytes) => format!("{} has {bytes} bytes instead of {}", object.key, object.bytes),
            None => format!("{} is missing", object.key),
        };
        missing.push(Damage::Object(found));
    }
    Ok(missing)
}

/// Reads pieces with some threads, into files of `folder` if there is one; returns what is damaged.
pub fn read_pieces(
    pieces: &[StoredPiece<'_>],
    folder: Option<&Path>,
    threads: usize,
    meter: &Meter,
    stop: &Stop,
) -> Result<Vec<Damage>, Fault> {
    let (next, inner) = (AtomicUsize::new(0), stop.child());
    let damage: Mutex<Vec<(usize, Damage)>> = Mutex::default();
    let failed: Mutex<Option<Fault>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(pieces.len()).max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(piece) = pieces.get(index) else { return };
                    match piece.read_twice(folder, meter, &inner) {
                        Ok(None) => {}
                        Ok(Some(found)) => {
                            damage.lock().expect("no panic while locked").push((index, found));
                        }
                        Err(fault) => {
                            failed.lock().expect("no panic while locked").get_or_insert(fault);
                            inner.stop();
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Some(fault) = failed.into_inner().expect("no panic while locked") {
        return Err(fault);
    }
    let mut damage = damage.into_inner().expect("no panic while locked");
    damage.sort_by_key(|(index, _)| *index);
    Ok(damage.into_iter().map(|(_, damage)| damage).collect())
}

impl StoredPiece<'_> {
    /// Reads a piece, and again what was not right: the way may have broken it.
    fn read_twice(
        &self,
        folder: Option<&Path>,
        meter: &Meter,
        stop: &Stop,
    ) -> Result<Option<Damage>, Fault> {
        match self.read(folder, meter, stop)? {
            None => Ok(None),
            Some(_) => self.read(folder, meter, stop),
        }
    }

    fn read(
        &self,
        folder: Option<&Path>,
        meter: &Meter,
        stop: &Stop,
    ) -> Result<Option<Damage>, Fault> {
        let (key, bytes) = (&self.object.key, self.object.bytes);
        let name = self.object.piece.as_ref().map_or("piece", |piece| piece.name.as_str());
        let io = |e: std::io::Error| Fault::Nothing {
            doing: format!("write {name}"),
            found: e.to_string(),
            hint: Some("Make room, or name another folder.".into()),
        };
        let fresh = folder.map(|folder| folder.join(format!("{name}.part")));
        let mut file = fresh.as_deref().map(File::create).transpose().map_err(io)?;
        let (mut digest, mut from) = (Sha256::new(), 0);
        while from < bytes {
            stop.check()?;
            let to = bytes.min(from + RANGE);
            let part = match self.store.read(key, Some(from..to), stop) {
                Ok(part) => part,
                Err(error) if is_damage(&error) => {
                    return Ok(Some(Damage::Object(format!("{key}: {}", error.found))));
                }
                Err(error) => return Err(error.into()),
            };
            digest.update(&part);
            if let Some(file) = &mut file {
                file.write_all(&part).map_err(io)?;
            }
            meter.stored(part.len() as u64);
            from = to;
        }
        if hex(&digest.finalize()) != self.object.sha256 {
            return Ok(Some(Damage::Object(format!(
                "{key} has another SHA-256 than its head says"
            ))));
        }
        if let (Some(file), Some(fresh), Some(folder)) = (file, fresh, folder) {
            file.sync_all().map_err(io)?;
            std::fs::rename(fresh, folder.join(name)).map_err(io)?;
        }
        Ok(None)
    }
}

/// Whether an error says that the object is not what it was, and nothing of the way.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Missing | ErrorKind::Damaged)
}
