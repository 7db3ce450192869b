//! A backup that one can ask: what it is, what changed, which rows; and the numbers for a monitor.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::common::space::{Space, files, word};

const JOB: &str = "sources { sqlite \"app\" path=\"app.db\" }\n\
    stores { dir \"nas\" path=\"nas\" { keep last=9 }; dir \"far\" path=\"far\" { keep last=9 } }\n\
    job \"j\" { dump \"app\" { archive { password (env)\"ZIP\" }; send \"nas\" \"far\"; verify \"nas\" } }\n";

/// Two backups of a database that changed between them.
fn two() -> Space {
    let space = Space::new().env("ZIP", "CANARY-zip").job(JOB);
    space.database(
        "app.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, \"full name\" TEXT, blob BLOB); \
         INSERT INTO t VALUES (1, 'Ana', x'00ff'), (2, 'It''s', NULL), (3, 'Zé', NULL); \
         CREATE TABLE gone (a); CREATE TABLE same (a); INSERT INTO same VALUES (1)",
    );
    space.back_up();
    space.database(
        "app.db",
        "INSERT INTO t VALUES (4, 'new', NULL); DROP TABLE gone; CREATE TABLE came (a); \
         CREATE VIEW v AS SELECT id FROM t",
    );
    space.back_up();
    space
}

/// The name of the database in the archive.
fn unit(space: &Space) -> String {
    let plan = space.run(&["info", "job.kdl", &newest(space), "--format", "json"]).expect(0).json();
    plan[0]["databases"][0].as_str().unwrap().to_owned()
}

fn newest(space: &Space) -> String {
    space.catalog("SELECT id FROM artifact ORDER BY started DESC LIMIT 1")
}

#[test]
fn rows_of_a_backup_are_shown_without_its_server() {
    let space = two();
    fs::remove_file(space.path("app.db")).unwrap();
    let table = format!("{}.t", unit(&space));
    let peek = |more: &[&str], code: i32| {
        space.run(&[&["peek", "job.kdl", "app", &table], more].concat()).expect(code)
    };
    let rows = peek(&["--format", "json"], 0).json();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0], serde_json::json!({"id": "1", "full name": "Ana", "blob": "0x00ff"}));
    assert_eq!(rows[1]["full name"], "It's");
    assert_eq!(rows[1]["blob"], Value::Null);
    let one = peek(&["--where", "full name=Zé", "--lang", "en"], 0).stdout;
    assert!(one.starts_with("id  full name  blob\n3   Zé         NULL"), "{one}");
    assert_eq!(peek(&["--limit", "2", "--format", "csv"], 0).stdout.lines().count(), 3);
    let first: String = space.catalog("SELECT id FROM artifact ORDER BY started LIMIT 1");
    assert_eq!(peek(&["--backup", &first[..20], "--format", "json"], 0).json().len(), 3);
    let wrong = peek(&["--where", "nome=x"], 64).stderr;
    assert!(wrong.contains("has no column nome; it has id, full name, blob"), "{wrong}");
    assert!(peek(&["--where", "id=77", "--lang", "en"], 0).stdout.contains("No row of the backup"));
}

#[test]
fn what_changed_between_two_backups_is_told() {
    let space = two();
    let found = space.run(&["diff", "job.kdl", "app", "--format", "json"]).expect(0).json();
    let told: BTreeMap<(&str, &str), &Value> = found
        .iter()
        .map(|d| ((word(d, "change"), word(d, "name").rsplit('.').next().unwrap()), d))
        .collect();
    assert!(
        told.contains_key(&("came", "came")) && told.contains_key(&("went", "gone")),
        "{told:?}"
    );
    let grew = told[&("rows", "t")];
    assert_eq!((&grew["rows-before"], &grew["rows-after"]), (&3.into(), &4.into()));
    assert!(!told.keys().any(|(_, name)| *name == "same"), "{told:?}");
    let text = space.run(&["diff", "job.kdl", "app", "--lang", "en"]).expect(0).stdout;
    assert!(text.contains("3 → 4") && text.contains("+1"), "{text}");
    let id = newest(&space);
    let none = space.run(&["diff", "job.kdl", "app", &id, &id, "--lang", "en"]).expect(0).stdout;
    assert!(none.contains("Nothing changed"), "{none}");
}

#[test]
fn info_names_every_copy_and_its_proof() {
    let space = two();
    let id = newest(&space);
    let found = space.run(&["info", "job.kdl", &id, "app", "--format", "json"]).expect(0).json();
    let stores: Vec<(&str, &str)> =
        found.iter().map(|line| (word(line, "store"), word(line, "proof"))).collect();
    assert_eq!(stores.len(), 2);
    assert!(
        stores.contains(&("nas", "read")) && stores.contains(&("far", "written")),
        "{stores:?}"
    );
    assert_eq!((&found[0]["rows"], &found[0]["sealed"]), (&5.into(), &true.into()));
    let latest = space.run(&["info", "job.kdl", "latest", "--format", "json"]).expect(0).json();
    assert_eq!(latest, found);
    let text = space.run(&["info", "job.kdl", &id[..19], "--lang", "pt-BR"]).expect(0).stdout;
    assert!(text.contains("Linhas") && text.contains("lido e conferido"), "{text}");
    let several = space.run(&["info", "job.kdl", "20"]).expect(64).stderr;
    assert!(several.contains("name one"), "{several}");
    space.run(&["info", "job.kdl", "19990101"]).expect(64);
}

/// The gauges of a metrics file, by name; every line must be of the format.
fn gauges(text: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut found: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        let (labels, value) = rest.rsplit_once("} ").unwrap();
        assert!(text.contains(&format!("# TYPE {name} gauge\n")), "{name}");
        found.entry(name.to_owned()).or_default().push((labels.to_owned(), value.parse().unwrap()));
    }
    found
}

#[test]
fn metrics_are_written_after_every_attempt_and_keep_what_they_knew() {
    let space = Space::new().env("ZIP", "CANARY-zip").job(&format!("metrics path=\"prom\"\n{JOB}"));
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)");
    space.back_up();
    let path = files(&space.path("prom")).pop().expect("a file");
    assert!(path.extension().is_some_and(|e| e == "prom"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let read = || gauges(&fs::read_to_string(&path).unwrap());
    let value = |name: &str| read().get(name).map(|all| all[0].1);
    assert_eq!(value("vex_job_last_run_verdict"), Some(1.0));
    assert_eq!(value("vex_job_last_attempt_exit_code"), Some(0.0));
    assert_eq!(value("vex_source_rows"), Some(2.0));
    assert_eq!(read()["vex_copy_bytes"].len(), 2);
    let proven = value("vex_source_proven_timestamp_seconds").expect("a moment");
    assert!(proven > 1.7e9);
    // Whoever has promtool names it: VEX_PROMTOOL=/usr/bin/promtool.
    if let Some(promtool) = std::env::var_os("VEX_PROMTOOL") {
        let mut child = std::process::Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(fs::File::open(&path).unwrap())
            .spawn()
            .unwrap();
        assert!(child.wait().unwrap().success(), "{}", fs::read_to_string(&path).unwrap());
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/monitoring/alerts.yml");
        let told = std::process::Command::new(&promtool).args(["check", "rules", rules]).output();
        assert!(told.unwrap().status.success());
    }
    // A run that fails before its first event: the state folder can't be used any more.
    fs::remove_dir_all(space.state("locks")).unwrap();
    fs::write(space.state("locks"), "").unwrap();
    space.run(&["run", "job.kdl"]).expect(1);
    assert_eq!(value("vex_job_last_attempt_exit_code"), Some(1.0));
    assert_eq!(value("vex_source_proven_timestamp_seconds"), Some(proven));
    // A file that is not valid, and no catalog.
    let job = fs::read_to_string(space.path("job.kdl")).unwrap();
    fs::write(space.path("job.kdl"), job.replace("send \"nas\"", "send \"nass\"")).unwrap();
    fs::rename(space.state("catalog.sqlite"), space.state("away.sqlite")).unwrap();
    fs::create_dir(space.state("catalog.sqlite")).unwrap();
    space.run(&["run", "job.kdl"]).expect(78);
    assert_eq!(value("vex_job_last_attempt_exit_code"), Some(78.0));
    assert_eq!(value("vex_job_last_run_verdict"), Some(1.0));
    assert_eq!(value("vex_source_proven_timestamp_seconds"), Some(proven));
}

#[test]
fn old_logs_go_after_success_only_and_other_files_never() {
    let job = "job \"j\" {\n logs path=\"logs\" keep=\"30d\"\n exec \"x\" { command \"sh\" \"-c\" \"[ ! -e bad ]\" }\n}\n";
    let space = Space::new().job(job);
    let old = space.path("logs/20200101T000000Z-00000001");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("backup_script.log"), "x").unwrap();
    fs::write(space.path("logs/20200101T000000Z-00000002.log"), "x").unwrap();
    fs::write(space.path("logs/mine.log"), "x").unwrap();
    fs::write(space.path("bad"), "").unwrap();
    space.run(&["run", "job.kdl"]).expect(1);
    assert!(old.exists());
    fs::remove_file(space.path("bad")).unwrap();
    space.run(&["run", "job.kdl"]).expect(0);
    assert!(!old.exists() && !space.path("logs/20200101T000000Z-00000002.log").exists());
    assert!(space.path("logs/mine.log").exists());
    assert_eq!(
        files(&space.path("logs")).len(),
        5,
        "two runs of two files, and one that is not ours"
    );
}
