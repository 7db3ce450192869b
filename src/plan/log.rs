//! The logs of servers: where they go, and which base backups they add to.
//!
//! Knows names only. Invariant: the log of a server has one place in a job file, since the server
//! calls for it by the name of its source alone; bases of any job count.

use crate::base::{Complaint, Span, Spanned};
use crate::job::{
    ArchiveSpec, Engine, Job, JobFile, KeyRefs, Source, SourceSpec, Step, StepDecl, Store, Wal,
};
use crate::plan::chain::{chain_name, naming, resolve_archive, root, store_ref};
use crate::plan::draft::Draft;
use crate::plan::graph::StepKind;
use crate::plan::problem;
use crate::plan::reference::{SourceRef, StorePlace};
use crate::plan::wal::{LogCopy, Wal as WalPlan};

/// Adds the step of a server's log.
pub fn add(
    file: &JobFile,
    (job, wal, step): (&Job, &Wal, &Step),
    (word, source): (&Spanned<String>, &Source),
    stores: &[(&Store, bool)],
    draft: &mut Draft,
    complaints: &mut Vec<Complaint>,
) {
    let name = &source.name.value;
    let is_binlog = matches!(step.kind, StepDecl::Binlog(_));
    let verb = if is_binlog { "binlog" } else { "wal" };
    let address = format!("{}/{verb}/{name}", job.name.value);
    if !source.enabled || stores.is_empty() {
        if !source.enabled {
            complaints.push(problem::switched_off("source", word));
        }
        draft.plan.off.push(address);
        return;
    }
    match (&source.spec, is_binlog) {
        (SourceSpec::Postgres(_) | SourceSpec::Cluster(_), false)
        | (SourceSpec::Mysql(_), true) => {}
        (_, false) => {
            complaints.push(problem::no_wal(word, source.spec.kind()));
            return;
        }
        (_, true) => {
            complaints.push(problem::no_binlog(word, source.spec.kind()));
            return;
        }
    }
    let copies = stores.iter().map(|(store, optional)| LogCopy {
        store: store_ref(file, store),
        root: root(store),
        optional: *optional,
    });
    let plan = Box::new(WalPlan {
        source: SourceRef { name: name.clone(), spec: source.spec.clone() },
        archive: resolve_archive(&wal.archive.or(&job.archive)),
        copies: copies.collect(),
        bases: bases(file, name, is_binlog),
    });
    let kind = if is_binlog { StepKind::Binlog(plan) } else { StepKind::Wal(plan) };
    let names = vec![format!("{verb}/{name}"), verb.into()];
    draft.push(address, kind, step.optional, &word.span, names, Vec::new(), complaints);
}

/// Where base backups of a server are, of whatever job of the file: its files, or, for a binary log,
/// its dumps.
fn bases(file: &JobFile, source: &str, is_binlog: bool) -> Vec<StorePlace> {
    let mut found = Vec::new();
    for job in &file.jobs {
        for step in &job.steps {
            let StepDecl::Dump(dump) = &step.kind else { continue };
            let is_own = is_binlog != (dump.engine.value == Engine::Basebackup)
                && dump.sources.iter().any(|word| word.value == source);
            if !is_own {
                continue;
            }
            let name = chain_name(dump, source);
            let words = dump.sends.iter().flat_map(|send| &send.stores);
            // Those that are switched off too: what stands there still needs its log.
            let stores =
                words.filter_map(|word| file.stores.iter().find(|s| s.name.value == word.value));
            found.extend(stores.map(|store| StorePlace {
                job: job.name.value.clone(),
                source: name.clone(),
                store: store_ref(file, store),
                naming: naming(store, &job.name.value, &name),
                keys: keys(&dump.archive.or(&job.archive)),
            }));
        }
    }
    found
}

fn keys(archive: &ArchiveSpec) -> KeyRefs {
    let (password, previous) = (archive.password.clone(), archive.previous.clone());
    KeyRefs { password, previous, identity: None }
}

/// Complains about a log that is kept in two places.
pub fn kept_twice(file: &JobFile, complaints: &mut Vec<Complaint>) {
    let mut seen: Vec<(&str, &Span)> = Vec::new();
    let steps = file.jobs.iter().filter(|j| j.enabled).flat_map(|j| &j.steps);
    for step in steps.filter(|step| step.enabled) {
        let (StepDecl::Wal(wal) | StepDecl::Binlog(wal)) = &step.kind else { continue };
        let verb = if matches!(step.kind, StepDecl::Wal(_)) { "wal" } else { "binlog" };
        for word in &wal.sources {
            match seen.iter().find(|(name, _)| *name == word.value) {
                Some((_, first)) => complaints.push(problem::second_log(word, first, verb)),
                None => seen.push((&word.value, &word.span)),
            }
        }
    }
}
