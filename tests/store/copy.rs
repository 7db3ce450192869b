//! `vex copy`, and sends that catch up: what goes from store to store is the same, proven, and never
//! what was damaged or what retention has removed.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::space::{Space, contents, files, names, word};
use crate::store::identity::{grade, ids};

/// A job into two folders, with what is said of the second.
fn job(second: &str, keep: u32) -> String {
    format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ dir \"near\" path=\"near\" {{ keep last=9 }}\n dir \"far\" path=\"far\" prefix=\"p\" {{ keep last={keep} }} }}\n\
         job \"j\" {{ dump \"app\" {{ send \"near\"\n send \"far\" {second}\n verify \"near\" \"far\" }} }}\n"
    )
}

fn space(second: &str, keep: u32) -> Space {
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(&job(second, keep));
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), ('x')");
    space
}

/// The lines of `vex list` about one store.
fn of(space: &Space, store: &str) -> Vec<serde_json::Value> {
    let mut lines = space.list();
    lines.retain(|line| word(line, "store") == store);
    lines
}

/// The objects of a store that are of backups, by their names within it, but for their proofs.
fn objects(space: &Space, root: &str) -> Vec<(String, Vec<u8>)> {
    let all = names(&space.path(root)).into_iter();
    let all = all.filter(|name| name.contains("backup_") && !name.contains(".proof-"));
    all.map(|name| (name.clone(), fs::read(space.path(root).join(name)).unwrap())).collect()
}

#[test]
fn a_copy_is_the_same_and_proven_and_a_damaged_one_is_none() {
    let space = space("", 9);
    (0..3).for_each(|_| drop(space.back_up()));
    let original = objects(&space, "far/p");
    for file in files(&space.path("far")) {
        fs::remove_file(file).unwrap();
    }
    let near = of(&space, "near");
    let ran = space.run(&["copy", "job.kdl", "--from", "near", "--to", "near"]).expect(64);
    assert!(ran.stderr.contains("are both near"), "{}", ran.stderr);
    for (ids, wanted) in [(&["1999"][..], "there is no backup 1999"), (&["2"], "may be several")] {
        let ran =
            space.run(&[&["copy", "job.kdl"], ids, &["--from", "near", "--to", "far"]].concat());
        assert!(ran.expect(64).stderr.contains(wanted), "{wanted}");
    }
    let one = word(&near[0], "id");
    let copy = |ids: &[&str]| {
        space.run(
            &[&["copy", "job.kdl"], ids, &["--from", "near", "--to", "far", "--strict"]].concat(),
        )
    };
    let ran = copy(&[one]).expect(0);
    assert!(ran.stdout.contains("is proven in far"), "{}", ran.stdout);
    let far = of(&space, "far");
    assert_eq!((ids(&far), word(&far[0], "proof")), (vec![one.to_owned()], "read"));
    assert!(copy(&[one]).expect(0).stdout.contains("already"));
    assert_eq!(contents(&space.restore(&far[0], "back.db")), contents(&space.path("app.db")));
    // Without an ID all that is lacking; byte for byte what the run itself had sent.
    copy(&[]).expect(0);
    assert_eq!(objects(&space, "far/p"), original);
    let all: Vec<String> = names(&space.path(""));
    assert!(
        all.iter().all(|name| !name.contains("vex-lease-") && !name.contains(".begun")),
        "{all:?}"
    );
    let noted = "SELECT kind || ' ' || verdict FROM run ORDER BY started DESC LIMIT 1";
    assert_eq!(space.catalog::<String>(noted), "copy 1");
    // A bit that fell over in the one that is read.
    let (name, mut bytes) =
        objects(&space, "near").into_iter().find(|(n, _)| n.ends_with(".zip")).unwrap();
    bytes[100] ^= 1;
    fs::write(space.path("near").join(&name), bytes).unwrap();
    for file in files(&space.path("far")) {
        fs::remove_file(file).unwrap();
    }
    let ran = copy(&[]).expect(65);
    assert!(ran.stderr.contains("has SHA-256"), "{}", ran.stderr);
    assert_eq!(of(&space, "far").len(), 2, "the others went all the same");
    let left = names(&space.path("far"));
    let key = word(&near[0], "key");
    assert!(left.iter().all(|own| !own.contains(key)), "{left:?}");
}

#[test]
fn what_an_optional_store_missed_comes_with_the_next_run_and_what_it_removed_does_not() {
    let space = space("optional=#true catch-up=#true", 3);
    fs::write(space.path("far"), "no folder").unwrap();
    for _ in 0..2 {
        let ran = space.run(&["run", "job.kdl", "--strict"]);
        assert_eq!(grade(&ran), "Alerta", "{}", ran.stderr);
    }
    let missed = ids(&of_near(&space));
    let failed = "SELECT count(*) FROM copy WHERE store='far' AND verdict<>1";
    assert_eq!(space.catalog::<i64>(failed), 2);
    fs::remove_file(space.path("far")).unwrap();
    let ran = space.run(&["run", "job.kdl", "--strict"]);
    assert_eq!(grade(&ran), "Sucesso", "{}", ran.stderr);
    assert_eq!(ids(&of(&space, "far"))[..2], missed[..]);
    assert!(of(&space, "far").iter().all(|line| word(line, "proof") == "read"));
    assert_eq!(space.catalog::<i64>(failed), 0, "the history knows that they are there");
    assert!(space.logs().contains("catch-up/app/far"), "{}", space.logs());
    // Two more runs, and the policy there removes the oldest; they stay away.
    for _ in 0..2 {
        assert_eq!(grade(&space.run(&["run", "job.kdl", "--strict"])), "Sucesso");
        let (near, far) = (ids(&of(&space, "near")), ids(&of(&space, "far")));
        assert_eq!(far, near[near.len() - 3..]);
    }
    let plan = space.run(&["plan", "job.kdl", "--offline"]).expect(0).stdout;
    assert!(
        plan.contains("sends what failed to come and would be kept from near to far"),
        "{plan}"
    );
}

/// What is near while nothing else can be listed.
fn of_near(space: &Space) -> Vec<serde_json::Value> {
    space.run(&["list", "job.kdl", "--from", "near", "--format", "json"]).expect(0).json()
}

#[test]
fn a_dump_takes_no_more_than_its_rate() {
    let space = space("", 9);
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300)
        INSERT INTO t SELECT hex(randomblob(500)) FROM n";
    rusqlite::Connection::open(space.path("app.db")).unwrap().execute_batch(fill).unwrap();
    let text = job("", 9).replace("dump \"app\"", "dump \"app\" chunk=\"64KiB\" rate=\"256KiB\"");
    fs::write(space.path("job.kdl"), text).unwrap();
    let since = Instant::now();
    space.back_up();
    // At least 300 KB of SQL and as much of the file; the first chunks are not waited for.
    assert!(since.elapsed() > Duration::from_millis(1500), "{:?}", since.elapsed());
    let far = of(&space, "far");
    assert_eq!(contents(&space.restore(&far[0], "back.db")), contents(&space.path("app.db")));
}

#[test]
fn a_folder_that_can_not_be_listed_keeps_nothing_else_from_being_copied() {
    let job = "sources { sqlite \"app\" path=\"app.db\"; sqlite \"crm\" path=\"crm.db\" }\n\
         stores { dir \"near\" path=\"near\" { keep last=9 }\n dir \"far\" path=\"far\" { keep last=9 } }\n\
         job \"j\" { dump \"app\" \"crm\" { send \"near\" \"far\"; verify \"near\" } }\n";
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(job);
    for name in ["app.db", "crm.db"] {
        space.database(name, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    }
    space.back_up();
    fs::remove_dir_all(space.path("far/j")).unwrap();
    fs::remove_dir_all(space.path("near/j/crm")).unwrap();
    fs::write(space.path("near/j/crm"), "no folder").unwrap();
    let ran = space.run(&["copy", "job.kdl", "--from", "near", "--to", "far"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("near/j/crm"), "{}", ran.stderr);
    let far = names(&space.path("far"));
    assert!(far.iter().any(|name| name.starts_with("j/app/backup_")), "{far:?}");
}

#[test]
fn what_a_store_missed_comes_from_another_one_when_the_first_can_not_be_listed() {
    let job = "sources { sqlite \"app\" path=\"app.db\" }\n\
         stores { dir \"one\" path=\"one\" { keep last=9 }\n dir \"two\" path=\"two\" { keep last=9 }\n dir \"far\" path=\"far\" { keep last=9 } }\n\
         job \"j\" { dump \"app\" { send \"one\" optional=#true\n send \"two\"\n send \"far\" optional=#true catch-up=#true\n verify \"two\" } }\n";
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(job);
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    fs::write(space.path("far"), "no folder").unwrap();
    space.run(&["run", "job.kdl"]).expect(0);
    fs::remove_file(space.path("far")).unwrap();
    fs::remove_dir_all(space.path("one/j/app")).unwrap();
    fs::write(space.path("one/j/app"), "no folder").unwrap();
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    assert!((ran.stdout + &ran.stderr).contains("Alert (2)"));
    assert_eq!(of_store(&space, "far").len(), 2);
    assert!(space.logs().contains("one is not read: "), "{}", space.logs());
}

/// The heads in a store.
fn of_store(space: &Space, store: &str) -> Vec<String> {
    let mut all = names(&space.path(store));
    all.retain(|name| name.ends_with(".manifest.json"));
    all
}
