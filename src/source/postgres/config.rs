//! The configuration of a cluster: the files that lie outside of its data directory, which no base
//! backup holds, and what a restore must know of the cluster.
//!
//! Files are read through the server, or from this machine's disk where the server is on it. What
//! can't be read is told, never left out in silence. Keys of TLS are not copied.

use std::path::Path;

use postgres::Client;
use serde::{Deserialize, Serialize};

use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::fault::wrap;
use crate::source::postgres::server::{Server, Tablespace};

/// The name of the file that holds the facts.
pub const CLUSTER_FACTS: &str = "cluster.json";

/// The three files of every cluster.
const FILES: [&str; 3] = ["config_file", "hba_file", "ident_file"];

/// What a restore must know of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `server_version_num`.
    pub version: u32,
    /// Identifier of the cluster.
    pub system: String,
    /// Its data directory; empty where the role could not see it.
    pub data: String,
    /// Further tablespaces.
    pub tablespaces: Vec<Tablespace>,
    /// Files outside of the data directory.
    pub config: Vec<ConfigLine>,
    /// Whether pages have checksums.
    pub checksums: bool,
    /// Whether the server archived its WAL.
    pub archives: bool,
    /// Whether the server followed another.
    #[serde(default)]
    pub standby: bool,
}

/// A configuration file outside of the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigLine {
    /// The member that holds it: `config.` and its path below the folder of `postgresql.conf`.
    pub member: String,
    /// Where it was.
    pub path: String,
    /// The setting that names it, or `include`.
    pub role: String,
}

/// The configuration that was read.
#[derive(Debug)]
pub struct Config {
    /// The facts.
    pub facts: Facts,
    /// The files, in the order of the facts.
    pub files: Vec<Vec<u8>>,
    /// What should be there and could not be read.
    pub lost: Vec<String>,
    /// What is left out on purpose.
    pub left: Vec<String>,
}

/// Reads the configuration.
pub fn read(client: &mut Client, connector: &Connector, server: &Server) -> Result<Config> {
    let mut lost = Vec::new();
    let data = server.setting("data_directory").to_owned();
    let mut all: Vec<(String, String)> = Vec::new();
    for role in FILES {
        match server.setting(role) {
            "" => lost.push(format!(
                "{role}: the role {} may not see where it is (GRANT pg_read_all_settings)",
                server.role
            )),
            path => all.push((role.to_owned(), path.to_owned())),
        }
    }
    for path in included(client, connector)? {
        if !all.iter().any(|(_, known)| *known == path) {
            all.push(("include".into(), path));
        }
    }
    let home = Path::new(server.setting("config_file"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default();
    let (mut config, mut files): (Vec<ConfigLine>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    for (role, path) in all {
        if !data.is_empty() && Path::new(&path).starts_with(&data) {
            continue;
        }
        match content(client, connector, &path) {
            Ok(bytes) => {
                let below = Path::new(&path)
                    .strip_prefix(&home)
                    .ok()
                    .or_else(|| Path::new(&path).file_name().map(Path::new));
                let mut member = format!("config.{}", below.unwrap_or(Path::new("file")).display());
                if config.iter().any(|c| c.member == member) {
                    member += &format!(".{}", config.len());
                }
                config.push(ConfigLine { member, path, role });
                files.push(bytes);
            }
            Err(why) => lost.push(format!("{role} {path}: {why}")),
        }
    }
    let left = keys_outside(server, &data);
    let facts = Facts {
        version: server.number,
        system: server.system.clone(),
        data,
        tablespaces: server.tablespaces.clone(),
        config,
        checksums: server.setting("data_checksums") == "on",
        archives: !matches!(server.setting("archive_mode"), "" | "off"),
        standby: server.standby,
    };
    Ok(Config { facts, files, lost, left })
}

/// Certificates and keys that lie outside of the data directory: they are not copied.
fn keys_outside(server: &Server, data: &str) -> Vec<String> {
    if server.setting("ssl") != "on" {
        return Vec::new();
    }
    let all =
        ["ssl_cert_file", "ssl_key_file", "ssl_ca_file"].map(|name| (name, server.setting(name)));
    let outside = all.into_iter().filter(|(_, path)| {
        path.starts_with('/') && (data.is_empty() || !Path::new(path).starts_with(data))
    });
    let why = "certificates and keys outside of the data directory are not copied";
    outside.map(|(name, path)| format!("{name} {path}: {why}")).collect()
}

/// Files that others include, as far as the role may see them.
fn included(client: &mut Client, connector: &Connector) -> Result<Vec<String>> {
    let doing = format!("list the configuration files of {}", connector.place());
    let fail = |e| wrap(&doing, e);
    let mut found: Vec<String> = Vec::new();
    let sql = "SELECT DISTINCT sourcefile FROM pg_settings WHERE sourcefile IS NOT NULL ORDER BY 1";
    found.extend(client.query(sql, &[]).map_err(fail)?.iter().map(|r| r.get::<_, String>(0)));
    // Views of files, each with a function that a role may be allowed to call; older servers have
    // fewer columns.
    for (view, function, column) in [
        ("pg_file_settings", "pg_show_all_file_settings()", "sourcefile"),
        ("pg_hba_file_rules", "pg_hba_file_rules()", "file_name"),
        ("pg_ident_file_mappings", "pg_ident_file_mappings()", "file_name"),
    ] {
        let sql = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1::text) AND attname = $2::text) \
                   AND coalesce(has_function_privilege(to_regprocedure($3::text), 'EXECUTE'), false)";
        if client.query_one(sql, &[&view, &column, &function]).map_err(fail)?.get(0) {
            let sql = format!(
                "SELECT DISTINCT {column} FROM {view} WHERE {column} IS NOT NULL ORDER BY 1"
            );
            found.extend(
                client.query(&sql, &[]).map_err(fail)?.iter().map(|r| r.get::<_, String>(0)),
            );
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The bytes of a file on the server, or why they can't be had.
fn content(
    client: &mut Client,
    connector: &Connector,
    path: &str,
) -> std::result::Result<Vec<u8>, String> {
    let through = match client.query_one("SELECT pg_read_binary_file($1::text)", &[&path]) {
        Ok(row) => return Ok(row.get(0)),
        Err(error) => wrap("read it", error).found,
    };
    if !connector.is_local() {
        return Err(format!("{through} (GRANT pg_read_server_files)"));
    }
    std::fs::read(path).map_err(|e| format!("{through}; from the disk: {e}"))
}

impl Facts {
    /// The facts as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("BUG: facts that are not JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads them.
    pub fn parse(bytes: &[u8]) -> Result<Facts> {
        let damaged = |e: serde_json::Error| {
            Error::new(ErrorKind::Damaged, format!("read {CLUSTER_FACTS}"), e.to_string())
        };
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// Major version of the server.
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }
}
