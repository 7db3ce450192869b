//! SQLite files whose application has functions and collations of its own, whose rows break their
//! own rules, and what ANALYZE found out.

use rusqlite::Connection;

use crate::common::space::{Ran, Space};

const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "out" path="out" { keep last=9 } }
job "j" { dump "app" { send "out"; verify "out" } }
"#;

/// Makes a database, puts other words into its definitions as only their application could, and
/// dumps it.
fn dumped(sql: &str, words: &[(&str, &str)], code: i32) -> (Space, Ran) {
    let space = Space::new().job(JOB);
    let path = space.database("app.db", sql);
    let connection = Connection::open(path).expect("it is there");
    for (from, to) in words {
        let sql = format!(
            "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, '{from}', '{to}'); PRAGMA writable_schema=RESET;"
        );
        connection.execute_batch(&sql).expect("it does");
    }
    drop(connection);
    let ran = space.run(&["run", "job.kdl", "--strict"]).expect(code);
    (space, ran)
}

/// Wants the file in the backup to be the file, byte for byte.
fn holds_the_file(space: &Space) {
    let zips = crate::common::space::files(&space.path("out"));
    let zip =
        zips.into_iter().find(|p| p.extension().is_some_and(|e| e == "zip")).expect("a backup");
    let mut program = std::process::Command::new("7zz");
    let output =
        program.args(["x", "-so", "-r"]).arg(zip).arg("*.sqlite").output().expect("it runs");
    let there = std::fs::read(space.path("app.db")).expect("it is there");
    assert!(output.status.success() && output.stdout[100..] == there[100..], "the file differs");
}

#[test]
fn what_only_the_application_has_keeps_no_copy_away_and_is_named() {
    let table =
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX i ON t(a COLLATE BINARY);
        CREATE TABLE other(x); INSERT INTO t(a) VALUES ('X'), ('y'); INSERT INTO other VALUES (1)";
    for (sql, words, code, named) in [
        (table, ("a TEXT)", "a TEXT, CHECK (norm(a) <> 1))"), 0, &[][..]),
        (table, ("COLLATE BINARY", "COLLATE pt"), 2, &["the check of table t: no such collation"][..]),
        (
            "CREATE TABLE t(a TEXT COLLATE BINARY PRIMARY KEY) WITHOUT ROWID; CREATE TABLE other(x);
             INSERT INTO t VALUES ('X'), ('y'); INSERT INTO other VALUES (1)",
            ("COLLATE BINARY", "COLLATE pt"),
            2,
            &["the check of table t: no such collation", "rows of table t: they are in the file only"][..],
        ),
        (
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, g TEXT AS (lower(a)) VIRTUAL); CREATE TABLE other(x);
             INSERT INTO t(a) VALUES ('X'), ('y'); INSERT INTO other VALUES (1)",
            ("lower(a)", "norm(a)"),
            2,
            &["the check of table t: unknown function: norm()"][..],
        ),
    ] {
        let (space, ran) = dumped(sql, &[words], code);
        for line in named {
            assert!(ran.stderr.contains(&format!("not included: {line}")), "{line}: {}", ran.stderr);
        }
        assert_eq!(ran.stderr.matches("not included: ").count(), named.len(), "{}", ran.stderr);
        holds_the_file(&space);
    }
}

#[test]
fn a_row_that_breaks_a_rule_of_its_table_is_no_damage() {
    let sql = "CREATE TABLE c (id, CHECK (id <> 99)); PRAGMA ignore_check_constraints=1; INSERT INTO c VALUES (99), (1)";
    let (space, ran) = dumped(sql, &[], 0);
    assert!(!ran.stderr.contains("not included"), "{}", ran.stderr);
    holds_the_file(&space);
}

#[test]
fn a_damaged_table_beside_a_foreign_one_is_still_damage() {
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000) SELECT i, hex(randomblob(50)) FROM n";
    let sql = format!(
        "CREATE TABLE big(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO big {rows};
         CREATE TABLE t(a TEXT COLLATE BINARY PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES ('a')"
    );
    let space = Space::new().job(JOB);
    let path = space.database("app.db", &sql);
    let spoil =
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'BINARY', 'pt')";
    Connection::open(&path).expect("it is there").execute_batch(spoil).expect("it does");
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[20 * 4096..21 * 4096].fill(0xff);
    std::fs::write(&path, bytes).expect("written");
    let said = space.run(&["run", "job.kdl"]).expect(1).stderr;
    assert!(said.contains("quick_check says"), "{said}");
}

#[test]
fn what_analyze_found_out_comes_back_from_sql_too() {
    let sql = "CREATE TABLE t(a, b); CREATE INDEX i ON t(b); CREATE TABLE \"o'dd\"(a); CREATE INDEX \"i'\" ON \"o'dd\"(a);
        INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'y'); INSERT INTO \"o'dd\" VALUES (1); ANALYZE";
    let (space, ran) = dumped(sql, &[], 0);
    assert!(!ran.stderr.contains("not included"), "{}", ran.stderr);
    let zips = crate::common::space::files(&space.path("out"));
    let zip =
        zips.into_iter().find(|p| p.extension().is_some_and(|e| e == "zip")).expect("a backup");
    let mut program = std::process::Command::new("7zz");
    let script = program.args(["x", "-so", "-r"]).arg(zip).arg("*.sql").output().expect("it runs");
    let text = String::from_utf8(script.stdout).expect("it is text");
    let made = Connection::open_in_memory().expect("it opens");
    made.execute_batch(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let all = |connection: &Connection| -> Vec<(String, Option<String>, String)> {
        let mut statement = connection
            .prepare("SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY 1, 2")
            .expect("it is there");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.expect("it reads").map(|row| row.expect("it reads")).collect()
    };
    let source = Connection::open(space.path("app.db")).expect("it is there");
    assert_eq!(all(&made), all(&source));
    assert_eq!(all(&made).len(), 2);
}
