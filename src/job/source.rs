//! Sources as declared, defaults of their kind filled in.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::{Glob, SecretRef, Span, Spanned};
use crate::job::physical::Physical;

/// A named source.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub name: Spanned<String>,
    /// How to reach it.
    pub spec: SourceSpec,
    /// Whether it takes part.
    pub enabled: bool,
    /// Whether restore drills may overwrite it.
    pub scratch: bool,
    /// Where it is, in the user's own words; empty if nothing was said.
    pub site: String,
    /// How long a restore of it may take.
    pub restore_within: Option<Duration>,
    /// The whole node.
    pub span: Span,
}

/// How to reach a source, by kind.
#[derive(Debug, Clone)]
pub enum SourceSpec {
    /// MySQL or MariaDB; which one is found out.
    Mysql(MysqlSpec),
    /// PostgreSQL.
    Postgres(PostgresSpec),
    /// The files of a PostgreSQL server; of a plan only, never declared.
    Cluster(ClusterSpec),
    /// A SQLite file.
    Sqlite(SqliteSpec),
    /// An Oracle database of this machine.
    Oracle(OracleSpec),
}

impl SourceSpec {
    /// The word of the language for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            SourceSpec::Mysql(_) => "mysql",
            SourceSpec::Postgres(_) => "postgres",
            SourceSpec::Cluster(_) => "postgres-physical",
            SourceSpec::Sqlite(_) => "sqlite",
            SourceSpec::Oracle(_) => "oracle",
        }
    }

    /// How far a replica may be behind without an Alerta.
    pub fn max_lag(&self) -> Option<Duration> {
        match self {
            SourceSpec::Mysql(spec) => spec.max_lag,
            SourceSpec::Postgres(spec) => spec.max_lag,
            SourceSpec::Cluster(_) | SourceSpec::Sqlite(_) | SourceSpec::Oracle(_) => None,
        }
    }
}

/// A MySQL or MariaDB server.
#[derive(Debug, Clone)]
pub struct MysqlSpec {
    /// Which database it is, whatever server answers; found out when `None`.
    pub identity: Option<String>,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket; wins over host and port.
    pub socket: Option<PathBuf>,
    /// User.
    pub user: String,
    /// Where the password is found.
    pub password: Option<SecretRef>,
    /// Databases to include; all but the system's when empty.
    pub databases: Vec<Glob>,
    /// Databases, or `DB.TABLE`, to leave out; wins.
    pub exclude: Vec<Glob>,
    /// Tables to include, as `DB.TABLE`; all when empty.
    pub tables: Vec<Glob>,
    /// How the connection is protected.
    pub tls: Tls,
    /// How long one attempt at the global lock may wait.
    pub lock_wait: Duration,
    /// How long a DDL waits for a table that is still to be read, before the dump releases all
    /// its locks.
    pub ddl_wait: Duration,
    /// What to do when one point in time can't be had.
    pub inconsistent: Inconsistent,
    /// How far a replica may be behind without an Alerta.
    pub max_lag: Option<Duration>,
    /// Whether users, roles and grants are dumped too.
    pub accounts: bool,
    /// Folders of client programs, searched first.
    pub tools: Vec<PathBuf>,
}

/// A PostgreSQL server.
#[derive(Debug, Clone)]
pub struct PostgresSpec {
    /// Which database it is, whatever server answers; found out when `None`.
    pub identity: Option<String>,
    /// Host names or addresses, tried in turn; the service's, then this machine, when empty.
    pub hosts: Vec<String>,
    /// TCP port; the service's, then 5432, when `None`.
    pub port: Option<u16>,
    /// Folder of the Unix socket; wins over hosts.
    pub socket: Option<PathBuf>,
    /// Name of a service of `pg_service.conf`, whose values count where none are given here.
    pub service: Option<String>,
    /// Which of several hosts will do.
    pub session: HostRole,
    /// User; the service's, then `postgres`, when `None`.
    pub user: Option<String>,
    /// Where the password is found; the password file when `None`.
    pub password: Option<SecretRef>,
    /// Databases to include; all but the templates when empty.
    pub databases: Vec<Glob>,
    /// Schemas to include, as `DB.SCHEMA`; all when empty.
    pub schemas: Vec<Glob>,
    /// Databases, `DB.SCHEMA` or `DB.SCHEMA.TABLE`, to leave out; wins.
    pub exclude: Vec<Glob>,
    /// Tables whose rows are included, as `DB.SCHEMA.TABLE`; all when empty.
    pub tables: Vec<Glob>,
    /// How the connection is protected.
    pub tls: Tls,
    /// How long a lock on a table may be waited for.
    pub lock_wait: Duration,
    /// How far a standby may be behind without an Alerta.
    pub max_lag: Option<Duration>,
    /// Whether roles and tablespaces are dumped too.
    pub globals: bool,
    /// Folders of client programs, before those this machine is known to have.
    pub tools: Vec<PathBuf>,
}

/// The files of a PostgreSQL server, and how they are read.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    /// How the server is reached.
    pub server: PostgresSpec,
    /// How its files are read.
    pub physical: Physical,
}

/// Which of several hosts will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostRole {
    /// The first that answers.
    #[default]
    Any,
    /// One that can be written to.
    Primary,
    /// One that can only be read.
    Standby,
}

/// How a connection is protected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// What was asked; `None` is verify-full, and off on a socket or loopback.
    pub mode: Option<TlsMode>,
    /// Certificates to trust instead of the machine's.
    pub ca: Option<PathBuf>,
    /// Own certificate.
    pub cert: Option<PathBuf>,
    /// Key of the own certificate.
    pub key: Option<PathBuf>,
}

/// Levels of protection, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Encrypted; certificate and host name are checked.
    VerifyFull,
    /// Encrypted; the certificate is checked.
    VerifyCa,
    /// Encrypted; nobody is checked.
    Require,
    /// In the clear.
    Off,
}

/// What to do when one point in time can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inconsistent {
    /// The dump fails.
    Refuse,
    /// The dump goes on and its verdict is Alerta.
    Alert,
}

/// A SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteSpec {
    /// Which database it is, wherever it lies; its path when `None`.
    pub identity: Option<String>,
    /// The database file.
    pub path: PathBuf,
}

/// An Oracle database of this machine, reached by the rights of the system's user.
#[derive(Debug, Clone)]
pub struct OracleSpec {
    /// Which database it is; its DBID when `None`.
    pub identity: Option<String>,
    /// Name of the instance; that of the variable `ORACLE_SID` when `None`.
    pub sid: Option<String>,
    /// Folder of the Oracle software; that of the variable `ORACLE_HOME` when `None`.
    pub home: Option<PathBuf>,
    /// Where pieces are staged; in the state folder when `None`.
    pub staging: Option<PathBuf>,
    /// Channels of RMAN; the connections of the step when `None`.
    pub channels: Option<usize>,
    /// Folders of rman and sqlplus, searched before the home.
    pub tools: Vec<PathBuf>,
}
