//! Unpacks a tar file of a cluster into a new folder.
//!
//! Invariants: nothing is followed and nothing is replaced: the folder is made here and held open,
//! only its owner can enter it until all is there, every file is new, and a link in the tar file is
//! refused; files and folders are private, or readable by their group where they were. The user who
//! gets the files may own the folder above, and must not be able to lead root elsewhere by it: so
//! files are made by way of the folder that is held, never by its name.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use crate::artifact::{TakeTar, TarEntry, TarKind};
use crate::source::contract::{Error, ErrorKind, Result};

/// Whose the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub user: u32,
    /// Group.
    pub group: u32,
}

impl Owner {
    /// Who we are.
    pub fn us() -> Owner {
        Owner {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        }
    }

    /// Gives a file or folder to the owner, where we may give; a link is refused.
    pub fn give(&self, path: &Path) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file =
            openat(CWD, path, flags, Mode::empty()).map_err(|e| failed("give", path, e.into()))?;
        self.give_file(&File::from(file), path)
    }

    /// Makes a folder that the owner can use, and those above it that are missing.
    pub fn folder(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        mkdirat(CWD, path, Mode::from_raw_mode(0o700))
            .map_err(|e| failed("make", path, e.into()))?;
        self.give(path)
    }

    /// Writes a new file of the owner's; what is there is never written over.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = create(CWD, path, 0o600).map_err(|e| failed("make", path, e))?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|e| failed("write", path, e))?;
        self.give_file(&file, path)
    }

    /// Whether it is who we are.
    pub fn is_us(&self) -> bool {
        rustix::process::geteuid().as_raw() == self.user
    }

    fn give_file(&self, file: &File, path: &Path) -> Result<()> {
        if self.is_us() {
            return Ok(());
        }
        fchown(file, Some(self.user), Some(self.group)).map_err(|e| failed("give", path, e))
    }
}

/// A new file below a folder.
fn create(folder: impl std::os::fd::AsFd, path: &Path, mode: u32) -> std::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, path, flags, Mode::from_raw_mode(mode))?))
}

/// A folder below another.
fn open_folder(folder: impl std::os::fd::AsFd, path: &Path) -> std::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, path, flags, Mode::empty())?)
}

/// A folder that is being filled.
pub struct Unpack {
    root: OwnedFd,
    path: PathBuf,
    owner: Owner,
    open: Option<(File, PathBuf)>,
    /// Folders that the tar file made, for the end.
    folders: Vec<PathBuf>,
}

impl Unpack {
    /// A new folder at `path`, which must not exist; its parent must.
    pub fn into(path: &Path, owner: Owner) -> Result<Unpack> {
        mkdirat(CWD, path, Mode::from_raw_mode(0o700))
            .map_err(|e| failed("make", path, e.into()))?;
        let root = open_folder(CWD, path).map_err(|e| failed("open", path, e))?;
        Ok(Unpack { root, path: path.to_owned(), owner, open: None, folders: Vec::new() })
    }

    /// Writes all of it to the disk and lets the owner in.
    pub fn finish(self) -> Result<()> {
        for name in &self.folders {
            let folder = open_folder(&self.root, name).map_err(|e| failed("open", name, e))?;
            self.owner.give_file(&File::from(folder), name)?;
        }
        let root = File::from(self.root);
        self.owner.give_file(&root, &self.path)?;
        rustix::fs::syncfs(&root).map_err(|e| failed("write to the disk", &self.path, e.into()))
    }
}

impl TakeTar for Unpack {
    type Error = Error;

    fn begin(&mut self, entry: &TarEntry) -> Result<()> {
        let path = &entry.path;
        let make = |e: std::io::Error| failed("make", &self.path.join(path), e);
        match entry.kind {
            TarKind::Link => {
                let found = "it is a link, which no tar file of a backup holds";
                Err(Error::new(ErrorKind::Damaged, format!("unpack {}", path.display()), found))
            }
            TarKind::Folder if path.as_os_str().is_empty() => Ok(()),
            TarKind::Folder => {
                let mode = 0o700 | (entry.mode & 0o050);
                mkdirat(&self.root, path, Mode::from_raw_mode(mode)).map_err(|e| make(e.into()))?;
                let folder = File::from(open_folder(&self.root, path).map_err(make)?);
                // Whatever our umask is.
                folder.set_permissions(Permissions::from_mode(mode)).map_err(make)?;
                self.folders.push(path.clone());
                Ok(())
            }
            TarKind::File => {
                let mode = 0o600 | (entry.mode & 0o040);
                let file = create(&self.root, path, mode).map_err(make)?;
                file.set_permissions(Permissions::from_mode(mode)).map_err(make)?;
                self.owner.give_file(&file, path)?;
                self.open = Some((file, path.clone()));
                Ok(())
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let (file, path) = self.open.as_mut().expect("BUG: bytes without a file");
        file.write_all(bytes).map_err(|e| failed("write", path, e))
    }

    fn end(&mut self) -> Result<()> {
        self.open = None;
        Ok(())
    }
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Failed, format!("{what} {}", path.display()), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: TarKind, mode: u32) -> TarEntry {
        TarEntry { path: path.into(), kind, mode, bytes: 0 }
    }

    #[test]
    fn files_are_new_and_private_and_links_are_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path().join("data");
        let owner = Owner::us();
        let mut unpack = Unpack::into(&root, owner).expect("made");
        assert!(Unpack::into(&root, owner).is_err(), "a folder that is there is not filled");
        unpack.begin(&entry("base", TarKind::Folder, 0o777)).expect("made");
        for (name, mode) in [("base/1", 0o666), ("base/2", 0o600)] {
            unpack.begin(&entry(name, TarKind::File, mode)).expect("made");
            unpack.bytes(b"page").expect("written");
            unpack.end().expect("whole");
        }
        assert!(
            unpack.begin(&entry("base/1", TarKind::File, 0o600)).is_err(),
            "nothing is replaced"
        );
        std::os::unix::fs::symlink("/etc/passwd", root.join("base/3")).expect("made");
        assert!(
            unpack.begin(&entry("base/3", TarKind::File, 0o600)).is_err(),
            "nothing is followed"
        );
        let refused =
            unpack.begin(&entry("pg_tblspc/1", TarKind::Link, 0o777)).expect_err("a link");
        assert_eq!(refused.kind, ErrorKind::Damaged);
        unpack.finish().expect("written");
        let mode = |name: &str| {
            std::fs::metadata(root.join(name)).expect("there").permissions().mode() & 0o777
        };
        assert_eq!(
            [mode(""), mode("base"), mode("base/1"), mode("base/2")],
            [0o700, 0o750, 0o640, 0o600]
        );
    }
}
