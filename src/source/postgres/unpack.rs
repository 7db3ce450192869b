//! Unpacks a tar file of a cluster into a new folder.
//!
//! Invariants: nothing is followed and nothing is replaced: the folder is made here, only its owner can enter it until
//! all is there, every file is new, and a link in the tar file is refused; files and folders are private, or readable by
//! their group where they were.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

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
        Owner { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() }
    }

    /// Gives a file or folder to the owner, where we may give.
    pub fn give(&self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(|e| failed("give", path, &e))?;
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
        fchown(file, Some(self.user), Some(self.group)).map_err(|e| failed("give", path, &e))
    }
}

/// A folder that is being filled.
pub struct Unpack {
    root: PathBuf,
    owner: Owner,
    open: Option<(File, PathBuf)>,
    /// Folders that the tar file made, for the end.
    folders: Vec<PathBuf>,
}

impl Unpack {
    /// A new folder at `root`, which must not exist; its parent must.
    pub fn into(root: &Path, owner: Owner) -> Result<Unpack> {
        DirBuilder::new().mode(0o700).create(root).map_err(|e| failed("make", root, &e))?;
        Ok(Unpack { root: root.to_owned(), owner, open: None, folders: Vec::new() })
    }

    /// Writes all of it to the disk and lets the owner in.
    pub fn finish(self) -> Result<()> {
        for folder in self.folders.iter().chain([&self.root]) {
            self.owner.give(folder)?;
        }
        let root = File::open(&self.root).map_err(|e| failed("open", &self.root, &e))?;
        rustix::fs::syncfs(&root).map_err(|e| failed("write to the disk", &self.root, &e.into()))
    }
}

impl TakeTar for Unpack {
    type Error = Error;

    fn begin(&mut self, entry: &TarEntry) -> Result<()> {
        let path = self.root.join(&entry.path);
        match entry.kind {
            TarKind::Link => {
                let found = "it is a link, which no tar file of a backup holds";
                Err(Error::new(ErrorKind::Damaged, format!("unpack {}", entry.path.display()), found))
            }
            TarKind::Folder if path == self.root => Ok(()),
            TarKind::Folder => {
                let mode = 0o700 | (entry.mode & 0o050);
                DirBuilder::new().mode(mode).create(&path).map_err(|e| failed("make", &path, &e))?;
                std::fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(|e| failed("make", &path, &e))?;
                self.folders.push(path);
                Ok(())
            }
            TarKind::File => {
                let mode = 0o600 | (entry.mode & 0o040);
                let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
                let file = file.map_err(|e| failed("make", &path, &e))?;
                file.set_permissions(Permissions::from_mode(mode)).map_err(|e| failed("make", &path, &e))?;
                self.owner.give_file(&file, &path)?;
                self.open = Some((file, path));
                Ok(())
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let (file, path) = self.open.as_mut().expect("BUG: bytes without a file");
        file.write_all(bytes).map_err(|e| failed("write", path, &e))
    }

    fn end(&mut self) -> Result<()> {
        self.open = None;
        Ok(())
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
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
        assert!(unpack.begin(&entry("base/1", TarKind::File, 0o600)).is_err(), "nothing is replaced");
        std::os::unix::fs::symlink("/etc/passwd", root.join("base/3")).expect("made");
        assert!(unpack.begin(&entry("base/3", TarKind::File, 0o600)).is_err(), "nothing is followed");
        let refused = unpack.begin(&entry("pg_tblspc/1", TarKind::Link, 0o777)).expect_err("a link");
        assert_eq!(refused.kind, ErrorKind::Damaged);
        unpack.finish().expect("written");
        let mode = |name: &str| std::fs::metadata(root.join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!([mode(""), mode("base"), mode("base/1"), mode("base/2")], [0o700, 0o750, 0o640, 0o600]);
    }
}
