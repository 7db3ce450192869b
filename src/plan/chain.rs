//! A chain of a job: what it reads, what its artifacts are of, how they are made, and where they
//! rest.
//!
//! Invariant: the files of a server and its dumps are two chains with two names, so that no
//! listing, retention or verification ever takes one for the other.

use crate::artifact::{Method, Naming, TEMPLATE};
use crate::base::{Complaint, Spanned};
use crate::job::{
    ArchiveSpec, ClusterSpec, Compression, Dump, Engine, Job, JobFile, KeyRefs, Pick, Source,
    SourceSpec, Store,
};
use crate::plan::graph::{CopyPlan, Plan, StepKind, Which};
use crate::plan::problem;
use crate::plan::reference::StoreRef;
use crate::plan::wal::Archive;

/// What is added to a source's name where its files are meant.
pub const FILES: &str = "-physical";

/// Whether two sources are one server or one file.
pub fn same_place(a: &SourceSpec, b: &SourceSpec) -> bool {
    match (a, b) {
        (SourceSpec::Mysql(a), SourceSpec::Mysql(b)) => match (&a.socket, &b.socket) {
            (None, None) => a.host == b.host && a.port == b.port,
            (a, b) => a == b,
        },
        (SourceSpec::Sqlite(a), SourceSpec::Sqlite(b)) => a.path == b.path,
        (SourceSpec::Oracle(a), SourceSpec::Oracle(b)) => a.sid == b.sid && a.home == b.home,
        (SourceSpec::Postgres(a), SourceSpec::Postgres(b)) => match (&a.socket, &b.socket) {
            (None, None) => (&a.hosts, &a.service) == (&b.hosts, &b.service) && a.port == b.port,
            (Some(_), Some(_)) => a.socket == b.socket && a.port == b.port,
            (None, Some(_)) | (Some(_), None) => false,
        },
        (
            SourceSpec::Mysql(_)
            | SourceSpec::Postgres(_)
            | SourceSpec::Cluster(_)
            | SourceSpec::Oracle(_)
            | SourceSpec::Sqlite(_),
            _,
        ) => false,
    }
}

/// The word of a chain's first step.
pub fn verb(dump: &Dump) -> &'static str {
    match dump.engine.value {
        Engine::Basebackup => "physical",
        Engine::Rman(_) => "rman",
        Engine::Native | Engine::Mydumper | Engine::Mysqldump | Engine::PgDump(_) => "dump",
    }
}

/// What the artifacts of a chain are of: files are kept apart from dumps of the same source,
/// everywhere.
pub fn chain_name(dump: &Dump, source: &str) -> String {
    if dump.engine.value == Engine::Basebackup {
        format!("{source}{FILES}")
    } else {
        source.to_owned()
    }
}

/// What a chain reads, and what its artifacts are of.
pub fn chain_of(dump: &Dump, source: &Source) -> (String, SourceSpec) {
    let spec = match (&source.spec, dump.engine.value) {
        (SourceSpec::Postgres(server), Engine::Basebackup) => SourceSpec::Cluster(ClusterSpec {
            server: server.clone(),
            physical: dump.physical.clone(),
        }),
        (other, _) => other.clone(),
    };
    (chain_name(dump, &source.name.value), spec)
}

/// What all keys of a store begin with: empty, or ending in `/`.
pub fn root(store: &Store) -> String {
    match store.prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}

/// A store with whose backups in it are believed.
pub fn store_ref(file: &JobFile, store: &Store) -> StoreRef {
    let (name, spec) = (store.name.value.clone(), store.spec.clone());
    StoreRef { name, spec, trust: file.site.trust.clone() }
}

/// How a chain is named in a store.
pub fn naming(store: &Store, job: &str, source: &str) -> Naming {
    let template = store.key.as_ref().map_or(TEMPLATE, |k| k.value.as_str());
    Naming::new(template, &store.prefix, job, source)
}

/// How archives are made, with what was not written filled in.
pub fn resolve_archive(spec: &ArchiveSpec) -> Archive {
    let method = match spec.compression {
        Some(Compression::Store) => Method::Store,
        Some(Compression::Deflate) => Method::Deflate(spec.level.unwrap_or(6)),
        Some(Compression::Zstd) | None => Method::Zstd(spec.level.unwrap_or(1)),
    };
    Archive {
        method,
        password: spec.password.clone(),
        previous: spec.previous.clone(),
        recipients: spec.recipients.clone(),
    }
}

/// Complains about an Oracle database that is not backed up by RMAN, and an engine of another kind of
/// source.
pub fn check_engine(
    dump: &Dump,
    word: &Spanned<String>,
    source: &Source,
    complaints: &mut Vec<Complaint>,
) {
    if dump.engine.value.reads().is_some_and(|kind| kind != source.spec.kind()) {
        complaints.push(problem::other_engine(&dump.engine, word, source.spec.kind()));
    }
    let is_rman = matches!(dump.engine.value, Engine::Rman(_));
    if matches!(source.spec, SourceSpec::Oracle(_)) && !is_rman {
        complaints.push(problem::needs_rman(word));
    }
}

/// Chains whose keys could meet, over all jobs of the file.
pub fn collisions(file: &JobFile, plans: &[Plan], complaints: &mut Vec<Complaint>) {
    let mut seen: Vec<(String, String, String, String)> = Vec::new();
    for plan in plans {
        for copy in plan.steps.iter().flat_map(|s| match &s.kind {
            StepKind::Backup(backup) => backup.copies.as_slice(),
            StepKind::Vacuum(_)
            | StepKind::Verify(_)
            | StepKind::Prune(_)
            | StepKind::Copy(_)
            | StepKind::Wal(_)
            | StepKind::Binlog(_)
            | StepKind::Exec(_)
            | StepKind::Restore(_)
            | StepKind::ReadBack(_) => &[],
        }) {
            let (place, folder) = (place(copy), copy.naming.folder().to_owned());
            let span = |store: &str| {
                file.stores.iter().find(|s| s.name.value == store).map(|s| s.name.span.clone())
            };
            let earlier = seen.iter().find(|(p, f, ..)| *p == place && *f == folder);
            if let Some((_, _, store, first)) = earlier {
                if let (Some(a), Some(b)) = (span(store), span(&copy.store.name)) {
                    complaints.push(problem::collision(&folder, (first, &a), (&copy.address, &b)));
                }
            } else {
                seen.push((place, folder, copy.store.name.clone(), copy.address.clone()));
            }
        }
    }
}

/// What two stores share when they are the same place.
fn place(copy: &CopyPlan) -> String {
    match &copy.store.spec {
        crate::job::StoreSpec::Dir(dir) => format!("dir {}", dir.path.display()),
        crate::job::StoreSpec::S3(s3) => {
            format!("s3 {} {}", s3.endpoint.as_deref().unwrap_or("aws"), s3.bucket)
        }
        crate::job::StoreSpec::Azure(azure) => {
            let endpoint = azure.endpoint.as_deref().unwrap_or("azure");
            format!("azure {endpoint} {} {}", azure.account, azure.container)
        }
        crate::job::StoreSpec::Gcs(gcs) => {
            format!("gcs {} {}", gcs.endpoint.as_deref().unwrap_or("google"), gcs.bucket)
        }
        crate::job::StoreSpec::Sftp(sftp) => format!("sftp {} {}", sftp.host, sftp.path),
    }
}

/// Which of the kept copies is verified.
pub fn which(pick: Pick) -> Which {
    match pick {
        Pick::Newest => Which::Latest,
        Pick::Random => Which::Random,
    }
}

/// What opens a backup that was sealed as `made` says, or as the job of its verification does.
pub fn keys_of(made: ArchiveSpec, job: &Job, verify: &crate::job::Verify) -> KeyRefs {
    KeyRefs {
        password: made.password.or_else(|| job.archive.password.clone()),
        previous: made.previous.into_iter().chain(job.archive.previous.clone()).collect(),
        identity: verify.identity.clone(),
    }
}
