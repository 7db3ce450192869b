//! The sizes of a pipeline: how many buffers, how large, how parts are cut. Pure, so that `vex
//! plan` prints what runs.

use crate::base::Size;

/// Smallest part: S3 takes none below 5 MiB but the last.
pub const PART: u64 = 8 << 20;

/// Slots of each bounded channel.
pub const DEPTH: usize = 2;

/// Smallest and largest part number S3 knows is 1 and 10 000.
const CALM_PARTS: u64 = 5_000;

/// The sizes of one pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Connections that read.
    pub readers: usize,
    /// Threads that press.
    pub presses: usize,
    /// Bytes of a chunk.
    pub chunk: usize,
    /// Lanes of all stores together.
    pub lanes: usize,
    /// Bytes of the first parts.
    pub part: u64,
    /// Entries that are expected.
    pub entries: u64,
    /// Members, all of which are known by name to the end.
    pub members: u64,
}

/// Bytes that the index takes while it is written: a frame as text and compressed, in both forms,
/// and a part of its object.
const INDEX: u64 = 16 << 20;

/// Bytes of an entry in the central directory, which is kept compressed until the end.
const RECORD: u64 = 40;

/// Bytes of a member: its names, sums and texts.
const MEMBER: u64 = 1536;

impl Shape {
    /// Sizes for a source of about `estimate` bytes.
    pub fn new(readers: usize, presses: usize, chunk: usize, lanes: usize, estimate: u64) -> Shape {
        let entries = estimate / chunk.max(1) as u64;
        Shape { readers, presses, chunk, lanes, part: first_part(estimate), entries, members: 0 }
    }

    /// The same for a source of so many members.
    pub fn holding(self, members: usize) -> Shape {
        Shape { members: members as u64, ..self }
    }

    /// Chunks and entries that may exist at once.
    pub fn chunk_permits(&self) -> usize {
        self.readers + self.presses + 2 * DEPTH
    }

    /// Parts that may exist at once.
    pub fn part_permits(&self) -> usize {
        self.lanes + DEPTH + 1
    }

    /// The bound: `(chunk + entry) × (D + P + 2·depth) + part × (S + depth + 1)`, the index and the
    /// members; the largest row comes on top, D times.
    pub fn bound(&self) -> Size {
        Size(
            2 * self.chunk as u64 * self.chunk_permits() as u64
                + self.part * self.part_permits() as u64
                + INDEX
                + RECORD * self.entries
                + MEMBER * self.members,
        )
    }
}

/// The first part size for an estimate of uncompressed bytes: half of it in 5 000 parts, in whole
/// MiB.
pub fn first_part(estimate: u64) -> u64 {
    (estimate / 2 / CALM_PARTS).div_ceil(1 << 20).saturating_mul(1 << 20).max(PART)
}

/// The size of part `number` (from 1): equal, and doubled after every 1 000 parts beyond 5 000, so
/// that no estimate is too low for the 10 000 parts of S3.
pub fn part_size(first: u64, number: u32) -> u64 {
    let doublings = u64::from(number).saturating_sub(CALM_PARTS).div_ceil(1000);
    first << doublings.min(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_then_double_and_ten_thousand_hold_any_estimate() {
        assert_eq!(first_part(0), PART);
        assert_eq!(first_part(1 << 40) % (1 << 20), 0);
        assert_eq!((part_size(PART, 1), part_size(PART, 5000)), (PART, PART));
        assert_eq!(
            (part_size(PART, 5001), part_size(PART, 6000), part_size(PART, 6001)),
            (2 * PART, 2 * PART, 4 * PART)
        );
        for estimate in [0, 1 << 30, 1 << 40, 50 << 40] {
            let whole: u128 =
                (1..=10_000).map(|n| u128::from(part_size(first_part(estimate), n))).sum();
            assert!(whole > 2 * u128::from(estimate), "{estimate}");
        }
    }

    #[test]
    fn the_bound_is_the_formula_of_the_design() {
        let shape = Shape::new(4, 2, 4 << 20, 6, 0);
        assert_eq!(shape.bound(), Size(2 * (4 << 20) * 10 + PART * 9 + INDEX));
        assert_eq!(shape.holding(7).bound(), Size(shape.bound().0 + 7 * MEMBER));
    }
}
