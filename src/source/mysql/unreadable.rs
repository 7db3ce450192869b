//! What the server holds and can't read: left out of a dump, and named once with the server's own
//! reason, so that one odd neighbour never takes the others down.
//!
//! Knows no connection. A refusal of a right is none of it, and neither is a lost connection, a
//! lock that was not had or a statement that somebody ended: those are errors.

use std::collections::BTreeMap;

use crate::source::contract::ErrorKind;
use crate::source::mysql::fault::kind;

/// Most things named in one line.
const NAMED: usize = 8;

/// A table, by unit and name.
pub type Name = (String, String);

/// Databases and tables that can't be read, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unreadable {
    databases: BTreeMap<String, String>,
    tables: BTreeMap<Name, String>,
}

impl Unreadable {
    /// A database can't be read.
    pub fn add_database(&mut self, unit: &str, why: &str) {
        self.databases.entry(unit.to_owned()).or_insert_with(|| why.to_owned());
    }

    /// A table can't be read.
    pub fn add_table(&mut self, unit: &str, table: &str, why: &str) {
        let name = (unit.to_owned(), table.to_owned());
        self.tables.entry(name).or_insert_with(|| why.to_owned());
    }

    /// Whether a database is among it.
    pub fn has_database(&self, unit: &str) -> bool {
        self.databases.contains_key(unit)
    }

    /// Whether a table is among it.
    pub fn has_table(&self, unit: &str, table: &str) -> bool {
        self.tables.contains_key(&(unit.to_owned(), table.to_owned()))
    }

    /// All of it, one line each.
    pub fn lines(&self) -> Vec<String> {
        let databases = self.databases.iter().map(|(unit, why)| format!("database {unit}: {why}"));
        let tables = self.tables.iter().map(|((unit, table), why)| {
            format!("table {unit}.{table}: the server can't open it: {why}")
        });
        databases.chain(tables).collect()
    }
}

/// Rows that are not in a dump although their table is.
#[derive(Debug, Clone, Default)]
pub struct Shortfall {
    /// Why the server can't read all rows of a table.
    broken: BTreeMap<Name, String>,
    /// Rows that no server would take back: of which table, why, and how many.
    left: BTreeMap<(Name, String), u64>,
}

impl Shortfall {
    /// Adds what was found in one reading of a table.
    pub fn add(&mut self, table: &Name, broken: Option<String>, left: BTreeMap<String, u64>) {
        self.broken.extend(broken.map(|why| (table.clone(), why)));
        for (why, rows) in left {
            *self.left.entry((table.clone(), why)).or_insert(0) += rows;
        }
    }

    /// Whether the server could read a table to its end, so far.
    pub fn is_whole(&self, table: &Name) -> bool {
        !self.broken.contains_key(table)
    }

    /// Rows of a table that were left out.
    pub fn left(&self, table: &Name) -> u64 {
        self.left.iter().filter(|((of, _), _)| of == table).map(|(_, rows)| rows).sum()
    }

    /// All of it, one line for each table and reason.
    pub fn lines(&self) -> Vec<String> {
        let broken = self.broken.iter().map(|((unit, table), why)| {
            format!(
                "rows of {unit}.{table}: the server can't read them all, the others are here: {why}"
            )
        });
        let left = self.left.iter().map(|(((unit, table), why), rows)| {
            format!("{rows} rows of {unit}.{table}: {why}, and no server would take them back")
        });
        broken.chain(left).collect()
    }
}

/// Names for one line of the manifest.
pub fn list(names: &[String]) -> String {
    let more = match names.len() > NAMED {
        true => format!(" and {} more", names.len() - NAMED),
        false => String::new(),
    };
    names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ") + &more
}

/// What the server said of a thing that it can't read; `None` where the error is about something
/// else.
pub fn reason(error: &mysql::Error) -> Option<String> {
    let mysql::Error::MySqlError(said) = error else { return None };
    // Ended by somebody, or by a time limit; no room, no memory.
    let ended = matches!(said.code, 1317 | 1969 | 3 | 5 | 1021 | 1037 | 1038 | 1041 | 1114);
    let odd = matches!(kind(error), ErrorKind::Failed | ErrorKind::Damaged) && !ended;
    odd.then(|| format!("{} (error {})", said.message.trim_end(), said.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16) -> mysql::Error {
        let (state, message) = ("HY000".to_owned(), "why".to_owned());
        mysql::Error::MySqlError(mysql::MySqlError { state, message, code })
    }

    #[test]
    fn what_a_server_can_not_open_is_told_from_rights_locks_and_ends() {
        for code in [29, 130, 1018, 1030, 1168, 1286, 1356, 1812, 1932] {
            assert!(reason(&said(code)).is_some(), "{code}");
        }
        for code in [1142, 1205, 1317, 1021, 2013, 1969, 3024] {
            assert_eq!(reason(&said(code)), None, "{code}");
        }
    }
}
