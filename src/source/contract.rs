//! What every source owes: a probe, a snapshot that is one point in time, and a target that takes a
//! snapshot back.
//!
//! Does not know pipelines, jobs or stores. Promises asked of every implementation:
//! - all of a `Snapshot` is one moment, or `inconsistent` says why not; it is never silent;
//! - `read` returns only after the server said that the last row was sent; the rows it counted are
//!   all that it emitted;
//! - a lost connection is an error, never a silent reconnect;
//! - nothing is fed to a client program.

mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime};

use crate::artifact::{Keys, Member, Origin, Position, Proof};
use crate::base::{Finding, Id, Stop};
use crate::job::{Engine, VacuumKind, VacuumRule};

pub use crate::source::contract::target::{
    Change, Load, Loading, Objection, Proven, Refused, Target, Terms, is_refusal,
};
pub use crate::source::error::{Error, ErrorKind, Result};

/// What a probe found, for the plan.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Server or library version, as it names itself.
    pub version: String,
    /// The units that match, with their tables.
    pub units: Vec<UnitFacts>,
    /// Locks and side effects the snapshot will have, in words.
    pub locks: Vec<String>,
    /// What can't be part of the snapshot's one moment, or will not be included.
    pub warnings: Vec<String>,
    /// Patterns of the job that match nothing.
    pub idle: Vec<String>,
}

/// One database of a probe.
#[derive(Debug, Clone)]
pub struct UnitFacts {
    /// Its name.
    pub name: String,
    /// Its tables: name, estimated rows, estimated bytes.
    pub tables: Vec<(String, u64, u64)>,
}

impl Facts {
    /// Estimated bytes of everything.
    pub fn bytes(&self) -> u64 {
        self.units.iter().flat_map(|u| &u.tables).map(|t| t.2).sum()
    }
}

/// What a source is examined for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purpose {
    /// Connections that dump it; 0 if nothing does.
    pub readers: usize,
    /// Whether backups are restored into it.
    pub load: bool,
    /// Whether it is vacuumed.
    pub vacuum: bool,
}

/// What an examination found.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// One line each.
    pub findings: Vec<Finding>,
    /// Estimated bytes of a dump before compression.
    pub bytes: u64,
    /// Where its data lies, if that is on this machine.
    pub data: Option<PathBuf>,
}

/// Hears every line that an engine says, as it says it.
pub type Hear = Arc<dyn Fn(&str) + Send + Sync>;

/// How a snapshot is to be taken.
#[derive(Clone)]
pub struct Reading {
    /// Connections at most.
    pub threads: usize,
    /// Target size of a chunk, in bytes.
    pub chunk: usize,
    /// What reads the source.
    pub engine: Engine,
    /// Where the engine's own log goes.
    pub hear: Hear,
    /// The backup that this one adds to.
    pub parent: Option<Parent>,
}

/// An earlier backup that another adds to.
#[derive(Debug, Clone)]
pub struct Parent {
    /// Its identity.
    pub id: Id,
    /// Where it stands.
    pub position: Option<Position>,
    /// What its engine wrote down of it.
    pub record: Vec<u8>,
}

/// A program that reads a source in vex's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name and version: `mydumper 0.10.0`.
    pub title: String,
    /// Locks it takes, in words.
    pub locks: Vec<String>,
    /// Whether tables that no snapshot covers are of the same moment all the same.
    pub covers_all: bool,
    /// What else is to be known before it runs.
    pub remarks: Vec<String>,
}

/// A unit of reading: some rows of one member. Any worker may read it; `number` means something to
/// the source only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Index into [`Snapshot::members`].
    pub member: usize,
    /// Which piece of the member.
    pub number: usize,
}

/// Takes the chunks of a member, in order.
pub trait Out {
    /// An empty buffer; waits until there is memory for one.
    fn buffer(&mut self) -> Result<Vec<u8>>;

    /// Hands over a chunk: a complete script, or bytes of a file, and the proof of the rows in it.
    fn chunk(&mut self, bytes: Vec<u8>, proof: Proof) -> Result<()>;

    /// The same for rows that are in the order of the table's key, with the keys of the first and
    /// the last of them.
    fn chunk_of(&mut self, bytes: Vec<u8>, proof: Proof, keys: Keys) -> Result<()> {
        drop(keys);
        self.chunk(bytes, proof)
    }

    /// Says what the source waits for at its server, until the next buffer or chunk or the end of
    /// the piece: while something is said, standing still is no stall.
    fn waiting(&mut self, on: &str);

    /// Hands back what was cut off the piece that is being read; it comes next, for whichever
    /// worker is free.
    fn more(&mut self, piece: Piece);
}

/// Where backups come from and restores go to.
pub trait Source: Send + Sync {
    /// Asks what is there, without locks.
    fn probe(&self, stop: &Stop) -> Result<Facts>;

    /// Which database this is and where it runs; asks the server once, changes nothing.
    fn origin(&self, stop: &Stop) -> Result<Origin>;

    /// Looks at all that a backup or a restore needs; changes nothing. An error is a source that
    /// can't be asked at all.
    fn examine(&self, purpose: Purpose, stop: &Stop) -> Result<Examined>;

    /// Looks for what an engine needs, before any work, and says which program it is; `None` for
    /// vex itself.
    fn engine(&self, engine: Engine, stop: &Stop) -> Result<Option<Program>> {
        stop.check()?;
        match engine {
            Engine::Native => Ok(None),
            Engine::Mydumper
            | Engine::Mysqldump
            | Engine::PgDump(_)
            | Engine::Basebackup
            | Engine::Rman(_) => {
                let found = format!("the engine {} does not read such sources", engine.word());
                Err(Error::new(ErrorKind::Refused, format!("dump {}", self.place()), found))
            }
        }
    }

    /// Takes one consistent view of all that matches.
    fn snapshot(&self, reading: Reading, stop: &Stop) -> Result<Box<dyn Snapshot>>;

    /// Opens it to be restored into, with this many connections.
    fn target(&self, threads: usize, stop: &Stop) -> Result<Box<dyn Target>>;

    /// The rights that a restore of these members needs and its account lacks, each with the
    /// statement that gives it; asks the server, changes nothing.
    fn rights(&self, _loading: &Loading, stop: &Stop) -> Result<Vec<Finding>> {
        stop.check()?;
        Ok(Vec::new())
    }

    /// The one value that a query of restored data gives, as the server writes it as text; `None` for
    /// NULL. It is asked in a transaction that may only read, in the database `unit` if one is named.
    fn ask(&self, _unit: Option<&str>, sql: &str, stop: &Stop) -> Result<Option<String>> {
        stop.check()?;
        let found = "such sources answer no queries";
        Err(Error::new(ErrorKind::Refused, format!("ask {} `{sql}`", self.place()), found))
    }

    /// Its tables can be vacuumed, by this.
    fn maintenance(&self) -> Option<&dyn Maintenance> {
        None
    }

    /// What messages call it; holds no secret.
    fn place(&self) -> &str;
}

/// A table, and what it is due for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Days since its last VACUUM; `None` for never.
    pub days: Option<i64>,
    /// What it is due for.
    pub kind: VacuumKind,
    /// Bytes of it, with its indexes and what is stored out of line.
    pub bytes: u64,
    /// Why it can't have it.
    pub obstacle: Option<String>,
}

impl Task {
    /// `schema.name`.
    pub fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// How a task ended.
#[derive(Debug)]
pub enum TaskOutcome {
    /// It was done, and the control table says so.
    Done,
    /// The table is not there any more.
    Gone,
    /// It was not done; the table is as it was.
    Failed(Error),
}

/// Keeps the tables of a source in shape.
pub trait Maintenance: Send + Sync {
    /// The units that match.
    fn units(&self, stop: &Stop) -> Result<Vec<String>>;

    /// What every table of a unit is due for today; changes nothing.
    fn tasks(&self, unit: &str, rule: &VacuumRule, today: Date, stop: &Stop) -> Result<Vec<Task>>;

    /// Runs the tasks of a unit, one after another, and notes each in the control table with the
    /// time that `now` returns. Reports the outcome of each to `hear`; a failed task does not stop
    /// the next one. An error is one of the whole unit.
    fn run(
        &self,
        unit: &str,
        rule: &VacuumRule,
        tasks: &[Task],
        now: &dyn Fn() -> DateTime,
        hear: &mut dyn FnMut(&Task, TaskOutcome),
        stop: &Stop,
    ) -> Result<()>;
}

/// What a snapshot is, in words and numbers.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Version of the server or library, as it names itself.
    pub version: String,
    /// Estimated bytes of all pieces, uncompressed.
    pub estimate: u64,
    /// Where the view stands in the source's log; some engines say it at their end only.
    pub position: Option<Position>,
    /// The backup that this one adds to.
    pub parent: Option<Id>,
    /// How far behind its own source the server is, if it is a replica.
    pub replica: Option<Replica>,
    /// Why the view is not one moment; empty when it is.
    pub inconsistent: Vec<String>,
    /// What the source holds and the artifact does not.
    pub not_included: Vec<String>,
    /// Of these, what should be included: the verdict is Alerta, and somebody must look.
    pub lost: Vec<String>,
    /// Patterns of the job that match nothing: the verdict is Alerta.
    pub idle: Vec<String>,
    /// What the engine warned of so far: the verdict is Alerta.
    pub warnings: Vec<String>,
    /// Remarks for the log, such as how long writers were held; all are there from the beginning.
    pub remarks: Vec<String>,
    /// Remarks on the reading, once it has ended.
    pub afterwards: Vec<String>,
}

/// How a replica stood when the view was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// How far it was behind, in seconds; `None` where its server can't tell.
    pub lag: Option<u64>,
    /// Why it gets nothing new; `None` while it does.
    pub stopped: Option<String>,
    /// What the user may not ask it, and what lets them.
    pub hidden: Option<String>,
}

impl Replica {
    /// A server that may be a replica: the user may not ask. `advice` says what lets them.
    pub fn unasked(advice: &str) -> Replica {
        let hidden = format!("whether it is a replica may not be asked: {advice}");
        Replica { lag: None, stopped: None, hidden: Some(hidden) }
    }

    /// Whether it said nothing at all.
    pub fn is_unasked(&self) -> bool {
        self.lag.is_none() && self.stopped.is_none() && self.hidden.is_some()
    }

    /// As a person reads it.
    pub fn line(&self) -> String {
        if let Some(hidden) = self.hidden.as_ref().filter(|_| self.is_unasked()) {
            return format!("how far the server is behind is not known: {hidden}");
        }
        let hidden = self.hidden.as_ref().map_or(String::new(), |hidden| format!("; {hidden}"));
        let lag = self.lag.map_or("an unknown time".to_owned(), |lag| format!("{lag} s"));
        let stopped = self.stopped.as_ref().map_or(String::new(), |why| format!("; {why}"));
        format!("the server is a replica, {lag} behind its source{stopped}{hidden}")
    }

    /// Why somebody must look: it is stopped, or too far behind, or nobody knows and somebody wants
    /// to.
    pub fn alert(&self, most: Option<Duration>) -> Option<String> {
        let is_far = |most: Duration| {
            self.hidden.is_some() || self.lag.is_none_or(|lag| lag > most.as_secs())
        };
        let far = most.is_some_and(is_far);
        if self.stopped.is_none() && !far {
            return None;
        }
        let limit = most
            .filter(|_| far)
            .map_or(String::new(), |most| format!(" (max-lag is {} s)", most.as_secs()));
        Some(format!("{}{limit}", self.line()))
    }
}

impl About {
    /// Adds what was found missing while it was read.
    pub fn lacks(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.not_included.push(line.clone());
            self.lost.push(line);
        }
    }
}

/// One consistent view.
pub trait Snapshot: Send + Sync {
    /// All members, in restore order: before, data, after.
    fn members(&self) -> &[Member];

    /// All pieces known before the reading, in the order in which they are best read: what is large
    /// first. Members without a piece are empty and still exist.
    fn pieces(&self) -> Vec<Piece>;

    /// How many workers may read at once.
    fn workers(&self) -> usize;

    /// Reads a piece as worker number `worker`; each worker is used by one thread at a time.
    fn read(&self, worker: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof>;

    /// After the last read: proves that the view held to the end.
    fn finish(&self, stop: &Stop) -> Result<()>;

    /// What it is; what grows while it is read is complete after the last read.
    fn about(&self) -> About;
}
