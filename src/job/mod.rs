//! What the user declared: plain data with the spans it came from. Names here are words not yet
//! resolved.
//!
//! Does not know KDL (`syntax/` fills it) nor what will be done with it (`plan/` resolves it).

mod calendar;
mod physical;
mod policy;
mod rman;
mod schedule;
mod site;
mod source;
mod step;
mod store;
mod vacuum;

pub use calendar::Unsaid;
pub use physical::Physical;
pub use policy::{
    ArchiveSpec, Compression, KeepSpec, KeyRefs, NotifyKind, NotifyOn, NotifySpec, Shape,
};
pub use rman::{Rman, RmanLevel};
pub use schedule::Schedule;
pub use site::{
    CatalogFamily, CatalogHome, CatalogServer, CatalogSpec, Exclusive, MailSpec, MailTls, Site,
    ToolFolder, TrustSpec, WebSpec,
};
pub use source::{
    ClusterSpec, HostRole, Inconsistent, MysqlSpec, OracleSpec, PostgresSpec, Source, SourceSpec,
    SqliteSpec, Tls, TlsMode,
};
pub use step::{
    Assert, Dump, DumpForm, Engine, EnvValue, Exec, ExecOn, ExpectSpec, Job, JobFile, LogsSpec,
    Pick, Retry, Send, Step, StepDecl, TableExpect, Vacuum, Verify, Wal,
};
pub use store::{AzureSpec, DirSpec, GcsSpec, S3Spec, SftpSpec, Store, StoreSpec};
pub use vacuum::{VacuumKind, VacuumRule};
