//! Reading an object over a way that breaks, and past whatever stands on it.
//!
//! Does not know keys of ours. A proxy or gateway may cut an answer, leave out its length, send the
//! whole object for a range, or answer by itself: that is a fault of the way, asked again and told,
//! never damage. Invariants: the bytes are all of one version (`If-Match`), exactly as many as were
//! asked for, and of a whole object agree with the CRC32C the service keeps, if it keeps one of the
//! whole. Damage is only what the store says itself: how long the object is, in a listing; that it
//! changed, by its code; its CRC32C, where a second reading does not agree either.

use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use ureq::Body;

use crate::base::Stop;
use crate::store::contract::{self, Error, ErrorKind, too_large};
use crate::store::wire::ask::Wire;
use crate::store::wire::body::{Part, read_part};
use crate::store::wire::call::{Call, header};
use crate::store::wire::look::size;
use crate::store::wire::refusal::Refusal;
use crate::store::wire::span::Span;

/// Most memory taken on the word of a server, in bytes.
const TRUSTED: u64 = 64 << 20;

/// What is to be read.
struct Wanted<'a> {
    wire: &'a Wire,
    key: &'a str,
    start: u64,
    /// `None` is the end of the object.
    end: Option<u64>,
    /// How large the object may be, if all of it is read.
    most: u64,
    stop: &'a Stop,
}

/// What came so far, and what is known of the object by now.
#[derive(Default)]
struct Came {
    bytes: Vec<u8>,
    end: Option<u64>,
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
    let (start, end) = range.map_or((0, None), |r| (r.start, Some(r.end)));
    Wanted { wire, key, start, end, most: u64::MAX, stop }.read()
}

/// Reads a range, or all, of an object. There is no way to ask for an empty range; whether it lies
/// within the object is said all the same.
pub fn read_range(
    wire: &Wire,
    key: &str,
    range: Option<Range<u64>>,
    doing: &str,
    stop: &Stop,
) -> contract::Result<Vec<u8>> {
    match range {
        Some(range) if range.start >= range.end => match size(wire, key, stop)? {
            None => Err(Error::new(ErrorKind::Missing, doing, "no such object")),
            Some(end) if range.start == range.end && range.end <= end => Ok(Vec::new()),
            Some(end) => {
                Err(Error::new(ErrorKind::Damaged, doing, format!("the object ends at {end}")))
            }
        },
        range => read(wire, key, range, stop).map_err(|e| e.error(doing)),
    }
}

/// Reads all of an object of at most `most` bytes.
pub fn read_small(wire: &Wire, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>, Refusal> {
    Wanted { wire, key, start: 0, end: None, most, stop }.read()
}

impl Wanted<'_> {
    /// Reads it, and once more, its length in doubt as well, if it is not what the store keeps a
    /// checksum of.
    fn read(&self) -> Result<Vec<u8>, Refusal> {
        let first = self.gather(false)?;
        if first.differs().is_none() {
            return Ok(first.bytes);
        }
        drop(first);
        let second = self.gather(true)?;
        match second.differs() {
            None => Ok(second.bytes),
            Some(found) => Err(Refusal::new(ErrorKind::Damaged, found)),
        }
    }

    /// Asks until all of it came.
    fn gather(&self, doubted: bool) -> Result<Came, Refusal> {
        let mut came = Came::default();
        let mut backoff = self.wire.backoff();
        loop {
            let refusal = match self.once(&mut came, doubted) {
                Ok(()) => return Ok(came),
                Err(refusal) => refusal,
            };
            if refusal.says(412) {
                let found = "the object changed while it was read";
                return Err(Refusal::new(ErrorKind::Damaged, found));
            }
            if !refusal.again || !self.wire.wait(&mut backoff, &refusal, self.stop)? {
                return Err(refusal.after(backoff.history()));
            }
            // Without a tag nobody can ask for the rest of the same object.
            if came.etag.is_none() {
                came = Came::default();
            }
        }
    }

    /// One try: appends what came.
    fn once(&self, came: &mut Came, doubted: bool) -> Result<(), Refusal> {
        let at = self.start + came.bytes.len() as u64;
        let call = self.call(came, at);
        let ranged = call.headers.iter().any(|(name, _)| *name == "range");
        let (response, _line) = match self.wire.send(&call, self.stop) {
            Err(refusal) if refusal.says(416) => return Err(self.short(came)),
            answered => answered?,
        };
        let (parts, body) = response.into_parts();
        let span = Span::of(parts.status, &parts.headers, ranged)?;
        let tag = header(&parts.headers, "etag").filter(|t| !t.is_empty() && !t.starts_with("W/"));
        if came.etag.is_some() && tag.is_some() && came.etag != tag {
            *came = Came::default();
            return Err(Refusal::garbled("something on the way sent a part of another object"));
        }
        // A whole object that was not asked for, does not say what it is, or is not to be read, may
        // be a page of something on the way: the store's own listing says how long the object is.
        let vague = ranged || tag.is_none() || span.total.is_none_or(|total| total > self.most);
        let doubted = doubted || (span.is_whole && vague);
        let listed = if doubted { Some(self.listed(span.total)?) } else { None };
        let end = self.end(came, &span, listed)?;
        span.covers(at, end)?;
        if came.bytes.is_empty() {
            let checksum = if ranged { None } else { self.wire.dialect.checksum(&parts.headers) };
            *came = Came { bytes: Vec::new(), end: Some(end), etag: tag, checksum };
        }
        // Where no length was told, only its end proves that a body is all of the object.
        let counted = listed.filter(|_| span.end.is_none());
        self.take(came, body, &span, end, counted)
    }

    /// Where the wanted bytes end, if the answer leads there.
    fn end(&self, came: &mut Came, span: &Span, listed: Option<u64>) -> Result<u64, Refusal> {
        let total = span.total.or(listed);
        match (self.end, came.end, total) {
            (Some(end), _, Some(total)) if total < end => Err(self.short(came)),
            (Some(end), ..) => Ok(end),
            (None, Some(end), Some(total)) if total != end => Err(self.short(came)),
            (None, None, Some(total)) if total > self.most => {
                Err(Refusal::new(ErrorKind::TooLarge, too_large(total, self.most)))
            }
            (None, Some(end), _) | (None, None, Some(end)) => Ok(end),
            (None, None, None) => panic!("BUG: a whole object of unknown length is not listed"),
        }
    }

    /// Appends what is wanted of a body.
    fn take(
        &self,
        came: &mut Came,
        body: Body,
        span: &Span,
        end: u64,
        counted: Option<u64>,
    ) -> Result<(), Refusal> {
        let at = self.start + came.bytes.len() as u64;
        let (skip, take) = (at - span.start, span.end.map_or(end, |e| e.min(end)) - at);
        let part = Part { skip, take, most: counted.unwrap_or(skip + take) };
        came.bytes.reserve(take.min(TRUSTED) as usize);
        let passed = read_part(body, &part, &mut came.bytes, self.stop);
        if counted.is_some() && passed.as_ref().ok() != counted.as_ref() {
            *came = Came::default();
        }
        let passed = passed?;
        if let Some(size) = counted.filter(|size| *size != passed) {
            let passed = if passed > size { "more".into() } else { format!("{passed} bytes") };
            let found = format!("something on the way sent {passed}, the object has {size}");
            return Err(Refusal::garbled(found));
        }
        match self.start + came.bytes.len() as u64 {
            reached if reached == end => Ok(()),
            reached => Err(Refusal::garbled(format!("the object broke off at {reached} of {end}"))),
        }
    }

    fn call(&self, came: &Came, at: u64) -> Call<'_> {
        let mut call = Call::new(Method::GET, Some(self.key));
        let partial = self.end.is_some() || !came.bytes.is_empty();
        match self.end.or(came.end) {
            Some(end) if partial => {
                call.headers.push(("range", format!("bytes={at}-{}", end.saturating_sub(1))))
            }
            Some(_) | None => {
                let wish = self.wire.dialect.wish();
                call.headers.extend(wish.map(|(name, value)| (name, value.to_owned())));
            }
        }
        call.headers.extend(came.etag.clone().map(|tag| ("if-match", tag)));
        call
    }

    /// The size of the object by the listing; an answer must not have said another.
    fn listed(&self, told: Option<u64>) -> Result<u64, Refusal> {
        // Asked once: whoever asks here tries again.
        let Some(size) = self.wire.listed(self.key, self.stop)? else {
            return Err(Refusal::garbled("the listing does not name the object"));
        };
        match told.filter(|told| *told != size) {
            None => Ok(size),
            Some(told) => Err(Refusal::garbled(format!(
                "something on the way sent {told} bytes, the object has {size}"
            ))),
        }
    }

    /// An answer says that the object ends too early: damage where a range was asked for and the
    /// listing says so too, else two answers that do not agree.
    fn short(&self, came: &mut Came) -> Refusal {
        *came = Came::default();
        let Some(end) = self.end else {
            return Refusal::garbled("two answers do not agree where the object ends");
        };
        match self.listed(None) {
            Ok(size) if size < end => {
                Refusal::new(ErrorKind::Damaged, format!("the object ends at {size}"))
            }
            Ok(size) => Refusal::garbled(format!(
                "something on the way says that the object ends before {end}, it has {size} bytes"
            )),
            Err(refusal) => refusal,
        }
    }
}

impl Came {
    /// How the bytes differ from the checksum that the store keeps.
    fn differs(&self) -> Option<String> {
        let told = self.checksum.as_ref()?;
        let own = crc32c(&self.bytes);
        (own != *told).then(|| format!("its CRC32C is {own}, the store says {told}"))
    }
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
