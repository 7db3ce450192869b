//! `read → press → join → send`: one read of the source, any number of stores, bounded memory, no
//! temporary file.
//!
//! Knows a snapshot and uploads, nothing of jobs. Invariants: the object is whole only if every
//! piece was read to its end and the rows written are the rows read; nothing blocks inside the
//! rayon pool (entries wait in an unbounded channel whose length the permits bound); uploads are
//! handed back unfinished, so that only the shelf commits.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use sha2::{Digest, Sha256};

use crate::artifact::{
    EntryNames, Head, IndexLine, IndexWriter, Keys, Kind, Method, ObjectLine, Phase, Pressed,
    Proof, Sealing, Totals, UnitSum, definition, hex, is_readme, press,
};
use crate::base::Stop;
use crate::pipeline::join::{Entry, Finish, Join, Joined, Message};
use crate::pipeline::meter::{Meter, Waiting};
use crate::pipeline::permits::{BufferPermit, BufferPool, Permits};
use crate::pipeline::queue::Queue;
use crate::pipeline::rate::Rate;
use crate::pipeline::send::{Copies, Copy, Made};
use crate::pipeline::shape::Shape;
use crate::pipeline::stage::{Error, FirstFailure};
use crate::source::contract::{Error as SourceError, Out, Piece, Result as SourceResult, Snapshot};
use crate::store::contract as store;

/// What is to be written.
pub struct Backup<'a> {
    /// What is read.
    pub snapshot: &'a dyn Snapshot,
    /// How entries are pressed.
    pub method: Method,
    /// How they are sealed.
    pub seal: Option<&'a Sealing>,
    /// Sizes.
    pub shape: Shape,
    /// Bytes of the source a second, at most.
    pub rate: Option<u64>,
    /// Where to.
    pub copies: Vec<Copy>,
    /// Makes the head that stands inside the container.
    pub head: &'a (dyn Fn(Totals, Vec<UnitSum>) -> Head + Sync),
    /// Counts.
    pub meter: &'a Meter,
}

/// What was written.
pub struct Written {
    /// The head as it stands inside the container.
    pub head: Head,
    /// Size and hash of the container.
    pub object: ObjectLine,
    /// What the head beside the container says of the index.
    pub index: IndexLine,
    /// The copies, whole but unfinished, or why one failed; in the order of `Backup::copies`.
    pub copies: Vec<Result<Made, store::Error>>,
    /// Most chunks that existed at once.
    pub peak_chunks: usize,
}

/// Runs a backup to the last part.
pub fn backup(backup: Backup<'_>, stop: &Stop) -> Result<Written, Error> {
    let failure = FirstFailure::new(stop);
    let counts = [backup.shape.chunk_permits(), backup.shape.part_permits()];
    let [chunks, parts] = counts.map(Permits::new);
    let (copies, outlets, index_out) = Copies::new(backup.copies);
    let (to_join, joining) = unbounded();
    let Backup { snapshot, shape, head, meter, method, seal, rate, .. } = backup;
    let (mut joined, members) = (None, snapshot.members());
    let reading = Reading {
        snapshot,
        method,
        seal,
        chunk: shape.chunk,
        permits: &chunks,
        meter,
        rate: rate.map(Rate::new),
        failure: &failure,
        names: EntryNames::new(members),
        numbers: members.iter().map(|_| AtomicU32::new(0)).collect(),
        raw: BufferPool::new(chunks.size(), 2 * shape.chunk),
        pressed: BufferPool::new(chunks.size(), 2 * shape.chunk),
    };
    std::thread::scope(|scope| {
        copies.start(scope, meter, &failure);
        scope.spawn(|| {
            failure.run(|| {
                let mut send = |part| outlets.send(part, &failure.stop);
                let press_text = |name: &str, text: &[u8]| sealed(name, text, method, seal);
                let mut join = Join::new(
                    shape.part,
                    &parts,
                    &reading.pressed,
                    &mut send,
                    &press_text,
                    (IndexWriter::new(members, seal.is_some()), index_out),
                    &failure.stop,
                )?;
                join_all(&mut join, &joining, meter, &failure.stop)?;
                joined = Some(join.finish(&Finish { head, method })?);
                Ok(())
            });
            // The lanes end when the last part is theirs.
            drop(outlets);
        });
        failure.run(|| reading.all(to_join));
    });
    if let Err(error) = failure.result() {
        // What an upload left is swept by its marker; without a store, their errors are what counts.
        let lost = copies.abort();
        return Err(match error {
            Error::NoStore(_) => Error::NoStore(lost.into_iter().flatten().collect()),
            error => error,
        });
    }
    let none = || Error::Panic("a pipeline ended without object or failure".into());
    let Joined { head, object, index, indexes } = joined.ok_or_else(none)?;
    Ok(Written { head, object, index, copies: copies.finish(indexes), peak_chunks: chunks.peak() })
}

/// A text of the archive's own. What says how to open it is open to every program, and to everybody.
fn sealed(
    name: &str,
    text: &[u8],
    method: Method,
    seal: Option<&Sealing>,
) -> Result<Pressed, Error> {
    let (method, seal) = if is_readme(name) { (Method::Store, None) } else { (method, seal) };
    press(name, text, method, seal, Vec::new()).map_err(|e| Error::Press(name.to_owned(), e))
}

fn join_all(
    join: &mut Join<'_>,
    joining: &Receiver<Message>,
    meter: &Meter,
    stop: &Stop,
) -> Result<(), Error> {
    loop {
        let message = crossbeam_channel::select! {
            recv(joining) -> message => message.map_err(|_| Error::Stopped)?,
            recv(stop.closed()) -> _ => return Err(Error::Stopped),
        };
        if let Message::Entry(entry) = &message {
            meter.stored(entry.pressed.bytes.len() as u64);
        }
        if join.take(message)? {
            return Ok(());
        }
    }
}

/// The reading side: workers that read pieces, and tasks that press chunks.
struct Reading<'a> {
    snapshot: &'a dyn Snapshot,
    method: Method,
    seal: Option<&'a Sealing>,
    chunk: usize,
    permits: &'a Permits,
    meter: &'a Meter,
    rate: Option<Rate>,
    failure: &'a FirstFailure,
    /// Names of entries.
    names: EntryNames,
    /// Entries of each member so far.
    numbers: Vec<AtomicU32>,
    /// Buffers of chunks, and of entries.
    raw: BufferPool,
    pressed: BufferPool,
}

impl Reading<'_> {
    /// Reads phase after phase; each is read to its end before the next begins.
    fn all(&self, to_join: Sender<Message>) -> Result<(), Error> {
        let members = self.snapshot.members();
        let pieces = self.snapshot.pieces();
        for phase in [Phase::Before, Phase::Data, Phase::After] {
            let own: Vec<Piece> =
                pieces.iter().copied().filter(|p| members[p.member].phase == phase).collect();
            // One piece may become many while it is read.
            let workers =
                if phase == Phase::Data && !own.is_empty() { self.snapshot.workers() } else { 1 };
            let count = AtomicU64::new(0);
            self.phase(&Queue::new(own), workers, &count, &to_join);
            self.failure.stop.check()?;
            // The join may have ended with a failure of its own, which is then the one that counts.
            to_join
                .send(Message::End(phase, count.load(Ordering::SeqCst)))
                .map_err(|_| Error::Stopped)?;
        }
        let _wait = self.meter.wait("the proof that the view held to the end");
        self.snapshot.finish(&self.failure.stop)?;
        Ok(())
    }

    fn phase(&self, queue: &Queue, workers: usize, count: &AtomicU64, to_join: &Sender<Message>) {
        rayon::in_place_scope(|tasks| {
            std::thread::scope(|scope| {
                for worker in 0..workers {
                    scope.spawn(move || {
                        self.failure.run(|| {
                            while let Some(piece) = queue.take(&self.failure.stop)? {
                                let sum = Proof::default();
                                let mut out = PieceOut {
                                    reading: self,
                                    piece,
                                    queue,
                                    count,
                                    to_join,
                                    tasks,
                                    permit: None,
                                    waiting: None,
                                    sum,
                                };
                                let read = self.snapshot.read(
                                    worker,
                                    &piece,
                                    &mut out,
                                    &self.failure.stop,
                                )?;
                                out.compare(read)?;
                                queue.done();
                            }
                            Ok(())
                        });
                    });
                }
            });
        });
    }

    /// Presses a chunk into an entry; runs inside the rayon pool and never waits.
    fn press(&self, chunk: Chunk, to_join: &Sender<Message>) -> Result<(), Error> {
        let name = self.names.name(chunk.member, chunk.number);
        let pressed = press(&name, &chunk.bytes, self.method, self.seal, self.pressed.take(0));
        let pressed = pressed.map_err(|e| Error::Press(name.clone(), e))?;
        let sha256 = hex(&Sha256::digest(&pressed.bytes));
        let member = &self.snapshot.members()[chunk.member];
        let entry = Entry {
            name,
            member: chunk.member,
            number: chunk.number,
            phase: member.phase,
            order: chunk.order,
            raw: chunk.bytes.len() as u64,
            sha256,
            rows: (member.kind == Kind::Rows).then_some(chunk.proof),
            keys: chunk.keys,
            definition: definition(member.kind, &chunk.bytes),
            pressed,
            _permit: Some(chunk.permit),
        };
        self.raw.give(chunk.bytes);
        to_join.send(Message::Entry(Box::new(entry))).map_err(|_| Error::Stopped)
    }
}

struct Chunk {
    member: usize,
    number: u32,
    order: u64,
    bytes: Vec<u8>,
    proof: Proof,
    keys: Option<Keys>,
    permit: BufferPermit,
}

/// Where one piece puts its chunks.
struct PieceOut<'a, 'scope, 'env> {
    reading: &'env Reading<'env>,
    piece: Piece,
    queue: &'a Queue,
    count: &'env AtomicU64,
    to_join: &'env Sender<Message>,
    tasks: &'a rayon::Scope<'scope>,
    permit: Option<BufferPermit>,
    waiting: Option<Waiting<'env>>,
    sum: Proof,
}

impl<'scope, 'env: 'scope> Out for PieceOut<'_, 'scope, 'env> {
    fn buffer(&mut self) -> SourceResult<Vec<u8>> {
        self.waiting = None;
        if self.permit.is_none() {
            self.permit = Some(
                self.reading.permits.take(&self.reading.failure.stop).map_err(SourceError::from)?,
            );
        }
        Ok(self.reading.raw.take(self.reading.chunk + self.reading.chunk / 8))
    }

    fn chunk(&mut self, bytes: Vec<u8>, proof: Proof) -> SourceResult<()> {
        self.take(bytes, proof, None)
    }

    fn chunk_of(&mut self, bytes: Vec<u8>, proof: Proof, keys: Keys) -> SourceResult<()> {
        self.take(bytes, proof, Some(keys))
    }

    fn waiting(&mut self, on: &str) {
        self.waiting = Some(self.reading.meter.wait(on));
    }

    fn more(&mut self, piece: Piece) {
        self.queue.push(piece);
    }
}

impl<'scope, 'env: 'scope> PieceOut<'_, 'scope, 'env> {
    /// Hands a chunk to the pool that presses.
    fn take(&mut self, bytes: Vec<u8>, proof: Proof, keys: Option<Keys>) -> SourceResult<()> {
        self.waiting = None;
        let permit = match self.permit.take() {
            Some(permit) => permit,
            None => {
                self.reading.permits.take(&self.reading.failure.stop).map_err(SourceError::from)?
            }
        };
        let Reading { rate, meter, failure, .. } = self.reading;
        if let Some(rate) = rate {
            rate.pass(bytes.len() as u64, meter, &failure.stop).map_err(SourceError::from)?;
        }
        self.sum += proof;
        self.reading.meter.read(bytes.len() as u64, proof.rows);
        let number = self.reading.numbers[self.piece.member].fetch_add(1, Ordering::SeqCst);
        let order = self.count.fetch_add(1, Ordering::SeqCst);
        let chunk = Chunk { member: self.piece.member, number, order, bytes, proof, keys, permit };
        let (reading, to_join) = (self.reading, self.to_join);
        self.tasks.spawn(move |_| reading.failure.run(|| reading.press(chunk, to_join)));
        Ok(())
    }

    /// Rows written equal rows read, or the object must not be.
    fn compare(&self, read: Proof) -> Result<(), Error> {
        if self.sum == read {
            return Ok(());
        }
        let member = &self.reading.snapshot.members()[self.piece.member];
        Err(Error::Rows { title: member.title(), read: read.rows, written: self.sum.rows })
    }
}
