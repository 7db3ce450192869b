//! Parts go to every store at once, on the lanes of each.
//!
//! One copy that fails does not fail the others: its parts are dropped from then on and its upload
//! is aborted. The pipeline ends early only when no copy is left. Knows no store but the contract.

use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::base::Stop;
use crate::pipeline::join::Part;
use crate::pipeline::meter::Meter;
use crate::pipeline::shape::DEPTH;
use crate::pipeline::stage::{Error, FirstFailure};
use crate::store::contract::{self as store, Upload};

/// One copy on its way.
pub struct Copy {
    /// Its upload.
    pub upload: Box<dyn Upload>,
    /// Parts to send at once.
    pub lanes: usize,
}

/// The copies of one object while their parts are sent.
pub struct Copies {
    copies: Vec<Sending>,
}

struct Sending {
    upload: Box<dyn Upload>,
    lanes: usize,
    /// Guards the first failure of this copy.
    failed: Mutex<Option<store::Error>>,
    parts: Receiver<Arc<Part>>,
}

/// The sending ends, one a copy.
pub struct Outlets(Vec<Sender<Arc<Part>>>);

impl Copies {
    /// Prepares the lanes of all copies.
    pub fn new(copies: Vec<Copy>) -> (Copies, Outlets) {
        let (mut sending, mut outlets) = (Vec::new(), Vec::new());
        for copy in copies {
            let (outlet, parts) = bounded(DEPTH);
            outlets.push(outlet);
            sending.push(Sending {
                upload: copy.upload,
                lanes: copy.lanes.max(1),
                failed: Mutex::default(),
                parts,
            });
        }
        (Copies { copies: sending }, Outlets(outlets))
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

    /// The error of the pipeline once no copy is left.
    fn none_left(&self) -> Option<Error> {
        let mut last = None;
        for copy in &self.copies {
            last = Some(copy.failed.lock().expect("no panic while locked").as_ref()?.to_string());
        }
        last.map(Error::NoStore)
    }

    /// The uploads, each whole or failed.
    pub fn finish(self) -> Vec<Result<Box<dyn Upload>, store::Error>> {
        let end = |copy: Sending| match copy.failed.into_inner().expect("no panic while locked") {
            None => Ok(copy.upload),
            Some(error) => Err(match copy.upload.abort() {
                Ok(()) => error,
                Err(left) => {
                    store::Error { found: format!("{}; and then {left}", error.found), ..error }
                }
            }),
        };
        self.copies.into_iter().map(end).collect()
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
            match self.upload.part(part.number, part.offset, &part.bytes) {
                Ok(()) => meter.sent(part.bytes.len() as u64),
                Err(error) => {
                    self.failed.lock().expect("no panic while locked").get_or_insert(error);
                    // Nothing is read for nobody.
                    if let Some(error) = all.none_left() {
                        return Err(error);
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
