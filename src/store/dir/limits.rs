//! What a folder keeps, by the file system that it lies on.
//!
//! Looks once, when the folder is opened; a folder that is not there yet is judged by the nearest
//! above it that is.

use std::path::Path;

use rustix::fs::statfs;

use crate::store::contract::{Ability, Limits};

/// Parts that are best written at once: one disk, and something to do while it syncs.
const LANES: usize = 2;

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
    let found = super::examine::nearest(root).and_then(|there| statfs(there).ok());
    found.map_or(declared(), |found| by_kind(found.f_type as u64 & 0xffff_ffff))
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
    fn a_folder_in_memory_is_not_durable_and_fat_has_a_largest_file() {
        assert_eq!(of(Path::new("/dev/shm/none/here")).durable, Ability::Lacking);
        assert_eq!(by_kind(FAT).object, u64::from(u32::MAX));
        assert_eq!(by_kind(FUSE).durable, Ability::Unknown);
        assert_eq!(by_kind(0xef53), declared());
    }
}
