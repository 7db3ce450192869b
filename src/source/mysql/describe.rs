//! All of a view but its rows: definitions and the columns of tables, read while the guard holds.
//!
//! Knows no rows and no order of members.

use std::collections::BTreeMap;

use mysql::Conn;

use crate::base::Stop;
use crate::job::MysqlSpec;
use crate::source::contract::Result;
use crate::source::mysql::account;
use crate::source::mysql::catalogue::server_objects;
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::names::Names;
use crate::source::mysql::object::Script;
use crate::source::mysql::privilege::Privileges;
use crate::source::mysql::reader::{Scope, definitions};
use crate::source::mysql::schema::{self, Layout, Listing};
use crate::source::mysql::unreadable::Name;

/// What was read.
#[derive(Default)]
pub struct Described {
    /// The scripts of accounts and databases.
    pub scripts: Vec<Script>,
    /// The columns of each table, by database.
    pub layouts: Vec<BTreeMap<String, Layout>>,
    /// When each table was made or altered last, as the server tells it.
    pub made: BTreeMap<Name, String>,
    /// What is not included, and need not be.
    pub not_included: Vec<String>,
    /// What is not included and should be.
    pub lost: Vec<String>,
}

/// Reads it by the guard, and by a connection that holds no lock.
pub fn describe(
    guard: &mut Conn,
    control: &mut Conn,
    (spec, flavor): (&MysqlSpec, &Flavor),
    listing: &Listing,
    stop: &Stop,
) -> Result<Described> {
    let mut found = Described { lost: listing.unreadable.lines(), ..Described::default() };
    match spec.accounts {
        // Not by the guard: its transaction would hold the server's own tables, and every GRANT
        // would wait for it.
        true => {
            let accounts = account::read(control, flavor, stop)?;
            found.scripts.extend(accounts.scripts);
            found.not_included.extend(accounts.not_included);
        }
        false => found.not_included.push("users, roles and grants".to_owned()),
    }
    let server = server_objects(control, flavor)?;
    found.not_included.extend(server.not_included);
    found.lost.extend(server.lost);
    let held = Privileges::of(control, flavor)?;
    let names = Names::of(guard, &listing.units)?;
    found.lost.extend(names.lost.iter().cloned());
    for unit in &listing.units {
        stop.check()?;
        let made = schema::made(guard, unit)?;
        found.made.extend(made.into_iter().map(|(n, at)| ((unit.name.clone(), n), at)));
        let layouts = schema::layouts(guard, unit)?;
        for (table, layout) in &layouts {
            let unknown = layout.unknown.iter();
            found.lost.extend(unknown.map(|why| format!("rows of {}.{table}: {why}", unit.name)));
        }
        found.layouts.push(layouts);
        let definitions = definitions(guard, unit, &names, Scope::All(&held))?;
        found.scripts.extend(definitions.scripts);
        found.not_included.extend(definitions.not_included);
        found.lost.extend(definitions.lost);
    }
    Ok(found)
}
