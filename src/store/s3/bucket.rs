//! The store on a bucket.
//!
//! Does not know what keys mean. Invariant: nothing outside the key, or the prefix, that was asked
//! for is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use url::{Url, form_urlencoded};

use crate::base::{Finding, Stop};
use crate::job::S3Spec;
use crate::store::contract::{
    Ability, Coming, Error, ErrorKind, Limits, Object, Result, Store, Upload,
};
use crate::store::s3::address::{Address, is_key};
use crate::store::s3::credentials::Credentials;
use crate::store::s3::dialect::Amazon;
use crate::store::s3::examine::examine;
use crate::store::s3::flavor::Flavor;
use crate::store::s3::object::{abort, tag};
use crate::store::s3::sign::Signer;
use crate::store::s3::upload::S3Upload;
use crate::store::s3::xml::{ObjectPage, UploadPage};
use crate::store::wire::ask::Wire;
use crate::store::wire::body::document;
use crate::store::wire::call::{Answer, Call, Pace};
use crate::store::wire::commit::put;
use crate::store::wire::look::{now, size};
use crate::store::wire::read;
use crate::store::wire::refusal::Refusal;
use crate::store::wire::xml::{Document, decode, moment};
use crate::world::World;

/// How many pages in a row may bring nothing new: services skip what was removed, but not for ever.
const IDLE_PAGES: usize = 100;

/// A bucket of S3 or of a service that speaks its protocol.
pub struct S3 {
    wire: Arc<Wire>,
    flavor: Flavor,
}

impl S3 {
    /// Opens the bucket for `lanes` parts at once; finds the keys, sends nothing to the bucket.
    pub fn open(spec: &S3Spec, world: &World, lanes: usize, stop: &Stop) -> Result<S3> {
        S3::open_with(spec, world, Pace::new(lanes), stop)
    }

    /// Opens the bucket with a patience of one's own.
    pub fn open_with(spec: &S3Spec, world: &World, pace: Pace, stop: &Stop) -> Result<S3> {
        let place = match spec.endpoint.as_deref().and_then(|e| Url::parse(e).ok()) {
            Some(url) => format!("s3://{} at {}", spec.bucket, url.host_str().unwrap_or_default()),
            None => format!("s3://{}", spec.bucket),
        };
        let failed = |kind, found: String| Error::new(kind, format!("open {place}"), found);
        let address = Address::new(spec).map_err(|e| failed(ErrorKind::Failed, e))?;
        let credentials =
            Credentials::open(spec, world, stop).map_err(|e| e.error(&format!("open {place}")))?;
        let dialect = Amazon { address, credentials, signer: Signer::new(&spec.region) };
        let mut wire = Wire::open(Box::new(dialect), place, spec.ca.as_deref(), world, pace)?;
        let label = |name, value: &Option<String>| value.clone().map(|value| (name, value));
        let class = label("x-amz-storage-class", &spec.storage_class);
        let sse = label("x-amz-server-side-encryption", &spec.sse);
        let key = label("x-amz-server-side-encryption-aws-kms-key-id", &spec.kms_key);
        let mut tags = form_urlencoded::Serializer::new(String::new());
        let tags = tags.extend_pairs(&spec.tags).finish();
        let tags = (!tags.is_empty()).then_some(("x-amz-tagging", tags));
        wire.labels = class.into_iter().chain(sse).chain(key).chain(tags).collect();
        Ok(S3::over(wire, Flavor::Amazon))
    }

    /// The bucket at the end of a way, whose service writes in the words of `flavor`.
    pub fn over(wire: Wire, flavor: Flavor) -> S3 {
        S3 { wire: Arc::new(wire), flavor }
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
                let key = decode(&entry.key, page.encoding_type.as_deref());
                if key.starts_with(under) {
                    let modified = entry.last_modified.as_deref().and_then(moment);
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
                let key = decode(&pending.key, encoding);
                let is_new = seen.insert((key.clone(), pending.upload_id.clone()));
                if is_new && key.starts_with(under) {
                    found.push((key, pending.upload_id));
                }
            }
            let next =
                page.next_key_marker.map(|k| decode(&k, encoding)).zip(page.next_upload_id_marker);
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
        Ok(Box::new(S3Upload::open(&self.wire, self.flavor, key, doing, stop)?))
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        let doing = self.doing("write", key)?;
        let mut call = Call::new(Method::PUT, Some(key));
        call.headers.clone_from(&self.wire.labels);
        call.checksum = Some(self.flavor.checksum(bytes));
        call.fresh = true;
        call.body = bytes;
        put(&self.wire, &doing, &call, &|answer| tag(answer).map(drop), stop)
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>> {
        let doing = self.doing("read", key)?;
        read::read_range(&self.wire, key, range, &doing, stop)
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
        now(&self.wire, &Call::new(Method::HEAD, None), stop)
            .map_err(|e| e.error(&format!("ask for the time of {}", self.place())))
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        examine(&self.wire, self.flavor, self, coming, stop)
    }

    fn limits(&self) -> Limits {
        let declared = self.flavor.limits(self.wire.pace.lanes);
        match self.wire.conditions() {
            true => declared,
            false => Limits { conditional: Ability::Lacking, ..declared },
        }
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
