//! Who else may read what lies in a folder.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::base::Finding;

/// Reading and writing for those who are neither owner nor group.
const OTHERS: u32 = 0o006;

/// What is wrong with a folder that others may read or write; `None` of one that is fine or can't
/// be looked at.
pub fn privacy(folder: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(folder).ok()?.permissions().mode() & 0o7777;
    let path = folder.display();
    (mode & OTHERS != 0).then(|| {
        let found =
            format!("{path} has mode {mode:04o}: everybody on this machine may read or write it");
        Finding::alert("privacy", found, format!("chmod o-rwx '{path}'"))
    })
}
