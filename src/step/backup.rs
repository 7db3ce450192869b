//! The chain `dump ▷ archive ▷ send…` of one source: snapshot, pipeline, commit of every copy.
//!
//! Invariant: a copy is committed only when the producer ended well; the failure of one copy leaves the others whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::artifact::{ALGORITHM, EntryLine, FORMAT, Manifest, ObjectLine, backup_name};
use crate::base::Stop;
use crate::pipeline::{self, Copy, Counts, Meter, Shape};
use crate::plan::{Backup, CopyPlan};
use crate::run::{ArtifactFacts, Done, Event, Failure, Progress, Say, Verdict};
use crate::shelf::Shelf;
use crate::source::contract::{Reading, Snapshot};
use crate::step::fault::Fault;
use crate::step::perform::Steps;
use crate::store::contract::{Error as StoreError, ErrorKind, Upload};

/// Time between two readings of the meter.
const TICK: Duration = Duration::from_millis(200);

/// A step in which nothing moves for this long has stalled.
const STALL: Duration = Duration::from_secs(900);

/// How often a taken name is tried again, a second later each.
const NAMES: usize = 90;

/// One copy on its way.
struct Begun<'a> {
    plan: &'a CopyPlan,
    shelf: Shelf,
    started: Timestamp,
    upload: Result<Box<dyn Upload>, Fault>,
    lanes: usize,
}

impl Steps {
    /// Performs a backup.
    pub(super) fn backup(&self, backup: &Backup, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let started = self.world.clock.now();
        let password = self.password(backup.archive.password.as_ref(), stop)?;
        let source = self.source(&backup.source, stop)?;
        let shelves = self.shelves(backup, say, stop)?;
        let snapshot = source.snapshot(Reading { threads: backup.threads, chunk: backup.chunk }, stop)?;
        for remark in snapshot.remarks() {
            say.info(remark.clone());
        }
        let (name, mut begun) = self.begin(shelves, stop)?;
        let lanes = begun.iter().map(|b| b.lanes).sum();
        let shape =
            Shape::new(snapshot.workers(), rayon::current_num_threads(), backup.chunk, lanes, snapshot.estimate());
        let (mut copies, mut open) = (Vec::new(), Vec::new());
        for (index, copy) in begun.iter_mut().enumerate() {
            let placeholder = Err(Fault::Stopped);
            match std::mem::replace(&mut copy.upload, placeholder) {
                Ok(upload) => {
                    copies.push(Copy { upload, lanes: copy.lanes });
                    open.push(index);
                }
                Err(fault) => copy.upload = Err(fault),
            }
        }
        if copies.is_empty() {
            return Ok(self.finish(backup, begun, None, &[], say));
        }
        // Both manifests of an artifact name one moment: that of the one inside.
        let finished = OnceLock::new();
        let draft = |entries: &[EntryLine], key: String, object: Option<ObjectLine>| {
            let span = (started, *finished.get_or_init(|| self.world.clock.now()));
            self.manifest(backup, snapshot.as_ref(), span, password.is_some(), key, entries, object)
        };
        let first_key = begun[open[0]].shelf.key(&name);
        let meter = Meter::default();
        meter.expect(snapshot.estimate());
        let written = watched(&meter, say, stop, |stop| {
            pipeline::backup(
                pipeline::Backup {
                    snapshot: snapshot.as_ref(),
                    method: backup.archive.method,
                    password: password.as_ref(),
                    shape,
                    copies,
                    manifest: &|entries| draft(entries, first_key.clone(), None).to_bytes(),
                    meter: &meter,
                },
                stop,
            )
        })?;
        say.info(format!("{} of {} chunk buffers were in use at most", written.peak_chunks, shape.chunk_permits()));
        let base = draft(&written.entries, first_key.clone(), Some(written.object));
        let facts = artifact_facts(&base, &name);
        say.event(Event::Artifact { step: say.step(), artifact: facts });
        for (index, upload) in open.iter().zip(written.uploads) {
            let copy = &mut begun[*index];
            let manifest = Manifest { key: copy.shelf.key(&name), ..base.clone() };
            let committed = upload.and_then(|upload| copy.shelf.commit(upload, &manifest, stop));
            match committed {
                Ok(()) => {
                    self.note_made(&backup.source.name, &copy.plan.store.name, manifest);
                    copy.upload = Err(Fault::Stopped);
                    copy.lanes = 0;
                }
                Err(error) => copy.upload = Err(error.into()),
            }
        }
        Ok(self.finish(backup, begun, Some(&base), snapshot.inconsistent(), say))
    }

    /// Opens every store and sweeps what killed runs left there.
    fn shelves<'a>(
        &self,
        backup: &'a Backup,
        say: &Say,
        stop: &Stop,
    ) -> Result<Vec<(&'a CopyPlan, Result<Shelf, Fault>)>, Fault> {
        let mut shelves = Vec::new();
        for plan in &backup.copies {
            let shelf = self
                .store(&plan.store, stop)
                .map(|store| Shelf::new(store, plan.naming.clone(), &self.job, &backup.source.name));
            if let Ok(shelf) = &shelf {
                match shelf.sweep(self.world.clock.now(), stop) {
                    Ok(0) => {}
                    Ok(swept) => {
                        say.info(format!("swept {swept} leftovers of killed runs in {}", shelf.store().place()))
                    }
                    Err(error) => say.info(format!("leftovers of killed runs stay: {error}")),
                }
            }
            shelves.push((plan, shelf));
        }
        stop.check()?;
        Ok(shelves)
    }

    /// Begins all copies under one name; a name that is taken anywhere waits for the next second.
    fn begin<'a>(
        &self,
        shelves: Vec<(&'a CopyPlan, Result<Shelf, Fault>)>,
        stop: &Stop,
    ) -> Result<(String, Vec<Begun<'a>>), Fault> {
        let mut shelves = shelves;
        for _ in 0..NAMES {
            let name = backup_name(&self.world.clock.now().to_zoned(self.zone.clone()));
            let mut begun: Vec<Result<Box<dyn Upload>, StoreError>> = Vec::new();
            for shelf in shelves.iter().filter_map(|(_, s)| s.as_ref().ok()) {
                begun.push(shelf.begin(&name, stop));
            }
            if begun.iter().any(|b| b.as_ref().is_err_and(|e| e.kind == ErrorKind::Exists)) {
                for upload in begun.into_iter().flatten() {
                    upload.abort()?;
                }
                stop.sleep(Duration::from_millis(1010))?;
                continue;
            }
            let mut uploads = begun.into_iter();
            let begun = shelves.drain(..).map(|(plan, shelf)| {
                let started = self.world.clock.now();
                match shelf {
                    Ok(shelf) => {
                        let upload = uploads.next().expect("BUG: a shelf without its upload").map_err(Fault::from);
                        let lanes = shelf.store().lanes();
                        Begun { plan, shelf, started, upload, lanes }
                    }
                    Err(fault) => Begun {
                        plan,
                        shelf: Shelf::new(Arc::new(crate::store::Memory::new()), plan.naming.clone(), "", ""),
                        started,
                        upload: Err(fault),
                        lanes: 0,
                    },
                }
            });
            return Ok((name, begun.collect()));
        }
        let hint = Some("Another tool may write the same names; give this job a prefix of its own.".into());
        let doing = format!("name the backup: {NAMES} names in a row");
        Err(Fault::Nothing { doing, found: "all are taken".into(), hint })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a manifest")]
    fn manifest(
        &self,
        backup: &Backup,
        snapshot: &dyn Snapshot,
        (started, finished): (Timestamp, Timestamp),
        sealed: bool,
        key: String,
        entries: &[EntryLine],
        object: Option<ObjectLine>,
    ) -> Manifest {
        Manifest {
            format: FORMAT,
            id: self.run.clone(),
            job: self.job.clone(),
            source: backup.source.name.clone(),
            kind: backup.source.spec.kind().to_owned(),
            key,
            host: self.world.host(),
            vex: env!("CARGO_PKG_VERSION").to_owned(),
            server: snapshot.version().to_owned(),
            started,
            finished,
            sealed,
            inconsistent: snapshot.inconsistent().to_vec(),
            not_included: snapshot.not_included().to_vec(),
            position: snapshot.position().cloned(),
            digest: ALGORITHM.to_owned(),
            members: snapshot.members().to_vec(),
            entries: entries.to_vec(),
            object,
        }
    }

    /// Says what became of every copy, and the verdict of the chain.
    fn finish(
        &self,
        backup: &Backup,
        begun: Vec<Begun<'_>>,
        manifest: Option<&Manifest>,
        inconsistent: &[String],
        say: &Say,
    ) -> Done {
        let mut done = Done::well();
        if !inconsistent.is_empty() {
            done.verdict = Verdict::Alert;
            for reason in inconsistent {
                say.alert(format!("not one point in time: {reason}"));
            }
        }
        for copy in begun {
            let made = self.made(&backup.source.name, &copy.plan.store.name);
            let failure = match (&made, &copy.upload) {
                (Some(_), _) | (None, Ok(_)) => None,
                (None, Err(fault)) => Some(Failure::of(fault)),
            };
            let verdict = match (&failure, copy.plan.optional) {
                (None, _) => Verdict::Success,
                (Some(_), true) => Verdict::Alert,
                (Some(_), false) => Verdict::Error,
            };
            say.event(Event::Copied {
                step: say.step(),
                id: self.run.clone(),
                store: copy.plan.store.name.clone(),
                place: copy.shelf.store().place().to_owned(),
                key: made.as_ref().map_or_else(|| copy.plan.naming.key("backup"), |m| m.key.clone()),
                bytes: manifest.map_or(0, Manifest::bytes),
                started: copy.started,
                verdict,
                failure: failure.clone(),
            });
            done.verdict = done.verdict.max(verdict);
            if made.is_some() {
                done.made.push(copy.plan.store.name.clone());
            }
            if verdict == Verdict::Error && done.failure.is_none() {
                done.failure = failure;
            }
        }
        done
    }
}

/// Runs work while its counters are shown, and stops it when they stand still.
pub(super) fn watched<T>(
    meter: &Meter,
    say: &Say,
    stop: &Stop,
    work: impl FnOnce(&Stop) -> Result<T, pipeline::Error>,
) -> Result<T, Fault> {
    let (inner, over) = (stop.child(), Stop::new());
    let stalled = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut last, mut since) = (Counts::default(), Instant::now());
            while over.sleep(TICK).is_ok() {
                let counts = meter.counts();
                if counts != last {
                    (last, since) = (counts, Instant::now());
                    say.progress(progress(counts));
                } else if since.elapsed() > STALL {
                    stalled.store(true, Ordering::SeqCst);
                    inner.stop();
                    return;
                }
            }
        });
        let result = work(&inner);
        over.stop();
        result
    });
    say.progress(progress(meter.counts()));
    if stalled.load(Ordering::SeqCst) {
        return Err(Fault::Stalled(STALL.as_secs()));
    }
    Ok(result?)
}

fn progress(counts: Counts) -> Progress {
    Progress { raw: counts.raw, rows: counts.rows, stored: counts.stored, sent: counts.sent, estimate: counts.estimate }
}

fn artifact_facts(manifest: &Manifest, name: &str) -> ArtifactFacts {
    ArtifactFacts {
        id: manifest.id.clone(),
        source: manifest.source.clone(),
        kind: manifest.kind.clone(),
        server: manifest.server.clone(),
        units: manifest.units().iter().map(|u| (*u).to_owned()).collect(),
        name: name.to_owned(),
        raw: manifest.raw_bytes(),
        bytes: manifest.bytes(),
        rows: manifest.proofs().iter().map(|(_, p)| p.rows).sum(),
        started: manifest.started,
        finished: manifest.finished,
        position: manifest.position.as_ref().map(ToString::to_string),
        inconsistent: manifest.inconsistent.clone(),
    }
}
