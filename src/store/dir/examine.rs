//! The examination of a folder: there or makeable, writable, roomy, and not on the disk of what it
//! protects.
//!
//! Makes no folder: a probe on the mount point of a disk that is not there would hide that it is
//! not there.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use crate::base::{Finding, Size, Stop};
use crate::store::contract::{Coming, Store};
use crate::store::probe::probe;
use crate::world::privacy;

/// Examines the folder at `root` of `store`.
pub fn examine(root: &Path, store: &dyn Store, coming: &Coming, stop: &Stop) -> Vec<Finding> {
    let mut found = Vec::new();
    if root.is_dir() {
        // At the root: a probe in the folder of a chain would make that folder.
        let name = coming.probe.rsplit('/').next().unwrap_or(&coming.probe);
        found.extend(probe(store, name, coming, stop));
    } else {
        found.push(missing(root));
    }
    let Some(there) = nearest(root) else { return found };
    found.extend(root.is_dir().then(|| privacy(root)).flatten());
    match statvfs(there) {
        Ok(stat) => found.push(room(stat.f_bavail.saturating_mul(stat.f_frsize), coming.bytes)),
        Err(error) => {
            found.push(Finding::alert("free space", error.to_string(), "Check the file system."))
        }
    }
    let device = |path: &Path| std::fs::metadata(path).ok().map(|m| m.dev());
    if let Some(near) =
        coming.data.iter().find(|data| device(data).is_some() && device(data) == device(there))
    {
        let text = format!("the same as that of {}", near.display());
        found.push(Finding::alert(
            "file system",
            text,
            "One broken disk takes both: send to another store as well.",
        ));
    }
    found
}

/// The folder, or the nearest above it that is there.
pub fn nearest(root: &Path) -> Option<&Path> {
    root.ancestors()
        .map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p })
        .find(|p| p.is_dir())
}

fn missing(root: &Path) -> Finding {
    match nearest(root) {
        Some(above) if access(above, Access::WRITE_OK | Access::EXEC_OK).is_ok() => {
            let text = format!("not there yet; the first run makes it in {}", above.display());
            Finding::alert("folder", text, "If it is a disk or a share, mount it first.")
        }
        above => {
            let above = above.unwrap_or(Path::new("/")).display();
            Finding::error(
                "folder",
                format!("not there, and {above} takes no folder"),
                "Make it, for the user that runs vex.",
            )
        }
    }
}

fn room(free: u64, bytes: Option<u64>) -> Finding {
    let Some(bytes) = bytes else {
        let text = format!("{} free; how large a backup is could not be asked", Size(free));
        return Finding::ok("free space", text);
    };
    let text = format!("{} free; a backup is about {} before compression", Size(free), Size(bytes));
    // The rows compress, and their text is longer than they are on disk: ten to one is out of
    // reach.
    match (free >= bytes, free >= bytes / 10) {
        (true, _) => Finding::ok("free space", text),
        (false, true) => Finding::alert("free space", text, "Make room, or shorten `keep`."),
        (false, false) => Finding::error("free space", text, "Make room: a backup will not fit."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Grade;

    #[test]
    fn room_is_judged_against_what_comes() {
        for (free, bytes, grade) in [
            (10, 10, Grade::Ok),
            (9, 10, Grade::Alert),
            (1, 10, Grade::Alert),
            (0, 10, Grade::Error),
        ] {
            assert_eq!(room(free, Some(bytes)).grade, grade, "{free} {bytes}");
        }
    }
}
