//! The copies of one backup: each from its store to a committed artifact, or to the reason why
//! there is none.
//!
//! Knows no source. Invariant: a copy is in exactly one state, and one that failed keeps no other
//! from being made.

mod pieces;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use crate::artifact::{Head, INDEX, Marker, ObjectLine, REFRESHED, backup_name, begun_key};
use crate::base::{Id, Stop};
use crate::job::StoreSpec;
use crate::pipeline::{Copy, IndexMade, Made};
use crate::plan::CopyPlan;
use crate::record::{CopyFacts, Event, Verdict};
use crate::recover::Fault;
use crate::run::{Done, Say};
use crate::shelf::{IndexBytes, Shelf, Swept, store_id};
use crate::step::perform::Steps;
use crate::store::contract::{Error, ErrorKind, Store, Upload};
use crate::world::{Clock, absolute, is_gone};

/// How often a taken name is tried again, a second later each.
const NAMES: usize = 90;

/// How long markers are removed after a run was stopped.
const PATIENCE: Duration = Duration::from_secs(3);

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
    /// The store, once it is open.
    store: Option<Arc<dyn Store>>,
    place: String,
    started: Timestamp,
    /// When it was made, or failed.
    finished: Option<Timestamp>,
    state: State,
}

enum State {
    /// Its store is open.
    Open(Shelf),
    /// Its upload is under way; the pipeline holds it. Guards the key of its marker.
    Begun(Shelf, Mutex<Mark>),
    /// It exists under this key.
    Made(String),
    /// There is none, and why.
    Failed(Fault),
}

/// The marker of a copy.
struct Mark {
    key: String,
    at: Timestamp,
}

/// A copy that takes pieces.
pub struct PieceCopy {
    /// Its store.
    pub store: Arc<dyn Store>,
    /// What the keys of the store begin with: empty, or ending in `/`.
    pub root: String,
    /// Guards why it takes no more.
    pub failed: Mutex<Option<Error>>,
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
        (source, copies): (&str, &'a [CopyPlan]),
        say: &Say,
        stop: &Stop,
    ) -> Result<Copies<'a>, Fault> {
        let mut all = Vec::new();
        for plan in copies {
            let started = steps.world.clock.now();
            let shelf = steps
                .store(&plan.store, stop)
                .map(|store| Shelf::new(store, plan.naming.clone(), &steps.job, source));
            let place = shelf
                .as_ref()
                .map_or_else(|_| plan.store.name.clone(), |s| s.store().place().to_owned());
            if let Ok(shelf) = &shelf {
                match shelf.sweep(&is_gone, stop) {
                    Ok(swept) => tell_swept(&swept, &place, say),
                    Err(error) => say.info(format!("leftovers of killed runs stay: {error}")),
                }
            }
            let finished = shelf.is_err().then(|| steps.world.clock.now());
            let store = shelf.as_ref().ok().map(|s| s.store().clone());
            let state = shelf.map_or_else(State::Failed, State::Open);
            all.push(OneCopy { plan, store, place, started, finished, state });
        }
        stop.check()?;
        Ok(Copies { all, name: None, clock: steps.world.clock.clone() })
    }

    /// The shelves that could be opened.
    pub fn shelves(&self) -> impl Iterator<Item = (&Shelf, &CopyPlan)> {
        self.all.iter().filter_map(|copy| match &copy.state {
            State::Open(shelf) => Some((shelf, copy.plan)),
            State::Begun(..) | State::Made(_) | State::Failed(_) => None,
        })
    }

    /// Begins all copies under one name; a name that is taken anywhere waits for the next second.
    /// `None`: no store took it.
    pub fn begin(
        &mut self,
        marker: &Marker,
        zone: &TimeZone,
        stop: &Stop,
    ) -> Result<Option<Begun>, Fault> {
        let clock = self.clock.clone();
        for _ in 0..NAMES {
            let name = backup_name(&clock.now().to_zoned(zone.clone()));
            let attempts = self.attempts(&name, marker, stop);
            let taken = |a: &Option<Result<_, Error>>| matches!(a, Some(Err(e)) if e.kind == ErrorKind::Exists);
            if attempts.iter().any(taken) {
                for (copy, attempt) in self.all.iter().zip(attempts) {
                    let (State::Open(shelf), Some(Ok(upload))) = (&copy.state, attempt) else {
                        continue;
                    };
                    upload.abort()?;
                    shelf.unmark(&begun_key(&shelf.key(&name), None), stop);
                }
                stop.sleep(Duration::from_millis(1010))?;
                continue;
            }
            return Ok(self.take(name, attempts, clock.now(), stop));
        }
        let hint = Some(
            "Another tool may write the same names; give this job a prefix of its own.".into(),
        );
        let doing = format!("name the backup: {NAMES} names in a row");
        Err(Fault::Nothing { doing, found: "all are taken".into(), hint })
    }

    /// Begins all copies under the name that a backup has elsewhere; where it is taken, there is no
    /// copy.
    pub fn begin_as(&mut self, name: &str, marker: &Marker, stop: &Stop) -> Option<Begun> {
        let attempts = self.attempts(name, marker, stop);
        self.take(name.to_owned(), attempts, self.clock.now(), stop)
    }

    fn attempts(
        &self,
        name: &str,
        marker: &Marker,
        stop: &Stop,
    ) -> Vec<Option<Result<Box<dyn Upload>, Error>>> {
        let attempt = |copy: &OneCopy<'_>| match &copy.state {
            State::Open(shelf) => Some(shelf.begin(name, marker, stop)),
            State::Begun(..) | State::Made(_) | State::Failed(_) => None,
        };
        self.all.iter().map(attempt).collect()
    }

    fn take(
        &mut self,
        name: String,
        attempts: Vec<Option<Result<Box<dyn Upload>, Error>>>,
        now: Timestamp,
        stop: &Stop,
    ) -> Option<Begun> {
        self.name = Some(name.clone());
        let (mut uploads, mut key) = (Vec::new(), None);
        let old = std::mem::take(&mut self.all);
        self.all = old
            .into_iter()
            .zip(attempts)
            .map(|(copy, attempt)| match (copy.state, attempt) {
                (State::Open(shelf), Some(Ok(upload))) => {
                    let own = shelf.key(&name);
                    let (store, index, stop) =
                        (shelf.store().clone(), format!("{own}{INDEX}"), stop.clone());
                    let begin = Box::new(move || store.create(&index, &stop));
                    let (lanes, rate) = (shelf.store().limits().lanes, copy.plan.rate);
                    uploads.push(Copy { upload, lanes, rate, index: begin });
                    let mark = Mutex::new(Mark { key: begun_key(&own, None), at: now });
                    key.get_or_insert(own);
                    OneCopy { state: State::Begun(shelf, mark), started: now, ..copy }
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

    /// Writes the markers of a long run anew, so that nobody takes it for dead.
    pub fn refresh(&self, marker: &Marker, stop: &Stop) {
        let Some(name) = &self.name else { return };
        for copy in &self.all {
            let State::Begun(shelf, mark) = &copy.state else { continue };
            let mut mark = mark.lock().expect("no panic while locked");
            if marker.at.duration_since(mark.at) < REFRESHED {
                continue;
            }
            mark.at = marker.at;
            // One that can't be written now is tried again tomorrow; it has a week.
            if let Ok(key) = shelf.mark_anew(name, &mark.key, marker, stop) {
                mark.key = key;
            }
        }
    }

    /// Commits the copies that are whole, each under its own key; returns store and head of each
    /// copy that exists now.
    pub fn commit(
        &mut self,
        made: Vec<Result<Made, Error>>,
        head: &Head,
        name: &str,
        stop: &Stop,
    ) -> Vec<(String, Head)> {
        let (mut committed, mut lost) = (Vec::new(), Vec::new());
        let begun = self.all.iter_mut().filter(|c| matches!(c.state, State::Begun(..)));
        for (copy, made) in begun.zip(made) {
            let State::Begun(shelf, mark) = &copy.state else { continue };
            let key = shelf.key(name);
            let objects = head.objects.iter().map(|o| ObjectLine { key: key.clone(), ..o.clone() });
            let own = Head { key: key.clone(), objects: objects.collect(), ..head.clone() };
            let result = made.and_then(|made| {
                let index = match made.index {
                    IndexMade::Small(bytes) => IndexBytes::Whole(bytes),
                    IndexMade::Sent(upload, bytes) => IndexBytes::Sent(upload, bytes),
                };
                shelf.commit(made.container, index, &own, stop)
            });
            copy.finished = Some(self.clock.now());
            let mark = mark.lock().expect("no panic while locked").key.clone();
            match result {
                Ok(()) => {
                    shelf.unmark(&mark, stop);
                    committed.push((copy.plan.store.name.clone(), own));
                    copy.state = State::Made(key);
                }
                Err(error) => {
                    let failed = State::Failed(error.into());
                    lost.push((std::mem::replace(&mut copy.state, failed), mark));
                }
            }
        }
        tidy(lost.iter().map(|(state, mark)| (state, mark.clone())), name);
        committed
    }

    /// Notes that no upload that was begun could be sent to its end, and why; the pipeline has
    /// aborted them.
    pub fn lose(&mut self, errors: Vec<Error>) {
        let now = self.clock.now();
        let begun = self.all.iter_mut().filter(|c| matches!(c.state, State::Begun(..)));
        for (copy, error) in begun.zip(errors) {
            copy.state = State::Failed(error.into());
            copy.finished = Some(now);
        }
    }

    /// Tidies up after copies that are given up.
    pub fn give_up(&self) {
        let Some(name) = &self.name else { return };
        let begun = self.all.iter().filter_map(|copy| match &copy.state {
            State::Begun(_, mark) => {
                Some((&copy.state, mark.lock().expect("no panic while locked").key.clone()))
            }
            State::Open(_) | State::Made(_) | State::Failed(_) => None,
        });
        tidy(begun, name);
    }

    /// Says which stores were written to, by the IDs that they have of their own.
    pub fn tell_stores(&self, fresh: &dyn Fn() -> String, say: &Say, stop: &Stop) {
        for copy in &self.all {
            let (State::Made(_), Some(store)) = (&copy.state, &copy.store) else { continue };
            match store_id(store.as_ref(), &copy.plan.root, &fresh(), stop) {
                Ok(id) => say.event(Event::StoreSeen {
                    step: say.step(),
                    store: copy.plan.store.name.clone(),
                    place: address(copy),
                    id,
                }),
                Err(error) => say.info(format!("{} does not tell its ID: {error}", copy.place)),
            }
        }
    }

    /// Says what became of every copy, and how well the chain did.
    pub fn report(self, (id, source): (Id, &str), bytes: u64, say: &Say) -> Done {
        let (mut done, mut first) = (Done::well(), None);
        for copy in self.all {
            let (key, failure) = match &copy.state {
                State::Made(key) => (key.clone(), None),
                State::Failed(fault) => {
                    let name = self.name.as_deref().unwrap_or("backup");
                    (copy.plan.naming.key(name), Some(fault.failure()))
                }
                State::Open(_) | State::Begun(..) => panic!("BUG: a copy without end"),
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
            let copy = CopyFacts {
                id: id.clone(),
                source: source.to_owned(),
                store,
                place: copy.place,
                bucket: copy.plan.store.spec.bucket().map(str::to_owned),
                key,
                bytes,
                started: copy.started,
                finished: copy.finished,
                verdict,
                failure,
            };
            say.event(Event::Copied { step: say.step(), copy });
        }
        // However optional each copy was: no copy is no backup.
        if done.made.is_empty() {
            done.verdict = Verdict::Error;
            done.failure = done.failure.or(first);
        }
        done
    }
}

/// Where a store and its root are, whichever folder a relative path starts at.
fn address(copy: &OneCopy<'_>) -> String {
    let place = match &copy.plan.store.spec {
        StoreSpec::Dir(dir) => {
            let path = absolute(&dir.path).unwrap_or_else(|_| dir.path.clone());
            format!("dir {}", path.display())
        }
        StoreSpec::S3(_) | StoreSpec::Azure(_) | StoreSpec::Gcs(_) | StoreSpec::Sftp(_) => {
            copy.place.clone()
        }
    };
    match copy.plan.root.as_str() {
        "" => place,
        root => format!("{place}, {root}"),
    }
}

/// Removes the markers of copies that are given up, of which nothing is left. Also after a stop, but
/// not for longer than somebody who stopped it waits; what stays is swept.
fn tidy<'s>(lost: impl Iterator<Item = (&'s State, String)>, name: &str) {
    let lost: Vec<_> = lost.collect();
    if lost.is_empty() {
        return;
    }
    briefly(|brief| {
        for (state, mark) in lost {
            if let State::Begun(shelf, _) = state {
                shelf.give_up(name, &mark, brief);
            }
        }
    });
}

/// Does what tidies up, for no longer than somebody who stopped the run waits.
pub fn briefly(work: impl FnOnce(&Stop)) {
    let (brief, done) = (Stop::new(), Stop::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if done.sleep(PATIENCE).is_ok() {
                brief.stop();
            }
        });
        work(&brief);
        done.stop();
    });
}

/// Says what a sweep did, if there is anything to say.
fn tell_swept(swept: &Swept, place: &str, say: &Say) {
    if swept.objects > 0 {
        say.info(format!("swept {} objects of killed runs in {place}", swept.objects));
    }
    for (key, why) in &swept.unreadable {
        say.info(format!("{key} in {place} is left alone: {why}"));
    }
}
