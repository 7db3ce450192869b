//! What belongs to the machine rather than to one job: the catalog, the mail server, language,
//! zone.

use std::path::PathBuf;

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
    /// Folders of the client programs of PostgreSQL.
    pub postgres_tools: Vec<PathBuf>,
}

/// Where history is kept.
#[derive(Debug, Clone, Default)]
pub struct CatalogSpec {
    /// File of the catalog; in the state folder when `None`.
    pub path: Option<PathBuf>,
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
