//! What belongs to the machine rather than to one job: the catalog, the mail server, language,
//! zone.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil;

use crate::base::{SecretRef, Spanned};
use crate::job::source::{Tls, TlsMode};

/// The site, with what was said about it.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Where history is kept.
    pub catalog: CatalogSpec,
    /// The mail server.
    pub mail: Option<MailSpec>,
    /// `pt-BR` or `en`.
    pub language: Option<String>,
    /// Zone of jobs that name none; the machine's when `None`.
    pub timezone: Option<String>,
    /// The dashboard.
    pub web: WebSpec,
    /// Folder of the report, written after every run.
    pub report: Option<PathBuf>,
    /// Folder of the metrics, written after every attempt to run a job.
    pub metrics: Option<PathBuf>,
    /// Folders of client programs.
    pub tools: Vec<ToolFolder>,
    /// The state folder.
    pub state: Option<PathBuf>,
    /// Where what can't be streamed is staged.
    pub staging: Option<PathBuf>,
    /// Files of variables.
    pub env_files: Vec<PathBuf>,
    /// The day by which somebody must look the plan over again.
    pub review: Option<Spanned<civil::Date>>,
    /// Who signs backups, and whose are believed.
    pub trust: TrustSpec,
}

/// Who signs backups, and whose are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustSpec {
    /// Where the private key is found that signs heads.
    pub sign: Option<SecretRef>,
    /// The public keys one of which must have signed a head; anybody's are believed where there is
    /// none.
    pub verify: Vec<String>,
}

/// A folder of client programs.
#[derive(Debug, Clone)]
pub struct ToolFolder {
    /// Of which: a field of `tools`.
    pub of: &'static str,
    /// The folder, and where it was written.
    pub path: Spanned<PathBuf>,
}

impl ToolFolder {
    /// What it lacks: all of the programs that belong together, and at least one of the others.
    pub fn lacks(&self) -> Vec<&'static str> {
        let (programs, there) = (self.programs(), |p: &&str| self.path.value.join(p).is_file());
        let lacking =
            programs.iter().copied().filter(|program| !there(program)).collect::<Vec<_>>();
        match self.of {
            "oracle" => lacking,
            _ if lacking.len() == programs.len() => lacking,
            _ => Vec::new(),
        }
    }

    /// The programs it may hold.
    fn programs(&self) -> &'static [&'static str] {
        match self.of {
            "postgres" => &["pg_dump", "pg_basebackup", "pg_restore"],
            "mydumper" => &["mydumper"],
            "oracle" => &["rman", "sqlplus"],
            _ => &["mysqldump", "mariadb-dump"],
        }
    }
}

impl Site {
    /// The folders of the client programs of some of these.
    pub fn tools_of(&self, of: &[&str]) -> Vec<PathBuf> {
        let own = self.tools.iter().filter(|folder| of.contains(&folder.of));
        own.map(|folder| folder.path.value.clone()).collect()
    }
}

/// Where history is kept, and whom it keeps from running at once.
#[derive(Debug, Clone, Default)]
pub struct CatalogSpec {
    /// Where it is.
    pub home: CatalogHome,
    /// Whom a run excludes.
    pub exclusive: Exclusive,
}

/// Where a catalog is.
#[derive(Debug, Clone)]
pub enum CatalogHome {
    /// A SQLite file; in the state folder when `None`.
    File(Option<PathBuf>),
    /// A database that hosts share.
    Server(CatalogServer),
}

impl Default for CatalogHome {
    fn default() -> CatalogHome {
        CatalogHome::File(None)
    }
}

/// Whom a run of a job excludes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Exclusive {
    /// Other runs of this host, and of all hosts that share the catalog where the job reads servers
    /// that are named by an address. Without the catalog it runs, under the lock of its host.
    #[default]
    Shared,
    /// Other runs of this host only.
    Host,
    /// All runs of all hosts that share the catalog. Without the catalog nothing runs.
    Required,
}

/// A database of a server, for a catalog.
#[derive(Debug, Clone)]
pub struct CatalogServer {
    /// Which server.
    pub family: CatalogFamily,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket of MySQL, or its folder of PostgreSQL; wins over host.
    pub socket: Option<PathBuf>,
    /// User.
    pub user: String,
    /// Where the password is found.
    pub password: Option<SecretRef>,
    /// The database.
    pub database: String,
    /// How the connection is protected.
    pub tls: Tls,
}

/// Which server a catalog is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogFamily {
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

impl CatalogServer {
    /// What messages call it.
    pub fn place(&self) -> String {
        let family = match self.family {
            CatalogFamily::Mysql => "mysql",
            CatalogFamily::Postgres => "postgres",
        };
        let (user, database) = (&self.user, &self.database);
        match &self.socket {
            Some(socket) => format!("{family} {user}@{}/{database}", socket.display()),
            None => format!("{family} {user}@{}:{}/{database}", self.host, self.port),
        }
    }

    /// The level of protection: full, and none on a socket or this machine.
    pub fn tls_mode(&self) -> TlsMode {
        let near = ["localhost", "127.0.0.1", "::1"].contains(&self.host.as_str());
        match (&self.socket, self.tls.mode) {
            (Some(_), _) => TlsMode::Off,
            (None, Some(mode)) => mode,
            (None, None) if near && self.tls.ca.is_none() => TlsMode::Off,
            (None, None) => TlsMode::VerifyFull,
        }
    }
}

/// The dashboard.
#[derive(Debug, Clone, Default)]
pub struct WebSpec {
    /// Address and port; 127.0.0.1:8787 when `None`.
    pub listen: Option<String>,
    /// Names it answers to, beside the address it listens on.
    pub hosts: Vec<String>,
    /// Certificate, as PEM.
    pub cert: Option<PathBuf>,
    /// Key of the certificate.
    pub key: Option<PathBuf>,
    /// Address that letters and webhooks name.
    pub public_url: Option<String>,
    /// Addresses of proxies whose headers are believed.
    pub trusted_proxy: Vec<String>,
    /// Header in which a trusted proxy names who is signed in.
    pub proxy_user: Option<String>,
    /// Whether those are administrators.
    pub proxy_admin: bool,
    /// How long a session lasts; 12 hours when `None`.
    pub session: Option<Duration>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// It is not; on loopback only.
    Off,
    /// After the greeting, by STARTTLS, or there is no letter.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// The mail server.
#[derive(Debug, Clone)]
pub struct MailSpec {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: Option<String>,
    /// Where the password is found.
    pub password: Option<SecretRef>,
    /// Sender.
    pub from: String,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// Certificates to trust beside the machine's.
    pub ca: Option<PathBuf>,
}
