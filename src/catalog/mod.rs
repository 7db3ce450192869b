//! What happened; an index, never the truth. The stores alone are enough to rebuild it.

mod accounts;
mod aside;
mod audit;
mod backups;
mod copies;
mod declare;
mod drills;
mod error;
mod lease;
mod log;
mod meta;
mod migrate;
mod mysql;
mod open;
mod pages;
mod pgvalue;
mod postgres;
mod record;
mod runs;
mod schedules;
mod sought;
mod sql;
mod sqlite;
mod value;

pub use accounts::{ADMINISTRATOR, Account, CLIENT, Changed, Session};
pub use audit::AuditRow;
pub use declare::{Declaration, DeclaredChain, DeclaredCopy, DeclaredJob, DeclaredSource};
pub use error::CatalogError;
pub use lease::{LEASE_SECONDS, Taken};
pub use open::Catalog;
pub use pages::{
    Drill, Estate, Growth, HeldCopy, KnownChain, KnownCopy, KnownJob, ListQuery, ListedBackup,
    ListedRun, ListedStep, LogLine, Order, Override, Remark, RemovedCopy, RunsQuery, Totals,
};
pub use record::{ArtifactRow, BackupRow, CopyRow, ProofRow, RunRow, StepRow};
pub use runs::ClosedRun;
pub use schedules::RunRequest;
pub use sought::Sought;
pub use sql::moment;
