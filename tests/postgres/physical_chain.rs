//! Increments of a real PostgreSQL 17: they combine and restore, and nothing that a kept one needs
//! is ever removed.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Space, word};
use crate::postgres::physical::{STEPS, bring_back, by_socket, job, open_folder, own_folder};

const CHAIN: &str =
    r#"physical "erp" incremental=#true { send "nas" { keep last=1 }; verify "nas" unpack=#true }"#;

fn server() -> PgServer {
    let server = Pg::V17.start(&["summarize_wal=on"]);
    server.run("pgbench", &["-i", "-s", "2", "-q", "postgres"]);
    server
}

/// The manifest of a line of the list.
fn manifest(space: &Space, line: &Value) -> Value {
    crate::common::artifact::manifest(&space.path("nas").join(word(line, "key")))
}

fn container(space: &Space, line: &Value) -> PathBuf {
    space.path("nas").join(word(line, "key"))
}

#[test]
fn three_increments_combine_and_restore() {
    let server = server();
    let folder = open_folder();
    let space_folder = folder.path().join("space");
    own_folder(&server, &space_folder);
    let space = job(&server, &by_socket(&server), CHAIN);
    for round in 0..4 {
        if round == 2 {
            // From here on there is a tablespace.
            server.sql(
                "postgres",
                &format!("CREATE TABLESPACE late LOCATION '{}'", space_folder.display()),
            );
            server.sql("postgres", "CREATE TABLE in_space (a int) TABLESPACE late");
        }
        server.run("pgbench", &["-t", "50", "-n", "postgres"]);
        server.sql("postgres", &format!("CREATE TABLE round_{round} AS SELECT {round} AS n"));
        if round >= 2 {
            server.sql("postgres", "INSERT INTO in_space SELECT generate_series(1, 1000)");
        }
        space.back_up();
    }
    let lines = space.list();
    assert_eq!(lines.len(), 4, "keep last=1 keeps what the last one adds to");
    let manifests: Vec<Value> = lines.iter().map(|line| manifest(&space, line)).collect();
    assert_eq!(manifests[0].get("parent"), None);
    for pair in manifests.windows(2) {
        assert_eq!(pair[1]["parent"], pair[0]["id"]);
    }
    let sizes: Vec<u64> = lines.iter().map(|l| l["bytes"].as_u64().unwrap()).collect();
    assert!(sizes[1..].iter().all(|size| *size < sizes[0]), "{sizes:?}");
    assert!(lines.iter().all(|l| word(l, "proof") == "restored"), "{lines:?}");

    let new = folder.path().join("elsewhere");
    let map = format!("late={}", new.display());
    let (restored, ran) =
        bring_back(&space, &server, &folder.path().join("data"), &["--tablespace", &map]);
    assert_eq!(ran.stdout.matches(": increment").count(), 3, "{}", ran.stdout);
    for round in 0..4 {
        assert_eq!(restored.value(&format!("SELECT n FROM round_{round}")), round.to_string());
    }
    assert_eq!(restored.value("SELECT count(*) FROM pgbench_history"), "200");
    assert_eq!(restored.value("SELECT count(*) FROM in_space"), "2000");
    assert_eq!(
        restored.value(
            "SELECT sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts) FROM pgbench_history"
        ),
        "true"
    );
    restored.amcheck();
}

#[test]
fn an_increment_without_what_it_adds_to_is_passed_over_and_not_added_to() {
    let server = server();
    let space = job(
        &server,
        &by_socket(&server),
        &CHAIN.replace("keep last=1", "keep last=9").replace(" unpack=#true", ""),
    );
    for _ in 0..3 {
        server.run("pgbench", &["-t", "5", "-n", "postgres"]);
        space.back_up();
    }
    let lines = space.list();
    // The second is damaged: the third is worth nothing, the first is.
    let path = container(&space, &lines[1]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let ran = space
        .run(&["verify", "job.kdl", "erp-physical", "--backup", word(&lines[1], "id")])
        .expect(65);
    assert!(ran.stderr.contains("damaged in"), "{ran:?}");
    let dry = ["restore", "job.kdl", "erp-physical", "--into", "pgdata:data", "--dry-run"];
    let mut words = dry.to_vec();
    words.extend(crate::postgres::physical::owner());
    let ran = space.run(&words).expect(0);
    assert!(ran.stdout.contains(&format!("backup {}", word(&lines[0], "id"))), "{}", ran.stdout);
    assert!(ran.stderr.contains("passed over: it adds to"), "{}", ran.stderr);
    // The store alone knows as much.
    let url = format!("file:{}", space.path("nas").display());
    words.extend(["--from", &url]);
    let ran = space.run(&words).expect(0);
    assert!(ran.stdout.contains(&format!("backup {}", word(&lines[0], "id"))), "{}", ran.stdout);
    let last = ["--backup", word(&lines[2], "id")];
    words.extend(last);
    let ran = space.run(&words).expect(65);
    assert!(ran.stderr.contains("which was found damaged"), "{}", ran.stderr);
    let ran = space.back_up();
    let newest = manifest(&space, space.list().last().unwrap());
    assert_eq!(newest["parent"], Value::from(word(&lines[0], "id")), "{ran:?}");
}

#[test]
fn damage_is_found_before_anything_is_changed_and_the_older_one_is_offered() {
    let server = Pg::V15.start(&[]);
    let space = job(&server, &by_socket(&server), STEPS);
    space.back_up();
    space.back_up();
    let lines = space.list();
    let path = container(&space, &lines[1]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let folder = open_folder();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("own"), "x").unwrap();
    let into = format!("pgdata:{}", data.display());
    let mut words = vec!["restore", "job.kdl", "erp-physical", "--into", &into];
    words.extend(crate::postgres::physical::owner());
    let ran = space.run(&words).expect(65);
    for claim in
        ["nothing of the old cluster was changed", &format!("--backup {}", word(&lines[0], "id"))]
    {
        assert!(ran.stderr.contains(claim), "{claim}: {}", ran.stderr);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(data.join("own")).unwrap(), "x");
}

#[test]
fn increments_that_can_not_be_taken_are_full_ones_and_say_so_or_are_refused() {
    let server = Pg::V17.start(&[]);
    let space = job(&server, &by_socket(&server), CHAIN);
    space.back_up();
    let ran = space.back_up();
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("a full backup instead of an increment: summarize_wal is off"), "{said}");
    assert!(said.contains("Alert"), "{said}");
    let old = Pg::V15.start(&[]);
    let space = job(&old, &by_socket(&old), CHAIN);
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("move to PostgreSQL 17"), "{ran:?}");
}

/// Restores with `--fallback` into a new folder, which has nothing but the cluster afterwards.
fn fall_back(
    space: &Space,
    version: &str,
    more: &[&str],
) -> (tempfile::TempDir, crate::common::space::Ran) {
    let folder = open_folder();
    let into = format!("pgdata:{}", folder.path().join("data").display());
    let mut words = vec!["restore", "job.kdl", "erp-physical", "--into", &into, "--fallback"];
    words.extend(crate::postgres::physical::owner());
    words.extend(more);
    let ran = space.run(&words).expect(0);
    let made = folder.path().join("data");
    if !more.contains(&"--dry-run") {
        assert_eq!(fs::read_to_string(made.join("PG_VERSION")).unwrap().trim(), version);
    }
    assert!(
        fs::read_dir(folder.path()).unwrap().all(|e| !e
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".new-"))
    );
    (folder, ran)
}

fn flip(path: &std::path::Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn fallback_takes_the_older_cluster_and_leaves_nothing_of_the_damaged_one() {
    let server = Pg::V15.start(&[]);
    let space = job(&server, &by_socket(&server), STEPS);
    space.back_up();
    space.back_up();
    let lines = space.list();
    flip(&container(&space, &lines[1]));
    let (folder, ran) = fall_back(&space, "15", &["--dry-run"]);
    assert!(
        ran.stdout.contains(&format!("{} is whole: it would be unpacked", word(&lines[0], "id"))),
        "{ran:?}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let (_folder, ran) = fall_back(&space, "15", &[]);
    assert!(ran.stderr.contains(&format!("{}, ", word(&lines[1], "id"))), "{}", ran.stderr);
    let last = ran.stdout.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("! {} is not the newest backup", word(&lines[0], "id"))),
        "{last}"
    );
}

#[test]
fn a_damaged_increment_takes_along_what_adds_to_it_and_nothing_else() {
    let server = server();
    let space = job(&server, &by_socket(&server), CHAIN);
    for _ in 0..4 {
        server.run("pgbench", &["-t", "20", "-n", "postgres"]);
        space.back_up();
    }
    let lines = space.list();
    let ids: Vec<&str> = lines.iter().map(|l| word(l, "id")).collect();
    flip(&container(&space, &lines[1]));
    let (_folder, ran) = fall_back(&space, "17", &[]);
    // The newest was tried, the one between is known to add to what is damaged, the full one is
    // whole.
    let plans: Vec<&str> = ran.stdout.lines().filter(|l| l.starts_with("backup ")).collect();
    assert_eq!(plans.len(), 2, "{}", ran.stdout);
    assert!(plans[0].contains(ids[3]) && plans[1].contains(ids[0]), "{plans:?}");
    assert!(
        ran.stderr.contains(&format!("{}, which it adds to: entry", word(&lines[1], "key"))),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains(&format!("it adds to {}, which was found damaged", ids[1])),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stdout.lines().last().unwrap().contains("3 newer can't be used, the newest of them "),
        "{}",
        ran.stdout
    );
}

#[test]
fn an_increment_finds_the_full_one_that_another_job_made() {
    let server = server();
    let space =
        job(&server, &by_socket(&server), "physical \"erp\" { send \"nas\"; verify \"nas\" }");
    let text = fs::read_to_string(space.path("job.kdl")).unwrap();
    let text = text.replace("fisicos/{source}", "{job}/{source}");
    fs::write(space.path("job.kdl"), format!("{text}job \"nightly\" {{ {CHAIN} }}\n")).unwrap();
    space.run(&["run", "job.kdl", "weekly"]).expect(0);
    server.sql("postgres", "CREATE TABLE late AS SELECT 7 AS n");
    for _ in 0..2 {
        space.run(&["run", "job.kdl", "nightly", "--strict"]).expect(0);
    }
    let lines = space.list();
    let own = |id: &str| lines.iter().find(|l| word(l, "id") == id).unwrap();
    let parent = |line: &Value| manifest(&space, line)["parent"].as_str().map(str::to_owned);
    let last = lines.iter().max_by_key(|l| word(l, "id")).unwrap();
    assert_eq!((word(last, "job"), word(last, "proof")), ("nightly", "restored"));
    let before = parent(last).unwrap();
    let full = own(&parent(own(&before)).unwrap());
    assert_eq!((word(full, "job"), parent(full)), ("weekly", None));
    // Nobody of the three counts as damaged, and all of them come back.
    let folder = open_folder();
    let (restored, ran) = bring_back(&space, &server, &folder.path().join("data"), &[]);
    assert_eq!(ran.stdout.matches(": increment").count(), 2, "{}", ran.stdout);
    assert_eq!(restored.value("SELECT n FROM late"), "7");
    let verify = "verify \"erp-physical\" from=\"nas\" unpack=#true";
    let text = fs::read_to_string(space.path("job.kdl")).unwrap();
    fs::write(space.path("job.kdl"), format!("{text}job \"drill\" {{ {verify} }}\n")).unwrap();
    space.run(&["run", "job.kdl", "drill", "--strict"]).expect(0);
}
