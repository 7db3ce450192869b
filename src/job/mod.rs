//! What the user declared: plain data with the spans it came from. Names here are words not yet
//! resolved.
//!
//! Does not know KDL (`syntax/` fills it) nor what will be done with it (`plan/` resolves it).

mod calendar;
mod physical;
mod policy;
mod schedule;
mod site;
mod source;
mod step;
mod store;
mod vacuum;

pub use calendar::Unsaid;
pub use physical::Physical;
pub use policy::{ArchiveSpec, Compression, KeepSpec, KeyRefs, NotifyKind, NotifyOn, NotifySpec};
pub use schedule::Schedule;
pub use site::{
    CatalogFamily, CatalogHome, CatalogServer, CatalogSpec, Exclusive, MailSpec, Site, TrustSpec,
    WebSpec,
};
pub use source::{
    ClusterSpec, HostRole, Inconsistent, MysqlSpec, PostgresSpec, Source, SourceSpec, SqliteSpec,
    Tls, TlsMode,
};
pub use step::{
    Dump, DumpForm, Engine, EnvValue, Exec, Job, JobFile, Send, Step, StepDecl, Vacuum, Verify,
};
pub use store::{DirSpec, S3Spec, SftpSpec, Store, StoreSpec};
pub use vacuum::{VacuumKind, VacuumRule};
