//! The store on a folder: local disk, mounted NAS, USB disk.
//!
//! Does not make its folder before something is written: reading from a disk that is not mounted
//! must not leave an empty folder on the mount point. Symbolic links below the root are not
//! followed. Folders that become empty stay.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::OFlags;

use crate::base::{Finding, Stop};
use crate::job::DirSpec;
use crate::store::contract::{
    Coming, Error, ErrorKind, Limits, Object, Result, Store, Upload, too_large,
};
use crate::store::dir::examine::examine;
use crate::store::dir::upload::{DirUpload, Form};
use crate::store::dir::{clock, limits, mount, path};
use crate::store::temporary::is_temporary_of;
use crate::world::{Clock, Entropy, World, failpoint};

/// How much is read between two looks at the stop token, in bytes.
const SLICE: u64 = 4 << 20;

/// Most memory taken before bytes came, in bytes.
const TRUSTED: u64 = 16 << 20;

/// A folder; keys are paths below it.
pub struct Dir {
    root: PathBuf,
    place: String,
    mount: bool,
    limits: Limits,
    entropy: Entropy,
    clock: Clock,
}

impl Dir {
    /// Opens the folder; what stands there must be one, or nothing.
    pub fn open(spec: &DirSpec, world: &World) -> Result<Dir> {
        let place = format!("dir {}", spec.path.display());
        let doing = format!("open {place}");
        match std::fs::metadata(&spec.path) {
            Ok(found) if !found.is_dir() => {
                return Err(Error::new(ErrorKind::Failed, doing, "it is not a folder"));
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(path::error(e, &doing)),
            Ok(_) | Err(_) => {}
        }
        let (entropy, clock) = (world.entropy.clone(), world.clock.clone());
        let limits = limits::of(&spec.path);
        let dir = Dir { root: spec.path.clone(), place, mount: spec.mount, limits, entropy, clock };
        dir.mounted(&doing)?;
        Ok(dir)
    }

    /// An error if nothing is mounted where something must be.
    fn mounted(&self, doing: &str) -> Result<()> {
        if self.mount { mount::demand(&self.root, doing) } else { Ok(()) }
    }

    fn upload(&self, key: &str, form: Form, stop: &Stop) -> Result<DirUpload> {
        let doing = format!("write {key} in {}", self.place);
        self.mounted(&doing)?;
        let target = path::locate(&self.root, key, &doing)?;
        DirUpload::open(&self.root, target, doing, form, &self.entropy, stop)
    }

    /// The file of an object and its length.
    fn open_object(&self, key: &str, doing: &str) -> Result<(File, u64)> {
        let target = path::locate(&self.root, key, doing)?;
        let missing = || Error::new(ErrorKind::Missing, doing, "no such object");
        let file = present(open_file(&target), doing)?.ok_or_else(missing)?;
        let metadata = file.metadata().map_err(|e| path::error(e, doing))?;
        if metadata.is_file() { Ok((file, metadata.len())) } else { Err(missing()) }
    }

    /// Calls `visit` with every file in the folder of `under` and below: its path, its key, whether
    /// it is temporary.
    fn walk(
        &self,
        under: &str,
        doing: &str,
        stop: &Stop,
        visit: &mut dyn FnMut(&Path, String) -> Result<()>,
    ) -> Result<()> {
        self.mounted(doing)?;
        let start = match under.rsplit_once('/') {
            Some((folder, _)) => path::locate(&self.root, folder, doing)?,
            None => self.root.clone(),
        };
        if present(start.metadata(), doing)?.is_some_and(|found| !found.is_dir()) {
            let found = format!("{} is no folder", start.display());
            return Err(Error::new(ErrorKind::Failed, doing, found));
        }
        let mut folders = vec![start];
        while let Some(folder) = folders.pop() {
            stop.check()?;
            let Some(entries) = present(std::fs::read_dir(&folder), doing)? else { continue };
            for entry in entries {
                let entry = entry.map_err(|e| path::error(e, doing))?;
                let Some(kind) = present(entry.file_type(), doing)? else { continue };
                let found = entry.path();
                let key =
                    found.strip_prefix(&self.root).ok().and_then(Path::to_str).map(str::to_owned);
                match key {
                    _ if kind.is_dir() => folders.push(found),
                    Some(key) if kind.is_file() => visit(&found, key)?,
                    // Links, devices, names that are not UTF-8: not ours.
                    Some(_) | None => {}
                }
            }
        }
        Ok(())
    }
}

impl Store for Dir {
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>> {
        Ok(Box::new(self.upload(key, Form::Parts, stop)?))
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        let mut upload = self.upload(key, Form::Whole, stop)?;
        upload.write(0, bytes, stop)?;
        match upload.publish(bytes.len() as u64) {
            // Not every file system that has such files can name them.
            Err(_) if upload.is_unnamed() => {
                let mut named = self.upload(key, Form::Parts, stop)?;
                named.write(0, bytes, stop)?;
                named.publish(bytes.len() as u64)
            }
            done => done,
        }
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>> {
        let doing = format!("read {key} in {}", self.place);
        let (file, length) = self.open_object(key, &doing)?;
        let range = range.unwrap_or(0..length);
        if range.start > range.end || range.end > length {
            let found = format!("the object ends at {length}");
            return Err(Error::new(ErrorKind::Damaged, doing, found));
        }
        read_range(&file, range, &doing, stop)
    }

    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>> {
        let doing = format!("read {key} in {}", self.place);
        let (file, length) = self.open_object(key, &doing)?;
        if length > most {
            return Err(Error::new(ErrorKind::TooLarge, doing, too_large(length, most)));
        }
        read_range(&file, 0..length, &doing, stop)
    }

    fn size(&self, key: &str, stop: &Stop) -> Result<Option<u64>> {
        stop.check()?;
        let doing = format!("look for {key} in {}", self.place);
        let found = present(path::locate(&self.root, key, &doing)?.symlink_metadata(), &doing)?;
        Ok(found.filter(|m| m.is_file()).map(|m| m.len()))
    }

    fn list(&self, under: &str, stop: &Stop) -> Result<Vec<Object>> {
        let doing = format!("list {under}* in {}", self.place);
        let mut objects = Vec::new();
        self.walk(under, &doing, stop, &mut |found, key| {
            let ours = key.starts_with(under) && path::locate(&self.root, &key, &doing).is_ok();
            if ours && let Some(metadata) = present(found.symlink_metadata(), &doing)? {
                let modified = metadata.modified().ok().and_then(|t| Timestamp::try_from(t).ok());
                objects.push(Object { key, bytes: metadata.len(), modified });
            }
            Ok(())
        })?;
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn remove(&self, key: &str, stop: &Stop) -> Result<()> {
        stop.check()?;
        let doing = format!("remove {key} in {}", self.place);
        let target = path::locate(&self.root, key, &doing)?;
        if present(std::fs::remove_file(&target), &doing)?.is_some() {
            failpoint("unlink after");
            path::sync(target.parent().unwrap_or(&self.root))
                .map_err(|e| path::error(e, &doing))?;
        }
        Ok(())
    }

    fn sweep(&self, under: &str, stop: &Stop) -> Result<usize> {
        let doing = format!("sweep {under}* in {}", self.place);
        let mut swept = 0;
        self.walk(under, &doing, stop, &mut |found, key| {
            let name = key.rsplit('/').next().unwrap_or_default();
            let folder = &key[..key.len() - name.len()];
            let own = under.rsplit_once('/').map_or(under, |(_, own)| own);
            let orphan = match is_temporary_of(name, own) && under == format!("{folder}{own}") {
                true => lock_orphan(found, &doing)?,
                false => None,
            };
            if orphan.is_some() {
                swept += usize::from(present(std::fs::remove_file(found), &doing)?.is_some());
            }
            Ok(())
        })?;
        Ok(swept)
    }

    fn now(&self, stop: &Stop) -> Result<Timestamp> {
        stop.check()?;
        let doing = format!("ask for the time of {}", self.place);
        clock::now(&self.root, &self.clock, &self.entropy).map_err(|e| path::error(e, &doing))
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        examine(&self.root, self, coming, stop)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn free(&self) -> Option<u64> {
        limits::free(&self.root)
    }

    fn place(&self) -> &str {
        &self.place
    }
}

/// Reads a range. Memory is taken as bytes come: the length of a file with holes, or with a damaged
/// inode, is only a word.
fn read_range(file: &File, range: Range<u64>, doing: &str, stop: &Stop) -> Result<Vec<u8>> {
    stop.check()?;
    let mut bytes = Vec::with_capacity((range.end - range.start).min(TRUSTED) as usize);
    let mut at = range.start;
    while at < range.end {
        let (had, next) = (bytes.len(), (range.end - at).min(SLICE));
        bytes.resize(had + next as usize, 0);
        file.read_exact_at(&mut bytes[had..], at).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::new(ErrorKind::Damaged, doing, "the object became shorter")
            }
            _ => path::error(e, doing),
        })?;
        at += next;
        stop.check()?;
    }
    Ok(bytes)
}

/// The file, locked, if no living process writes it. The lock is held until it is removed: whoever
/// made it a moment ago and had no lock yet then finds it removed, and makes another.
fn lock_orphan(path: &Path, doing: &str) -> Result<Option<File>> {
    let Some(file) = present(open_file(path), doing)? else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Ok(None),
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

/// What is there, `None` where nothing is.
fn present<T>(found: io::Result<T>, doing: &str) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(e) => Err(path::error(e, doing)),
    }
}
