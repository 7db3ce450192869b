//! The step `binlog`: what came to a server's binary log since the last run goes into stores, up to
//! now.
//!
//! Invariants: where to begin is found in each store itself; a segment is in every store that
//! answers before the next one is read; what the server no longer has is told as a gap, an Alerta
//! with what to do, and what is there is kept all the same. A store that fails is Erro, unless it is
//! optional, and takes no other down.

use std::sync::Arc;

use crate::base::{Size, Stop};
use crate::job::SourceSpec;
use crate::plan::{LogCopy, Wal};
use crate::record::Verdict;
use crate::recover::{
    BinlogPlace, Fault, LogBases, WalStored, breaks, log_bases, onward, open_to_write,
};
use crate::run::{Done, Say};
use crate::source::binlog::{BinlogServer, CutError, Cutter, LogFile, Segment};
use crate::step::binlog_tidy::tidy;
use crate::step::perform::Steps;
use crate::step::sealing::sealing;
use crate::store::contract::Store;

/// From this size on a segment ends with the next group.
const TARGET: usize = 64 << 20;

/// No segment becomes larger, whatever a transaction has.
const LARGEST: usize = 256 << 20;

/// One store of the step.
struct Copy<'a> {
    plan: &'a LogCopy,
    place: BinlogPlace<'a>,
    store: Option<Arc<dyn Store>>,
    /// The file, by its index, and the byte that it has no more of.
    from: Option<(usize, u64)>,
    /// How many segments it has, and how many breaks there are in them.
    had: (usize, usize),
    sent: (usize, u64),
    fault: Option<Fault>,
}

impl Steps {
    /// Keeps what came to the binary log of a server.
    pub fn binlog(&self, log: &Wal, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let SourceSpec::Mysql(spec) = &log.source.spec else {
            unreachable!("BUG: a binary log of a source that has none")
        };
        let origin = self.source(&log.source, stop)?.origin(stop)?.id;
        let server = BinlogServer::open(spec, stop)?;
        let files = server.files()?;
        let bases = log_bases(&log.bases, &self.world, stop);
        bases.lost.iter().for_each(|lost| {
            say.info(format!(
                "nothing of the log is removed, since there may be more dumps: {lost}"
            ));
        });
        let seal = sealing(&log.archive, stop)?;
        let mut verdict = Verdict::Success;
        let mut copies: Vec<Copy<'_>> = Vec::new();
        for plan in &log.copies {
            let place = BinlogPlace { root: &plan.root, source: &log.source.name, origin: &origin };
            let mut copy = Copy::new(plan, place);
            match self.look(&mut copy, &server, &files, stop) {
                Ok(None) => {}
                Ok(Some(gap)) => {
                    verdict = Verdict::Alert;
                    say.alert(format!(
                        "a gap in the log of {} in {}: {gap}. No recovery leads over it: make a new backup now",
                        log.source.name, plan.store.name
                    ));
                }
                Err(Fault::Stopped) => return Err(Fault::Stopped),
                Err(fault) => copy.fault = Some(fault),
            }
            copies.push(copy);
        }
        let open = copies.iter().filter(|copy| copy.fault.is_none());
        if let Some((at, byte)) = open.filter_map(|copy| copy.from).min() {
            let how = (log.archive.method, seal.as_ref());
            let mut keep = |segment: Segment| -> Result<(), Fault> {
                for copy in &mut copies {
                    copy.take(&segment, &files, |place, store| {
                        place.put(store, &segment, how, &self.world, stop)
                    })?;
                }
                match copies.iter().all(|copy| copy.fault.is_some()) {
                    true => Err(Fault::Busy("no store takes anything".into())),
                    false => Ok(()),
                }
            };
            let read = read(&server, (&files[at].name, byte), &mut keep, stop);
            if copies.iter().any(|copy| copy.fault.is_none()) {
                read?;
            }
        }
        for copy in &mut copies {
            verdict = verdict.max(copy.tidy(&bases, say, stop)?);
        }
        told(log, copies, verdict, say)
    }

    /// Opens a store and finds where its log goes on; what is missing there.
    fn look(
        &self,
        copy: &mut Copy<'_>,
        server: &BinlogServer,
        files: &[LogFile],
        stop: &Stop,
    ) -> Result<Option<String>, Fault> {
        let plan = &copy.plan.store;
        let store = open_to_write(&plan.spec, &plan.trust, &self.world, stop)?;
        let names = copy.place.list(store.as_ref(), stop)?;
        let onward = onward(names.last(), files, &mut |file| server.created(file, stop))?;
        copy.had = (names.len(), breaks(&names).len());
        copy.store = Some(store);
        copy.from = onward.from;
        Ok(onward.gap)
    }
}

impl<'a> Copy<'a> {
    fn new(plan: &'a LogCopy, place: BinlogPlace<'a>) -> Copy<'a> {
        Copy { plan, place, store: None, from: None, had: (0, 0), sent: (0, 0), fault: None }
    }

    /// Looks after what the store has now.
    fn tidy(&mut self, bases: &LogBases, say: &Say, stop: &Stop) -> Result<Verdict, Fault> {
        let Some(store) = self.store.as_ref().filter(|_| self.fault.is_none()) else {
            return Ok(Verdict::Success);
        };
        match tidy(&self.place, (store.as_ref(), &self.plan.store.name), bases, say, stop) {
            Ok(verdict) => Ok(verdict),
            Err(Fault::Stopped) => Err(Fault::Stopped),
            Err(fault) => {
                self.fault = Some(fault);
                Ok(Verdict::Success)
            }
        }
    }

    /// Puts a segment, if the store has not all of it.
    fn take(
        &mut self,
        segment: &Segment,
        files: &[LogFile],
        put: impl FnOnce(&BinlogPlace<'_>, &dyn Store) -> Result<WalStored, Fault>,
    ) -> Result<(), Fault> {
        let Some(store) = self.store.as_ref().filter(|_| self.fault.is_none()) else {
            return Ok(());
        };
        // A file that is not in the list came after it.
        let at = files.iter().position(|file| file.name == segment.file).unwrap_or(files.len());
        let is_new = self.from.is_some_and(|(from, byte)| {
            at > from || at == from && (segment.end > byte || segment.is_last)
        });
        if !is_new {
            return Ok(());
        }
        match put(&self.place, store.as_ref()) {
            Ok(WalStored::Same) => Ok(()),
            Ok(WalStored::New) => {
                self.sent.0 += 1;
                self.sent.1 += segment.bytes.len() as u64;
                Ok(())
            }
            Err(Fault::Stopped) => Err(Fault::Stopped),
            Err(fault) => {
                self.fault = Some(fault);
                Ok(())
            }
        }
    }
}

/// Reads the log from a place on, and hands over its segments.
fn read(
    server: &BinlogServer,
    (file, byte): (&str, u64),
    keep: &mut dyn FnMut(Segment) -> Result<(), Fault>,
    stop: &Stop,
) -> Result<(), Fault> {
    let mut cutter = Cutter::new(file, byte, TARGET, LARGEST);
    let fault = |error: CutError<Fault>| match error {
        CutError::Event(found) => Fault::Source(server.fail(file, found)),
        CutError::Taker(fault) => fault,
    };
    let mut failed = None;
    server.read(file, byte, stop, &mut |event| match cutter.event(event, keep) {
        Ok(()) => true,
        Err(error) => {
            failed = Some(error);
            false
        }
    })?;
    match failed {
        Some(error) => Err(fault(error)),
        None => cutter.end(keep).map_err(fault),
    }
}

/// Says what became of it.
fn told(log: &Wal, copies: Vec<Copy<'_>>, verdict: Verdict, say: &Say) -> Result<Done, Fault> {
    let (mut verdict, mut failed) = (verdict, None);
    for copy in copies {
        let (store, (segments, bytes)) = (&copy.plan.store.name, copy.sent);
        match copy.fault {
            None => {
                let (had, breaks) = copy.had;
                let total = had + segments;
                let breaks = match breaks {
                    0 => String::new(),
                    n => format!("; {n} earlier gaps in it"),
                };
                say.info(format!(
                    "log of {} in {store}: {segments} new segments ({}), {total} in all{breaks}",
                    log.source.name,
                    Size(bytes)
                ));
            }
            Some(fault) if copy.plan.optional => {
                verdict = Verdict::Alert;
                say.alert(format!("the log in the optional store {store}: {}", fault.line()));
            }
            Some(fault) => failed = failed.or(Some(fault)),
        }
    }
    failed.map_or(Ok(Done { verdict, ..Done::well() }), Err)
}
