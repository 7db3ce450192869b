//! Parts go to every store at once, on the lanes of each.
//!
//! One copy that fails does not fail the others: its parts are dropped from then on and its upload
//! is aborted. The pipeline ends early only when no copy is left. Knows no store but the contract.

use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::base::Stop;
use crate::pipeline::index::{BeginIndex, IndexMade, IndexOut, also};
use crate::pipeline::join::Part;
use crate::pipeline::meter::Meter;
use crate::pipeline::rate::Rate;
use crate::pipeline::shape::DEPTH;
use crate::pipeline::stage::{Error, FirstFailure};
use crate::store::contract::{self as store, Upload};

/// One copy on its way.
pub struct Copy {
    /// Its upload.
    pub upload: Box<dyn Upload>,
    /// Parts to send at once.
    pub lanes: usize,
    /// Bytes a second, at most.
    pub rate: Option<u64>,
    /// Begins its index, where that is too large to be written in one call.
    pub index: BeginIndex,
}

/// A copy of which every byte was sent.
pub struct Made {
    /// The container.
    pub container: Box<dyn Upload>,
    /// The index beside it.
    pub index: IndexMade,
}

/// The copies of one object while their parts are sent.
pub struct Copies {
    copies: Vec<Sending>,
}

struct Sending {
    upload: Box<dyn Upload>,
    lanes: usize,
    rate: Option<Rate>,
    /// Guards the first failure of this copy.
    failed: Mutex<Option<store::Error>>,
    parts: Receiver<Arc<Part>>,
}

/// The sending ends, one a copy.
pub struct Outlets(Vec<Sender<Arc<Part>>>);

impl Copies {
    /// Prepares the lanes of all copies, and their indexes.
    pub fn new(copies: Vec<Copy>) -> (Copies, Outlets, IndexOut) {
        let (mut sending, mut outlets, mut begins) = (Vec::new(), Vec::new(), Vec::new());
        for copy in copies {
            let (outlet, parts) = bounded(DEPTH);
            outlets.push(outlet);
            begins.push(copy.index);
            sending.push(Sending {
                upload: copy.upload,
                lanes: copy.lanes.max(1),
                rate: copy.rate.map(Rate::new),
                failed: Mutex::default(),
                parts,
            });
        }
        (Copies { copies: sending }, Outlets(outlets), IndexOut::new(begins))
    }

    /// Starts every lane in `scope`; they end when the outlets are dropped, or with a failure of
    /// the pipeline.
    pub fn start<'scope, 'env>(
        &'env self,
        scope: &'scope std::thread::Scope<'scope, 'env>,
        meter: &'env Meter,
        failure: &'env FirstFailure,
    ) {
        for copy in &self.copies {
            for _ in 0..copy.lanes {
                scope.spawn(move || {
                    failure.run(|| copy.lane(self, meter, &failure.stop));
                });
            }
        }
    }

    /// Whether no copy is left.
    fn none_left(&self) -> bool {
        let failed = |c: &Sending| c.failed.lock().expect("no panic while locked").is_some();
        self.copies.iter().all(failed)
    }

    /// Takes back every upload; the error of each copy that had one, in their order.
    pub fn abort(self) -> Vec<Option<store::Error>> {
        let end = |copy: Sending| {
            let failed = copy.failed.into_inner().expect("no panic while locked");
            match (failed, copy.upload.abort()) {
                (Some(error), left) => Some(also(error, left)),
                (None, Ok(())) => None,
                (None, Err(left)) => Some(left),
            }
        };
        self.copies.into_iter().map(end).collect()
    }

    /// The copies, each whole or failed, with their `indexes`.
    pub fn finish(
        self,
        indexes: Vec<Result<IndexMade, store::Error>>,
    ) -> Vec<Result<Made, store::Error>> {
        let end = |(copy, index): (Sending, Result<IndexMade, store::Error>)| {
            let failed = copy.failed.into_inner().expect("no panic while locked");
            match (failed, index) {
                (None, Ok(index)) => Ok(Made { container: copy.upload, index }),
                (None, Err(error)) => Err(also(error, copy.upload.abort())),
                (Some(error), index) => {
                    let error = also(error, copy.upload.abort());
                    Err(match index {
                        Ok(IndexMade::Sent(upload, _)) => also(error, upload.abort()),
                        Ok(IndexMade::Small(_)) | Err(_) => error,
                    })
                }
            }
        };
        self.copies.into_iter().zip(indexes).map(end).collect()
    }
}

impl Sending {
    fn lane(&self, all: &Copies, meter: &Meter, stop: &Stop) -> Result<(), Error> {
        loop {
            let part = select! {
                recv(self.parts) -> part => match part {
                    Ok(part) => part,
                    Err(_) => return Ok(()),
                },
                recv(stop.closed()) -> _ => return Ok(()),
            };
            if self.failed.lock().expect("no panic while locked").is_some() {
                continue;
            }
            if let Some(rate) = &self.rate {
                rate.pass(part.bytes.len() as u64, meter, stop)?;
            }
            match self.upload.part(part.number, part.offset, &part.bytes, stop) {
                Ok(()) => meter.sent(part.bytes.len() as u64),
                // Its store did no wrong.
                Err(error) if error.kind == store::ErrorKind::Stopped && stop.is_stopped() => {
                    return Err(Error::Stopped);
                }
                Err(error) => {
                    self.failed.lock().expect("no panic while locked").get_or_insert(error);
                    // Nothing is read for nobody.
                    if all.none_left() {
                        return Err(Error::NoStore(Vec::new()));
                    }
                }
            }
        }
    }
}

impl Outlets {
    /// Hands a part to every copy; waits while one has no room.
    pub fn send(&self, part: Part, stop: &Stop) -> Result<(), Error> {
        let part = Arc::new(part);
        for outlet in &self.0 {
            select! {
                send(outlet, part.clone()) -> sent => if sent.is_err() { return Err(Error::Stopped) },
                recv(stop.closed()) -> _ => return Err(Error::Stopped),
            }
        }
        Ok(())
    }
}
