//! Which backup the words of a restore mean, and what is said where that is in doubt.

use crate::common::space::{Space, word};

/// Two sources in one job, each with the table `t`; one backup of both.
fn two() -> Space {
    let space = Space::new().job(
        r#"sources { sqlite "alpha" path="alpha.db"; sqlite "beta" path="beta.db" }
stores { dir "nas" path="nas" { keep last=9 } }
job "j" { dump "alpha" "beta" { send "nas"; verify "nas" } }
"#,
    );
    for name in ["alpha", "beta"] {
        space.database(&format!("{name}.db"), "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    }
    space.back_up();
    space
}

#[test]
fn the_id_of_a_run_of_several_sources_means_none_of_them() {
    let space = two();
    let lines = space.list();
    let (id, from) = (word(&lines[0], "id"), format!("file:{}", space.path("nas").display()));
    assert_eq!(id, word(&lines[1], "id"));
    let ran = space.run(&["restore", "--from", &from, "--backup", id, "--into", "sqlite:new.db"]);
    let ran = ran.expect(64);
    assert!(ran.stderr.contains("made backups of alpha, beta"), "{}", ran.stderr);
    assert!(!space.path("new.db").exists());
    let named = ["restore", "--from", &from, "beta", "--backup", id, "--into", "sqlite:new.db"];
    space.run(&named).expect(0);
}

#[test]
fn a_newest_backup_whose_head_is_lost_is_told_and_the_older_one_comes_back() {
    let space = two();
    space.back_up();
    let newest = space.list().pop().unwrap();
    let (source, key) = (word(&newest, "source"), word(&newest, "key"));
    std::fs::remove_file(space.path(&format!("nas/{key}.manifest.json"))).unwrap();
    let into = ["--into", "sqlite:new.db", "--strict"];
    let ran = space.run(&[&["restore", "job.kdl", source][..], &into].concat()).expect(2);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("may not be the newest backup"), "{said}");
    assert!(said.contains(key), "{said}");
}

#[test]
fn a_lone_archive_takes_the_name_of_its_source_and_is_no_store_to_list() {
    let space = two();
    let line = &space.list()[0];
    let archive = space.path(&format!("nas/{}", word(line, "key"))).display().to_string();
    let words = ["restore", "--from", &archive, word(line, "source"), "--into", "sqlite:new.db"];
    space.run(&words).expect(0);
    let ran = space.run(&["list", "--from", &archive]).expect(64);
    assert!(ran.stderr.contains("is no store") && ran.stderr.contains("vex verify"), "{ran:?}");
}

#[test]
fn a_dry_run_as_json_says_its_plan_as_events() {
    let space = two();
    let words = ["restore", "job.kdl", "beta", "--into", "sqlite:new.db", "--dry-run"];
    let plain = space.run(&words).expect(0).stdout;
    let events = space.run(&[&words[..], &["--format", "json"]].concat()).expect(0).json();
    let said: Vec<&str> = events.iter().map(|event| word(event, "text")).collect();
    assert!(plain.lines().count() >= 3 && said.len() >= plain.lines().count(), "{said:?}");
    assert!(events.iter().all(|e| e["version"] == 2 && e["event"] == "said"), "{events:?}");
}

#[test]
fn a_path_where_no_file_can_be_is_refused_before_anything_is_read() {
    let space = two();
    std::fs::create_dir(space.path("folder")).unwrap();
    std::fs::write(space.path("plain"), "").unwrap();
    for (path, found) in [
        ("folder", "it is a folder; nothing was written"),
        ("plain/new.db", "plain is no folder; nothing was written"),
        ("plain/deep/new.db", "plain is no folder; nothing was written"),
    ] {
        let into = format!("sqlite:{path}");
        for more in [&[][..], &["--dry-run"], &["--overwrite", "--yes"], &["--fallback"]] {
            let words = ["restore", "job.kdl", "beta", "--into", &into];
            let ran = space.run(&[&words[..], more].concat()).expect(1);
            assert!(ran.stderr.contains(found), "{path} {more:?}: {}", ran.stderr);
        }
    }
    assert_eq!(std::fs::read_dir(space.path("folder")).unwrap().count(), 0);
    assert_eq!(std::fs::read(space.path("plain")).unwrap(), b"");
}

#[test]
fn what_leaves_nothing_to_restore_is_refused() {
    let space = two();
    let words = ["restore", "job.kdl", "alpha", "--except", "alpha", "--into", "sqlite:new.db"];
    let ran = space.run(&words).expect(1);
    assert!(ran.stderr.contains("--except leaves nothing of the backup"), "{}", ran.stderr);
    assert!(!space.path("new.db").exists());
}
