//! The chain `rman ▷ send…` of one Oracle database: RMAN writes pieces into a staging folder, each is
//! sent as soon as it is whole, and one head lists them.
//!
//! Invariants: what RMAN said decides, never its exit code alone; a head is written only when every
//! piece that the database knows of this run was sent; archived logs are deleted only after that,
//! and only if no copy that must be there is missing; the staging folder goes last.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use crate::artifact::{
    ALGORITHM, FORMAT, Head, Holds, ObjectLine, Origin, PIECES, PieceLine, Position, Proof,
    SEALED_PIECES, Sealing, Totals, UnitSum, piece_key, piece_prefix, piece_tag,
};
use crate::base::{Id, Stop};
use crate::job::{OracleSpec, Rman, RmanLevel, SourceSpec};
use crate::pipeline::{self, Meter};
use crate::plan::Backup;
use crate::record::{ArtifactFacts, DumpFacts, Event, Verdict};
use crate::recover::{Fault, watched};
use crate::run::{Done, Say};
use crate::source::contract::{Error, ErrorKind, Hear};
use crate::source::{
    Asking, BackupScript, Database, Oracle, Private, backup_script, delete_script, forget_script,
    oracle_version,
};
use crate::step::copies::{Copies, PieceCopy, briefly};
use crate::step::perform::Steps;
use crate::step::piece_send::{PieceSender, Sent};
use crate::step::rman_parent::RmanGround;
use crate::store::contract::Error as StoreError;
use crate::world::failpoint;

/// Pieces that wait to be sent, at most.
const WAITING: usize = 1024;

/// Workers that send pieces.
const SENDERS: usize = 4;

/// Archived logs that are older are deleted. A backup that took longer may not know some of them.
const AGED: SignedDuration = SignedDuration::from_hours(24);

/// What no backup of RMAN holds.
const NOT_INCLUDED: &str = "the password file, wallets and network configuration of the server";

/// One backup while it is made.
pub(super) struct Run<'a> {
    backup: &'a Backup,
    rman: Rman,
    /// What seals its pieces.
    seal: Option<Sealing>,
    pub(super) oracle: Oracle,
    private: Private,
    /// Held while the backup is made.
    _lock: File,
    database: Database,
    origin: Origin,
    /// What the names of its pieces begin with.
    prefix: String,
    hear: Hear,
}

/// What RMAN made, and what of it was sent.
pub(super) struct Written {
    pub(super) sent: Vec<Sent>,
    pub(super) copies: Vec<PieceCopy>,
    warnings: Vec<String>,
    /// Logs between the backups that no backup has.
    pub(super) gaps: Vec<String>,
    pub(super) facts: BTreeMap<String, (u64, PieceLine)>,
}

impl Steps {
    /// Performs a backup with RMAN.
    pub(super) fn rman(
        &self,
        backup: &Backup,
        rman: Rman,
        say: &Say,
        stop: &Stop,
    ) -> Result<Done, Fault> {
        let started = self.world.clock.now();
        let SourceSpec::Oracle(spec) = &backup.source.spec else {
            panic!("BUG: RMAN of a source that is no Oracle database");
        };
        let (run, policy) = self.rman_run(backup, rman, spec, say, stop)?;
        let mut copies = Copies::open(self, (&backup.source.name, &backup.copies), say, stop)?;
        let parents = self.keep_parents(backup, &copies, stop);
        let ground =
            self.rman_ground(backup, &copies, &run.origin, run.database.resetlogs, stop)?;
        let (level, forced) = self.decide_level(&run, &ground, say, stop)?;
        let own = (self.run.clone(), backup.source.name.as_str());
        let begun = copies.begin_pieces(&self.marker(), &self.zone, stop)?;
        self.tell_begun(&run, &copies, started, say);
        let Some((name, targets)) = begun else {
            return Ok(copies.report(own, 0, say));
        };
        let made = self
            .write_pieces(&run, (&name, targets), level, &copies, say, stop)
            .and_then(|written| self.judge_pieces(&run, written, level, &ground))
            .and_then(|written| self.with_logs(&run, written, (level, started), &ground));
        let written = match made {
            Ok(written) => written,
            Err(fault) => {
                briefly(|brief| copies.give_up_pieces(&self.run, brief));
                self.forget_own(&run, say, stop);
                return Err(fault);
            }
        };
        let parent = ground.parent.filter(|_| level == RmanLevel::Incremental);
        let head = self.rman_head(&run, started, parent.map(|p| p.head.id), &written);
        failpoint("pieces sent");
        let bytes = self.commit_rman(&mut copies, &head, &written, say, stop);
        failpoint("pieces committed");
        copies.tell_stores(&|| self.random_id(), say, stop);
        let others = self.tell_unkept(backup, say, stop);
        let mut done = copies.report(own, bytes, say);
        done.verdict = done.verdict.max(others);
        let warnings = written.warnings.into_iter().map(warned).chain(forced).chain(written.gaps);
        for remark in parents.end().into_iter().chain(warnings) {
            done.verdict = done.verdict.max(Verdict::Alert);
            say.alert(remark);
        }
        if done.verdict < Verdict::Error {
            let deleted = self.delete_logs(&run, policy, started, say, stop);
            done.verdict = done.verdict.max(deleted);
        } else {
            say.info("no archived log is deleted: not every copy was made");
        }
        failpoint("staging removed before");
        Ok(done)
    }

    fn tell_begun(&self, run: &Run<'_>, copies: &Copies<'_>, started: Timestamp, say: &Say) {
        let dump = DumpFacts {
            id: self.run.clone(),
            source: run.backup.source.name.clone(),
            server: oracle_version(&run.database),
            units: vec![run.database.name.clone()],
            name: copies.name().unwrap_or_default().to_owned(),
            started,
        };
        say.event(Event::Dumping { step: say.step(), dump });
    }

    /// Writes the heads of the copies that have every piece; returns the bytes of one.
    fn commit_rman(
        &self,
        copies: &mut Copies<'_>,
        head: &Head,
        written: &Written,
        say: &Say,
        stop: &Stop,
    ) -> u64 {
        let Some(name) = copies.name().map(str::to_owned) else { return 0 };
        let objects = objects(written, &name);
        let first = objects.iter().find_map(|of| of.as_ref().ok()).cloned().unwrap_or_default();
        let shown = Head { objects: first, key: name, ..head.clone() };
        let facts = ArtifactFacts::of(&shown, &[]);
        say.event(Event::Artifact { step: say.step(), artifact: facts });
        for (store, head) in copies.commit_pieces(objects, head, stop) {
            self.note_made(&head.source.clone(), &store, head);
        }
        shown.bytes()
    }

    /// Opens the database, and refuses what could not become a good backup. Says whether it has a
    /// policy of its own for archived logs.
    fn rman_run<'a>(
        &self,
        backup: &'a Backup,
        rman: Rman,
        spec: &OracleSpec,
        say: &Say,
        stop: &Stop,
    ) -> Result<(Run<'a>, bool), Fault> {
        let oracle = Oracle::open(spec, &self.world)?;
        let seal = self.seal(&backup.archive, stop)?;
        let lock = oracle.lock("back up")?;
        let private = oracle.private()?;
        let (database, configuration) = oracle.preflight(&private, stop)?;
        let voice = say.clone();
        let run = Run {
            backup,
            rman,
            seal,
            origin: oracle.origin_of(&database),
            prefix: piece_prefix(&backup.source.name, &self.run),
            hear: Arc::new(move |line: &str| voice.engine(line)),
            oracle,
            private,
            _lock: lock,
            database,
        };
        Ok((run, configuration.policy.is_some()))
    }

    /// Has RMAN forget what is in no store, and decides which level can be taken.
    fn decide_level(
        &self,
        run: &Run<'_>,
        ground: &RmanGround,
        say: &Say,
        stop: &Stop,
    ) -> Result<(RmanLevel, Option<String>), Fault> {
        let asking = Asking { instance: run.oracle.instance(), private: &run.private, stop };
        let known = asking.handles(&format!("/vex_{}_", run.backup.source.name))?;
        let strange = ground.not_stored(&known, &run.backup.source.name);
        if !strange.is_empty() {
            say.info(format!(
                "RMAN forgets {} pieces that are not whole in every store",
                strange.len()
            ));
            let script = forget_script(&strange);
            let doing = "have RMAN forget pieces of";
            run.oracle.run(doing, &script, &run.private, run.hear.clone(), stop)?;
        }
        if run.rman.level == RmanLevel::Full {
            return Ok((RmanLevel::Full, None));
        }
        if ground.parent.is_none() {
            say.info("a full backup: no earlier one is whole in every store");
            return Ok((RmanLevel::Full, None));
        }
        Ok(match ground.why_full(&known) {
            None => (RmanLevel::Incremental, None),
            Some(why) => {
                (RmanLevel::Full, Some(format!("a full backup instead of an increment: {why}")))
            }
        })
    }

    /// Has RMAN forget what a failed run wrote, which goes with the staging folder: nobody must take
    /// a log for backed up that is not. What can't be done now is done by the next run.
    fn forget_own(&self, run: &Run<'_>, say: &Say, stop: &Stop) {
        if stop.is_stopped() {
            return;
        }
        let asking = Asking { instance: run.oracle.instance(), private: &run.private, stop };
        let forgotten = asking.handles(&format!("/{}", run.prefix)).and_then(|known| {
            if known.is_empty() {
                return Ok(Vec::new());
            }
            let doing = "have RMAN forget pieces of";
            run.oracle.run(doing, &forget_script(&known), &run.private, run.hear.clone(), stop)
        });
        if let Err(error) = forgotten {
            say.info(format!("RMAN still counts on what is given up: {error}"));
        }
    }

    /// Has RMAN write the pieces, and sends each.
    fn write_pieces(
        &self,
        run: &Run<'_>,
        (name, copies): (&str, Vec<PieceCopy>),
        level: RmanLevel,
        begun: &Copies<'_>,
        say: &Say,
        stop: &Stop,
    ) -> Result<Written, Fault> {
        let tag = piece_tag(&self.run);
        let script = backup_script(&BackupScript {
            rman: run.rman,
            level,
            tag: &tag,
            folder: run.private.path(),
            prefix: &run.prefix,
            channels: run.oracle.channels(run.backup.threads),
        });
        let meter = Meter::default();
        let refresh = || begun.refresh(&self.marker(), stop);
        failpoint("rman before");
        let written = watched(&meter, say, stop, &refresh, |stop| {
            let sender = PieceSender {
                name,
                copies: &copies,
                seal: run.seal.as_ref(),
                meter: &meter,
                sent: Mutex::default(),
            };
            let warnings = send_all(run, &script, &sender, stop)?;
            Ok((sender.sent.into_inner().expect("no panic while locked"), warnings))
        });
        failpoint("rman after");
        let (mut sent, warnings) = written?;
        sent.sort_by(|a, b| a.path.cmp(&b.path));
        let asking = Asking { instance: run.oracle.instance(), private: &run.private, stop };
        let facts = asking.pieces(&format!("/{}", run.prefix), &run.database)?;
        Ok(Written { sent, copies, warnings, gaps: Vec::new(), facts })
    }

    pub(super) fn rman_head(
        &self,
        run: &Run<'_>,
        started: Timestamp,
        parent: Option<Id>,
        written: &Written,
    ) -> Head {
        let lines = || written.facts.values().map(|(_, line)| line);
        let data = || lines().filter(|l| l.holds == Holds::Data);
        let raw = written.sent.iter().map(Sent::file_bytes).sum();
        let seal = run.seal.as_ref().map(|seal| self.sealed_by(&run.backup.source.name, seal));
        let needs = [Some(PIECES), seal.as_ref().map(|_| SEALED_PIECES)];
        let position = Position::Oracle {
            dbid: run.database.dbid,
            resetlogs: run.database.resetlogs,
            start: data().map(|l| l.start).min().unwrap_or_default(),
            stop: lines().map(|l| l.to).max().unwrap_or_default(),
        };
        let unit =
            UnitSum { name: run.database.name.clone(), tables: 0, raw, proof: Proof::default() };
        Head {
            format: FORMAT,
            needs: needs.into_iter().flatten().map(str::to_owned).collect(),
            id: self.run.clone(),
            job: self.job.clone(),
            file: Some(self.file.clone()),
            source: run.backup.source.name.clone(),
            kind: run.backup.source.spec.kind().to_owned(),
            origin: Some(run.origin.clone()),
            key: String::new(),
            host: self.world.host(),
            vex: env!("CARGO_PKG_VERSION").to_owned(),
            server: oracle_version(&run.database),
            started,
            finished: self.world.clock.now(),
            seal,
            totals: Totals {
                units: 1,
                entries: written.sent.len() as u64,
                raw,
                ..Totals::default()
            },
            units: vec![unit],
            inconsistent: Vec::new(),
            not_included: vec![NOT_INCLUDED.to_owned()],
            lost: 0,
            cut: false,
            lag: None,
            position: Some(position),
            parent,
            digest: ALGORITHM.to_owned(),
            objects: Vec::new(),
            index: None,
        }
    }

    /// Deletes archived logs that are old and backed up; what stays is an alert.
    fn delete_logs(
        &self,
        run: &Run<'_>,
        policy: bool,
        started: Timestamp,
        say: &Say,
        stop: &Stop,
    ) -> Verdict {
        if self.world.clock.now().duration_since(started) >= AGED {
            say.alert("no archived log is deleted: the backup took longer than a day");
            return Verdict::Alert;
        }
        failpoint("logs deleted before");
        let doing = "delete archived logs of";
        let script = delete_script(policy);
        let deleted = run.oracle.run(doing, &script, &run.private, run.hear.clone(), stop);
        failpoint("logs deleted after");
        let told = match deleted {
            Ok(warnings) => warnings.into_iter().map(warned).collect(),
            Err(error) => vec![format!("archived logs stay: {error}")],
        };
        told.iter().for_each(|text| say.alert(text.clone()));
        if told.is_empty() { Verdict::Success } else { Verdict::Alert }
    }
}

fn warned(line: String) -> String {
    format!("rman warned: {line}")
}

/// Runs RMAN, and sends what it writes until both are done; returns what RMAN warned of.
fn send_all(
    run: &Run<'_>,
    script: &str,
    sender: &PieceSender<'_>,
    stop: &Stop,
) -> Result<Vec<String>, pipeline::Error> {
    let (to, pieces) = crossbeam_channel::bounded::<PathBuf>(WAITING);
    let none_left = stop.child();
    let unread: Mutex<Option<String>> = Mutex::default();
    let ended = std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                if let Err(why) = sender.work(&pieces, &none_left, stop) {
                    unread.lock().expect("no panic while locked").get_or_insert(why);
                    none_left.stop();
                }
                // Whoever hands over pieces must never wait for nobody.
                pieces.iter().for_each(drop);
            });
        }
        let _wait = sender.meter.wait("RMAN");
        let mut hand = |path: PathBuf| drop(to.send(path));
        let ended =
            run.oracle.backup(script, &run.private, run.hear.clone(), &mut hand, &none_left);
        drop(to);
        ended
    });
    if let Some(why) = unread.into_inner().expect("no panic while locked") {
        stop.check()?;
        let doing = format!("read a piece of {}", run.oracle.instance().place());
        return Err(Error::new(ErrorKind::Failed, doing, why).into());
    }
    let failed = |c: &PieceCopy| c.failed.lock().expect("no panic while locked").is_some();
    match ended {
        // It was the stores that failed: each has its line.
        Err(_) if sender.copies.iter().all(failed) && !stop.is_stopped() => Ok(Vec::new()),
        ended => Ok(ended?),
    }
}

/// Of each copy, its objects, or why it has not all of them.
fn objects(written: &Written, name: &str) -> Vec<Result<Vec<ObjectLine>, StoreError>> {
    let of = |copy: &PieceCopy| {
        if let Some(error) = copy.failed.lock().expect("no panic while locked").take() {
            return Err(error);
        }
        let object = |sent: &Sent| {
            let (_, line) = written.facts.get(&sent.path.display().to_string())?;
            Some(ObjectLine {
                key: piece_key(&copy.root, name, &format!("{}{}", line.name, sent.ending)),
                bytes: sent.bytes,
                sha256: sent.sha256.clone(),
                tail: String::new(),
                tail_from: 0,
                directory: 0,
                piece: Some(PieceLine { plain: sent.plain.clone(), ..line.clone() }),
            })
        };
        Ok(written.sent.iter().filter_map(object).collect())
    };
    written.copies.iter().map(of).collect()
}
