//! Schedules: what is due, what the dashboard holds against a file, and the report after a run.

use crate::common::space::{Space, files};

const JOB: &str = r#"
    sources { sqlite "app" path="app.db" }
    stores { dir "disk" path="disk" { keep last=3 } }
    job "early" schedule="0 3 * * *" timezone="UTC" { dump "app" { send "disk"; verify "disk" } }
    job "hourly" schedule="0 * * * *" timezone="UTC" { dump "app" { send "disk"; verify "disk" } }
    report out="pages"
"#;

fn space() -> Space {
    let space = Space::new().job(JOB);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1)");
    space
}

/// How often each job has run, by the catalog.
fn runs(space: &Space, job: &str) -> i64 {
    let connection = rusqlite::Connection::open(space.state("catalog.sqlite")).unwrap();
    let count = "SELECT count(*) FROM run WHERE job = ?1";
    connection.query_row(count, [job], |row| row.get(0)).unwrap()
}

fn due(space: &Space, now: &str) {
    let mut command = space.vex(&["run", "job.kdl", "--due", "--quiet"]);
    let output = command.env("VEX_TEST_NOW", now).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn sql(space: &Space, text: &str) {
    rusqlite::Connection::open(space.state("catalog.sqlite")).unwrap().execute_batch(text).unwrap();
}

/// This machine, as runs note it.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[test]
fn what_was_missed_runs_once_and_nothing_twice() {
    let space = space();
    due(&space, "2026-11-20T03:00:20Z");
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [1, 1]);
    due(&space, "2026-11-20T03:01:20Z");
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [1, 1]);
    // Five hours without a timer are one run.
    due(&space, "2026-11-20T08:30:00Z");
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [1, 2]);
    due(&space, "2026-11-21T02:59:00Z");
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [1, 3]);
    due(&space, "2026-11-21T03:00:00Z");
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [2, 4]);
}

#[test]
fn a_moment_that_is_older_than_a_day_does_not_count() {
    let space = Space::new().job(&JOB.replace("0 3 * * *", "0 3 * * 5"));
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1)");
    // The 20th of November 2026 is a Friday.
    due(&space, "2026-11-21T03:00:01Z");
    assert_eq!(runs(&space, "early"), 0);
    due(&space, "2026-11-27T02:59:59Z");
    assert_eq!(runs(&space, "early"), 0);
    due(&space, "2026-11-28T02:59:59Z");
    assert_eq!(runs(&space, "early"), 1);
}

#[test]
fn what_the_dashboard_holds_against_the_file_is_obeyed_and_shown() {
    let space = space();
    due(&space, "2026-11-20T03:00:20Z");
    let file = space.path("job.kdl").canonicalize().unwrap().display().to_string();
    let host = host();
    let hold = |job: &str, state: &str, schedule: &str| {
        sql(
            &space,
            &format!(
                "INSERT OR REPLACE INTO schedule_override (host, file, job, state, schedule, who, at) VALUES \
                 ('{host}', '{file}', '{job}', '{state}', '{schedule}', 'dba.plantao', '2026-11-20T03:10:00.000000Z')"
            ),
        );
    };
    hold("hourly", "off", "");
    hold("early", "on", "30 5 * * *");
    due(&space, "2026-11-20T05:29:00Z");
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [1, 1]);
    due(&space, "2026-11-20T05:30:00Z");
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [2, 1]);
    for (job, said) in [("hourly", "switched it off"), ("early", "moved it to `30 5 * * *`")] {
        let ran = space.run(&["run", "job.kdl", job, "--scheduled"]).expect(0);
        assert!(ran.stdout.contains(said), "{}", ran.stdout);
        let plan = space.run(&["plan", "job.kdl", job]).expect(0);
        assert!(plan.stdout.contains(said), "{}", plan.stdout);
    }
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [2, 1]);
    // Without `--scheduled` a person runs what they name.
    space.run(&["run", "job.kdl", "hourly"]).expect(0);
    assert_eq!(runs(&space, "hourly"), 2);
}

#[test]
fn a_moment_before_a_schedule_was_moved_is_not_due() {
    let space = space();
    due(&space, "2026-11-20T03:00:20Z");
    let file = space.path("job.kdl").canonicalize().unwrap().display().to_string();
    sql(
        &space,
        &format!(
            "INSERT INTO schedule_override (host, file, job, state, schedule, who, at) VALUES \
             ('{}', '{file}', 'early', 'on', '5 3 * * *', 'dba.plantao', '2026-11-20T03:10:00.000000Z')",
            host()
        ),
    );
    due(&space, "2026-11-20T03:11:00Z");
    assert_eq!(runs(&space, "early"), 1);
    due(&space, "2026-11-21T03:04:59Z");
    assert_eq!(runs(&space, "early"), 1);
    due(&space, "2026-11-21T03:05:00Z");
    assert_eq!(runs(&space, "early"), 2);
}

#[test]
fn hours_before_the_first_backup_are_not_missed() {
    let space = space();
    due(&space, "2026-11-20T09:30:00Z");
    let page = std::fs::read_to_string(space.path("pages/index.html")).unwrap();
    assert!(page.contains("hourly"), "{page}");
    assert!(!page.contains("de hoje com falha"), "{page}");
    // Nothing ran since: those that followed it are.
    let mut report = space.vex(&["report", "job.kdl"]);
    let output = report.env("VEX_TEST_NOW", "2026-11-20T12:20:00Z").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(space.path("pages/index.html")).unwrap();
    assert!(page.contains("3 das 4 execuções de hoje com falha"), "{page}");
}

#[test]
fn what_the_dashboard_asks_a_host_for_runs_once() {
    let space = space();
    due(&space, "2026-11-20T03:00:20Z");
    let file = space.path("job.kdl").canonicalize().unwrap().display().to_string();
    let (own, old) = (host(), "2026-11-18T00:00:00.000000Z");
    for (host, at) in [
        (own.as_str(), "2026-11-20T03:02:00.000000Z"),
        ("other", "2026-11-20T03:02:00.000000Z"),
        (&own, old),
    ] {
        sql(
            &space,
            &format!(
                "INSERT INTO run_request (host, file, job, step, who, at, run) VALUES ('{host}', '{file}', 'early', '', 'dba', '{at}', '')"
            ),
        );
    }
    due(&space, "2026-11-20T03:02:30Z");
    due(&space, "2026-11-20T03:03:30Z");
    assert_eq!([runs(&space, "early"), runs(&space, "hourly")], [2, 1]);
}

#[test]
fn the_report_is_written_after_a_run_and_shows_its_log() {
    let space = space();
    space.run(&["run", "job.kdl", "early"]).expect(0);
    let pages = files(&space.path("pages"));
    let run = pages.iter().find(|p| p.parent().unwrap().ends_with("r")).unwrap();
    let text = std::fs::read_to_string(run).unwrap();
    for said in ["job early of", "dumps", "the copy in disk is proven: read", "Success"] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
}
