//! Which database a backup is of, and on which machine it was read (design, section 6).
//!
//! Pure: knows no server. A name that a person typed is no identity: two hosts may use one job
//! file, and two job files may share one store.
//! - the *origin* says which database: `server_uuid` of MySQL, `system_identifier` of PostgreSQL,
//!   the address as it was written where a server has no lasting identity, or `identity="…"`;
//! - the *machine sign* says where it ran, so that a clone with the same origin is told apart;
//! - the *server facts* are what "scratch is not production" is decided by.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which database, and where it ran.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Which database.
    pub id: String,
    /// Where it ran; `None` where that could not be read: such a sign equals no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<String>,
    /// Whether the sign is not compared: the job file names the identity, or several hosts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
    /// What tells this server from every other, as long as it runs; `None` where that could not be
    /// read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl Origin {
    /// Whether both are one database on one machine.
    pub fn is_same(&self, other: &Origin) -> bool {
        self.id == other.id && self.has_sign_of(other)
    }

    /// Whether the machine signs do not tell the two apart.
    pub fn has_sign_of(&self, other: &Origin) -> bool {
        self.anywhere || other.anywhere || (self.sign.is_some() && self.sign == other.sign)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sign {
            Some(sign) if !self.anywhere => write!(f, "{}@{sign}", self.id),
            Some(_) | None => f.write_str(&self.id),
        }
    }
}
