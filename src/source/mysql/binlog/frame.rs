//! Events of a binary log as bytes: where each ends, what its header says, and whether its checksum
//! is its own.
//!
//! Knows headers only, so that events of kinds that come later pass through as they are. Invariant:
//! bytes that are cut or changed are an error that says where, never a panic.

use crc_fast::{CrcAlgorithm, checksum};

/// What a file of a binary log begins with.
pub const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];

/// Bytes of a header.
pub const HEADER: usize = 19;

/// Bytes of a checksum.
const CRC: usize = 4;

/// The event that says how the others are written.
pub const FORMAT: u8 = 15;

/// A header's flag: the event is made up for this connection, and stands in no file.
const ARTIFICIAL: u16 = 0x20;

/// A header's flag of a format description: its file is being written. It is set after the checksum
/// was made.
const IN_USE: u16 = 1;

/// What a server sends so that nobody takes it for dead.
const HEARTBEATS: [u8; 2] = [27, 41];

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Seconds since 1970.
    pub time: u32,
    /// Its kind.
    pub kind: u8,
    /// The server that made it.
    pub server: u32,
    /// The low 32 bits of where the next event begins; 0 where the server does not say.
    pub next: u32,
    flags: u16,
    /// All of it.
    pub bytes: &'a [u8],
    /// What stands between header and checksum.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// The flags of its header.
    pub fn flags(&self) -> u16 {
        self.flags
    }

    /// Whether the event is made up for a connection. That it names no place says nothing: MariaDB
    /// 11 writes the events inside of a transaction so.
    pub fn is_artificial(&self) -> bool {
        self.flags & ARTIFICIAL != 0 || HEARTBEATS.contains(&self.kind)
    }
}

/// Reads events one after the other; whether they have checksums is in the format description.
#[derive(Debug, Clone, Copy, Default)]
pub struct Frames {
    has_checksums: bool,
}

impl Frames {
    /// The event that `bytes` begin with, proven by its checksum.
    pub fn first<'a>(&mut self, bytes: &'a [u8]) -> Result<Frame<'a>, String> {
        let header = bytes.get(..HEADER).ok_or_else(|| {
            format!("an event ends after {} of the {HEADER} bytes of its header", bytes.len())
        })?;
        let word = |at: usize| {
            u32::from_le_bytes(header[at..at + 4].try_into().expect("BUG: four bytes are not four"))
        };
        let (time, kind, server, size, next) = (word(0), header[4], word(5), word(9), word(13));
        let flags = u16::from_le_bytes([header[17], header[18]]);
        let size = size as usize;
        let whole = bytes.get(..size).filter(|_| size >= HEADER).ok_or_else(|| {
            format!("an event of kind {kind} says {size} bytes and has {}", bytes.len())
        })?;
        let mut has_crc = self.has_checksums;
        if kind == FORMAT {
            // The algorithm stands before the checksum, which is there whatever it is.
            let at = size.checked_sub(CRC + 1).filter(|at| *at >= HEADER);
            let at = at.ok_or_else(|| "a format description that is too short".to_owned())?;
            has_crc = match whole[at] {
                0 => false,
                1 => true,
                other => return Err(format!("checksums of the unknown kind {other}")),
            };
            self.has_checksums = has_crc;
        }
        let tail = if has_crc || kind == FORMAT { CRC } else { 0 };
        let to = size.checked_sub(tail).filter(|to| *to >= HEADER);
        let to = to.ok_or_else(|| format!("an event of kind {kind} that is too short"))?;
        if has_crc {
            check(whole, to, kind)?;
        }
        Ok(Frame { time, kind, server, next, flags, bytes: whole, body: &whole[HEADER..to] })
    }
}

fn check(whole: &[u8], to: usize, kind: u8) -> Result<(), String> {
    let said = u32::from_le_bytes(whole[to..].try_into().map_err(|_| "BUG: no checksum")?);
    let found = if kind == FORMAT && whole[17] & IN_USE as u8 != 0 {
        let mut copy = whole[..to].to_vec();
        copy[17] &= !(IN_USE as u8);
        crc(&copy)
    } else {
        crc(&whole[..to])
    };
    match found == said {
        true => Ok(()),
        false => Err(format!(
            "an event of kind {kind} has the checksum {found:08x}, and says {said:08x}"
        )),
    }
}

/// CRC32 as events have it.
pub fn crc(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An event as a server writes it, with a checksum.
    pub fn event(kind: u8, time: u32, next: u32, body: &[u8]) -> Vec<u8> {
        flagged(kind, time, next, 0, body)
    }

    /// An event that a server makes up for a connection.
    pub fn made_up(kind: u8, body: &[u8]) -> Vec<u8> {
        flagged(kind, 0, 0, ARTIFICIAL, body)
    }

    fn flagged(kind: u8, time: u32, next: u32, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(time.to_le_bytes());
        bytes.push(kind);
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(((HEADER + body.len() + CRC) as u32).to_le_bytes());
        bytes.extend(next.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(body);
        bytes.extend(crc(&bytes).to_le_bytes());
        bytes
    }

    /// A format description that announces checksums.
    pub fn format(time: u32) -> Vec<u8> {
        event(FORMAT, time, 50, &[4, 0, 1])
    }

    #[test]
    fn no_flipped_bit_and_no_cut_passes_for_an_event() {
        let mut frames = Frames::default();
        frames.first(&format(7)).expect("a format description");
        let whole = event(16, 9, 200, &[1, 2, 3, 4, 5, 6, 7, 8]);
        let frame = frames.first(&whole).expect("an event");
        assert_eq!((frame.time, frame.kind, frame.next, frame.body.len()), (9, 16, 200, 8));
        for at in 0..whole.len() {
            assert!(frames.first(&whole[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bad = whole.clone();
                bad[at] ^= 1 << bit;
                let mut own = frames;
                assert!(own.first(&bad).is_err(), "bit {bit} of {at}");
            }
        }
    }

    #[test]
    fn the_mark_of_a_file_in_use_is_no_part_of_the_checksum() {
        let mut whole = format(7);
        whole[17] |= 1;
        assert!(Frames::default().first(&whole).is_ok());
        whole[17] |= 2;
        assert!(Frames::default().first(&whole).is_err());
    }
}
