//! Places in the log and the names of its files.
//!
//! A segment's name says its timeline and its number in two halves, which depend on the size of
//! segments: without the size two names can be compared, but nobody knows whether one follows the
//! other.

use std::fmt;
use std::str::FromStr;

/// Sizes that a segment can have: powers of two between these.
pub const SIZES: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 30;

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = String;

    fn from_str(text: &str) -> Result<Lsn, String> {
        let half = |text: &str| match (1..=8).contains(&text.len()) {
            true if text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                u64::from_str_radix(text, 16).ok()
            }
            _ => None,
        };
        let halves = text.split_once('/').and_then(|(high, low)| Some((half(high)?, half(low)?)));
        let (high, low) = halves.ok_or_else(|| format!("{text} is no LSN such as 0/16B3748"))?;
        Ok(Lsn(high << 32 | low))
    }
}

/// Whether a segment can have this size.
pub fn is_size(bytes: u64) -> bool {
    bytes.is_power_of_two() && SIZES.contains(&bytes)
}

/// A segment of the log, by the digits of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// The timeline.
    pub timeline: u32,
    /// The upper half of its number.
    pub log: u32,
    /// The lower half.
    pub part: u32,
}

impl Segment {
    /// The segment of a number.
    pub fn numbered(timeline: u32, number: u64, size: u64) -> Segment {
        let each = (1 << 32) / size;
        // A number of 2^64 bytes of log does not leave the upper half.
        Segment { timeline, log: (number / each) as u32, part: (number % each) as u32 }
    }

    /// Its number, where segments have `size` bytes; `None` for a name that such a cluster has not.
    pub fn number(self, size: u64) -> Option<u64> {
        let each = (1 << 32) / size;
        (u64::from(self.part) < each).then(|| u64::from(self.log) * each + u64::from(self.part))
    }

    /// Where it begins.
    pub fn start(self, size: u64) -> Option<Lsn> {
        Some(Lsn(self.number(size)? * size))
    }

    fn parse(text: &str) -> Option<Segment> {
        let digits = text.len() == 24
            && text.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
        let part = |from: usize| u32::from_str_radix(text.get(from..from + 8)?, 16).ok();
        match digits {
            true => Some(Segment { timeline: part(0)?, log: part(8)?, part: part(16)? }),
            false => None,
        }
        .filter(|segment| segment.timeline > 0)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}{:08X}{:08X}", self.timeline, self.log, self.part)
    }
}

/// The name of a file of the log, as `archive_command` and `restore_command` are given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WalName {
    /// A whole segment.
    Segment(Segment),
    /// The beginning of a segment: what a server had of it whose standby was promoted.
    Partial(Segment),
    /// Where a base backup began, and the offset in its segment.
    Backup(Segment, u32),
    /// Where a timeline parted from the one before.
    History(u32),
}

impl WalName {
    /// The name of a file; `None` for what PostgreSQL never asks to be kept.
    pub fn parse(text: &str) -> Option<WalName> {
        if let Some(segment) = Segment::parse(text) {
            return Some(WalName::Segment(segment));
        }
        let (first, rest) = text.split_once('.')?;
        if rest == "history" {
            let digits = first.len() == 8
                && first.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
            let timeline = u32::from_str_radix(first, 16).ok().filter(|t| digits && *t > 0);
            return timeline.map(WalName::History);
        }
        let segment = Segment::parse(first)?;
        if rest == "partial" {
            return Some(WalName::Partial(segment));
        }
        let offset = rest.strip_suffix(".backup").filter(|offset| offset.len() == 8)?;
        Some(WalName::Backup(segment, u32::from_str_radix(offset, 16).ok()?))
            .filter(|name| name.to_string() == text)
    }

    /// The timeline that it belongs to; of a history file the one that begins there.
    pub fn timeline(self) -> u32 {
        match self {
            WalName::Segment(segment) | WalName::Partial(segment) | WalName::Backup(segment, _) => {
                segment.timeline
            }
            WalName::History(timeline) => timeline,
        }
    }

    /// The segment, if it is a whole one.
    pub fn segment(self) -> Option<Segment> {
        match self {
            WalName::Segment(segment) => Some(segment),
            WalName::Partial(_) | WalName::Backup(..) | WalName::History(_) => None,
        }
    }
}

impl fmt::Display for WalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalName::Segment(segment) => write!(f, "{segment}"),
            WalName::Partial(segment) => write!(f, "{segment}.partial"),
            WalName::Backup(segment, offset) => write!(f, "{segment}.{offset:08X}.backup"),
            WalName::History(timeline) => write!(f, "{timeline:08X}.history"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_four_kinds_of_names_are_told_apart_and_nothing_else_is_taken() {
        for (text, timeline) in [
            ("000000010000000000000009", 1),
            ("00000001000000000000000A.partial", 1),
            ("000000010000000000000009.00000028.backup", 1),
            ("0000000B.history", 11),
        ] {
            let name = WalName::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((name.to_string().as_str(), name.timeline()), (text, timeline));
        }
        for text in [
            "",
            "RECOVERYXLOG",
            "../000000010000000000000009",
            "00000001000000000000000a",
            "00000001000000000000009",
            "000000000000000000000009",
            "000000010000000000000009.gz",
            "000000010000000000000009.28.backup",
            "000000010000000000000009.0000002g.backup",
            "00000000.history",
            "0000000b.history",
            "+0000001.history",
            "00000001000000000000000Ä",
        ] {
            assert_eq!(WalName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_depends_on_the_size_of_segments() {
        let segment = |text: &str| Segment::parse(text).expect("a name");
        let (mib, gib) = (1 << 20, 1 << 30);
        assert_eq!(segment("000000010000000200000003").number(16 * mib), Some(2 * 256 + 3));
        assert_eq!(segment("000000010000000200000003").start(gib), Some(Lsn(2 << 32 | 3 << 30)));
        assert_eq!(segment("000000010000000200000004").number(gib), None, "there are 0 to 3");
        assert_eq!(segment("0000000100000000000000FF").number(16 * mib), Some(255));
        assert_eq!(segment("000000010000000000000100").number(16 * mib), None);
        assert_eq!(segment("000000010000000000000FFF").number(mib), Some(4095));
    }

    #[test]
    fn a_place_is_read_and_written() {
        assert_eq!("16/B374D848".parse(), Ok(Lsn(0x16_B374_D848)));
        assert_eq!(Lsn(0x16_B374_D848).to_string(), "16/B374D848");
        for text in ["", "0", "0/", "/0", "0/g", "0/+1", "1/2/3", "123456789/0"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn number_and_name_are_two_ways_to_say_one_thing(number in 0_u64..1 << 34, timeline in 1_u32.., power in 20_u32..=30) {
            let segment = Segment::numbered(timeline, number, 1 << power);
            prop_assert_eq!(segment.number(1 << power), Some(number));
            prop_assert_eq!(WalName::parse(&segment.to_string()), Some(WalName::Segment(segment)));
        }

        #[test]
        fn any_text_is_a_name_or_not_and_a_name_is_written_as_it_was_read(text in "[0-9A-F.a-z]{0,40}") {
            if let Some(name) = WalName::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
