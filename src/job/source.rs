//! Sources as declared, defaults of their kind filled in.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::{Glob, SecretRef, Span, Spanned};

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
    /// The whole node.
    pub span: Span,
}

/// How to reach a source, by kind.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a job holds a handful of them")]
pub enum SourceSpec {
    /// MySQL or MariaDB; which one is found out.
    Mysql(MysqlSpec),
    /// A SQLite file.
    Sqlite(SqliteSpec),
}

impl SourceSpec {
    /// The word of the language for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            SourceSpec::Mysql(_) => "mysql",
            SourceSpec::Sqlite(_) => "sqlite",
        }
    }
}

/// A MySQL or MariaDB server.
#[derive(Debug, Clone)]
pub struct MysqlSpec {
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
    /// How long a DDL waits for a table that is still to be read, before the dump lets go of all its locks.
    pub ddl_wait: Duration,
    /// What to do when one point in time can't be had.
    pub inconsistent: Inconsistent,
    /// Whether users, roles and grants are dumped too.
    pub accounts: bool,
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
    /// The database file.
    pub path: PathBuf,
}
