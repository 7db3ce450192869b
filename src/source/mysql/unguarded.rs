//! What no lock holds to the end: definitions of other objects, and of tables that were read after
//! their lock was given up for somebody's DDL. They are compared at the end.

use std::collections::{HashMap, HashSet};

use mysql::Conn;

use crate::artifact::{Kind, Member};
use crate::base::Stop;
use crate::job::MysqlSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::names::Names;
use crate::source::mysql::object::Script;
use crate::source::mysql::reader::{Scope, definitions, tables_of};
use crate::source::mysql::schema::{self, Listing, Unit};
use crate::source::mysql::unreadable::Name;

/// Proves that no definition changed since `scripts` were read, but those that a lock holds
/// (tables) and those that move all the time (sequences). `now` are those that were read again
/// already.
pub fn unchanged(
    connection: &mut Conn,
    (spec, listing): (&MysqlSpec, &Listing),
    scripts: &[Script],
    mut now: Vec<Script>,
    stop: &Stop,
) -> Result<()> {
    let units = schema::names(connection, spec, &listing.unreadable)?;
    let names = Names::of(connection, &units)?;
    for unit in &units {
        stop.check()?;
        now.extend(definitions(connection, unit, &names, Scope::Unguarded)?.scripts);
    }
    let guarded = |s: &&Script| matches!(s.member.kind, Kind::Sequence | Kind::Table);
    let then: HashSet<&Script> = scripts.iter().filter(|s| !guarded(s)).collect();
    let now: HashSet<&Script> = now.iter().collect();
    let different = then.symmetric_difference(&now).min_by_key(|script| script.member.title());
    different.map_or(Ok(()), |script| Err(changed(script)))
}

/// The error of a definition that changed under a dump.
fn changed(script: &Script) -> Error {
    let found = format!(
        "the {} {} changed while it was dumped",
        script.member.kind.word(),
        script.member.title()
    );
    Error::new(ErrorKind::Busy, "prove the snapshot", found).hint("Run the job again.")
}

/// Proves that the definitions of the tables `unread` are those of `scripts`, and that none was made
/// or altered since they were listed.
pub fn compare(
    guard: &mut Conn,
    listing: &Listing,
    scripts: &[Script],
    unread: &[Name],
    stop: &Stop,
) -> Result<()> {
    let then: HashMap<&Member, &Script> = scripts.iter().map(|s| (&s.member, s)).collect();
    let unread: HashSet<&Name> = unread.iter().collect();
    for unit in &listing.units {
        stop.check()?;
        let own = |t: &&schema::Table| unread.contains(&(unit.name.clone(), t.name.clone()));
        let tables: Vec<schema::Table> = unit.tables.iter().filter(own).cloned().collect();
        if tables.is_empty() {
            continue;
        }
        let unit = Unit { name: unit.name.clone(), tables, views: Vec::new() };
        let now = schema::made(guard, &unit)?;
        for script in tables_of(guard, &unit)?.scripts {
            let same = then.get(&script.member).is_some_and(|s| shape(s) == shape(&script));
            let place = (unit.name.clone(), script.member.name.clone());
            if !same || now.get(&place.1) != listing.made.get(&place) {
                return Err(changed(&script));
            }
        }
    }
    Ok(())
}

/// The definition without the counter, which moves with every row.
fn shape(script: &Script) -> String {
    let text = String::from_utf8_lossy(&script.text);
    match text.rsplit_once(" AUTO_INCREMENT=") {
        Some((head, tail)) => {
            format!("{head}{}", tail.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => text.into_owned(),
    }
}
