//! What vex makes itself to restore a backup into: a server of the local programs, or a file, in a
//! private folder; gone when the work is.
//!
//! Knows no backup. Invariants: nobody but this user and the server gets into the folder; the server
//! listens on a socket in it and nowhere else; it is stopped by vex, by its own process and no other,
//! however the work ends, and the kernel ends it with a vex that is killed, whose folder the next run
//! sweeps; it never runs as root.

mod account;
mod files;
mod mysql;
mod postgres;
mod serve;
mod wanted;

use crate::base::Stop;
use crate::job::{SourceSpec, SqliteSpec};
use crate::source::contract::{Error, ErrorKind};
use crate::source::program::Private;

pub use files::Room;
pub use wanted::Wanted;

/// Makes it, hands it to `work`, and takes it away again; what was started is told to `hear`.
pub fn in_scratch<T, E: From<Error>>(
    wanted: &Wanted<'_>,
    hear: &dyn Fn(String),
    work: &mut dyn FnMut(&SourceSpec) -> std::result::Result<T, E>,
    stop: &Stop,
) -> std::result::Result<T, E> {
    match wanted.spec {
        SourceSpec::Sqlite(_) => {
            let private = Private::create(wanted.staging)?;
            let path = private.path().join("scratch.db");
            work(&SourceSpec::Sqlite(SqliteSpec { identity: None, path }))
        }
        SourceSpec::Mysql(spec) => mysql::in_scratch(spec, wanted, hear, work, stop),
        SourceSpec::Postgres(spec) => postgres::in_scratch(spec, wanted, hear, work, stop),
        SourceSpec::Cluster(_) | SourceSpec::Oracle(_) => {
            let found = "vex starts no server for such backups";
            Err(Error::new(ErrorKind::Refused, "start a scratch server", found).into())
        }
    }
}
