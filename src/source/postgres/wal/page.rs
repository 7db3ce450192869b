//! The header of a segment's first page: whether a file is the segment that its name says.
//!
//! Source: `src/include/access/xlog_internal.h`. Fields are in the byte order of the machine that
//! the server runs on, which is the one that calls us.

use crate::source::postgres::wal::name::{Lsn, Segment, is_size};

/// The flag of a page whose first bytes end a record of the page before.
pub const CONTINUES: u16 = 0x0001;

/// The flag of a long header, which the first page of a segment has.
const LONG: u16 = 0x0002;

/// Bytes of a short header.
pub const SHORT_HEADER: usize = 24;

/// Bytes of a long header.
pub const LONG_HEADER: usize = 40;

/// The magic numbers of the versions that are known; another may be a newer one.
const MAGICS: [(u16, u32); 9] = [
    (0xD097, 10),
    (0xD098, 11),
    (0xD101, 12),
    (0xD106, 13),
    (0xD10D, 14),
    (0xD110, 15),
    (0xD113, 16),
    (0xD116, 17),
    (0xD118, 18),
];

/// The header of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The number of the version.
    pub magic: u16,
    /// Flags.
    pub info: u16,
    /// The timeline that wrote it.
    pub timeline: u32,
    /// Where it stands.
    pub address: u64,
    /// Bytes that end a record of the page before.
    pub rest: u32,
}

impl Page {
    /// Reads the header that all pages have.
    pub fn read(bytes: &[u8]) -> Option<Page> {
        Some(Page {
            magic: u16::from_ne_bytes(field(bytes, 0)?),
            info: u16::from_ne_bytes(field(bytes, 2)?),
            timeline: u32::from_ne_bytes(field(bytes, 4)?),
            address: u64::from_ne_bytes(field(bytes, 8)?),
            rest: u32::from_ne_bytes(field(bytes, 16)?),
        })
    }

    /// Bytes of its header.
    pub fn header(&self) -> usize {
        if self.info & LONG == 0 { SHORT_HEADER } else { LONG_HEADER }
    }
}

/// A few bytes of a fixed length.
pub fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// What the first page of a segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFacts {
    /// The identifier of its cluster.
    pub system: String,
    /// Bytes of a segment.
    pub size: u64,
    /// Bytes of a page.
    pub page: usize,
    /// The major version that wrote it, if its number is known.
    pub major: Option<u32>,
}

/// Whether `bytes` are the whole segment of this name; the error says what does not fit.
pub fn check_segment(segment: Segment, bytes: &[u8]) -> Result<SegmentFacts, String> {
    let facts = check_first_page(segment, bytes)?;
    match bytes.len() as u64 == facts.size {
        true => Ok(facts),
        false => Err(format!("it has {} bytes, and its segments have {}", bytes.len(), facts.size)),
    }
}

/// Whether `bytes` begin the segment of this name.
pub fn check_first_page(segment: Segment, bytes: &[u8]) -> Result<SegmentFacts, String> {
    let page = Page::read(bytes).ok_or("it is too short for a page of WAL")?;
    let major = MAGICS.iter().find(|(magic, _)| *magic == page.magic).map(|(_, major)| *major);
    // Newer versions count on.
    if page.magic >> 8 != 0xD1 && major.is_none() {
        return Err(format!("it does not begin with a page of WAL (magic {:04X})", page.magic));
    }
    if page.info & LONG == 0 {
        return Err("its first page has no long header".into());
    }
    let long = || -> Option<(u64, u32, u32)> {
        Some((
            u64::from_ne_bytes(field(bytes, 24)?),
            u32::from_ne_bytes(field(bytes, 32)?),
            u32::from_ne_bytes(field(bytes, 36)?),
        ))
    };
    let (system, size, block) = long().ok_or("it is too short for its first page")?;
    let size = u64::from(size);
    if !is_size(size) || !block.is_power_of_two() || !(1024..=65_536).contains(&block) {
        return Err(format!("its header says segments of {size} bytes in pages of {block}"));
    }
    let start = segment.start(size).ok_or_else(|| {
        format!("its header says segments of {size} bytes, which have no such name")
    })?;
    if page.address != start.0 {
        return Err(format!("its first page stands at {}, not at {start}", Lsn(page.address)));
    }
    // The first segment of a timeline begins with a copy of the one it parted from.
    if page.timeline > segment.timeline || page.timeline == 0 {
        return Err(format!("its first page is of timeline {}", page.timeline));
    }
    Ok(SegmentFacts { system: system.to_string(), size, page: block as usize, major })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A segment of 1 MiB with the header that PostgreSQL 15 writes, and nothing behind it.
    pub fn segment(timeline: u32, number: u64, system: u64) -> (Segment, Vec<u8>) {
        let size = 1_u64 << 20;
        let mut bytes = vec![0; size as usize];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &0xD110_u16.to_ne_bytes());
        put(2, &LONG.to_ne_bytes());
        put(4, &timeline.to_ne_bytes());
        put(8, &(number * size).to_ne_bytes());
        put(24, &system.to_ne_bytes());
        put(32, &(size as u32).to_ne_bytes());
        put(36, &8192_u32.to_ne_bytes());
        (Segment::numbered(timeline, number, size), bytes)
    }

    #[test]
    fn a_file_is_the_segment_of_its_name_or_says_what_does_not_fit() {
        let (name, bytes) = segment(2, 7, 42);
        let facts = check_segment(name, &bytes).expect("it fits");
        assert_eq!((facts.system.as_str(), facts.size, facts.major), ("42", 1 << 20, Some(15)));
        // A copy of the timeline before.
        check_segment(Segment { timeline: 3, ..name }, &bytes).expect("it fits");
        let wrong = |name: Segment, bytes: &[u8]| check_segment(name, bytes).expect_err("refused");
        assert!(wrong(Segment { timeline: 1, ..name }, &bytes).contains("timeline 2"));
        assert!(wrong(Segment { part: 8, ..name }, &bytes).contains("stands at 0/700000"));
        assert!(wrong(name, &bytes[..1000]).contains("has 1000 bytes"));
        for cut in [0, 1, 23, 39] {
            assert!(wrong(name, &bytes[..cut]).contains("too short"), "{cut}");
        }
        let changed = |at: usize, value: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            bytes
        };
        assert!(wrong(name, &changed(1, 0)).contains("magic"));
        assert!(wrong(name, &changed(2, 0)).contains("long header"));
        assert!(wrong(name, &changed(33, 1)).contains("segments of"));
        assert!(wrong(name, &vec![0; 1 << 20]).contains("magic 0000"));
    }
}
