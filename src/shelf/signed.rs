//! Any store whose heads are signed as they are written, and held against their signatures as they
//! are read.
//!
//! Knows heads by their keys only. Invariants: where a key to verify by is named, a head without a
//! good signature is never handed on, so nobody lists, restores or adds to it; the signature is
//! written before the head, so a head that is there was signed.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use crate::artifact::{LARGEST_SIGNATURE, MANIFEST, SIGNATURE, Signer, VerifyKey, verify};
use crate::base::{Finding, Stop};
use crate::store::contract::{Coming, Error, ErrorKind, Limits, Object, Result, Store, Upload};

/// A store that signs and verifies.
pub struct Signed {
    store: Arc<dyn Store>,
    signer: Option<Signer>,
    keys: Vec<VerifyKey>,
}

impl Signed {
    /// The store as it is, if neither is wanted.
    pub fn over(
        store: Arc<dyn Store>,
        signer: Option<Signer>,
        keys: Vec<VerifyKey>,
    ) -> Arc<dyn Store> {
        match signer.is_none() && keys.is_empty() {
            true => store,
            false => Arc::new(Signed { store, signer, keys }),
        }
    }

    /// Whether the head is one that was signed.
    fn check(&self, key: &str, container: &str, head: &[u8], stop: &Stop) -> Result<()> {
        let refused = |found: String| {
            let doing = format!("trust {key} in {}", self.store.place());
            Err(Error::new(ErrorKind::Refused, doing, found))
        };
        let own = format!("{container}{SIGNATURE}");
        let signature = match self.store.read_small(&own, LARGEST_SIGNATURE, stop) {
            Ok(signature) => signature,
            Err(error) if error.kind == ErrorKind::Missing => {
                return refused("it is not signed, and the site file has a `verify-key`".into());
            }
            Err(error) if error.kind == ErrorKind::TooLarge => return refused(error.found),
            Err(error) => return Err(error),
        };
        verify(&self.keys, head, &signature).or_else(|error| refused(error.to_string()))
    }
}

impl Store for Signed {
    fn create(&self, key: &str, stop: &Stop) -> Result<Box<dyn Upload>> {
        self.store.create(key, stop)
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> Result<()> {
        if let (Some(signer), Some(container)) = (&self.signer, key.strip_suffix(MANIFEST)) {
            let (own, signature) = (format!("{container}{SIGNATURE}"), signer.sign(bytes));
            match self.store.put(&own, &signature, stop) {
                // One that a removal left behind, of a head that is gone.
                Err(error) if error.kind == ErrorKind::Exists => {
                    if self.store.size(key, stop)?.is_some() {
                        return Err(error);
                    }
                    self.store.remove(&own, stop)?;
                    self.store.put(&own, &signature, stop)?;
                }
                put => put?,
            }
        }
        self.store.put(key, bytes, stop)
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> Result<Vec<u8>> {
        self.store.read(key, range, stop)
    }

    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> Result<Vec<u8>> {
        let bytes = self.store.read_small(key, most, stop)?;
        if let Some(container) = key.strip_suffix(MANIFEST).filter(|_| !self.keys.is_empty()) {
            self.check(key, container, &bytes, stop)?;
        }
        Ok(bytes)
    }

    fn size(&self, key: &str, stop: &Stop) -> Result<Option<u64>> {
        self.store.size(key, stop)
    }

    fn list(&self, under: &str, stop: &Stop) -> Result<Vec<Object>> {
        self.store.list(under, stop)
    }

    fn remove(&self, key: &str, stop: &Stop) -> Result<()> {
        self.store.remove(key, stop)
    }

    fn sweep(&self, under: &str, stop: &Stop) -> Result<usize> {
        self.store.sweep(under, stop)
    }

    fn now(&self, stop: &Stop) -> Result<Timestamp> {
        self.store.now(stop)
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        self.store.examine(coming, stop)
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    fn free(&self) -> Option<u64> {
        self.store.free()
    }

    fn place(&self) -> &str {
        self.store.place()
    }
}
