//! Transactions that MySQL compresses: the events in them.
//!
//! Invariant: what is not whole is an error, never a panic, and no more is unpacked than is said.

use std::io::Read;

/// No transaction is unpacked beyond this.
const LARGEST: u64 = 4 << 30;

/// Fields of a payload's head.
const END: u64 = 0;
const COMPRESSION: u64 = 2;
const RAW: u64 = 3;

/// The number of a compression.
const ZSTD: u64 = 0;
const NONE: u64 = 255;

/// A number as MySQL packs it, and its length.
fn packed(bytes: &[u8]) -> Option<(u64, usize)> {
    let take = |n: usize| {
        let mut eight = [0; 8];
        eight[..n].copy_from_slice(bytes.get(1..=n)?);
        Some((u64::from_le_bytes(eight), n + 1))
    };
    match bytes.first()? {
        252 => take(2),
        253 => take(3),
        254 => take(8),
        own => Some((u64::from(*own), 1)),
    }
}

/// The events of a payload, one after the other, without checksums.
pub fn events(body: &[u8]) -> Result<Vec<u8>, String> {
    let (mut at, mut compression, mut raw) = (0, NONE, 0);
    loop {
        let mut next = || -> Option<u64> {
            let (value, length) = packed(body.get(at..)?)?;
            at += length;
            Some(value)
        };
        let field = next().ok_or("its head ends early")?;
        if field == END {
            break;
        }
        let length = next().ok_or("its head ends early")? as usize;
        let value = body.get(at..at + length).and_then(packed).ok_or("its head ends early")?.0;
        at += length;
        match field {
            COMPRESSION => compression = value,
            RAW => raw = value,
            _ => {}
        }
    }
    let rest = body.get(at..).unwrap_or_default();
    match compression {
        NONE => Ok(rest.to_vec()),
        ZSTD if raw <= LARGEST => {
            let decoder = zstd::stream::read::Decoder::new(rest).map_err(|e| e.to_string())?;
            let mut out = Vec::new();
            decoder.take(raw).read_to_end(&mut out).map_err(|e| e.to_string())?;
            match out.len() as u64 == raw {
                true => Ok(out),
                false => Err(format!("it unpacks to {} bytes, and says {raw}", out.len())),
            }
        }
        ZSTD => Err(format!("it says that it unpacks to {raw} bytes")),
        other => Err(format!("it is compressed in the unknown way {other}")),
    }
}

/// The events one by one: kind, body, and length; ends where one is not whole.
pub fn split(events: &[u8]) -> impl Iterator<Item = (u8, &[u8], u64)> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let size = u32::from_le_bytes(rest.get(9..13)?.try_into().ok()?) as usize;
        let event = rest.get(..size).filter(|_| size >= 19)?;
        rest = &rest[size..];
        Some((event[4], &event[19..], size as u64))
    })
}
