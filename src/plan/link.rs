//! What surrounds the backup of a chain: what is made good before it, and the retention of each copy
//! after it.
//!
//! Does not know the job file: what was declared comes in resolved.

use crate::base::{Complaint, Span};
use crate::job::{Dump, Job, KeepSpec, KeyRefs, Source};
use crate::plan::draft::Draft;
use crate::plan::graph::{CopyPlan, Edge, Needs, Prune, PruneTask, Sent, StepKind, Transfer};
use crate::plan::reference::SourceRef;
use crate::plan::wal::Archive;

/// A chain while its steps are made: the backup is there, what follows it is not.
pub struct Link<'a> {
    /// The job.
    pub job: &'a Job,
    /// The dump.
    pub dump: &'a Dump,
    /// The step as it is declared.
    pub step: &'a crate::job::Step,
    /// The source as it is declared.
    pub source: &'a Source,
    /// What the chain reads.
    pub source_ref: &'a SourceRef,
    /// Where it goes.
    pub copies: &'a [CopyPlan],
    /// The index of the backup.
    pub backup: usize,
}

impl Link<'_> {
    /// What failed to come to a store is sent there before the next backup.
    pub fn catch_up(
        &self,
        (copy, keep): (&CopyPlan, Option<KeepSpec>),
        (archive, threads): (&Archive, usize),
        span: &Span,
        draft: &mut Draft,
        complaints: &mut Vec<Complaint>,
    ) {
        let (job_name, name) = (&self.job.name.value, &self.source_ref.name);
        let others = self.copies.iter().filter(|c| c.store.name != copy.store.name);
        let kind = StepKind::Copy(Box::new(Transfer {
            declared: self.source.name.value.clone(),
            source: self.source_ref.clone(),
            from: others.map(|c| (c.store.clone(), c.naming.clone())).collect(),
            to: copy.clone(),
            which: Sent::Kept(keep),
            keys: KeyRefs {
                password: archive.password.clone(),
                previous: archive.previous.clone(),
                identity: self.dump.verifies.iter().find_map(|v| v.identity.clone()),
            },
            threads,
        }));
        let address = format!("{job_name}/catch-up/{name}/{}", copy.store.name);
        let names = vec![format!("catch-up/{name}/{}", copy.store.name)];
        // Yesterday's backup is no reason to have none of today.
        let Some(from) = draft.push(address, kind, true, span, names, Vec::new(), complaints)
        else {
            return;
        };
        draft.plan.edges.push(Edge { from, to: self.backup, needs: Needs::End });
    }

    /// The retention of one copy, after its verification if it has one.
    pub fn prune(
        &self,
        (copy, keep): (&CopyPlan, KeepSpec),
        proof: Option<usize>,
        span: &Span,
        draft: &mut Draft,
        complaints: &mut Vec<Complaint>,
    ) {
        let (job_name, name) = (&self.job.name.value, &self.source_ref.name);
        let kind = StepKind::Prune(Box::new(Prune {
            declared: self.source.name.value.clone(),
            source: name.clone(),
            spec: self.source_ref.spec.clone(),
            task: PruneTask::Policy,
            store: copy.store.clone(),
            naming: copy.naming.clone(),
            keep,
            kin: copy.kin.clone(),
            verified: proof.is_some(),
        }));
        let address = format!("{job_name}/keep/{name}/{}", copy.store.name);
        let names = vec![format!("keep/{name}/{}", copy.store.name)];
        let added = draft.push(address, kind, copy.optional, span, names, Vec::new(), complaints);
        let Some(to) = added else { return };
        draft.plan.edges.push(match proof {
            Some(from) => Edge { from, to, needs: Needs::Success },
            None => Edge { from: self.backup, to, needs: Needs::Copy(copy.store.name.clone()) },
        });
    }
}
