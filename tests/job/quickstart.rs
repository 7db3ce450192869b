//! The sample database of the quickstart: it is what its header says, in the shell and in the
//! library.

use std::fs::File;
use std::process::Command;

use rusqlite::Connection;

/// The script.
pub const QUICKSTART: &str = include_str!("../fixtures/quickstart.sql");

fn count(db: &Connection, from: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0)).expect("it counts")
}

#[test]
fn the_sample_library_has_every_kind_of_object_and_value() {
    const COUNTS: [(&str, i64); 14] = [
        ("sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", 6),
        ("sqlite_schema WHERE type = 'view'", 2),
        ("sqlite_schema WHERE type = 'trigger'", 3),
        ("sqlite_schema WHERE type = 'index' AND sql IS NOT NULL", 3),
        ("pragma_table_list WHERE wr", 1),
        ("pragma_table_list WHERE strict", 1),
        ("pragma_table_xinfo('book') WHERE hidden IN (2, 3)", 2),
        ("author", 8),
        ("book", 60),
        ("shelf", 20),
        ("member", 40),
        ("loan", 90),
        ("\"what \"\"happened\"\" – diário\"", 90),
        ("(SELECT DISTINCT typeof(remark) FROM member)", 5),
    ];
    let db = Connection::open_in_memory().expect("memory");
    db.execute_batch(QUICKSTART).expect("the script runs");
    for (from, expected) in COUNTS {
        assert_eq!(count(&db, from), expected, "{from}");
    }
    assert!(count(&db, "busy_member") > 0);
    assert_eq!(count(&db, "pragma_foreign_key_check"), 0);
}

#[test]
fn the_shell_builds_the_sample_library_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("quickstart.sql");
    std::fs::write(&script, QUICKSTART).expect("the folder can be written");
    let library = folder.path().join("library.db");
    let mut shell = Command::new("sqlite3");
    shell.arg("-bail").arg(&library).stdin(File::open(&script).expect("it was just written"));
    let output = shell.output().unwrap_or_else(|e| panic!("sqlite3: {e}: run tests/run.sh"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let db = Connection::open(&library).expect("a database");
    let check: String =
        db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it answers");
    assert_eq!((check.as_str(), count(&db, "loan")), ("ok", 90));
}
