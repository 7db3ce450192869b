//! A data directory on this machine: whose it is, whether a server runs in it, and how another
//! takes its place.
//!
//! Knows no artifact. Invariant: what was there is moved aside, never removed, and only while no
//! server runs there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::server::Tablespace;
use crate::source::postgres::unpack::Owner;

/// A data directory.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its path.
    pub data: PathBuf,
}

impl Place {
    /// The data directory at a path, made absolute.
    pub fn new(data: &Path) -> Result<Place> {
        let data = std::path::absolute(data).map_err(|e| failed("find", data, &e))?;
        let whole = data.parent().is_some() && data.file_name().is_some();
        if whole {
            Ok(Place { data })
        } else {
            Err(Error::new(ErrorKind::Refused, "restore files", "/ is no data directory"))
        }
    }

    /// Whether anything is there.
    pub fn exists(&self) -> bool {
        fs::symlink_metadata(&self.data).is_ok()
    }

    /// The folder it lies in.
    pub fn parent(&self) -> &Path {
        self.data.parent().expect("BUG: a data directory without a parent")
    }

    /// A path beside it: its name, and more.
    pub fn beside(&self, more: &str) -> PathBuf {
        let mut name =
            self.data.file_name().expect("BUG: a data directory without a name").to_owned();
        name.push(more);
        self.parent().join(name)
    }

    /// Whether a file system is mounted there, which can't be moved: then its contents are.
    pub fn is_mount(&self) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|seen| seen.dev()).ok();
        let own = device(&self.data);
        own.is_some() && own != device(self.parent())
    }

    /// The folder in which a new cluster is made: on the file system that it comes to.
    pub fn workshop(&self) -> &Path {
        if self.is_mount() { &self.data } else { self.parent() }
    }

    /// The new folder that a cluster is made in.
    pub fn fresh(&self, stamp: &str) -> PathBuf {
        let more = format!(".new-{stamp}");
        if self.is_mount() { self.data.join(more) } else { self.beside(&more) }
    }

    /// Where the old cluster comes to.
    pub fn aside(&self, stamp: &str) -> PathBuf {
        let more = format!(".old-{stamp}");
        if self.is_mount() { self.data.join(more) } else { self.beside(&more) }
    }

    /// Its owner, or that of its folder.
    pub fn owner(&self) -> Option<Owner> {
        let seen = fs::metadata(&self.data).or_else(|_| fs::metadata(self.parent())).ok()?;
        Some(Owner { user: seen.uid(), group: seen.gid() })
    }

    /// Its major version, if a cluster is there.
    pub fn major(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data.join("PG_VERSION")).ok()?;
        text.trim().split('.').next()?.parse().ok()
    }

    /// The process of the server that runs there. When in doubt there is one.
    pub fn running(&self) -> Result<Option<u32>> {
        let path = self.data.join("postmaster.pid");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failed("read", &path, &error)),
        };
        // A server that runs alone writes its number with a minus.
        let pid: Option<u32> =
            text.lines().next().and_then(|l| l.trim().trim_start_matches('-').parse().ok());
        let Some(pid) = pid else {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("read {}", path.display()),
                "it names no process",
            ));
        };
        let process = PathBuf::from(format!("/proc/{pid}"));
        if !process.exists() {
            return Ok(None);
        }
        // A server stands in its data directory; who stands elsewhere took the number of one that
        // is gone.
        let elsewhere = match (fs::read_link(process.join("cwd")), fs::canonicalize(&self.data)) {
            (Ok(stands), Ok(data)) => stands != data,
            (Err(_), _) | (_, Err(_)) => false,
        };
        Ok((!elsewhere).then_some(pid))
    }

    /// Puts a new cluster in its place; returns where the old one is now.
    pub fn replace(&self, fresh: &Path, stamp: &str) -> Result<Option<PathBuf>> {
        if let Some(pid) = self.running()? {
            let found = format!("a server runs there, process {pid}");
            return Err(Error::new(
                ErrorKind::Busy,
                format!("replace {}", self.data.display()),
                found,
            ));
        }
        let mut old = None;
        if self.is_mount() {
            return self.replace_contents(fresh, stamp).map(Some);
        }
        if self.exists() {
            let aside = self.aside(stamp);
            rename(&self.data, &aside)?;
            old = Some(aside);
        }
        if let Err(error) = rename(fresh, &self.data) {
            // The old one back: a server that ran before must be able to run again.
            if let Some(aside) = &old {
                rename(aside, &self.data)?;
            }
            return Err(error);
        }
        Ok(old)
    }

    /// The same for a mount point: all that is in it is moved aside, within it.
    fn replace_contents(&self, fresh: &Path, stamp: &str) -> Result<PathBuf> {
        let aside = self.aside(stamp);
        fs::create_dir(&aside).map_err(|e| failed("make", &aside, &e))?;
        if let Some(owner) = self.owner() {
            owner.give(&aside)?;
        }
        let is_own = |path: &Path| fresh.starts_with(path) || path == aside.as_path();
        let mut moved = Vec::new();
        let done = move_all(&self.data, &aside, &is_own, &mut moved)
            .and_then(|()| move_all(fresh, &self.data, &|_| false, &mut moved));
        if let Err(error) = done {
            // The old ones back: a server that ran before must be able to run again.
            for (from, to) in moved.iter().rev() {
                rename(to, from)?;
            }
            return Err(error);
        }
        Ok(aside)
    }
}

/// Moves what is in a folder into another, and notes what it moved: from, to. What the file system
/// keeps for itself stays.
fn move_all(
    from: &Path,
    into: &Path,
    stays: &dyn Fn(&Path) -> bool,
    moved: &mut Vec<(PathBuf, PathBuf)>,
) -> Result<()> {
    for entry in fs::read_dir(from).map_err(|e| failed("read", from, &e))? {
        let entry = entry.map_err(|e| failed("read", from, &e))?;
        if stays(&entry.path()) || entry.file_name() == "lost+found" {
            continue;
        }
        let to = into.join(entry.file_name());
        rename(&entry.path(), &to)?;
        moved.push((entry.path(), to));
    }
    Ok(())
}

/// Puts the files of a tablespace in their place: `fresh` holds the folder of its version; returns
/// where the old one is.
pub fn replace_space(
    location: &Path,
    fresh: &Path,
    stamp: &str,
    owner: Owner,
) -> Result<Option<PathBuf>> {
    let mut old = None;
    for entry in fs::read_dir(fresh).map_err(|e| failed("read", fresh, &e))? {
        let entry = entry.map_err(|e| failed("read", fresh, &e))?;
        let there = location.join(entry.file_name());
        if fs::symlink_metadata(&there).is_ok() {
            let aside = location.join(format!(".old-{stamp}"));
            owner.folder(&aside)?;
            rename(&there, &aside.join(entry.file_name()))?;
            old = Some(aside);
        }
        rename(&entry.path(), &there)?;
    }
    fs::remove_dir(fresh).map_err(|e| failed("remove", fresh, &e))?;
    Ok(old)
}

/// Leads `pg_tblspc/OID` of a cluster to a folder.
pub fn link(data: &Path, oid: u32, to: &Path) -> Result<()> {
    let link = data.join("pg_tblspc").join(oid.to_string());
    if fs::symlink_metadata(&link).is_ok() {
        fs::remove_file(&link).map_err(|e| failed("remove", &link, &e))?;
    }
    std::os::unix::fs::symlink(to, &link).map_err(|e| failed("make", &link, &e))
}

/// Puts aside the files that would have a server follow another, or wait for more WAL; returns
/// their names.
pub fn detach(data: &Path) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    for name in ["standby.signal", "recovery.signal"] {
        let path = data.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            rename(&path, &data.join(format!("{name}.off")))?;
            found.push(name);
        }
    }
    Ok(found)
}

/// Writes where tablespaces are, for the server's first start: it makes the links anew by this
/// file.
pub fn write_map(data: &Path, spaces: &[(Tablespace, PathBuf)], owner: Owner) -> Result<()> {
    let path = data.join("tablespace_map");
    if fs::symlink_metadata(&path).is_err() {
        return Ok(());
    }
    let escape = |p: &Path| p.display().to_string().replace('\\', "\\\\").replace('\n', "\\\n");
    let text: String =
        spaces.iter().map(|(space, to)| format!("{} {}\n", space.oid, escape(to))).collect();
    fs::remove_file(&path).map_err(|e| failed("replace", &path, &e))?;
    owner.write(&path, text.as_bytes())
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    let doing = format!("move {} to {}", from.display(), to.display());
    if fs::symlink_metadata(to).is_ok() {
        return Err(Error::new(ErrorKind::Exists, doing, "something is there already"));
    }
    fs::rename(from, to).map_err(|e| Error::new(ErrorKind::Failed, doing, e.to_string()))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Failed, format!("{what} {}", path.display()), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_data_directory_is_moved_aside_and_a_running_one_is_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str, file: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).expect("made");
            fs::write(path.join(file), text).expect("written");
            path
        };
        let data = make("data", "PG_VERSION", "15\n");
        let place = Place::new(&data).expect("a place");
        assert_eq!((place.major(), place.running().expect("known")), (Some(15), None));
        // Our own process stands elsewhere: a number that was used again.
        make("data", "postmaster.pid", &format!("{}\n/x\n", std::process::id()));
        assert_eq!(place.running().expect("known"), None);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .current_dir(&data)
            .spawn()
            .expect("a process");
        make("data", "postmaster.pid", &format!("{}\n/x\n", child.id()));
        let fresh = make("fresh", "PG_VERSION", "16\n");
        assert_eq!(place.running().expect("known"), Some(child.id()));
        assert_eq!(place.replace(&fresh, "1").expect_err("it runs").kind, ErrorKind::Busy);
        child.kill().expect("ours");
        child.wait().expect("ours");
        let old = place.replace(&fresh, "1").expect("replaced").expect("there was one");
        assert_eq!((place.major(), old.join("PG_VERSION").exists()), (Some(16), true));
        assert!(old.ends_with("data.old-1"));
    }
}
