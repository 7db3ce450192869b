//! The plan: steps with resolved specs, and the edges between them.
//!
//! Invariant: no name is left to look up, and no cycle is left; an index of a step is its place in
//! `steps`.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::artifact::Naming;
use crate::base::Id;
use crate::job::Assert;
use crate::job::{
    Engine, EnvValue, ExecOn, ExpectSpec, KeepSpec, KeyRefs, Retry, SourceSpec, VacuumRule,
};
use crate::plan::reference::{SourceRef, StorePlace, StoreRef};
use crate::plan::wal::{Archive, Wal};
use crate::plan::wish::{BackupWish, RestoreSpec};
use crate::record::{StepFacts, Verb, Verdict};

/// What `into` says where vex makes what a backup is restored into.
pub const SCRATCH: &str = "scratch";

/// What one job does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The job.
    pub job: String,
    /// Zone of names and retention; the machine's when `None`.
    pub zone: Option<String>,
    /// Chains at once.
    pub parallel: usize,
    /// Time of day after which a run begins to read no source any more.
    pub not_after: Option<civil::Time>,
    /// The steps.
    pub steps: Vec<Step>,
    /// What waits for what.
    pub edges: Vec<Edge>,
    /// Addresses that are switched off.
    pub off: Vec<String>,
}

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its derived address: `nightly/dump/shop`.
    pub address: String,
    /// What it does.
    pub kind: StepKind,
    /// Whether its Erro is only Alerta.
    pub optional: bool,
}

/// What a step does, with everything it needs to know.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Gives a source's tables the VACUUM they are due for.
    Vacuum(Box<Vacuum>),
    /// The chain `dump ▷ archive ▷ send…` of one source.
    Backup(Box<Backup>),
    /// Reads a copy back.
    Verify(Box<Verify>),
    /// Removes what the policy does not keep.
    Prune(Box<Prune>),
    /// Sends backups from one store to another.
    Copy(Box<Transfer>),
    /// Looks after the log of a server.
    Wal(Box<Wal>),
    /// Keeps what came to the binary log of a server.
    Binlog(Box<Wal>),
    /// Runs a program.
    Exec(Exec),
    /// Brings a backup back.
    Restore(Box<RestoreSpec>),
    /// Reads a backup back.
    ReadBack(Box<BackupWish>),
}

/// An edge: `to` waits for `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Index of the earlier step.
    pub from: usize,
    /// Index of the later step.
    pub to: usize,
    /// What `to` needs of it.
    pub needs: Needs,
}

/// What a later step needs of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// That it has ended.
    End,
    /// That it ended without Erro.
    Success,
    /// That it made the copy in this store.
    Copy(String),
}

/// A vacuum of one source.
#[derive(Debug, Clone)]
pub struct Vacuum {
    /// The source.
    pub source: SourceRef,
    /// Which table gets what.
    pub rule: VacuumRule,
}

/// A backup of one source.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The source as the job file names it.
    pub declared: String,
    /// The source.
    pub source: SourceRef,
    /// What reads it.
    pub engine: Engine,
    /// Connections.
    pub threads: usize,
    /// Bytes of a chunk.
    pub chunk: usize,
    /// What is done about a failure.
    pub retry: Retry,
    /// Bytes of the source a second, at most.
    pub rate: Option<u64>,
    /// How the archive is made.
    pub archive: Archive,
    /// Where it goes.
    pub copies: Vec<CopyPlan>,
    /// What it must hold.
    pub expect: ExpectSpec,
}

/// One copy of a backup.
#[derive(Debug, Clone)]
pub struct CopyPlan {
    /// The store.
    pub store: StoreRef,
    /// Its names there.
    pub naming: Naming,
    /// Whether its failure is only Alerta.
    pub optional: bool,
    /// Bytes a second, at most.
    pub rate: Option<u64>,
    /// What all keys of the store begin with: empty, or ending in `/`.
    pub root: String,
    /// Whether retention looks at it after the run.
    pub kept: bool,
    /// All jobs of the file that send this source to this store.
    pub kin: Vec<Kin>,
    /// Its derived address: `nightly/send/shop/cloud`.
    pub address: String,
}

/// A verification of one copy.
#[derive(Debug, Clone)]
pub struct Verify {
    /// The source as the job file names it.
    pub declared: String,
    /// Whose copy.
    pub source: SourceRef,
    /// Where it is.
    pub store: StoreRef,
    /// Its names there.
    pub naming: Naming,
    /// Where what opens it is found.
    pub keys: KeyRefs,
    /// The scratch source it is restored into.
    pub into: Option<SourceRef>,
    /// Whether it is restored into a server, or a file, that vex makes for it.
    pub scratch: bool,
    /// The sources of that kind that are no scratch: none of them may be what `into` leads to.
    pub guarded: Vec<Guarded>,
    /// What is asked of the restored data.
    pub asserts: Vec<Assert>,
    /// How long the restore may take.
    pub within: Option<Duration>,
    /// Whether a physical backup is unpacked and checked by its own programs.
    pub unpack: bool,
    /// Which copy.
    pub which: Which,
    /// All jobs of the file that send this source to this store.
    pub kin: Vec<Kin>,
    /// Threads that read.
    pub threads: usize,
}

/// A source that no drill may overwrite.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// The source.
    pub source: SourceRef,
    /// Where backups of it are, which say which server it was when it can't be asked.
    pub places: Vec<StorePlace>,
}

/// Which copy is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one this run made.
    ThisRun,
    /// The newest in the store.
    Latest,
    /// Any that is kept in the store.
    Random,
}

/// Retention of one chain in one store.
#[derive(Debug, Clone)]
pub struct Prune {
    /// The source as the job file names it.
    pub declared: String,
    /// Whose copies.
    pub source: String,
    /// How its database is reached, which is asked who it is where the run made no copy.
    pub spec: SourceSpec,
    /// What is removed.
    pub task: PruneTask,
    /// Where they are.
    pub store: StoreRef,
    /// Their names there.
    pub naming: Naming,
    /// What is kept.
    pub keep: KeepSpec,
    /// Whether a copy counts only once it was verified.
    pub verified: bool,
    /// All jobs of the file that send this source to this store.
    pub kin: Vec<Kin>,
}

/// What is removed of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneTask {
    /// What the policy does not keep.
    Policy,
    /// What dead runs left, and uploads that nobody will finish.
    Uploads,
}

/// Backups of one chain that go from store to store.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The source as the job file names it.
    pub declared: String,
    /// The source.
    pub source: SourceRef,
    /// Where they are, the first that has one is read: stores, and their names there.
    pub from: Vec<(StoreRef, Naming)>,
    /// Where they go.
    pub to: CopyPlan,
    /// Which of them.
    pub which: Sent,
    /// Where what opens their archives is found.
    pub keys: KeyRefs,
    /// Threads that prove them there.
    pub threads: usize,
}

/// Which backups are sent.
#[derive(Debug, Clone)]
pub enum Sent {
    /// Those of a run, with all that they add to.
    Ids(Vec<Id>),
    /// Those that are not there.
    Missing,
    /// Those of the chain itself that are not there, as far as the policy keeps them there.
    Kept(Option<KeepSpec>),
}

/// A job that sends a source to a store, and its names there.
#[derive(Debug, Clone)]
pub struct Kin {
    /// The job.
    pub job: String,
    /// Its names.
    pub naming: Naming,
}

/// A program.
#[derive(Debug, Clone)]
pub struct Exec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables added to its environment.
    pub env: Vec<(String, EnvValue)>,
    /// It is killed when it prints nothing for this long.
    pub stall: Duration,
    /// The verdict of what it waits for that it is meant for; `None` for a step like any other.
    pub on: Option<ExecOn>,
}

impl Step {
    /// The verdict that it is meant for, if it is a program that is told of one.
    pub fn on(&self) -> Option<ExecOn> {
        match &self.kind {
            StepKind::Exec(exec) => exec.on,
            _ => None,
        }
    }

    /// Whether it runs where what it waits for came to this verdict.
    pub fn is_meant_for(&self, verdict: Verdict) -> bool {
        match self.on() {
            None | Some(ExecOn::Always) => true,
            Some(ExecOn::Success) => verdict == Verdict::Success,
            Some(ExecOn::Alert) => verdict >= Verdict::Alert,
            Some(ExecOn::Error) => verdict == Verdict::Error,
        }
    }

    /// Whether it reads the server of a source.
    pub fn loads(&self) -> bool {
        matches!(self.kind, StepKind::Backup(_) | StepKind::Vacuum(_))
    }

    /// What it is about, for those who keep or show history.
    pub fn facts(&self) -> StepFacts {
        let none = || (None, None, None);
        let named = |name: &str| Some(name.to_owned());
        let (verb, (source, chain, store)) = match &self.kind {
            StepKind::Vacuum(v) => (Verb::Vacuum, (named(&v.source.name), None, None)),
            StepKind::Backup(b) => {
                let verb = match b.engine {
                    Engine::Basebackup => Verb::Physical,
                    Engine::Rman(_) => Verb::Rman,
                    Engine::Native | Engine::Mydumper | Engine::Mysqldump | Engine::PgDump(_) => {
                        Verb::Dump
                    }
                };
                (verb, (named(&b.declared), named(&b.source.name), None))
            }
            StepKind::Verify(v) => {
                (Verb::Verify, (named(&v.declared), named(&v.source.name), named(&v.store.name)))
            }
            StepKind::Prune(r) => {
                (Verb::Prune, (named(&r.declared), named(&r.source), named(&r.store.name)))
            }
            StepKind::Copy(t) => {
                (Verb::Copy, (named(&t.declared), named(&t.source.name), named(&t.to.store.name)))
            }
            StepKind::Wal(w) => (Verb::Wal, (named(&w.source.name), None, None)),
            StepKind::Binlog(w) => (Verb::Binlog, (named(&w.source.name), None, None)),
            StepKind::Exec(_) => (Verb::Exec, none()),
            StepKind::Restore(r) => (Verb::Restore, (r.which.source.clone(), None, None)),
            StepKind::ReadBack(which) => (Verb::Verify, (which.source.clone(), None, None)),
        };
        StepFacts { address: self.address.clone(), verb, source, chain, store }
    }
}

impl Plan {
    /// A plan of one step that no job file declares.
    pub fn of_one(kind: StepKind, address: String) -> Plan {
        let step = Step { address: address.clone(), kind, optional: false };
        Plan {
            job: address,
            zone: None,
            parallel: 1,
            not_after: None,
            steps: vec![step],
            edges: Vec::new(),
            off: Vec::new(),
        }
    }

    /// The moment after which a run that begins at `from` begins to read no source any more.
    pub fn window_end(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let time = self.not_after?;
        let today = from.to_zoned(zone.clone()).date();
        let moments = [Some(today), today.tomorrow().ok()].into_iter().flatten();
        let mut moments =
            moments.filter_map(|day| day.to_datetime(time).to_zoned(zone.clone()).ok());
        moments.find_map(|moment| (moment.timestamp() > from).then(|| moment.timestamp()))
    }

    /// A cycle of the edges, as indices of steps, if there is one.
    pub fn cycle(&self) -> Option<Vec<usize>> {
        let mut state = vec![0_u8; self.steps.len()];
        let mut path = Vec::new();
        (0..self.steps.len()).find_map(|start| self.visit(start, &mut state, &mut path))
    }

    fn visit(&self, at: usize, state: &mut [u8], path: &mut Vec<usize>) -> Option<Vec<usize>> {
        match state[at] {
            2 => return None,
            1 => {
                let from = path.iter().position(|p| *p == at).unwrap_or(0);
                return Some(path[from..].to_vec());
            }
            _ => {}
        }
        state[at] = 1;
        path.push(at);
        // Against the arrows: a step is followed by what it waits for.
        let found =
            self.edges.iter().filter(|e| e.to == at).find_map(|e| self.visit(e.from, state, path));
        path.pop();
        state[at] = 2;
        found
    }
}
