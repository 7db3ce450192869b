//! What a job file says, as the catalog keeps it for pages.
//!
//! Texts are for people and hold no secret.

use crate::catalog::{
    Declaration, DeclaredChain, DeclaredCopy, DeclaredJob, DeclaredSource, moment,
};
use crate::job::{Job, PostgresSpec, Source, SourceSpec, StoreSpec};
use crate::plan::{Plan, StepKind, keep_rules};
use crate::world::World;

use crate::cli::wiring::Loaded;

/// All that the file says.
pub fn declaration(loaded: &Loaded, world: &World) -> Declaration {
    let (mut chains, mut copies) = (Vec::new(), Vec::new());
    for plan in &loaded.plans {
        chain(loaded, plan, &mut chains, &mut copies);
    }
    Declaration {
        host: world.host(),
        file: loaded.path.clone(),
        seen: moment(world.clock.now()),
        jobs: loaded.file.jobs.iter().map(|j| job(loaded, j)).collect(),
        sources: loaded.file.sources.iter().map(source).collect(),
        chains,
        copies,
    }
}

fn job(loaded: &Loaded, job: &Job) -> DeclaredJob {
    let zone = job.timezone.clone().or_else(|| loaded.file.site.timezone.clone());
    DeclaredJob {
        job: job.name.value.clone(),
        schedule: job.schedule.as_ref().map(|s| s.text().to_owned()).unwrap_or_default(),
        zone: zone.unwrap_or_default(),
        within_s: job.within.map(|within| within.as_secs()),
        parallel: job.parallel,
        enabled: job.enabled,
    }
}

fn source(source: &Source) -> DeclaredSource {
    DeclaredSource {
        source: source.name.value.clone(),
        kind: source.spec.kind().to_owned(),
        address: address(&source.spec),
        site: String::new(),
        scratch: source.scratch,
        restore_within_s: None,
    }
}

/// Where a source is: `MySQL · db1.internal`.
fn address(spec: &SourceSpec) -> String {
    let postgres = |spec: &PostgresSpec| match (&spec.socket, &spec.service) {
        (Some(socket), _) => format!("PostgreSQL · {}", socket.display()),
        (None, Some(service)) if spec.hosts.is_empty() => format!("PostgreSQL · {service}"),
        (None, _) if spec.hosts.is_empty() => "PostgreSQL · localhost".to_owned(),
        (None, _) => format!("PostgreSQL · {}", spec.hosts.join(", ")),
    };
    match spec {
        SourceSpec::Mysql(spec) => match &spec.socket {
            Some(socket) => format!("MySQL · {}", socket.display()),
            None => format!("MySQL · {}", spec.host),
        },
        SourceSpec::Postgres(spec) => postgres(spec),
        SourceSpec::Cluster(spec) => postgres(&spec.server),
        SourceSpec::Sqlite(spec) => format!("SQLite · {}", spec.path.display()),
    }
}

fn chain(
    loaded: &Loaded,
    plan: &Plan,
    chains: &mut Vec<DeclaredChain>,
    copies: &mut Vec<DeclaredCopy>,
) {
    for (number, step) in plan.steps.iter().enumerate() {
        let StepKind::Backup(backup) = &step.kind else { continue };
        let chain = &backup.source.name;
        if chains.iter().any(|c| c.job == plan.job && c.chain == *chain) {
            continue;
        }
        chains.push(DeclaredChain {
            job: plan.job.clone(),
            verb: step.facts().verb.word().to_owned(),
            source: backup.declared.clone(),
            chain: chain.clone(),
            sealed: backup.archive.password.is_some(),
            number,
        });
        copies.extend(backup.copies.iter().map(|copy| {
            let keep = plan.steps.iter().find_map(|step| match &step.kind {
                StepKind::Retire(retire)
                    if retire.source == *chain && retire.store.name == copy.store.name =>
                {
                    Some(keep_rules(&retire.keep))
                }
                _ => None,
            });
            let declared = loaded.file.stores.iter().find(|s| s.name.value == copy.store.name);
            let keep = keep.or_else(|| declared?.keep.as_ref().map(keep_rules));
            DeclaredCopy {
                job: plan.job.clone(),
                chain: chain.clone(),
                store: copy.store.name.clone(),
                place: match &copy.store.spec {
                    StoreSpec::Dir(spec) => format!("dir {}", spec.path.display()),
                    StoreSpec::S3(spec) => format!("s3://{}", spec.bucket),
                },
                keep_text: keep.unwrap_or_default(),
                optional: copy.optional,
                site: String::new(),
            }
        }));
    }
}
