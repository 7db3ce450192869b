//! Keys that wait for the rows of their table: all secondary keys of a table in one statement, then
//! foreign keys.
//!
//! Only tables that this restore made itself come here. A key that can't be added is told by name,
//! and the others are.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::base::Stop;
use crate::source::contract::{Refused, Result, is_refusal};
use crate::source::mysql::definition::{Cut, name};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::schema::{qualified, quoted};
use crate::source::mysql::words::{Token, Words};
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
    /// Guards the titles of tables of which a key was refused.
    lacking: Mutex<BTreeSet<String>>,
    /// Whether a part is restored: the table that a foreign key refers to may not come.
    part: AtomicBool,
}

impl DeferredKeys {
    /// Hears whether a part is restored.
    pub fn expect(&self, part: bool) {
        self.part.store(part, Ordering::Relaxed);
    }

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

    /// Whether a key of a table was refused.
    pub fn lacks(&self, title: &str) -> bool {
        self.lacking.lock().expect("no panic while locked").contains(title)
    }

    fn note(&self, table: &Table, refused: &[Refused]) {
        if !refused.is_empty() {
            self.lacking.lock().expect("no panic while locked").insert(table.title.clone());
        }
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
            let refused = table.add(connection, "index", &keys)?;
            self.note(&table, &refused);
            return Ok(refused);
        }
        let waiting = std::mem::take(&mut *self.tables.lock().expect("no panic while locked"));
        let mut refused = Vec::new();
        for table in waiting {
            stop.check()?;
            let own = Table::of(&table);
            let (keys, mut left) = match self.part.load(Ordering::Relaxed) {
                true => own.referring(connection, &table.references)?,
                false => (table.references, Vec::new()),
            };
            left.extend(own.add(connection, "foreign key", &keys)?);
            self.note(&own, &left);
            refused.append(&mut left);
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

    /// The foreign keys whose tables are there, and the others as what is refused: the server would
    /// make them and refuse every row from then on.
    fn referring(
        &self,
        connection: &mut Conn,
        clauses: &[String],
    ) -> Result<(Vec<String>, Vec<Refused>)> {
        let (mut keys, mut refused) = (Vec::new(), Vec::new());
        for clause in clauses {
            let Some((unit, table)) = referred(clause) else {
                keys.push(clause.clone());
                continue;
            };
            let unit = unit.unwrap_or_else(|| self.unit.clone());
            let sql = format!("SELECT 1 FROM {} LIMIT 0", qualified(&unit, &table));
            match connection.query_drop(sql) {
                // No such database, or no such table.
                Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1049 | 1146) => {
                    let found = format!("it refers to {unit}.{table}, which is not there");
                    let refusal = Refused {
                        hint: Some(format!("Restore {table} as well, then run the statement.")),
                        ..self.left("foreign key", clause, found)
                    };
                    refused.push(refusal);
                }
                other => {
                    other.map_err(|e| wrap(&format!("look for {unit}.{table}"), e))?;
                    keys.push(clause.clone());
                }
            }
        }
        Ok((keys, refused))
    }

    /// The statement that adds keys.
    fn alter(&self, clauses: &[String]) -> String {
        let adds: Vec<String> = clauses.iter().map(|c| format!("ADD {c}")).collect();
        format!("ALTER TABLE {} {}", qualified(&self.unit, &self.name), adds.join(", "))
    }

    /// A key that was not made.
    fn left(&self, word: &str, clause: &String, found: String) -> Refused {
        let what = format!("{word} {} of {}", name(clause).unwrap_or(clause), self.title);
        let sql = format!(
            "SET NAMES utf8mb4;\nSET foreign_key_checks=0;\nUSE {};\n{};\n",
            quoted(&self.unit),
            self.alter(std::slice::from_ref(clause))
        );
        Refused::new(what, found).with_sql(&self.unit, sql)
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
        let mut refused = Vec::new();
        match connection.query_drop(self.alter(clauses)).map_err(|e| wrap(&doing, e)) {
            Ok(()) => {}
            Err(error) if !is_refusal(error.kind) => return Err(error),
            Err(_) => {
                for clause in clauses {
                    match connection
                        .query_drop(self.alter(std::slice::from_ref(clause)))
                        .map_err(|e| wrap(&doing, e))
                    {
                        Ok(()) => {}
                        Err(error) if !is_refusal(error.kind) => return Err(error),
                        Err(error) => refused.push(self.left(word, clause, error.found)),
                    }
                }
            }
        }
        Ok(refused)
    }
}

/// The table that a foreign key refers to, and its database where it is another.
fn referred(clause: &str) -> Option<(Option<String>, String)> {
    let mut words = Words::new(clause);
    while let Some(token) = words.next() {
        if matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("REFERENCES")) {
            return words.full_name();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_key_names_its_table_and_perhaps_its_database() {
        let key = "CONSTRAINT `REFERENCES` FOREIGN KEY (`REFERENCES x`) REFERENCES ";
        for (rest, expected) in [
            ("`p` (`id`) ON DELETE CASCADE", (None, "p".to_owned())),
            ("`o``d`.`p` (`id`)", (Some("o`d".to_owned()), "p".to_owned())),
        ] {
            assert_eq!(referred(&format!("{key}{rest}")), Some(expected));
        }
        assert_eq!(referred("KEY `a` (`b`)"), None);
    }
}
