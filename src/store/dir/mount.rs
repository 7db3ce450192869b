//! Whether something is mounted on a folder.
//!
//! Opens the folder first: an automounter mounts then.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, statx};

use crate::store::contract::{Error, ErrorKind, Result};

/// Refuses a folder on which nothing is mounted: what is written there would fill the disk below,
/// and be hidden by the next mount.
pub fn demand(path: &Path, doing: &str) -> Result<()> {
    match is_mounted(path) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let found = "nothing is mounted there, and mount=#true says that it is a mount point";
            Err(Error::new(ErrorKind::Unreachable, doing, found))
        }
        Err(e) => {
            let found = format!("unable to see whether something is mounted there: {e}");
            Err(Error::new(ErrorKind::Unreachable, doing, found))
        }
    }
}

fn is_mounted(path: &Path) -> std::io::Result<bool> {
    let folder = match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    if let Ok(found) = statx(&folder, c"", AtFlags::EMPTY_PATH, StatxFlags::INO)
        && found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    // A kernel that does not say so: another device than that of the folder above, or the root.
    let (own, above) = (folder.metadata()?, std::fs::metadata(path.join(".."))?);
    Ok(own.dev() != above.dev() || own.ino() == above.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_is_known_from_what_is_a_folder_only() {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, mounted) in [
            (Path::new("/proc"), true),
            (Path::new("/"), true),
            (Path::new("/proc/self"), false),
            (folder.path(), false),
            (&folder.path().join("missing"), false),
        ] {
            assert_eq!(is_mounted(path).expect("known"), mounted, "{}", path.display());
        }
    }
}
