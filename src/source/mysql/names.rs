//! The names of routines, events, libraries and triggers of all databases: a server looks through
//! all of them for those of one, so that asking for each database would take the square of the time.

use std::collections::BTreeMap;

use mysql::Conn;
use mysql::prelude::{FromRow, Queryable};

use crate::source::contract::Result;
use crate::source::mysql::fault::wrap;
use crate::source::mysql::schema::{Unit, conditions, literal};
use crate::source::mysql::unreadable::reason;

/// Names by database.
#[derive(Debug, Default)]
pub struct Names {
    routines: BTreeMap<String, Vec<(String, String)>>,
    events: BTreeMap<String, Vec<String>>,
    libraries: BTreeMap<String, Vec<String>>,
    triggers: BTreeMap<String, Vec<(String, String)>>,
    /// What the server can't list.
    pub lost: Vec<String>,
}

impl Names {
    /// Asks for those of some databases.
    pub fn of(connection: &mut Conn, units: &[Unit]) -> Result<Names> {
        let all = units.iter().map(|unit| literal(&unit.name)).collect::<Vec<_>>().join(",");
        let mut names = Names::default();
        let sql = format!(
            "SELECT ROUTINE_SCHEMA, ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA IN ({all}) \
             ORDER BY FIELD(ROUTINE_TYPE, 'PACKAGE', 'PACKAGE BODY', 'FUNCTION', 'PROCEDURE'), ROUTINE_NAME"
        );
        type Routine = (String, String, String);
        for (unit, form, name) in listed::<Routine>(connection, "routines", &sql, &mut names.lost)?
        {
            names.routines.entry(unit).or_default().push((form, name));
        }
        for what in ["EVENT", "LIBRARY"] {
            let list = if what == "EVENT" { "EVENTS" } else { "LIBRARIES" };
            let sql = format!(
                "SELECT {what}_SCHEMA, {what}_NAME FROM information_schema.{list} WHERE {what}_SCHEMA IN ({all}) ORDER BY {what}_NAME"
            );
            let found: Vec<(String, String)> =
                listed(connection, &list.to_lowercase(), &sql, &mut names.lost)?;
            let into = if what == "EVENT" { &mut names.events } else { &mut names.libraries };
            for (unit, name) in found {
                into.entry(unit).or_default().push(name);
            }
        }
        for condition in conditions("EVENT_OBJECT_SCHEMA", units) {
            let sql = format!(
                "SELECT EVENT_OBJECT_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE {condition} \
                 ORDER BY EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER"
            );
            for (unit, name, table) in
                listed::<Routine>(connection, "triggers", &sql, &mut names.lost)?
            {
                names.triggers.entry(unit).or_default().push((name, table));
            }
        }
        Ok(names)
    }

    /// Name and table of the triggers of a database, in the order in which they are made.
    pub fn triggers_of(&self, unit: &Unit) -> &[(String, String)] {
        self.triggers.get(&unit.name).map_or(&[], Vec::as_slice)
    }

    /// Kind and name of the routines of a database, in the order in which they are made.
    pub fn routines_of(&self, unit: &Unit) -> &[(String, String)] {
        self.routines.get(&unit.name).map_or(&[], Vec::as_slice)
    }

    /// The events of a database.
    pub fn events_of(&self, unit: &Unit) -> &[String] {
        self.events.get(&unit.name).map_or(&[], Vec::as_slice)
    }

    /// The libraries of a database (MySQL 9.2 and later).
    pub fn libraries_of(&self, unit: &Unit) -> &[String] {
        self.libraries.get(&unit.name).map_or(&[], Vec::as_slice)
    }
}

/// The rows of a catalogue; none where the server has no such, or can't read it, which is told.
fn listed<T: FromRow>(
    connection: &mut Conn,
    what: &str,
    sql: &str,
    lost: &mut Vec<String>,
) -> Result<Vec<T>> {
    match connection.query(sql) {
        Ok(rows) => Ok(rows),
        Err(mysql::Error::MySqlError(e)) if e.code == 1109 => Ok(Vec::new()),
        Err(error) => {
            let why = reason(&error);
            let Some(why) = why else { return Err(wrap(&format!("list the {what}"), error)) };
            lost.push(format!("{what} of all databases: the server can't list them: {why}"));
            Ok(Vec::new())
        }
    }
}
