//! Everything that some databases of a MySQL or MariaDB server hold, as text that can be compared.
//!
//! Definitions as the server shows them (with the `AUTO_INCREMENT` of tables, the order of
//! triggers, and the modes and character sets that code was created under), and of each table the
//! number of rows, MariaDB's own checksum, and a digest of ours over the bytes of every column, the
//! invisible ones and the past of versioned tables included (the server's knows neither). Two
//! states are comparable only between servers of one brand and version.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use mysql::prelude::Queryable;
use mysql::{Conn, Row, Value};

/// What is true of each object: a line for each fact, under the kind and name of its object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State(BTreeMap<String, String>);

impl State {
    /// The state of these databases; one that is not there has none.
    pub fn of(conn: &mut Conn, databases: &[&str]) -> State {
        let mut state = State::default();
        // The session decides how definitions are written; it gets its mode back.
        let mode: Option<String> = conn.query_first("SELECT @@sql_mode").expect("it answers");
        conn.query_drop("SET NAMES utf8mb4").expect("it answers");
        conn.query_drop("SET SESSION sql_mode = ''").expect("it answers");
        let found: Vec<String> = conn.query("SHOW DATABASES").expect("databases can be listed");
        for database in databases.iter().filter(|database| found.iter().any(|f| f == *database)) {
            state.show(conn, "DATABASE", &[database], &["Create Database"]);
            state.tables(conn, database);
            state.code(conn, database);
        }
        conn.exec_drop("SET SESSION sql_mode = ?", (mode,)).expect("it answers");
        state
    }

    /// What differs, one line for each fact; empty when nothing does.
    pub fn differences(&self, other: &State) -> Vec<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let show =
            |value: Option<&String>| value.cloned().unwrap_or_else(|| "(missing)".to_owned());
        let pairs = keys.into_iter().map(|key| (key, self.0.get(key), other.0.get(key)));
        let changed = pairs.filter(|(_, ours, theirs)| ours != theirs);
        changed
            .map(|(key, ours, theirs)| format!("{key}\n  - {}\n  + {}", show(ours), show(theirs)))
            .collect()
    }

    /// Panics with all differences, if there are any.
    #[track_caller]
    pub fn assert_same(&self, other: &State) {
        let differences = self.differences(other);
        assert!(
            differences.is_empty(),
            "{} facts differ:\n{}",
            differences.len(),
            differences.join("\n")
        );
    }

    fn add(&mut self, key: String, fact: String) {
        assert!(self.0.insert(key.clone(), fact).is_none(), "{key} is there twice");
    }

    /// Adds these columns of SHOW CREATE.
    fn show(&mut self, conn: &mut Conn, kind: &str, name: &[&str], columns: &[&str]) {
        let name = quote(name);
        let row = one(conn, &format!("SHOW CREATE {kind} {name}"));
        for column in columns {
            // MySQL names the character set beside the collation only where the first CREATE did;
            // replaying its own text loses the word, not the meaning.
            let value = text(&row, column).replace(" CHARACTER SET utf8mb4 COLLATE ", " COLLATE ");
            self.add(format!("{} {name}: {column}", kind.to_lowercase()), value);
        }
    }

    fn tables(&mut self, conn: &mut Conn, database: &str) {
        let sql =
            "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
        let tables: Vec<(String, String)> =
            conn.exec(sql, (database,)).expect("tables can be listed");
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
                    self.rows(conn, database, &table, kind == "SYSTEM VERSIONED");
                }
                other => panic!("{name} is a {other}: nobody knows how to compare it"),
            }
        }
    }

    fn rows(&mut self, conn: &mut Conn, database: &str, table: &str, versioned: bool) {
        let name = quote(&[database, table]);
        let mariadb =
            text(&one(conn, "SELECT VERSION() AS version"), "version").contains("MariaDB");
        // MySQL's own checksum counts more than the rows: ALTER TABLE … FORCE changes it. MariaDB's
        // of a table with generated columns may read what is not there, and then end the server.
        let definition = text(&one(conn, &format!("SHOW CREATE TABLE {name}")), "Create Table");
        if mariadb && !definition.contains(" GENERATED ALWAYS AS (") {
            let sum = one(conn, &format!("CHECKSUM TABLE {name} EXTENDED"));
            self.add(format!("table {name}: checksum"), text(&sum, "Checksum"));
        }
        let sql = "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
        let columns: Vec<(String, String)> =
            conn.exec(sql, (database, table)).expect("columns can be listed");
        // The text of a FLOAT has six digits of nine.
        let whole = |(column, form): &(String, String)| {
            if form.eq_ignore_ascii_case("float") {
                format!("{} * 1e0", quote(&[column]))
            } else {
                quote(&[column])
            }
        };
        let mut columns: Vec<String> = columns.iter().map(whole).collect();
        columns.sort();
        let past = if versioned { " FOR SYSTEM_TIME ALL" } else { "" };
        columns.extend(versioned.then(|| "ROW_START, ROW_END".to_owned()));
        let sql = format!("SELECT {} FROM {name}{past}", columns.join(", "));
        let (mut rows, mut sum) = (0u64, 0u64);
        conn.query_drop("SET character_set_results = NULL").expect("it answers");
        for row in conn.query_iter(&sql).unwrap_or_else(|e| panic!("{e}: {sql}")) {
            rows += 1;
            sum = sum.wrapping_add(digest(&row.unwrap_or_else(|e| panic!("{e}: {sql}"))));
        }
        conn.query_drop("SET character_set_results = utf8mb4").expect("it answers");
        self.add(format!("table {name}: rows"), format!("{rows}, digest {sum:016x}"));
    }

    fn code(&mut self, conn: &mut Conn, database: &str) {
        let created =
            ["sql_mode", "character_set_client", "collation_connection", "Database Collation"];
        let with = |first: &'static str| [&[first][..], &created].concat();
        let sql = "SELECT TRIGGER_NAME, ACTION_ORDER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?";
        let triggers: Vec<(String, u64)> =
            conn.exec(sql, (database,)).expect("triggers can be listed");
        for (trigger, order) in triggers {
            self.show(conn, "TRIGGER", &[database, &trigger], &with("SQL Original Statement"));
            self.add(format!("trigger {}: order", quote(&[database, &trigger])), order.to_string());
        }
        let sql = "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?";
        let routines: Vec<(String, String)> =
            conn.exec(sql, (database,)).expect("routines can be listed");
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
            self.show(
                conn,
                "EVENT",
                &[database, &event],
                &[&["time_zone"][..], &with("Create Event")].concat(),
            );
        }
    }
}

/// A name with each part between backticks.
fn quote(name: &[&str]) -> String {
    let quoted: Vec<String> =
        name.iter().map(|part| format!("`{}`", part.replace('`', "``"))).collect();
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
        Some(Value::NULL) => {
            panic!("{column} is NULL: a right is missing, or the object is broken")
        }
        Some(value) => value.as_sql(true),
        None => panic!("no column {column}"),
    }
}

/// Digest of one row; a sum of them does not care for order, and two equal rows do not cancel out.
fn digest(row: &Row) -> u64 {
    let mut hasher = DefaultHasher::new();
    for i in 0..row.len() {
        match row.as_ref(i) {
            Some(Value::Bytes(bytes)) => Some(bytes).hash(&mut hasher),
            Some(Value::NULL) => None::<Vec<u8>>.hash(&mut hasher),
            other => panic!("BUG: {other:?} in the text protocol"),
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::servers::Brand;
    use crate::common::shop::{DATABASES, open_shop};

    /// Changes, one of each kind of object at least, and the objects that must then differ.
    const CHANGES: [(&str, &[&str]); 19] = [
        ("ALTER DATABASE crm COLLATE latin1_bin", &["database `crm`"]),
        (
            "INSERT INTO shop.visit VALUES (1, '2024-05-05 10:00:00.001', 'door')",
            &["table `shop`.`visit`"],
        ),
        (
            "UPDATE shop.visit SET how = 'Door' WHERE how = 'door' LIMIT 1",
            &["table `shop`.`visit`"],
        ),
        ("UPDATE shop.everything SET hidden = 4 WHERE id = 2", &["table `shop`.`everything`"]),
        ("UPDATE crm.archive SET note = '' WHERE id = 2", &["table `crm`.`archive`"]),
        ("ALTER TABLE shop.hold AUTO_INCREMENT = 78", &["table `shop`.`hold`"]),
        ("ALTER TABLE shop.loan DROP FOREIGN KEY loan_staff", &["table `shop`.`loan`"]),
        ("CREATE TABLE void.fresh (a INT)", &["table `void`.`fresh`"]),
        (
            "ALTER VIEW shop.z_open AS SELECT id, copy, customer, lent FROM shop.loan",
            &["view `shop`.`z_open`"],
        ),
        (
            "DROP TRIGGER shop.title_c",
            &["trigger `shop`.`title_a`", "trigger `shop`.`title_b`", "trigger `shop`.`title_c`"],
        ),
        ("ALTER FUNCTION shop.with_tax SQL SECURITY INVOKER", &["function `shop`.`with_tax`"]),
        ("DROP FUNCTION shop.`odd ``name`` ção`", &["function `shop`.`odd ``name`` ção`"]),
        ("ALTER PROCEDURE shop.close_loans COMMENT 'new'", &["procedure `shop`.`close_loans`"]),
        ("ALTER EVENT shop.tidy DISABLE", &["event `shop`.`tidy`"]),
        (
            "ALTER EVENT shop.tidy RENAME TO void.tidy",
            &["event `shop`.`tidy`", "event `void`.`tidy`"],
        ),
        (
            "ALTER DEFINER = root@localhost EVENT shop.`sleeping \"event\"` DISABLE",
            &["event `shop`.`sleeping \"event\"`"],
        ),
        ("DROP DATABASE void", &["database `void`", "event `void`.`tidy`", "table `void`.`fresh`"]),
        ("CREATE DATABASE void", &["database `void`"]),
        ("DROP VIEW shop.a_summary", &["view `shop`.`a_summary`"]),
    ];

    /// The same for what only MariaDB has.
    const MARIADB_CHANGES: [(&str, &[&str]); 3] = [
        ("DO NEXTVAL(shop.ticket)", &["sequence `shop`.`ticket`"]),
        ("UPDATE shop.price_list SET amount = 0 WHERE id = 1", &["table `shop`.`price_list`"]),
        (
            "SET STATEMENT sql_mode = 'ORACLE' FOR EXECUTE IMMEDIATE 'DROP PACKAGE BODY shop.tools'",
            &["package body `shop`.`tools`"],
        ),
    ];

    #[test]
    fn a_change_of_any_kind_of_object_is_noticed() {
        for brand in Brand::ALL {
            let server = open_shop(brand);
            let mut conn = server.conn();
            let mut before = State::of(&mut conn, &DATABASES);
            State::of(&mut server.conn(), &DATABASES).assert_same(&before);
            let more = if brand.is_mariadb() { &MARIADB_CHANGES[..] } else { &[] };
            for (change, expected) in CHANGES.iter().chain(more) {
                conn.query_drop(change).unwrap_or_else(|e| panic!("{brand:?}: {e}: {change}"));
                let after = State::of(&mut conn, &DATABASES);
                let changed = before.differences(&after);
                let object = |fact: &String| {
                    fact.lines().next()?.rsplit_once(": ").map(|(object, _)| object.to_owned())
                };
                let objects: BTreeSet<String> = changed.iter().filter_map(object).collect();
                assert_eq!(
                    objects.iter().collect::<Vec<_>>(),
                    *expected,
                    "after {change} on {brand:?}: {changed:#?}"
                );
                before = after;
            }
        }
    }

    #[test]
    fn a_difference_shows_what_was_and_what_is() {
        let state = |fact: &str| State([("table `a`: rows".to_owned(), fact.to_owned())].into());
        assert_eq!(state("1").differences(&state("2")), ["table `a`: rows\n  - 1\n  + 2"]);
        assert_eq!(
            State::default().differences(&state("2")),
            ["table `a`: rows\n  - (missing)\n  + 2"]
        );
        assert!(state("1").differences(&state("1")).is_empty());
    }
}
