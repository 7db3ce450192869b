//! What happened; an index, never the truth. The stores alone are enough to rebuild it.

mod backups;
mod copies;
mod declare;
mod error;
mod meta;
mod migrate;
mod open;
mod pages;
mod record;
mod runs;
mod sql;
mod sqlite;
mod value;

pub use declare::{Declaration, DeclaredChain, DeclaredCopy, DeclaredJob, DeclaredSource};
pub use error::{CatalogError, SqlFault};
pub use open::Catalog;
pub use pages::{
    Drill, Estate, HeldCopy, HostSeen, KnownChain, KnownCopy, KnownJob, ListQuery, ListedBackup,
    ListedRun, ListedStep, LogLine, Order, Override, Remark, RunsQuery, Totals,
};
pub use record::{ArtifactRow, BackupRow, CopyRow, ProofRow, RunRow, StepRow};
pub use sql::{Dialect, Sql, moment};
pub use value::{Row, Value};
