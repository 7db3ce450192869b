//! Everything that some databases of a MySQL or MariaDB server hold, as text that can be compared.
//!
//! Definitions as the server shows them (with the `AUTO_INCREMENT` of tables, the order of triggers, and the modes and
//! character sets that code was created under), and of each table the rows and the server's own checksum. Two states
//! are comparable only between servers of one brand and version.

use std::collections::{BTreeMap, BTreeSet};

use mysql::prelude::Queryable;
use mysql::{Conn, Row, Value};

/// What is true of each object: a line for each fact, under the kind and name of its object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State(BTreeMap<String, String>);

impl State {
    /// The state of these databases.
    pub fn of(conn: &mut Conn, databases: &[&str]) -> State {
        let mut state = State::default();
        conn.query_drop("SET NAMES utf8mb4").expect("it answers");
        for database in databases {
            state.show(conn, "DATABASE", &[database], &["Create Database"]);
            state.tables(conn, database);
            state.code(conn, database);
        }
        state
    }

    /// What differs, one line for each fact; empty when nothing does.
    pub fn differences(&self, other: &State) -> Vec<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let show = |value: Option<&String>| value.cloned().unwrap_or_else(|| "(missing)".to_owned());
        let pairs = keys.into_iter().map(|key| (key, self.0.get(key), other.0.get(key)));
        let changed = pairs.filter(|(_, ours, theirs)| ours != theirs);
        changed.map(|(key, ours, theirs)| format!("{key}\n  - {}\n  + {}", show(ours), show(theirs))).collect()
    }

    /// Panics with all differences, if there are any.
    #[track_caller]
    pub fn assert_same(&self, other: &State) {
        let differences = self.differences(other);
        assert!(differences.is_empty(), "{} facts differ:\n{}", differences.len(), differences.join("\n"));
    }

    fn add(&mut self, key: String, fact: String) {
        assert!(self.0.insert(key.clone(), fact).is_none(), "{key} is there twice");
    }

    /// Adds these columns of SHOW CREATE.
    fn show(&mut self, conn: &mut Conn, kind: &str, name: &[&str], columns: &[&str]) {
        let name = quote(name);
        let row = one(conn, &format!("SHOW CREATE {kind} {name}"));
        for column in columns {
            self.add(format!("{} {name}: {column}", kind.to_lowercase()), text(&row, column));
        }
    }

    fn tables(&mut self, conn: &mut Conn, database: &str) {
        let sql = "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
        let tables: Vec<(String, String)> = conn.exec(sql, (database,)).expect("tables can be listed");
        for (table, kind) in tables {
            let name = quote(&[database, &table]);
            match kind.as_str() {
                "VIEW" => {
                    let columns = ["Create View", "character_set_client", "collation_connection"];
                    self.show(conn, "VIEW", &[database, &table], &columns);
                }
                "SEQUENCE" => {
                    self.show(conn, "TABLE", &[database, &table], &["Create Table"]);
                    let row = one(conn, &format!("SELECT * FROM {name}"));
                    self.add(format!("sequence {name}: next"), text(&row, "next_not_cached_value"));
                }
                "BASE TABLE" | "SYSTEM VERSIONED" => {
                    self.show(conn, "TABLE", &[database, &table], &["Create Table"]);
                    let sum = one(conn, &format!("CHECKSUM TABLE {name} EXTENDED"));
                    self.add(format!("table {name}: checksum"), text(&sum, "Checksum"));
                    let past = if kind == "BASE TABLE" { "" } else { "FOR SYSTEM_TIME ALL" };
                    let rows = one(conn, &format!("SELECT COUNT(*) AS `rows` FROM {name} {past}"));
                    self.add(format!("table {name}: rows"), text(&rows, "rows"));
                }
                other => panic!("{name} is a {other}: nobody knows how to compare it"),
            }
        }
    }

    fn code(&mut self, conn: &mut Conn, database: &str) {
        let created = ["sql_mode", "character_set_client", "collation_connection", "Database Collation"];
        let with = |first: &'static str| [&[first][..], &created].concat();
        let sql = "SELECT TRIGGER_NAME, ACTION_ORDER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?";
        let triggers: Vec<(String, u64)> = conn.exec(sql, (database,)).expect("triggers can be listed");
        for (trigger, order) in triggers {
            self.show(conn, "TRIGGER", &[database, &trigger], &with("SQL Original Statement"));
            self.add(format!("trigger {}: order", quote(&[database, &trigger])), order.to_string());
        }
        let sql = "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?";
        let routines: Vec<(String, String)> = conn.exec(sql, (database,)).expect("routines can be listed");
        for (routine, kind) in routines {
            let shown = match kind.as_str() {
                "FUNCTION" => "Create Function",
                "PROCEDURE" => "Create Procedure",
                "PACKAGE" => "Create Package",
                "PACKAGE BODY" => "Create Package Body",
                other => panic!("{routine} is a {other}: nobody knows how to compare it"),
            };
            self.show(conn, &kind, &[database, &routine], &with(shown));
        }
        let sql = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?";
        let events: Vec<String> = conn.exec(sql, (database,)).expect("events can be listed");
        for event in events {
            self.show(conn, "EVENT", &[database, &event], &[&["time_zone"][..], &with("Create Event")].concat());
        }
    }
}

/// A name with each part between backticks.
fn quote(name: &[&str]) -> String {
    let quoted: Vec<String> = name.iter().map(|part| format!("`{}`", part.replace('`', "``"))).collect();
    quoted.join(".")
}

fn one(conn: &mut Conn, sql: &str) -> Row {
    let row: Option<Row> = conn.query_first(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
    row.unwrap_or_else(|| panic!("nothing: {sql}"))
}

fn text(row: &Row, column: &str) -> String {
    let index = row.columns_ref().iter().position(|c| c.name_str() == column);
    match index.and_then(|i| row.as_ref(i)) {
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Value::NULL) => panic!("{column} is NULL: a right is missing, or the object is broken"),
        Some(value) => value.as_sql(true),
        None => panic!("no column {column}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Brand;
    use crate::shop::{DATABASES, open_shop};

    /// A change, and the facts that it must change (the start of each line).
    const CHANGES: [(&str, &[&str]); 22] = [
        ("ALTER DATABASE void COLLATE utf8mb4_general_ci", &["database `void`: Create Database"]),
        ("INSERT INTO shop.visit VALUES (1, '2024-05-05 10:00:00.001', 'door')", &["checksum", "rows"]),
        ("UPDATE shop.visit SET how = 'Door' WHERE how = 'door' LIMIT 1", &["table `shop`.`visit`: checksum"]),
        ("UPDATE shop.only_generated SET one = DEFAULT", &[]),
        ("UPDATE shop.everything SET hidden = 4 WHERE id = 2", &["table `shop`.`everything`: checksum"]),
        ("UPDATE crm.archive SET note = '' WHERE id = 2", &["table `crm`.`archive`: checksum"]),
        ("ALTER TABLE shop.hold AUTO_INCREMENT = 78", &["table `shop`.`hold`: Create Table"]),
        ("ALTER TABLE shop.visit COMMENT = 'other'", &["table `shop`.`visit`: Create Table"]),
        ("ALTER TABLE shop.loan DROP FOREIGN KEY loan_staff", &["table `shop`.`loan`: Create Table"]),
        ("CREATE TABLE void.t (a INT)", &["void`.`t`: Create", "void`.`t`: checksum", "void`.`t`: rows"]),
        ("ALTER VIEW shop.z_open AS SELECT id, copy, customer, lent FROM shop.loan", &["view `shop`.`z_open`"]),
        ("DROP TRIGGER shop.title_c", &["SQL", "Coll", "character", "coll", "order", "mode", "title_a", "title_b"]),
        ("DROP FUNCTION shop.with_tax", &["Create Function", "Coll", "character", "coll", "mode"]),
        ("ALTER FUNCTION shop.`odd ``name`` ção` SQL SECURITY DEFINER", &["Create Function"]),
        ("ALTER PROCEDURE shop.close_loans COMMENT 'new'", &["`shop`.`close_loans`: Create Procedure"]),
        ("ALTER EVENT shop.tidy DISABLE", &["event `shop`.`tidy`: Create Event"]),
        ("ALTER EVENT shop.tidy RENAME TO void.tidy", &["shop", "void"]),
        ("ALTER DEFINER = root@localhost EVENT shop.`sleeping \"event\"` ENABLE", &["Create Event"]),
        ("DROP DATABASE crm", &["crm"]),
        ("DO NEXTVAL(shop.ticket)", &["sequence `shop`.`ticket`: next"]),
        ("UPDATE shop.price_list SET amount = 0 WHERE id = 1", &["checksum", "rows"]),
        ("DROP PACKAGE BODY shop.tools", &["package body `shop`.`tools`"]),
    ];
}
