//! Reading an object over a wire that breaks: go on where it broke, as long as it is the same
//! object.
//!
//! Does not know keys of ours. Invariants: the bytes are all of one version (`If-Match`), exactly
//! as many as were asked for, and of a whole object agree with the CRC32C the service keeps, if it
//! keeps one of the whole.

use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, Method, StatusCode};

use crate::base::Stop;
use crate::store::contract::{ErrorKind, too_large};
use crate::store::s3::call::Call;
use crate::store::s3::refusal::Refusal;
use crate::store::s3::wire::{Wire, read_body};

/// Most memory taken on the word of a server, in bytes.
const TRUSTED: u64 = 64 << 20;

/// What is known of the object once the first answer began.
struct Found {
    end: u64,
    etag: Option<String>,
    checksum: Option<String>,
}

/// Reads a range, or all, of an object.
pub fn read(
    wire: &Wire,
    key: &str,
    range: Option<Range<u64>>,
    stop: &Stop,
) -> Result<Vec<u8>, Refusal> {
    read_most(wire, key, range, u64::MAX, stop)
}

/// Reads all of an object of at most `most` bytes.
pub fn read_small(wire: &Wire, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>, Refusal> {
    read_most(wire, key, None, most, stop)
}

fn read_most(
    wire: &Wire,
    key: &str,
    range: Option<Range<u64>>,
    most: u64,
    stop: &Stop,
) -> Result<Vec<u8>, Refusal> {
    let whole = range.is_none();
    let mut bytes = Vec::new();
    let mut found: Option<Found> = None;
    let mut backoff = wire.backoff();
    loop {
        let refusal = match once(wire, key, range.as_ref(), most, &mut found, &mut bytes, stop) {
            Ok(()) => break,
            Err(refusal) => refusal,
        };
        if refusal.status == 412 {
            return Err(Refusal::new(ErrorKind::Damaged, "the object changed while it was read"));
        }
        if !refusal.again || !wire.wait(&mut backoff, &refusal, stop)? {
            return Err(refusal);
        }
    }
    if let Some(told) = found.and_then(|f| f.checksum).filter(|_| whole) {
        let own = crc32c(&bytes);
        if own != told {
            return Err(Refusal::new(
                ErrorKind::Damaged,
                format!("its CRC32C is {own}, the store says {told}"),
            ));
        }
    }
    Ok(bytes)
}

/// One try: appends to `bytes` what came.
fn once(
    wire: &Wire,
    key: &str,
    range: Option<&Range<u64>>,
    most: u64,
    found: &mut Option<Found>,
    bytes: &mut Vec<u8>,
    stop: &Stop,
) -> Result<(), Refusal> {
    let damaged = |what: String| Refusal::new(ErrorKind::Damaged, what);
    let start = range.map_or(0, |r| r.start) + bytes.len() as u64;
    let end = found.as_ref().map(|f| f.end).or(range.map(|r| r.end));
    let mut call = Call::new(Method::GET, Some(key));
    let partial = range.is_some() || !bytes.is_empty();
    match end {
        Some(end) if partial => {
            call.headers.push(("range", format!("bytes={start}-{}", end.saturating_sub(1))))
        }
        Some(_) | None => call.headers.push(("x-amz-checksum-mode", "ENABLED".into())),
    }
    if let Some(etag) = found.as_ref().and_then(|f| f.etag.clone()) {
        call.headers.push(("if-match", etag));
    }
    let response = wire.send(&call, stop)?;
    if partial != (response.status() == StatusCode::PARTIAL_CONTENT) {
        return Err(damaged(format!(
            "the store answers a range with status {}",
            response.status().as_u16()
        )));
    }
    let (parts, body) = response.into_parts();
    let text = |name: &str| header(&parts.headers, name);
    let length: u64 = text("content-length")
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| damaged("no length".into()))?;
    let end = end.unwrap_or(length);
    if range.is_none() && end > most {
        return Err(Refusal::new(ErrorKind::TooLarge, too_large(end, most)));
    }
    if start + length != end {
        return Err(damaged(format!("the object ends at {}, not at {end}", start + length)));
    }
    if partial && !text("content-range").is_some_and(|v| v.starts_with(&format!("bytes {start}-")))
    {
        return Err(damaged("the store sent another range".into()));
    }
    // Of an object put together from parts the service keeps the checksum of the parts' checksums:
    // not of the bytes.
    let composite = text("x-amz-checksum-type").is_some_and(|t| t == "COMPOSITE");
    let checksum = text("x-amz-checksum-crc32c").filter(|c| !composite && !c.contains('-'));
    found.get_or_insert(Found { end, etag: text("etag"), checksum });
    bytes.reserve(length.min(TRUSTED) as usize);
    read_body(body, length, bytes, stop)?;
    let came = range.map_or(0, |r| r.start) + bytes.len() as u64;
    match came == end {
        true => Ok(()),
        false => Err(Refusal::garbled(format!("the object broke off at {came} of {end}"))),
    }
}

/// A header as text.
pub fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The CRC32C of some bytes, the way S3 writes it.
pub fn crc32c(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(crc_fast::crc32_iscsi(bytes).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_written_as_s3_writes_it() {
        // The check value of CRC-32C, E3069283.
        assert_eq!(crc32c(b"123456789"), "4waSgw==");
    }
}
