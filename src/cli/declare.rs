//! What a job file says, as the catalog keeps it for pages.
//!
//! Opens nothing. Invariant: no secret and no word of a secret's reference gets into a row.

use std::path::Path;

use crate::base::{Size, show_address};
use crate::catalog::{
    Declaration, DeclaredChain, DeclaredCopy, DeclaredJob, DeclaredSource, moment,
};
use crate::cli::wiring::Loaded;
use crate::job::{KeepSpec, PostgresSpec, Source, SourceSpec, StoreSpec};
use crate::plan::{Backup, Plan, StepKind, Which};
use crate::world::World;

/// What a file declares on this machine.
pub fn declaration(loaded: &Loaded, world: &World) -> Declaration {
    let mut declared = Declaration {
        host: world.host(),
        file: loaded.path.clone(),
        seen: moment(world.clock.now()),
        sources: loaded.file.sources.iter().filter(|s| s.enabled).map(source).collect(),
        ..Declaration::default()
    };
    for job in &loaded.file.jobs {
        declared.jobs.push(DeclaredJob {
            job: job.name.value.clone(),
            schedule: job.schedule.as_ref().map(|s| s.text().to_owned()).unwrap_or_default(),
            zone: job
                .timezone
                .clone()
                .or_else(|| loaded.file.site.timezone.clone())
                .unwrap_or_default(),
            within_s: job.within.map(|w| w.as_secs()),
            parallel: job.parallel,
            enabled: job.enabled,
        });
    }
    for plan in &loaded.plans {
        for step in &plan.steps {
            if let StepKind::Backup(backup) = &step.kind {
                let number = declared.chains.len();
                declared.chains.push(DeclaredChain {
                    job: plan.job.clone(),
                    verb: step.facts().verb.word().to_owned(),
                    source: backup.declared.clone(),
                    chain: backup.source.name.clone(),
                    sealed: backup.archive.password.is_some()
                        || !backup.archive.recipients.is_empty(),
                    number,
                });
                declared.copies.extend(copies(loaded, plan, backup));
            }
        }
    }
    declared
}

fn source(source: &Source) -> DeclaredSource {
    DeclaredSource {
        source: source.name.value.clone(),
        kind: source.spec.kind().to_owned(),
        address: match &source.spec {
            SourceSpec::Mysql(spec) => at("MySQL", &spec.host, spec.socket.as_deref()),
            SourceSpec::Postgres(spec) => postgres(spec),
            SourceSpec::Cluster(spec) => postgres(&spec.server),
            SourceSpec::Sqlite(spec) => format!("SQLite · {}", spec.path.display()),
            SourceSpec::Oracle(spec) => {
                format!("Oracle · {}", spec.sid.as_deref().unwrap_or("ORACLE_SID"))
            }
        },
        site: source.site.clone(),
        scratch: source.scratch,
        restore_within_s: source.restore_within.map(|w| w.as_secs()),
    }
}

fn at(kind: &str, host: &str, socket: Option<&Path>) -> String {
    match socket {
        Some(socket) => format!("{kind} · {}", socket.display()),
        None => format!("{kind} · {}", show_address(host)),
    }
}

fn postgres(spec: &PostgresSpec) -> String {
    let hosts = match (spec.hosts.is_empty(), &spec.service) {
        (true, Some(service)) => format!("service {service}"),
        (true, None) => "localhost".to_owned(),
        (false, _) => spec.hosts.join(","),
    };
    at("PostgreSQL", &hosts, spec.socket.as_deref())
}

fn copies(loaded: &Loaded, plan: &Plan, backup: &Backup) -> Vec<DeclaredCopy> {
    let chain = &backup.source.name;
    let copy = |copy: &crate::plan::CopyPlan| {
        let name = &copy.store.name;
        let keep = plan.steps.iter().find_map(|step| match &step.kind {
            StepKind::Prune(p) if p.source == *chain && p.store.name == *name => Some(&p.keep),
            _ => None,
        });
        let verified = plan.steps.iter().any(|step| match &step.kind {
            StepKind::Verify(v) => {
                v.which == Which::ThisRun && v.source.name == *chain && v.store.name == *name
            }
            _ => false,
        });
        let site = loaded.file.stores.iter().find(|s| s.name.value == *name);
        DeclaredCopy {
            job: plan.job.clone(),
            chain: chain.clone(),
            store: name.clone(),
            place: match &copy.store.spec {
                StoreSpec::Dir(spec) => format!("dir {}", spec.path.display()),
                StoreSpec::S3(spec) => format!("s3://{}", spec.bucket),
                StoreSpec::Azure(spec) => format!("azure://{}/{}", spec.account, spec.container),
                StoreSpec::Gcs(spec) => format!("gs://{}", spec.bucket),
                StoreSpec::Sftp(spec) => format!("sftp {}:{}", spec.host, spec.path),
            },
            keep_text: keep.map(rules).unwrap_or_default(),
            optional: copy.optional,
            verified,
            site: site.map(|s| s.site.clone()).unwrap_or_default(),
        }
    };
    backup.copies.iter().map(copy).collect()
}

/// Rules as a file writes them: `daily=7 weekly=4 within=30d`.
fn rules(keep: &KeepSpec) -> String {
    let counts = [
        ("last", keep.last),
        ("hourly", keep.hourly),
        ("daily", keep.daily),
        ("weekly", keep.weekly),
        ("monthly", keep.monthly),
        ("yearly", keep.yearly),
    ];
    let mut rules: Vec<String> =
        counts.iter().filter_map(|(name, n)| n.map(|n| format!("{name}={n}"))).collect();
    rules.extend(keep.within.map(|w| match w.as_secs() {
        s if s % 86_400 == 0 => format!("within={}d", s / 86_400),
        s if s % 3600 == 0 => format!("within={}h", s / 3600),
        s => format!("within={s}s"),
    }));
    rules.extend(keep.max_size.map(|bytes| format!("max-size={}", Size(bytes).exact())));
    rules.join(" ")
}
