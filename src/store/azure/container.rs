//! The store on a container.
//!
//! Does not know what keys mean. Invariant: nothing outside the key, or the prefix, that was asked
//! for is touched.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp;

use crate::base::{Finding, Secret, Stop};
use crate::job::AzureSpec;
use crate::store::azure::address::{Address, is_key};
use crate::store::azure::checksum::checksum;
use crate::store::azure::dialect::{Container, PAGES, Right, listing};
use crate::store::azure::examine::examine;
use crate::store::azure::upload::{BlockUpload, declared};
use crate::store::azure::xml::{BlobPage, shown_name};
use crate::store::contract::{
    Ability, Coming, Error, ErrorKind, Limits, Object, Result, Store, Upload,
};
use crate::store::wire::ask::Wire;
use crate::store::wire::body::document;
use crate::store::wire::call::{Call, Pace};
use crate::store::wire::commit::put;
use crate::store::wire::key::{find, variable};
use crate::store::wire::look::{now, size};
use crate::store::wire::read;
use crate::store::wire::refusal::Refusal;
use crate::store::wire::xml::moment;
use crate::world::{Entropy, World};

/// Variables of the environment, as the command line of Azure has them.
const KEY: &str = "AZURE_STORAGE_KEY";
const SAS: &str = "AZURE_STORAGE_SAS_TOKEN";

/// A container of Azure Blob Storage.
pub struct Azure {
    wire: Arc<Wire>,
    entropy: Entropy,
    ends: Option<Timestamp>,
}

impl Azure {
    /// Opens the container; finds the key, sends nothing.
    pub fn open(spec: &AzureSpec, world: &World, pace: Pace, stop: &Stop) -> Result<Azure> {
        let place = format!("azure://{}/{}", spec.account, spec.container);
        let failed = |kind, found: String| Error::new(kind, format!("open {place}"), found);
        let address = Address::new(spec).map_err(|e| failed(ErrorKind::Failed, e))?;
        let right = right(spec, stop).map_err(|e| failed(ErrorKind::Denied, e))?;
        let ends = right.ends();
        let dialect = Container { address, account: spec.account.clone(), right };
        let mut wire = Wire::open(Box::new(dialect), place, spec.ca.as_deref(), world, pace)?;
        let tier = spec.tier.clone();
        wire.labels = tier.into_iter().map(|tier| ("x-ms-access-tier", tier)).collect();
        Ok(Azure { wire: Arc::new(wire), entropy: world.entropy.clone(), ends })
    }

    /// `write x in azure://account/box`, if `x` is a key.
    fn doing(&self, verb: &str, key: &str) -> Result<String> {
        let doing = format!("{verb} {key} in {}", self.wire.place);
        let found = || format!("{key:?} is no name for a blob");
        match is_key(key) {
            true => Ok(doing),
            false => Err(Error::new(ErrorKind::Failed, doing, found())),
        }
    }

    /// All objects under a prefix, sorted, each once.
    fn pages(&self, under: &str, stop: &Stop) -> std::result::Result<Vec<Object>, Refusal> {
        let (mut found, mut idle) = (BTreeMap::new(), 0);
        let mut marker: Option<String> = None;
        loop {
            let read = |answer| document::<BlobPage>(&answer, "the listing makes no sense");
            let page = self.wire.ask_for(&listing(under, marker.as_deref()), &read, stop)?;
            let (before, next) = (found.len(), page.next());
            for blob in page.blobs.blob {
                let key = shown_name(&blob.name);
                if key.starts_with(under) {
                    let modified = blob.properties.modified.as_deref().and_then(moment);
                    let object =
                        Object { key: key.clone(), bytes: blob.properties.bytes, modified };
                    found.insert(key, object);
                }
            }
            idle = if found.len() > before { 0 } else { idle + 1 };
            match next {
                None => return Ok(found.into_values().collect()),
                Some(next) if idle <= PAGES && marker.as_ref() != Some(&next) => {
                    marker = Some(next)
                }
                Some(_) => {
                    let found = "the listing makes no sense: it has no end";
                    return Err(Refusal::garbled(found));
                }
            }
        }
    }
}

/// What a job was given to come in with.
fn right(spec: &AzureSpec, stop: &Stop) -> std::result::Result<Right, String> {
    match (&spec.account_key, &spec.sas) {
        (Some(reference), None) => Right::key(&find(reference, stop)?),
        (None, Some(reference)) => Right::sas(&find(reference, stop)?),
        (Some(_), Some(_)) => Err("a key and a shared access signature were given".into()),
        (None, None) => match (variable(KEY), variable(SAS)) {
            (Some(key), _) => Right::key(&Secret::new(key)),
            (None, Some(sas)) => Right::sas(&Secret::new(sas)),
            (None, None) => Err(format!(
                "neither `account-key` nor `sas` was given, and {KEY} and {SAS} are not set"
            )),
        },
    }
}

impl Store for Azure {
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>> {
        let doing = self.doing("write", key)?;
        if size(&self.wire, key, stop)?.is_some() {
            return Err(Error::new(ErrorKind::Exists, doing, "the key is taken"));
        }
        let name = (u64::from(self.entropy.bits()) << 32) | u64::from(self.entropy.bits());
        Ok(Box::new(BlockUpload::new(&self.wire, key, doing, name, stop)))
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        let doing = self.doing("write", key)?;
        let mut call = Call::new(Method::PUT, Some(key));
        call.headers.clone_from(&self.wire.labels);
        call.headers.push(("x-ms-blob-type", "BlockBlob".into()));
        call.checksum = Some(checksum(bytes));
        call.fresh = true;
        call.body = bytes;
        put(&self.wire, &doing, &call, &|_| Ok(()), stop)
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
        let mut call = Call::new(Method::DELETE, Some(key));
        call.headers.push(("x-ms-delete-snapshots", "include".into()));
        match self.wire.ask(&call, stop) {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.kind == ErrorKind::Missing => Ok(()),
            Err(refusal) => Err(refusal.error(&doing)),
        }
    }

    /// Blocks that nobody committed can't be removed: the service does, a week after the last came.
    /// To write over them would take those of a living run as well.
    fn sweep(&self, _under: &str, stop: &Stop) -> Result<usize> {
        let stopped = || Error::new(ErrorKind::Stopped, "sweep", "stopped");
        stop.check().map_err(|_| stopped())?;
        Ok(0)
    }

    fn now(&self, stop: &Stop) -> Result<Timestamp> {
        let mut call = Call::new(Method::HEAD, None);
        call.query.push(("restype", "container".into()));
        now(&self.wire, &call, stop)
            .map_err(|e| e.error(&format!("ask for the time of {}", self.place())))
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        examine(&self.wire, self, self.ends, coming, stop)
    }

    fn limits(&self) -> Limits {
        let conditional = Ability::of(self.wire.conditions());
        Limits { conditional, ..declared(self.wire.pace.lanes) }
    }

    fn place(&self) -> &str {
        &self.wire.place
    }
}
