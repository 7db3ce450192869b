//! The container: entries appended whole to one `.zip`, each pressed and sealed by itself on any
//! thread.
//!
//! Source of the format: PKWARE APPNOTE 6.3.10 (zip, zip64) and WinZip AES (AE-1 and AE-2, AES-256,
//! PBKDF2-SHA1, 1000 rounds). The `zip` crate opens an entry that is sealed, or not of Zstandard,
//! as an archive of one; this file joins what `press.rs` made: local headers and data stay byte for
//! byte, the central directory is written anew with zip64 fields always. Nothing is finalised by a
//! drop: a container is whole only after [`Directory::finish`] was called, so an aborted one can't
//! look complete.

use std::cell::RefCell;
use std::io::{Cursor, Read, Write};

use zip::ZipArchive;

use crate::artifact::damage::Damage;
use crate::base::Secret;

/// Largest entry, stored or opened, in bytes: the manifest of 10⁵ tables fits, a bomb does not.
pub const LARGEST_ENTRY: u64 = 2 << 30;

/// Largest entry that is opened in one call, in bytes once opened.
const AT_ONCE: u64 = 64 << 20;

/// Zstandard, in the list of methods of APPNOTE 4.4.5.
pub(super) const ZSTD: u16 = 93;

/// The entry is encrypted (APPNOTE 4.4.4, bit 0).
const ENCRYPTED: u16 = 1;

thread_local! {
    /// A context for each thread: a new one would cost more than a small entry.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

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

    fn write(&self, offset: u64, out: &mut Vec<u8>) {
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
fn ends(offset: u64, size: u64, count: u64) -> Vec<u8> {
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

/// Name, length before compression, and length as stored of the entry that `bytes` begin with.
pub fn entry_at(bytes: &[u8]) -> Option<(Vec<u8>, u64, u64)> {
    read_local(bytes).map(|(record, length)| (record.name, record.raw, length))
}

/// Opens an entry: checks its header against `name` and `raw`, decrypts, decompresses, checks CRC
/// or HMAC.
///
/// `bytes` is local header and data, as fetched by range. At most `raw` bytes come out, whatever
/// the data claims.
pub fn open(
    bytes: Vec<u8>,
    name: &str,
    raw: u64,
    password: Option<&Secret>,
) -> Result<Vec<u8>, Damage> {
    let record = record(&bytes, name, raw)?;
    if record.method == ZSTD && record.flags & ENCRYPTED == 0 && raw <= AT_ONCE {
        return open_zstd(&bytes[bytes.len() - record.stored as usize..], &record, name);
    }
    read_entry(&mut alone(bytes, &record, name)?, 0, name, raw, password)
}

/// The same for an entry of which nobody needs the bytes: of a large one, as much is in memory as
/// passes by.
pub fn check(
    bytes: Vec<u8>,
    name: &str,
    raw: u64,
    password: Option<&Secret>,
) -> Result<(), Damage> {
    if raw <= AT_ONCE {
        return open(bytes, name, raw, password).map(drop);
    }
    let record = record(&bytes, name, raw)?;
    let mut archive = alone(bytes, &record, name)?;
    pass_entry(&mut archive, 0, (name, raw), password, &mut |entry| {
        std::io::copy(entry, &mut std::io::sink())
    })
}

/// The header of an entry that stands by itself, if it is the one of `name`.
fn record(bytes: &[u8], name: &str, raw: u64) -> Result<Record, Damage> {
    let damage = |found: String| Damage::entry(name, found);
    if raw > LARGEST_ENTRY {
        return Err(damage(format!("it claims {raw} bytes")));
    }
    let found = read_local(bytes).ok_or_else(|| damage("no entry header".into()))?;
    let (record, expected) = found;
    if record.name != name.as_bytes() || expected != bytes.len() as u64 || record.raw != raw {
        return Err(damage("its header is of another entry".into()));
    }
    Ok(record)
}

/// An archive of one entry.
fn alone(
    bytes: Vec<u8>,
    record: &Record,
    name: &str,
) -> Result<ZipArchive<Cursor<Vec<u8>>>, Damage> {
    let (length, mut whole, mut line) = (bytes.len() as u64, bytes, Vec::new());
    record.write(0, &mut line);
    whole.extend_from_slice(&line);
    whole.extend_from_slice(&ends(length, line.len() as u64, 1));
    ZipArchive::new(Cursor::new(whole)).map_err(|e| Damage::entry(name, e.to_string()))
}

/// Opens Zstandard in one call, as it was made: the stream decoder of the `zip` crate copies
/// through a window.
fn open_zstd(stored: &[u8], record: &Record, name: &str) -> Result<Vec<u8>, Damage> {
    let damage = |found: String| Damage::entry(name, found);
    let mut data = Vec::with_capacity(record.raw as usize);
    DECOMPRESSOR
        .with_borrow_mut(|kept| {
            let decompressor = match kept {
                Some(decompressor) => decompressor,
                None => kept.insert(zstd::bulk::Decompressor::new()?),
            };
            decompressor.decompress_to_buffer(stored, &mut data)
        })
        .map_err(|e| damage(e.to_string()))?;
    if data.len() as u64 != record.raw {
        return Err(damage(format!("{} bytes instead of {}", data.len(), record.raw)));
    }
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &data) as u32;
    if crc == record.crc { Ok(data) } else { Err(damage("Invalid checksum".into())) }
}

/// Opens the entry at the start of `bytes`, whatever follows it.
pub fn open_first(bytes: &[u8], name: &str, password: Option<&Secret>) -> Result<Vec<u8>, Damage> {
    let found = read_local(bytes)
        .and_then(|(record, length)| Some((record.raw, bytes.get(..length as usize)?)));
    let (raw, own) = found.ok_or_else(|| Damage::entry(name, "no entry header"))?;
    open(own.to_vec(), name, raw, password)
}

/// Reads entry `index` of an archive; at most `raw` bytes.
pub fn read_entry<R: Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    name: &str,
    raw: u64,
    password: Option<&Secret>,
) -> Result<Vec<u8>, Damage> {
    let mut data = Vec::with_capacity(raw.min(AT_ONCE) as usize);
    let mut all = |entry: &mut dyn Read| entry.read_to_end(&mut data).map(|n| n as u64);
    pass_entry(archive, index, (name, raw), password, &mut all)?;
    Ok(data)
}

/// Reads entry `index` of an archive, of exactly `raw` bytes, as `pass` does, which says how many
/// came.
fn pass_entry<R: Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    (name, raw): (&str, u64),
    password: Option<&Secret>,
    pass: &mut dyn FnMut(&mut dyn Read) -> std::io::Result<u64>,
) -> Result<(), Damage> {
    let options =
        zip::read::ZipReadOptions::new().password(password.map(|p| p.reveal().as_bytes()));
    let mut entry = archive.by_index_with_options(index, options).map_err(|e| match e {
        zip::result::ZipError::InvalidPassword => Damage::sealed(name, password.is_some()),
        zip::result::ZipError::UnsupportedArchive(_) if password.is_none() => {
            Damage::sealed(name, false)
        }
        other => Damage::entry(name, other.to_string()),
    })?;
    let passed =
        pass(&mut entry.by_ref().take(raw + 1)).map_err(|e| Damage::entry(name, e.to_string()))?;
    if passed != raw {
        return Err(Damage::entry(name, format!("{passed} bytes instead of {raw}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::artifact::press::press;

    fn container(entries: &[(&str, &[u8])], method: Method, password: Option<&Secret>) -> Vec<u8> {
        let (mut whole, mut directory) = (Vec::new(), Directory::new().expect("made"));
        for (name, data) in entries {
            let entry = press(name, data, method, password, Vec::new()).expect("pressed");
            assert_eq!(directory.add(&entry).expect("added"), whole.len() as u64);
            whole.extend_from_slice(&entry.bytes);
        }
        let mut take = |bytes: &[u8]| -> std::io::Result<()> {
            whole.extend_from_slice(bytes);
            Ok(())
        };
        directory.finish(&mut take).expect("finished");
        whole
    }

    #[test]
    fn entries_of_every_method_open_from_their_range_and_from_the_whole() {
        let password = Secret::new("CANARY-ZIP".into());
        let data: Vec<u8> = (0..100_000_u32).flat_map(|i| (i % 251).to_le_bytes()).collect();
        for method in [Method::Zstd(1), Method::Deflate(6), Method::Store] {
            for password in [None, Some(&password)] {
                let entry = press("a/x.sql", &data, method, password, Vec::new()).expect("pressed");
                let bytes = entry.bytes.clone();
                assert_eq!(
                    open(bytes.clone(), "a/x.sql", data.len() as u64, password).expect("opens"),
                    data
                );
                assert!(open(bytes.clone(), "a/y.sql", data.len() as u64, password).is_err());
                assert!(
                    open(bytes[..bytes.len() - 1].to_vec(), "a/x.sql", data.len() as u64, password)
                        .is_err()
                );
                let empty = press("b", b"", method, password, Vec::new()).expect("pressed");
                assert_eq!(open(empty.bytes, "b", 0, password).expect("opens"), b"");
                let whole = container(&[("a/x.sql", &data), ("b", b"")], method, password);
                let mut archive = ZipArchive::new(Cursor::new(whole)).expect("an archive");
                assert_eq!(archive.len(), 2);
                assert_eq!(
                    read_entry(&mut archive, 0, "a/x.sql", data.len() as u64, password)
                        .expect("reads"),
                    data
                );
            }
        }
    }

    #[test]
    fn what_is_only_checked_is_judged_as_what_is_opened() {
        let (raw, password) = (AT_ONCE + 1, Secret::new("CANARY-ZIP".into()));
        let data = vec![7; raw as usize];
        for method in [Method::Zstd(1), Method::Deflate(1)] {
            for password in [None, Some(&password)] {
                let entry = press("x", &data, method, password, Vec::new()).expect("pressed").bytes;
                check(entry.clone(), "x", raw, password).expect("it is whole");
                assert!(check(entry.clone(), "y", raw, password).is_err());
                assert!(check(entry.clone(), "x", raw - 1, password).is_err());
                let mut flipped = entry;
                let middle = flipped.len() / 2;
                flipped[middle] ^= 4;
                assert!(check(flipped, "x", raw, password).is_err());
            }
        }
    }

    #[test]
    fn a_wrong_password_is_told_from_damage() {
        let right = Secret::new("right".into());
        let entry =
            press("x", b"data", Method::Zstd(1), Some(&right), Vec::new()).expect("pressed");
        let wrong = open(entry.bytes.clone(), "x", 4, Some(&Secret::new("wrong".into())))
            .expect_err("wrong password");
        assert!(wrong.to_string().contains("password"), "{wrong}");
        let none = open(entry.bytes, "x", 4, None).expect_err("no password");
        assert!(none.to_string().contains("password"), "{none}");
    }

    #[test]
    fn every_flipped_byte_of_the_data_is_noticed() {
        let data: Vec<u8> = (0..2000_u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        for method in [Method::Zstd(1), Method::Store] {
            let entry = press("x", &data, method, None, Vec::new()).expect("pressed");
            for at in (31..entry.bytes.len()).step_by(97) {
                let mut bytes = entry.bytes.clone();
                bytes[at] ^= 0x10;
                let opened = open(bytes, "x", data.len() as u64, None);
                assert!(opened.is_err() || opened.is_ok_and(|d| d == data), "byte {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), raw in 0_u64..1000) {
            prop_assert!(open(bytes.clone(), "x", raw, None).is_err());
            let mut headed = b"PK\x03\x04".to_vec();
            headed.extend_from_slice(&bytes);
            drop(open(headed, "x", raw, Some(&Secret::new("p".into()))));
        }

        #[test]
        fn a_mutated_entry_opens_to_the_same_or_not_at_all(at in 0_usize..200, bit in 0_u8..8, cut in 0_usize..200) {
            let data = b"INSERT INTO `t` VALUES (1,'x');\n".repeat(20);
            let mut bytes = press("x", &data, Method::Zstd(1), None, Vec::new()).expect("pressed").bytes;
            let len = bytes.len();
            bytes[at % len] ^= 1 << bit;
            bytes.truncate(len - cut % 3);
            if let Ok(opened) = open(bytes, "x", data.len() as u64, None) {
                prop_assert_eq!(opened, data);
            }
        }
    }
}
