//! How an entry is made: compressed, sealed and given its local header, on any thread.
//!
//! Zstandard without a password, which is what nearly every entry is, is compressed in one call
//! with a context that the thread keeps: the stream encoder of the `zip` crate does not know the
//! length beforehand, copies through a window and takes a quarter longer (`benches/pipeline.rs`).
//! All else is left to the `zip` crate.

use std::cell::RefCell;
use std::io::{Cursor, Write};

use zip::result::{ZipError, ZipResult};
use zip::write::{FileOptions, SimpleFileOptions};
use zip::{AesMode, CompressionMethod, ZipWriter};

use crate::artifact::age::{Recipients, sealed_name};
use crate::artifact::container::{Method, Pressed, Record, STORED, ZSTD, read_local};
use crate::artifact::seal::Sealing;
use crate::base::Secret;

/// The version that reads Zstandard (APPNOTE 4.4.3.2).
const NEEDED: u16 = 63;

/// The version that reads zip64 (APPNOTE 4.4.3.2).
const NEEDED_64: u16 = 45;

/// The name is UTF-8 (APPNOTE 4.4.4, bit 11).
const UTF8: u16 = 1 << 11;

/// 1980-01-01, the first day of MS-DOS: entries say nothing of when they were made.
const DATE: u16 = (1 << 5) | 1;

thread_local! {
    /// A context for each thread, and its level: a new one would cost more than a small entry.
    static COMPRESSOR: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
}

/// Presses `data` into an entry, into `reuse` as buffer.
pub fn press(
    name: &str,
    data: &[u8],
    method: Method,
    seal: Option<&Sealing>,
    reuse: Vec<u8>,
) -> ZipResult<Pressed> {
    let (compression, level) = match (method, seal) {
        (_, Some(Sealing::Age(recipients))) => {
            return press_age(name, data, method, recipients, reuse);
        }
        (Method::Zstd(level), None) => return press_zstd(name, data, level, reuse),
        (Method::Zstd(level), _) => (CompressionMethod::Zstd, Some(i64::from(level))),
        (Method::Deflate(level), _) => (CompressionMethod::Deflated, Some(i64::from(level))),
        (Method::Store, _) => (CompressionMethod::Stored, None),
    };
    let mut options = SimpleFileOptions::default()
        .compression_method(compression)
        .compression_level(level)
        .large_file(true)
        .unix_permissions(0o600);
    if let Some(Sealing::Password(password)) = seal {
        options = options.with_aes_encryption(AesMode::Aes256, password.reveal());
    }
    let mut buffer = reuse;
    buffer.clear();
    let mut writer = ZipWriter::new(Cursor::new(buffer));
    writer.start_file(name, options)?;
    writer.write_all(data)?;
    let mut bytes = writer.finish()?.into_inner();
    let (record, length) = read_local(&bytes)
        .ok_or(ZipError::InvalidArchive("an entry of our own has no header".into()))?;
    bytes.truncate(length as usize);
    Ok(Pressed { bytes, record })
}

/// An entry of any size that is sealed with a password, and not compressed.
pub(super) fn stored_sealed(password: &Secret) -> FileOptions<'_, 'static, ()> {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true)
        .unix_permissions(0o600)
        .with_aes_encryption(AesMode::Aes256, password.reveal())
}

/// Seals for recipients of age, compressed before: what is sealed can't be.
fn press_age(
    name: &str,
    data: &[u8],
    method: Method,
    recipients: &Recipients,
    reuse: Vec<u8>,
) -> ZipResult<Pressed> {
    let sealed = match method {
        Method::Zstd(level) => {
            let mut pressed = Vec::with_capacity(zstd::zstd_safe::compress_bound(data.len()));
            compress(data, level, &mut pressed)?;
            recipients.seal(&pressed)?
        }
        Method::Deflate(_) | Method::Store => recipients.seal(data)?,
    };
    let name = sealed_name(name, matches!(method, Method::Zstd(_)));
    let record = Record {
        needed: NEEDED_64,
        flags: if name.is_ascii() { 0 } else { UTF8 },
        method: STORED,
        time: 0,
        date: DATE,
        crc: crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &sealed) as u32,
        stored: sealed.len() as u64,
        raw: sealed.len() as u64,
        name: name.into_bytes(),
        extra: Vec::new(),
    };
    let mut bytes = reuse;
    bytes.clear();
    record.write_local(&mut bytes);
    bytes.extend_from_slice(&sealed);
    Ok(Pressed { bytes, record })
}

/// Compresses with the context of the thread.
fn compress<C: zstd::zstd_safe::WriteBuf>(
    data: &[u8],
    level: i32,
    out: &mut C,
) -> std::io::Result<usize> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some((own, compressor)) if *own == level => compressor,
            _ => &mut kept.insert((level, zstd::bulk::Compressor::new(level)?)).1,
        };
        compressor.compress_to_buffer(data, out)
    })
}

fn press_zstd(name: &str, data: &[u8], level: i32, reuse: Vec<u8>) -> ZipResult<Pressed> {
    let mut record = Record {
        needed: NEEDED,
        flags: if name.is_ascii() { 0 } else { UTF8 },
        method: ZSTD,
        time: 0,
        date: DATE,
        crc: crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, data) as u32,
        stored: 0,
        raw: data.len() as u64,
        name: name.as_bytes().to_vec(),
        extra: Vec::new(),
    };
    let mut bytes = reuse;
    bytes.clear();
    record.write_local(&mut bytes);
    let header = bytes.len();
    bytes.reserve(zstd::zstd_safe::compress_bound(data.len()));
    let mut cursor = Cursor::new(bytes);
    cursor.set_position(header as u64);
    let stored = compress(data, level, &mut cursor)?;
    let mut bytes = cursor.into_inner();
    record.stored = stored as u64;
    let mut head = Vec::with_capacity(header);
    record.write_local(&mut head);
    bytes[..header].copy_from_slice(&head);
    Ok(Pressed { bytes, record })
}
