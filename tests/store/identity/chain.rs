//! What is one chain, for how long another machine's is left alone, and how `adopt` and `--origin`
//! end a doubt.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use crate::common::servers::free_port;
use crate::common::space::{Ran, Space, contents, files, names, rows, until, word};
use crate::store::identity::{age, grade, ids, origins, run_on};

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A job file for one SQLite file, `path`, of which the last two are kept.
fn job(path: &str, more: &str) -> String {
    format!(
        "sources {{ sqlite \"shop\" path=\"{path}\" {more} }}\n\
         stores {{ dir \"nas\" path=\"nas\" {{ keep last=2 }} }}\n\
         job \"nightly\" {{ dump \"shop\" {{ send \"nas\"; verify \"nas\" }} }}\n"
    )
}

/// Makes a database that says which it is.
fn database(space: &Space, name: &str) {
    space.database(name, &format!("CREATE TABLE who (name); INSERT INTO who VALUES ('{name}')"));
}

/// What a database says it is.
fn who(space: &Space, file: &str) -> String {
    let db = Connection::open(space.path(file)).unwrap();
    db.query_row("SELECT name FROM who", [], |row| row.get(0)).unwrap()
}

fn write(space: &Space, file: &str, text: &str) {
    std::fs::write(space.path(file), text).unwrap();
}

fn listed(space: &Space) -> Vec<Value> {
    space.run(&["list", "job.kdl", "--format", "json"]).expect(0).json()
}

/// Restores what the job file takes for the newest, and more arguments.
fn restore(space: &Space, into: &str, more: &[&str]) -> Ran {
    let target = format!("sqlite:{into}");
    space.run(&[&["restore", "job.kdl", "--into", &target], more].concat())
}

#[test]
fn members_of_a_cluster_with_an_identity_are_one_chain_without_any_state() {
    let space = Space::new();
    ["a.db", "b.db"].iter().for_each(|name| database(&space, name));
    for turn in 0..6 {
        let (member, pod) = (["a.db", "b.db"][turn % 2], format!("pod-{turn}"));
        write(&space, "job.kdl", &job(member, "identity=\"the shop\""));
        let ran = run_on(&space, &pod, &["run", "job.kdl", "--strict"]);
        assert_eq!(grade(&ran), "Sucesso", "{}", ran.stdout);
        let lines = listed(&space);
        assert_eq!(lines.len(), (turn + 1).min(2), "{lines:?}");
        assert_eq!(origins(&lines).into_iter().collect::<Vec<_>>(), ["the shop"]);
        let into = format!("back-{turn}.db");
        restore(&space, &into, &[]).expect(0);
        assert_eq!(who(&space, &into), member);
    }
}

#[test]
fn containers_that_are_made_anew_each_week_keep_one_chain() {
    let space = Space::new().job(&job("shop.db", ""));
    database(&space, "shop.db");
    let mut kept: Vec<Vec<String>> = Vec::new();
    for week in 0..4 {
        let host = format!("container-{week}");
        for _ in 0..3 {
            let ran = run_on(&space, &host, &["run", "job.kdl", "--strict"]);
            assert_eq!(grade(&ran), "Sucesso", "{}", ran.stdout);
        }
        kept.push(ids(&listed(&space)));
        age(&space.path("nas"), WEEK);
    }
    // Each container keeps its own two, and what the one before made waits for a week.
    assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [2, 4, 4, 4]);
    for (before, after) in kept.iter().zip(&kept[1..]) {
        assert_eq!(before[before.len() - 2..], after[..2]);
    }
    restore(&space, "back.db", &[]).expect(0);
    assert_eq!(contents(&space.path("back.db")), contents(&space.path("shop.db")));
}

#[test]
fn a_machine_that_comes_back_is_another_for_good_until_it_is_adopted() {
    let space = Space::new().job(&job("shop.db", ""));
    database(&space, "shop.db");
    let run = |host: &str| grade(&run_on(&space, host, &["run", "job.kdl", "--strict"]));
    assert_eq!([run("one"), run("two"), run("two")], ["Sucesso"; 3]);
    // Both have it from the run after: the finding is written down.
    assert_eq!([run("one"), run("two"), run("one")], ["Alerta"; 3]);
    let notes = names(&space.path("nas")).into_iter().filter(|n| n.contains("vex-machines-"));
    assert_eq!(notes.count(), 1);
    age(&space.path("nas"), WEEK * 9);
    assert_eq!(run("two"), "Alerta");
    let lines = listed(&space);
    assert_eq!((lines.len(), origins(&lines).len()), (4, 2));
    let ran = restore(&space, "x.db", &[]).expect(64);
    for origin in origins(&lines) {
        assert!(ran.stderr.contains(&origin), "{origin}: {}", ran.stderr);
    }
    run_on(&space, "two", &["adopt", "job.kdl", "shop"]).expect(0);
    assert_eq!([run("one"), run("two")], ["Sucesso"; 2]);
    assert_eq!(listed(&space).len(), 2);
    restore(&space, "x.db", &[]).expect(0);
}

#[test]
fn a_database_that_moved_is_adopted_and_its_backups_are_kept_with_the_new_ones() {
    let space = Space::new().job(&job("old.db", ""));
    ["old.db", "new.db"].iter().for_each(|name| database(&space, name));
    let run = || space.run(&["run", "job.kdl", "--strict"]);
    (0..2).for_each(|_| assert_eq!(grade(&run()), "Sucesso"));
    write(&space, "job.kdl", &job("new.db", ""));
    let ran = run();
    assert_eq!(grade(&ran), "Alerta");
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("2 backups are left alone: they are of another database"), "{said}");
    assert_eq!(listed(&space).len(), 3);
    restore(&space, "x.db", &[]).expect(64);
    // What the Alerta says is what helps.
    let advice = said.split('`').find(|part| part.starts_with("vex adopt")).unwrap();
    let words: Vec<&str> = advice.split_whitespace().skip(1).collect();
    space.run(&words).expect(0);
    restore(&space, "x.db", &[]).expect(0);
    assert_eq!(who(&space, "x.db"), "new.db");
    assert_eq!(grade(&run()), "Sucesso");
    let left = listed(&space);
    assert!(left.len() == 2 && origins(&left).len() == 1, "{left:?}");
    let ran = space.run(&["adopt", "job.kdl", "shop"]).expect(1);
    assert!(ran.stderr.contains("nothing to adopt"), "{}", ran.stderr);
}

#[test]
fn of_several_chains_adopt_takes_the_one_that_is_named() {
    let space = Space::new().job(&job("one.db", ""));
    for name in ["one.db", "two.db", "here.db"] {
        database(&space, name);
        write(&space, "job.kdl", &job(name, ""));
        space.run(&["run", "job.kdl"]).expect(0);
    }
    let ran = space.run(&["adopt", "job.kdl", "shop"]).expect(64);
    let lines = listed(&space);
    for line in &lines[..2] {
        assert!(ran.stderr.contains(word(line, "id")), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains(word(&lines[2], "id")), "{}", ran.stderr);
    space.run(&["adopt", "job.kdl", "shop", "--from", word(&lines[0], "id")]).expect(0);
    let ran = space.run(&["run", "job.kdl", "--strict"]);
    assert_eq!(grade(&ran), "Alerta");
    let left = listed(&space);
    assert_eq!(ids(&left)[..2], ids(&lines)[1..], "the oldest was of the chain, and is gone");
    restore(&space, "x.db", &[]).expect(64);
    space.run(&["adopt", "job.kdl", "shop"]).expect(0);
    restore(&space, "x.db", &[]).expect(0);
    assert_eq!(who(&space, "x.db"), "here.db");
    assert_eq!(grade(&space.run(&["run", "job.kdl", "--strict"])), "Sucesso");
    assert_eq!(listed(&space).len(), 2);
}

#[test]
fn what_older_formats_left_is_adopted_by_its_host() {
    let space = Space::new();
    let frozen = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen/v1-sqlite");
    for path in files(&frozen.join("store")) {
        let name = path.strip_prefix(frozen.join("store")).unwrap().to_str().unwrap();
        let to = space.path(&format!("nas/{name}"));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&path, to).unwrap();
    }
    write(&space, "job.kdl", &job("shop.db", "").replace("\"shop\"", "\"app\""));
    database(&space, "shop.db");
    let run = || space.run(&["run", "job.kdl", "--strict"]);
    let ran = run();
    assert_eq!(grade(&ran), "Alerta");
    assert!((ran.stdout + &ran.stderr).contains("made by host frozen"));
    assert_eq!(listed(&space).len(), 3);
    restore(&space, "x.db", &[]).expect(64);
    // On the host that made them they would have been its own.
    assert_eq!(grade(&run_on(&space.copy(), "frozen", &["run", "job.kdl", "--strict"])), "Alerta");
    space.run(&["adopt", "job.kdl", "app", "--host", "thawed"]).expect(1);
    space.run(&["adopt", "job.kdl", "app", "--host", "frozen"]).expect(0);
    restore(&space, "x.db", &[]).expect(0);
    assert_eq!(who(&space, "x.db"), "shop.db");
    assert_eq!(grade(&run()), "Sucesso");
    let left = listed(&space);
    assert!(left.len() == 2 && left.iter().all(|l| l["origin"].is_string()), "{left:?}");
}

#[test]
fn of_several_databases_restore_takes_the_one_that_a_prefix_tells() {
    let space = Space::new().job(&job("a/shop.db", ""));
    for name in ["a", "b"] {
        std::fs::create_dir(space.path(name)).unwrap();
        database(&space, &format!("{name}/shop.db"));
        write(&space, "job.kdl", &job(&format!("{name}/shop.db"), ""));
        space.run(&["run", "job.kdl"]).expect(0);
    }
    let base = space.path("").display().to_string();
    let (one, both) = (format!("{base}a"), base.clone());
    let ran = restore(&space, "x.db", &[]).expect(64);
    for line in listed(&space) {
        assert!(ran.stderr.contains(word(&line, "id")), "{}", ran.stderr);
    }
    for ambiguous in [&both, "/nowhere"] {
        let ran = restore(&space, "x.db", &["--origin", ambiguous]).expect(64);
        assert!(ran.stderr.contains(&format!("--origin {ambiguous} names")), "{}", ran.stderr);
    }
    assert!(!space.path("x.db").exists());
    restore(&space, "x.db", &["--origin", &one]).expect(0);
    assert_eq!(who(&space, "x.db"), "a/shop.db");
    // Without a job file, too.
    let from = format!("file:{}", space.path("nas").display());
    let bare = |more: &[&str]| {
        space.run(&[&["restore", "--from", &from, "--into", "sqlite:y.db"], more].concat())
    };
    bare(&[]).expect(64);
    bare(&["--origin", &one]).expect(0);
    assert_eq!(who(&space, "y.db"), "a/shop.db");
}

#[test]
fn two_files_with_a_job_of_one_name_share_no_lock_no_verdict_and_no_log() {
    let space = Space::new();
    ["a.db", "b.db"].iter().for_each(|name| database(&space, name));
    // Nobody listens there: whoever told of a change would end in Alerta.
    let ping = format!("http://127.0.0.1:{}/x", free_port());
    let space = space.env("PING", ping);
    let notify = "notify { ping (env)\"PING\" on=\"change\" }\n";
    let texts = [job("a.db", ""), job("b.db", "").replace("\"nas\"", "\"nas2\"")];
    write(&space, "a.kdl", &format!("{}{notify}", texts[0]));
    write(&space, "b.kdl", &format!("{}{notify}", texts[1]));
    let run = |file: &str| space.run(&["run", file, "--strict"]);
    assert_eq!([grade(&run("a.kdl")), grade(&run("b.kdl"))], ["Sucesso"; 2]);
    std::fs::rename(space.path("b.db"), space.path("away.db")).unwrap();
    run("b.kdl").expect(1);
    assert_eq!(grade(&run("a.kdl")), "Sucesso");
    let logs = space.state("logs");
    let folders: Vec<_> = std::fs::read_dir(&logs).unwrap().flatten().map(|e| e.path()).collect();
    let folders: Vec<_> = folders.into_iter().filter(|p| p.is_dir()).collect();
    let counts: Vec<usize> = folders.iter().map(|f| files(f).len()).collect();
    assert!(folders.len() == 2 && counts.iter().all(|c| *c >= 2), "{folders:?} {counts:?}");
    for folder in folders {
        let text: String =
            files(&folder).iter().map(|f| std::fs::read_to_string(f).unwrap()).collect();
        assert!(text.contains("a.kdl") != text.contains("b.kdl"), "{}: {text}", folder.display());
    }

    let long = "job \"nightly\" { exec \"long\" { command \"sh\" \"-c\" \"touch held; exec sleep 600\" } }";
    write(&space, "a.kdl", long);
    let held = space.start(&["run", "a.kdl"]);
    until("the job runs", || space.path("held").exists().then_some(()));
    run("a.kdl").expect(75);
    std::fs::rename(space.path("away.db"), space.path("b.db")).unwrap();
    write(&space, "b.kdl", &texts[1]);
    run("b.kdl").expect(0);
    drop(held);
    let catalog = Connection::open(space.state("catalog.sqlite")).unwrap();
    let runs = rows(&catalog, "SELECT DISTINCT file FROM run WHERE job='nightly'");
    assert_eq!(runs.len(), 2, "{runs:?}");
}
