//! The container: entries appended whole to one `.zip`, each pressed and sealed by itself on any
//! thread.
//!
//! Source of the format: PKWARE APPNOTE 6.3.10 (zip, zip64) and WinZip AES (AE-1 and AE-2, AES-256,
//! PBKDF2-SHA1, 1000 rounds). The `zip` crate opens an entry that is sealed, or not of Zstandard,
//! as an archive of one; this file joins what `press.rs` made: local headers and data stay byte for
//! byte, the central directory is written anew with zip64 fields always. Nothing is finalised by a
//! drop: a container is whole only after [`Directory::finish`] was called, so an aborted one can't
//! look complete.

use std::io::{Read, Write};

use crate::artifact::age::plain_name;

/// Not compressed, in the list of methods of APPNOTE 4.4.5.
pub(super) const STORED: u16 = 0;

/// Zstandard, in that list.
pub(super) const ZSTD: u16 = 93;

/// How entries are pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Zstandard at a level.
    Zstd(i32),
    /// Deflate at a level.
    Deflate(i32),
    /// Not at all.
    Store,
}

/// An entry as it stands in the container: local header and data, and its line of the directory.
#[derive(Debug)]
pub struct Pressed {
    /// Local header and data.
    pub bytes: Vec<u8>,
    pub(super) record: Record,
}

/// What the central directory says of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) needed: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) time: u16,
    pub(super) date: u16,
    pub(super) crc: u32,
    pub(super) stored: u64,
    pub(super) raw: u64,
    pub(super) name: Vec<u8>,
    /// Extra fields but zip64.
    pub(super) extra: Vec<u8>,
}

/// Reads the local header at the start of `bytes`: what it says, and the length of header and data
/// together.
pub(super) fn read_local(bytes: &[u8]) -> Option<(Record, u64)> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if bytes.get(..4)? != b"PK\x03\x04" {
        return None;
    }
    let (name_len, extra_len) = (usize::from(u16_at(26)?), usize::from(u16_at(28)?));
    let name = bytes.get(30..30 + name_len)?.to_vec();
    let all_extra = bytes.get(30 + name_len..30 + name_len + extra_len)?;
    let (mut stored, mut raw) = (u64::from(u32_at(18)?), u64::from(u32_at(22)?));
    let mut extra = Vec::new();
    let mut rest = all_extra;
    while rest.len() >= 4 {
        let (id, len) = (
            u16::from_le_bytes([rest[0], rest[1]]),
            usize::from(u16::from_le_bytes([rest[2], rest[3]])),
        );
        let body = rest.get(4..4 + len)?;
        if id == 1 {
            raw = u64::from_le_bytes(body.get(..8)?.try_into().ok()?);
            stored = u64::from_le_bytes(body.get(8..16)?.try_into().ok()?);
        } else {
            extra.extend_from_slice(&rest[..4 + len]);
        }
        rest = &rest[4 + len..];
    }
    let flags = u16_at(6)?;
    // Sizes behind the data (bit 3) are never written by vex.
    if flags & 8 != 0 || !rest.is_empty() {
        return None;
    }
    let header = (30 + name_len + extra_len) as u64;
    let record = Record {
        needed: u16_at(4)?.max(45),
        flags,
        method: u16_at(8)?,
        time: u16_at(10)?,
        date: u16_at(12)?,
        crc: u32_at(14)?,
        stored,
        raw,
        name,
        extra,
    };
    Some((record, header.checked_add(stored)?))
}

impl Record {
    /// Whether it is the entry of `name`, sealed for recipients of age, and whether that was
    /// compressed before.
    pub(super) fn sealed_as(&self, name: &str) -> Option<bool> {
        let own = std::str::from_utf8(&self.name).ok()?;
        plain_name(own).filter(|(plain, _)| *plain == name).map(|(_, pressed)| pressed)
    }

    /// Writes the local header, zip64 always.
    pub(super) fn write_local(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PK\x03\x04");
        for field in [self.needed, self.flags, self.method, self.time, self.date] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&[0xff; 8]);
        out.extend_from_slice(&(self.name.len() as u16).to_le_bytes());
        out.extend_from_slice(&(20 + self.extra.len() as u16).to_le_bytes());
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&16_u16.to_le_bytes());
        out.extend_from_slice(&self.raw.to_le_bytes());
        out.extend_from_slice(&self.stored.to_le_bytes());
        out.extend_from_slice(&self.extra);
    }

    pub(super) fn write(&self, offset: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PK\x01\x02");
        for field in [(3 << 8) | 63, self.needed, self.flags, self.method, self.time, self.date] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&[0xff; 8]);
        out.extend_from_slice(&(self.name.len() as u16).to_le_bytes());
        out.extend_from_slice(&(28 + self.extra.len() as u16).to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&(0o100600_u32 << 16).to_le_bytes());
        out.extend_from_slice(&[0xff; 4]);
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&24_u16.to_le_bytes());
        for field in [self.raw, self.stored, offset] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.extra);
    }
}

/// Bytes of the central directory that are handed on at once.
const SLICE: usize = 1 << 20;

/// The central directory of a container that is being written. It grows with the number of entries,
/// so it is kept compressed: about 25 bytes an entry.
pub struct Directory {
    records: zstd::stream::write::Encoder<'static, Vec<u8>>,
    /// Used again for every record.
    record: Vec<u8>,
    size: u64,
    count: u64,
    offset: u64,
}

impl Directory {
    /// Of a container without entries.
    pub fn new() -> std::io::Result<Directory> {
        let records = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
        Ok(Directory { records, record: Vec::new(), size: 0, count: 0, offset: 0 })
    }

    /// Notes an entry that is appended now; returns where it stands.
    pub fn add(&mut self, entry: &Pressed) -> std::io::Result<u64> {
        let offset = self.offset;
        self.record.clear();
        entry.record.write(offset, &mut self.record);
        self.records.write_all(&self.record)?;
        self.size += self.record.len() as u64;
        self.count += 1;
        self.offset += entry.bytes.len() as u64;
        Ok(offset)
    }

    /// Hands on the bytes that end the container: directory, zip64 end, end.
    pub fn finish<E: From<std::io::Error>>(
        self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (size, count, offset) = (self.size, self.count, self.offset);
        let pressed = self.records.finish()?;
        let mut records = zstd::stream::read::Decoder::new(pressed.as_slice())?;
        let mut slice = vec![0; SLICE];
        loop {
            match records.read(&mut slice)? {
                0 => break,
                length => take(&slice[..length])?,
            }
        }
        take(&ends(offset, size, count))
    }
}

/// What ends a container whose directory of `size` bytes and `count` records begins at `offset`.
pub(super) fn ends(offset: u64, size: u64, count: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let end = offset + size;
    out.extend_from_slice(b"PK\x06\x06");
    out.extend_from_slice(&44_u64.to_le_bytes());
    out.extend_from_slice(&((3_u16 << 8) | 63).to_le_bytes());
    out.extend_from_slice(&45_u16.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    for field in [count, count, size, offset] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(b"PK\x06\x07");
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&end.to_le_bytes());
    out.extend_from_slice(&1_u32.to_le_bytes());
    out.extend_from_slice(b"PK\x05\x06");
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(count.min(0xffff) as u16).to_le_bytes());
    out.extend_from_slice(&(count.min(0xffff) as u16).to_le_bytes());
    out.extend_from_slice(&(size.min(0xffff_ffff) as u32).to_le_bytes());
    out.extend_from_slice(&(offset.min(0xffff_ffff) as u32).to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}
