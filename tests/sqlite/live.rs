//! A live SQLite file: every backup of it is one point in time, and every value comes back.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::common::space::{Space, contents, names, rows};

/// A job that copies `app.db` into the folder `out`.
const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "out" path="out" { keep last=9 } }
job "j" { dump "app" chunk="64KiB" { send "out"; verify "out" } }
"#;

/// Accounts of the bank.
const ACCOUNTS: i64 = 40;

/// Backups taken while the bank is open.
const BACKUPS: usize = 20;

/// A bank: each transfer moves money and says so in a log without gaps.
fn bank(space: &Space, journal: &str) -> PathBuf {
    let sql = format!(
        "PRAGMA journal_mode={journal}; BEGIN;
         CREATE TABLE account (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, note TEXT);
         CREATE TABLE txlog (id INTEGER PRIMARY KEY, payer INTEGER, payee INTEGER, amount INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < {ACCOUNTS}-1)
         INSERT INTO account SELECT i, 1000, hex(randomblob(400)) FROM n; COMMIT;"
    );
    let path = space.path("app.db");
    let db = Connection::open(&path).unwrap();
    db.query_row("PRAGMA journal_mode", [], |_| Ok(())).unwrap();
    db.execute_batch(&sql).unwrap();
    path
}

/// Transfers money until the bank closes; returns the number of transfers.
fn transfer(path: &Path, seed: i64, closed: &AtomicBool) -> u64 {
    let mut db = Connection::open(path).unwrap();
    db.busy_timeout(Duration::from_secs(60)).unwrap();
    db.execute_batch("PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=50;").unwrap();
    let (mut done, mut chance) = (0, seed);
    while !closed.load(Ordering::SeqCst) {
        chance =
            chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [payer, payee, amount] =
            [chance >> 33, chance >> 41, chance >> 49].map(|n| n.rem_euclid(ACCOUNTS));
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        change.execute("UPDATE account SET amount=amount-?1 WHERE id=?2", [amount, payer]).unwrap();
        change.execute("UPDATE account SET amount=amount+?1 WHERE id=?2", [amount, payee]).unwrap();
        change
            .execute(
                "INSERT INTO txlog SELECT coalesce(max(id),0)+1, ?1, ?2, ?3 FROM txlog",
                [payer, payee, amount],
            )
            .unwrap();
        change.commit().unwrap();
        done += 1;
    }
    done
}

/// Fails unless the file is exactly what its own log says it should be.
#[track_caller]
fn audit(path: &Path) -> i64 {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).unwrap();
    assert_eq!(rows(&db, "PRAGMA integrity_check"), ["t\"ok\" "]);
    assert_eq!(
        one("SELECT sum(amount) FROM account"),
        Some(ACCOUNTS * 1000),
        "the sum of all accounts"
    );
    assert_eq!(
        one("SELECT count(*) FROM txlog"),
        one("SELECT coalesce(max(id), 0) FROM txlog"),
        "a gap in the log"
    );
    let wrong =
        "WITH moved AS (SELECT payer AS id, -amount AS amount FROM txlog UNION ALL SELECT payee, amount FROM txlog),
                 should AS (SELECT id, 1000 + sum(amount) AS amount FROM moved GROUP BY id)
                 SELECT count(*) FROM should JOIN account USING (id) WHERE account.amount <> should.amount";
    assert_eq!(one(wrong), Some(0), "accounts that are not what the log makes of them");
    one("SELECT count(*) FROM txlog").unwrap()
}

fn every_backup_of_a_busy_bank_is_one_point_in_time(journal: &str) {
    let space = Space::new();
    let path = bank(&space, journal);
    let closed = AtomicBool::new(false);
    let (mut transfers, mut seen) = (0, Vec::new());
    std::thread::scope(|scope| {
        let writers: Vec<_> = [1, 2]
            .map(|seed| {
                scope.spawn({
                    let (path, closed) = (&path, &closed);
                    move || transfer(path, seed, closed)
                })
            })
            .into();
        for number in 0..BACKUPS {
            // A folder for each: two backups of one chain are a second apart.
            let (job, out) = (format!("{number}.kdl"), format!("out-{number}"));
            std::fs::write(space.path(&job), JOB.replace("path=\"out\"", &format!("path={out:?}")))
                .unwrap();
            let ran = space.run(&["run", &job]);
            if ran.code != 0 {
                closed.store(true, Ordering::SeqCst);
                panic!("{ran:?}");
            }
        }
        closed.store(true, Ordering::SeqCst);
        transfers = writers.into_iter().map(|w| w.join().unwrap()).sum();
    });
    for number in 0..BACKUPS {
        let (job, file) = (format!("{number}.kdl"), format!("file-{number}.db"));
        space.run(&["restore", &job, "--into", &format!("sqlite:{file}")]).expect(0);
        seen.push(audit(&space.path(&file)));
    }
    space.run(&["restore", "0.kdl", "--only", "app", "--into", "sqlite:sql.db"]).expect(0);
    assert_eq!(contents(&space.path("file-0.db")), contents(&space.path("sql.db")), "file and SQL");
    assert_eq!(audit(&path), transfers as i64);
    assert!(seen.is_sorted() && seen.first() < seen.last(), "the bank was busy: {seen:?}");
}

#[test]
fn every_backup_of_a_busy_wal_bank_is_one_point_in_time() {
    every_backup_of_a_busy_bank_is_one_point_in_time("WAL");
}

#[test]
fn every_backup_of_a_busy_rollback_bank_is_one_point_in_time() {
    every_backup_of_a_busy_bank_is_one_point_in_time("DELETE");
}

/// Every kind of table, object, and name.
const SHAPES: &str = r#"
PRAGMA user_version=42; PRAGMA application_id=7;
CREATE TABLE loose (id INTEGER PRIMARY KEY, v, w TEXT COLLATE NOCASE DEFAULT 'x;--');
CREATE TABLE pair (a TEXT, b INT, c REAL, PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO pair VALUES ('', 1, 1.5), ('a''b', -1, NULL), ('é', 9223372036854775807, 2);
CREATE TABLE firm (i INTEGER, r REAL, t TEXT, b BLOB, n INT NOT NULL, y ANY) STRICT;
INSERT INTO firm VALUES (1, 1, '1', x'00', 0, '1'), (NULL, NULL, NULL, NULL, 1, 1.0);
CREATE TABLE made (a INT, v INT AS (a * 2), s TEXT AS ('n' || a) STORED, z INT);
INSERT INTO made (a, z) VALUES (1, 9), (NULL, 8);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, t); -- a comment at the end
INSERT INTO counted (t) VALUES ('a'), ('b'), ('c'); DELETE FROM counted WHERE id > 1;
CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p REFERENCES parent(id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1), (NULL);
CREATE TABLE "we""ird näme; -- '" ("col ""umn" INT, "select" TEXT, [br acket] INT);
CREATE TABLE "a.b" ("c.d" TEXT); INSERT INTO "a.b" VALUES ('dot');
CREATE TABLE "../../up" (x); INSERT INTO "../../up" VALUES ('../../etc');
CREATE TABLE "line
end 📚" (x); INSERT INTO "line
end 📚" VALUES ('
.shell touch pwned
go
/
'), ('');
CREATE TABLE void (x);
CREATE INDEX plain ON loose (w DESC); CREATE UNIQUE INDEX part ON firm (n) WHERE n > 0;
CREATE INDEX expr ON loose (lower(w), id); CREATE INDEX "in""dex" ON "a.b" ("c.d");
CREATE VIEW seen AS SELECT a, v FROM made; CREATE VIEW "v ""2" (x) AS SELECT a FROM seen;
CREATE TRIGGER on_insert AFTER INSERT ON loose BEGIN INSERT INTO counted (t) VALUES (new.v); UPDATE made SET z=z+1; END;
CREATE TRIGGER on_view INSTEAD OF INSERT ON seen BEGIN SELECT raise(ABORT, 'no; END'); END;
"#;

/// Every value that was ever lost by somebody.
fn fill(path: &Path) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("DROP TRIGGER on_insert").unwrap();
    let numbers = [0, 1, -1, i64::MAX, i64::MIN, i64::MIN + 1, 1 << 53, (1 << 53) + 1];
    let reals = [
        0.1,
        0.2,
        -0.0,
        0.0,
        1.0,
        1e15,
        1e16,
        1e300,
        -1e300,
        1e-300,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        std::f64::consts::PI,
        123_456_789.125,
        9_007_199_254_740_993.0,
        16_777_216.0,
    ];
    let texts: [&[u8]; 12] = [
        b"",
        b"'",
        b"''",
        b"\"",
        b"\\",
        b"a\nb\r\nc\t",
        b"NULL",
        b"x'00'",
        "é 📚 \u{feff}".as_bytes(),
        b"a\0b",
        b"\xff\xfe",
        b"\xc3",
    ];
    let insert = "INSERT INTO loose (v, w) VALUES (?1, ?2)";
    for number in numbers {
        db.execute(insert, params![number, number.to_string()]).unwrap();
    }
    for real in reals {
        db.execute(insert, params![real, real.to_string()]).unwrap();
    }
    for text in texts {
        // Text that is no UTF-8 comes into a database by a cast only.
        db.execute("INSERT INTO loose (v, w) VALUES (CAST(?1 AS TEXT), CAST(?1 AS TEXT))", [text])
            .unwrap();
        db.execute("INSERT INTO loose (v, w) VALUES (?1, NULL)", [text]).unwrap();
    }
    db.execute(insert, params![None::<i64>, ""]).unwrap();
    db.execute(insert, params![vec![0_u8; 200_000], "a long one"]).unwrap();
    db.execute(insert, params!["'\n;".repeat(100_000), "another"]).unwrap();
    let trigger = SHAPES.lines().find(|l| l.starts_with("CREATE TRIGGER on_insert")).unwrap();
    db.execute_batch(trigger).unwrap();
}

/// A database with all of it.
fn sampler(space: &Space, before: &str) -> PathBuf {
    let path = space.database("app.db", &format!("{before}{SHAPES}"));
    fill(&path);
    path
}

fn everything_comes_back(before: &str) {
    let space = Space::new().job(JOB);
    let path = sampler(&space, before);
    let expected = contents(&path);
    space.back_up();
    space.run(&["restore", "job.kdl", "--into", "sqlite:whole.db"]).expect(0);
    assert_eq!(contents(&space.path("whole.db")), expected);
    space.run(&["restore", "job.kdl", "--only", "app", "--into", "sqlite:sql.db"]).expect(0);
    assert_eq!(contents(&space.path("sql.db")), expected);
    assert!(!space.path("pwned").exists());
}

#[test]
fn every_value_and_object_comes_back_from_the_file_and_from_sql() {
    everything_comes_back("");
}

#[test]
fn a_utf_16_database_with_auto_vacuum_comes_back() {
    everything_comes_back(
        "PRAGMA encoding='UTF-16le'; PRAGMA page_size=1024; PRAGMA auto_vacuum=FULL;",
    );
}

#[test]
fn each_table_alone_comes_back_bit_for_bit() {
    let space = Space::new().job(JOB);
    let path = sampler(&space, "");
    space.back_up();
    let live = Connection::open(&path).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
    let mut tables = live.prepare(sql).unwrap();
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(tables.len(), 12);
    for (number, table) in tables.iter().enumerate() {
        let (only, into) = (format!("app.{table}"), format!("sqlite:{number}.db"));
        space.run(&["restore", "job.kdl", "--only", &only, "--into", &into]).expect(0);
        let own = Connection::open(space.path(&format!("{number}.db"))).unwrap();
        let select = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
        assert_eq!(rows(&own, &select), rows(&live, &select), "{table}");
        let others =
            "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%'";
        assert_eq!(rows(&own, others), ["i1 "], "{table} came alone");
    }
}

#[test]
fn a_restored_file_is_the_page_for_page_copy() {
    let space = Space::new().job(JOB);
    let path = sampler(&space, "");
    space.back_up();
    space.run(&["restore", "job.kdl", "--into", "sqlite:whole.db"]).expect(0);
    // The backup API counts a change of pages and schema and notes its own version.
    let pages = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        [24..28, 40..44, 92..100].into_iter().for_each(|place| bytes[place].fill(0));
        bytes
    };
    let (live, restored) = (pages(&path), pages(&space.path("whole.db")));
    let differ: Vec<usize> = (0..live.len()).filter(|i| restored.get(*i) != live.get(*i)).collect();
    assert_eq!(
        (differ, restored.len()),
        (Vec::new(), live.len()),
        "the restored file differs from its source"
    );
}

#[test]
fn a_restored_file_says_what_was_recounted() {
    for (sql, tables, said) in [
        (
            "CREATE TABLE a (x); INSERT INTO a VALUES (1), (2); CREATE TABLE b (x);",
            2,
            "every row count and digest is as the manifest says",
        ),
        ("CREATE VIEW v AS SELECT 1;", 0, "it holds no row count or digest that could be compared"),
    ] {
        let space = Space::new().job(JOB);
        space.database("app.db", sql);
        space.back_up();
        let ran = space.run(&["restore", "job.kdl", "--into", "sqlite:whole.db"]).expect(0);
        assert!(
            ran.stdout.ends_with(&format!(" into sqlite whole.db: {said}\n")),
            "{}",
            ran.stdout
        );
        assert_eq!(ran.stdout.matches(" rows  ").count(), tables, "{}", ran.stdout);
    }
}

#[test]
fn a_virtual_table_travels_in_the_file() {
    let space = Space::new().job(JOB);
    let path = space.database(
        "app.db",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, t); INSERT INTO doc VALUES (1, 'a needle');
         CREATE VIRTUAL TABLE found USING fts5(t, content='doc', content_rowid='id');
         INSERT INTO found (rowid, t) SELECT id, t FROM doc;",
    );
    space.back_up();
    let restored = space.run(&["restore", "job.kdl", "--into", "sqlite:whole.db"]).expect(0);
    let told =
        "! not included: virtual table found: it is in the file only, not in the SQL entries";
    assert!(restored.stdout.contains(told), "{}", restored.stdout);
    assert_eq!(contents(&space.path("whole.db")), contents(&path));
    let db = Connection::open(space.path("whole.db")).unwrap();
    assert_eq!(rows(&db, "SELECT rowid FROM found WHERE found MATCH 'needle'"), ["i1 "]);
}

#[test]
fn an_empty_database_and_an_empty_file_come_back() {
    for made in ["CREATE TABLE gone (x); DROP TABLE gone;", ""] {
        let space = Space::new().job(JOB);
        let path = space.path("app.db");
        match made {
            "" => std::fs::write(&path, "").unwrap(),
            sql => drop(space.database("app.db", sql)),
        }
        space.back_up();
        space.run(&["restore", "job.kdl", "--into", "sqlite:whole.db"]).expect(0);
        assert_eq!(contents(&space.path("whole.db")), contents(&path), "{made:?}");
        space.run(&["restore", "job.kdl", "--only", "app", "--into", "sqlite:sql.db"]).expect(0);
    }
}

#[test]
fn what_is_no_database_is_named_and_nothing_is_listed() {
    let cases: [(&str, Option<&[u8]>, &str); 3] = [
        ("missing", None, "there is no file"),
        (
            "text",
            Some(
                b"not a database, but longer than a header of one hundred bytes, which SQLite reads at first, I think",
            ),
            "file is not a database",
        ),
        ("cut", Some(b"SQLite format 3\0"), "file is not a database"),
    ];
    for (name, bytes, said) in cases {
        let space = Space::new().job(JOB);
        if let Some(bytes) = bytes {
            std::fs::write(space.path("app.db"), bytes).unwrap();
        }
        let ran = space.run(&["run", "job.kdl"]).expect(1);
        assert!(ran.stderr.contains(said), "{name}: {}", ran.stderr);
        assert_eq!(space.list(), Vec::<serde_json::Value>::new(), "{name}");
        assert_eq!(names(&space.path("out")), [""; 0], "{name}");
    }
}

#[test]
fn a_damaged_database_is_not_backed_up() {
    let space = Space::new().job(JOB);
    let path = sampler(&space, "");
    let mut bytes = std::fs::read(&path).unwrap();
    let page = 4096 * 3;
    bytes[page..page + 64].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(
        ran.stderr.contains("the last good backup is kept") || ran.stderr.contains("malformed"),
        "{}",
        ran.stderr
    );
    assert_eq!(space.list().len(), 0);
}

#[test]
fn what_a_crashed_application_left_half_done_is_rolled_back() {
    let space = Space::new().job(JOB);
    let live = Space::new();
    let path = sampler(&live, "");
    let expected = contents(&path);
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "PRAGMA cache_size=5; PRAGMA cache_spill=5; BEGIN; UPDATE loose SET w=w || 'half done';",
    )
    .unwrap();
    for name in ["app.db", "app.db-journal"] {
        std::fs::copy(live.path(name), space.path(name)).unwrap();
    }
    db.execute_batch("ROLLBACK").unwrap();
    space.back_up();
    space.run(&["restore", "job.kdl", "--into", "sqlite:whole.db"]).expect(0);
    assert_eq!(contents(&space.path("whole.db")), expected);
}

#[test]
fn databases_that_are_copied_at_once_do_not_disturb_each_other() {
    const MANY: usize = 12;
    let names: Vec<String> = (0..MANY).map(|n| format!("\"a{n}\"")).collect();
    let sources: Vec<String> =
        (0..MANY).map(|n| format!("sqlite \"a{n}\" path=\"{n}.db\"")).collect();
    for round in 0..5 {
        let job = format!(
            "sources {{ {} }}\nstores {{ dir \"out\" path=\"out\" {{ keep last=9 }} }}\n\
             job \"j\" parallel={MANY} {{ dump {} {{ send \"out\"; verify \"out\" }} }}\n",
            sources.join("; "),
            names.join(" ")
        );
        let space = Space::new().job(&job);
        for number in 0..MANY {
            space.database(&format!("{number}.db"), "CREATE TABLE t (v); INSERT INTO t VALUES (1)");
        }
        // What two killed runs left: copies, and what SQLite had beside them.
        std::fs::create_dir_all(space.state("staging")).unwrap();
        for name in [".vex-old.sqlite", ".vex-old.sqlite-journal", ".vex-alone.sqlite-journal"] {
            std::fs::write(space.state("staging").join(name), "left").unwrap();
        }
        space.back_up();
        assert_eq!(space.list().len(), MANY, "round {round}");
        assert_eq!(crate::common::space::names(&space.state("staging")), [""; 0], "round {round}");
    }
}

#[test]
fn nothing_is_left_in_staging_and_nothing_beside_the_live_file() {
    for journal in ["WAL", "DELETE"] {
        let space = Space::new().job(JOB);
        bank(&space, journal);
        space.back_up();
        assert_eq!(names(&space.state("staging")), [""; 0], "{journal}");
        let beside: Vec<String> =
            names(&space.path("")).into_iter().filter(|n| n.starts_with("app.db")).collect();
        assert_eq!(beside, ["app.db"], "{journal}");
    }
}

#[test]
fn a_file_that_is_there_is_refused_or_replaced_whole() {
    let space = Space::new().job(JOB);
    let path = sampler(&space, "");
    space.back_up();
    let into = ["restore", "job.kdl", "--into", "sqlite:there.db"];
    let there = space.database("there.db", "CREATE TABLE other (x); INSERT INTO other VALUES (1);");
    let before = std::fs::read(&there).unwrap();
    let ran = space.run(&into).expect(1);
    assert!(ran.stderr.contains("--overwrite"), "{}", ran.stderr);
    assert!(std::fs::read(&there).unwrap() == before, "a refused restore changed the file");
    let overwrite: Vec<&str> = into.iter().copied().chain(["--overwrite"]).collect();
    for suffix in ["-wal", "-shm", "-journal"] {
        let beside = space.path(&format!("there.db{suffix}"));
        std::fs::write(&beside, "").unwrap();
        let ran = space.run(&overwrite).expect(1);
        assert!(ran.stderr.contains(&format!("there.db{suffix} exists")), "{}", ran.stderr);
        assert!(
            std::fs::read(&there).unwrap() == before,
            "{suffix}: a refused restore changed the file"
        );
        std::fs::remove_file(beside).unwrap();
    }
    space.run(&overwrite).expect(0);
    assert_eq!(contents(&there), contents(&path));
    let left: Vec<String> =
        names(&space.path("")).into_iter().filter(|n| n.contains(".vex-restore")).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn one_table_replaces_its_namesake_and_nothing_else() {
    let space = Space::new().job(JOB);
    let path = sampler(&space, "");
    space.back_up();
    let live = Connection::open(&path).unwrap();
    let before = rows(&live, "SELECT * FROM pair");
    live.execute_batch("DELETE FROM pair; INSERT INTO firm (n) VALUES (77);").unwrap();
    let only = ["restore", "job.kdl", "--only", "app.pair", "--into", "app"];
    space.run(&only).expect(1);
    assert_eq!(rows(&live, "SELECT count(*) FROM pair"), ["i0 "]);
    let overwrite: Vec<&str> = only.iter().copied().chain(["--overwrite"]).collect();
    space.run(&overwrite).expect(0);
    assert_eq!(rows(&live, "SELECT * FROM pair"), before);
    assert_eq!(
        rows(&live, "SELECT count(*) FROM firm WHERE n=77"),
        ["i1 "],
        "another table was touched"
    );
}
