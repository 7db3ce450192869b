//! How an entry is opened: its header held against what the index says, decrypted, decompressed, and
//! its checksum compared, on any thread.
//!
//! Pure. No more comes out than was asked for, whatever the data claims. Zstandard without a seal,
//! which nearly every entry is, is decompressed in one call with a context that the thread keeps; the
//! rest but age is left to the `zip` crate.

use std::cell::RefCell;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipReadOptions;

use crate::artifact::age::plain_name;
use crate::artifact::container::{Record, STORED, ZSTD, ends, read_local};
use crate::artifact::damage::Damage;
use crate::artifact::seal::Key;
use crate::base::Secret;

/// Largest entry, stored or opened, in bytes: the manifest of 10⁵ tables fits, a bomb does not.
pub const LARGEST_ENTRY: u64 = 2 << 30;

/// Largest entry that is opened in one call, in bytes once opened.
const AT_ONCE: u64 = 64 << 20;

/// The entry is encrypted (APPNOTE 4.4.4, bit 0).
const ENCRYPTED: u16 = 1;

thread_local! {
    /// A context for each thread: a new one would cost more than a small entry.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The entry that `bytes` begin with, whatever its size: its name as the index has it, its bytes, and
/// its length in the container.
pub fn open_text(bytes: &[u8], key: Option<&Key>) -> Result<(String, Vec<u8>, u64), Damage> {
    let (record, length) =
        read_local(bytes).ok_or_else(|| Damage::Object("the texts are no entries".into()))?;
    let name = String::from_utf8_lossy(&record.name).into_owned();
    let own = bytes.get(..length as usize);
    let own = own.ok_or_else(|| Damage::entry(&name, "the texts end within it"))?;
    let stored = &own[own.len() - record.stored as usize..];
    let text = match plain_name(&name) {
        Some((plain, pressed)) => {
            let text = open_age((stored, record.crc, pressed), plain, None, key)?;
            return Ok((plain.to_owned(), text, length));
        }
        None => open(own.to_vec(), &name, record.raw, key)?,
    };
    Ok((name, text, length))
}

/// The name as the index has it of an entry of this name in the container.
pub fn plain_of(name: &str) -> &str {
    plain_name(name).map_or(name, |(plain, _)| plain)
}

/// Reads entry `index` of an archive, a text of at most `raw` bytes as it is stored there.
pub fn read_text<R: Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    name: &str,
    raw: u64,
    key: Option<&Key>,
) -> Result<Vec<u8>, Damage> {
    let stored = read_entry(archive, index, name, raw, key)?;
    match plain_name(name) {
        Some((plain, pressed)) => {
            let crc = crc(&stored);
            open_age((&stored, crc, pressed), plain, None, key)
        }
        None => Ok(stored),
    }
}

/// Opens what is sealed for recipients of age: the bytes as they are stored, their CRC, and whether
/// they are compressed within. Exactly `raw` bytes come out, if that is known.
fn open_age(
    (stored, expected, pressed): (&[u8], u32, bool),
    name: &str,
    raw: Option<u64>,
    key: Option<&Key>,
) -> Result<Vec<u8>, Damage> {
    let damage = |found: String| Damage::entry(name, found);
    if crc(stored) != expected {
        return Err(damage("Invalid checksum".into()));
    }
    let Some(Key::Age(identities)) = key else {
        return Err(Damage::sealed_by_age(name, key.is_some()));
    };
    // What is compressed grows by a little at most.
    let most = raw.map_or(LARGEST_ENTRY, |raw| raw.saturating_add(raw / 64 + 4096));
    let inner = identities.open(stored, name, most)?;
    let opened = match pressed {
        false => inner,
        true => {
            let claimed = zstd::zstd_safe::get_frame_content_size(&inner).ok().flatten();
            let size = raw.or(claimed).filter(|size| *size <= LARGEST_ENTRY);
            let size = size.ok_or_else(|| damage("it does not say its size".into()))?;
            unpress(&inner, size, name)?
        }
    };
    match raw {
        Some(raw) if opened.len() as u64 != raw => {
            Err(damage(format!("{} bytes instead of {raw}", opened.len())))
        }
        Some(_) | None => Ok(opened),
    }
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

/// Opens an entry: checks its header against `name` and `raw`, decrypts, decompresses, checks CRC
/// or HMAC.
///
/// `bytes` is local header and data, as fetched by range. At most `raw` bytes come out, whatever
/// the data claims.
pub fn open(bytes: Vec<u8>, name: &str, raw: u64, key: Option<&Key>) -> Result<Vec<u8>, Damage> {
    let record = record(&bytes, name, raw)?;
    let stored = &bytes[bytes.len() - record.stored as usize..];
    if let Some(pressed) = record.sealed_as(name) {
        return open_age((stored, record.crc, pressed), name, Some(raw), key);
    }
    if record.method == ZSTD && record.flags & ENCRYPTED == 0 && raw <= AT_ONCE {
        return open_zstd(stored, &record, name);
    }
    read_entry(&mut alone(bytes, &record, name)?, 0, name, raw, key)
}

/// The same for an entry of which nobody needs the bytes: of a large one, as much is in memory as
/// passes by.
pub fn check(bytes: Vec<u8>, name: &str, raw: u64, key: Option<&Key>) -> Result<(), Damage> {
    let record = record(&bytes, name, raw)?;
    if raw <= AT_ONCE || record.sealed_as(name).is_some() {
        return open(bytes, name, raw, key).map(drop);
    }
    let mut archive = alone(bytes, &record, name)?;
    pass_entry(&mut archive, 0, (name, raw), key, &mut |entry| {
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
    let fits = match record.sealed_as(name) {
        Some(_) => record.method == STORED && record.raw == record.stored,
        None => record.name == name.as_bytes() && record.raw == raw,
    };
    if !fits || expected != bytes.len() as u64 {
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
    let data = unpress(stored, record.raw, name)?;
    match crc(&data) == record.crc {
        true => Ok(data),
        false => Err(Damage::entry(name, "Invalid checksum")),
    }
}

/// Decompresses exactly `raw` bytes.
fn unpress(stored: &[u8], raw: u64, name: &str) -> Result<Vec<u8>, Damage> {
    let damage = |found: String| Damage::entry(name, found);
    let mut data = Vec::with_capacity(raw as usize);
    DECOMPRESSOR
        .with_borrow_mut(|kept| {
            let decompressor = match kept {
                Some(decompressor) => decompressor,
                None => kept.insert(zstd::bulk::Decompressor::new()?),
            };
            decompressor.decompress_to_buffer(stored, &mut data)
        })
        .map_err(|e| damage(e.to_string()))?;
    match data.len() as u64 == raw {
        true => Ok(data),
        false => Err(damage(format!("{} bytes instead of {raw}", data.len()))),
    }
}

/// Opens the entry at the start of `bytes`, whatever follows it.
pub fn open_first(bytes: &[u8], name: &str, key: Option<&Key>) -> Result<Vec<u8>, Damage> {
    let found = read_local(bytes)
        .and_then(|(record, length)| Some((record.raw, bytes.get(..length as usize)?)));
    let (raw, own) = found.ok_or_else(|| Damage::entry(name, "no entry header"))?;
    open(own.to_vec(), name, raw, key)
}

/// Reads entry `index` of an archive; at most `raw` bytes.
pub fn read_entry<R: Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    name: &str,
    raw: u64,
    key: Option<&Key>,
) -> Result<Vec<u8>, Damage> {
    let mut data = Vec::with_capacity(raw.min(AT_ONCE) as usize);
    let mut all = |entry: &mut dyn Read| entry.read_to_end(&mut data).map(|n| n as u64);
    pass_entry(archive, index, (name, raw), key, &mut all)?;
    Ok(data)
}

/// How an entry is opened with a password, or without.
pub(super) fn opening(password: Option<&Secret>) -> ZipReadOptions<'_> {
    ZipReadOptions::new().password(password.map(|p| p.reveal().as_bytes()))
}

/// Reads entry `index` of an archive, of exactly `raw` bytes, as `pass` does, which says how many
/// came.
fn pass_entry<R: Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    (name, raw): (&str, u64),
    key: Option<&Key>,
    pass: &mut dyn FnMut(&mut dyn Read) -> std::io::Result<u64>,
) -> Result<(), Damage> {
    let password = key.and_then(Key::password);
    let mut entry =
        archive.by_index_with_options(index, opening(password)).map_err(|e| match e {
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
    use crate::artifact::age::tests::pair;
    use crate::artifact::container::{Directory, Method};
    use crate::artifact::press::press;
    use crate::artifact::seal::Sealing;
    use crate::base::Secret;

    /// Both ways to seal, and what opens each.
    fn seals() -> ((Sealing, Key), (Sealing, Key)) {
        let password = Secret::new("CANARY-ZIP".into());
        let (recipients, identities) = pair();
        (
            (Sealing::Password(password.clone()), Key::Password(password)),
            (Sealing::Age(recipients), Key::Age(identities)),
        )
    }

    fn container(entries: &[(&str, &[u8])], method: Method, seal: Option<&Sealing>) -> Vec<u8> {
        let (mut whole, mut directory) = (Vec::new(), Directory::new().expect("made"));
        for (name, data) in entries {
            let entry = press(name, data, method, seal, Vec::new()).expect("pressed");
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
        let (password, age) = seals();
        let data: Vec<u8> = (0..100_000_u32).flat_map(|i| (i % 251).to_le_bytes()).collect();
        for method in [Method::Zstd(1), Method::Deflate(6), Method::Store] {
            for own in [None, Some(&password), Some(&age)] {
                let (seal, key) = (own.map(|own| &own.0), own.map(|own| &own.1));
                let entry = press("a/x.sql", &data, method, seal, Vec::new()).expect("pressed");
                let bytes = entry.bytes.clone();
                assert_eq!(
                    open(bytes.clone(), "a/x.sql", data.len() as u64, key).expect("opens"),
                    data
                );
                assert!(open(bytes.clone(), "a/y.sql", data.len() as u64, key).is_err());
                assert!(open(bytes.clone(), "a/x.sql", data.len() as u64 - 1, key).is_err());
                assert!(
                    open(bytes[..bytes.len() - 1].to_vec(), "a/x.sql", data.len() as u64, key)
                        .is_err()
                );
                let empty = press("b", b"", method, seal, Vec::new()).expect("pressed");
                assert_eq!(open(empty.bytes, "b", 0, key).expect("opens"), b"");
                let (name, text, length) = open_text(&bytes, key).expect("opens");
                assert_eq!((name.as_str(), length), ("a/x.sql", bytes.len() as u64));
                assert_eq!(text, data);
                let whole = container(&[("a/x.sql", &data), ("b", b"")], method, seal);
                let mut archive = ZipArchive::new(Cursor::new(whole)).expect("an archive");
                assert_eq!(archive.len(), 2);
                let (name, raw) = {
                    let entry = archive.by_index_raw(0).expect("an entry");
                    (entry.name().expect("UTF-8").into_owned(), entry.size())
                };
                assert_eq!(plain_of(&name), "a/x.sql");
                assert_eq!(read_text(&mut archive, 0, &name, raw, key).expect("reads"), data);
            }
        }
    }

    #[test]
    fn what_is_only_checked_is_judged_as_what_is_opened() {
        let (raw, (password, _)) = (AT_ONCE + 1, seals());
        let data = vec![7; raw as usize];
        for method in [Method::Zstd(1), Method::Deflate(1)] {
            for own in [None, Some(&password)] {
                let (seal, password) = (own.map(|own| &own.0), own.map(|own| &own.1));
                let entry = press("x", &data, method, seal, Vec::new()).expect("pressed").bytes;
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
        let right = Sealing::Password(Secret::new("right".into()));
        let entry =
            press("x", b"data", Method::Zstd(1), Some(&right), Vec::new()).expect("pressed");
        let wrong = Key::Password(Secret::new("wrong".into()));
        let wrong = open(entry.bytes.clone(), "x", 4, Some(&wrong)).expect_err("wrong password");
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
            drop(open(headed, "x", raw, Some(&Key::Password(Secret::new("p".into())))));
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
