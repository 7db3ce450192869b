//! The copies of one backup: each from its store to a committed artifact, or to the reason why
//! there is none.
//!
//! Knows no source. Invariant: a copy is in exactly one state, and one that failed keeps no other
//! from being made.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use crate::artifact::{Manifest, backup_name};
use crate::base::{Id, Stop};
use crate::pipeline::{self, Copy};
use crate::plan::{Backup, CopyPlan};
use crate::run::{Done, Event, Failure, Say, Verdict};
use crate::shelf::Shelf;
use crate::step::fault::Fault;
use crate::step::perform::Steps;
use crate::store::contract::{Error, ErrorKind, Upload};
use crate::world::Clock;

/// How often a taken name is tried again, a second later each.
const NAMES: usize = 90;

/// The copies of one backup.
pub struct Copies<'a> {
    all: Vec<OneCopy<'a>>,
    /// The name they have, once there is one.
    name: Option<String>,
    /// Tells when a copy ended.
    clock: Clock,
}

struct OneCopy<'a> {
    plan: &'a CopyPlan,
    place: String,
    started: Timestamp,
    /// When it was made, or failed.
    finished: Option<Timestamp>,
    state: State,
}

enum State {
    /// Its store is open.
    Open(Shelf),
    /// Its upload is under way; the pipeline holds it.
    Begun(Shelf),
    /// It exists under this key.
    Made(String),
    /// There is none, and why.
    Failed(Fault),
}

/// Uploads that were begun under one name.
pub struct Begun {
    /// The name.
    pub name: String,
    /// The key of the first.
    pub key: String,
    /// The uploads, for the pipeline.
    pub uploads: Vec<Copy>,
}

impl<'a> Copies<'a> {
    /// Opens every store and sweeps what killed runs left there.
    pub fn open(
        steps: &Steps,
        backup: &'a Backup,
        say: &Say,
        stop: &Stop,
    ) -> Result<Copies<'a>, Fault> {
        let mut all = Vec::new();
        for plan in &backup.copies {
            let started = steps.world.clock.now();
            let shelf = steps.store(&plan.store, stop).map(|store| {
                Shelf::new(store, plan.naming.clone(), &steps.job, &backup.source.name)
            });
            let place = shelf
                .as_ref()
                .map_or_else(|_| plan.store.name.clone(), |s| s.store().place().to_owned());
            if let Ok(shelf) = &shelf {
                match shelf.sweep(started, stop) {
                    Ok(0) => {}
                    Ok(swept) => {
                        say.info(format!("swept {swept} leftovers of killed runs in {place}"))
                    }
                    Err(error) => say.info(format!("leftovers of killed runs stay: {error}")),
                }
            }
            let finished = shelf.is_err().then(|| steps.world.clock.now());
            let state = shelf.map_or_else(State::Failed, State::Open);
            all.push(OneCopy { plan, place, started, finished, state });
        }
        stop.check()?;
        Ok(Copies { all, name: None, clock: steps.world.clock.clone() })
    }

    /// The shelves that could be opened.
    pub fn shelves(&self) -> impl Iterator<Item = &Shelf> {
        self.all.iter().filter_map(|copy| match &copy.state {
            State::Open(shelf) => Some(shelf),
            State::Begun(_) | State::Made(_) | State::Failed(_) => None,
        })
    }

    /// Begins all copies under one name; a name that is taken anywhere waits for the next second.
    /// `None`: no store took it.
    pub fn begin(
        &mut self,
        clock: &Clock,
        zone: &TimeZone,
        stop: &Stop,
    ) -> Result<Option<Begun>, Fault> {
        for _ in 0..NAMES {
            let name = backup_name(&clock.now().to_zoned(zone.clone()));
            let mut attempts: Vec<Option<Result<Box<dyn Upload>, Error>>> = Vec::new();
            for copy in &self.all {
                attempts.push(match &copy.state {
                    State::Open(shelf) => Some(shelf.begin(&name, stop)),
                    State::Begun(_) | State::Made(_) | State::Failed(_) => None,
                });
            }
            let taken = |a: &Option<Result<_, Error>>| matches!(a, Some(Err(e)) if e.kind == ErrorKind::Exists);
            if attempts.iter().any(taken) {
                for upload in attempts.into_iter().flatten().flatten() {
                    upload.abort()?;
                }
                stop.sleep(Duration::from_millis(1010))?;
                continue;
            }
            return Ok(self.take(name, attempts, clock.now()));
        }
        let hint = Some(
            "Another tool may write the same names; give this job a prefix of its own.".into(),
        );
        let doing = format!("name the backup: {NAMES} names in a row");
        Err(Fault::Nothing { doing, found: "all are taken".into(), hint })
    }

    fn take(
        &mut self,
        name: String,
        attempts: Vec<Option<Result<Box<dyn Upload>, Error>>>,
        now: Timestamp,
    ) -> Option<Begun> {
        self.name = Some(name.clone());
        let (mut uploads, mut key) = (Vec::new(), None);
        let old = std::mem::take(&mut self.all);
        self.all = old
            .into_iter()
            .zip(attempts)
            .map(|(copy, attempt)| match (copy.state, attempt) {
                (State::Open(shelf), Some(Ok(upload))) => {
                    uploads.push(Copy { upload, lanes: shelf.store().lanes() });
                    key.get_or_insert_with(|| shelf.key(&name));
                    OneCopy { state: State::Begun(shelf), started: now, ..copy }
                }
                (_, Some(Err(error))) => OneCopy {
                    state: State::Failed(error.into()),
                    finished: Some(self.clock.now()),
                    ..copy
                },
                (state, _) => OneCopy { state, ..copy },
            })
            .collect();
        key.map(|key| Begun { name, key, uploads })
    }

    /// The name they have, once one was tried.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Commits the uploads that are whole; returns store and manifest of each copy that exists now.
    pub fn commit(
        &mut self,
        uploads: Vec<Result<Box<dyn Upload>, Error>>,
        manifest: &Manifest,
        name: &str,
        stop: &Stop,
    ) -> Vec<(String, Manifest)> {
        let mut made = Vec::new();
        let begun = self.all.iter_mut().filter(|c| matches!(c.state, State::Begun(_)));
        for (copy, upload) in begun.zip(uploads) {
            let State::Begun(shelf) = &copy.state else { continue };
            let own = Manifest { key: shelf.key(name), ..manifest.clone() };
            copy.state = match upload.and_then(|upload| shelf.commit(upload, &own, stop)) {
                Ok(()) => State::Made(own.key.clone()),
                Err(error) => State::Failed(error.into()),
            };
            copy.finished = Some(self.clock.now());
            if matches!(copy.state, State::Made(_)) {
                made.push((copy.plan.store.name.clone(), own));
            }
        }
        made
    }

    /// Notes that no upload that was begun could be sent to its end; the pipeline has aborted them.
    pub fn lose(&mut self, why: &str) {
        let now = self.clock.now();
        for copy in self.all.iter_mut().filter(|c| matches!(c.state, State::Begun(_))) {
            copy.state = State::Failed(Fault::Pipeline(pipeline::Error::NoStore(why.to_owned())));
            copy.finished = Some(now);
        }
    }

    /// Says what became of every copy, and how well the chain did.
    pub fn report(self, id: Id, bytes: u64, say: &Say) -> Done {
        let (mut done, mut first) = (Done::well(), None);
        for copy in self.all {
            let (key, failure) = match &copy.state {
                State::Made(key) => (key.clone(), None),
                State::Failed(fault) => {
                    let name = self.name.as_deref().unwrap_or("backup");
                    (copy.plan.naming.key(name), Some(Failure::of(fault)))
                }
                State::Open(_) | State::Begun(_) => panic!("BUG: a copy without end"),
            };
            let verdict = match (&failure, copy.plan.optional) {
                (None, _) => Verdict::Success,
                (Some(_), true) => Verdict::Alert,
                (Some(_), false) => Verdict::Error,
            };
            let store = copy.plan.store.name.clone();
            done.verdict = done.verdict.max(verdict);
            done.made.extend(failure.is_none().then(|| store.clone()));
            if verdict == Verdict::Error && done.failure.is_none() {
                done.failure.clone_from(&failure);
            }
            first = first.or_else(|| failure.clone());
            say.event(Event::Copied {
                step: say.step(),
                id: id.clone(),
                store,
                place: copy.place,
                key,
                bytes,
                started: copy.started,
                finished: copy.finished,
                bucket: copy.plan.store.spec.bucket().map(str::to_owned),
                verdict,
                failure,
            });
        }
        // However optional each copy was: no copy is no backup.
        if done.made.is_empty() {
            done.verdict = Verdict::Error;
            done.failure = done.failure.or(first);
        }
        done
    }
}
