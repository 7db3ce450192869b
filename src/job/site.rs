//! What belongs to the machine rather than to one job: the catalog, the mail server, language,
//! zone.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::SecretRef;

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
    /// Folders of the client programs of PostgreSQL.
    pub postgres_tools: Vec<PathBuf>,
}

/// Where history is kept.
#[derive(Debug, Clone, Default)]
pub struct CatalogSpec {
    /// File of the catalog; in the state folder when `None`.
    pub path: Option<PathBuf>,
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

/// The mail server.
#[derive(Debug, Clone)]
pub struct MailSpec {
    /// Host.
    pub host: String,
    /// Port: 587 (STARTTLS) or 465 (TLS).
    pub port: u16,
    /// User.
    pub user: Option<String>,
    /// Where the password is found.
    pub password: Option<SecretRef>,
    /// Sender.
    pub from: String,
    /// Whether the connection is encrypted; in the clear on loopback only.
    pub tls: bool,
    /// Certificates to trust beside the machine's.
    pub ca: Option<PathBuf>,
}
