//! Files of the log are kept, once and whole, and come back or stop the server that asks.

use std::fs;

use sha2::{Digest, Sha256};

use crate::common::servers::Pg;
use crate::common::space::{Space, word};
use crate::postgres::wal::{archiving, fetch, object, open, patiently, switch, system};

#[test]
fn what_a_server_archives_is_kept_shown_and_comes_back_or_stops_who_asks() {
    for version in Pg::ALL {
        let (server, space) = archiving(version, &[], "send \"nas\"; send \"off\" optional=#true");
        server.sql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 1000) AS a");
        let first = switch(&server);
        space.run(&["run", "job.kdl", "weekly"]).expect(0);
        let names: Vec<String> = (0..3)
            .map(|n| {
                server.sql("postgres", &format!("INSERT INTO t VALUES ({n})"));
                switch(&server)
            })
            .collect();
        open(&space);
        for store in ["nas", "off"] {
            names
                .iter()
                .for_each(|name| assert!(object(&space.path(store), name).is_some(), "{name}"));
        }
        let lines = space.run(&["wal", "status", "job.kdl", "--format", "json"]).expect(0).json();
        let stretch: Vec<_> = lines.iter().filter(|line| line["what"] == "stretch").collect();
        assert_eq!(stretch.len(), 2, "{lines:?}");
        assert_eq!([word(stretch[0], "first"), word(stretch[0], "last")], [&first, &names[2]]);
        let window = lines.iter().find(|line| line["what"] == "window").expect("a window");
        assert!(word(window, "until") > word(window, "from"), "{window}");
        assert!(window["missing"].is_null());
        let ran = space.run(&["run", "job.kdl", "log"]).expect(0);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("Alert"), "{ran:?}");
        assert!(space.logs().contains("the log leads to"), "{}", space.logs());

        // As it was, and never over what exists.
        let system = system(&server);
        assert_eq!(fetch(&space, &system, &names[1]).code, 0);
        let bytes = fs::read(space.path("fetched")).unwrap();
        assert_eq!(bytes.len(), 16 << 20);
        let words = ["wal", "fetch", "--system", &system, "job.kdl", "erp", &names[0], "fetched"];
        assert!(space.run(&words).expect(200).stderr.contains("it exists"));
        // The end of the log, proven.
        let after = format!(
            "{}{:08X}",
            &names[2][..16],
            u32::from_str_radix(&names[2][16..], 16).unwrap() + 1
        );
        assert!(fetch(&space, &system, &after).expect(1).stderr.contains("the log ends before it"));
        for history in ["00000001.history", "00000002.history"] {
            assert_eq!(fetch(&space, &system, history).code, 1, "{history}");
        }
        assert!(!space.path("fetched").exists());
        doubts(&space, &system, &names, &after);
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All that must never be taken for the end of the log.
fn doubts(space: &Space, system: &str, names: &[String], after: &str) {
    // One store lost a file that the other has; then both did.
    let own = |store: &str| object(&space.path(store), &names[1]).expect("there");
    let kept = [fs::read(own("nas")).unwrap(), fs::read(own("off")).unwrap()];
    let paths = [own("nas"), own("off")];
    fs::remove_file(&paths[0]).unwrap();
    assert_eq!(fetch(space, system, &names[1]).code, 0, "out of the other store");
    fs::remove_file(&paths[1]).unwrap();
    let gap = fetch(space, system, &names[1]).expect(200);
    assert!(
        gap.stderr.contains("a gap in the log") && gap.stderr.contains(&names[2]),
        "{}",
        gap.stderr
    );
    // Damaged everywhere.
    let mut bad = kept[0].clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    paths.iter().for_each(|path| fs::write(path, &bad).unwrap());
    assert_eq!(fetch(space, system, &names[1]).code, 200);
    paths.iter().zip(&kept).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    // A store that is not there, and one whose file system is not mounted.
    fs::rename(space.path("nas"), space.path("away")).unwrap();
    assert_eq!(fetch(space, system, after).code, 200, "a store does not answer");
    assert_eq!(fetch(space, system, &names[1]).code, 0, "the other store has it");
    fs::create_dir(space.path("nas")).unwrap();
    let empty = fetch(space, system, after).expect(200);
    assert!(empty.stderr.contains("not mounted"), "{}", empty.stderr);
    fs::remove_dir(space.path("nas")).unwrap();
    fs::rename(space.path("away"), space.path("nas")).unwrap();
    assert_eq!(fetch(space, system, after).code, 1);
    // Another cluster's log, of which there is nothing.
    assert_eq!(fetch(space, "1", after).code, 200);
    // A history that is lost: the timeline is there.
    let folder = object(&space.path("nas"), &names[1]).unwrap();
    let folder = folder.parent().unwrap().with_file_name("00000002");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(format!("00000002{}.zip", &names[1][8..])), b"x").unwrap();
    assert_eq!(fetch(space, system, "00000002.history").code, 200);
    fs::remove_dir_all(&folder).unwrap();
    // What was typed, and the file.
    let job = fs::read_to_string(space.path("job.kdl")).unwrap();
    for words in [
        &["wal", "fetch"][..],
        &["wal", "fetch", "--help"],
        &["wal", "fetch", "job.kdl", "erp", after],
        &["wal", "fetch", "none.kdl", "erp", after, "fetched"],
        &["wal", "fetch", "job.kdl", "hr", after, "fetched"],
        &["wal", "fetch", "--system", system, "job.kdl", "erp", "x", "fetched"],
        &["wal", "fetch", "--wrong", "job.kdl", "erp", after, "fetched"],
        &["wal", "fetch", "job.kdl", "erp", after, "fetched"],
    ] {
        assert_eq!(space.run(words).code, 200, "{words:?}");
    }
    fs::write(space.path("job.kdl"), job.replace("sources", "sorces")).unwrap();
    assert_eq!(fetch(space, system, after).code, 200, "a file with mistakes");
    let sealed =
        job.replace("wal \"erp\" {", "wal \"erp\" { archive { password (env)\"NOT_SET\" };");
    fs::write(space.path("job.kdl"), &sealed).unwrap();
    assert_eq!(fetch(space, system, &names[1]).code, 0, "what is open needs no password");
    fs::write(space.path("job.kdl"), job).unwrap();
}

#[test]
fn one_file_is_kept_once_and_another_of_its_name_is_refused_with_both_digests() {
    let (server, space) =
        archiving(Pg::V15, &[], "archive { password (env)\"LOG_PASSWORD\" }; send \"nas\"");
    // The archiver has no such variable: nothing is safe, and nothing is said to be.
    server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS a; ");
    server.value("postgres", "SELECT pg_switch_wal()");
    patiently("the archiver fails", || {
        let count = server.value("postgres", "SELECT failed_count FROM pg_stat_archiver")?;
        (count != "0").then_some(())
    });
    let space = space.env("LOG_PASSWORD", "CANARY-LOG");
    let name = server.value("postgres", "SELECT last_failed_wal FROM pg_stat_archiver").unwrap();
    let path = server.data().join("pg_wal").join(&name);
    let push = |path: &str| space.run(&["wal", "push", "job.kdl", path]);
    let path = path.to_str().unwrap();
    assert!(push(path).expect(0).stderr.is_empty());
    let kept = fs::read(object(&space.path("nas"), &name).expect("kept")).unwrap();
    assert_eq!(push(path).code, 0, "the same again");
    // A server that was copied writes another file of this name.
    let system = system(&server);
    fs::create_dir_all(space.path("clone/pg_wal")).unwrap();
    let mut other = fs::read(path).unwrap();
    let last = other.len() - 1;
    other[last] ^= 1;
    let clone = space.path("clone/pg_wal").join(&name);
    fs::write(&clone, &other).unwrap();
    let refused = push(clone.to_str().unwrap()).expect(1);
    assert!(refused.stderr.contains("another file of this name is there"), "{}", refused.stderr);
    let digests = [fs::read(path).unwrap(), other.clone()].map(|b| hex(&b));
    assert!(digests.iter().all(|digest| refused.stderr.contains(digest)), "{}", refused.stderr);
    assert_eq!(fs::read(object(&space.path("nas"), &name).unwrap()).unwrap(), kept);
    // A history holds no data, and is read by who has no password.
    let history = server.data().join("pg_wal/00000002.history");
    fs::write(&history, "1\t0/3000000\tno recovery target specified\n").unwrap();
    assert_eq!(push(history.to_str().unwrap()).code, 0);
    fs::remove_file(&history).unwrap();
    let open = space.copy().env("LOG_PASSWORD", "");
    assert_eq!(fetch(&open, &system, "00000002.history").code, 0);
    assert_eq!(fetch(&open, &system, &name).code, 200, "what is sealed is not the end of the log");
    // What is no file of this log, and what is typed wrong.
    for (name, bytes) in [
        (name.as_str(), &other[..1000]),
        ("000000010000000000000077", &other[..]),
        ("RECOVERYXLOG", &other[..]),
        ("00000002.history", b"nonsense"),
    ] {
        let path = space.path("clone/pg_wal").join(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(push(path.to_str().unwrap()).code, 1, "{name}");
    }
    for words in
        [&["wal", "push"][..], &["wal", "push", "--help"], &["wal", "push", "job.kdl", "none"]]
    {
        assert_eq!(space.run(words).code, 1, "{words:?}");
    }
    assert_eq!(fetch(&space, &system, &name).code, 0);
    assert_eq!(fs::read(space.path("fetched")).unwrap(), fs::read(path).unwrap());
}

#[test]
fn a_push_that_is_killed_between_keeping_and_answering_is_asked_for_again_and_is_fine() {
    let (server, space) = archiving(Pg::V17, &["archive_command=false"], "send \"nas\"");
    server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS a");
    let name = server.value("postgres", "SELECT pg_walfile_name(pg_switch_wal())").unwrap();
    let path = server.data().join("pg_wal").join(&name);
    let words = ["wal", "push", "job.kdl", path.to_str().unwrap()];
    let points = space.path("points");
    let counted = space.copy().env("VEX_TEST_POINTS", points.to_str().unwrap());
    assert_eq!(counted.run(&words).code, 0);
    let text = fs::read_to_string(&points).unwrap();
    let count = text.lines().count();
    assert!(text.contains("wal kept"), "{text}");
    for point in 1..=count {
        let space = space.copy().env("VEX_TEST_KILL", point.to_string());
        let killed = space.run(&words);
        assert!(killed.code != 0, "{point}: a server is never told that it is safe");
        let space = space.copy().env("VEX_TEST_KILL", "0");
        assert_eq!(space.run(&words).code, 0, "{point}");
        assert_eq!(fetch(&space, &system(&server), &name).code, 0, "{point}");
    }
}

#[test]
fn what_no_base_backup_needs_is_removed_and_a_gap_behind_the_newest_is_told() {
    let (server, space) = archiving(Pg::V15, &[], "send \"nas\"");
    let text = fs::read_to_string(space.path("job.kdl")).unwrap();
    let space = space.job(&text.replace("keep last=9", "keep last=1"));
    server.sql("postgres", "CREATE TABLE t (a int)");
    let write = |n: i32| {
        server.sql("postgres", &format!("INSERT INTO t VALUES ({n})"));
        switch(&server)
    };
    let before = write(0);
    let alone = space.run(&["run", "job.kdl", "log"]).expect(0);
    let said = format!("{}{}", alone.stdout, alone.stderr);
    assert!(said.contains("no base backup that they add to"), "{said}");
    space.run(&["run", "job.kdl", "weekly"]).expect(0);
    let between = write(1);
    open(&space);
    let here = |name: &str| object(&space.path("nas"), name).is_some();
    space.run(&["run", "job.kdl", "log"]).expect(0);
    assert!(!here(&before) && here(&between));
    // The next base backup takes the place of the first.
    space.run(&["run", "job.kdl", "weekly"]).expect(0);
    let after: Vec<String> = (2..5).map(write).collect();
    open(&space);
    let shown = space.run(&["prune", "job.kdl", "log", "--dry-run"]).expect(0);
    assert!(shown.stdout.contains(&format!("remove  {between} in nas")), "{}", shown.stdout);
    assert!(here(&between), "nothing was done");
    space.run(&["prune", "job.kdl", "log"]).expect(0);
    assert!(!here(&between) && after.iter().all(|name| here(name)));
    let well = space.run(&["run", "job.kdl", "log"]).expect(0);
    assert!(!format!("{}{}", well.stdout, well.stderr).contains("Alert"), "{well:?}");
    // Nothing is unknown to a listing.
    assert!(!space.run(&["list", "job.kdl", "--all"]).stderr.contains("is unknown"));
    fs::remove_file(object(&space.path("nas"), &after[1]).unwrap()).unwrap();
    let told = space.run(&["run", "job.kdl", "log"]).expect(0);
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(
        said.contains(&format!("{} is missing in nas", after[1])) && said.contains("Alert"),
        "{said}"
    );
    let lines = space.run(&["wal", "status", "job.kdl", "--format", "json"]).expect(0).json();
    let window = lines.iter().find(|line| line["what"] == "window").expect("a window");
    assert_eq!(word(window, "missing"), after[1]);
}

#[test]
fn doctor_names_the_lines_that_a_server_must_be_set_to() {
    let (server, space) = archiving(Pg::V17, &[], "send \"nas\"");
    server.sql("postgres", "CREATE TABLE t (a int)");
    switch(&server);
    let ask = || space.run(&["doctor", "job.kdl", "log"]);
    assert!(ask().stdout.contains("archiver: archive_timeout is 0"), "{:?}", ask());
    let set = |name: &str, value: &str| {
        server.sql("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"));
        server.value("postgres", "SELECT pg_reload_conf()");
    };
    set("archive_timeout", "60");
    patiently("the setting is taken", || {
        let said = ask().stdout;
        said.contains("archiver: archive_mode on, the last file sent is").then_some(())
    });
    let plain = Pg::V17.start(&[]);
    let space = super::job(Space::new(), &plain, "send \"nas\"");
    let said = space.run(&["doctor", "job.kdl", "log"]).expect(1).stdout;
    let line =
        format!("archive_command = 'vex wal push {} erp %p'", space.path("job.kdl").display());
    assert!(said.contains("archive_mode is off") && said.contains(&line), "{said}");
}
