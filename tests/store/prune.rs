//! `vex prune`: what a dry run says is what goes; what is pinned, foreign or in use stays. `vex list
//! --all`: what no backup is called, and what the catalog has and the store has not.

use std::fs;

use jiff::Timestamp;
use serde_json::{Value, json};
use vex::testing::world::process_id;

use crate::common::s3_server::S3Server;
use crate::common::space::{Space, files, names, word};
use crate::store::contract::s3::{open, stop};
use crate::store::identity::ids;
use crate::store::lease::{job, keeps, lease_of_another, leases, space};
use vex::testing::store::contract::Store;

/// The fate of each backup, the oldest first, as a dry run says.
fn foreseen(space: &Space) -> Vec<Value> {
    space.run(&["prune", "job.kdl", "nightly", "--dry-run", "--format", "json"]).expect(0).json()
}

#[test]
fn what_a_dry_run_says_is_what_goes_with_its_reason_and_a_line_in_the_history() {
    let space = space(4);
    let all = ids(&space.list());
    space.run(&["keep", "job.kdl", &all[0], "--until", "never"]).expect(0);
    keeps(&space, 1);
    let before = names(&space.path("nas"));
    let lines = foreseen(&space);
    assert_eq!(names(&space.path("nas")), before, "a dry run changes nothing");
    let fates: Vec<(&str, &str)> =
        lines.iter().map(|l| (word(l, "fate"), l["reasons"][0].as_str().unwrap())).collect();
    let goes = ("remove", "no rule keeps it");
    assert_eq!(fates, [("keep", "pinned until it is released"), goes, goes, ("keep", "last 1")]);
    let human = space.run(&["prune", "job.kdl", "--dry-run"]).expect(0).stdout;
    let would = |line: &Value| format!("  would remove {}: no rule keeps it", word(line, "key"));
    assert!(human.contains(&would(&lines[1])) && human.contains(&would(&lines[2])), "{human}");
    // `vex plan` shows the same.
    let plan = space.run(&["plan", "job.kdl", "nightly"]).expect(0).stdout;
    assert!(plan.contains(would(&lines[1]).trim()), "{plan}");

    let runs: i64 = space.catalog("SELECT count(*) FROM run");
    let ran = space.run(&["prune", "job.kdl", "nightly", "--strict"]).expect(0);
    let removed = format!("removed {} from nas: no rule keeps it", word(&lines[1], "key"));
    assert!(ran.stdout.contains(&removed), "{}", ran.stdout);
    let kept = format!("keeps {}: pinned until it is released", word(&lines[0], "key"));
    assert!(ran.stdout.contains(&kept), "{}", ran.stdout);
    assert_eq!(ids(&space.list()), [all[0].clone(), all[3].clone()]);
    assert_eq!(leases(&space), [""; 0]);
    assert_eq!(space.catalog::<i64>("SELECT count(*) FROM run"), runs + 1);
    let noted =
        "SELECT kind || ' ' || job || ' ' || verdict FROM run ORDER BY started DESC LIMIT 1";
    assert_eq!(space.catalog::<String>(noted), "prune prune/nightly 1");
    let gone = "SELECT count(*) FROM copy WHERE removed IS NOT NULL";
    assert_eq!(space.catalog::<i64>(gone), 2);
    assert!(space.logs().contains(&removed));
    let shown = space.run(&["history", "--lang", "en"]).expect(0).stdout;
    assert!(shown.contains("prune/nightly"), "{shown}");
    // As events, and nothing is left to do.
    let ran = space.run(&["prune", "job.kdl", "--format", "json"]).expect(0);
    assert_eq!(word(ran.json().last().unwrap(), "event"), "run-finished");
    assert_eq!(space.list().len(), 2);
}

#[test]
fn nothing_goes_that_is_in_use_or_foreign_or_of_a_database_that_does_not_say_who_it_is() {
    let space = space(3);
    keeps(&space, 1);
    let held = lease_of_another(&space, "shared");
    let ran = space.run(&["prune", "job.kdl"]).expect(75);
    assert!(ran.stderr.contains("in use by a restore on far"), "{}", ran.stderr);
    assert_eq!(space.list().len(), 3);
    fs::remove_file(held).unwrap();
    // Another file of the same names is another chain.
    fs::copy(space.path("job.kdl"), space.path("other.kdl")).unwrap();
    let ran = space.run(&["prune", "other.kdl", "--strict"]).expect(2);
    assert!(ran.stderr.contains("another job file"), "{}", ran.stderr);
    let lines = space.run(&["prune", "other.kdl", "--dry-run", "--format", "json"]).json();
    assert!(lines.len() == 3 && lines.iter().all(|l| word(l, "fate") == "leave"), "{lines:?}");
    assert_eq!(space.list().len(), 3);
    // What no retention looks at is a mistake of the command line.
    let without = job(1).replace("{ keep last=1 }", "");
    fs::write(space.path("none.kdl"), without).unwrap();
    let ran = space.run(&["prune", "none.kdl"]).expect(64);
    assert!(ran.stderr.contains("has no retention"), "{}", ran.stderr);
}

#[test]
fn max_size_removes_the_oldest_that_do_not_fit_and_never_the_last() {
    let space = space(4);
    let bytes: u64 = space.list().iter().map(|line| line["bytes"].as_u64().unwrap()).max().unwrap();
    let most = |bytes: u64| {
        let text = job(1).replace("last=1", &format!("max-size=\"{bytes}B\""));
        fs::write(space.path("job.kdl"), text).unwrap();
    };
    let all = ids(&space.list());
    // Each has its index besides, which is smaller than any container.
    most(3 * bytes);
    space.run(&["prune", "job.kdl"]).expect(0);
    let left = ids(&space.list());
    assert_eq!(left, all[all.len() - left.len()..], "the newest stay");
    assert!((1..4).contains(&left.len()), "{left:?}");
    most(1);
    let lines = foreseen(&space);
    let (last, others) = lines.split_last().unwrap();
    assert_eq!(word(last, "fate"), "keep");
    let why = "what is newer takes all of max-size 1 B";
    assert!(others.iter().all(|l| l["reasons"][0] == why), "{others:?}");
    space.run(&["prune", "job.kdl"]).expect(0);
    assert_eq!(ids(&space.list()), all[3..]);
}

/// A job into a bucket.
fn in_a_bucket(server: &S3Server) -> Space {
    let text = format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\nstores {{ s3 \"cloud\" bucket=\"{}\" endpoint=\"{}\" prefix=\"pre\" \
         {{ access-key (file)\"{}\"; secret-key (file)\"{}\"; keep last=9 }} }}\n\
         job \"j\" {{ dump \"app\" {{ send \"cloud\"; verify \"cloud\" }} }}\n",
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    );
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(&text);
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    space
}

#[test]
fn uploads_that_are_provably_ours_are_aborted_and_no_others() {
    let server = S3Server::start();
    let space = in_a_bucket(&server);
    space.back_up();
    let key = word(&space.list()[0], "key").to_owned();
    let store = open(&server);
    let begin = |key: &str| std::mem::forget(store.create(key, &stop()).unwrap());
    let dead = "pre/j/app/backup_20260101_010000.zip";
    let alive = "pre/j/app/backup_20260102_010000.zip";
    // Left behind by: a finished backup, a run that is dead, a run that lives, and strangers.
    for own in [&format!("{key}.index.x"), dead, alive, "pre/j/app/video.mp4", "pre/j/app2/a.zip"] {
        begin(own);
    }
    // A process that began at another moment is gone from this machine; of one elsewhere nobody knows.
    let mut gone = json!(process_id().unwrap());
    gone["started"] = 1.into();
    for (key, process) in [(dead, gone), (alive, Value::Null)] {
        let id = word(&space.list()[0], "id").to_owned();
        let at = Timestamp::now().to_string();
        let marker = json!({ "format": 1, "run": id, "host": "h", "process": process, "at": at });
        store.put(&format!("{key}.begun"), marker.to_string().as_bytes(), &stop()).unwrap();
    }
    let ran = space.run(&["prune", "job.kdl", "--uploads"]).expect(0);
    assert!(ran.stdout.contains("that dead runs left in pre/j/app/"), "{}", ran.stdout);
    let mut left = server.pending();
    left.sort();
    assert_eq!(left, [alive, "pre/j/app/video.mp4", "pre/j/app2/a.zip"]);
    assert_eq!(space.list().len(), 1);
    let ran = space.run(&["prune", "job.kdl", "--uploads"]).expect(0);
    assert!(ran.stdout.contains("left nothing"), "{}", ran.stdout);
}

#[test]
fn unknown_objects_and_backups_that_are_gone_are_flagged() {
    let space = space(2);
    let lines = space.list();
    space.run(&["list", "job.kdl", "--all"]).expect(0);
    fs::write(space.path("nas/nightly/app/notes.txt"), "not ours").unwrap();
    let gone = word(&lines[0], "key");
    for file in files(&space.path("nas")) {
        let own = file.to_string_lossy().contains(gone);
        // Its index stays behind.
        if own && !file.to_string_lossy().ends_with(".index") {
            fs::remove_file(file).unwrap();
        }
    }
    let ran = space.run(&["list", "job.kdl", "--all"]).expect(1);
    for line in [
        "! nightly/app/notes.txt (8 B) in nas is unknown".to_owned(),
        format!("! {gone}.index"),
        format!("! {gone} in nas is gone: the catalog has it as backup {}", word(&lines[0], "id")),
    ] {
        assert!(ran.stderr.contains(&line), "{line}:\n{}", ran.stderr);
    }
    let found = space.run(&["list", "job.kdl", "--all", "--format", "json"]).expect(1).json();
    let kinds: Vec<&str> = found.iter().filter_map(|line| line["found"].as_str()).collect();
    assert_eq!(kinds, ["unknown", "unknown", "gone"]);
    // Only who asks is told.
    space.run(&["list", "job.kdl"]).expect(0);
    space.run(&["catalog", "rebuild", "job.kdl"]).expect(0);
    let ran = space.run(&["list", "job.kdl", "--all"]).expect(0);
    assert!(!ran.stderr.contains("is gone"), "{}", ran.stderr);
}
