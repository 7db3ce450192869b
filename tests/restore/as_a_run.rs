//! A restore is a run: it has an ID, a lock, a log, events and a line in the history; what it does is
//! shown first, and what may not be done is refused before the first byte.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::common::artifact::middle_of;
use crate::common::space::{Space, contents, files, word};

const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=9 } }
job "j" { dump "app" { archive compression="store"; send "disk"; verify "disk" } }
"#;

const SQL: &str =
    "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO a VALUES (1, 'x'), (2, 'y');
                   CREATE TABLE b (v); INSERT INTO b VALUES (7);
                   CREATE VIEW w AS SELECT v FROM a;
                   CREATE TRIGGER t AFTER INSERT ON b BEGIN INSERT INTO a (v) VALUES (new.v); END;";

fn backed_up() -> Space {
    let space = Space::new().job(JOB);
    space.database("app.db", SQL);
    space.back_up();
    space
}

fn restore(more: &[&str]) -> Vec<String> {
    let words = ["restore", "job.kdl", "--into", "sqlite:back.db"];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

fn run(space: &Space, more: &[&str]) -> crate::common::space::Ran {
    let words = restore(more);
    space.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn the_history_and_a_log_tell_of_it() {
    let space = backed_up();
    let ran = run(&space, &[]).expect(0);
    assert!(
        ran.stdout.contains("writes into sqlite back.db: 2 tables (app.a, app.b), 1 view, 3 rows"),
        "{ran:?}"
    );
    let of = |what: &str| {
        space.catalog::<String>(&format!("SELECT {what} FROM run WHERE kind='restore'"))
    };
    assert_eq!((of("job"), of("CAST(verdict AS TEXT)")), ("restore/app".into(), "1".into()));
    let log = files(&space.state("logs/restore.runs/app"));
    let own = |name: &str| log.iter().filter(|p| p.ends_with(name)).collect::<Vec<_>>();
    assert_eq!((own("backup_script.log").len(), own("events.ndjson").len()), (1, 1), "{log:?}");
    let log = fs::read_to_string(own("backup_script.log")[0]).unwrap();
    assert!(log.contains(&of("id")) || log.contains("restored "), "{log}");
    // A verification that a person asks for is one too.
    space.run(&["verify", "job.kdl"]).expect(0);
    assert_eq!(
        space.catalog::<i64>("SELECT count(*) FROM run WHERE kind='verify' AND verdict=1"),
        1
    );
}

#[test]
fn its_events_are_those_of_a_run() {
    let space = backed_up();
    let events = run(&space, &["--format", "json"]).expect(0).json();
    let names: Vec<&str> = events.iter().map(|e| word(e, "event")).collect();
    assert_eq!(names.first(), Some(&"run-started"));
    assert_eq!(names.last(), Some(&"run-finished"));
    let facts = |name: &str| -> Value {
        events.iter().find(|e| word(e, "event") == name).expect("it is said")["restore"].clone()
    };
    assert_eq!(word(&facts("restoring"), "target"), "sqlite back.db");
    assert_eq!(facts("restored")["rows"], 3);
    assert_eq!(facts("restored")["differences"], Value::Array(Vec::new()));
}

#[test]
fn two_restores_never_write_into_one_target() {
    let space = backed_up();
    // The lock that a restore into this target takes is left by it, free.
    run(&space, &[]).expect(0);
    let lock = files(&space.state("locks"));
    let lock =
        lock.iter().find(|p| p.file_name().unwrap().to_string_lossy().starts_with("restore-"));
    let held: File = OpenOptions::new().write(true).open(lock.expect("a lock")).unwrap();
    held.lock().unwrap();
    let before = contents(&space.path("back.db"));
    let ran = run(&space, &["--overwrite"]).expect(75);
    assert!(ran.stderr.contains("another restore writes into sqlite back.db"), "{ran:?}");
    assert_eq!(contents(&space.path("back.db")), before);
    drop(held);
    run(&space, &["--overwrite"]).expect(0);
}

#[test]
fn a_state_folder_that_can_not_be_written_stops_no_restore() {
    let space = backed_up();
    fs::write(space.path("file"), "").unwrap();
    let state = space.path("file").display().to_string();
    let mut command = space.vex(&["restore", "job.kdl", "--into", "sqlite:back.db"]);
    let output = command.env("XDG_STATE_HOME", state).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("goes on without it") && text.contains("unable to lock"), "{text}");
    assert_eq!(contents(&space.path("back.db")), contents(&space.path("app.db")));
}

#[test]
fn a_dry_run_ends_as_the_restore_would() {
    let space = backed_up();
    run(&space, &["--dry-run"]).expect(0);
    assert!(!space.path("back.db").exists());
    run(&space, &[]).expect(0);
    let dry = run(&space, &["--dry-run"]).expect(1);
    let real = run(&space, &[]).expect(1);
    assert_eq!(dry.stderr, real.stderr);
    assert!(dry.stderr.contains("nothing was written"), "{dry:?}");
}

#[test]
fn a_backup_of_another_kind_of_database_is_refused_before_anybody_is_asked() {
    let space = backed_up();
    let words = ["restore", "job.kdl", "--into", "mysql://root@127.0.0.1:1", "--dry-run"];
    let ran = space.run(&words).expect(64);
    assert!(
        ran.stderr.contains("is a backup of sqlite") && ran.stderr.contains("of mysql"),
        "{ran:?}"
    );
}

#[test]
fn what_is_left_out_stays_out_and_the_rest_comes_back() {
    let space = backed_up();
    let names = |file: &str| {
        let all = rusqlite::Connection::open(space.path(file)).unwrap();
        let sql =
            "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema ORDER BY name)";
        all.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    run(&space, &["--except", "view:app.w"]).expect(0);
    assert_eq!(names("back.db"), "a b t");
    fs::remove_file(space.path("back.db")).unwrap();
    run(&space, &["--except", "app.b"]).expect(0);
    assert_eq!(names("back.db"), "a w");
    fs::remove_file(space.path("back.db")).unwrap();
    run(&space, &["--except", "trigger:"]).expect(0);
    assert_eq!(names("back.db"), "a b w");
    let ran = run(&space, &["--except", "app.nosuch", "--overwrite"]).expect(1);
    assert!(ran.stderr.contains("app.nosuch is not in the backup"), "{ran:?}");
}

#[test]
fn a_backup_is_named_by_the_beginning_of_its_id_its_date_or_its_file() {
    let space = backed_up();
    let line = &space.list()[0];
    let (id, key) = (word(line, "id"), word(line, "key"));
    let file = key.rsplit('/').next().unwrap();
    let date = format!("{}-{}-{}", &file[7..11], &file[11..13], &file[13..15]);
    for name in [&id[..17], file, date.as_str()] {
        run(&space, &["--backup", name]).expect(0);
        fs::remove_file(space.path("back.db")).unwrap();
    }
    run(&space, &["--backup", "1999-01-01"]).expect(1);
}

#[test]
fn a_password_that_is_missing_is_told_before_anything_is_written_and_is_no_damage() {
    let sealed = JOB.replace("compression=\"store\"", "{ password (env)\"ZIP\" }");
    let space = Space::new().job(&sealed).env("ZIP", "CANARY-zip");
    space.database("app.db", SQL);
    space.back_up();
    let words = ["restore", "app", "--from", "file:disk", "--into", "sqlite:back.db"];
    let ran = space.run(&words).expect(1);
    assert!(ran.stderr.contains("--archive-password-env"), "{ran:?}");
    assert!(!ran.stderr.contains("INCOMPLETE") && !space.path("back.db").exists(), "{ran:?}");
    let wrong: Vec<&str> =
        words.iter().copied().chain(["--archive-password-env", "PATH"]).collect();
    assert!(space.run(&wrong).expect(1).stderr.contains("does not open it"));
}

#[test]
fn a_damaged_newest_is_damaged_every_time_it_is_verified() {
    let space = backed_up();
    space.back_up();
    let newest = space.path("disk").join(word(&space.list()[1], "key"));
    let at = middle_of(&newest, |name| name.ends_with(".sqlite"));
    let mut bytes = fs::read(&newest).unwrap();
    bytes[at] ^= 4;
    fs::write(&newest, bytes).unwrap();
    for _ in 0..2 {
        space.run(&["verify", "job.kdl"]).expect(65);
    }
}

#[test]
fn what_would_be_replaced_is_read_first_unless_told_otherwise() {
    let space = backed_up();
    let before =
        contents(&space.database("back.db", "CREATE TABLE own (v); INSERT INTO own VALUES (1);"));
    let newest = space.path("disk").join(word(&space.list()[0], "key"));
    let at = middle_of(&newest, |name| name.ends_with(".sqlite"));
    let mut bytes = fs::read(&newest).unwrap();
    bytes[at] ^= 4;
    fs::write(&newest, bytes).unwrap();
    let ran = run(&space, &["--overwrite"]).expect(65);
    assert!(ran.stdout.contains("before anything is written"), "{ran:?}");
    assert_eq!(contents(&space.path("back.db")), before);
}

#[test]
fn a_verification_of_the_job_waits_for_its_dump_and_a_drill_is_a_job_of_its_own() {
    let job = r#"
sources { sqlite "app" path="app.db"; sqlite "lab" path="lab.db" scratch=#true }
stores { dir "disk" path="disk" { keep last=9 } }
job "night" { verify "app" from="disk" into="lab"; dump "app" { send "disk" } }
job "drill" { verify "app" from="disk" into="lab" }
"#;
    let space = Space::new().job(job);
    space.database("app.db", SQL);
    // The first night: there is nothing before the dump.
    space.run(&["run", "job.kdl", "night"]).expect(0);
    space.run(&["run", "job.kdl", "drill"]).expect(0);
    assert_eq!(contents(&space.path("lab.db")), contents(&space.path("app.db")));
}

#[test]
fn what_was_refused_is_kept_where_it_was_asked_for_and_only_its_owner_reads_it() {
    let space = backed_up();
    fs::write(space.path("there.sql"), "").unwrap();
    let ran = run(&space, &["--refused", "there.sql"]).expect(64);
    assert!(ran.stderr.contains("it exists; name a new file"), "{ran:?}");
    // Nothing was refused: nothing is made.
    run(&space, &["--refused", "none.sql"]).expect(0);
    assert!(!space.path("none.sql").exists());
    let mode = fs::metadata(space.state("catalog.sqlite")).unwrap().permissions().mode();
    assert_eq!(mode & 0o77, 0);
}
