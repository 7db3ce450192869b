//! The store on a folder of a server.
//!
//! Does not know packets. Keys are paths below the folder of the job file, which is made when
//! something is first written. A connection that ended is made anew by the next call; what only
//! reads is tried again by itself.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::{Finding, Stop};
use crate::job::SftpSpec;
use crate::store::contract::{
    Ability, Coming, Error, ErrorKind, Limits, Object, Result, Store, Upload, too_large,
};
use crate::store::probe::probe;
use crate::store::sftp::place::Place;
use crate::store::sftp::session::Session;
use crate::store::sftp::upload::SftpUpload;
use crate::store::temporary::{is_temporary_of, temporary};
use crate::world::World;

/// Parts that are best sent at once: one connection has them all.
const LANES: usize = 2;

/// The limits of a server of which nothing is known.
pub fn declared() -> Limits {
    Limits { durable: Ability::Unknown, ..Limits::none(LANES) }
}

/// How often a call that only reads is made.
const TRIES: u32 = 3;

/// Says of the size of an object which range is read; its second argument is what is being done.
type Wanted<'a> = dyn Fn(u64, &str) -> Result<(u64, u64)> + 'a;

/// A folder of a server that speaks SFTP.
#[derive(Clone)]
pub struct Sftp {
    place: Arc<Place>,
}

impl Sftp {
    /// The folder; nobody is asked yet.
    pub fn open(spec: &SftpSpec, world: &World) -> Result<Sftp> {
        Ok(Sftp { place: Arc::new(Place::new(spec, world)?) })
    }

    /// Makes a call that only reads, again where the connection ended.
    fn again<T>(
        &self,
        doing: &str,
        stop: &Stop,
        call: &dyn Fn(&Session) -> Result<T>,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            let done = self.place.session(doing, stop).and_then(|session| call(&session));
            tries += 1;
            match done {
                Err(error) if error.kind == ErrorKind::Unreachable && tries < TRIES => {
                    stop.sleep(Duration::from_millis(200) * tries)?;
                }
                done => return done,
            }
        }
    }

    /// Reads a range of what `wanted` says by the size of the object.
    fn read_range(&self, key: &str, wanted: &Wanted<'_>, stop: &Stop) -> Result<Vec<u8>> {
        let doing = format!("read {key} in {}", self.place.name());
        let path = self.place.path(key, &doing)?;
        self.again(&doing, stop, &|session| {
            let handle = session.open_file(&path, &doing, stop)?;
            let read = session.about(&handle, &doing, stop).and_then(|about| {
                if !about.is_file() {
                    return Err(Error::new(ErrorKind::Missing, &doing, "no such object"));
                }
                let range = wanted(about.size.unwrap_or(0), &doing)?;
                session.read(&handle, range, &doing, stop)
            });
            let closed = session.close(&handle, &doing, stop);
            let bytes = read?;
            closed.map(|()| bytes)
        })
    }

    /// Calls `visit` with every file in the folder of `under` and below: its key and what is told.
    fn walk(
        &self,
        under: &str,
        doing: &str,
        stop: &Stop,
        visit: &mut dyn FnMut(String, Option<u64>, Option<Timestamp>),
    ) -> Result<()> {
        let start = under.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut folders = vec![start.to_owned()];
        while let Some(folder) = folders.pop() {
            stop.check()?;
            let path = match folder.as_str() {
                "" => self.place.root_path(),
                key => self.place.path(key, doing)?,
            };
            let found = self.again(doing, stop, &|session| session.folder(&path, doing, stop))?;
            for (name, about) in found.unwrap_or_default() {
                let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if about.is_folder() {
                    folders.push(key);
                } else if about.is_file() {
                    let seconds = about.modified.map(i64::from);
                    let at = seconds.and_then(|s| Timestamp::from_second(s).ok());
                    visit(key, about.size, at);
                }
            }
        }
        Ok(())
    }
}

impl Store for Sftp {
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>> {
        Ok(Box::new(SftpUpload::open(&self.place, key, stop)?))
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        let upload = SftpUpload::open(&self.place, key, stop)?;
        upload.part(1, 0, bytes, stop)?;
        Box::new(upload).finish(bytes.len() as u64)
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>> {
        let wanted = |length: u64, doing: &str| {
            let range = range.clone().unwrap_or(0..length);
            match range.start > range.end || range.end > length {
                true => {
                    let found = format!("the object ends at {length}");
                    Err(Error::new(ErrorKind::Damaged, doing, found))
                }
                false => Ok((range.start, range.end)),
            }
        };
        self.read_range(key, &wanted, stop)
    }

    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>> {
        let wanted = |length: u64, doing: &str| match length > most {
            true => Err(Error::new(ErrorKind::TooLarge, doing, too_large(length, most))),
            false => Ok((0, length)),
        };
        self.read_range(key, &wanted, stop)
    }

    fn size(&self, key: &str, stop: &Stop) -> Result<Option<u64>> {
        let doing = format!("look for {key} in {}", self.place.name());
        let path = self.place.path(key, &doing)?;
        let found = self.again(&doing, stop, &|session| session.look(&path, &doing, stop))?;
        Ok(found.filter(|about| about.is_file()).and_then(|about| about.size))
    }

    fn list(&self, under: &str, stop: &Stop) -> Result<Vec<Object>> {
        let doing = format!("list {under}* in {}", self.place.name());
        let mut objects = Vec::new();
        self.walk(under, &doing, stop, &mut |key, bytes, modified| {
            if key.starts_with(under) && self.place.path(&key, &doing).is_ok() {
                objects.push(Object { key, bytes: bytes.unwrap_or(0), modified });
            }
        })?;
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn remove(&self, key: &str, stop: &Stop) -> Result<()> {
        let doing = format!("remove {key} in {}", self.place.name());
        let path = self.place.path(key, &doing)?;
        // A second removal finds what the first left: nothing.
        self.again(&doing, stop, &|session| match session.remove(&path, &doing, stop) {
            Err(error) if error.kind == ErrorKind::Missing => Ok(()),
            Err(error) if error.kind == ErrorKind::Failed => {
                match session.look(&path, &doing, stop)? {
                    None => Ok(()),
                    Some(_) => Err(error),
                }
            }
            done => done,
        })
    }

    fn sweep(&self, under: &str, stop: &Stop) -> Result<usize> {
        let doing = format!("sweep {under}* in {}", self.place.name());
        let own = under.rsplit_once('/').map_or(under, |(_, own)| own);
        let mut found = Vec::new();
        self.walk(under, &doing, stop, &mut |key, _, _| {
            let (folder, name) = key.rsplit_once('/').unwrap_or(("", &key));
            let begins = under == own || under.strip_suffix(own) == Some(&format!("{folder}/"));
            if begins && !own.is_empty() && is_temporary_of(name, own) {
                found.push(key);
            }
        })?;
        for key in &found {
            let path = format!("{}/{key}", self.place.root());
            let session = self.place.session(&doing, stop)?;
            match session.remove(&path, &doing, stop) {
                Err(error) if error.kind != ErrorKind::Missing => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(found.len())
    }

    fn now(&self, stop: &Stop) -> Result<Timestamp> {
        let doing = format!("ask for the time of {}", self.place.name());
        let session = self.place.session(&doing, stop)?;
        let name = temporary("clock", self.place.world().entropy.bits());
        let path = format!("{}/{name}", self.place.root());
        let handle = match session.make_file(&path, &doing, stop) {
            Ok(handle) => handle,
            // Nobody dates anything in a folder that is not there, or that takes no file.
            Err(error) if matches!(error.kind, ErrorKind::Missing | ErrorKind::Denied) => {
                return Ok(self.place.world().clock.now());
            }
            Err(error) => return Err(error),
        };
        let about = session.about(&handle, &doing, stop);
        drop(session.close(&handle, &doing, stop));
        session.remove(&path, &doing, stop)?;
        let seconds = about?.modified.map(i64::from);
        seconds.and_then(|s| Timestamp::from_second(s).ok()).ok_or_else(|| {
            Error::new(ErrorKind::Failed, &doing, "the server does not say when a file was written")
        })
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        let doing = format!("examine {}", self.place.name());
        let mut found = match self.place.session(&doing, stop) {
            Ok(session) if session.syncs => vec![Finding::ok("durable", "the server syncs files")],
            Ok(_) => vec![Finding::alert(
                "durable",
                "the server can't be told to sync a file (fsync@openssh.com)",
                "A backup that was just made may be lost with the power of that server.",
            )],
            Err(error) => {
                let advice = "Try `ssh` by hand as this user: vex takes its keys and known hosts.";
                return vec![Finding::error("connection", error.found, advice)];
            }
        };
        found.extend(probe(self, &coming.probe, coming, stop));
        found
    }

    fn limits(&self) -> Limits {
        let durable = self.place.syncs().map_or(Ability::Unknown, Ability::of);
        Limits { durable, ..declared() }
    }

    fn place(&self) -> &str {
        self.place.name()
    }
}
