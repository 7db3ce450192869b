//! Sends the pieces of a backup to every store, each as soon as RMAN has written it.
//!
//! Knows no RMAN: a piece is a file. Invariants: the hash is that of the very bytes that were sent;
//! a store that fails takes no more, and the others go on; a piece counts as sent once the store
//! acknowledged it and says that it has its size. Memory: one part for each worker.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crossbeam_channel::Receiver;
use sha2::{Digest, Sha256};

use crate::artifact::{hex, piece_key};
use crate::base::Stop;
use crate::pipeline::Meter;
use crate::step::copies::PieceCopy;
use crate::store::contract::{Error, ErrorKind, Upload};
use crate::world::failpoint;

/// Bytes of a part, where that makes no more parts than stores take.
const PART: u64 = 8 << 20;

/// Parts of one object that every store takes.
const PARTS: u64 = 9_000;

/// A piece that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

/// A piece on its way into a copy: its key, and its upload as long as the copy takes pieces.
type Sending<'a> = (&'a PieceCopy, String, Option<Box<dyn Upload>>);

/// Sends pieces.
pub struct PieceSender<'a> {
    /// The name of the artifact.
    pub name: &'a str,
    /// Where they go.
    pub copies: &'a [PieceCopy],
    /// Counts.
    pub meter: &'a Meter,
    /// Guards what was sent.
    pub sent: Mutex<Vec<Sent>>,
}

impl PieceSender<'_> {
    /// Sends what comes until nothing comes any more; `none_left` is stopped when no store takes
    /// anything.
    pub fn work(
        &self,
        pieces: &Receiver<PathBuf>,
        none_left: &Stop,
        stop: &Stop,
    ) -> Result<(), String> {
        for path in pieces.iter() {
            if stop.is_stopped() || none_left.is_stopped() {
                return Ok(());
            }
            let sent = self.send(&path, stop)?;
            self.sent.lock().expect("no panic while locked").push(sent);
            failpoint("piece sent");
            let failed = |c: &PieceCopy| c.failed.lock().expect("no panic while locked").is_some();
            if self.copies.iter().all(failed) {
                none_left.stop();
            }
        }
        Ok(())
    }

    /// Reads a piece once, and sends it to every store that still takes pieces. The error is why it
    /// could not be read.
    fn send(&self, path: &Path, stop: &Stop) -> Result<Sent, String> {
        let io = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut uploads: Vec<Sending<'_>> = Vec::new();
        for copy in self.copies {
            let key = piece_key(&copy.root, self.name, &name);
            let upload = self.of(copy, || copy.store.create(&key, stop));
            uploads.push((copy, key, upload));
        }
        let part = PART.max(bytes.div_ceil(PARTS).next_multiple_of(1 << 20));
        let (mut digest, mut offset, mut number) = (Sha256::new(), 0, 1);
        let mut buffer = vec![0; part.min(bytes.max(1)) as usize];
        while offset < bytes {
            stop.check().map_err(|_| "the run was stopped".to_owned())?;
            let wanted = part.min(bytes - offset) as usize;
            file.read_exact(&mut buffer[..wanted]).map_err(io)?;
            digest.update(&buffer[..wanted]);
            for (copy, _, upload) in &mut uploads {
                let Some(own) = upload else { continue };
                let sent = self.of(copy, || own.part(number, offset, &buffer[..wanted], stop));
                match sent {
                    Some(()) => self.meter.sent(wanted as u64),
                    None => *upload = None,
                }
            }
            self.meter.read(wanted as u64, 0);
            offset += wanted as u64;
            number += 1;
        }
        for (copy, key, upload) in uploads {
            let Some(upload) = upload else { continue };
            self.of(copy, || {
                upload.finish(bytes)?;
                match copy.store.size(&key, stop)? {
                    Some(found) if found == bytes => Ok(()),
                    found => Err(Error::new(
                        ErrorKind::Damaged,
                        format!("send {key} to {}", copy.store.place()),
                        format!("it has {found:?} bytes there instead of {bytes}"),
                    )),
                }
            });
        }
        Ok(Sent { path: path.to_path_buf(), bytes, sha256: hex(&digest.finalize()) })
    }

    /// Does something at a store that takes pieces still; its first failure is kept.
    fn of<T>(&self, copy: &PieceCopy, work: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        if copy.failed.lock().expect("no panic while locked").is_some() {
            return None;
        }
        work()
            .map_err(|error| {
                copy.failed.lock().expect("no panic while locked").get_or_insert(error);
            })
            .ok()
    }
}
