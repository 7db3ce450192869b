//! Definitions are read back after a restore: what became another thing in silence is a difference,
//! and keeps what runs by itself from being let loose.

use mysql::prelude::Queryable;

use vex::testing::artifact::{Kind, Member, Phase};
use vex::testing::source::contract::Loading;

use crate::common::servers::{Brand, Server};
use crate::restore::contract::crafted::{Entries, written};
use crate::restore::contract::{Engine, mysql, of};

const TABLE: &str = "CREATE TABLE suite.t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) COLLATE utf8mb4_bin \
                     DEFAULT 'x' COMMENT 'it''s; who', KEY k (name)) COMMENT='all of them' AUTO_INCREMENT=7";

const EVENT: &str = "CREATE EVENT suite.e ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01 00:00:00' ENDS '2037-01-01 00:00:00' ON \
                     COMPLETION PRESERVE ENABLE DO SELECT 1";

/// Table and event in the server's own words.
fn shown(server: &Server) -> [String; 2] {
    let mut connection = server.conn();
    let mut run = |sql: &str| connection.query_drop(sql).expect("it does");
    for sql in [
        "SET NAMES utf8mb4",
        "SET time_zone='+00:00'",
        "SET sql_mode=''",
        "DROP DATABASE IF EXISTS suite",
    ] {
        run(sql);
    }
    ["CREATE DATABASE suite", "USE suite", TABLE, EVENT].into_iter().for_each(&mut run);
    let row: mysql::Row =
        connection.query_first("SHOW CREATE TABLE t").expect("it answers").expect("a table");
    let table = row.get(1).expect("its text");
    let row: mysql::Row =
        connection.query_first("SHOW CREATE EVENT e").expect("it answers").expect("an event");
    let event = row.get(3).expect("its text");
    connection.query_drop("DROP DATABASE suite").expect("it does");
    [table, event]
}

fn entries(engine: &Engine, table: &str, event: &str) -> Vec<Entries> {
    let session = "SET NAMES utf8mb4;\nSET sql_mode='', time_zone='+00:00';\nUSE `suite`;\n";
    let made = "CREATE DATABASE IF NOT EXISTS `suite`;\n".to_owned();
    vec![
        (Member::new("suite", "", Kind::Database, Phase::Before), vec![made]),
        (engine.member("t", Kind::Table, Phase::Before), vec![format!("{session}{table};\n")]),
        (
            engine.member("e", Kind::Event, Phase::After),
            vec![format!("{session}DELIMITER //\n{event}\n//\nDELIMITER ;\n")],
        ),
    ]
}

fn compares(brand: Brand) {
    let server = brand.start(&[]);
    let engine = mysql(&server);
    let [table, event] = shown(&server);
    let version: String =
        server.conn().query_first("SELECT VERSION()").expect("it answers").expect("a version");
    let restored = |table: &str, event: &str| {
        server.exec("DROP DATABASE IF EXISTS suite");
        let backup = written("mysql", engine.dialect, entries(&engine, table, event), false);
        let loading = Loading { server: version.clone(), ..engine.loading(&backup.1) };
        // The database of the server has a character set of its own, which no entry here names.
        server.exec("CREATE DATABASE suite");
        engine.restore(&backup, &loading)
    };
    let whole = restored(&table, &event);
    assert!(whole.differences().is_empty() && whole.noted.is_empty(), "{whole:#?}");

    // An engine that is not there is another one, without an error.
    let outcome = restored(&table.replacen("ENGINE=InnoDB", "ENGINE=NOSUCH", 1), &event);
    let lines: Vec<String> = outcome.damage.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("table suite.t is not what was dumped: "), "{lines:?}");
    assert!(lines[0].contains("NOSUCH") && lines[0].contains("InnoDB"), "{lines:?}");
    assert!(of(&outcome, "event suite.e").why.contains("runs by itself"), "{outcome:#?}");

    // So is an event past its end.
    let outcome = restored(&table, &event.replacen("2037-01-01", "2020-02-01", 1));
    let lines: Vec<String> = outcome.damage.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 1, "{outcome:#?}");
    assert!(lines[0].starts_with("event suite.e is not what was dumped: "), "{lines:?}");
    let status: Option<String> = server
        .conn()
        .query_first("SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA='suite'")
        .expect("it answers");
    assert_eq!(status.as_deref(), Some("DISABLED"));
}

#[test]
fn what_became_another_thing_in_silence_is_a_difference() {
    Brand::ALL.into_iter().for_each(compares);
}
