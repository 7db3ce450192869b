//! Where bytes come from and go back to.

mod answer;
pub mod contract;
mod entry;
mod error;

mod failpoints;
mod greeting;
mod mysql;
mod oracle;
mod patterns;
mod postgres;
mod program;
mod scratch;
mod script;
mod sqlite;

use crate::artifact::Dialect;
use crate::base::Stop;
use crate::job::SourceSpec;
use crate::source::contract::{Result, Source};
use crate::source::mysql::Mysql;
use crate::source::postgres::Postgres;
use crate::source::postgres::cluster::Cluster;
use crate::source::sqlite::Sqlite;
use crate::world::World;

pub use crate::source::oracle::{
    Asking, BackupScript, Database, End, Oracle, RestoreScript, Validation,
    backup as backup_script, delete_logs as delete_script, forget as forget_script, is_quotable,
    restore as restore_script, version as oracle_version,
};
pub use entry::objection;
pub use failpoints::with_failpoints;
pub use mysql::binlog;
pub use mysql::collation::ready as ready_collations;
pub use mysql::is_decided as is_mysql_catalogue;
pub use mysql::{Ground, Tool as Mydumper};
pub use postgres::basebackup::MANIFEST as BACKUP_MANIFEST;
pub use postgres::config::{CLUSTER_FACTS, Facts as ClusterFacts};
pub use postgres::contents::{Contents, Unread};
pub use postgres::control::{Control, problems};
pub use postgres::is_decided as is_postgres_catalogue;
pub use postgres::physical::BACKUP_LABEL;
pub use postgres::place::{Place, detach, link, replace_space, write_map};
pub use postgres::server::Tablespace;
pub use postgres::unpack::{Owner, Unpack};
pub use postgres::wal;
pub use program::Private;
pub use scratch::{Room, Wanted, in_scratch};

/// Opens a source; `name` is what the job file calls it. Asks no server yet.
pub fn open(spec: &SourceSpec, name: &str, world: &World, stop: &Stop) -> Result<Box<dyn Source>> {
    stop.check()?;
    match spec {
        SourceSpec::Sqlite(spec) => Ok(Box::new(Sqlite::new(spec, name, world))),
        SourceSpec::Postgres(spec) => Ok(Box::new(Postgres::open(spec, world, stop)?)),
        SourceSpec::Cluster(spec) => Ok(Box::new(Cluster::open(spec, world, stop)?)),
        SourceSpec::Mysql(spec) => Ok(Box::new(Mysql::open(spec, world, stop)?)),
        SourceSpec::Oracle(spec) => Ok(Box::new(Oracle::open(spec, world)?)),
    }
}

/// Whether an interrupted restore of a kind of source can go on where it was.
pub fn resumes(kind: &str) -> bool {
    matches!(kind, "mysql" | "postgres" | "sqlite")
}

/// Whether a source of a kind is one file, which a restore replaces.
pub fn is_one_file(kind: &str) -> bool {
    kind == "sqlite"
}

/// Whether backups of a kind hold the files of a server, which come back as a whole.
pub fn is_files(kind: &str) -> bool {
    kind == "postgres-physical"
}

/// The dialect of the entries of a kind of source; `None` for a kind this program does not know.
pub fn dialect(kind: &str) -> Option<Dialect> {
    match kind {
        "mysql" => Some(Dialect::Mysql),
        "postgres" | "postgres-physical" => Some(Dialect::Postgres),
        "sqlite" => Some(Dialect::Sqlite),
        _ => None,
    }
}
