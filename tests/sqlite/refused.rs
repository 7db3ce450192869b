//! One thing that SQLite refuses never ends the rest of a restore, and what only the application
//! knows keeps no file away.

use rusqlite::Connection;

use crate::common::space::Space;

const JOB: &str = "sources { sqlite \"app\" path=\"app.db\" }\nstores { dir \"disk\" path=\"backups\" { keep last=3 } }\njob \"j\" { dump \"app\" { send \"disk\" { }; verify \"disk\" } }\n";

#[track_caller]
fn one(path: &std::path::Path, sql: &str, expected: i64) {
    let connection = Connection::open(path).unwrap();
    let found: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(found, expected, "{sql}");
}

#[test]
fn a_row_that_a_check_would_not_let_in_now_comes_back() {
    let space = Space::new().job(JOB);
    space.database(
        "app.db",
        "CREATE TABLE c (id, CHECK (id <> 99)); PRAGMA ignore_check_constraints=1; INSERT INTO c VALUES (99), (1);
         CREATE TABLE innocent (x); INSERT INTO innocent VALUES (1)",
    );
    space.back_up();
    let ran = space.run(&["restore", "job.kdl", "--into", "sqlite:whole.db"]).expect(0);
    assert!(
        ran.stdout.contains("quick_check says: CHECK constraint failed in c"),
        "{}",
        ran.stdout
    );
    one(&space.path("whole.db"), "SELECT sum(id) FROM c", 100);
    space.run(&["restore", "job.kdl", "--into", "sqlite:part.db", "--only", "app.c"]).expect(0);
    one(&space.path("part.db"), "SELECT sum(id) FROM c", 100);
}

#[test]
fn functions_that_only_the_application_has_keep_no_file_away() {
    let space = Space::new().job(JOB);
    // As an application leaves it that brings a function of its own.
    space.database(
        "app.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, CHECK (lower(a) <> 'zz')); INSERT INTO t (a) VALUES ('X'), ('y');
         CREATE TABLE innocent (x); INSERT INTO innocent VALUES (1);
         PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'lower(', 'norm(')",
    );
    space.back_up();
    let ran = space.run(&["restore", "job.kdl", "--into", "sqlite:whole.db"]).expect(0);
    assert!(ran.stdout.contains("unknown function: norm()"), "{}", ran.stdout);
    one(&space.path("whole.db"), "SELECT count(*) FROM t", 2);
    // Only the file brings such a table; as SQL it is named, and nothing else stays away.
    let only = [
        "restore",
        "job.kdl",
        "--into",
        "sqlite:part.db",
        "--only",
        "app.t",
        "--only",
        "app.innocent",
    ];
    let ran = space.run(&only).expect(65);
    assert!(
        ran.stdout.contains("table app.t was not restored: no such function: norm"),
        "{}",
        ran.stdout
    );
    one(&space.path("part.db"), "SELECT x FROM innocent", 1);
}

#[test]
fn a_table_that_can_not_be_made_is_named_and_the_others_come_back() {
    let space = Space::new().job(JOB);
    space.database(
        "app.db",
        "CREATE TABLE a (x); INSERT INTO a VALUES (1), (2); CREATE INDEX of_a ON a (x); CREATE TABLE b (x); INSERT INTO b VALUES (3)",
    );
    space.back_up();
    space.database("part.db", "CREATE VIEW a AS SELECT 4 AS x");
    let only =
        ["restore", "job.kdl", "--into", "sqlite:part.db", "--only", "app.a", "--only", "app.b"];
    let ran = space.run(&only).expect(65);
    for line in [
        "table app.a was not restored: ",
        "(2 rows)",
        "index app.of_a was not restored: its table was refused",
    ] {
        assert_eq!(ran.stdout.matches(line).count(), 1, "{line}\n{}", ran.stdout);
    }
    one(&space.path("part.db"), "SELECT x FROM b", 3);
    one(&space.path("part.db"), "SELECT x FROM a", 4);
}
