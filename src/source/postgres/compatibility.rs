//! What of a backup would not fit a target, told before anything is written.

use std::collections::BTreeSet;

use postgres::Client;

use crate::artifact::{Kind, Member};
use crate::source::contract::{Objection, Result};
use crate::source::postgres::definition::OWNER;
use crate::source::postgres::fault::wrap;

/// What a server has.
#[derive(Debug)]
pub struct Compatibility {
    roles: BTreeSet<String>,
    extensions: BTreeSet<String>,
    tablespaces: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl Compatibility {
    /// Asks a server.
    pub fn of(client: &mut Client) -> Result<Compatibility> {
        let mut names = |sql: &str| -> Result<BTreeSet<String>> {
            let rows = client.query(sql, &[]).map_err(|e| wrap("ask the target what it has", e))?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        };
        Ok(Compatibility {
            roles: names("SELECT rolname::text FROM pg_catalog.pg_roles")?,
            extensions: names("SELECT name::text FROM pg_catalog.pg_available_extensions")?,
            tablespaces: names("SELECT spcname::text FROM pg_catalog.pg_tablespace")?,
            told: BTreeSet::new(),
        })
    }

    /// Counts on what the restore makes itself.
    pub fn expect(&mut self, members: &[Member]) {
        for member in members.iter().filter(|m| m.kind == Kind::Account) {
            self.roles.extend(member.name.strip_prefix("role ").map(str::to_owned));
            self.tablespaces.extend(member.name.strip_prefix("tablespace ").map(str::to_owned));
        }
    }

    /// Objections to one definition; each once.
    pub fn judge(&mut self, member: &Member, text: &str, without_owner: bool) -> Vec<Objection> {
        let mut found = Vec::new();
        let mut object = |told: &mut BTreeSet<String>, what: String, why: &str, blocks: bool| {
            if told.insert(what.clone()) {
                found.push(Objection {
                    what,
                    why: why.to_owned(),
                    blocks,
                    refused: true,
                    hint: None,
                });
            }
        };
        if let Some(name) =
            member.own_name().filter(|_| member.class.as_deref() == Some("extension"))
            && !self.extensions.contains(name)
        {
            object(
                &mut self.told,
                format!("extension {name}"),
                "the target does not have its files; install its package",
                false,
            );
        }
        let space = text
            .lines()
            .find_map(|l| l.strip_prefix("SET default_tablespace='")?.strip_suffix("';"));
        if let Some(space) = space.filter(|s| !s.is_empty() && !self.tablespaces.contains(*s)) {
            let why = "there is none of this name: make it first, with CREATE TABLESPACE";
            object(&mut self.told, format!("tablespace {space}"), why, member.kind == Kind::Table);
        }
        let owner = text
            .rsplit_once(OWNER)
            .map_or("", |(_, owner)| owner)
            .lines()
            .last()
            .unwrap_or_default();
        let role = owner
            .rsplit_once(" OWNER TO \"")
            .and_then(|(_, r)| r.strip_suffix("\";"))
            .map(|r| r.replace("\"\"", "\""));
        if let Some(role) = role.filter(|r| !without_owner && !self.roles.contains(r)) {
            let why = "there is no such role to own what it owned; make it first, or restore with --definer current";
            object(&mut self.told, format!("role {role}"), why, false);
        }
        found
    }
}
