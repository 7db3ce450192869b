//! Bodies: which bytes of an answer are wanted and whether they are the service's own, and a body on
//! its way out.
//!
//! Does not know what they hold. Invariant: a stop ends reading and writing between two slices.

use std::io::Read;

use http::HeaderMap;
use ureq::Body;

use crate::base::Stop;
use crate::store::wire::call::{Answer, header};
use crate::store::wire::refusal::{Refusal, status_of};
use crate::store::wire::xml::{Document, ErrorBody, parse};

/// Checks that a body is one of the service, with the bytes as it sent them: it never sends a page
/// for people, and never encodes.
pub fn untouched(headers: &HeaderMap) -> Result<(), Refusal> {
    // Some services call an answer without a body such a page.
    let empty = header(headers, "content-length").is_some_and(|length| length.trim() == "0");
    if is_page(headers) && !empty {
        return Err(Refusal::garbled("something on the way answered with a page for people"));
    }
    match header(headers, "content-encoding").filter(|encoding| is_encoded(encoding)) {
        Some(encoding) => {
            let encoding = encoding.escape_default();
            let found = format!("something on the way encoded the answer ({encoding})");
            Err(Refusal::garbled(found))
        }
        None => Ok(()),
    }
}

/// Whether an answer calls itself a page for people.
pub fn is_page(headers: &HeaderMap) -> bool {
    let kind = header(headers, "content-type").unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Whether such a `Content-Encoding` changes the bytes. Some services repeat how an object came to
/// them, which does not.
pub fn is_encoded(encoding: &str) -> bool {
    let plain = |part: &str| matches!(part.trim(), "" | "identity" | "aws-chunked");
    !encoding.to_ascii_lowercase().split(',').all(plain)
}

/// The document of an answer; an `<Error>` with status 200 is the refusal that it says. `senseless`
/// is what an answer is that is neither.
pub fn document<T: Document>(answer: &Answer, senseless: &str) -> Result<T, Refusal> {
    parse(&answer.body).map_err(|e| match parse::<ErrorBody>(&answer.body) {
        Ok(told) if !told.code.is_empty() => {
            Refusal::answered(status_of(&told.code), &answer.headers, &told)
        }
        Ok(_) | Err(_) => Refusal::garbled(format!("{senseless}: {e}")),
    })
}

/// Which bytes of a body are wanted: not the first `skip`, but the next `take`. No more than one
/// byte past `most` is looked at.
pub struct Part {
    /// Bytes that are passed over.
    pub skip: u64,
    /// Bytes that are wanted.
    pub take: u64,
    /// Bytes that the body may have.
    pub most: u64,
}

/// Reads a part of a body; what came before an error stays in `into`. Returns how many bytes passed:
/// more than `most` if the body is longer.
pub fn read_part(body: Body, part: &Part, into: &mut Vec<u8>, stop: &Stop) -> Result<u64, Refusal> {
    let mut reader = body.into_with_config().limit(u64::MAX).reader();
    let mut slice = vec![0; 64 << 10];
    let mut passed = 0;
    while passed <= part.most {
        stop.check()?;
        let room = (part.most - passed).saturating_add(1).min(slice.len() as u64) as usize;
        let n = match reader.read(&mut slice[..room]) {
            Ok(n) => n,
            // All came; the read past the end gives the connection back, or does not.
            Err(_) if passed == part.most => 0,
            Err(e) => return Err(Refusal::broken(ureq::Error::Io(e))),
        };
        if n == 0 {
            break;
        }
        let within = |at: u64| at.saturating_sub(passed).min(n as u64) as usize;
        into.extend_from_slice(&slice[within(part.skip)..within(part.skip + part.take)]);
        passed += n as u64;
    }
    Ok(passed)
}

/// Reads a body to its end, `limit` bytes at most.
pub fn read_body(body: Body, limit: u64, into: &mut Vec<u8>, stop: &Stop) -> Result<(), Refusal> {
    match read_part(body, &Part { skip: 0, take: limit, most: limit }, into, stop)? {
        passed if passed > limit => Err(Refusal::garbled("the answer is longer than it may be")),
        _ => Ok(()),
    }
}

/// A body on its way out, which a stop ends.
pub struct Sending<'a> {
    /// What is still to be sent.
    pub rest: &'a [u8],
    /// What ends it.
    pub stop: &'a Stop,
}

impl Read for Sending<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.stop.is_stopped() {
            return Err(Stop::io_error());
        }
        self.rest.read(to)
    }
}
