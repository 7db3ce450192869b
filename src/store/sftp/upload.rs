//! A file on its way to a server: written under a temporary name, made durable, then given its own,
//! which must be free.
//!
//! Invariants: the final name appears only when every byte came; a name that another took meanwhile
//! stays his; where the answer to the last step was lost, the server is looked at, never guessed.
//! A connection that ends takes the upload with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::base::{Deadline, Stop};
use crate::store::contract::{Error, ErrorKind, Result, Upload};
use crate::store::sftp::place::Place;
use crate::store::sftp::session::{Handle, Session};
use crate::store::temporary::temporary;
use crate::world::Entropy;

/// How long an upload is taken back for, at most.
const TAKING_BACK: Duration = Duration::from_secs(10);

/// A temporary file that is to become `target`.
pub struct SftpUpload {
    place: Arc<Place>,
    session: Arc<Session>,
    handle: Handle,
    temporary: String,
    target: String,
    doing: String,
    /// Guards what was written: offset and length of each part.
    parts: Mutex<BTreeMap<u64, u64>>,
    stop: Stop,
    ended: bool,
}

impl SftpUpload {
    /// Makes a temporary file beside the object of a key.
    pub fn open(place: &Arc<Place>, key: &str, stop: &Stop) -> Result<SftpUpload> {
        let doing = format!("write {key} in {}", place.name());
        let target = place.path(key, &doing)?;
        let session = place.session(&doing, stop)?;
        if session.look(&target, &doing, stop)?.is_some() {
            return Err(taken(&doing));
        }
        let (folder, name) = target.rsplit_once('/').unwrap_or(("", &target));
        let make = |entropy: &Entropy| {
            let temporary = format!("{folder}/{}", temporary(name, entropy.bits()));
            let handle = session.make_file(&temporary, &doing, stop)?;
            Ok((temporary, handle))
        };
        let made = match make(&place.world().entropy) {
            Err(Error { kind: ErrorKind::Missing, .. }) => {
                place.make_folders(&session, &target, &doing, stop)?;
                make(&place.world().entropy)
            }
            made => made,
        };
        let (temporary, handle) = made?;
        Ok(SftpUpload {
            place: place.clone(),
            session,
            handle,
            temporary,
            target,
            doing,
            parts: Mutex::default(),
            stop: stop.clone(),
            ended: false,
        })
    }

    /// How many bytes came without a gap.
    fn came(&self) -> u64 {
        let parts = self.parts.lock().expect("no panic while locked");
        parts
            .iter()
            .fold(0, |end, (offset, length)| if *offset == end { end + length } else { end })
    }

    fn publish(&mut self, bytes: u64) -> Result<()> {
        self.stop.check()?;
        let (session, doing, stop) = (&self.session, &self.doing, &self.stop);
        let length = session.about(&self.handle, doing, stop)?.size.unwrap_or(0);
        let came = self.came();
        if came != bytes || length != bytes {
            let found = format!("{came} of {bytes} bytes came, the file has {length}");
            return Err(Error::new(ErrorKind::Damaged, doing, found));
        }
        session.sync(&self.handle, doing, stop)?;
        session.close(&self.handle, doing, stop)?;
        match session.rename(&self.temporary, &self.target, doing, stop) {
            Ok(()) => {}
            // A taken name answers only that it failed.
            Err(error) if error.kind == ErrorKind::Failed => {
                return match session.look(&self.target, doing, stop)? {
                    Some(_) => Err(taken(doing)),
                    None => Err(error),
                };
            }
            Err(error) if error.kind == ErrorKind::Unreachable => self.look(bytes, error)?,
            Err(error) => return Err(error),
        }
        self.ended = true;
        Ok(())
    }

    /// Whether the file has its name, although nobody said so.
    fn look(&self, bytes: u64, error: Error) -> Result<()> {
        let session = self.place.session(&self.doing, &self.stop)?;
        let there = session.look(&self.target, &self.doing, &self.stop)?;
        let left = session.look(&self.temporary, &self.doing, &self.stop)?;
        match there.is_some_and(|about| about.size == Some(bytes)) && left.is_none() {
            true => Ok(()),
            false => Err(error),
        }
    }

    /// Removes the temporary file; also after a stop, but not for long.
    fn take_back(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let brief = Deadline::never();
        brief.set(Instant::now(), TAKING_BACK);
        let stop = Stop::new().until(&brief);
        // It may be closed already, or gone with its connection.
        drop(self.session.close(&self.handle, &self.doing, &stop));
        let session = self.place.session(&self.doing, &stop)?;
        match session.remove(&self.temporary, &self.doing, &stop) {
            Err(error) if error.kind != ErrorKind::Missing => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Upload for SftpUpload {
    fn part(&self, _: u32, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()> {
        stop.check()?;
        self.parts.lock().expect("no panic while locked").remove(&offset);
        self.session.write(&self.handle, offset, bytes, &self.doing, stop)?;
        self.parts.lock().expect("no panic while locked").insert(offset, bytes.len() as u64);
        Ok(())
    }

    fn finish(mut self: Box<Self>, bytes: u64) -> Result<()> {
        self.publish(bytes)
    }

    fn abort(mut self: Box<Self>) -> Result<()> {
        self.take_back()
    }
}

impl Drop for SftpUpload {
    fn drop(&mut self) {
        // Nobody is left to tell; the next sweep finds the file.
        drop(self.take_back());
    }
}

fn taken(doing: &str) -> Error {
    Error::new(ErrorKind::Exists, doing, "the key is taken")
}
