//! Sends the pieces of a backup to every store, each as soon as RMAN has written it.
//!
//! Knows no RMAN: a piece is a file, sealed on its way where the job wants that. Invariants: the
//! hash is that of the very bytes that were sent; a store that fails takes no more, and the others go
//! on; a piece counts as sent once the store acknowledged it and says that it has its size. Memory:
//! one part for each worker.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crossbeam_channel::Receiver;
use sha2::{Digest, Sha256};

use crate::artifact::{PieceSeal, PlainPiece, Sealing, hex, piece_ending, piece_key};
use crate::base::Stop;
use crate::pipeline::Meter;
use crate::step::copies::PieceCopy;
use crate::store::contract::{Error, ErrorKind, Upload};
use crate::world::failpoint;

/// Bytes of a part, where that makes no more parts than stores take.
const PART: u64 = 8 << 20;

/// Parts of one object that every store takes.
const PARTS: u64 = 9_000;

/// Bytes that are read at once.
const ROOM: usize = 1 << 20;

/// A piece that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The file.
    pub path: PathBuf,
    /// What its seal adds to its name.
    pub ending: &'static str,
    /// The size of the object.
    pub bytes: u64,
    /// The SHA-256 of the object, hexadecimal.
    pub sha256: String,
    /// The file itself, where the object is sealed.
    pub plain: Option<PlainPiece>,
}

impl Sent {
    /// The size of the file.
    pub fn file_bytes(&self) -> u64 {
        self.plain.as_ref().map_or(self.bytes, |plain| plain.bytes)
    }
}

/// A piece on its way into a copy: its key, and its upload as long as the copy takes pieces.
type Sending<'a> = (&'a PieceCopy, String, Option<Box<dyn Upload>>);

/// Sends pieces.
pub struct PieceSender<'a> {
    /// The name of the artifact.
    pub name: &'a str,
    /// Where they go.
    pub copies: &'a [PieceCopy],
    /// What seals them.
    pub seal: Option<&'a Sealing>,
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
        let ending = piece_ending(self.seal);
        let parts = self.begin(&format!("{name}{ending}"), bytes, stop);
        let mut out = PieceSeal::begin(parts, &name, self.seal).map_err(io)?;
        let (mut digest, mut left, mut room) = (Sha256::new(), bytes, vec![0; ROOM]);
        while left > 0 {
            stop.check().map_err(|_| "the run was stopped".to_owned())?;
            let wanted = left.min(ROOM as u64) as usize;
            file.read_exact(&mut room[..wanted]).map_err(io)?;
            if self.seal.is_some() {
                digest.update(&room[..wanted]);
            }
            out.write_all(&room[..wanted]).map_err(io)?;
            self.meter.read(wanted as u64, 0);
            left -= wanted as u64;
        }
        let (stored, sha256) = out.finish().map_err(io)?.finish();
        let plain = self.seal.map(|_| PlainPiece { bytes, sha256: hex(&digest.finalize()) });
        Ok(Sent { path: path.to_path_buf(), ending, bytes: stored, sha256, plain })
    }

    /// Begins an object of about so many bytes in every store that takes pieces.
    fn begin<'s>(&'s self, name: &str, bytes: u64, stop: &'s Stop) -> Parts<'s> {
        let begun = |copy: &'s PieceCopy| {
            let key = piece_key(&copy.root, self.name, name);
            let upload = self.of(copy, || copy.store.create(&key, stop));
            (copy, key, upload)
        };
        let part = PART.max(bytes.div_ceil(PARTS).next_multiple_of(1 << 20)) as usize;
        Parts {
            sender: self,
            uploads: self.copies.iter().map(begun).collect(),
            part,
            waiting: Vec::with_capacity(part.min(bytes as usize + ROOM)),
            digest: Sha256::new(),
            offset: 0,
            number: 1,
            stop,
        }
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

/// An object on its way into every store, cut into parts.
struct Parts<'a> {
    sender: &'a PieceSender<'a>,
    uploads: Vec<Sending<'a>>,
    /// Bytes of a part.
    part: usize,
    /// What is not sent yet, less than a part.
    waiting: Vec<u8>,
    digest: Sha256,
    offset: u64,
    number: u32,
    stop: &'a Stop,
}

impl Parts<'_> {
    /// Sends what waits as one part.
    fn ship(&mut self) {
        let bytes = std::mem::take(&mut self.waiting);
        self.digest.update(&bytes);
        for (copy, _, upload) in &mut self.uploads {
            let Some(own) = upload else { continue };
            let sent = || own.part(self.number, self.offset, &bytes, self.stop);
            match self.sender.of(copy, sent) {
                Some(()) => self.sender.meter.sent(bytes.len() as u64),
                None => *upload = None,
            }
        }
        self.offset += bytes.len() as u64;
        self.number += 1;
        self.waiting = bytes;
        self.waiting.clear();
    }

    /// Ends the object in every store that has all of it; returns its size and SHA-256.
    fn finish(mut self) -> (u64, String) {
        if !self.waiting.is_empty() {
            self.ship();
        }
        let bytes = self.offset;
        for (copy, key, upload) in self.uploads {
            let Some(upload) = upload else { continue };
            self.sender.of(copy, || {
                upload.finish(bytes)?;
                match copy.store.size(&key, self.stop)? {
                    Some(found) if found == bytes => Ok(()),
                    found => Err(Error::new(
                        ErrorKind::Damaged,
                        format!("send {key} to {}", copy.store.place()),
                        format!("it has {found:?} bytes there instead of {bytes}"),
                    )),
                }
            });
        }
        (bytes, hex(&self.digest.finalize()))
    }
}

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.part - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        if self.waiting.len() == self.part {
            self.ship();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
