//! The store on a bucket.
//!
//! Does not know what keys mean. Invariant: nothing outside the key, or the prefix, that was asked
//! for is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp;

use crate::base::{Finding, Stop};
use crate::job::S3Spec;
use crate::store::contract::{Coming, Error, ErrorKind, Object, Result, Store, Upload};
use crate::store::s3::address::is_key;
use crate::store::s3::call::{Answer, Call, Pace};
use crate::store::s3::commit::{Look, commit};
use crate::store::s3::examine::examine;
use crate::store::s3::object::{abort, now, size, tag};
use crate::store::s3::read;
use crate::store::s3::refusal::Refusal;
use crate::store::s3::upload::S3Upload;
use crate::store::s3::wire::{Wire, document};
use crate::store::s3::xml::{self, Document, ObjectPage, UploadPage};
use crate::world::World;

/// How many pages in a row may bring nothing new: services skip what was removed, but not for ever.
const IDLE_PAGES: usize = 100;

/// A bucket of S3 or of a service that speaks its protocol.
pub struct S3 {
    wire: Arc<Wire>,
}

impl S3 {
    /// Opens the bucket for `lanes` parts at once; finds the keys, sends nothing to the bucket.
    pub fn open(spec: &S3Spec, world: &World, lanes: usize, stop: &Stop) -> Result<S3> {
        S3::open_with(spec, world, Pace::new(lanes), stop)
    }

    /// Opens the bucket with a patience of one's own.
    pub fn open_with(spec: &S3Spec, world: &World, pace: Pace, stop: &Stop) -> Result<S3> {
        Ok(S3 { wire: Arc::new(Wire::open(spec, world, pace, stop)?) })
    }

    /// `write x in s3://vault`, if `x` is a key.
    fn doing(&self, verb: &str, key: &str) -> Result<String> {
        let doing = format!("{verb} {key} in {}", self.wire.place);
        match is_key(key) {
            true => Ok(doing),
            false => Err(Error::new(ErrorKind::Failed, doing, format!("{key:?} is no key for S3"))),
        }
    }

    /// All objects under a prefix, sorted, each once.
    fn pages(&self, under: &str, stop: &Stop) -> std::result::Result<Vec<Object>, Refusal> {
        let mut found = BTreeMap::new();
        let mut token: Option<String> = None;
        let mut idle = 0;
        loop {
            let mut call = Call::new(Method::GET, None);
            call.query = vec![
                ("encoding-type", "url".into()),
                ("list-type", "2".into()),
                ("prefix", under.to_owned()),
            ];
            call.query.extend(token.iter().map(|t| ("continuation-token", t.clone())));
            let page: ObjectPage = self.wire.ask_for(&call, &listed, stop)?;
            let before = found.len();
            for entry in page.contents {
                let key = xml::decode(&entry.key, page.encoding_type.as_deref());
                if key.starts_with(under) {
                    let modified = entry.last_modified.as_deref().and_then(xml::moment);
                    found.insert(key.clone(), Object { key, bytes: entry.size, modified });
                }
            }
            idle = if found.len() > before { 0 } else { idle + 1 };
            match page.next_continuation_token {
                _ if page.is_truncated && idle > IDLE_PAGES => {
                    return Err(unreadable("it has no end"));
                }
                Some(next) if page.is_truncated && token.as_ref() != Some(&next) => {
                    token = Some(next)
                }
                _ if page.is_truncated => {
                    return Err(unreadable("a page without the way to the next"));
                }
                _ => return Ok(found.into_values().collect()),
            }
        }
    }

    /// Uploads under a prefix that were begun and not ended: key and name.
    fn pending(
        &self,
        under: &str,
        stop: &Stop,
    ) -> std::result::Result<Vec<(String, String)>, Refusal> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let mut idle = 0;
        let mut markers: Option<(String, String)> = None;
        loop {
            let mut call = Call::new(Method::GET, None);
            call.query = vec![
                ("encoding-type", "url".into()),
                ("prefix", under.to_owned()),
                ("uploads", String::new()),
            ];
            if let Some((key, id)) = &markers {
                call.query.extend([("key-marker", key.clone()), ("upload-id-marker", id.clone())]);
            }
            let page: UploadPage = self.wire.ask_for(&call, &listed, stop)?;
            let encoding = page.encoding_type.as_deref();
            let before = seen.len();
            for pending in page.upload {
                let key = xml::decode(&pending.key, encoding);
                let is_new = seen.insert((key.clone(), pending.upload_id.clone()));
                if is_new && key.starts_with(under) {
                    found.push((key, pending.upload_id));
                }
            }
            let next = page
                .next_key_marker
                .map(|k| xml::decode(&k, encoding))
                .zip(page.next_upload_id_marker);
            idle = if seen.len() > before { 0 } else { idle + 1 };
            match next {
                _ if page.is_truncated && idle > IDLE_PAGES => {
                    return Err(unreadable("it has no end"));
                }
                Some(next) if page.is_truncated && markers.as_ref() != Some(&next) => {
                    markers = Some(next)
                }
                _ if page.is_truncated => {
                    return Err(unreadable("a page without the way to the next"));
                }
                _ => return Ok(found),
            }
        }
    }
}

impl Store for S3 {
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>> {
        let doing = self.doing("write", key)?;
        if size(&self.wire, key, stop)?.is_some() {
            return Err(Error::new(ErrorKind::Exists, doing, "the key is taken"));
        }
        Ok(Box::new(S3Upload::open(&self.wire, key, doing, stop)?))
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        let doing = self.doing("write", key)?;
        let mut call = Call::new(Method::PUT, Some(key));
        call.headers.clone_from(&self.wire.labels);
        call.checksum = Some(("x-amz-checksum-crc32c", read::crc32c(bytes)));
        call.fresh = true;
        call.body = bytes;
        let send = || self.wire.once(&call, stop).and_then(|answer| tag(&answer).map(drop));
        let look = || match size(&self.wire, key, stop)? {
            None => Ok(Look::Absent),
            Some(found) if found != bytes.len() as u64 => Ok(Look::Foreign),
            Some(_) => {
                Ok(if self.read(key, None, stop)? == bytes { Look::Ours } else { Look::Foreign })
            }
        };
        commit(&self.wire, &doing, &send, &look, stop)
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>> {
        let doing = self.doing("read", key)?;
        match range {
            // There is no way to ask for an empty range; whether it lies within the object is to be
            // said all the same.
            Some(range) if range.start >= range.end => match size(&self.wire, key, stop)? {
                None => Err(Error::new(ErrorKind::Missing, doing, "no such object")),
                Some(end) if range.start == range.end && range.end <= end => Ok(Vec::new()),
                Some(end) => {
                    Err(Error::new(ErrorKind::Damaged, doing, format!("the object ends at {end}")))
                }
            },
            range => read::read(&self.wire, key, range, stop).map_err(|e| e.error(&doing)),
        }
    }

    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>> {
        let doing = self.doing("read", key)?;
        read::read_small(&self.wire, key, most, stop).map_err(|e| e.error(&doing))
    }

    fn size(&self, key: &str, stop: &Stop) -> Result<Option<u64>> {
        self.doing("look for", key)?;
        size(&self.wire, key, stop)
    }

    fn list(&self, under: &str, stop: &Stop) -> Result<Vec<Object>> {
        let doing = format!("list {under}* in {}", self.wire.place);
        self.pages(under, stop).map_err(|e| e.error(&doing))
    }

    fn remove(&self, key: &str, stop: &Stop) -> Result<()> {
        let doing = self.doing("remove", key)?;
        match self.wire.ask(&Call::new(Method::DELETE, Some(key)), stop) {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.kind == ErrorKind::Missing => Ok(()),
            Err(refusal) => Err(refusal.error(&doing)),
        }
    }

    fn sweep(&self, under: &str, stop: &Stop) -> Result<usize> {
        let doing = format!("sweep {under}* in {}", self.wire.place);
        let found = match self.pending(under, stop) {
            Ok(found) => found,
            // A service without such a list keeps no such uploads that we could find.
            Err(refusal) if matches!(refusal.status, 405 | 501) => return Ok(0),
            Err(refusal) => return Err(refusal.error(&doing)),
        };
        for (key, id) in &found {
            abort(&self.wire, key, id, stop).map_err(|e| e.error(&doing))?;
        }
        Ok(found.len())
    }

    fn now(&self, stop: &Stop) -> Result<Timestamp> {
        now(&self.wire, stop).map_err(|e| e.error(&format!("ask for the time of {}", self.place())))
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        examine(&self.wire, self, coming, stop)
    }

    fn lanes(&self) -> usize {
        self.wire.pace.lanes
    }

    fn place(&self) -> &str {
        &self.wire.place
    }
}

fn listed<T: Document>(answer: Answer) -> std::result::Result<T, Refusal> {
    document(&answer, "the listing makes no sense")
}

fn unreadable(found: &str) -> Refusal {
    Refusal::garbled(format!("the listing makes no sense: {found}"))
}
