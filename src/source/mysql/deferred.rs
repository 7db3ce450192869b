//! Keys that wait for the rows of their table: all secondary keys of a table in one statement, then
//! foreign keys.
//!
//! Only tables that this restore made itself come here. A key that can't be added is told by name,
//! and the others are.

use std::sync::Mutex;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::base::Stop;
use crate::source::contract::{Refused, Result, is_refusal};
use crate::source::mysql::definition::{Cut, name};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::schema::{qualified, quoted};
use crate::world::failpoint;

/// A table whose keys wait.
struct Waiting {
    title: String,
    unit: String,
    name: String,
    keys: Vec<String>,
    references: Vec<String>,
}

/// All tables whose keys wait.
#[derive(Default)]
pub struct DeferredKeys {
    /// Guards the tables, in the order they were made.
    tables: Mutex<Vec<Waiting>>,
}

impl DeferredKeys {
    /// Remembers what was cut from a table.
    pub fn put(&self, title: String, unit: String, name: String, cut: Cut) {
        let waiting = Waiting { title, unit, name, keys: cut.keys, references: cut.references };
        self.tables.lock().expect("no panic while locked").push(waiting);
    }

    /// A piece of work for each table with keys, then one for all foreign keys: two at once could
    /// wait for each other's tables.
    pub fn rounds(&self) -> Vec<usize> {
        let mut tables = self.tables.lock().expect("no panic while locked");
        tables.sort_by_key(|t| t.keys.is_empty());
        let keys = tables.iter().filter(|t| !t.keys.is_empty()).count();
        let references = tables.iter().any(|t| !t.references.is_empty());
        vec![keys, usize::from(references)]
    }

    /// Does a piece of work.
    pub fn make(
        &self,
        connection: &mut Conn,
        round: usize,
        number: usize,
        stop: &Stop,
    ) -> Result<Vec<Refused>> {
        if round == 0 {
            let (table, keys) = {
                let mut tables = self.tables.lock().expect("no panic while locked");
                let table = &mut tables[number];
                (Table::of(table), std::mem::take(&mut table.keys))
            };
            return table.add(connection, "index", &keys);
        }
        let waiting = std::mem::take(&mut *self.tables.lock().expect("no panic while locked"));
        let mut refused = Vec::new();
        for table in waiting {
            stop.check()?;
            refused.extend(Table::of(&table).add(connection, "foreign key", &table.references)?);
            failpoint("foreign keys made");
        }
        Ok(refused)
    }
}

/// A table that keys are added to.
struct Table {
    title: String,
    unit: String,
    name: String,
}

impl Table {
    fn of(waiting: &Waiting) -> Table {
        Table {
            title: waiting.title.clone(),
            unit: waiting.unit.clone(),
            name: waiting.name.clone(),
        }
    }

    /// Adds keys in one statement; if the server refuses it, one by one.
    fn add(&self, connection: &mut Conn, word: &str, clauses: &[String]) -> Result<Vec<Refused>> {
        if clauses.is_empty() {
            return Ok(Vec::new());
        }
        let doing = format!("add the keys of {}", self.title);
        // Foreign keys name other tables of the database without its name.
        run(connection, "SET NAMES utf8mb4", &doing)?;
        run(connection, &format!("USE {}", quoted(&self.unit)), &doing)?;
        let alter = |clauses: &[String]| {
            let adds: Vec<String> = clauses.iter().map(|c| format!("ADD {c}")).collect();
            format!("ALTER TABLE {} {}", qualified(&self.unit, &self.name), adds.join(", "))
        };
        let mut refused = Vec::new();
        match connection.query_drop(alter(clauses)).map_err(|e| wrap(&doing, e)) {
            Ok(()) => {}
            Err(error) if !is_refusal(error.kind) => return Err(error),
            Err(_) => {
                for clause in clauses {
                    match connection
                        .query_drop(alter(std::slice::from_ref(clause)))
                        .map_err(|e| wrap(&doing, e))
                    {
                        Ok(()) => {}
                        Err(error) if !is_refusal(error.kind) => return Err(error),
                        Err(error) => {
                            let what = format!(
                                "{word} {} of {}",
                                name(clause).unwrap_or(clause),
                                self.title
                            );
                            let sql = format!(
                                "SET NAMES utf8mb4;\nSET foreign_key_checks=0;\nUSE {};\n{};\n",
                                quoted(&self.unit),
                                alter(std::slice::from_ref(clause))
                            );
                            let refusal = Refused::new(what, error.found);
                            refused.push(refusal.with_sql(&self.unit, sql));
                        }
                    }
                }
            }
        }
        Ok(refused)
    }
}
