//! The step `wal`: what the server sent is looked at, gaps are told, and what no base backup needs
//! any more is removed.
//!
//! Invariants: a gap behind the newest base backup is an Alerta that says which file is missing and
//! what to do, since nothing after it can be recovered; a file is removed only where every place of
//! base backups could be read and the oldest base begins behind it. A store that does not answer is
//! Erro, unless it is optional.

use crate::base::Stop;
use crate::plan::Wal;
use crate::record::Verdict;
use crate::recover::{Base, Bases, Fault, Log, Stretch, WalCopy, WalStores, bases};
use crate::run::{Done, Say};
use crate::source::wal::WalName;
use crate::step::perform::Steps;

impl Steps {
    /// Looks after the log of a server.
    pub fn wal(&self, wal: &Wal, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let stores = WalStores::of(wal, None, &self.world);
        let bases = bases(&wal.bases, &self.world, stop);
        bases.lost.iter().for_each(|lost| {
            say.info(format!(
                "nothing of the log is removed, since there may be more base backups: {lost}"
            ));
        });
        let (mut verdict, mut failed) = (Verdict::Success, None);
        for copy in &stores.copies {
            let looked = copy
                .list(stop)
                .and_then(|files| self.look_at(&stores, copy, &files, &bases, say, stop));
            match looked {
                Ok(own) => verdict = verdict.max(own),
                Err(Fault::Stopped) => return Err(Fault::Stopped),
                Err(fault) if copy.optional => {
                    say.alert(format!(
                        "the log in the optional store {}: {}",
                        copy.name,
                        fault.line()
                    ));
                    verdict = verdict.max(Verdict::Alert);
                }
                Err(fault) => failed = failed.or(Some(fault)),
            }
        }
        failed.map_or(Ok(Done { verdict, ..Done::well() }), Err)
    }

    /// The files that the step would remove now: store and name.
    pub fn foresee_wal(&self, wal: &Wal, stop: &Stop) -> Result<Vec<(String, String)>, Fault> {
        let stores = WalStores::of(wal, None, &self.world);
        let bases = bases(&wal.bases, &self.world, stop);
        let mut found = Vec::new();
        for copy in &stores.copies {
            let files = copy.list(stop)?;
            for (system, own) in &files {
                let log = stores.log(system, &[&files], stop)?;
                let of = bases.all.iter().filter(|base| base.system == *system);
                let gone = needless(&log, &of.collect::<Vec<_>>(), &bases, own.keys().copied());
                found.extend(gone.iter().map(|name| (copy.name.clone(), name.to_string())));
            }
        }
        Ok(found)
    }

    fn look_at(
        &self,
        stores: &WalStores,
        copy: &WalCopy,
        files: &Stretch,
        bases: &Bases,
        say: &Say,
        stop: &Stop,
    ) -> Result<Verdict, Fault> {
        if files.is_empty() {
            say.alert(format!(
                "no file of the log of {} is in {}: set archive_mode = on and archive_command as `vex doctor` says it",
                stores.source, copy.name
            ));
            return Ok(Verdict::Alert);
        }
        let mut verdict = Verdict::Success;
        for system in files.keys() {
            let log = stores.log(system, &[files], stop)?;
            let own: Vec<&Base> = bases.all.iter().filter(|base| base.system == *system).collect();
            verdict = verdict.max(judge(&log, &own, (system, &copy.name), say));
            for name in needless(&log, &own, bases, files[system].keys().copied()) {
                copy.remove(system, name, stop)?;
                say.info(format!(
                    "removed {name} of the log in {}: no base backup needs it",
                    copy.name
                ));
            }
        }
        Ok(verdict)
    }
}

/// Tells how far the newest base backup can be brought.
fn judge(log: &Log, bases: &[&Base], (system, store): (&str, &str), say: &Say) -> Verdict {
    let count: usize = log.segments.values().map(|own| own.len()).sum();
    let Some(newest) = bases.last() else {
        say.alert(format!(
            "{count} segments of the log of the cluster {system} are in {store}, and no base backup that they add to: run a \
             `physical` step"
        ));
        return Verdict::Alert;
    };
    let along = log.newest().filter(|newest_line| log.follows(newest.start, *newest_line));
    let reach = log.reach(newest.start, along.unwrap_or(newest.start.timeline));
    let id = &newest.head.id;
    match reach {
        None => {
            say.alert(format!(
                "the log in {store} has no segment that adds to the base backup {id}"
            ));
            Verdict::Alert
        }
        Some(reach) => match reach.gap {
            None => {
                say.info(format!(
                    "{count} segments in {store}: from {id} the log leads to {}",
                    reach.end
                ));
                Verdict::Success
            }
            Some(gap) => {
                say.alert(format!(
                    "{gap} is missing in {store} and later segments are there: from {id} nothing behind {} can be recovered; \
                     take a new base backup now",
                    reach.end
                ));
                Verdict::Alert
            }
        },
    }
}

/// The files that no base backup needs: segments, and what is about them, before the first that the
/// oldest one begins in. Histories stay.
fn needless(
    log: &Log,
    own: &[&Base],
    bases: &Bases,
    files: impl Iterator<Item = WalName>,
) -> Vec<WalName> {
    let oldest = own.iter().map(|base| base.from).min();
    let Some(oldest) = oldest.filter(|_| bases.lost.is_empty() && log.size > 0) else {
        return Vec::new();
    };
    let first = oldest.0 / log.size;
    let is_before = |name: &WalName| match name {
        WalName::Segment(segment) | WalName::Partial(segment) | WalName::Backup(segment, _) => {
            segment.number(log.size).is_some_and(|number| number < first)
        }
        WalName::History(_) => false,
    };
    files.filter(is_before).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_base_or_with_one_that_cannot_be_read_nothing_is_needless() {
        let log = Log { size: 1 << 24, ..Log::default() };
        let name = WalName::parse("000000010000000000000001").expect("a name");
        let files = || [name].into_iter();
        assert!(needless(&log, &[], &Bases::default(), files()).is_empty());
        let lost = Bases { all: Vec::new(), lost: vec!["x".into()] };
        assert!(needless(&log, &[], &lost, files()).is_empty());
    }
}
