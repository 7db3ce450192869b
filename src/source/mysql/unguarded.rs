//! Tables that were read after their lock was given up for somebody's DDL: their definitions are
//! compared at the end.

use std::collections::BTreeMap;

use mysql::Conn;

use crate::base::Stop;
use crate::source::contract::Result;
use crate::source::mysql::object::{Script, changed};
use crate::source::mysql::reader::tables_of;
use crate::source::mysql::schema::{self, Unit};
use crate::source::mysql::unreadable::Name;

/// Proves that the definitions of the tables `unread` are those of `scripts`, and that none was made
/// or altered since `made`.
pub fn compare(
    guard: &mut Conn,
    units: &[Unit],
    scripts: &[Script],
    made: &BTreeMap<Name, String>,
    unread: &[Name],
    stop: &Stop,
) -> Result<()> {
    for unit in units {
        stop.check()?;
        let own =
            |t: &&schema::Table| unread.iter().any(|(u, name)| *u == unit.name && *name == t.name);
        let tables: Vec<schema::Table> = unit.tables.iter().filter(own).cloned().collect();
        let unit = Unit { name: unit.name.clone(), tables, views: Vec::new() };
        let now = schema::made(guard, &unit)?;
        for script in tables_of(guard, &unit)? {
            let same =
                scripts.iter().any(|s| s.member == script.member && shape(s) == shape(&script));
            let place = (unit.name.clone(), script.member.name.clone());
            if !same || now.get(&place.1) != made.get(&place) {
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
