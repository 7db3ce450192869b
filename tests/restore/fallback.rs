//! `vex restore --fallback`: a damaged backup is found before anything is written, and the next
//! whole one is taken; nothing but the backup itself is a reason.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;

use crate::common::artifact::{alter_members, head, middle_of};
use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::servers::{Brand, Pg};
use crate::common::space::{Ran, Space, contents, names, number, word};
use crate::postgres::end_to_end::{assert_same, dumped, job as postgres_job};

/// Bytes stay as long as their data, so that a flipped one is found by its hash only.
const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=9 }; dir "nas" path="nas" { keep last=9 } }
job "j" { dump "app" { archive compression="store"; send "disk"; send "nas"; verify "disk" } }
"#;

const ONE_STORE: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=9 } }
job "j" { dump "app" { archive compression="store"; send "disk"; verify "disk" } }
"#;

const RESTORE: [&str; 5] = ["restore", "job.kdl", "--into", "sqlite:back.db", "--fallback"];

/// So many backups of so many states of one database.
fn backed_up(job: &str, states: i64) -> (Space, Vec<String>) {
    let space = Space::new().job(job);
    let path = space.database("app.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);");
    let mut expected = Vec::new();
    for state in 0..states {
        let more = format!("INSERT INTO t VALUES ({state}, 'state {state}')");
        Connection::open(&path).unwrap().execute_batch(&more).unwrap();
        space.back_up();
        expected.push(contents(&path));
    }
    (space, expected)
}

/// The lines of one store, oldest first.
fn lines(space: &Space, store: &str) -> Vec<Value> {
    space.list().into_iter().filter(|l| word(l, "store") == store).collect()
}

fn container(space: &Space, line: &Value) -> PathBuf {
    space.path(word(line, "store")).join(word(line, "key"))
}

fn sidecar(container: &Path) -> PathBuf {
    PathBuf::from(format!("{}.manifest.json", container.display()))
}

/// A byte in the middle of the first entry whose name ends so.
fn flip(container: &Path, end: &str) {
    flip_at(container, middle_of(container, |name| name.ends_with(end)));
}

fn index(container: &Path) -> PathBuf {
    PathBuf::from(format!("{}.index", container.display()))
}

fn flip_at(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

/// A sidecar that can be read and says something else.
fn alter(container: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(sidecar(container)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(sidecar(container), text.replace(from, to)).unwrap();
}

fn last_line(ran: &Ran) -> &str {
    ran.stdout.lines().last().unwrap_or_default()
}

#[test]
fn whatever_is_wrong_with_the_newest_the_next_whole_one_comes_back_and_says_how_old_it_is() {
    type Harm = fn(&Path);
    const TABLE: [(&str, Harm, &str); 10] = [
        ("flip", |c| flip(c, ".sqlite"), "is not the newest backup: 1 newer can't be used, "),
        (
            "truncate",
            |c| fs::write(c, &fs::read(c).unwrap()[..900]).unwrap(),
            "may not be the newest backup",
        ),
        ("delete", |c| fs::remove_file(c).unwrap(), "may not be the newest backup"),
        ("manifest", |c| fs::write(sidecar(c), "{}").unwrap(), "may not be the newest backup"),
        ("no index", |c| fs::remove_file(index(c)).unwrap(), "may not be the newest backup"),
        (
            "short index",
            |c| fs::write(index(c), &fs::read(index(c)).unwrap()[..40]).unwrap(),
            "may not be the newest backup",
        ),
        (
            "entries of the index",
            |c| flip_at(&index(c), 40),
            "is not the newest backup: 1 newer can't be used, ",
        ),
        (
            "members of the index",
            |c| {
                flip_at(&index(c), number(&head(c)["index"]["members"], "offset") + 40);
            },
            "is not the newest backup: 1 newer can't be used, ",
        ),
        (
            "kind",
            |c| alter(c, "\"sqlite\"", "\"sqhite\""),
            "is not the newest backup: 1 newer can't be used, ",
        ),
        (
            "table",
            |c| alter_members(c, "\"t\"", "\"u\""),
            "is not the newest backup: 1 newer can't be used, ",
        ),
    ];
    let (first, expected) = backed_up(ONE_STORE, 3);
    for (what, harm, said) in TABLE {
        let space = first.copy();
        let lines = lines(&space, "disk");
        harm(&container(&space, &lines[2]));
        let ran = space.run(&RESTORE).expect(0);
        assert_eq!(contents(&space.path("back.db")), expected[1], "{what}");
        assert!(ran.stderr.contains(" is passed over: "), "{what}: {}", ran.stderr);
        let last = last_line(&ran);
        assert!(last.starts_with(&format!("! {} {said}", word(&lines[1], "id"))), "{what}: {last}");
        assert!(
            last.contains("Its data are up to ") && last.ends_with(" may be missing"),
            "{what}: {last}"
        );
        fs::remove_file(space.path("back.db")).unwrap();
        let strict: Vec<&str> = RESTORE.iter().copied().chain(["--strict"]).collect();
        space.run(&strict).expect(2);
    }
}

#[test]
fn another_copy_of_the_newest_comes_before_an_older_backup() {
    let (space, expected) = backed_up(JOB, 2);
    flip(&container(&space, &lines(&space, "disk")[1]), ".sqlite");
    let ran = space.run(&RESTORE).expect(0);
    assert_eq!(contents(&space.path("back.db")), expected[1]);
    assert!(ran.stderr.contains("in dir ") && ran.stderr.contains("SHA-256"), "{}", ran.stderr);
    assert!(!ran.stdout.contains("not the newest"), "{}", ran.stdout);
    // What was found is kept: nobody takes that copy any more.
    assert_eq!(space.list().iter().filter(|l| word(l, "proof") == "damaged").count(), 1);
}

#[test]
fn when_none_is_left_nothing_was_written_and_the_code_says_damage() {
    let (space, _) = backed_up(ONE_STORE, 2);
    let there =
        contents(&space.database("back.db", "CREATE TABLE own (v); INSERT INTO own VALUES (7);"));
    for line in lines(&space, "disk") {
        flip(&container(&space, &line), ".sqlite");
    }
    let words: Vec<&str> = RESTORE.iter().copied().chain(["--overwrite"]).collect();
    let before = names(&space.path(""));
    let ran = space.run(&words).expect(65);
    assert!(ran.stderr.contains("none of the 2 of app can be used"), "{}", ran.stderr);
    assert_eq!(contents(&space.path("back.db")), there);
    let new: Vec<String> =
        names(&space.path("")).into_iter().filter(|n| !before.contains(n)).collect();
    let own = |name: &String| name.contains(".proof-") || name.starts_with("state/");
    assert!(new.iter().all(own), "{new:?}");
}

#[test]
fn a_target_that_refuses_is_no_reason_and_is_asked_first() {
    let (space, _) = backed_up(ONE_STORE, 2);
    flip(&container(&space, &lines(&space, "disk")[1]), ".sqlite");
    let there =
        contents(&space.database("back.db", "CREATE TABLE own (v); INSERT INTO own VALUES (7);"));
    let ran = space.run(&RESTORE).expect(1);
    assert!(ran.stderr.contains("--overwrite"), "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("passed over") && !ran.stdout.contains("reads it back"),
        "{ran:?}"
    );
    assert_eq!(contents(&space.path("back.db")), there);
    let ran =
        space.run(&["restore", "job.kdl", "--into", "sqlite:job.kdl/x.db", "--fallback"]).expect(1);
    assert!(ran.stderr.contains("job.kdl is no folder"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("passed over"), "nothing was read yet: {}", ran.stderr);
    // No file can be made there, which only shows once one is.
    let ran = space.run(&["restore", "job.kdl", "--into", "sqlite:/proc/x.db", "--fallback"]);
    assert_ne!(ran.code, 0);
    assert_eq!(
        ran.stderr.matches("passed over").count(),
        1,
        "the older one is whole: {}",
        ran.stderr
    );
    let gone = format!("postgres://vex@127.0.0.1:{}", crate::common::servers::free_port());
    let ran = space.run(&["restore", "job.kdl", "--into", &gone, "--fallback"]).expect(64);
    assert!(ran.stderr.contains("is a backup of sqlite"), "{}", ran.stderr);
}

#[test]
fn a_password_that_does_not_fit_is_no_reason() {
    let sealed =
        ONE_STORE.replace("archive compression=\"store\"", "archive { password (file)\"key\" }");
    let space = Space::new().job(&sealed);
    space.secret("key", "CANARY-RIGHT");
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    space.back_up();
    space.back_up();
    space.secret("key", "CANARY-WRONG");
    let ran = space.run(&RESTORE).expect(1);
    assert!(ran.stderr.contains("the password does not open it"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("passed over"), "{}", ran.stderr);
    assert!(
        names(&space.path("disk")).iter().filter(|n| n.contains(".proof-")).count() == 2,
        "none was condemned"
    );
    assert!(!space.path("back.db").exists());
    // Nor does a verification that could not open it say anything of it.
    let ran = space.run(&["verify", "job.kdl"]).expect(1);
    assert!(ran.stderr.contains("the password does not open it"), "{}", ran.stderr);
    assert!(space.list().iter().all(|line| word(line, "proof") == "read"));
}

#[test]
fn what_a_restore_does_not_need_is_no_reason() {
    let (first, expected) = backed_up(ONE_STORE, 2);
    let space = first.copy();
    let newest = container(&space, &lines(&space, "disk")[1]);
    let end = fs::read(&newest).unwrap().len();
    flip_at(&newest, end - 100);
    let ran = space.run(&RESTORE).expect(0);
    assert_eq!(contents(&space.path("back.db")), expected[1]);
    assert!(ran.stderr.contains("vex restores without it"), "{}", ran.stderr);
    // One table, where the file of the whole database is damaged.
    let space = first.copy();
    flip(&container(&space, &lines(&space, "disk")[1]), ".sqlite");
    let only = ["restore", "job.kdl", "--only", "app.t", "--into", "sqlite:back.db", "--fallback"];
    let ran = space.run(&only).expect(0);
    assert!(!ran.stderr.contains("passed over"), "{}", ran.stderr);
    assert_eq!(contents(&space.path("back.db")), expected[1]);
}

#[test]
fn a_dry_run_reads_and_says_which_it_would_take_and_writes_nothing() {
    let (space, _) = backed_up(ONE_STORE, 2);
    let lines = lines(&space, "disk");
    flip(&container(&space, &lines[1]), ".sqlite");
    // SQLite's own files beside the catalog come and go with whoever reads it.
    let names = |space: &Space| {
        let mut all = names(&space.path(""));
        all.retain(|name| !name.contains("catalog.sqlite-"));
        all
    };
    let before = names(&space);
    let words: Vec<&str> = RESTORE.iter().copied().chain(["--dry-run"]).collect();
    let ran = space.run(&words).expect(0);
    assert!(
        ran.stdout.contains(&format!("{} is whole: it would be restored", word(&lines[0], "id"))),
        "{}",
        ran.stdout
    );
    assert!(last_line(&ran).contains("is not the newest backup"), "{}", ran.stdout);
    assert_eq!(names(&space), before);
}

#[test]
fn the_command_that_is_named_after_damage_brings_the_older_one_back() {
    let (space, expected) = backed_up(ONE_STORE, 3);
    let lines = lines(&space, "disk");
    flip(&container(&space, &lines[2]), ".sqlite");
    let named = |ran: &Ran| {
        let command = ran
            .stderr
            .split('`')
            .nth(1)
            .unwrap_or_else(|| panic!("no command: {}", ran.stderr))
            .to_owned();
        command.strip_prefix("vex ").unwrap().split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let latest = named(&space.run(&["restore", "job.kdl", "--into", "sqlite:back.db"]).expect(65));
    assert_eq!(latest, ["restore", "job.kdl", "--into", "sqlite:back.db", "--fallback"]);
    space.run(&latest.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    assert_eq!(contents(&space.path("back.db")), expected[1]);
    fs::remove_file(space.path("back.db")).unwrap();
    // Who named one gets the name of another.
    let id = word(&lines[2], "id");
    let ran =
        space.run(&["restore", "job.kdl", "--backup", id, "--into", "sqlite:back.db"]).expect(65);
    let exact = named(&ran);
    assert!(
        exact.ends_with(&["--backup".to_owned(), word(&lines[1], "id").to_owned()]),
        "{exact:?}"
    );
    space.run(&exact.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    assert_eq!(contents(&space.path("back.db")), expected[1]);
}

#[test]
fn one_that_was_named_has_no_fallback() {
    let (space, _) = backed_up(ONE_STORE, 1);
    let line = &lines(&space, "disk")[0];
    let zip = container(&space, line).display().to_string();
    let cases: [(&[&str], &str); 3] = [
        (&["--backup", word(line, "id")], "means that one and no other"),
        (&["--from", &zip], "one .zip has no other beside it"),
        (&["--resume"], "cannot be used with '--resume'"),
    ];
    for (more, said) in cases {
        let words: Vec<&str> = RESTORE.iter().chain(more).copied().collect();
        let ran = space.run(&words).expect(64);
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        assert!(!space.path("back.db").exists());
    }
}

#[test]
fn a_postgresql_database_is_replaced_once_and_by_a_whole_backup() {
    let server = Pg::V15.start(&[]);
    server.run("createdb", &["shop"]);
    server.sql(
        "shop",
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 5000) g",
    );
    let space = Space::new().job(&postgres_job(&server, "databases \"shop\"", ""));
    space.back_up();
    let older = dumped(&server, "shop");
    server.sql("shop", "UPDATE t SET v = 'newer'");
    space.back_up();
    let newer = lines(&space, "disk");
    flip(&container(&space, &newer[1]), "t.00000.sql");
    server.sql("shop", "UPDATE t SET v = 'now'");
    let now = dumped(&server, "shop");
    let into = server.url();
    let all = |server: &crate::common::servers::PgServer| {
        server.value("postgres", "SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database")
    };
    let before = all(&server);
    // Refused for what is there: the damage is not even looked for.
    let ran = space.run(&["restore", "job.kdl", "--into", &into, "--fallback"]).expect(1);
    assert!(!ran.stderr.contains("passed over"), "{}", ran.stderr);
    assert_eq!(all(&server), before);
    assert_same(&dumped(&server, "shop"), &now);
    let ran =
        space.run(&["restore", "job.kdl", "--into", &into, "--fallback", "--overwrite"]).expect(0);
    assert!(ran.stderr.contains(word(&newer[1], "id")), "{}", ran.stderr);
    assert_same(&dumped(&server, "shop"), &older);
    // What was there is aside, once, and as it was.
    let aside = ran.stdout.lines().filter(|l| l.contains("that was there is now")).count();
    assert_eq!(aside, 1, "{}", ran.stdout);
    let count = |text: Option<String>| text.unwrap_or_default().split(' ').count();
    assert_eq!(count(all(&server)), count(before) + 1);
    // Without --fallback the damage is met half way; the command that is named then finds what it
    // left.
    let other = format!("{into}/other");
    let newest = ["restore", "job.kdl", "--backup", word(&newer[1], "id"), "--into", &other];
    let ran = space.run(&newest).expect(65);
    for claim in [
        "INCOMPLETE",
        &format!("--backup {}`", word(&newer[0], "id")),
        "it is in the way: --overwrite replaces it",
    ] {
        assert!(ran.stderr.contains(claim), "{claim}: {}", ran.stderr);
    }
    space.run(&["restore", "job.kdl", "--into", &other, "--fallback"]).expect(1);
    space.run(&["restore", "job.kdl", "--into", &other, "--fallback", "--overwrite"]).expect(0);
    assert_same(&dumped(&server, "other"), &older);
    // Who may not write gets no older data instead.
    space.back_up();
    server.sql("postgres", "CREATE ROLE weak LOGIN");
    let weak = format!("postgres://weak@127.0.0.1:{}/mine", server.port);
    let ran = space.run(&["restore", "job.kdl", "--into", &weak, "--fallback"]);
    assert_eq!((ran.code, ran.stdout.matches("\nwrites into ").count()), (1, 1), "{ran:?}");
}

#[test]
fn a_store_that_does_not_answer_leads_to_another_copy_and_never_to_older_data() {
    let server = S3Server::start();
    let job = format!(
        r#"
sources {{ sqlite "app" path="app.db" }}
stores {{
    s3 "cloud" bucket="{}" endpoint="{}" {{ access-key (file)"{}"; secret-key (file)"{}"; keep last=9 }}
    dir "disk" path="disk" {{ keep last=9 }}
}}
job "j" {{ dump "app" {{ send "cloud" "disk"; verify "cloud" }} }}
"#,
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    );
    let (space, expected) = backed_up(&job, 2);
    let read = || server.requests().iter().filter(|r| r.kind == Kind::Get).count();
    let before = read();
    space.run(&["list", "job.kdl", "--from", "cloud"]).expect(0);
    // What a look at the bucket reads; the one after it is of the backup itself.
    let looked = read() - before;
    let denied = |times: usize| {
        let answer = What::Answer(403, "AccessDenied");
        server.fault(Fault::new(Kind::Get, answer).at(read() + looked + 1).times(times));
    };
    denied(1);
    let alone: Vec<&str> = RESTORE.iter().copied().chain(["--from", "cloud"]).collect();
    let ran = space.run(&alone).expect(1);
    assert!(
        ran.stderr.contains("AccessDenied") && !ran.stderr.contains("passed over"),
        "{}",
        ran.stderr
    );
    assert!(
        !ran.stderr.contains("--fallback") && !space.path("back.db").exists(),
        "{}",
        ran.stderr
    );
    denied(99);
    let ran = space.run(&RESTORE).expect(0);
    assert!(ran.stderr.contains("is passed over: unable to"), "{}", ran.stderr);
    assert!(last_line(&ran).starts_with("restored "), "{}", ran.stdout);
    assert_eq!(contents(&space.path("back.db")), expected[1]);
}

#[test]
fn a_mysql_or_mariadb_database_comes_back_from_an_older_backup_into_an_empty_server() {
    use mysql::prelude::Queryable;

    for brand in [Brand::Mariadb, Brand::Mysql9] {
        let source = brand.start(&[]);
        source.exec("CREATE DATABASE shop");
        source.exec("CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(20))");
        source.exec("INSERT INTO shop.t VALUES (1, 'older'), (2, 'older')");
        let space = Space::new().job(&format!(
            "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ databases \"shop\" }} }}\nstores {{ dir \"disk\" \
             path=\"disk\" {{ keep last=9 }} }}\njob \"j\" {{ dump \"db\" {{ send \"disk\"; verify \"disk\" }} }}\n",
            source.port
        ));
        space.back_up();
        source.exec("UPDATE shop.t SET v = 'newer'");
        space.back_up();
        let own = lines(&space, "disk");
        flip(&container(&space, &own[1]), "t.00000.sql");
        let target = brand.start(&[]);
        let into = format!("mysql://root@127.0.0.1:{}", target.port);
        let held = || target.conn().query_first::<String, _>("SHOW DATABASES LIKE 'shop'").unwrap();
        let ran = space.run(&["restore", "job.kdl", "--into", &into]).expect(65);
        let command = format!(
            "--fallback` reads it first and restores it if it is; --backup {}",
            word(&own[0], "id")
        );
        assert!(ran.stderr.contains(&command), "{brand:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("--resume"), "it would meet the same damage: {}", ran.stderr);
        if held().is_some() {
            target.exec("DROP DATABASE shop");
        }
        let ran = space.run(&["restore", "job.kdl", "--into", &into, "--fallback"]).expect(0);
        assert!(ran.stderr.contains(" is passed over: "), "{brand:?}: {}", ran.stderr);
        let last = last_line(&ran);
        assert!(
            last.starts_with(&format!("! {} is not the newest backup", word(&own[0], "id"))),
            "{brand:?}: {last}"
        );
        let rows: Vec<(u32, String)> =
            target.conn().query("SELECT id, v FROM shop.t ORDER BY id").unwrap();
        assert_eq!(rows, [(1, "older".to_owned()), (2, "older".to_owned())], "{brand:?}");
    }
}

#[test]
fn after_damage_where_a_store_was_named_the_copy_in_another_one_is_named() {
    let job = "sources { sqlite \"app\" path=\"app.db\" }\n\
         stores { dir \"near\" path=\"near\" { keep last=9 }\n dir \"far\" path=\"far\" { keep last=9 } }\n\
         job \"j\" { dump \"app\" { send \"near\" \"far\"; verify \"near\" } }\n";
    let space = Space::new().job(job);
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), ('x')");
    space.back_up();
    let line = space.list().into_iter().find(|line| word(line, "store") == "near").unwrap();
    let zip = space.path("near").join(word(&line, "key"));
    let mut bytes = std::fs::read(&zip).unwrap();
    let end = bytes.len() * 3 / 4;
    bytes[30..end].iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::write(&zip, bytes).unwrap();
    let words = ["restore", "job.kdl", "--from", "near", "--into", "sqlite:back.db"];
    let ran = space.run(&words).expect(65);
    let id = word(&line, "id");
    let command = format!("`vex restore job.kdl --from far --into sqlite:back.db --backup {id}`");
    assert!(ran.stderr.contains(&command), "{}", ran.stderr);
    // Known damaged now: nothing is left there, and the same copy is named.
    space.run(&["verify", "job.kdl", "--from", "near"]).expect(65);
    let ran = space.run(&words).expect(65);
    assert!(ran.stderr.contains(&command), "{}", ran.stderr);
    let other = ["restore", "job.kdl", "--from", "far", "--into", "sqlite:back.db", "--backup", id];
    space.run(&other).expect(0);
}
