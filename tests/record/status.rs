//! `vex status` and `vex history`: what each source stands at, and what ran, by the catalog.

use serde_json::Value;

use crate::common::space::{Ran, Space};

const JOB: &str = r#"
    sources { sqlite "app" path="app.db" }
    stores { dir "disk" path="disk" { keep last=1 } }
    job "hourly" schedule="0 * * * *" timezone="America/Sao_Paulo" { dump "app" { send "disk"; verify "disk" } }
"#;

fn space(job: &str) -> Space {
    let space = Space::new().job(job);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)");
    space
}

fn at(space: &Space, now: &str, arguments: &[&str]) -> Ran {
    Ran::from(space.vex(arguments).env("VEX_TEST_NOW", now).output().unwrap())
}

/// The only source, as `vex status` tells programs of it, and how that ends.
#[track_caller]
fn status(space: &Space, now: &str, code: i32) -> Value {
    let ran = at(space, now, &["status", "job.kdl", "--format", "json"]).expect(code);
    let mut lines = ran.json();
    assert_eq!(lines.len(), 1, "{}", ran.stdout);
    lines.remove(0)
}

fn english(space: &Space, now: &str) -> String {
    at(space, now, &["status", "job.kdl", "--lang", "en"]).stdout
}

#[test]
fn a_source_is_overdue_until_it_is_proven_and_again_when_a_run_is_missing() {
    let space = space(JOB);
    let never = status(&space, "2026-11-20T02:30:00Z", 2);
    assert_eq!((&never["state"], &never["proven"]), (&"late".into(), &Value::Null));
    assert!(english(&space, "2026-11-20T02:30:00Z").contains("! hourly, app: there is no backup"));
    at(&space, "2026-11-20T03:00:20Z", &["run", "job.kdl"]).expect(0);
    let good = status(&space, "2026-11-20T03:40:20Z", 0);
    assert_eq!(good["state"], "ok");
    assert_eq!(
        (&good["proven"]["proof"], &good["proven"]["age-seconds"]),
        (&"read".into(), &2400.into())
    );
    assert_eq!(
        (&good["next-run"], &good["zone"]),
        (&"2026-11-20T04:00:00Z".into(), &"America/Sao_Paulo".into())
    );
    let text = english(&space, "2026-11-20T03:40:20Z");
    assert!(text.contains("2026-11-20 00:00 -03:00 (read)"), "{text}");
    // A few minutes late are none.
    assert_eq!(status(&space, "2026-11-20T04:05:00Z", 0)["missed"], Value::Null);
    let missed = status(&space, "2026-11-20T04:30:00Z", 2);
    assert_eq!(
        (&missed["state"], &missed["missed"]),
        (&"missed".into(), &"2026-11-20T04:00:00Z".into())
    );
    let late = status(&space, "2026-11-20T09:00:20Z", 2);
    assert_eq!((&late["state"], &late["limit-seconds"]), (&"late".into(), &10_800.into()));
    let text = at(&space, "2026-11-20T09:00:20Z", &["status", "job.kdl", "--lang", "pt-BR"]).stdout;
    assert!(
        text.contains("o backup provado mais recente tem 6 h 0 min, e o limite é 3 h"),
        "{text}"
    );
}

#[test]
fn a_run_without_an_end_whose_lock_is_free_was_killed_and_does_not_run() {
    let space = space(JOB);
    at(&space, "2026-11-20T03:00:20Z", &["run", "job.kdl"]).expect(0);
    let sql = "INSERT INTO run (id, kind, job, file, host, pid, started, note, progress) \
               SELECT 'x', kind, job, file, host, pid, '2026-11-20T04:00:05.000000Z', '', '' FROM run";
    rusqlite::Connection::open(space.state("catalog.sqlite")).unwrap().execute_batch(sql).unwrap();
    let killed = status(&space, "2026-11-20T04:20:00Z", 2);
    assert_eq!(
        (&killed["state"], &killed["last-run"]["running"]),
        (&"killed".into(), &false.into())
    );
    let text = english(&space, "2026-11-20T04:20:00Z");
    assert!(text.contains("run x, begun at 2026-11-20 01:00 -03:00"), "{text}");
}

#[test]
fn a_copy_that_nobody_read_back_is_not_called_proven() {
    let space = space(&JOB.replace("; verify \"disk\"", ""));
    at(&space, "2026-11-20T03:00:20Z", &["run", "job.kdl"]).expect(0);
    let found = status(&space, "2026-11-20T03:10:00Z", 0);
    assert_eq!((&found["newest"]["proof"], &found["proven"]), (&"written".into(), &Value::Null));
    let late = english(&space, "2026-11-20T09:10:00Z");
    assert!(
        late.contains(
            "no backup is proven; the newest copy, of 2026-11-20 00:00 -03:00, was not read back"
        ),
        "{late}"
    );
}

#[test]
fn a_history_tells_sizes_rows_stages_and_what_was_removed() {
    let space = space(JOB);
    for now in ["2026-11-20T03:00:20Z", "2026-11-20T04:00:20Z"] {
        at(&space, now, &["run", "job.kdl"]).expect(0);
    }
    let ask = |more: &[&str]| space.run(&[&["history", "job.kdl"], more].concat()).expect(0);
    let runs = ask(&["--format", "json"]).json();
    assert_eq!(runs.len(), 2);
    let [newer, older] = &runs[..] else { unreachable!() };
    assert_eq!((&newer["rows"], &newer["verdict"]), (&2.into(), &"success".into()));
    assert!(newer["raw-bytes"].as_u64() > Some(0) && newer["bytes"].as_u64() > Some(0), "{newer}");
    assert_eq!((&newer["growth-percent"], &older["growth-percent"]), (&0.0.into(), &Value::Null));
    for stage in ["dump", "verify", "keep"] {
        assert!(newer["stages"][stage].is_i64(), "{newer}");
    }
    assert_eq!(
        (&newer["removed"][0]["id"], &older["removed"]),
        (&older["id"], &Value::Array(vec![]))
    );
    let newest = ask(&["--format", "json", "--limit", "1"]).json();
    assert_eq!(newest, std::slice::from_ref(newer));
    let csv = ask(&["--format", "csv", "--lang", "en"]).stdout;
    assert!(csv.starts_with("\u{feff}\"RUN\";\"JOB\";"), "{csv}");
    assert_eq!(csv.matches("\r\n").count(), 3);
    assert!(ask(&["--lang", "en"]).stdout.contains("2026-11-20 04:00 +00:00"));
    // Without a job file: all that the catalog knows.
    assert_eq!(space.run(&["history", "--format", "json"]).expect(0).json().len(), 2);
}

#[test]
fn a_copy_that_is_missing_and_what_each_store_holds_are_told_until_it_is_made_good() {
    let job = r#"
        sources { sqlite "app" path="app.db" }
        stores {
            dir "near" path="near" { keep last=9 }
            dir "far" path="far" { keep last=9 }
        }
        job "j" { dump "app" { send "near"; send "far" optional=#true catch-up=#true; verify "near" } }
    "#;
    let space = space(job);
    space.run(&["run", "job.kdl"]).expect(0);
    let of = |space: &Space, name: &str| {
        let ran = space.run(&["status", "job.kdl", "--format", "json"]).expect(0);
        let stores = ran.json().remove(0)["stores"].clone();
        stores.as_array().unwrap().iter().find(|s| s["store"] == name).unwrap().clone()
    };
    let far = of(&space, "far");
    assert_eq!(far["missing"], 0);
    assert!(far["held-bytes"].as_i64().unwrap() > 0 && far["free-bytes"].as_u64().unwrap() > 0);
    // For less than a week nobody knows how it grows.
    assert_eq!((&far["growth-bytes-per-week"], &far["full-in-days"]), (&Value::Null, &Value::Null));
    // A folder that is none takes no copy.
    std::fs::rename(space.path("far"), space.path("away")).unwrap();
    std::fs::write(space.path("far"), "").unwrap();
    for _ in 0..2 {
        space.run(&["run", "job.kdl"]).expect(0);
    }
    assert_eq!(
        (&of(&space, "far")["missing"], &of(&space, "near")["missing"]),
        (&2.into(), &0.into())
    );
    let told = space.run(&["status", "job.kdl", "--lang", "en"]).expect(0).stdout;
    assert!(told.contains("2 of the newest backups are not in far"), "{told}");
    assert!(told.contains("GROWTH A WEEK"), "{told}");
    std::fs::remove_file(space.path("far")).unwrap();
    std::fs::rename(space.path("away"), space.path("far")).unwrap();
    space.run(&["run", "job.kdl"]).expect(0);
    assert_eq!(of(&space, "far")["missing"], 0);
    let told = space.run(&["status", "job.kdl", "--lang", "en"]).expect(0).stdout;
    assert!(!told.contains("are not in far"), "{told}");
}
