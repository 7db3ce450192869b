//! From the job file to plans, or every complaint about what it means.
//!
//! Does not know KDL, servers or stores. Edges are derived: a verify needs its copy, retention
//! needs its proof, steps on one scratch source wait for each other, a vacuum comes before its
//! backup, and `after` orders the rest.

use crate::base::{Complaint, Span, Spanned};
use crate::job::{Dump, Engine, Job, JobFile, KeyRefs, Source, SourceSpec, StepDecl, Store};
use crate::plan::chain::{
    FILES, chain_name, chain_of, check_engine, collisions, keys_of, naming, resolve_archive, root,
    same_place, store_ref, verb, which,
};
use crate::plan::draft::Draft;
use crate::plan::graph::{
    Backup, CopyPlan, Edge, Kin, Needs, Plan, SCRATCH, StepKind, Vacuum, Verify, Which,
};
use crate::plan::guarded::guarded;
use crate::plan::link::Link;
use crate::plan::log;
use crate::plan::problem;
use crate::plan::program;
use crate::plan::reference::{SourceRef, StoreRef};
use crate::plan::wal::Archive;

/// Bytes of a chunk where none are given.
const CHUNK: u64 = 4 << 20;

/// Builds the plan of every enabled job; `unusable` names are declared but can't be used.
pub fn build(file: &JobFile, unusable: &[String], complaints: &mut Vec<Complaint>) -> Vec<Plan> {
    let builder = Builder { file, unusable };
    let plans: Vec<Plan> =
        file.jobs.iter().filter(|j| j.enabled).map(|job| builder.job(job, complaints)).collect();
    collisions(file, &plans, complaints);
    log::kept_twice(file, complaints);
    plans
}

struct Builder<'a> {
    file: &'a JobFile,
    unusable: &'a [String],
}

impl Builder<'_> {
    fn job(&self, job: &Job, complaints: &mut Vec<Complaint>) -> Plan {
        let zone = job.timezone.clone().or_else(|| self.file.site.timezone.clone());
        let plan = Plan {
            job: job.name.value.clone(),
            zone,
            parallel: job.parallel,
            not_after: job.not_after,
            steps: Vec::new(),
            edges: Vec::new(),
            off: Vec::new(),
        };
        let mut draft = Draft::new(plan);
        let mut waits: Vec<(Vec<usize>, &[Spanned<String>])> = Vec::new();
        for step in &job.steps {
            let from = draft.plan.steps.len();
            let mut own = Vec::new();
            match &step.kind {
                StepDecl::Dump(dump) => self.dump(job, dump, step, &mut draft, complaints),
                StepDecl::Verify(verify) => self.verify(job, verify, step, &mut draft, complaints),
                StepDecl::Vacuum(vacuum) => self.vacuum(job, vacuum, step, &mut draft, complaints),
                StepDecl::Wal(wal) | StepDecl::Binlog(wal) => {
                    self.wal(job, wal, step, &mut draft, complaints)
                }
                StepDecl::Exec(exec) => program::add(job, exec, step, &mut draft, complaints),
            }
            if !step.enabled {
                draft.switch_off(from);
                continue;
            }
            own.extend(from..draft.plan.steps.len());
            waits.push((own, &step.after));
        }
        if job.steps.is_empty() && !problem::has_gaps(complaints) {
            complaints.push(problem::empty_job(&job.name));
        }
        for (own, after) in waits {
            for word in after {
                draft.after(&own, word, complaints);
            }
        }
        draft.vacuum_first();
        draft.verify_after_dump();
        draft.hold_apart();
        draft.told_last();
        complaints.extend(draft.cycle());
        draft.plan
    }

    /// Whether it is told already why nobody knows a name: it can't be used, or its whole block was
    /// not taken.
    fn excused(&self, word: &Spanned<String>, none: bool, complaints: &[Complaint]) -> bool {
        self.unusable.contains(&word.value) || (none && problem::has_gaps(complaints))
    }

    fn source<'s>(
        &'s self,
        word: &Spanned<String>,
        complaints: &mut Vec<Complaint>,
    ) -> Option<&'s Source> {
        let found = self.file.sources.iter().find(|s| s.name.value == word.value);
        if found.is_none() && !self.excused(word, self.file.sources.is_empty(), complaints) {
            complaints.push(problem::undefined(
                "source",
                word,
                self.file.sources.iter().map(|s| s.name.value.as_str()),
            ));
        }
        found
    }

    fn store<'s>(
        &'s self,
        word: &Spanned<String>,
        complaints: &mut Vec<Complaint>,
    ) -> Option<&'s Store> {
        let found = self.file.stores.iter().find(|s| s.name.value == word.value);
        if found.is_none() && !self.excused(word, self.file.stores.is_empty(), complaints) {
            complaints.push(problem::undefined(
                "store",
                word,
                self.file.stores.iter().map(|s| s.name.value.as_str()),
            ));
        }
        found
    }

    fn dump(
        &self,
        job: &Job,
        dump: &Dump,
        step: &crate::job::Step,
        draft: &mut Draft,
        complaints: &mut Vec<Complaint>,
    ) {
        let stores = self.stores(&dump.sends, &step.span, complaints);
        for verify in &dump.verifies {
            for word in &verify.names {
                // What is sent to was looked up above; where nothing is sent, that is told.
                let declared =
                    dump.sends.iter().flat_map(|s| &s.stores).any(|s| s.value == word.value);
                if !declared && self.store(word, complaints).is_some() && !dump.sends.is_empty() {
                    complaints.push(problem::verify_unsent(word));
                }
            }
        }
        for word in &dump.sources {
            let Some(source) = self.source(word, complaints) else { continue };
            if !source.enabled {
                complaints.push(problem::switched_off("source", word));
                draft.plan.off.push(format!("{}/{}/{}", job.name.value, verb(dump), word.value));
                continue;
            }
            if stores.is_empty() && !dump.sends.is_empty() {
                // All its stores are off, and so is the chain: a run must not be green that writes
                // nothing.
                draft.plan.off.push(format!("{}/{}/{}", job.name.value, verb(dump), word.value));
                continue;
            }
            self.chain(job, dump, step, word, source, &stores, draft, complaints);
        }
    }

    /// The stores that something is sent to.
    fn stores<'s>(
        &'s self,
        sends: &'s [crate::job::Send],
        span: &Span,
        complaints: &mut Vec<Complaint>,
    ) -> Vec<(&'s Spanned<String>, &'s Store, &'s crate::job::Send)> {
        let mut stores: Vec<(&Spanned<String>, &Store, &crate::job::Send)> = Vec::new();
        for send in sends {
            for word in &send.stores {
                if let Some((first, ..)) = stores.iter().find(|(w, ..)| w.value == word.value) {
                    complaints.push(problem::store_twice(first, word));
                    continue;
                }
                let Some(store) = self.store(word, complaints) else { continue };
                if store.enabled {
                    stores.push((word, store, send));
                } else {
                    complaints.push(problem::switched_off("store", word));
                }
            }
        }
        if sends.is_empty() && !problem::is_meant(complaints, "send") {
            complaints.push(problem::sent_nowhere(span));
        }
        stores
    }

    fn wal(
        &self,
        job: &Job,
        wal: &crate::job::Wal,
        step: &crate::job::Step,
        draft: &mut Draft,
        complaints: &mut Vec<Complaint>,
    ) {
        let stores = self.stores(&wal.sends, &step.span, complaints);
        let stores: Vec<(&Store, bool)> =
            stores.iter().map(|(_, s, send)| (*s, send.optional)).collect();
        for word in &wal.sources {
            let Some(source) = self.source(word, complaints) else { continue };
            log::add(self.file, (job, wal, step), (word, source), &stores, draft, complaints);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one chain of one dump, called once")]
    fn chain(
        &self,
        job: &Job,
        dump: &Dump,
        step: &crate::job::Step,
        word: &Spanned<String>,
        source: &Source,
        stores: &[(&Spanned<String>, &Store, &crate::job::Send)],
        draft: &mut Draft,
        complaints: &mut Vec<Complaint>,
    ) {
        let job_name = &job.name.value;
        let (name, spec) = chain_of(dump, source);
        let name = &name;
        let archive = resolve_archive(&dump.archive.or(&job.archive));
        check_engine(dump, word, source, complaints);
        let source_ref = SourceRef { name: name.clone(), spec };
        let copies: Vec<CopyPlan> =
            stores.iter().map(|(_, store, send)| self.copy(job_name, name, store, send)).collect();
        let threads = dump.threads.unwrap_or(job.threads);
        let kind = StepKind::Backup(Box::new(Backup {
            declared: source.name.value.clone(),
            source: source_ref.clone(),
            engine: dump.engine.value,
            threads,
            chunk: dump.chunk.unwrap_or(CHUNK) as usize,
            retry: dump.retry,
            rate: dump.rate,
            archive: archive.clone(),
            copies: copies.clone(),
            expect: dump.expect.clone(),
        }));
        let own = format!("{}/{}", verb(dump), source.name.value);
        let address = format!("{job_name}/{own}");
        let (names, holds) = (vec![own, verb(dump).into()], vec![source.name.value.clone()]);
        let Some(backup) =
            draft.push(address, kind, step.optional, &word.span, names, holds, complaints)
        else {
            return;
        };
        let link =
            Link { job, dump, step, source, source_ref: &source_ref, copies: &copies, backup };
        let verified = self.verifications(&link, (&archive, threads), draft, complaints);
        for ((_, store, send), copy) in stores.iter().zip(&copies) {
            let keep = send.keep.clone().or_else(|| store.keep.clone());
            if send.catch_up {
                let keep = keep.clone();
                link.catch_up((copy, keep), (&archive, threads), &word.span, draft, complaints);
            }
            let Some(keep) = keep else { continue };
            let proof = verified.iter().find(|(n, _)| *n == copy.store.name).map(|(_, i)| *i);
            link.prune((copy, keep), proof, &word.span, draft, complaints);
        }
    }

    fn reference(&self, store: &Store) -> StoreRef {
        store_ref(self.file, store)
    }

    /// One copy of a chain's backup.
    fn copy(&self, job: &str, name: &str, store: &Store, send: &crate::job::Send) -> CopyPlan {
        CopyPlan {
            store: self.reference(store),
            naming: naming(store, job, name),
            optional: send.optional,
            rate: send.rate,
            root: root(store),
            kept: send.keep.is_some() || store.keep.is_some(),
            kin: self.kin(name, store),
            address: format!("{job}/send/{name}/{}", store.name.value),
        }
    }

    /// The verifications of a chain's copies: each with its store and the index of its step.
    fn verifications(
        &self,
        link: &Link<'_>,
        (archive, threads): (&Archive, usize),
        draft: &mut Draft,
        complaints: &mut Vec<Complaint>,
    ) -> Vec<(String, usize)> {
        let &Link { job, dump, step, source, source_ref, copies, backup } = link;
        let (job_name, name) = (&job.name.value, &source_ref.name);
        let mut verified: Vec<(String, usize)> = Vec::new();
        for verify in &dump.verifies {
            for store in
                verify.names.iter().filter_map(|w| copies.iter().find(|c| c.store.name == w.value))
            {
                let into =
                    self.into(verify, dump.engine.value == Engine::Basebackup, source, complaints);
                let mut holds = Vec::new();
                holds.extend(into.as_ref().map(|i| i.name.clone()));
                let kind = StepKind::Verify(Box::new(Verify {
                    unpack: verify.unpack,
                    declared: source.name.value.clone(),
                    source: source_ref.clone(),
                    store: store.store.clone(),
                    naming: store.naming.clone(),
                    keys: KeyRefs {
                        password: archive.password.clone(),
                        previous: archive.previous.clone(),
                        identity: verify.identity.clone(),
                    },
                    guarded: guarded(self.file, into.as_ref()),
                    scratch: self.is_made(verify),
                    into,
                    asserts: verify.asserts.clone(),
                    within: source.restore_within,
                    which: Which::ThisRun,
                    kin: store.kin.clone(),
                    threads,
                }));
                let address = format!("{job_name}/verify/{name}/{}", store.store.name);
                let names = vec![
                    format!("verify/{name}/{}", store.store.name),
                    format!("verify/{name}"),
                    "verify".into(),
                ];
                let optional = verify.optional || step.optional || store.optional;
                let added =
                    draft.push(address, kind, optional, &verify.span, names, holds, complaints);
                if let Some(index) = added {
                    draft.plan.edges.push(Edge {
                        from: backup,
                        to: index,
                        needs: Needs::Copy(store.store.name.clone()),
                    });
                    verified.push((store.store.name.clone(), index));
                }
            }
        }
        verified
    }

    fn verify(
        &self,
        job: &Job,
        verify: &crate::job::Verify,
        step: &crate::job::Step,
        draft: &mut Draft,
        complaints: &mut Vec<Complaint>,
    ) {
        let store = verify.from.as_ref().and_then(|from| self.store(from, complaints));
        for word in &verify.names {
            let files = self.cluster(word);
            let Some(source) = files.or_else(|| self.source(word, complaints)) else { continue };
            let into = self.into(verify, files.is_some(), source, complaints);
            let Some(store) = store else { continue };
            let name = &word.value;
            let mut holds = Vec::new();
            holds.extend(into.as_ref().map(|i| i.name.clone()));
            let maker = self.maker(job, name, &store.name.value);
            let spec =
                maker.map_or_else(|| source.spec.clone(), |(_, dump)| chain_of(dump, source).1);
            let own = maker.map_or(&job.name.value, |(j, _)| &j.name.value);
            let naming = naming(store, own, name);
            let mut kin = self.kin(name, store);
            if kin.is_empty() {
                // Another file made it, under the name of this job.
                kin.push(Kin { job: own.clone(), naming: naming.clone() });
            }
            let made = maker.map(|(j, d)| d.archive.or(&j.archive)).unwrap_or_default();
            let kind = StepKind::Verify(Box::new(Verify {
                unpack: verify.unpack,
                declared: source.name.value.clone(),
                source: SourceRef { name: name.clone(), spec },
                store: self.reference(store),
                naming,
                keys: keys_of(made, job, verify),
                guarded: guarded(self.file, into.as_ref()),
                scratch: self.is_made(verify),
                into,
                asserts: verify.asserts.clone(),
                within: source.restore_within,
                which: which(verify.pick),
                kin,
                threads: job.threads,
            }));
            let address = format!("{}/verify/{name}/{}", job.name.value, store.name.value);
            let names = vec![
                format!("verify/{name}/{}", store.name.value),
                format!("verify/{name}"),
                "verify".into(),
            ];
            draft.push(address, kind, step.optional, &word.span, names, holds, complaints);
        }
    }

    fn vacuum(
        &self,
        job: &Job,
        vacuum: &crate::job::Vacuum,
        step: &crate::job::Step,
        draft: &mut Draft,
        complaints: &mut Vec<Complaint>,
    ) {
        for word in &vacuum.sources {
            let Some(source) = self.source(word, complaints) else { continue };
            let name = &source.name.value;
            let address = format!("{}/vacuum/{name}", job.name.value);
            if !source.enabled {
                complaints.push(problem::switched_off("source", word));
                draft.plan.off.push(address);
                continue;
            }
            match source.spec {
                SourceSpec::Postgres(_) | SourceSpec::Cluster(_) => {}
                SourceSpec::Mysql(_) | SourceSpec::Sqlite(_) | SourceSpec::Oracle(_) => {
                    complaints.push(problem::no_vacuum(word, source.spec.kind()));
                }
            }
            let reference = SourceRef { name: name.clone(), spec: source.spec.clone() };
            let kind = StepKind::Vacuum(Box::new(Vacuum { source: reference, rule: vacuum.rule }));
            let names = vec![format!("vacuum/{name}"), "vacuum".into()];
            draft.push(
                address,
                kind,
                step.optional,
                &word.span,
                names,
                vec![name.clone()],
                complaints,
            );
        }
    }

    /// All jobs of the file that send `source` to `store`.
    fn kin(&self, source: &str, store: &Store) -> Vec<Kin> {
        let sends = |job: &&Job| {
            job.steps.iter().any(|step| match &step.kind {
                StepDecl::Dump(d) => {
                    d.sources.iter().any(|s| chain_name(d, &s.value) == source)
                        && d.sends
                            .iter()
                            .flat_map(|s| &s.stores)
                            .any(|s| s.value == store.name.value)
                }
                StepDecl::Wal(_)
                | StepDecl::Binlog(_)
                | StepDecl::Verify(_)
                | StepDecl::Vacuum(_)
                | StepDecl::Exec(_) => false,
            })
        };
        let kin = |job: &Job| Kin {
            job: job.name.value.clone(),
            naming: naming(store, &job.name.value, source),
        };
        self.file.jobs.iter().filter(sends).map(kin).collect()
    }

    /// The job and dump that send `source` to `store`: this job if it does, else the first of the
    /// file.
    fn maker<'s>(&'s self, own: &'s Job, source: &str, store: &str) -> Option<(&'s Job, &'s Dump)> {
        let others = self.file.jobs.iter().filter(|j| j.name.value != own.name.value);
        std::iter::once(own).chain(others).find_map(|job| {
            let dumps = job.steps.iter().filter_map(|s| match &s.kind {
                StepDecl::Dump(dump) => Some(dump),
                StepDecl::Wal(_)
                | StepDecl::Binlog(_)
                | StepDecl::Verify(_)
                | StepDecl::Vacuum(_)
                | StepDecl::Exec(_) => None,
            });
            let fits = |d: &&Dump| {
                d.sources.iter().any(|s| chain_name(d, &s.value) == source)
                    && d.sends.iter().flat_map(|s| &s.stores).any(|s| s.value == store)
            };
            let mut fitting = dumps.filter(fits);
            fitting.next().map(|dump| (job, dump))
        })
    }

    /// The source whose files a word means: `erp-physical` those of `erp`, unless a source is
    /// called so itself.
    fn cluster<'s>(&'s self, word: &Spanned<String>) -> Option<&'s Source> {
        let is = |name: &str| self.file.sources.iter().find(|s| s.name.value == name);
        let base = word.value.strip_suffix(FILES).filter(|_| is(&word.value).is_none())?;
        is(base).filter(|source| matches!(source.spec, SourceSpec::Postgres(_)))
    }

    /// The scratch source of a verification; files have none, and nothing but files is unpacked.
    fn into(
        &self,
        verify: &crate::job::Verify,
        files: bool,
        source: &Source,
        complaints: &mut Vec<Complaint>,
    ) -> Option<SourceRef> {
        if matches!(source.spec, SourceSpec::Oracle(_)) {
            if verify.unpack || !verify.asserts.is_empty() {
                complaints.push(problem::hashes_only(&verify.span));
            }
            return verify.into.as_ref().and_then(|into| self.scratch(into, source, complaints));
        }
        match &verify.into {
            Some(_) if self.is_made(verify) => None,
            Some(into) if files => {
                complaints.push(problem::files_into(into));
                None
            }
            into => {
                if verify.unpack && !files {
                    complaints.push(problem::unpacks_nothing(&verify.span));
                }
                into.as_ref().and_then(|into| self.scratch(into, source, complaints))
            }
        }
    }

    /// Whether a verification restores into what vex makes itself: no source is called so.
    fn is_made(&self, verify: &crate::job::Verify) -> bool {
        let is = verify.into.as_ref().is_some_and(|into| into.value == SCRATCH);
        is && !self.file.sources.iter().any(|s| s.name.value == SCRATCH)
    }

    fn scratch(
        &self,
        into: &Spanned<String>,
        source: &Source,
        complaints: &mut Vec<Complaint>,
    ) -> Option<SourceRef> {
        let target = self.source(into, complaints)?;
        if !target.scratch {
            complaints.push(problem::not_scratch(into));
        } else if target.spec.kind() != source.spec.kind() {
            complaints.push(problem::other_kind(into, target.spec.kind(), source.spec.kind()));
        } else if let Some(real) =
            self.file.sources.iter().find(|s| !s.scratch && same_place(&s.spec, &target.spec))
        {
            complaints.push(problem::scratch_is_real(into, &real.name));
        }
        Some(SourceRef { name: target.name.value.clone(), spec: target.spec.clone() })
    }
}
