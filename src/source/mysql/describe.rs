//! All of a view but its rows: definitions and the columns of tables, read while the guard holds.
//!
//! Knows no rows and no order of members.

use mysql::Conn;

use crate::base::Stop;
use crate::job::MysqlSpec;
use crate::source::contract::Result;
use crate::source::mysql::account;
use crate::source::mysql::catalogue::server_objects;
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::run;
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::names::Names;
use crate::source::mysql::object::Script;
use crate::source::mysql::privilege::Privileges;
use crate::source::mysql::reader::{Scope, definitions};
use crate::source::mysql::schema::{Layouts, Listing, layouts};
use crate::source::mysql::table_definitions::table_definitions;

/// What was read.
#[derive(Default)]
pub struct Described {
    /// The scripts of accounts and databases.
    pub scripts: Vec<Script>,
    /// The columns of each table.
    pub layouts: Layouts,
    /// What is not included, and need not be.
    pub not_included: Vec<String>,
    /// What is not included and should be.
    pub lost: Vec<String>,
}

/// Reads it by the guard, by a connection that holds no lock, and the definitions of many tables by
/// `threads` others.
pub fn describe(
    guard: &mut Conn,
    control: &mut Conn,
    (connector, flavor, threads): (&Connector, &Flavor, usize),
    (spec, listing): (&MysqlSpec, &Listing),
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
    found.layouts = layouts(guard, &listing.units)?;
    for ((unit, table), layout) in &found.layouts {
        let unknown = layout.unknown.iter();
        found.lost.extend(unknown.map(|why| format!("rows of {unit}.{table}: {why}")));
    }
    let open = || {
        let mut session = connector.session(flavor, "read the definitions of")?;
        let seconds = spec.lock_wait.as_secs().max(1);
        let wait = format!("SET SESSION lock_wait_timeout={seconds}");
        run(&mut session, &wait, "prepare the session")?;
        Ok(session)
    };
    let tables = table_definitions(guard, &open, threads, &listing.units, stop)?;
    for (unit, tables) in listing.units.iter().zip(tables) {
        stop.check()?;
        let definitions = definitions(guard, unit, &names, Scope::All(&held, tables))?;
        found.scripts.extend(definitions.scripts);
        found.not_included.extend(definitions.not_included);
        found.lost.extend(definitions.lost);
    }
    Ok(found)
}
