//! Warnings: the job would run, and somebody should look.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::{Complaint, Spanned, Text};
use crate::job::{Engine, Job, JobFile, NotifyKind, NotifyOn, SourceSpec, StepDecl};
use crate::plan::problem;

/// All warnings of a job file; `main` is the text whose unused declarations count.
pub fn lint(file: &JobFile, main: &std::path::Path, complaints: &mut Vec<Complaint>) {
    if file.jobs.is_empty() {
        return; // A site file or an include: its jobs are elsewhere.
    }
    let own = |name: &Spanned<String>| is_text(&name.span.text, main);
    let used = words(file);
    let gaps = problem::has_gaps(complaints);
    // A scratch source is there to be restored into, by hand too.
    let sources = file.sources.iter().filter(|s| s.enabled && !s.scratch);
    let sources = sources.map(|s| ("source", &s.name));
    let stores = file.stores.iter().filter(|s| s.enabled).map(|s| ("store", &s.name));
    for (what, name) in
        sources.chain(stores).filter(|(_, name)| own(name) && !used.contains(&name.value.as_str()))
    {
        if !gaps && !problem::is_meant(complaints, &name.value) {
            complaints.push(problem::unused(what, name));
        }
    }
    for store in file.stores.iter().filter(|s| s.keep.is_none() && s.enabled) {
        let everywhere_kept = sends(file).filter(|s| s.0.value == store.name.value).all(|s| s.1);
        let sent = sends(file).any(|s| s.0.value == store.name.value);
        if sent && !everywhere_kept && !tells_of_keep(complaints) {
            complaints.push(problem::no_keep(&store.name));
        }
    }
    for job in file.jobs.iter().filter(|j| j.enabled) {
        let dumps = job.steps.iter().any(|s| s.enabled && matches!(s.kind, StepDecl::Dump(_)));
        let sent = job
            .steps
            .iter()
            .any(|s| matches!(&s.kind, StepDecl::Dump(dump) if !dump.sends.is_empty()));
        if dumps
            && sent
            && !verified(file, &job.name.value)
            && !problem::is_meant(complaints, "verify")
        {
            complaints.push(problem::no_verify(&job.name));
        }
        for dump in job.steps.iter().filter(|s| s.enabled).filter_map(|s| match &s.kind {
            StepDecl::Dump(dump) if !dump.archive.or(&job.archive).is_sealed() => Some(dump),
            StepDecl::Dump(_)
            | StepDecl::Wal(_)
            | StepDecl::Binlog(_)
            | StepDecl::Vacuum(_)
            | StepDecl::Verify(_)
            | StepDecl::Exec(_) => None,
        }) {
            let open = dump.sources.iter().filter(|word| has_accounts(file, &word.value));
            complaints.extend(open.map(problem::open_accounts));
        }
        complaints.extend(unopened(job));
        if job.within.is_some() && job.schedule.is_none() {
            complaints.push(problem::within_alone(&job.name));
        }
    }
    notify(file, complaints);
    tell_once(complaints);
}

/// A default is inherited by many, and so are its mistakes.
fn tell_once(complaints: &mut Vec<Complaint>) {
    let mut told = HashSet::new();
    complaints.retain(|c| {
        let place = c.span().map(|s| (Arc::as_ptr(&s.text) as usize, s.start));
        told.insert((c.code, c.message.clone(), place))
    });
}

/// Verifications of what is sealed for recipients of age that nobody can open here.
fn unopened(job: &Job) -> Vec<Complaint> {
    let dumps = job.steps.iter().filter(|s| s.enabled).filter_map(|s| match &s.kind {
        StepDecl::Dump(dump) => Some(dump),
        StepDecl::Wal(_)
        | StepDecl::Binlog(_)
        | StepDecl::Vacuum(_)
        | StepDecl::Verify(_)
        | StepDecl::Exec(_) => None,
    });
    // Pieces of RMAN are hashed, with a key as without one.
    let sealed = dumps.filter(|dump| {
        !dump.archive.or(&job.archive).recipients.is_empty()
            && !matches!(dump.engine.value, Engine::Rman(_))
    });
    let blind = sealed.flat_map(|dump| &dump.verifies).filter(|v| v.identity.is_none());
    blind.map(|verify| problem::verify_unopened(&verify.span)).collect()
}

/// Whether a source's users and roles are dumped too.
fn has_accounts(file: &JobFile, name: &str) -> bool {
    let accounts = |spec: &SourceSpec| match spec {
        SourceSpec::Mysql(spec) => spec.accounts,
        SourceSpec::Postgres(spec) => spec.globals,
        SourceSpec::Cluster(_) | SourceSpec::Sqlite(_) | SourceSpec::Oracle(_) => false,
    };
    file.sources.iter().any(|s| s.enabled && s.name.value == name && accounts(&s.spec))
}

/// Whether a `keep` was written where it could not be taken.
fn tells_of_keep(complaints: &[Complaint]) -> bool {
    problem::is_meant(complaints, "keep")
        || complaints
            .iter()
            .any(|c| c.code == "vex::field::unknown" && c.message.ends_with("`keep`"))
}

fn is_text(text: &Text, main: &std::path::Path) -> bool {
    text.path() == main
}

/// Every name the jobs use.
fn words(file: &JobFile) -> Vec<&str> {
    let mut words: Vec<&Spanned<String>> = Vec::new();
    for step in file.jobs.iter().flat_map(|j| &j.steps) {
        match &step.kind {
            StepDecl::Dump(dump) => {
                words.extend(&dump.sources);
                words.extend(dump.sends.iter().flat_map(|s| &s.stores));
                words.extend(dump.verifies.iter().flat_map(|v| v.names.iter().chain(&v.into)));
            }
            StepDecl::Verify(verify) => {
                words.extend(verify.names.iter().chain(&verify.from).chain(&verify.into))
            }
            StepDecl::Vacuum(vacuum) => words.extend(&vacuum.sources),
            StepDecl::Wal(wal) | StepDecl::Binlog(wal) => {
                words.extend(&wal.sources);
                words.extend(wal.sends.iter().flat_map(|s| &s.stores));
            }
            StepDecl::Exec(_) => {}
        }
    }
    // `erp-physical` are the files of `erp`.
    words
        .into_iter()
        .flat_map(|w| [Some(w.value.as_str()), w.value.strip_suffix("-physical")])
        .flatten()
        .collect()
}

/// Every send, and whether it has a `keep` of its own.
fn sends(file: &JobFile) -> impl Iterator<Item = (&Spanned<String>, bool)> {
    file.jobs.iter().flat_map(|j| &j.steps).flat_map(|step| match &step.kind {
        StepDecl::Dump(dump) => dump
            .sends
            .iter()
            .flat_map(|s| s.stores.iter().map(|w| (w, s.keep.is_some())))
            .collect::<Vec<_>>(),
        StepDecl::Wal(_)
        | StepDecl::Binlog(_)
        | StepDecl::Vacuum(_)
        | StepDecl::Verify(_)
        | StepDecl::Exec(_) => Vec::new(),
    })
}

/// Whether a job's dumps are verified in their chains, or any job verifies from a store.
fn verified(file: &JobFile, job: &str) -> bool {
    file.jobs.iter().flat_map(|j| j.steps.iter().map(move |s| (j, s))).any(|(owner, step)| {
        match &step.kind {
            StepDecl::Dump(dump) => {
                owner.name.value == job && step.enabled && !dump.verifies.is_empty()
            }
            StepDecl::Verify(_) => step.enabled,
            StepDecl::Wal(_) | StepDecl::Binlog(_) | StepDecl::Vacuum(_) | StepDecl::Exec(_) => {
                false
            }
        }
    })
}

fn notify(file: &JobFile, complaints: &mut Vec<Complaint>) {
    let all =
        file.notify.iter().chain(file.jobs.iter().flat_map(|j| &j.notify)).filter(|n| n.enabled);
    let can_be_late = file.jobs.iter().any(|j| j.within.is_some() && j.schedule.is_some());
    for notify in all {
        if matches!(notify.kind, NotifyKind::Email { .. }) && file.site.mail.is_none() {
            complaints.push(problem::no_mail(&notify.span));
        }
        if notify.on == NotifyOn::Late && !can_be_late {
            complaints.push(problem::never_late(&notify.span));
        }
    }
}
