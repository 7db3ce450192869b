//! What a run does when things go wrong, and how it ends: codes, events, log, catalog, lock,
//! retention.

use std::io::{BufRead, BufReader};
use std::process::ChildStdout;

use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::Value;

use crate::common::s3_server::{Fault, Kind, Recorded, S3Server, What};
use crate::common::space::{Ran, Running, Space, contents, files, names, until, word};

/// A good source, a good store, and one that can't be: its folder is a file.
const PLACES: &str = r#"
sources { sqlite "app" path="app.db"; sqlite "gone" path="gone.db" }
stores { dir "good" path="good" { keep last=9 }; dir "bad" path="app.db" { keep last=9 } }
"#;

/// Warnings would be errors under `--strict`.
fn space(jobs: &str) -> Space {
    let space = Space::new().job(&format!("{PLACES}{jobs}"));
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    space
}

const PLAIN: &str = r#"job "j" { dump "app" { send "good"; verify "good" } }"#;

/// Each event of a run as `address: end`, in order, for steps only.
fn ends(ran: &Ran) -> Vec<String> {
    let finished = ran.json().into_iter().filter(|e| e["event"] == "step-finished");
    finished
        .map(|e| {
            format!(
                "{} {} {}",
                word(&e, "address"),
                word(&e, "end"),
                e["verdict"].as_str().unwrap_or("-")
            )
        })
        .collect()
}

#[test]
fn an_unknown_zone_of_the_machine_is_no_utc() {
    let space = Space::new();
    let run = |zone: &str| {
        let mut command = space.vex(&["jobs", "job.kdl"]);
        command.env("TZ", zone).output().unwrap()
    };
    std::fs::write(space.path("job.kdl"), "job \"j\" { exec \"x\" { command \"true\" } }\n")
        .unwrap();
    let output = run("America/Nowhere");
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("TZ=America/Nowhere") && said.contains("tzdata"), "{said}");
    for known in ["America/Porto_Velho", "EST5EDT,M3.2.0,M11.1.0", ""] {
        assert_eq!(run(known).status.code(), Some(0), "{known}");
    }
}

#[test]
fn each_way_to_end_has_its_code() {
    let lenient =
        r#"job "j" { dump "app" { send "good"; send "bad" optional=#true; verify "good" } }"#;
    let strict = r#"job "j" { dump "app" { send "good"; send "bad" optional=#true; verify "good" }
                    dump "gone" enabled=#false { send "good" } }"#;
    let failing = r#"job "j" { dump "gone" { send "good"; verify "good" } }"#;
    let two = r#"job "a" { exec "x" { command "true" } }
                 job "b" { exec "x" { command "true" } }"#;
    let table: [(&str, &[&str], i32); 16] = [
        (PLAIN, &["run", "job.kdl"], 0),
        (PLAIN, &["run", "job.kdl", "j"], 0),
        (lenient, &["run", "job.kdl"], 0),
        (strict, &["run", "job.kdl", "--strict"], 2),
        (failing, &["run", "job.kdl"], 1),
        (two, &["run", "job.kdl"], 64),
        (two, &["run", "job.kdl", "b"], 0),
        (two, &["run", "job.kdl", "--all"], 0),
        (two, &["run", "job.kdl", "c"], 64),
        (two, &["run", "job.kdl", "--al"], 64),
        (two, &["run", "missing.kdl"], 64),
        (two, &["walk"], 64),
        ("job \"j\" {", &["run", "job.kdl"], 78),
        (r#"job "j" { dump "apq" { send "good" } }"#, &["run", "job.kdl"], 78),
        (r#"job "j" { exec "x" { command "false" } }"#, &["run", "job.kdl"], 1),
        (two, &["--version"], 0),
    ];
    for (job, arguments, code) in table {
        let ran = space(job).run(arguments);
        assert_eq!(ran.code, code, "{arguments:?} of {job}\n{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn several_jobs_need_a_name_or_all() {
    let jobs = r#"job "a" { exec "x" { command "true" } }
                  job "b" { exec "x" { command "true" } }"#;
    let space = space(jobs);
    let ran = space.run(&["run", "job.kdl"]).expect(64);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("", "job.kdl has the jobs a, b; name one, or say --all\n")
    );
    space.run(&["run", "job.kdl", "--all"]).expect(0);
    assert_eq!(
        space.catalog::<String>("SELECT group_concat(job) FROM (SELECT job FROM run ORDER BY job)"),
        "a,b"
    );
}

#[test]
fn of_several_jobs_the_one_named_as_the_file_is_run() {
    let jobs = r#"job "job" { exec "x" { command "true" } }
                  job "weekly" { exec "x" { command "true" } }
                  job "drill" { exec "x" { command "true" } }
                  job "off" { exec "x" enabled=#false { command "true" } }"#;
    let space = space(jobs);
    std::fs::create_dir(space.path("elsewhere")).unwrap();
    std::fs::rename(space.path("job.kdl"), space.path("elsewhere/job.kdl")).unwrap();
    let left =
        "runs job job, named as its file; left: weekly, drill, off; name others, or say --all";
    let ran = space.run(&["run", "elsewhere/job.kdl"]).expect(0);
    assert_eq!(ran.stderr.lines().next(), Some(left));
    let ran = space.run(&["run", "elsewhere/job.kdl", "--quiet"]).expect(0);
    assert_eq!(ran.stderr, "");
    let runs = "SELECT group_concat(DISTINCT job) FROM run";
    assert_eq!(space.catalog::<String>(runs), "job");
    // Another name of the file names no job.
    std::fs::rename(space.path("elsewhere/job.kdl"), space.path("elsewhere/jobs.kdl")).unwrap();
    let ran = space.run(&["run", "elsewhere/jobs.kdl"]).expect(64);
    let told = "elsewhere/jobs.kdl has the jobs job, weekly, drill, off; name one, or say --all\n";
    assert_eq!(ran.stderr, told);
    assert_eq!(space.catalog::<String>(runs), "job");
    // What only shows takes all, as before.
    let shown = space.run(&["plan", "elsewhere/jobs.kdl", "--offline"]).expect(0).stdout;
    assert!(["weekly", "drill"].iter().all(|job| shown.contains(job)), "{shown}");
}

#[test]
fn an_impossible_copy_fails_alone_and_what_needs_it_is_skipped() {
    for (optional, code, verdict) in [("#true", 0, "alert"), ("#false", 1, "error")] {
        let job = format!(
            r#"job "j" {{ dump "app" {{ send "good"; send "bad" optional={optional}; verify "good"; verify "bad" }} }}"#
        );
        let space = space(&job);
        let ran = space.run(&["run", "job.kdl", "--format", "json"]).expect(code);
        let done = if optional == "#true" { "done" } else { "failed" };
        let expected = [
            format!("j/dump/app {done} {verdict}"),
            "j/verify/app/bad skipped -".into(),
            "j/verify/app/good done success".into(),
            "j/keep/app/bad skipped -".into(),
            "j/keep/app/good done success".into(),
        ];
        let mut found = ends(&ran);
        found[1..].sort();
        let mut expected = expected.to_vec();
        expected[1..].sort();
        assert_eq!(found, expected);
        let listed =
            space.run(&["list", "job.kdl", "--from", "good", "--format", "json"]).expect(0).json();
        assert_eq!(listed.len(), 1);
        let restored = space.restore(&listed[0], "restored.db");
        assert_eq!(contents(&restored), contents(&space.path("app.db")));
        let copies =
            "SELECT group_concat(store || ' ' || verdict) FROM (SELECT * FROM copy ORDER BY store)";
        let bad = if optional == "#true" { 2 } else { 3 };
        assert_eq!(space.catalog::<String>(copies), format!("bad {bad},good 1"));
    }
}

#[test]
fn a_failed_dump_leaves_other_chains_alone_and_after_is_order_only() {
    let job = r#"job "j" parallel=4 {
        dump "gone" { send "good"; verify "good" }
        dump "app" { send "good"; verify "good" }
        exec "late" after="early" { command "true" }
        exec "early" after="dump/gone" { command "true" }
    }"#;
    // What waits stands below what it waits for.
    let swapped = job.replace("\"late\"", "\"x\"").replace("after=\"early\"", "");
    let space = space(&swapped);
    let ran = space.run(&["run", "job.kdl", "--format", "json"]).expect(1);
    let mut found = ends(&ran);
    let at = |end: &str| {
        found.iter().position(|f| f == end).unwrap_or_else(|| panic!("no {end} in {found:#?}"))
    };
    assert!(at("j/dump/gone failed error") < at("j/exec/early done success"), "{found:#?}");
    found.sort();
    let expected = [
        "j/dump/app done success",
        "j/dump/gone failed error",
        "j/exec/early done success",
        "j/exec/x done success",
        "j/keep/app/good done success",
        "j/keep/gone/good skipped -",
        "j/verify/app/good done success",
        "j/verify/gone/good skipped -",
    ];
    assert_eq!(found, expected);
}

#[test]
fn events_are_json_lines_with_a_version_from_the_first_to_the_last() {
    let space = space(PLAIN);
    let events = space.run(&["run", "job.kdl", "--format", "json"]).expect(0).json();
    let run = word(&events[0], "run").to_owned();
    assert!(events.iter().all(|e| e["version"] == 2 && e["run"] == run.as_str()), "{events:#?}");
    let kinds: Vec<&str> = events
        .iter()
        .map(|e| word(e, "event"))
        .filter(|k| !matches!(*k, "progress" | "said"))
        .collect();
    let expected = [
        "run-started",
        "step-started",
        "dumping",
        "artifact",
        "store-seen",
        "copied",
        "step-finished",
        "step-started",
        "proved",
        "step-finished",
        "step-started",
        "step-finished",
        "run-finished",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn the_log_has_a_section_a_step_and_whole_moments() {
    let space = space(&PLAIN.replace("\"j\"", "\"j\" timezone=\"America/Porto_Velho\""));
    space.back_up();
    let id: String = space.catalog("SELECT id FROM run");
    let logs = files(&space.state("logs"));
    let own = ["backup_script.log", "events.ndjson"];
    let own = own.map(|name| space.state(&format!("logs/j/{id}/{name}")));
    assert_eq!(logs, [own[0].clone(), own[1].clone(), space.state("logs/j.file")]);
    let events = std::fs::read_to_string(&own[1]).unwrap();
    let last: serde_json::Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "run-finished");
    let text = space.logs();
    let sections: Vec<&str> = text.lines().filter(|l| l.starts_with("== ")).collect();
    let expected =
        ["== run ==", "== j/dump/app ==", "== j/verify/app/good ==", "== j/keep/app/good =="];
    assert_eq!(sections, expected);
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with("== ")) {
        let (moment, rest) = line.split_at(29);
        assert!(moment.ends_with("-04:00") && moment.parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert!(rest.contains(&id), "{line}");
    }
}

#[test]
fn a_run_without_catalog_goes_on_and_is_replayed() {
    let space = space(PLAIN);
    std::fs::create_dir_all(space.state("catalog.sqlite")).unwrap();
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    assert!(ran.stderr.contains("the run goes on without it"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Alert (2)"), "{}", ran.stderr);
    let kept = names(&space.state("replay"));
    assert_eq!(kept.len(), 1);
    std::fs::remove_dir(space.state("catalog.sqlite")).unwrap();
    space.back_up();
    assert_eq!(names(&space.state("replay")), [""; 0]);
    let runs = "SELECT group_concat(verdict) FROM (SELECT verdict FROM run ORDER BY started)";
    assert_eq!(space.catalog::<String>(runs), "2,1");
    assert_eq!(
        space.catalog::<i64>(
            "SELECT count(*) FROM artifact JOIN copy USING (id, source) JOIN proof USING (id, source, store)"
        ),
        2
    );
    assert_eq!(space.catalog::<i64>("SELECT count(*) FROM step WHERE state='done'"), 6);
}

#[test]
fn the_catalog_is_rebuilt_from_the_stores_alone() {
    let space = space(PLAIN);
    space.back_up();
    space.back_up();
    let queries = [
        "SELECT group_concat(id || source || job || kind || server || units || name || raw_bytes || bytes || row_count || origin || sign || file || finished) FROM (SELECT * FROM artifact ORDER BY id)",
        "SELECT group_concat(id || source || store || object_key || bytes || verdict) FROM (SELECT * FROM copy ORDER BY id)",
        "SELECT group_concat(id || source || store || level || good || damage) FROM (SELECT * FROM proof ORDER BY id)",
    ];
    let before = queries.map(|sql| space.catalog::<String>(sql));
    std::fs::remove_file(space.state("catalog.sqlite")).unwrap();
    for _ in 0..2 {
        let ran = space.run(&["catalog", "rebuild", "job.kdl"]).expect(0);
        assert!(ran.stdout.ends_with(": 2 artifacts, 2 copies, 2 proofs\n"), "{}", ran.stdout);
        assert_eq!(queries.map(|sql| space.catalog::<String>(sql)), before);
    }
}

/// A file that is no database, and one with a page that is none: both are kept.
#[test]
fn a_damaged_catalog_is_kept_aside_and_made_again() {
    let space = space(PLAIN);
    space.back_up();
    // Takes what a run left in the write-ahead log into the file.
    space.run(&["catalog", "rebuild", "job.kdl"]).expect(0);
    let path = space.state("catalog.sqlite");
    let mut torn = std::fs::read(&path).unwrap();
    let middle = torn.len() / 2 / 4096 * 4096;
    torn[middle..].fill(0xa5);
    for (number, damaged) in
        [b"this is no database, but a text".repeat(40), torn].iter().enumerate()
    {
        std::fs::write(&path, damaged).unwrap();
        let ran = space.run(&["catalog", "rebuild", "job.kdl"]).expect(0);
        assert!(ran.stdout.ends_with(": 1 artifacts, 1 copies, 1 proofs\n"), "{ran:?}");
        let name = format!("catalog.sqlite.damaged-{}", number + 1);
        assert!(ran.stderr.contains(&format!("{name}: ")), "{ran:?}");
        assert_eq!(&std::fs::read(space.state(&name)).unwrap(), damaged);
    }
    let ran = space.run(&["catalog", "rebuild", "job.kdl"]).expect(0);
    assert!(!ran.stderr.contains("damaged"), "{ran:?}");
}

/// One store has a manifest that can't be read, the other does not answer: what is not seen is not
/// gone.
#[test]
fn the_catalog_is_not_rebuilt_from_a_part_of_the_stores() {
    let job = r#"job "j" { dump "app" { send "good" "other"; verify "good" "other" } }"#;
    let space =
        space(&format!("stores {{ dir \"other\" path=\"other\" {{ keep last=9 }} }}\n{job}"));
    space.back_up();
    let manifest = files(&space.path("good"))
        .into_iter()
        .find(|p| p.to_str().unwrap().ends_with(".manifest.json"));
    std::fs::write(manifest.unwrap(), "{").unwrap();
    let removed = "SELECT count(*) FROM copy WHERE removed IS NOT NULL";
    // The damaged copy is there, too: only that it is damaged is told.
    let ran = space.run(&["catalog", "rebuild", "job.kdl"]).expect(65);
    assert!(ran.stdout.ends_with(": 1 artifacts, 2 copies, 2 proofs\n"), "{}", ran.stdout);
    assert_eq!(space.catalog::<i64>(removed), 0);
    std::fs::rename(space.path("other"), space.path("away")).unwrap();
    std::fs::write(space.path("other"), "no folder").unwrap();
    let ran = space.run(&["catalog", "rebuild", "job.kdl"]).expect(65);
    assert!(
        ran.stderr.ends_with("the catalog stays as it was: other could not be read\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(space.catalog::<i64>(removed), 0);
}

/// A bucket whose key is given late: whoever sends to another store does not wait for it.
#[test]
fn a_store_that_opens_slowly_keeps_nobody_else_waiting() {
    // The key of the bucket comes when the other dump is committed, and that begins when the key was
    // asked for.
    let asked = "touch asked; for n in $(seq 6000); do ls good/j/other/*.manifest.json && exit; sleep 0.02; done; exit 1";
    let job = format!(
        r#"
        sources {{ sqlite "other" path="other.db" }}
        stores {{ s3 "slow" bucket="b" endpoint="http://127.0.0.1:1" {{
            keep last=9; secret-key (env)"PATH"; access-key (command)"sh" "-c" "{asked}" }} }}
        job "j" parallel=3 {{
            exec "wait" {{ command "sh" "-c" "while ! test -e asked; do sleep 0.02; done" }}
            dump "app" {{ send "slow" optional=#true; verify "slow" }}
            dump "other" after="wait" {{ send "good"; verify "good" }}
        }}"#
    );
    let space = space(&job);
    space.database("other.db", "CREATE TABLE t (v);");
    let vex = space.start(&["run", "job.kdl"]);
    until("the dump is committed", || {
        names(&space.path("good/j/other")).into_iter().find(|n| n.ends_with(".manifest.json"))
    });
    vex.signal(Signal::TERM);
    assert_eq!(vex.ends_soon(), 143);
}

/// Starts a run and reads its events until a line of a child that says `ready`, then its process.
fn start_until_ready(space: &Space) -> (Running, BufReader<ChildStdout>, Pid) {
    let mut child = space.start(&["run", "job.kdl", "--format", "json"]);
    let mut events = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    while events.read_line(&mut line).unwrap() > 0 {
        let event: Value = serde_json::from_str(&line).unwrap();
        if let Some(pid) = event["text"].as_str().and_then(|t| t.strip_prefix("ready ")) {
            return (child, events, Pid::from_raw(pid.parse().unwrap()).unwrap());
        }
        line.clear();
    }
    panic!("the child was never ready");
}

#[test]
fn a_signal_stops_children_and_is_recorded() {
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let job =
            r#"job "j" { exec "long" { command "sh" "-c" "echo ready $$; exec sleep 600" } }"#;
        let space = space(job);
        let (child, _events, pid) = start_until_ready(&space);
        child.signal(sent);
        assert_eq!(child.ends_soon(), code);
        assert!(test_kill_process(pid).is_err(), "the child outlived the run");
        assert_eq!(space.catalog::<String>("SELECT verdict || note FROM run"), "3interrupted");
        assert_eq!(space.catalog::<String>("SELECT state FROM step"), "interrupted");
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let stubborn = r#"job "j" { exec "long" { command "sh" "-c" "trap '' TERM INT; echo ready $$; sleep 600; sleep 600" } }"#;
    let space = space(stubborn);
    let (child, events, pid) = start_until_ready(&space);
    child.signal(Signal::TERM);
    // The first was heard once the run says so.
    for line in events.lines() {
        if line.unwrap().contains("stopping: nothing new starts") {
            break;
        }
    }
    child.signal(Signal::INT);
    assert_eq!(child.ends_soon(), 130);
    until("the child ends", || test_kill_process(pid).is_err().then_some(()));
}

#[test]
fn one_run_of_a_job_at_a_time() {
    let job = r#"job "j" { exec "long" { command "sh" "-c" "echo ready $$; exec sleep 600" } }
                 job "other" { exec "x" { command "true" } }"#;
    let space = space(&job.replace("job \"other\"", "job \"other\" enabled=#false"));
    let (child, _events, _) = start_until_ready(&space);
    let ran = space.run(&["run", "job.kdl"]).expect(75);
    assert!(ran.stderr.starts_with("another run holds job j: run 2"), "{}", ran.stderr);
    std::fs::write(
        space.path("other.kdl"),
        format!("{PLACES}job \"other\" {{ exec \"x\" {{ command \"true\" }} }}"),
    )
    .unwrap();
    space.run(&["run", "other.kdl"]).expect(0);
    drop(child);
    // The lock of a killed run is nobody's.
    std::fs::write(
        space.path("job.kdl"),
        format!("{PLACES}job \"j\" {{ exec \"x\" {{ command \"true\" }} }}"),
    )
    .unwrap();
    space.run(&["run", "job.kdl"]).expect(0);
}

#[test]
fn a_child_gets_what_was_declared_and_no_more() {
    let job = r#"job "j" { exec "env" {
        command "sh" "-c" "env > env.txt"
        env { PLAIN "a b"; SECRET (file)"secret"; OTHER (env)"MINE" }
    } }"#;
    let space = space(job).env("MINE", "CANARY-ENV").env("NOT_DECLARED", "x");
    space.secret("secret", "CANARY-FILE\n");
    let ran = space.back_up();
    let env = std::fs::read_to_string(space.path("env.txt")).unwrap();
    let mut env: Vec<&str> = env
        .lines()
        .filter(|l| !["PWD=", "SHLVL=", "_=", "PATH=", "VEX_"].iter().any(|p| l.starts_with(p)))
        .collect();
    env.sort_unstable();
    assert_eq!(env, ["OTHER=CANARY-ENV", "PLAIN=a b", "SECRET=CANARY-FILE"]);
    for text in [ran.stdout, ran.stderr, space.logs()] {
        assert!(!text.contains("CANARY"), "{text}");
    }
}

#[test]
fn retention_keeps_what_the_policy_says_and_touches_nothing_else() {
    let job = r#"sources { sqlite "db1" path="app.db" }
        stores { dir "d" path="d" { keep last=2 } }
        job "j" { dump "db1" { send "d"; verify "d" } }"#;
    let space = Space::new().job(job);
    space.database("app.db", "CREATE TABLE t (v);");
    let name = "backup_20200101_000000.zip";
    let decoys = [
        format!("j/db10/{name}"),
        format!("j/db10/{name}.manifest.json"),
        format!("j/db/{name}"),
        format!("j/db1/old/{name}"),
        format!("j/db1/{name}.bak"),
        format!("j/db1/{name}.manifest.json.old"),
        format!("j/db1/{name}.index.old"),
        format!("j/db1/{name}.begun.old"),
        "j/db1/notes.txt".to_owned(),
        "j/db1/backup_2020.zip".to_owned(),
        format!("db1/{name}"),
        name.to_owned(),
    ];
    for decoy in &decoys {
        let path = space.path("d").join(decoy);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "not yours").unwrap();
    }
    let mut ids = Vec::new();
    for _ in 0..5 {
        space.back_up();
        ids.push(space.catalog::<String>("SELECT id FROM run ORDER BY started DESC LIMIT 1"));
    }
    let listed: Vec<String> = space.list().iter().map(|l| word(l, "id").to_owned()).collect();
    assert_eq!(listed, ids[3..]);
    let mut left = names(&space.path("d"));
    left.retain(|n| !decoys.contains(n) && n != "vex.json");
    assert_eq!(left.len(), 8, "container, index, head and proof of two: {left:#?}");
    for decoy in &decoys {
        assert_eq!(std::fs::read_to_string(space.path("d").join(decoy)).unwrap(), "not yours");
    }
    assert_eq!(space.catalog::<i64>("SELECT count(*) FROM copy WHERE removed IS NOT NULL"), 3);
}

#[test]
fn a_copy_that_is_not_proven_is_not_counted() {
    let job = |verify: &str| {
        format!(
            "sources {{ sqlite \"app\" path=\"app.db\" }}\nstores {{ dir \"d\" path=\"d\" {{ keep last=2 }} }}\n\
             job \"j\" {{ dump \"app\" {{ send \"d\"; {verify} }} }}\n"
        )
    };
    let space = Space::new().job(&job("verify \"d\""));
    space.database("app.db", "CREATE TABLE t (v);");
    space.back_up();
    space.back_up();
    let proven: Vec<String> = space.list().iter().map(|l| word(l, "id").to_owned()).collect();
    // Two that nobody looks at, then one that is proven again.
    std::fs::write(space.path("job.kdl"), job("").replace("keep last=2", "keep last=9")).unwrap();
    space.back_up();
    space.back_up();
    std::fs::write(space.path("job.kdl"), job("verify \"d\"")).unwrap();
    space.back_up();
    let left: Vec<String> = space.list().iter().map(|l| word(l, "id").to_owned()).collect();
    assert!(
        left.contains(&proven[1]) && !left.contains(&proven[0]),
        "two proven ones stay: {proven:?} {left:?}"
    );
    assert_eq!(left.len(), 4, "the two between are not counted");
}

#[test]
fn retention_does_not_run_after_a_verification_that_fails() {
    // What of the answers is spoilt, from which on, and how often: what is right when it is read
    // again was spoilt on the way.
    let table = [
        (".zip.index", 1, 2),
        (".zip.index", 1, 1),
        (".zip.index", 3, 3),
        (".zip.index", 3, 2),
        (".zip", 1, 2),
        (".zip", 1, 1),
    ];
    for (on, first, times) in table {
        let server = S3Server::start();
        let job = format!(
            r#"sources {{ sqlite "app" path="app.db" }}
            stores {{ s3 "cloud" bucket="{}" endpoint="{}" {{ access-key (file)"{}"; secret-key (file)"{}"; keep last=1 }} }}
            job "j" {{ dump "app" {{ expect enabled=#false; send "cloud"; verify "cloud" }} }}"#,
            server.bucket,
            server.endpoint,
            server.access_file.display(),
            server.secret_file.display()
        );
        let space = Space::new().job(&job);
        space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
        space.back_up();
        let of = |r: &&Recorded| r.kind == Kind::Get && r.path.ends_with(on);
        let gets = server.requests().iter().filter(of).count();
        server
            .fault(Fault::new(Kind::Get, What::SpoilResponse).on(on).at(gets + first).times(times));
        if matches!((on, first, times), (_, 1, 1) | (_, 3, 2)) {
            space.back_up();
            assert_eq!(space.list().len(), 1, "{on}");
            continue;
        }
        let ran = space.run(&["run", "job.kdl", "--format", "json"]).expect(65);
        let expected = [
            "j/dump/app done success",
            "j/verify/app/cloud failed error",
            "j/keep/app/cloud skipped -",
        ];
        assert_eq!(ends(&ran), expected, "{on}");
        let listed = space.list();
        let found: Vec<(&str, &str)> =
            listed.iter().map(|l| (word(l, "verdict"), word(l, "proof"))).collect();
        assert_eq!(found, [("success", "read"), ("error", "damaged")], "{on}");
        // The one that was found damaged neither counts nor is latest; the next good one takes the
        // place of both.
        space.run(&["restore", "job.kdl", "--into", "sqlite:latest.db"]).expect(0);
        space.back_up();
        assert_eq!(space.list().len(), 1, "{on}");
        server.assert_tidy("j/app/");
    }
}

#[test]
fn names_may_be_of_any_script() {
    let space = Space::new().job(
        r#"sources { sqlite "açaí" path="app.db" }
        stores { dir "depósito" path="d" { keep last=2 } }
        job "relatório-数据" { dump "açaí" { send "depósito"; verify "depósito" } }"#,
    );
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    space.back_up();
    let list = space.list();
    assert_eq!(
        (word(&list[0], "job"), word(&list[0], "proof")),
        ("relatório-数据", "read"),
        "{list:?}"
    );
    let back = space.restore(&list[0], "back.db");
    assert_eq!(contents(&back), contents(&space.path("app.db")));
    space.run(&["report", "--out", "pages"]).expect(0);
    space.run(&["schedule", "job.kdl", "--format", "systemd"]);
}
