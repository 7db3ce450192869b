//! From keys to paths, and from I/O errors to errors of the contract.
//!
//! Does not know uploads. Invariant: a path made here stands below the root: no key may climb out
//! of it, and none may look like a temporary file.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::store::contract::{Error, ErrorKind, Result};
use crate::store::temporary::is_temporary;

/// The path of `key` below `root`; `doing` is what an error says was being done.
pub fn locate(root: &Path, key: &str, doing: &str) -> Result<PathBuf> {
    let bad =
        |part: &str| matches!(part, "" | "." | "..") || is_temporary(part) || part.contains('\0');
    match key.split('/').any(bad) {
        true => {
            Err(Error::new(ErrorKind::Failed, doing, format!("{key:?} is no key for a folder")))
        }
        false => Ok(root.join(key)),
    }
}

/// The error of the contract for an I/O error.
pub fn error(e: io::Error, doing: &str) -> Error {
    let kind = match e.kind() {
        io::ErrorKind::NotFound => ErrorKind::Missing,
        io::ErrorKind::AlreadyExists => ErrorKind::Exists,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::Full
        }
        // What a share says whose server, or whose way, is not there.
        io::ErrorKind::TimedOut
        | io::ErrorKind::StaleNetworkFileHandle
        | io::ErrorKind::NotConnected
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable => ErrorKind::Unreachable,
        _ if e.raw_os_error() == Some(Errno::HOSTDOWN.raw_os_error()) => ErrorKind::Unreachable,
        _ => ErrorKind::Failed,
    };
    let found = e.to_string();
    // What we found ourselves has no cause that says more.
    let source = e.raw_os_error().is_some().then(|| Box::new(e) as _);
    Error { found, source, ..Error::new(kind, doing, "") }
}

/// Makes `folder` and what it lacks above it, for the owner only; returns what was made, deepest
/// last.
pub fn make(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut missing = Vec::new();
    let mut made = Vec::new();
    let mut at = folder;
    while !at.as_os_str().is_empty() && !at.is_dir() {
        missing.push(at.to_owned());
        let Some(above) = at.parent() else { break };
        at = above;
    }
    while let Some(next) = missing.pop() {
        match DirBuilder::new().mode(0o700).create(&next) {
            Ok(()) => made.push(next),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && next.is_dir() => {}
            // No name that is taken: another one would not help.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let found = format!("{} is in the way: it is no folder", next.display());
                return Err(io::Error::new(io::ErrorKind::NotADirectory, found));
            }
            Err(e) => return Err(e),
        }
    }
    Ok(made)
}

/// Makes the entries of `folder` durable; a file system that has no such call (`EINVAL`) does it by
/// itself.
pub fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match File::open(folder)?.sync_all() {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_full_a_share_that_is_away_unreachable_and_a_bad_sector_neither() {
        for (errno, kind) in [
            (Errno::NOSPC, ErrorKind::Full),
            (Errno::DQUOT, ErrorKind::Full),
            (Errno::FBIG, ErrorKind::Full),
            (Errno::ROFS, ErrorKind::Denied),
            (Errno::STALE, ErrorKind::Unreachable),
            (Errno::TIMEDOUT, ErrorKind::Unreachable),
            (Errno::NOTCONN, ErrorKind::Unreachable),
            (Errno::CONNRESET, ErrorKind::Unreachable),
            (Errno::CONNABORTED, ErrorKind::Unreachable),
            (Errno::NETUNREACH, ErrorKind::Unreachable),
            (Errno::HOSTUNREACH, ErrorKind::Unreachable),
            (Errno::HOSTDOWN, ErrorKind::Unreachable),
            (Errno::IO, ErrorKind::Failed),
        ] {
            assert_eq!(error(errno.into(), "write").kind, kind, "{errno}");
        }
    }

    #[test]
    fn no_key_leaves_the_folder_or_looks_temporary() {
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "a/../b",
            "./a",
            "a/.",
            "a\0b",
            ".vex-1.part",
            "a/.vex-x.part",
        ] {
            assert_eq!(
                locate(Path::new("r"), bad, "write").expect_err(bad).kind,
                ErrorKind::Failed,
                "{bad:?}"
            );
        }
        for good in ["a", "a/b c/ü+&=%.zip", "..a", "a\\b", ".vex-1"] {
            assert_eq!(
                locate(Path::new("r"), good, "write").expect(good),
                Path::new("r").join(good)
            );
        }
    }
}
