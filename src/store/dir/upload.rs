//! A file on its way into a folder: written under a temporary name, made visible in one step.
//!
//! Does not know what the bytes mean. Invariants: the final name appears only when every byte is on
//! the disk, and never replaces a file; as long as a process writes, it holds a lock on the
//! temporary file, so that `sweep` can tell the files of the living from those of the dead. A file
//! system without locks has nothing swept. What is written in one call has no temporary name where
//! the file system allows it: a process that is killed leaves nothing of it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags, linkat, renameat_with};
use rustix::io::Errno;

use crate::base::Stop;
use crate::store::contract::{Error, ErrorKind, Result, Upload};
use crate::store::dir::path;
use crate::store::temporary::temporary;
use crate::world::{Entropy, failpoint};

/// How much is written between two looks at the stop token, in bytes.
const SLICE: usize = 4 << 20;

/// How a file comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In parts: under a temporary name, by which people see it and `sweep` finds it.
    Parts,
    /// In one call: without a name, where the file system knows such files.
    Whole,
}

/// A temporary file that is to become `target`.
pub struct DirUpload {
    file: File,
    /// Its name, if it has one.
    temporary: Option<PathBuf>,
    target: PathBuf,
    /// The folders whose entries must be durable, deepest first.
    folders: Vec<PathBuf>,
    doing: String,
    /// Guards what was written: offset and length of each part.
    parts: Mutex<BTreeMap<u64, u64>>,
    stop: Stop,
    published: bool,
}

impl DirUpload {
    /// Opens a temporary file beside `target`, which stands below `root`.
    pub fn open(
        root: &Path,
        target: PathBuf,
        doing: String,
        form: Form,
        entropy: &Entropy,
        stop: &Stop,
    ) -> Result<DirUpload> {
        stop.check()?;
        let io = |e| path::error(e, &doing);
        if target.symlink_metadata().is_ok() {
            return Err(taken(&doing));
        }
        let folder = target.parent().unwrap_or(root).to_owned();
        let made = path::make(&folder).map_err(io)?;
        let mut folders: Vec<PathBuf> =
            folder.ancestors().take_while(|f| f.starts_with(root)).map(Path::to_owned).collect();
        folders.extend(
            made.iter()
                .rev()
                .filter(|f| root.starts_with(f))
                .filter_map(|f| f.parent().map(Path::to_owned)),
        );
        let name = target.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let (file, temporary) = match unnamed(&folder).filter(|_| form == Form::Whole) {
            Some(file) => (file, None),
            None => {
                let (file, path) = open_temporary(&folder, &name, entropy).map_err(io)?;
                (file, Some(path))
            }
        };
        failpoint("temporary made");
        Ok(DirUpload {
            file,
            temporary,
            target,
            folders,
            doing,
            parts: Mutex::default(),
            stop: stop.clone(),
            published: false,
        })
    }

    /// Writes `bytes` at `offset`.
    pub fn write(&self, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()> {
        self.parts.lock().expect("no panic while locked").remove(&offset);
        let mut at = offset;
        for slice in bytes.chunks(SLICE) {
            stop.check()?;
            self.file.write_all_at(slice, at).map_err(|e| path::error(e, &self.doing))?;
            at += slice.len() as u64;
        }
        self.parts.lock().expect("no panic while locked").insert(offset, bytes.len() as u64);
        Ok(())
    }

    /// Makes the file durable and visible.
    pub fn publish(&mut self, bytes: u64) -> Result<()> {
        self.stop.check()?;
        let io = |e| path::error(e, &self.doing);
        let came = self.came();
        let length = self.file.metadata().map_err(io)?.len();
        if came != bytes || length != bytes {
            let found = format!("{came} of {bytes} bytes came, the file has {length}");
            return Err(Error::new(ErrorKind::Damaged, &self.doing, found));
        }
        failpoint("sync before");
        self.file.sync_all().map_err(io)?;
        failpoint("move before");
        let moved = match &self.temporary {
            Some(temporary) => move_into_place(temporary, &self.target),
            None => name(&self.file, &self.target),
        };
        moved.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => taken(&self.doing),
            _ => path::error(e, &self.doing),
        })?;
        self.published = true;
        failpoint("move after");
        self.folders
            .iter()
            .try_for_each(|folder| path::sync(folder))
            .map_err(|e| path::error(e, &self.doing))
    }

    /// Whether it still is a file without any name.
    pub fn is_unnamed(&self) -> bool {
        self.temporary.is_none() && !self.published
    }

    /// Removes the temporary file.
    fn take_back(&mut self) -> io::Result<()> {
        match &self.temporary {
            Some(temporary) if !self.published => {
                self.published = true;
                std::fs::remove_file(temporary)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// How many bytes came without a gap.
    fn came(&self) -> u64 {
        let parts = self.parts.lock().expect("no panic while locked");
        parts
            .iter()
            .fold(0, |end, (offset, length)| if *offset == end { end + length } else { end })
    }
}

impl Upload for DirUpload {
    fn part(&self, _: u32, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()> {
        self.write(offset, bytes, stop)
    }

    fn finish(mut self: Box<Self>, bytes: u64) -> Result<()> {
        self.publish(bytes)
    }

    fn abort(mut self: Box<Self>) -> Result<()> {
        let doing = match &self.temporary {
            Some(temporary) => format!("remove {}", temporary.display()),
            None => self.doing.clone(),
        };
        self.take_back().map_err(|e| path::error(e, &doing))
    }
}

impl Drop for DirUpload {
    fn drop(&mut self) {
        // Nobody is left to tell; the next sweep finds the file.
        drop(self.take_back());
    }
}

fn taken(doing: &str) -> Error {
    Error::new(ErrorKind::Exists, doing, "the key is taken")
}

/// A new, locked file with a random name. A sweep may have caught it before the lock: then another
/// name is tried.
pub fn open_temporary(folder: &Path, name: &str, entropy: &Entropy) -> io::Result<(File, PathBuf)> {
    let bits = entropy.bits();
    for attempt in 0..1000 {
        let path = folder.join(temporary(name, bits.wrapping_add(attempt)));
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32);
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(e),
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            // No locks here: `sweep` gets the same answer and keeps its hands off.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if file.metadata()?.nlink() > 0 {
            return Ok((file, path));
        }
    }
    Err(io::Error::other("no free name for a temporary file"))
}

/// A new file without a name; `None` where the file system has no such files.
pub fn unnamed(folder: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(OFlags::TMPFILE.bits() as i32);
    options.open(folder).ok()
}

/// Gives a file without a name its first, which must be free.
fn name(file: &File, target: &Path) -> io::Result<()> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, own, CWD, target, AtFlags::SYMLINK_FOLLOW)?)
}

/// Gives the file its final name, which must be free.
fn move_into_place(temporary: &Path, target: &Path) -> io::Result<()> {
    match renameat_with(CWD, temporary, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // A file system that cannot rename that way may know hard links, which never replace
        // either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::PERM) => {
            link_into_place(temporary, target)
        }
        Err(e) => Err(e.into()),
    }
}

fn link_into_place(temporary: &Path, target: &Path) -> io::Result<()> {
    std::fs::hard_link(temporary, target)?;
    failpoint("link after");
    std::fs::remove_file(temporary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_way_into_place_replaces_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for way in [move_into_place, link_into_place] {
            std::fs::write(&from, "new").expect("written");
            std::fs::write(&to, "old").expect("written");
            assert_eq!(way(&from, &to).expect_err("taken").kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(&to).expect("read"), b"old");
            std::fs::remove_file(&to).expect("removed");
            way(&from, &to).expect("moved");
            assert!(!from.exists());
            assert_eq!(std::fs::read(&to).expect("read"), b"new");
        }
        if let Some(file) = unnamed(folder.path()) {
            file.write_all_at(b"newer", 0).expect("written");
            let taken = name(&file, &to).expect_err("taken");
            assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
            name(&file, &from).expect("named");
            assert_eq!(std::fs::read(&from).expect("read"), b"newer");
        }
    }
}
