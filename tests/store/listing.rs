//! What stands beside good backups hides none of them: what vex did not write, what can't be read,
//! what is larger than anything it writes, and what a clock that was wrong has dated.

use std::fs::{self, File};
use std::path::PathBuf;

use serde_json::Value;

use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::space::{Space, contents, names, word};

fn space(keep: u32) -> Space {
    let job = format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ dir \"d\" path=\"d\" {{ keep last={keep} }} }}\n\
         job \"j\" {{ dump \"app\" {{ send \"d\"; verify \"d\" }} }}\n"
    );
    let space = Space::new().job(&job);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES ('x')");
    space
}

/// Changes the database, so that the next backup is told from the others.
fn change(space: &Space, number: usize) {
    let db = rusqlite::Connection::open(space.path("app.db")).unwrap();
    db.execute_batch(&format!("CREATE TABLE new{number} (v)")).unwrap();
}

/// The latest comes back, and is what the database is now.
#[track_caller]
fn comes_back(space: &Space, what: &str) {
    let back = space.path("back.db");
    let into = format!("sqlite:{}", back.display());
    space.run(&["restore", "job.kdl", "--into", &into]).expect(0);
    assert_eq!(contents(&back), contents(&space.path("app.db")), "{what}");
    fs::remove_file(back).unwrap();
}

#[test]
fn a_container_that_vex_did_not_begin_is_named_and_never_removed() {
    let space = space(1);
    let folder = space.path("d/j/app");
    fs::create_dir_all(&folder).unwrap();
    let old = folder.join("backup_20240101_010000.zip");
    fs::write(&old, "three years of an old script").unwrap();
    space.back_up();
    // A good backup whose head was lost, too.
    let lost = folder.join(word(&space.list()[0], "key").rsplit('/').next().unwrap());
    fs::remove_file(format!("{}.manifest.json", lost.display())).unwrap();
    (0..3).for_each(|_| drop(space.back_up()));
    assert_eq!(fs::read_to_string(&old).unwrap(), "three years of an old script");
    assert!(lost.exists());
    let ran = space.run(&["list", "job.kdl", "--format", "json"]).expect(0);
    assert_eq!(ran.json().len(), 1);
    let said: Vec<&str> = ran.stderr.lines().filter(|l| l.contains("is no backup")).collect();
    assert_eq!(said.len(), 2, "{}", ran.stderr);
    let log = space.logs();
    assert!(log.contains("backup_20240101_010000.zip is left alone"), "{log}");
    assert!(!log.contains("swept"), "{log}");
}

#[test]
fn a_backup_that_lost_its_index_is_an_alert_and_its_container_alone_comes_back() {
    let space = space(5);
    space.run(&["run", "job.kdl", "--strict"]).expect(0);
    let key = word(&space.list()[0], "key").to_owned();
    let zip = space.path("d").join(&key);
    fs::remove_file(format!("{}.index", zip.display())).unwrap();
    let way = "the index is missing; the container holds another: `vex restore --from FILE.zip`";
    let listed = space.run(&["list", "job.kdl"]).expect(65);
    assert!(listed.stderr.contains(way), "{}", listed.stderr);
    let ran = space.run(&["run", "job.kdl", "--strict"]).expect(2);
    assert!(ran.stderr.contains(&format!("{key}.manifest.json is left alone")), "{}", ran.stderr);
    assert!(zip.exists());
    let into = format!("sqlite:{}", space.path("back.db").display());
    space.run(&["restore", "--from", zip.to_str().unwrap(), "--into", &into]).expect(0);
    assert_eq!(contents(&space.path("back.db")), contents(&space.path("app.db")));
}

#[test]
fn what_a_fast_clock_dated_into_the_future_takes_no_place_of_what_comes_after() {
    let space = space(2);
    (0..2).for_each(|_| drop(space.back_up()));
    // As a run would have written it whose clock was fifty minutes fast.
    for name in names(&space.path("d")).iter().filter(|n| n.ends_with(".manifest.json")) {
        let path = space.path("d").join(name);
        let mut head: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let finished: jiff::Timestamp = word(&head, "finished").parse().unwrap();
        head["finished"] = (finished + jiff::SignedDuration::from_mins(50)).to_string().into();
        fs::write(&path, serde_json::to_vec(&head).unwrap()).unwrap();
    }
    for number in 0..3 {
        change(&space, number);
        let ran = space.back_up();
        assert!(ran.stdout.contains("Success (1)") || ran.stderr.contains("Success (1)"));
        comes_back(&space, "the newest is latest");
    }
    assert_eq!(space.list().len(), 2);
    let now = jiff::Timestamp::now().to_string();
    assert!(space.list().iter().all(|l| word(l, "finished") < now.as_str()));
}

#[test]
fn one_head_or_proof_that_may_not_be_read_hides_no_other() {
    let server = S3Server::start();
    let job = format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ s3 \"d\" bucket=\"{}\" endpoint=\"{}\" {{ access-key (file)\"{}\"; secret-key \
         (file)\"{}\"; keep last=9 }} }}\n\
         job \"j\" {{ dump \"app\" {{ send \"d\"; verify \"d\" }} }}\n",
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    );
    let space = Space::new().job(&job);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES ('x')");
    (0..3).for_each(|_| drop(space.back_up()));
    let before = server.requests().len();
    assert_eq!(space.list().len(), 3);
    let read = server.requests()[before..].to_vec();
    let read: Vec<_> = read.into_iter().filter(|r| r.kind == Kind::Get).map(|r| r.path).collect();
    assert_eq!(read.len(), 6, "three heads and three proofs: {read:?}");
    for path in read {
        let is_head = path.ends_with(".manifest.json");
        // The test ends long before the memory is missed.
        let denied = Fault::new(Kind::Get, What::Answer(403, "AccessDenied")).on(path.leak());
        server.fault(denied.clone().always());
        let ran = space.run(&["list", "job.kdl", "--format", "json"]).expect(1);
        let said: Vec<&str> = ran.stderr.lines().filter(|l| l.starts_with("! j/app/")).collect();
        assert!(said.len() == 1 && denied.on.contains(&said[0][2..20]), "{}", ran.stderr);
        assert_eq!(ran.json().len(), if is_head { 2 } else { 3 }, "{}", ran.stderr);
        comes_back(&space, denied.on);
        server.heal();
    }
    assert_eq!(space.list().len(), 3);
}

#[test]
fn a_head_or_proof_of_a_size_that_nobody_has_memory_for_is_named_and_passed_over() {
    let space = space(9);
    space.back_up();
    let key = word(&space.list()[0], "key").to_owned();
    let container = space.path("d").join(&key);
    let proof = format!("{}.proof-20240101T000000000000Z.json", container.display());
    let head = space.path("d/j/app/backup_20240101_010000.zip.manifest.json");
    for (path, bytes) in [(PathBuf::from(proof), 1 << 40), (head, 1 << 40)] {
        let file = File::create(&path).unwrap();
        file.set_len(bytes).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let ran = space.run(&["list", "job.kdl", "--format", "json"]).expect(1);
        assert_eq!(ran.json().len(), 1);
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
        comes_back(&space, name);
        space.back_up();
        space.run(&["verify", "job.kdl"]).expect(0);
        fs::remove_file(&path).unwrap();
        for line in &space.list()[1..] {
            let own = space.path("d").join(word(line, "key"));
            fs::remove_file(format!("{}.manifest.json", own.display())).unwrap();
        }
    }
}
