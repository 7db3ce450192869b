//! The artifacts of one chain in one store: list, commit, prove, remove.
//!
//! The order is the promise, and this file keeps it:
//! - the container is finished first, its manifest (the sidecar) is written **last**: an artifact
//!   exists if and only if its manifest does, so a run killed anywhere leaves nothing that looks
//!   like a backup;
//! - removal takes the manifest first, then the proofs, then the container: what is still listed
//!   still restores;
//! - only keys that our own naming derives are ever removed;
//! - a container without manifest is left of a killed run; it is swept once its name is two days
//!   old, so that a run on another machine, which may be between container and manifest right now,
//!   is never disturbed.
//!
//! Knows no source and no pipeline.

use std::sync::Arc;

use jiff::Timestamp;

use crate::artifact::{
    Damage, Level, MANIFEST, Manifest, Naming, ProofLine, is_proof_of, proof_key,
};
use crate::base::{Id, Stop};
use crate::store::contract::{Error as StoreError, ErrorKind, Store, Upload};

/// Why the shelf could not do it.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The key is not one of ours.
    #[error("unable to remove {0}: it is not a key of this chain")]
    Foreign(String),
}

/// The artifacts of one chain in one store.
pub struct Shelf {
    store: Arc<dyn Store>,
    naming: Naming,
    job: String,
    source: String,
}

/// An artifact on the shelf.
#[derive(Debug, Clone)]
pub struct Shelved {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its proofs, oldest first.
    pub proofs: Vec<ProofLine>,
}

impl Shelved {
    /// How far it is proven: the deepest good proof after which no bad one came.
    pub fn level(&self) -> Level {
        match self.proofs.iter().rposition(|p| !p.good) {
            Some(_) if self.proofs.last().is_some_and(|p| !p.good) => Level::Written,
            Some(bad) => deepest(&self.proofs[bad + 1..]),
            None => deepest(&self.proofs),
        }
    }

    /// When it was last found good.
    pub fn proven_at(&self) -> Option<Timestamp> {
        self.proofs.iter().rev().find(|p| p.good).map(|p| p.at)
    }

    /// Whether the newest proof found damage.
    pub fn is_damaged(&self) -> bool {
        self.proofs.last().is_some_and(|p| !p.good)
    }
}

fn deepest(proofs: &[ProofLine]) -> Level {
    proofs.iter().map(|p| p.level).max().unwrap_or(Level::Written)
}

/// What a look at the shelf found.
#[derive(Debug, Default)]
pub struct Listing {
    /// The artifacts, oldest first by the manifest's own time.
    pub artifacts: Vec<Shelved>,
    /// Manifests that can't be read, and why.
    pub unreadable: Vec<(String, Damage)>,
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

    /// The key of the artifact called `name`.
    pub fn key(&self, name: &str) -> String {
        self.naming.key(name)
    }

    /// Begins the container called `name`; `Exists` if the name is taken, by a container or by a
    /// manifest.
    pub fn begin(&self, name: &str, stop: &Stop) -> Result<Box<dyn Upload>, StoreError> {
        self.store.create(&self.naming.key(name), stop)
    }

    /// Makes the artifact exist: finishes the container, then writes the manifest.
    pub fn commit(
        &self,
        upload: Box<dyn Upload>,
        manifest: &Manifest,
        stop: &Stop,
    ) -> Result<(), StoreError> {
        let bytes =
            manifest.object.as_ref().expect("BUG: a sidecar without the object's line").bytes;
        upload.finish(bytes)?;
        self.store.put(&format!("{}{MANIFEST}", manifest.key), &manifest.to_bytes(), stop)
    }

    /// Writes a proof beside its artifact.
    pub fn prove(
        &self,
        manifest: &Manifest,
        proof: &ProofLine,
        stop: &Stop,
    ) -> Result<(), StoreError> {
        self.store.put(&proof_key(&manifest.key, proof.at), &proof.to_bytes(), stop)
    }

    /// All artifacts of this chain.
    pub fn list(&self, stop: &Stop) -> Result<Listing, StoreError> {
        let mut listing =
            survey(self.store.as_ref(), self.naming.folder(), &|key| self.naming.owns(key), stop)?;
        // A store whose key template does not part chains holds others' as well.
        listing
            .artifacts
            .retain(|a| a.manifest.job == self.job && a.manifest.source == self.source);
        Ok(listing)
    }

    /// Removes an artifact: manifest, proofs, container.
    pub fn remove(&self, manifest: &Manifest, stop: &Stop) -> Result<(), ShelfError> {
        if !self.naming.owns(&manifest.key)
            || manifest.job != self.job
            || manifest.source != self.source
        {
            return Err(ShelfError::Foreign(manifest.key.clone()));
        }
        let objects = self.store.list(&manifest.key, stop)?;
        self.store.remove(&format!("{}{MANIFEST}", manifest.key), stop)?;
        for proof in objects.iter().filter(|o| is_proof_of(&o.key, &manifest.key)) {
            self.store.remove(&proof.key, stop)?;
        }
        Ok(self.store.remove(&manifest.key, stop)?)
    }

    /// Removes what killed runs left: temporary files and uploads, and old containers and proofs
    /// without manifest.
    pub fn sweep(&self, now: Timestamp, stop: &Stop) -> Result<usize, StoreError> {
        // At the root of a bucket others live as well.
        let own_folder = !self.naming.folder().is_empty();
        let mut swept = if own_folder { self.store.sweep(self.naming.folder(), stop)? } else { 0 };
        let objects = self.store.list(self.naming.folder(), stop)?;
        let limit = now.as_second() - 2 * 86_400;
        for object in
            objects.iter().filter(|o| self.naming.owns(&o.key) && !o.key.ends_with(MANIFEST))
        {
            let (container, name) = self.naming.container(&object.key);
            let listed = objects.iter().any(|o| o.key.strip_suffix(MANIFEST) == Some(container));
            if !listed && named_before(name, limit) {
                self.store.remove(&object.key, stop)?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

/// An artifact and all that it adds to, the full one first; an error names what is missing.
pub fn lineage<'a>(all: &'a [Shelved], artifact: &'a Shelved) -> Result<Vec<&'a Shelved>, Id> {
    let mut chain = vec![artifact];
    while let Some(parent) = chain.last().and_then(|a| a.manifest.parent.as_ref()) {
        let of = |a: &&Shelved| {
            (&a.manifest.job, &a.manifest.source)
                == (&artifact.manifest.job, &artifact.manifest.source)
        };
        let found = all
            .iter()
            .filter(of)
            .find(|a| a.manifest.id == *parent && chain.iter().all(|c| c.manifest.id != *parent));
        chain.push(found.ok_or_else(|| parent.clone())?);
    }
    chain.reverse();
    Ok(chain)
}

/// All artifacts under a folder whose keys `owns` accepts, of whatever job and source.
pub fn survey(
    store: &dyn Store,
    under: &str,
    owns: &dyn Fn(&str) -> bool,
    stop: &Stop,
) -> Result<Listing, StoreError> {
    let objects = store.list(under, stop)?;
    let keys: Vec<&str> = objects.iter().map(|o| o.key.as_str()).filter(|k| owns(k)).collect();
    let mut listing = Listing::default();
    for sidecar in keys.iter().filter(|k| k.ends_with(MANIFEST)) {
        let key = sidecar.trim_end_matches(MANIFEST);
        let manifest = match store.read(sidecar, None, stop) {
            Ok(bytes) => read_manifest(&bytes, key),
            Err(error) if error.kind == ErrorKind::Missing => continue, // Removed meanwhile.
            Err(error) => return Err(error),
        };
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(damage) => {
                listing.unreadable.push(((*sidecar).to_owned(), damage));
                continue;
            }
        };
        let size = objects.iter().find(|o| o.key == key).map(|o| o.bytes);
        if size != Some(manifest.bytes()) {
            let short = |b| format!("the container has {b} bytes instead of {}", manifest.bytes());
            listing.unreadable.push((
                key.to_owned(),
                Damage::Object(size.map_or("the container is missing".into(), short)),
            ));
            continue;
        }
        let mut proofs = Vec::new();
        for proof in keys.iter().filter(|k| is_proof_of(k, key)) {
            match ProofLine::parse(&store.read(proof, None, stop)?) {
                Ok(line) if line.id == manifest.id => proofs.push(line),
                Ok(_) => listing.unreadable.push((
                    (*proof).to_owned(),
                    Damage::Manifest("a proof of another artifact".into()),
                )),
                Err(damage) => listing.unreadable.push(((*proof).to_owned(), damage)),
            }
        }
        proofs.sort_by_key(|p| p.at);
        listing.artifacts.push(Shelved { manifest, proofs });
    }
    listing.artifacts.sort_by(|a, b| {
        (a.manifest.finished, &a.manifest.id).cmp(&(b.manifest.finished, &b.manifest.id))
    });
    Ok(listing)
}

fn read_manifest(bytes: &[u8], key: &str) -> Result<Manifest, Damage> {
    let manifest = Manifest::parse(bytes)?;
    match &manifest.object {
        _ if manifest.key != key => {
            Err(Damage::Manifest(format!("it belongs to {}", manifest.key.escape_debug())))
        }
        None => Err(Damage::Manifest("it does not say size and hash of its container".into())),
        Some(_) => Ok(manifest),
    }
}

/// Whether the last part of a key is the name of an artifact, a manifest or a proof, in whatever
/// folder.
pub fn looks_ours(key: &str) -> bool {
    let (folder, name) = key.rsplit_once('/').map_or(("", key), |(f, n)| (f, n));
    Naming::new("{name}", "", "", "").owns(name) && !folder.contains("..")
}

/// Whether the time in `backup_YYYYMMDD_HHMMSS.zip`, in whatever zone, lies before `limit`
/// (seconds).
fn named_before(name: &str, limit: i64) -> bool {
    let stamp = jiff::civil::DateTime::strptime("backup_%Y%m%d_%H%M%S.zip", name);
    let moment = stamp.ok().and_then(|s| s.to_zoned(jiff::tz::TimeZone::UTC).ok());
    moment.is_some_and(|m| m.timestamp().as_second() < limit)
}
