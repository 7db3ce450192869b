//! As whom a scratch server runs, and a folder that this user can reach.
//!
//! Invariant: never as root. Where vex is root, the account that the server's packages make is
//! taken; a folder is then made below one that nobody else can write to.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::program::Private;
use crate::world::Child;

/// Where folders are made for another user, if he can't reach the staging folder.
const SHARED: &str = "/var/tmp/vex-scratch";

/// Longest path of a socket that every system takes.
const SOCKET: usize = 100;

/// As whom a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// User and group, if not ours.
    user: Option<(u32, u32)>,
}

impl Account {
    /// Ours; where we are root, the account of this name. `what` is what will run.
    pub fn of(name: &str, what: &str, stop: &Stop) -> Result<Account> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Account { user: None });
        }
        let words = ["getent", "passwd", "--", name].map(str::to_owned);
        let output = Child::new(&words).stall(Duration::from_secs(30)).output(64 << 10, stop);
        let text = output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let user = text.ok().and_then(|text| numbers(&text)).filter(|(user, _)| *user != 0);
        let found = || {
            format!(
                "vex is root, {what} must not be, and there is no account `{name}` to run it as"
            )
        };
        let user = user.ok_or_else(|| {
            Error::new(ErrorKind::Refused, format!("start a scratch server of {what}"), found())
                .hint(format!("Run vex as another user, or make the account `{name}`."))
        })?;
        Ok(Account { user: Some(user) })
    }

    /// User and group, if not ours.
    pub fn user(&self) -> Option<(u32, u32)> {
        self.user
    }

    /// A program of this account.
    pub fn child<'a>(&self, words: &'a [String]) -> Child<'a> {
        let child = Child::new(words);
        match self.user {
            Some((user, group)) => child.user(user, group),
            None => child,
        }
    }

    /// A private folder of this account in `staging`, or where the account can reach it.
    pub fn folder(&self, staging: &Path) -> Result<Private> {
        let failed = |path: &Path, e: io::Error| {
            let doing = "make a folder for a scratch server";
            Error::new(ErrorKind::Failed, doing, format!("{}: {e}", path.display()))
        };
        let private = match self.user {
            Some((user, _)) if !reaches(user, staging) => {
                let shared = PathBuf::from(SHARED);
                make_shared(&shared).map_err(|e| failed(&shared, e))?;
                Private::create(&shared)?
            }
            Some(_) | None => Private::create(staging)?,
        };
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(private.path(), Some(user), Some(group))
                .map_err(|e| failed(private.path(), e))?;
        }
        let length = private.path().as_os_str().len() + "/mysql.sock.lock".len();
        if length > SOCKET {
            let found = format!(
                "a socket below {} would have a path of {length} bytes, and {SOCKET} are safe",
                private.path().display()
            );
            let error = Error::new(ErrorKind::Refused, "start a scratch server", found);
            return Err(error.hint("Name a shorter folder in the site file: `staging path=`."));
        }
        Ok(private)
    }
}

/// User and group of a line of the password file.
fn numbers(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.trim().split(':').skip(2).map(|field| field.parse().ok());
    Some((fields.next()??, fields.next()??))
}

/// Whether a user gets through every folder on the way, and through this one.
fn reaches(user: u32, path: &Path) -> bool {
    let passes = |folder: &Path| {
        std::fs::metadata(folder)
            .is_ok_and(|m| m.mode() & 0o001 != 0 || (m.uid() == user && m.mode() & 0o100 != 0))
    };
    path.is_absolute() && path.ancestors().filter(|folder| folder.exists()).all(passes)
}

/// A folder of ours that others may pass and not write to.
fn make_shared(path: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o711).create(path) {
        Ok(()) => {
            // The mask of this process takes from it what others need to pass.
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(path)?;
            let own = found.uid() == rustix::process::geteuid().as_raw();
            match found.is_dir() && own && found.mode() & 0o022 == 0 {
                true => Ok(()),
                false => Err(io::Error::other("it is there, and somebody else can write to it")),
            }
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_account_is_read_and_a_folder_is_reached_only_through_those_above() {
        let line = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(numbers(line), Some((101, 104)));
        assert_eq!(numbers("postgres:x::104"), None);
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("below");
        std::fs::create_dir(&below).expect("made");
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
        };
        open(&below, 0o711);
        open(folder.path(), 0o700);
        let another = rustix::process::geteuid().as_raw() + 7;
        assert!(!reaches(another, &below));
        open(folder.path(), 0o711);
        assert!(reaches(another, &below));
        assert!(!reaches(another, Path::new("relative")));
    }

    #[test]
    fn a_folder_that_others_write_to_is_not_shared() {
        let folder = tempfile::tempdir().expect("a folder");
        let shared = folder.path().join("shared");
        make_shared(&shared).expect("made");
        make_shared(&shared).expect("there, and ours");
        let mode = std::fs::metadata(&shared).expect("there").mode();
        assert_eq!(mode & 0o777, 0o711);
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).expect("set");
        make_shared(&shared).expect_err("others write there");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/var/tmp", &link).expect("made");
        make_shared(&link).expect_err("a link");
    }
}
