//! One chain's artifacts in one store: begin, commit, prove, remove.
//!
//! Knows no source and no pipeline. The order of its calls is the promise of the room; see `mod.rs`.

use std::sync::Arc;

use crate::artifact::{
    Head, INDEX, LARGEST_HEAD, MANIFEST, Marker, Naming, Part, ProofLine, SIGNATURE, begun_key,
    is_proof_of, proof_key,
};
use crate::base::Stop;
use crate::store::contract::{Error as StoreError, ErrorKind, Store, Upload};

use crate::shelf::error::ShelfError;
use crate::shelf::list::{Listing, PartOf, survey};

/// The artifacts of one chain in one store.
pub struct Shelf {
    pub(super) store: Arc<dyn Store>,
    pub(super) naming: Naming,
    job: String,
    source: String,
}

/// The index of a copy, whole but not yet visible.
pub enum IndexBytes {
    /// Its bytes.
    Whole(Arc<Vec<u8>>),
    /// An upload that got all of it, and how many bytes that is.
    Sent(Box<dyn Upload>, u64),
}

impl Shelf {
    /// The shelf of `job` and `source` in `store`.
    pub fn new(store: Arc<dyn Store>, naming: Naming, job: &str, source: &str) -> Shelf {
        Shelf { store, naming, job: job.to_owned(), source: source.to_owned() }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// How its artifacts are named.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// The shelf of another job of the same source in the same store.
    pub fn sibling(&self, naming: &Naming, job: &str) -> Shelf {
        Shelf::new(self.store.clone(), naming.clone(), job, &self.source)
    }

    /// The key of the artifact called `name`.
    pub fn key(&self, name: &str) -> String {
        self.naming.key(name)
    }

    /// Begins the container called `name`, with a marker before its first byte; `Exists` if the
    /// name is taken.
    pub fn begin(
        &self,
        name: &str,
        marker: &Marker,
        stop: &Stop,
    ) -> Result<Box<dyn Upload>, StoreError> {
        let key = self.naming.key(name);
        self.store.put(&begun_key(&key, None), &marker.to_bytes(), stop)?;
        self.store.create(&key, stop).inspect_err(|_| self.unmark(&begun_key(&key, None), stop))
    }

    /// Writes the marker of a run that goes on anew, and removes the one before; returns its key.
    pub fn mark_anew(
        &self,
        name: &str,
        before: &str,
        marker: &Marker,
        stop: &Stop,
    ) -> Result<String, StoreError> {
        let fresh = begun_key(&self.naming.key(name), Some(marker.at));
        self.store.put(&fresh, &marker.to_bytes(), stop)?;
        self.unmark(before, stop);
        Ok(fresh)
    }

    /// Removes a marker. One that stays is ignored once its head is there, and swept otherwise.
    pub fn unmark(&self, key: &str, stop: &Stop) {
        drop(self.store.remove(key, stop));
    }

    /// Ends what was begun as `name` and is given up: removes its marker, once nothing is left that
    /// a sweep would have to find by it.
    pub fn give_up(&self, name: &str, marker: &str, stop: &Stop) {
        let key = self.naming.key(name);
        let is_tidy = self.store.sweep(&key, stop).is_ok();
        if is_tidy && matches!(self.store.size(&key, stop), Ok(None)) {
            self.unmark(marker, stop);
        }
    }

    /// Makes the artifact exist: finishes container and index, writes the head, and reads it back.
    pub fn commit(
        &self,
        container: Box<dyn Upload>,
        index: IndexBytes,
        head: &Head,
        stop: &Stop,
    ) -> Result<(), StoreError> {
        container.finish(head.bytes())?;
        match index {
            IndexBytes::Whole(bytes) => {
                self.store.put(&format!("{}{INDEX}", head.key), &bytes, stop)?;
            }
            IndexBytes::Sent(upload, bytes) => upload.finish(bytes)?,
        }
        let (key, bytes) = (format!("{}{MANIFEST}", head.key), head.to_bytes());
        self.store.put(&key, &bytes, stop)?;
        let is_back = || {
            Ok::<bool, StoreError>(self.store.read_small(&key, LARGEST_HEAD as u64, stop)? == bytes)
        };
        match is_back()? || is_back()? {
            true => Ok(()),
            false => Err(StoreError::new(
                ErrorKind::Damaged,
                format!("write {key} in {}", self.store.place()),
                "what was read back is not what was written",
            )),
        }
    }

    /// Writes a proof beside its artifact.
    pub fn prove(&self, head: &Head, proof: &ProofLine, stop: &Stop) -> Result<(), StoreError> {
        self.store.put(&proof_key(&head.key, proof.at), &proof.to_bytes(), stop)
    }

    /// All artifacts of this job and source, whoever made them, and the notes about them.
    pub fn list(&self, stop: &Stop) -> Result<Listing, StoreError> {
        let part_of: &PartOf<'_> = &|key| self.naming.part(key);
        let mut listing = survey(self.store.as_ref(), self.naming.folder(), part_of, stop)?;
        // A store whose key template does not part chains holds others' as well.
        listing.artifacts.retain(|a| a.head.job == self.job && a.head.source == self.source);
        Ok(listing)
    }

    /// Removes an artifact: head, proofs, index, container. A marker tells of a removal that was
    /// cut short, so that its rest is swept.
    pub fn remove(&self, head: &Head, marker: &Marker, stop: &Stop) -> Result<(), ShelfError> {
        if !self.naming.owns(&head.key) || head.job != self.job || head.source != self.source {
            return Err(ShelfError::Foreign(head.key.clone()));
        }
        let objects = self.store.list(&head.key, stop)?;
        match self.store.put(&begun_key(&head.key, None), &marker.to_bytes(), stop) {
            Err(error) if error.kind != ErrorKind::Exists => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        self.store.remove(&format!("{}{MANIFEST}", head.key), stop)?;
        let signature = format!("{}{SIGNATURE}", head.key);
        if objects.iter().any(|o| o.key == signature) {
            self.store.remove(&signature, stop)?;
        }
        for proof in objects.iter().filter(|o| is_proof_of(&o.key, &head.key)) {
            self.store.remove(&proof.key, stop)?;
        }
        self.store.remove(&format!("{}{INDEX}", head.key), stop)?;
        self.store.remove(&head.key, stop)?;
        let own = |key: &str| self.naming.part(key) == Some((head.key.as_str(), Part::Begun));
        for marker in objects.iter().filter(|o| own(&o.key)) {
            self.store.remove(&marker.key, stop)?;
        }
        Ok(self.store.remove(&begun_key(&head.key, None), stop)?)
    }
}
