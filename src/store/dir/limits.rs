//! What a folder keeps, by the file system that it lies on.
//!
//! Looks once, when the folder is opened; a folder that is not there yet is judged by the nearest
//! above it that is.

use std::path::Path;
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::bounded;
use rustix::fs::{statfs, statvfs};

use crate::store::contract::{Ability, Limits};
use crate::store::dir::examine::nearest;

/// Parts that are best written at once: one disk, and something to do while it syncs.
const LANES: usize = 2;

/// How long a file system may take to say how much is free.
const PATIENCE: Duration = Duration::from_secs(5);

/// File systems, by the number that the kernel gives each: FAT, whose files end at 4 GiB.
const FAT: u64 = 0x4d44;

/// Memory, which a loss of power takes with it.
const MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// File systems of a program, which syncs as that program does.
const FUSE: u64 = 0x6573_5546;

/// The limits of a folder of which nothing is known.
pub fn declared() -> Limits {
    Limits::none(LANES)
}

/// The limits of the folder at `root`.
pub fn of(root: &Path) -> Limits {
    let found = nearest(root).and_then(|there| statfs(there).ok());
    found.map_or(declared(), |found| by_kind(found.f_type as u64 & 0xffff_ffff))
}

/// How many bytes are free in the folder at `root`; `None` where it does not say so soon: a share
/// whose server is gone lets whoever asks wait for ever.
pub fn free(root: &Path) -> Option<u64> {
    let (done, told) = bounded(1);
    let root = root.to_path_buf();
    let ask = move || {
        let found = root.is_dir().then(|| statvfs(&root).ok()).flatten();
        // Nobody waits any more where it can't be sent.
        let bytes = found.map(|found| found.f_bavail.saturating_mul(found.f_frsize));
        done.send(bytes).unwrap_or_default();
    };
    Builder::new().name("free space".into()).spawn(ask).ok()?;
    told.recv_timeout(PATIENCE).ok().flatten()
}

fn by_kind(kind: u64) -> Limits {
    let base = declared();
    match kind {
        FAT => Limits { object: (4 << 30) - 1, ..base },
        FUSE => Limits { durable: Ability::Unknown, ..base },
        kind if MEMORY.contains(&kind) => Limits { durable: Ability::Lacking, ..base },
        _ => base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_told_of_a_folder_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(free(folder.path()).is_some_and(|bytes| bytes > 0));
        assert_eq!(free(&folder.path().join("gone")), None);
    }

    #[test]
    fn a_folder_in_memory_is_not_durable_and_fat_has_a_largest_file() {
        assert_eq!(of(Path::new("/dev/shm/none/here")).durable, Ability::Lacking);
        assert_eq!(by_kind(FAT).object, u64::from(u32::MAX));
        assert_eq!(by_kind(FUSE).durable, Ability::Unknown);
        assert_eq!(by_kind(0xef53), declared());
    }
}
