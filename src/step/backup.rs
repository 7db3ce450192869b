//! The chain `dump ▷ archive ▷ send…` of one source: snapshot, pipeline, commit of every copy.
//!
//! Invariant: a copy is committed only when the producer ended well; the failure of one copy leaves
//! the others whole.

use std::sync::Arc;

use jiff::Timestamp;

use crate::artifact::{
    AGE, ALGORITHM, FORMAT, Head, Member, Origin, Seal, Sealing, Totals, UnitSum, fingerprint_of,
};
use crate::base::Stop;
use crate::pipeline::{self, Meter, Shape};
use crate::plan::Backup;
use crate::record::{ArtifactFacts, DumpFacts, Event, Verdict};
use crate::recover::{Fault, watched};
use crate::run::{Done, Say};
use crate::source::contract::{Hear, Reading, Snapshot};
use crate::step::copies::Copies;
use crate::step::perform::Steps;

impl Steps {
    /// Performs a backup.
    pub(super) fn backup(&self, backup: &Backup, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let started = self.world.clock.now();
        let sealing = self.seal(&backup.archive, stop)?;
        let source = self.source(&backup.source, stop)?;
        // A program that is missing is named before anything is opened, locked or written.
        if let Some(program) = source.engine(backup.engine, stop)? {
            say.info(format!("the engine is {}", program.title));
        }
        let mut copies = Copies::open(self, (&backup.source.name, &backup.copies), say, stop)?;
        let own = (self.run.clone(), backup.source.name.as_str());
        let origin = source.origin(stop)?;
        let before = self.baseline(backup, &copies, &origin, say, stop);
        let parents = self.keep_parents(backup, &copies, stop);
        let key = sealing.as_ref().and_then(Sealing::key);
        let parent = self.parent(backup, &copies, key.as_ref(), &origin, say, stop)?;
        let voice = say.clone();
        let hear: Hear = Arc::new(move |line: &str| voice.engine(line));
        let reading = Reading {
            threads: backup.threads,
            chunk: backup.chunk,
            engine: backup.engine,
            hear,
            parent,
        };
        let snapshot = source.snapshot(reading, stop)?;
        let about = snapshot.about();
        for remark in about.remarks {
            say.info(remark.clone());
            say.engine(remark);
        }
        let begun = copies.begin(&self.marker(), &self.zone, stop)?;
        say.event(Event::Dumping {
            step: say.step(),
            dump: DumpFacts {
                id: self.run.clone(),
                source: backup.source.name.clone(),
                server: about.version,
                units: units_of(snapshot.members()),
                name: copies.name().unwrap_or_default().to_owned(),
                started,
            },
        });
        let Some(begun) = begun else {
            return Ok(copies.report(own, 0, say));
        };
        let (presses, lanes) =
            (rayon::current_num_threads(), begun.uploads.iter().map(|u| u.lanes).sum());
        let shape = Shape::new(snapshot.workers(), presses, backup.chunk, lanes, about.estimate)
            .holding(snapshot.members().len());
        let seal = sealing.as_ref().map(|sealing| self.sealed_by(&backup.source.name, sealing));
        let draft = |totals: Totals, units: Vec<UnitSum>| {
            let made = Made { started, origin: &origin, seal: seal.as_ref(), key: &begun.key };
            self.head(backup, snapshot.as_ref(), &made, totals, units)
        };
        let meter = Meter::default();
        meter.expect(about.estimate);
        let refresh = || copies.refresh(&self.marker(), stop);
        let piped = watched(&meter, say, stop, &refresh, |stop| {
            pipeline::backup(
                pipeline::Backup {
                    snapshot: snapshot.as_ref(),
                    method: backup.archive.method,
                    seal: sealing.as_ref(),
                    shape,
                    rate: backup.rate,
                    copies: begun.uploads,
                    head: &draft,
                    meter: &meter,
                },
                stop,
            )
        });
        let written = match piped {
            Ok(written) => written,
            // It was the stores that failed: each has its line.
            Err(Fault::Pipeline(pipeline::Error::NoStore(errors))) => {
                copies.give_up();
                copies.lose(errors);
                return Ok(copies.report(own, 0, say));
            }
            Err(fault) => {
                copies.give_up();
                return Err(fault);
            }
        };
        let about = snapshot.about();
        for remark in about.afterwards {
            say.info(remark);
        }
        say.info(format!(
            "{} of {} chunk buffers were in use at most",
            written.peak_chunks,
            shape.chunk_permits()
        ));
        let head =
            Head { objects: vec![written.object], index: Some(written.index), ..written.head };
        let facts = ArtifactFacts::of(&head, &about.lost);
        say.event(Event::Artifact { step: say.step(), artifact: facts });
        let mut made = None;
        for (store, head) in copies.commit(written.copies, &head, &begun.name, stop) {
            let plan = backup.copies.iter().find(|copy| copy.store.name == store);
            if let (None, Some(plan)) = (&made, plan) {
                made = Some((self.store(&plan.store, stop)?, head.clone()));
            }
            self.note_made(&backup.source.name, &store, head);
        }
        let unmet = self.expect(backup, (before.as_ref(), made), say, stop);
        copies.tell_stores(&|| self.random_id(), say, stop);
        let others = self.tell_unkept(backup, say, stop);
        let mut done = copies.report(own, head.bytes(), say);
        done.verdict = done.verdict.max(others);
        for remark in parents.end() {
            done.verdict = done.verdict.max(Verdict::Alert);
            say.alert(remark);
        }
        if let Some(replica) = &about.replica {
            if !replica.is_unasked() {
                say.info(replica.line());
            }
            if let Some(line) = replica.alert(backup.source.spec.max_lag()) {
                done.verdict = done.verdict.max(Verdict::Alert);
                say.alert(line);
            }
        }
        for reason in about.inconsistent {
            done.verdict = done.verdict.max(Verdict::Alert);
            say.alert(format!("not one point in time: {reason}"));
        }
        for line in about.idle {
            done.verdict = done.verdict.max(Verdict::Alert);
            say.alert(line);
        }
        for warning in about.warnings {
            done.verdict = done.verdict.max(Verdict::Alert);
            say.alert(format!("{} warned: {warning}", backup.engine.word()));
        }
        for reason in unmet {
            done.verdict = done.verdict.max(Verdict::Alert);
            say.alert(format!("not as expected: {reason}"));
        }
        for lost in about.lost {
            done.verdict = done.verdict.max(Verdict::Alert);
            say.alert(format!("not included: {lost}"));
        }
        Ok(done)
    }

    fn head(
        &self,
        backup: &Backup,
        snapshot: &dyn Snapshot,
        made: &Made<'_>,
        totals: Totals,
        units: Vec<UnitSum>,
    ) -> Head {
        let about = snapshot.about();
        Head {
            format: FORMAT,
            needs: made
                .seal
                .filter(|s| s.method == AGE)
                .map(|_| AGE.to_owned())
                .into_iter()
                .collect(),
            id: self.run.clone(),
            job: self.job.clone(),
            file: Some(self.file.clone()),
            source: backup.source.name.clone(),
            kind: backup.source.spec.kind().to_owned(),
            origin: Some(made.origin.clone()),
            key: made.key.to_owned(),
            host: self.world.host(),
            vex: env!("CARGO_PKG_VERSION").to_owned(),
            server: about.version,
            started: made.started,
            finished: self.world.clock.now(),
            lag: about.replica.and_then(|replica| replica.lag),
            seal: made.seal.cloned(),
            totals,
            units,
            inconsistent: about.inconsistent,
            lost: about.lost.len() as u64,
            not_included: about.not_included,
            cut: false,
            position: about.position,
            parent: about.parent,
            digest: ALGORITHM.to_owned(),
            objects: Vec::new(),
            index: None,
        }
    }

    /// How entries are sealed: equal passwords of one chain have equal fingerprints.
    pub(super) fn sealed_by(&self, source: &str, sealing: &Sealing) -> Seal {
        let Sealing::Password(password) = sealing else {
            return Seal { method: AGE.to_owned(), fingerprint: None };
        };
        Seal {
            method: "winzip-aes-256".to_owned(),
            fingerprint: Some(fingerprint_of(password, &self.job, source)),
        }
    }
}

/// What is known of an artifact before it is read.
struct Made<'a> {
    started: Timestamp,
    origin: &'a Origin,
    seal: Option<&'a Seal>,
    key: &'a str,
}

/// The databases of some members, in order.
fn units_of(members: &[Member]) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    for member in members.iter().filter(|m| !m.unit.is_empty()) {
        if units.last() != Some(&member.unit) && !units.contains(&member.unit) {
            units.push(member.unit.clone());
        }
    }
    units
}
