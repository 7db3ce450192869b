//! The copies of a backup that is pieces: each piece an object, and one head beside a marker.
//!
//! Invariant: the marker comes before the first piece and goes after the head; what was sent of a
//! copy that is given up is taken back, and what can't be is swept by the next run.

use std::sync::Mutex;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::artifact::{Head, Marker, ObjectLine, begun_key, pieces_name};
use crate::base::{Id, Stop};
use crate::recover::Fault;
use crate::step::copies::{Copies, Mark, NAMES, OneCopy, PieceCopy, State};
use crate::store::contract::{Error, ErrorKind};

impl Copies<'_> {
    /// Begins all copies under one name, which a head will have; a name that is taken anywhere
    /// waits for the next second. `None`: no store took it.
    pub fn begin_pieces(
        &mut self,
        marker: &Marker,
        zone: &TimeZone,
        stop: &Stop,
    ) -> Result<Option<(String, Vec<PieceCopy>)>, Fault> {
        for _ in 0..NAMES {
            let name = pieces_name(&self.clock.now().to_zoned(zone.clone()));
            let mut tried: Vec<Option<Result<(), Error>>> = Vec::new();
            for copy in &self.all {
                tried.push(match &copy.state {
                    State::Open(shelf) => Some(shelf.begin_pieces(&name, marker, stop)),
                    State::Begun(..) | State::Made(_) | State::Failed(_) => None,
                });
            }
            let taken = |t: &Option<Result<(), Error>>| matches!(t, Some(Err(e)) if e.kind == ErrorKind::Exists);
            if tried.iter().any(taken) {
                for (copy, tried) in self.all.iter().zip(tried) {
                    if let (State::Open(shelf), Some(Ok(()))) = (&copy.state, tried) {
                        shelf.unmark(&begun_key(&shelf.key(&name), None), stop);
                    }
                }
                stop.sleep(Duration::from_millis(1010))?;
                continue;
            }
            return Ok(self.take_pieces(name, tried));
        }
        Err(Fault::Nothing {
            doing: format!("name the backup: {NAMES} names in a row"),
            found: "all are taken".into(),
            hint: Some("Another tool may write the same names; give this job a prefix.".into()),
        })
    }

    fn take_pieces(
        &mut self,
        name: String,
        tried: Vec<Option<Result<(), Error>>>,
    ) -> Option<(String, Vec<PieceCopy>)> {
        self.name = Some(name.clone());
        let now = self.clock.now();
        let mut begun = Vec::new();
        for (copy, tried) in std::mem::take(&mut self.all).into_iter().zip(tried) {
            let (state, finished) = match (copy.state, tried) {
                (_, Some(Err(error))) => (State::Failed(error.into()), Some(now)),
                (State::Open(shelf), Some(Ok(()))) => {
                    let mark = Mark { key: begun_key(&shelf.key(&name), None), at: now };
                    let (store, root) = (shelf.store().clone(), copy.plan.root.clone());
                    begun.push(PieceCopy { store, root, failed: Mutex::default() });
                    (State::Begun(shelf, Mutex::new(mark)), copy.finished)
                }
                (state, _) => (state, copy.finished),
            };
            self.all.push(OneCopy { state, finished, started: now, ..copy });
        }
        (!begun.is_empty()).then_some((name, begun))
    }

    /// Commits the copies whose pieces are all there: `sent` has of each that was begun its objects,
    /// or why it has not. Returns store and head of each copy that exists now.
    pub fn commit_pieces(
        &mut self,
        sent: Vec<Result<Vec<ObjectLine>, Error>>,
        head: &Head,
        stop: &Stop,
    ) -> Vec<(String, Head)> {
        let Some(name) = self.name.clone() else { return Vec::new() };
        let mut committed = Vec::new();
        let begun = self.all.iter_mut().filter(|c| matches!(c.state, State::Begun(..)));
        for (copy, sent) in begun.zip(sent) {
            let State::Begun(shelf, mark) = &copy.state else { continue };
            let key = shelf.key(&name);
            let made = sent.and_then(|objects| {
                let own = Head { key: key.clone(), objects, ..head.clone() };
                shelf.write_head(&own, stop).map(|()| own)
            });
            copy.finished = Some(self.clock.now());
            let mark = mark.lock().expect("no panic while locked").key.clone();
            match made {
                Ok(own) => {
                    shelf.unmark(&mark, stop);
                    committed.push((copy.plan.store.name.clone(), own));
                    copy.state = State::Made(key);
                }
                Err(error) => {
                    if shelf.sweep_pieces(&key, &head.id, stop).is_ok() {
                        shelf.unmark(&mark, stop);
                    }
                    copy.state = State::Failed(error.into());
                }
            }
        }
        committed
    }

    /// Takes back what was sent of copies that are given up, and their markers. What can't be now is
    /// swept by the next run.
    pub fn give_up_pieces(&self, run: &Id, stop: &Stop) {
        let Some(name) = &self.name else { return };
        for copy in &self.all {
            let State::Begun(shelf, mark) = &copy.state else { continue };
            let mark = mark.lock().expect("no panic while locked").key.clone();
            if shelf.sweep_pieces(&shelf.key(name), run, stop).is_ok() {
                shelf.unmark(&mark, stop);
            }
        }
    }
}
