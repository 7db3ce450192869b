//! One run of one job: the stores it opened, the copies it made, and which file performs which
//! step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::artifact::{Head, Marker, PROOF_FORMAT, Sealing};
use crate::base::{Id, Stop};
use crate::plan::{Archive, SourceRef, Step, StepKind, StoreRef};
use crate::recover::{Fault, ReadBack, open_to_write};
use crate::run::{Done, Perform, Say, Standing};
use crate::shelf::Holder;
use crate::source::{self, contract::Source};
use crate::step::prepared::Prepared;
use crate::step::sealing::sealing;
use crate::store::contract::Store;
use crate::world::{World, process_id};

/// Performs the steps of one run of one job.
pub struct Steps {
    /// Time, chance, the state folder.
    pub world: World,
    /// Identity of the run and of its artifacts.
    pub run: Id,
    /// The job.
    pub job: String,
    /// The job file, absolute.
    pub file: String,
    /// Zone of names and retention.
    pub zone: TimeZone,
    /// The longest gap between two moments of the job's schedule.
    pub gap: Option<SignedDuration>,
    /// Its log, if it has one.
    log: Option<PathBuf>,
    /// The moment after which it begins to read no source any more.
    window: Option<Timestamp>,
    /// Guards the list of stores, by name; never held while one of them is opened.
    stores: Mutex<BTreeMap<String, Slot>>,
    /// Guards a restore that was resolved before the run, until its step takes it.
    pub(super) prepared: Mutex<Option<Prepared>>,
    /// Guards what a backup was found to be that was read back.
    pub(super) read: Mutex<Option<ReadBack>>,
    /// Guards what this run made: heads by source and store.
    made: Mutex<BTreeMap<(String, String), Head>>,
    /// Holds the leases of this run, all under one token.
    holder: Holder,
    /// How many runs in a row found a folder in use before, by source and store; `None` without
    /// history.
    in_use: Option<InUse>,
}

/// How many runs in a row found a folder in use, by source and store.
pub type InUse = BTreeMap<(String, String), usize>;

/// Guards one store: a step that needs it waits until it is open, and for no other store.
type Slot = Arc<Mutex<Option<Arc<dyn Store>>>>;

impl Steps {
    /// Opens nothing yet.
    pub fn new(
        world: World,
        run: Id,
        (job, file): (&str, &str),
        zone: TimeZone,
        gap: Option<SignedDuration>,
    ) -> Steps {
        Steps {
            holder: Holder::new(&world, ""),
            world,
            run,
            job: job.to_owned(),
            file: file.to_owned(),
            zone,
            gap,
            log: None,
            window: None,
            stores: Mutex::default(),
            prepared: Mutex::default(),
            read: Mutex::default(),
            made: Mutex::default(),
            in_use: None,
        }
    }

    /// What the backup was found to be that was read back.
    pub fn read(&self) -> Option<ReadBack> {
        self.read.lock().expect("no panic while locked").clone()
    }

    /// Gives the restore of this run what was resolved before it.
    pub fn prepare(&self, prepared: Prepared) {
        *self.prepared.lock().expect("no panic while locked") = Some(prepared);
    }

    /// The same, with its log.
    pub fn logged(self, log: Option<PathBuf>) -> Steps {
        Steps { log, ..self }
    }

    /// The same, reading no source anew after a moment.
    pub fn within(self, window: Option<Timestamp>) -> Steps {
        Steps { window, ..self }
    }

    /// The moment after which it begins to read no source any more.
    pub(super) fn window(&self) -> Option<Timestamp> {
        self.window
    }

    /// The log of the run, if it has one.
    pub(super) fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// The same, knowing which folders the runs before found in use.
    pub fn after(self, in_use: Option<InUse>) -> Steps {
        Steps { in_use, ..self }
    }

    /// Who takes leases for this run; `what` says for people what for.
    pub(super) fn holder(&self, what: &str) -> Holder {
        self.holder.named(&format!("{what}, run {}", self.run))
    }

    /// How many runs in a row found the folder in use just before; `None` where nobody knows.
    pub(super) fn in_use_before(&self, source: &str, store: &str) -> Option<usize> {
        let known = self.in_use.as_ref()?;
        Some(known.get(&(source.to_owned(), store.to_owned())).copied().unwrap_or(0))
    }

    pub(super) fn store(&self, store: &StoreRef, stop: &Stop) -> Result<Arc<dyn Store>, Fault> {
        let slot: Slot = self
            .stores
            .lock()
            .expect("no panic while locked")
            .entry(store.name.clone())
            .or_default()
            .clone();
        // A failure leaves the slot empty: the next step tries for itself.
        let mut slot = slot.lock().expect("no panic while locked");
        if let Some(open) = slot.as_ref() {
            return Ok(open.clone());
        }
        let open = open_to_write(&store.spec, &store.trust, &self.world, stop)?;
        *slot = Some(open.clone());
        Ok(open)
    }

    pub(super) fn source(
        &self,
        reference: &SourceRef,
        stop: &Stop,
    ) -> Result<Box<dyn Source>, Fault> {
        Ok(source::open(&reference.spec, &reference.name, &self.world, stop)?)
    }

    /// What is about to seal an archive; a password that 7-Zip could not open it with is refused.
    pub(super) fn seal(&self, archive: &Archive, stop: &Stop) -> Result<Option<Sealing>, Fault> {
        sealing(archive, stop)
    }

    /// 32 random hexadecimal digits.
    pub(super) fn random_id(&self) -> String {
        (0..4).map(|_| format!("{:08x}", self.world.entropy.bits())).collect()
    }

    /// The marker of what this run begins now.
    pub(super) fn marker(&self) -> Marker {
        Marker {
            format: PROOF_FORMAT,
            run: self.run.clone(),
            host: self.world.host(),
            process: process_id(),
            at: self.world.clock.now(),
        }
    }

    pub(super) fn note_made(&self, source: &str, store: &str, head: Head) {
        self.made
            .lock()
            .expect("no panic while locked")
            .insert((source.to_owned(), store.to_owned()), head);
    }

    pub(super) fn made(&self, source: &str, store: &str) -> Option<Head> {
        self.made
            .lock()
            .expect("no panic while locked")
            .get(&(source.to_owned(), store.to_owned()))
            .cloned()
    }
}

impl Perform for Steps {
    fn perform(&self, step: &Step, before: &Standing, say: &Say, stop: &Stop) -> Done {
        let result = match &step.kind {
            StepKind::Vacuum(vacuum) => self.vacuum(vacuum, say, stop),
            StepKind::Backup(backup) => self.tries(backup, say, stop),
            StepKind::Verify(verify) => self.verify(verify, say, stop),
            StepKind::Prune(prune) => self.prune(prune, say, stop),
            StepKind::Wal(wal) => self.wal(wal, say, stop),
            StepKind::Binlog(log) => self.binlog(log, say, stop),
            StepKind::Exec(exec) => self.exec(exec, before, say, stop),
            StepKind::Copy(transfer) => self.transfer(transfer, say, stop),
            StepKind::Restore(restore) => self.restore(restore, say, stop),
            StepKind::ReadBack(which) => self.read_back(which, say, stop),
        };
        match result {
            Ok(done) => done,
            Err(_) if stop.is_stopped() => Done::interrupted(),
            Err(fault) => Done::failed(fault.failure()),
        }
    }
}
