//! Which backup an increment adds to: the newest that is whole, in every store this one goes to.
//!
//! Knows no server: whether the server can still tell what changed since then is the source's to
//! say. An increment is worth what its chain is worth, so a chain with a damaged link, or one that
//! a store lacks, is not added to.

use crate::artifact::{EntryLine, Head, Key, Origin};
use crate::base::Stop;
use crate::job::{Engine, RmanLevel, SourceSpec};
use crate::pipeline::{Fetch, Meter};
use crate::plan::Backup;
use crate::recover::Fault;
use crate::run::Say;
use crate::shelf::{Contents, Reading, Shelf, Shelved, lineage};
use crate::source::{BACKUP_MANIFEST, contract::Parent};
use crate::step::copies::Copies;
use crate::step::perform::Steps;

/// What an increment may add to, as long as it is kept for it.
pub struct KeptParents {
    readings: Vec<Reading>,
    remarks: Vec<String>,
}

impl KeptParents {
    /// Keeps them no longer; the remarks are why they may have been removed meanwhile, and make an
    /// Alerta.
    pub fn end(self) -> Vec<String> {
        let ended = self.readings.into_iter().filter_map(Reading::end);
        self.remarks.into_iter().chain(ended).collect()
    }
}

impl Steps {
    /// Keeps what an increment may add to from being removed before the increment exists.
    pub(super) fn keep_parents(
        &self,
        backup: &Backup,
        copies: &Copies<'_>,
        stop: &Stop,
    ) -> KeptParents {
        let mut kept = KeptParents { readings: Vec::new(), remarks: Vec::new() };
        let adds = match (&backup.source.spec, backup.engine) {
            (SourceSpec::Cluster(spec), _) => spec.physical.incremental,
            (_, Engine::Rman(rman)) => rman.level == RmanLevel::Incremental,
            _ => false,
        };
        if !adds {
            return kept;
        }
        let holder = self.holder(&format!("increment of job {}", self.job));
        for (shelf, plan) in copies.shelves() {
            let kin = plan.kin.iter().map(|kin| kin.naming.folder());
            let folders: Vec<&str> = kin.chain([shelf.naming().folder()]).collect();
            let (reading, remark) = Reading::begin(shelf.store(), &folders, &holder, stop);
            kept.readings.push(reading);
            kept.remarks.extend(remark);
        }
        kept
    }

    /// The backup that this one may add to; `None` is a full one, and the log says why.
    pub(super) fn parent(
        &self,
        backup: &Backup,
        copies: &Copies<'_>,
        key: Option<&Key>,
        origin: &Origin,
        say: &Say,
        stop: &Stop,
    ) -> Result<Option<Parent>, Fault> {
        let SourceSpec::Cluster(spec) = &backup.source.spec else { return Ok(None) };
        if !spec.physical.incremental {
            return Ok(None);
        }
        let mut listings = Vec::new();
        for (shelf, plan) in copies.shelves() {
            let mut artifacts = shelf.list(stop)?.artifacts;
            for kin in plan.kin.iter().filter(|k| k.job != self.job) {
                artifacts.extend(shelf.sibling(&kin.naming, &kin.job).list(stop)?.artifacts);
            }
            let host = self.world.host();
            // A clone has pages of its own: only what this machine made may be added to.
            artifacts.retain(|a| match &a.head.origin {
                Some(other) => origin.is_same(other),
                None => a.head.host == host,
            });
            artifacts.sort_by_key(Shelved::moment);
            listings.push((shelf, artifacts));
        }
        let Some(((shelf, first), others)) = listings.split_first() else { return Ok(None) };
        let everywhere = |a: &&Shelved| {
            is_whole(first, a)
                && others
                    .iter()
                    .all(|(_, all)| all.iter().any(|o| o.head.id == a.head.id && is_whole(all, o)))
        };
        let Some(newest) = first.iter().rev().find(everywhere) else {
            say.info("a full backup: no earlier one is whole in every store");
            return Ok(None);
        };
        let full =
            lineage(first, newest).ok().and_then(|chain| chain.first().copied()).unwrap_or(newest);
        let age = self.world.clock.now().duration_since(full.head.started);
        if age.as_secs() >= spec.physical.full_every.as_secs() as i64 {
            say.info(format!("a full backup: the last full one is {}", full.head.id));
            return Ok(None);
        }
        let head = &newest.head;
        match record(shelf, head, key, stop) {
            Ok(record) => {
                Ok(Some(Parent { id: head.id.clone(), position: head.position.clone(), record }))
            }
            Err(fault) if fault.is_damage() || fault.is_sealed() || head.sealed_by_age() => {
                say.info(format!("a full backup: {}: {fault}", head.key));
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Whether an artifact and all it adds to are there, and none was found damaged.
pub fn is_whole(all: &[Shelved], artifact: &Shelved) -> bool {
    lineage(all, artifact).is_ok_and(|chain| chain.iter().all(|a| !a.is_damaged()))
}

/// What the engine wrote down of a backup.
fn record(shelf: &Shelf, head: &Head, key: Option<&Key>, stop: &Stop) -> Result<Vec<u8>, Fault> {
    let meter = Meter::default();
    let key = key.filter(|_| head.sealed());
    let store = shelf.store().as_ref();
    let contents = Contents::open(store, head, stop)?;
    let chosen: Vec<bool> = contents.members.iter().map(|m| m.name == BACKUP_MANIFEST).collect();
    let manifest = contents.load(store, &chosen, stop)?;
    let fetch = Fetch { store, manifest: &manifest, key, meter: &meter };
    let own: Vec<&EntryLine> = manifest.entries.iter().collect();
    let mut bytes = Vec::new();
    for group in fetch.groups(&own) {
        fetch.group(&group, stop, &mut |_, opened| {
            bytes.extend_from_slice(&opened.bytes);
            Ok(())
        })?;
    }
    Ok(bytes)
}
