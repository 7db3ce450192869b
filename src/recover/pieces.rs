//! Pieces of a backup, read back from a store: every byte is hashed, and kept in a folder, opened,
//! where that is asked for.
//!
//! Knows what a head says of its pieces, not what they hold. Invariants: a finding of damage has a
//! second, fresh reading; a file in the folder is whole and proven, or it is not there.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Component, Path};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use crate::artifact::{Damage, Head, Key, ObjectLine, fingerprint_of, hex, open_piece};
use crate::base::Stop;
use crate::pipeline::Meter;
use crate::recover::fault::Fault;
use crate::source::is_quotable;
use crate::store::contract::{Error, ErrorKind, Store};

/// Bytes that are read in one request.
const RANGE: u64 = 8 << 20;

/// A piece, and the store that has it.
pub struct StoredPiece<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The piece.
    pub object: &'a ObjectLine,
    /// What opens it, where it is sealed and kept.
    pub key: Option<&'a Key>,
}

/// Names the pieces that are not there, or have another size; reads nothing.
pub fn missing_pieces(pieces: &[StoredPiece<'_>], stop: &Stop) -> Result<Vec<Damage>, Fault> {
    let mut missing = Vec::new();
    for StoredPiece { store, object, .. } in pieces {
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
        if folder.is_some() && !is_plain(name) {
            let found = format!("{key} has a name that can't be a file of RMAN: {name:?}");
            return Ok(Some(Damage::Object(found)));
        }
        let io = |e: std::io::Error| unwritten(Path::new(name), &e);
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
            return self.keep(&fresh, &folder.join(name), stop);
        }
        Ok(None)
    }

    /// Makes the file of a piece of what was read and proven; opens it where it is sealed.
    fn keep(&self, fresh: &Path, to: &Path, stop: &Stop) -> Result<Option<Damage>, Fault> {
        let line = self.object.piece.as_ref();
        let Some(plain) = line.and_then(|line| line.plain.as_ref()) else {
            return std::fs::rename(fresh, to).map(|()| None).map_err(|e| unwritten(to, &e));
        };
        let name = line.map_or("piece", |line| line.name.as_str());
        let key = self.key.ok_or_else(|| Fault::Damage(Damage::sealed(name, false)))?;
        // A name of a source may have dots.
        let opened = to.with_file_name(format!("{name}.open"));
        let io = |e: std::io::Error| unwritten(to, &e);
        let mut out = Stopped { file: File::create(&opened).map_err(io)?, stop };
        let sealed = BufReader::new(File::open(fresh).map_err(io)?);
        let found = open_piece(sealed, (name, plain), key, &mut out);
        stop.check()?;
        // Nothing of it stays beside the pieces: RMAN would take it for one.
        std::fs::remove_file(fresh).map_err(io)?;
        if let Err(damage) = found.map_err(io)? {
            std::fs::remove_file(&opened).map_err(io)?;
            return match damage {
                Damage::Sealed { .. } => Err(Fault::Damage(damage)),
                other => Ok(Some(other)),
            };
        }
        out.file.sync_all().map_err(io)?;
        std::fs::rename(opened, to).map(|()| None).map_err(io)
    }
}

/// Whether the name of a piece is that of one file, and can stand in a script. Heads are checked where
/// they are read; this holds for whatever else comes here.
pub fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let is_one = matches!(parts.next(), Some(Component::Normal(part)) if part == name);
    is_one && parts.next().is_none() && is_quotable(Path::new(name))
}

/// What opens the pieces of a sealed head, of which `object` is one: whoever has it not, or another,
/// is told before anything is read.
pub fn opener(head: &Head, object: &ObjectLine, found: Option<Key>) -> Result<Key, Fault> {
    let name = object.key.as_str();
    let shut = |given| match head.sealed_by_age() {
        true => Damage::sealed_by_age(name, given),
        false => Damage::sealed(name, given),
    };
    let found = found.ok_or_else(|| Fault::Damage(shut(false)))?;
    let own = head.seal.as_ref().and_then(|seal| seal.fingerprint.as_ref());
    let is_another = found.password().is_some_and(|password| {
        own.is_some_and(|own| *own != fingerprint_of(password, &head.job, &head.source))
    });
    match is_another {
        true => Err(Fault::Damage(shut(true))),
        false => Ok(found),
    }
}

/// A file that takes nothing more once a stop was asked for.
struct Stopped<'a> {
    file: File,
    stop: &'a Stop,
}

impl Write for Stopped<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stop.check().map_err(|_| std::io::Error::other("the restore was stopped"))?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn unwritten(path: &Path, error: &std::io::Error) -> Fault {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Fault::Nothing {
        doing: format!("write {name}"),
        found: error.to_string(),
        hint: Some("Make room, or name another folder.".into()),
    }
}

/// Whether an error says that the object is not what it was, and nothing of the way.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Missing | ErrorKind::Damaged)
}
