//! Proves one copy: reads it back, or restores it into a scratch source and recounts it there.
//!
//! The finding, good or bad, is written beside the artifact before the step ends; the store alone
//! knows it then.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::artifact::{Damage, Head, Level, Manifest, PROOF_FORMAT, ProofLine};
use crate::base::Stop;
use crate::job::SourceSpec;
use crate::pipeline::{self, Fetch, Meter};
use crate::plan::{Kin, SCRATCH, SourceRef, Verify, Which};
use crate::record::{Event, ProofFacts, Verdict};
use crate::recover::{
    Assembled, Assembly, Fault, Names, Opened, choose, facts, is_own, key_of, load_all,
    open_target, restore_into, watched,
};
use crate::run::{Done, Say};
use crate::shelf::{Contents, Notes, Reading, Shelf, Shelved, groups, lineage};
use crate::source::{self, Control, Owner, Private, Wanted};
use crate::step::drill::Drill;
use crate::step::perform::Steps;
use crate::store::contract::Store;

impl Steps {
    /// Performs a verification.
    pub(super) fn verify(&self, verify: &Verify, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let began = (self.world.clock.now(), Instant::now());
        let store = self.store(&verify.store, stop)?;
        let maker = self.made(&verify.source.name, &verify.store.name);
        // Before anything is chosen: what is found then stays until it was read.
        let wide = verify.which != Which::ThisRun || verify.unpack;
        let folders = verify.kin.iter().filter(|_| wide).map(|kin| kin.naming.folder());
        let folders: Vec<&str> = folders.chain([verify.naming.folder()]).collect();
        let holder = self.holder(&format!("verification of job {}", self.job));
        let (reading, remark) = Reading::begin(&store, &folders, &holder, stop);
        let (shelf, head) = match (verify.which, maker) {
            (Which::ThisRun, Some(head)) => {
                (Shelf::new(store, verify.naming.clone(), &self.job, &verify.source.name), head)
            }
            (Which::ThisRun, None) => panic!("BUG: a copy to verify that was not made"),
            (Which::Latest | Which::Random, _) => self.kept(verify, store, say, stop)?,
        };
        let (damage, late) = match verify.scratch {
            true => self.scratch_drill(verify, (&shelf, &head), began, say, stop)?,
            false => self.judged(verify, (&shelf, &head), began, say, stop)?,
        };
        let remarks: Vec<String> = remark.into_iter().chain(reading.end()).collect();
        if damage.is_empty() {
            let told = remarks.iter().map(|_| Verdict::Alert).max();
            let told = told.or(late.then_some(Verdict::Alert));
            remarks.into_iter().for_each(|remark| say.alert(remark));
            return Ok(Done { verdict: told.unwrap_or(Verdict::Success), ..Done::well() });
        }
        Err(Fault::Unproven { title: head.key.clone(), damage })
    }

    /// Drills into what vex makes for it. One that could not be made is a drill that failed, too.
    fn scratch_drill(
        &self,
        verify: &Verify,
        (shelf, head): (&Shelf, &Head),
        began: (Timestamp, Instant),
        say: &Say,
        stop: &Stop,
    ) -> Result<(Vec<Damage>, bool), Fault> {
        let told = Cell::new(false);
        let ended = match source::is_files(&head.kind) {
            true => self.drill_files(verify, (shelf, head), (began, &told), say, stop),
            false => self.in_scratch(verify, head, say, stop, &mut |own| {
                told.set(true);
                self.judged(own, (shelf, head), began, say, stop)
            }),
        };
        match ended {
            Err(fault) if !told.get() => {
                let into = SourceRef { name: SCRATCH.to_owned(), spec: verify.source.spec.clone() };
                let drill = Drill { verify, into: &into, head, began };
                self.drilled(&drill, Err(fault), say, stop)
            }
            ended => ended,
        }
    }

    /// Proves one copy; what was restored is asked, and told as a drill. Returns what is damaged, and
    /// whether it took too long.
    fn judged(
        &self,
        verify: &Verify,
        (shelf, head): (&Shelf, &Head),
        began: (Timestamp, Instant),
        say: &Say,
        stop: &Stop,
    ) -> Result<(Vec<Damage>, bool), Fault> {
        match &verify.into {
            // Where RMAN only reads, nothing is restored.
            Some(into) if !head.is_pieces() => {
                let drill = Drill { verify, into, head, began };
                self.proven_drill(&drill, shelf, say, stop)
            }
            Some(_) | None => Ok((self.prove(verify, shelf, head, say, stop)?, false)),
        }
    }

    /// Makes what the backup is restored into, hands the verification with it to `work`, and takes
    /// it away again.
    fn in_scratch<T>(
        &self,
        verify: &Verify,
        head: &Head,
        say: &Say,
        stop: &Stop,
        work: &mut dyn FnMut(&Verify) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let staging = self.world.staging();
        let wanted = Wanted { spec: &verify.source.spec, version: &head.server, staging: &staging };
        let mut with = |spec: &SourceSpec| {
            let into = SourceRef { name: SCRATCH.to_owned(), spec: spec.clone() };
            work(&Verify { into: Some(into), ..verify.clone() })
        };
        source::in_scratch(&wanted, &|line| say.info(line), &mut with, stop)
    }

    /// Proves one copy by a drill. What was restored and does not answer as the job asserts is proven
    /// to be what was dumped, and not to be a restore that anybody wants: *read*.
    fn proven_drill(
        &self,
        drill: &Drill<'_>,
        shelf: &Shelf,
        say: &Say,
        stop: &Stop,
    ) -> Result<(Vec<Damage>, bool), Fault> {
        let (level, damage) = match self.found(drill.verify, shelf, drill.head, say, stop) {
            Ok(found) => found,
            Err(fault) => return self.drilled(drill, Err(fault), say, stop),
        };
        let ended = self.drilled(drill, Ok(damage.clone()), say, stop);
        let level = if ended.is_err() { level.min(Level::Read) } else { level };
        self.keep_found(drill.verify, shelf, drill.head, (level, &damage), say, stop)?;
        ended
    }

    /// Proves one copy, and keeps what was found beside it; returns what is damaged.
    pub(super) fn prove(
        &self,
        verify: &Verify,
        shelf: &Shelf,
        head: &Head,
        say: &Say,
        stop: &Stop,
    ) -> Result<Vec<Damage>, Fault> {
        let (level, damage) = self.found(verify, shelf, head, say, stop)?;
        self.keep_found(verify, shelf, head, (level, &damage), say, stop)?;
        Ok(damage)
    }

    /// What is found of one copy.
    fn found(
        &self,
        verify: &Verify,
        shelf: &Shelf,
        head: &Head,
        say: &Say,
        stop: &Stop,
    ) -> Result<(Level, Vec<Damage>), Fault> {
        self.examine(verify, shelf, head, say, stop).or_else(|fault| {
            let level = if head.is_pieces() { Level::Hashed } else { Level::Read };
            Ok((level, vec![fault.damage()?]))
        })
    }

    /// Keeps what was found of one copy beside it.
    fn keep_found(
        &self,
        verify: &Verify,
        shelf: &Shelf,
        head: &Head,
        (level, damage): (Level, &[Damage]),
        say: &Say,
        stop: &Stop,
    ) -> Result<(), Fault> {
        // What a scratch server refuses, or writes otherwise, is no damage of the backup.
        if !damage.is_empty() && !damage.iter().any(is_own) {
            return Ok(());
        }
        let into = verify.into.as_ref().map(|i| i.name.clone());
        let into = into.or(verify.unpack.then(|| "pg_verifybackup".to_owned()));
        self.note_proof(shelf, head, level, into, damage, verify, say, stop)
    }

    /// Reads or restores all of a backup; says how deep that went, and what is damaged. An error is
    /// what it could not be read for.
    fn examine(
        &self,
        verify: &Verify,
        shelf: &Shelf,
        head: &Head,
        say: &Say,
        stop: &Stop,
    ) -> Result<(Level, Vec<Damage>), Fault> {
        if head.is_pieces() {
            return self.examine_pieces(verify, shelf, head, say, stop);
        }
        let key = key_of(&verify.keys, head, stop)?;
        let meter = Meter::default();
        let own = shelf.store().clone();
        if head.sealed_by_age() && key.is_none() {
            return unopened(verify, own.as_ref(), head, &meter, say, stop);
        }
        let contents = Contents::open(own.as_ref(), head, stop)?;
        // What is only read is read stretch by stretch; what is restored is loaded.
        let manifest = match verify.into.is_some() || verify.unpack {
            true => contents.load(own.as_ref(), &vec![true; contents.members.len()], stop)?,
            false => contents.bare(),
        };
        let opened = Opened::new(own.as_ref(), &contents);
        let fetch =
            Fetch { store: own.as_ref(), manifest: &manifest, key: key.as_ref(), meter: &meter };
        match &verify.into {
            None => {
                let dialect = source::dialect(&head.kind).ok_or_else(|| unknown_kind(head))?;
                let read = watched(&meter, say, stop, &|| {}, |stop| {
                    pipeline::verify(&fetch, &opened, dialect, verify.threads, stop)
                })?;
                Ok(match verify.unpack && read.is_empty() {
                    true => (Level::Restored, self.unpacked(verify, shelf, &fetch, say, stop)?),
                    false => (Level::Read, read),
                })
            }
            Some(into) => {
                let target = self.source(into, stop)?;
                self.must_be_scratch(verify, into, target.as_ref(), head, stop)?;
                let mut choice = choose(&manifest, Names::default(), None, true)?;
                choice.loading.scratch = true;
                let opened = open_target(target.as_ref(), &choice, verify.threads, stop)
                    .map_err(Fault::before_writing)?;
                let opened = opened.as_ref();
                let restored = restore_into(&fetch, opened, &choice, &meter, Some(say), stop)?;
                for remark in restored.remarks {
                    say.info(remark);
                }
                for line in &restored.outcome.noted {
                    say.alert(line);
                }
                Ok((Level::Restored, restored.outcome.differences()))
            }
        }
    }

    /// The newest backup of the source in the store, whichever job of the file made it; or any of
    /// them, by chance.
    fn kept(
        &self,
        verify: &Verify,
        store: Arc<dyn Store>,
        say: &Say,
        stop: &Stop,
    ) -> Result<(Shelf, Head), Fault> {
        let doing = || format!("verify {} in {}", verify.source.name, verify.store.name);
        let mut found: Vec<(usize, Shelved)> = Vec::new();
        let mut notes = Notes::default();
        let shelf_of = |kin: &Kin| {
            Shelf::new(store.clone(), kin.naming.clone(), &kin.job, &verify.source.name)
        };
        for (index, kin) in verify.kin.iter().enumerate() {
            let listing = shelf_of(kin).list(stop)?;
            notes.adopts.extend(listing.notes.adopts);
            notes.machines.extend(listing.notes.machines);
            found.extend(listing.artifacts.into_iter().map(|a| (index, a)));
        }
        found.retain(|(_, a)| !a.is_damaged());
        let all: Vec<&Shelved> = found.iter().map(|(_, a)| a).collect();
        let (host, now) = (self.world.host(), store.now(stop)?);
        let mut groups = groups(&all, &notes, &host, Some(&self.file), now);
        if groups.len() > 1 {
            // Only the source itself can say which of them is its own.
            let origin = self.source(&verify.source, stop)?.origin(stop)?;
            groups.retain(|g| {
                g.artifacts.iter().any(|i| {
                    all[*i].head.origin.as_ref().is_some_and(|other| origin.is_same(other))
                })
            });
        }
        let newest = match groups.as_slice() {
            [] => None,
            [only] if verify.which == Which::Random => self.any(&only.artifacts, &all, say),
            [only] => only.artifacts.iter().max_by_key(|i| (all[**i].moment(), &all[**i].head.id)),
            several => {
                let labels: Vec<&str> = several.iter().map(|g| g.label.as_str()).collect();
                return Err(Fault::Nothing {
                    doing: doing(),
                    found: format!("several databases have backups there: {}", labels.join(", ")),
                    hint: Some("Say which is continued with `vex adopt`.".into()),
                });
            }
        };
        let newest = newest.ok_or_else(|| Fault::Nothing {
            doing: doing(),
            found: "there is no backup".into(),
            hint: Some("Run the job that makes it first.".into()),
        })?;
        let (kin, artifact) = &found[*newest];
        Ok((shelf_of(&verify.kin[*kin]), artifact.head.clone()))
    }

    /// One of several, by chance; which, and of how many, is told.
    fn any<'a>(&self, of: &'a [usize], all: &[&Shelved], say: &Say) -> Option<&'a usize> {
        let count = u32::try_from(of.len()).unwrap_or(u32::MAX).max(1);
        let number = self.world.entropy.bits() % count;
        let taken = of.get(number as usize)?;
        say.info(format!("takes {} by chance, one of {count}", all[*taken].head.id));
        Some(taken)
    }

    /// Unpacks a physical backup in the state folder, and all that it adds to, and has PostgreSQL
    /// check its files.
    fn unpacked(
        &self,
        verify: &Verify,
        shelf: &Shelf,
        fetch: &Fetch<'_>,
        say: &Say,
        stop: &Stop,
    ) -> Result<Vec<Damage>, Fault> {
        let private = Private::create(&self.world.staging())?;
        let place = (&private, Owner::us());
        Ok(self.assembled(verify, shelf, fetch, place, say, stop)?.damage)
    }

    /// Unpacks a physical backup in a folder, and all that it adds to, for a user of this machine, and
    /// has PostgreSQL check its files.
    pub(super) fn assembled(
        &self,
        verify: &Verify,
        shelf: &Shelf,
        fetch: &Fetch<'_>,
        (private, owner): (&Private, Owner),
        say: &Say,
        stop: &Stop,
    ) -> Result<Assembled, Fault> {
        let SourceSpec::Cluster(spec) = &verify.source.spec else {
            return Err(no_cluster(verify));
        };
        let all = beside(verify, shelf, stop)?;
        let own = all.iter().find(|a| a.head.key == fetch.manifest.head.key);
        let chain = own.map_or_else(|| Err(fetch.manifest.head.id.clone()), |a| lineage(&all, a));
        let chain =
            chain.map_err(|id| Damage::Manifest(format!("{id}, which it adds to, is gone")))?;
        let meter = Meter::default();
        let store = shelf.store().as_ref();
        let of = |a: &Shelved| load_all(store, &a.head, stop);
        let manifests: Vec<Manifest> = chain.into_iter().map(of).collect::<Result<_, _>>()?;
        let chain = manifests.iter().map(|manifest| Fetch { manifest, meter: &meter, ..*fetch });
        let chain: Vec<Fetch<'_>> = chain.collect();
        let bytes: u64 = chain.iter().map(|f| f.manifest.head.totals.raw).sum();
        private
            .has_room(if chain.len() > 1 { bytes * 2 } else { bytes }, "or read it back only")?;
        let facts = facts(fetch, stop)?;
        let folder = private.path().join("files");
        let spaces = facts
            .tablespaces
            .iter()
            .map(|t| (t.clone(), private.path().join(format!("space-{}", t.oid))));
        let control = Control { tools: spec.server.tools.clone(), major: facts.major(), owner };
        let assembly = Assembly { chain, folder, spaces: spaces.collect(), control };
        say.info(format!(
            "unpacks {} backups in {}",
            assembly.chain.len(),
            private.path().display()
        ));
        assembly.make(stop)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one proof")]
    pub(super) fn note_proof(
        &self,
        shelf: &Shelf,
        head: &Head,
        level: Level,
        into: Option<String>,
        damage: &[Damage],
        verify: &Verify,
        say: &Say,
        stop: &Stop,
    ) -> Result<(), Fault> {
        let damage: Vec<String> = damage.iter().map(ToString::to_string).collect();
        let proof = ProofLine {
            format: PROOF_FORMAT,
            id: head.id.clone(),
            level,
            at: self.world.clock.now(),
            good: damage.is_empty(),
            damage,
            host: self.world.host(),
            into,
        };
        shelf.prove(head, &proof, stop)?;
        let facts = ProofFacts::of(&proof, &head.source, &verify.store.name);
        say.event(Event::Proved { step: say.step(), proof: facts });
        Ok(())
    }
}

/// What the store holds of the source: what a backup adds to may be of another job.
pub(super) fn beside(verify: &Verify, shelf: &Shelf, stop: &Stop) -> Result<Vec<Shelved>, Fault> {
    let mut all = shelf.list(stop)?.artifacts;
    for kin in verify.kin.iter().filter(|kin| kin.naming.folder() != shelf.naming().folder()) {
        all.extend(shelf.sibling(&kin.naming, &kin.job).list(stop)?.artifacts);
    }
    Ok(all)
}

/// What can be said of a backup that nothing opens: its bytes are hashed, and nothing is restored.
fn unopened(
    verify: &Verify,
    store: &dyn Store,
    head: &Head,
    meter: &Meter,
    say: &Say,
    stop: &Stop,
) -> Result<(Level, Vec<Damage>), Fault> {
    if let Some(into) = &verify.into {
        return Err(sealed(head, &into.name));
    }
    let hashed =
        watched(meter, say, stop, &|| {}, |stop| pipeline::hashed(store, head, meter, stop))?;
    Ok((Level::Hashed, hashed))
}

/// Files of a cluster whose server this job file does not name.
pub(super) fn no_cluster(verify: &Verify) -> Fault {
    let source = &verify.source.name;
    Fault::Nothing {
        doing: format!("unpack the files of {source}"),
        found: format!("{source} is declared here as what has rows, and this backup is the files of a cluster"),
        hint: Some("Verify it in the job file that has its `physical` step, or declare that step here with `enabled=#false`.".into()),
    }
}

/// A backup that nothing opens can't be restored.
pub(super) fn sealed(head: &Head, into: &str) -> Fault {
    Fault::Nothing {
        doing: format!("restore {} into {into}", head.id),
        found: "it is sealed for recipients of age, and no identity opens it; nothing was restored"
            .into(),
        hint: Some("Add `identity=(file)\"…\"` to the verification.".into()),
    }
}

fn unknown_kind(head: &Head) -> Fault {
    Fault::Damage(Damage::Manifest(format!(
        "it is of kind {}, which this vex does not know",
        head.kind.escape_debug()
    )))
}
