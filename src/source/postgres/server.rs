//! What a server says of itself before its files are copied: version, identity, tablespaces, and
//! what would spoil a copy.
//!
//! Changes nothing. Reads of settings that a role may not see are told as such, never taken for
//! empty.

use std::collections::BTreeMap;

use postgres::Client;

use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::connect::{Connector, server_version};
use crate::source::postgres::fault::wrap;

/// A tablespace that lies outside of the data directory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tablespace {
    /// Its object identifier: its tar file is `OID.tar`, its link `pg_tblspc/OID`.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Its folder.
    pub location: String,
}

/// A server.
#[derive(Debug, Clone)]
pub struct Server {
    /// `server_version_num`.
    pub number: u32,
    /// Identifier of the cluster.
    pub system: String,
    /// Timeline of its last checkpoint.
    pub timeline: u32,
    /// Whether the role may copy files.
    pub replication: bool,
    /// Whether it follows another.
    pub standby: bool,
    /// The role.
    pub role: String,
    /// Settings that matter, those the role may see.
    pub settings: BTreeMap<String, String>,
    /// Further tablespaces.
    pub tablespaces: Vec<Tablespace>,
    /// Its databases and their bytes, those the role may ask for.
    pub databases: Vec<(String, u64)>,
}

/// A session on the database that every server has.
pub fn session(connector: &Connector, doing: &str) -> Result<Client> {
    if connector.hosts.len() > 1 {
        let found =
            format!("{} hosts are named, and files are those of one", connector.hosts.len());
        let error = Error::new(ErrorKind::Refused, format!("{doing} {}", connector.place()), found);
        return Err(
            error.hint("Name the one host whose files are to be copied, in a source of its own.")
        );
    }
    let client = connector.session(connector.home(), doing)?;
    if connector.is_pooled() {
        // A replication slot outlives the client in a session that is lent.
        let found = "a connection pooler stands before the server";
        let error = Error::new(ErrorKind::Refused, format!("{doing} {}", connector.place()), found);
        return Err(
            error.hint("Files are copied from the server itself: name it in `host` and `port`.")
        );
    }
    Ok(client)
}

impl Server {
    /// Asks it.
    pub fn of(client: &mut Client, place: &str) -> Result<Server> {
        let doing = format!("ask {place} for its files");
        let fail = |e| wrap(&doing, e);
        let number = server_version(client, &doing)?;
        let sql = "SELECT (SELECT system_identifier::text FROM pg_control_system()), \
                   (SELECT timeline_id FROM pg_control_checkpoint()), current_user::text, \
                   (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user), pg_is_in_recovery()";
        let row = client.query_one(sql, &[]).map_err(fail)?;
        let sql = "SELECT name, setting FROM pg_settings WHERE name IN ('data_directory', 'config_file', 'hba_file', \
                   'ident_file', 'full_page_writes', 'wal_level', 'data_checksums', 'summarize_wal', 'ssl', \
                   'ssl_cert_file', 'ssl_key_file', 'ssl_ca_file', 'max_wal_senders', \
                   'archive_mode')";
        let settings = client.query(sql, &[]).map_err(fail)?;
        let sql = "SELECT oid, spcname::text, pg_tablespace_location(oid) FROM pg_tablespace \
                   WHERE pg_tablespace_location(oid) LIKE '/%' ORDER BY oid";
        let tablespaces = client.query(sql, &[]).map_err(fail)?;
        let sql = "SELECT datname::text, pg_database_size(oid) FROM pg_database \
                   WHERE has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') \
                   ORDER BY datname";
        let databases = client.query(sql, &[]).map_err(fail)?;
        let server = Server {
            number,
            system: row.get(0),
            timeline: u32::try_from(row.get::<_, i32>(1)).unwrap_or(0),
            role: row.get(2),
            standby: row.get(4),
            replication: row.get::<_, Option<bool>>(3) == Some(true),
            settings: settings
                .iter()
                .map(|r| (r.get(0), r.get::<_, Option<String>>(1).unwrap_or_default()))
                .collect(),
            tablespaces: tablespaces
                .iter()
                .map(|r| Tablespace { oid: r.get(0), name: r.get(1), location: r.get(2) })
                .collect(),
            databases: databases
                .iter()
                .map(|r| (r.get(0), u64::try_from(r.get::<_, i64>(1)).unwrap_or(0)))
                .collect(),
        };
        Ok(server)
    }

    /// A setting; empty where there is none, or none to be seen.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    /// Its version as a person reads it.
    pub fn version(&self) -> String {
        format!("PostgreSQL {}.{}", self.number / 10_000, self.number % 10_000)
    }

    /// Estimated bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.databases.iter().map(|d| d.1).sum()
    }

    /// Why its files can't be copied, and what to do; `None` where they can.
    pub fn objection(&self) -> Option<(ErrorKind, String, String)> {
        if !self.replication {
            let found = format!("the role {} has no REPLICATION", self.role);
            let hint = format!(
                "As a superuser: `ALTER ROLE \"{}\" REPLICATION`; and pg_hba.conf needs a line for the database \
                 `replication` and this role.",
                self.role.replace('"', "\"\"")
            );
            return Some((ErrorKind::Denied, found, hint));
        }
        if self.setting("full_page_writes") == "off" {
            let hint = "Set full_page_writes=on and reload: without it a copy may hold pages that are torn, and nothing repairs them.";
            return Some((ErrorKind::Refused, "full_page_writes is off".into(), hint.into()));
        }
        if self.setting("wal_level") == "minimal" {
            let hint = "Set wal_level=replica and restart the server.";
            return Some((
                ErrorKind::Refused,
                "wal_level is minimal, too little for a copy".into(),
                hint.into(),
            ));
        }
        None
    }
}
