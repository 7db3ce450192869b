//! A dump that lost its rows is an Alerta, and what it was compared with is kept.

use crate::common::space::{Ran, Space, names};

fn space(expect: &str) -> Space {
    let space = Space::new().job(&format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ dir \"nas\" path=\"nas\" {{ keep last=1 }} }}\n\
         job \"j\" {{ dump \"app\" {{ {expect}; send \"nas\"; verify \"nas\" }} }}\n"
    ));
    space.database(
        "app.db",
        "CREATE TABLE t (a); CREATE TABLE few (a); INSERT INTO few VALUES (1); \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i FROM n",
    );
    space
}

fn run(space: &Space) -> Ran {
    space.run(&["run", "job.kdl"]).expect(0)
}

fn backups(space: &Space) -> usize {
    names(&space.path("nas")).iter().filter(|name| name.ends_with(".zip")).count()
}

#[test]
fn a_table_that_lost_its_rows_is_an_alert_and_the_one_before_stays() {
    let space = space("expect");
    assert!(run(&space).stderr.contains("Success (1)"));
    space.database("app.db", "DELETE FROM few; DELETE FROM t WHERE a > 300");
    let ran = run(&space).stderr;
    assert!(ran.contains("Success (1)"), "two fifths, and a table of one row: {ran}");
    assert_eq!(backups(&space), 1);
    let before: String = space.catalog("SELECT id FROM artifact ORDER BY started DESC LIMIT 1");
    space.database("app.db", "DELETE FROM t");
    let ran = run(&space).stderr;
    assert!(ran.contains("Alert (2)"), "{ran}");
    let told = format!(".t has 0 rows, and had 300 in {before}");
    assert!(ran.contains("not as expected: table ") && ran.contains(&told), "{ran}");
    // keep last=1, and both stay: the new one, and what it was compared with.
    assert_eq!(backups(&space), 2);
    assert!(
        space.list().iter().any(|line| line["id"] == *before && !line["pinned-until"].is_null())
    );
    // The next one is as the one before it.
    assert!(run(&space).stderr.contains("Success (1)"));
    assert_eq!(backups(&space), 2);
}

#[test]
fn expectations_are_sharpened_and_switched_off() {
    let off = space("expect enabled=#false");
    run(&off);
    off.database("app.db", "DROP TABLE t");
    assert!(run(&off).stderr.contains("Success (1)"));
    assert_eq!(backups(&off), 1);
    let sharp = space("expect max-drop=\"10%\" min-rows=1000");
    let ran = run(&sharp).stderr;
    assert!(ran.contains("the dump has 501 rows, and min-rows is 1000"), "{ran}");
    sharp.database("app.db", "DELETE FROM t WHERE a > 440");
    assert!(run(&sharp).stderr.contains(".t has 440 rows, and had 500 in "));
    let wrong = space("expect max-drop=\"half\"");
    let told = wrong.run(&["check", "job.kdl"]).expect(78);
    let told = format!("{}{}", told.stdout, told.stderr);
    assert!(told.contains("a share from `0%` to `100%`"), "{told}");
}
