//! A large object on its way: parts from any thread, put together once.
//!
//! Does not choose part sizes. Invariants: it is put together only of parts that were all answered
//! with a tag and that cover the object without gap; what is dropped is aborted; the size of what
//! was made is looked up. A lost answer is resolved by size and by our own upload having gone:
//! nobody else can end it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;

use crate::base::{Deadline, Stop};
use crate::store::contract::{Error, ErrorKind, Result, Upload};
use crate::store::s3::claim::Claim;
use crate::store::s3::flavor::Flavor;
use crate::store::s3::object::{abort, tag};
use crate::store::s3::xml::{self, Completed, Initiated, Part};
use crate::store::wire::ask::Wire;
use crate::store::wire::body::document;
use crate::store::wire::call::{Answer, Call};
use crate::store::wire::commit::{Look, commit};
use crate::store::wire::look::size;
use crate::store::wire::read::crc32c;
use crate::store::wire::refusal::{Refusal, status_of};
use crate::store::wire::xml::parse;

/// How long the abort of an upload is tried.
const TAKING_BACK: Duration = Duration::from_secs(60);

/// An upload of parts.
pub struct S3Upload {
    wire: Arc<Wire>,
    flavor: Flavor,
    key: String,
    id: String,
    doing: String,
    /// Guards the parts that were answered, by number.
    parts: Mutex<BTreeMap<u32, Sent>>,
    /// Stops all but the parts.
    stop: Stop,
    /// Whether nothing is left to take back.
    ended: bool,
}

struct Sent {
    offset: u64,
    bytes: u64,
    etag: String,
    checksum: String,
}

impl S3Upload {
    /// Begins an upload.
    pub fn open(
        wire: &Arc<Wire>,
        flavor: Flavor,
        key: &str,
        doing: String,
        stop: &Stop,
    ) -> Result<S3Upload> {
        let mut call = Call::new(Method::POST, Some(key));
        call.query.push(("uploads", String::new()));
        call.headers.clone_from(&wire.labels);
        call.checksum = flavor.announced();
        let named = |answer: Answer| document::<Initiated>(&answer, "an upload without a name");
        let told = wire.ask_for(&call, &named, stop).map_err(|e| e.error(&doing))?;
        Ok(S3Upload {
            wire: wire.clone(),
            flavor,
            key: key.to_owned(),
            id: told.upload_id,
            doing,
            parts: Mutex::default(),
            stop: stop.clone(),
            ended: false,
        })
    }

    fn send_part(&self, number: u32, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()> {
        let doing = || format!("{} (part {number})", self.doing);
        let most = self.flavor.limits(1).parts;
        if !(1..=most).contains(&number) {
            let found = format!("S3 takes parts 1 to {most}");
            return Err(Error::new(ErrorKind::Full, doing(), found));
        }
        self.parts.lock().expect("no panic while locked").remove(&number);
        let checksum = crc32c(bytes);
        let mut call = Call::new(Method::PUT, Some(&self.key));
        call.query = vec![("partNumber", number.to_string()), ("uploadId", self.id.clone())];
        call.checksum = Some(self.flavor.checksum(bytes));
        call.body = bytes;
        let told = |answer: Answer| {
            let told = self.flavor.told(&answer.headers);
            match told.filter(|told| *told != checksum) {
                None => tag(&answer),
                Some(told) => {
                    let found = format!("its CRC32C is {checksum}, the store says {told}");
                    Err(Refusal::spoilt(found))
                }
            }
        };
        let etag = self.wire.ask_for(&call, &told, stop).map_err(|e| e.error(&doing()))?;
        let sent = Sent { offset, bytes: bytes.len() as u64, etag, checksum };
        self.parts.lock().expect("no panic while locked").insert(number, sent);
        Ok(())
    }

    /// The parts in order; an error if they are not the whole.
    fn cover(&self, bytes: u64) -> Result<Vec<Part>> {
        let parts = self.parts.lock().expect("no panic while locked");
        let checksums = self.flavor.names_checksums() && self.wire.checksums();
        let (mut end, mut covered) = (0, Vec::with_capacity(parts.len()));
        for (number, sent) in parts.iter() {
            if *number as usize != covered.len() + 1 || sent.offset != end {
                break;
            }
            end += sent.bytes;
            let checksum = checksums.then(|| sent.checksum.clone());
            covered.push(Part { number: *number, etag: sent.etag.clone(), checksum });
        }
        if end != bytes || covered.len() != parts.len() {
            let found = format!(
                "{end} of {bytes} bytes came, in {} of {} parts",
                covered.len(),
                parts.len()
            );
            return Err(Error::new(ErrorKind::Damaged, &self.doing, found));
        }
        Ok(covered)
    }

    fn complete(&self, parts: &[Part]) -> std::result::Result<(), Refusal> {
        let body = xml::complete(parts);
        let mut call = Call::new(Method::POST, Some(&self.key));
        call.query.push(("uploadId", self.id.clone()));
        call.headers.push(("content-type", "application/xml".into()));
        call.fresh = self.flavor.guards_parts();
        call.body = body.as_bytes();
        let answer = self.wire.once(&call, &self.stop).map_err(|mut refusal| {
            if refusal.code == "RetentionPolicyNotMet" && self.claims() {
                refusal.found.push_str("; for a bucket with a retention policy say claim=#false");
            }
            refusal
        })?;
        match parse(&answer.body) {
            Ok(Completed::CompleteMultipartUploadResult { etag: Some(_) }) => Ok(()),
            Ok(Completed::CompleteMultipartUploadResult { etag: None }) => {
                Err(Refusal::garbled("the answer names no tag"))
            }
            Ok(Completed::Error(told)) => {
                Err(Refusal::answered(status_of(&told.code), &answer.headers, &told))
            }
            Err(e) => Err(Refusal::garbled(format!("the answer makes no sense: {e}"))),
        }
    }

    fn look(&self, bytes: u64) -> Result<Look> {
        match size(&self.wire, &self.key, &self.stop)? {
            None => Ok(Look::Absent),
            Some(found) if found != bytes => {
                let claimed = self.claims() && self.claim().stands(found, &self.stop);
                Ok(if claimed { Look::Absent } else { Look::Foreign })
            }
            Some(_) => Ok(if self.is_pending()? { Look::Foreign } else { Look::Ours }),
        }
    }

    fn claims(&self) -> bool {
        self.flavor == Flavor::Google { claims: true }
    }

    fn claim(&self) -> Claim<'_> {
        Claim { wire: &self.wire, key: &self.key, id: &self.id }
    }

    /// Puts it together; nothing is written over but our own claim.
    fn commit(&self, parts: &[Part], bytes: u64) -> Result<()> {
        if self.claims() {
            self.claim().make(self.flavor, &self.doing, &self.stop)?;
        } else if !self.flavor.guards_parts() && size(&self.wire, &self.key, &self.stop)?.is_some()
        {
            return Err(Error::new(ErrorKind::Exists, &self.doing, "the key is taken"));
        }
        let (send, look) = (|| self.complete(parts), || self.look(bytes));
        let made = commit(&self.wire, &self.doing, &send, &look, &self.stop);
        if made.is_err() && self.claims() {
            let stop = last_try();
            // Only what can't end any more makes room for others.
            if abort(&self.wire, &self.key, &self.id, &stop).is_ok() {
                self.claim().release(&stop);
            }
        }
        made
    }

    /// Whether our upload still waits to be put together; a service that can't tell is believed to
    /// be done.
    fn is_pending(&self) -> Result<bool> {
        let mut call = Call::new(Method::GET, Some(&self.key));
        call.query.push(("uploadId", self.id.clone()));
        match self.wire.ask(&call, &self.stop) {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.says(404) || matches!(refusal.status, 405 | 501) => Ok(false),
            Err(refusal) => Err(refusal.error(&self.doing)),
        }
    }

    fn take_back(&mut self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        let doing = format!("abort the upload of {} to {}", self.key, self.wire.place);
        abort(&self.wire, &self.key, &self.id, &last_try()).map_err(|e| e.error(&doing))
    }
}

/// Parts are removed even when the run is cancelled: this stop is nobody's. A store that is gone
/// keeps nobody from saying so; the next sweep finds the upload.
fn last_try() -> Stop {
    let last_try = Deadline::never();
    last_try.set(Instant::now(), TAKING_BACK);
    Stop::new().until(&last_try)
}

impl Upload for S3Upload {
    fn part(&self, number: u32, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()> {
        self.send_part(number, offset, bytes, stop)
    }

    fn finish(mut self: Box<Self>, bytes: u64) -> Result<()> {
        if bytes == 0 && self.parts.lock().expect("no panic while locked").is_empty() {
            self.send_part(1, 0, &[], &self.stop)?;
        }
        let parts = self.cover(bytes)?;
        self.commit(&parts, bytes)?;
        match size(&self.wire, &self.key, &self.stop)? {
            Some(found) if found == bytes => {
                self.ended = true;
                Ok(())
            }
            found => {
                let found = found.map_or("nothing is there".into(), |found| {
                    format!("it has {found} of {bytes} bytes")
                });
                Err(Error::new(ErrorKind::Damaged, &self.doing, found))
            }
        }
    }

    fn abort(mut self: Box<Self>) -> Result<()> {
        self.take_back()
    }
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        // Nobody is left to tell; the next sweep finds the upload.
        drop(self.take_back());
    }
}
