//! What a job file and a command say about when and what of a job runs: programs for a verdict,
//! tries, the window, steps, waiting.

use rustix::process::Signal;
use serde_json::Value;

use crate::common::space::{Ran, Space, until, word};

const PLACES: &str = r#"
sources { sqlite "app" path="app.db"; sqlite "gone" path="gone.db" }
stores { dir "good" path="good" { keep last=9 } }
"#;

fn space(jobs: &str) -> Space {
    let space = Space::new().job(&format!("{PLACES}{jobs}"));
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    space
}

/// A program that writes down what it is told.
fn notes(name: &str, fields: &str) -> String {
    format!(
        r#"exec "{name}" {fields} {{ command "sh" "-c" "echo $VEX_VERDICT $VEX_JOB $VEX_FAILED > {name}.said; test -s $VEX_LOG && echo $VEX_RUN >> {name}.said"; }}
"#
    )
}

fn said(space: &Space, name: &str) -> Option<String> {
    std::fs::read_to_string(space.path(&format!("{name}.said"))).ok()
}

fn finished(ran: &Ran) -> Vec<String> {
    let events = ran.json().into_iter().filter(|e| e["event"] == "step-finished");
    events.map(|e| format!("{} {}", word(&e, "address"), word(&e, "end"))).collect()
}

#[test]
fn a_program_for_a_verdict_runs_last_and_only_where_it_is_meant() {
    let hooks: String = ["always", "success", "alert", "error"]
        .map(|on| notes(on, &format!(r#"on="{on}""#)))
        .concat();
    let verified = r#"verify "good""#;
    let bad = space(&format!(
        r#"job "j" {{ {hooks} dump "app" {{ send "good"; {verified} }}; dump "gone" {{ send "good"; {verified} }} }}"#
    ));
    let ran = bad.run(&["run", "job.kdl", "--format", "json"]).expect(1);
    let run = word(&ran.json()[0], "run").to_owned();
    let told = format!("error j j/dump/gone j/verify/gone/good j/keep/gone/good\n{run}\n");
    for (name, expected) in
        [("always", Some(&told)), ("alert", Some(&told)), ("error", Some(&told)), ("success", None)]
    {
        assert_eq!(said(&bad, name).as_ref(), expected, "{name}");
    }
    let good = space(&format!(r#"job "j" {{ {hooks} dump "app" {{ send "good"; {verified} }} }}"#));
    let ran = good.run(&["run", "job.kdl", "--format", "json"]).expect(0);
    let run = word(&ran.json()[0], "run").to_owned();
    for name in ["always", "success"] {
        assert_eq!(said(&good, name), Some(format!("success j\n{run}\n")), "{name}");
    }
    assert_eq!((said(&good, "alert"), said(&good, "error")), (None, None));
    // What is not run is told as that, and no failure.
    let log = good.logs();
    assert!(
        log.contains("not run: it is meant for error, and what it waits for is success"),
        "{log}"
    );
}

#[test]
fn a_program_after_a_step_is_told_of_that_step_only() {
    let space = space(&format!(
        r#"job "j" {{ dump "app" {{ send "good"; verify "good" }}; dump "gone" {{ send "good"; verify "good" }}
           {} {} }}"#,
        notes("fine", r#"on="success" after="dump/app""#),
        notes("sad", r#"on="error" after="dump/app""#),
    ));
    space.run(&["run", "job.kdl"]).expect(1);
    assert!(said(&space, "fine").is_some_and(|text| text.starts_with("success j\n")));
    assert_eq!(said(&space, "sad"), None);
}

#[test]
fn a_program_for_every_end_runs_when_the_run_is_stopped_too_and_not_for_long() {
    let space = space(&format!(
        r#"job "j" {{ exec "hang" {{ command "sleep" "600" }}; {} {}
           exec "endless" on="error" {{ command "sleep" "600" }} }}"#,
        notes("end", r#"on="always""#),
        notes("good", r#"on="success""#),
    ));
    let mut vex = space.start(&["run", "job.kdl"]);
    until("the program runs", || space.logs().contains("j/exec/").then_some(()));
    vex.signal(Signal::TERM);
    // Its own 4 s, and the 5 s of a child that is ended.
    assert_eq!(vex.0.wait().unwrap().code(), Some(143));
    assert!(said(&space, "end").is_some_and(|text| text.starts_with("error j j/exec/hang")));
    assert_eq!(said(&space, "good"), None);
}

#[test]
fn a_chain_that_failed_is_begun_anew_and_tells_its_tries() {
    let space =
        space(r#"job "j" { dump "gone" retry=2 delay="1s" { send "good"; verify "good" } }"#);
    let ran = space.run(&["run", "job.kdl", "--format", "json"]).expect(1);
    let failed = ran.json().into_iter().find(|e| e["end"] == "failed").expect("a failure");
    assert_eq!(failed["failure"]["tries"]["count"], 3);
    assert_eq!(failed["failure"]["tries"]["found"][0][1], 3);
    // What makes the next try well makes the run well.
    let vex = space.start(&["run", "job.kdl"]);
    until("the first try failed", || {
        (space.logs().matches("try 1 of 3 failed").count() == 2).then_some(())
    });
    space.database("gone.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    assert_eq!(vex.ends_soon(), 0);
    assert_eq!(space.list().len(), 1);
}

#[test]
fn after_its_window_a_run_begins_to_read_nothing() {
    let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let soon = (now + jiff::SignedDuration::from_secs(3)).time().strftime("%H:%M:%S").to_string();
    let space = space(&format!(
        r#"job "j" timezone="UTC" not-after="{soon}" {{ dump "app" {{ send "good"; verify "good" }}
           exec "long" {{ command "sleep" "5" }}; dump "gone" after="long" {{ send "good"; verify "good" }} }}"#
    ));
    let ran = space.run(&["run", "job.kdl", "--format", "json"]).expect(1);
    let ends = finished(&ran);
    assert!(ends.contains(&"j/verify/app/good done".to_owned()), "{ends:?}");
    let late: Vec<Value> = ran.json().into_iter().filter(|e| e["end"] == "failed").collect();
    assert_eq!(late.len(), 1);
    assert_eq!(
        (word(&late[0], "address"), word(&late[0]["failure"], "code")),
        ("j/dump/gone", "too-late")
    );
}

#[test]
fn a_step_brings_along_what_it_needs_and_nothing_else() {
    let jobs = r#"job "j" { exec "before" { command "true" }; dump "app" after="before" { send "good"; verify "good" }
                  exec "bell" on="always" { command "true" } }
                  job "k" { exec "x" { command "true" } }"#;
    let space = space(jobs);
    let run = |words: &[&str]| {
        let mut all = vec!["run", "job.kdl", "--format", "json"];
        all.extend(words);
        finished(&space.run(&all).expect(0))
    };
    assert_eq!(run(&["j", "dump/app"]), ["j/dump/app done"]);
    assert_eq!(run(&["j", "send/app/good"]), ["j/dump/app done"]);
    assert_eq!(run(&["j", "verify"]), ["j/dump/app done", "j/verify/app/good done"]);
    assert_eq!(run(&["j", "exec/before", "k", "exec/x"]), ["j/exec/before done", "k/exec/x done"]);
    let ran = space.run(&["run", "job.kdl", "j", "dump/nope"]).expect(64);
    assert!(
        ran.stderr.contains("no job or step dump/nope") && ran.stderr.contains("verify/app/good"),
        "{}",
        ran.stderr
    );
    // Nothing is done where it is only shown.
    let before = space.list().len();
    let ran = space.run(&["run", "job.kdl", "j", "dump/app", "--dry-run"]).expect(0);
    assert!(
        ran.stdout.contains("1. j/dump/app") && !ran.stdout.contains("verify/app"),
        "{}",
        ran.stdout
    );
    assert_eq!(space.list().len(), before);
}

#[test]
fn who_waits_gets_the_job_when_the_other_run_ends() {
    let space = space(r#"job "j" { exec "x" { command "sleep" "3" } }"#);
    let other = space.start(&["run", "job.kdl"]);
    until("the program runs", || space.logs().contains("j/exec/").then_some(()));
    space.run(&["run", "job.kdl"]).expect(75);
    let ran = space.run(&["run", "job.kdl", "--wait", "10m"]).expect(0);
    assert!(ran.stderr.contains("waits for it, 600 s at most"), "{}", ran.stderr);
    assert_eq!(other.ends_soon(), 0);
}
