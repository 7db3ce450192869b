//! What is late is told once, and once when it is over; and what the stores alone know.

use std::fs;

use crate::common::smtp::{Smtp, Wire};
use crate::common::space::{Ran, Space};

const JOB: &str = "sources { sqlite \"app\" path=\"app.db\" }\n\
    stores { dir \"disk\" path=\"disk\" { keep last=3 } }\n\
    job \"hourly\" schedule=\"0 * * * *\" within=\"2h\" timezone=\"UTC\" { dump \"app\" { send \"disk\"; verify \"disk\" } }\n";

fn at(space: &Space, now: &str, arguments: &[&str]) -> Ran {
    Ran::from(space.vex(arguments).env("VEX_TEST_NOW", now).output().unwrap())
}

fn with(text: &str) -> Space {
    let space = Space::new().job(text);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)");
    space
}

#[test]
fn lateness_is_told_once_and_once_when_it_is_over() {
    let smtp = Smtp::start(Wire::Clear);
    let notify = "notify { email to=\"dba@example.com\" on=\"late\" lang=\"en\"; email to=\"all@example.com\" on=\"error\" }\n";
    let space = with(&format!("{}{notify}{JOB}", smtp.block("tls=#false")));
    let doctor = |now: &str| at(&space, now, &["doctor", "job.kdl"]).stdout;
    assert!(doctor("2026-11-20T02:59:00Z").contains("was never run for this file"));
    at(&space, "2026-11-20T03:00:20Z", &["run", "job.kdl"]).expect(0);
    let ask =
        |now: &str, code: i32| at(&space, now, &["status", "job.kdl", "--notify"]).expect(code);
    ask("2026-11-20T03:30:00Z", 0);
    assert!(!doctor("2026-11-20T03:40:00Z").contains("was never run for this file"));
    assert!(doctor("2026-11-22T03:40:00Z").contains("was last run at 2026-11-20T03:30:00Z"));
    for now in ["2026-11-20T09:00:00Z", "2026-11-20T09:15:00Z", "2026-11-20T10:30:00Z"] {
        ask(now, 2);
    }
    let letters = smtp.letters(1);
    assert_eq!((letters.len(), letters[0].to.clone()), (1, vec!["dba@example.com".to_owned()]));
    let text = letters[0].part("text/plain; charset");
    assert!(text.contains("hourly, app: the newest proven backup is 5 h"), "{text}");
    at(&space, "2026-11-20T10:40:20Z", &["run", "job.kdl"]).expect(0);
    for now in ["2026-11-20T10:45:00Z", "2026-11-20T10:50:00Z"] {
        ask(now, 0);
    }
    let letters = smtp.letters(2);
    assert_eq!(letters.len(), 2);
    let text = letters[1].part("text/plain; charset");
    assert!(
        text.contains("Result: Success (1)") && text.contains("no longer overdue: app"),
        "{text}"
    );
    // A mail server that is down: it is told by the next call.
    let job = fs::read_to_string(space.path("job.kdl")).unwrap();
    fs::write(space.path("job.kdl"), job.replace(&format!("port={}", smtp.port), "port=1"))
        .unwrap();
    let ran = ask("2026-11-20T18:00:00Z", 1);
    assert!(ran.stderr.contains("unable to send mail by 127.0.0.1:1"), "{}", ran.stderr);
    fs::write(space.path("job.kdl"), job).unwrap();
    ask("2026-11-20T18:15:00Z", 2);
    assert_eq!(smtp.letters(3).len(), 3);
}

#[test]
fn a_receiver_that_can_not_be_told_has_no_other_told_again() {
    let smtp = Smtp::start(Wire::Clear);
    let notify = "notify { email to=\"dba@example.com\" on=\"late\" lang=\"en\"; webhook (env)\"HOOK\" on=\"late\" }\n";
    let space = with(&format!("{}{notify}{JOB}", smtp.block("tls=#false")));
    let space = space.env("HOOK", "http://127.0.0.1:1/late");
    at(&space, "2026-11-20T03:00:20Z", &["run", "job.kdl"]).expect(0);
    let ask =
        |now: &str, code: i32| at(&space, now, &["status", "job.kdl", "--notify"]).expect(code);
    for now in ["2026-11-20T09:00:00Z", "2026-11-20T09:15:00Z"] {
        let ran = ask(now, 1);
        assert!(ran.stderr.contains("webhook"), "{}", ran.stderr);
    }
    assert_eq!(smtp.letters(1).len(), 1, "once, though the other heard nothing");
    // A receiver that is added hears what is late; the first one not again.
    let text = fs::read_to_string(space.path("job.kdl")).unwrap();
    let other = "email to=\"boss@example.com\" on=\"late\" lang=\"en\"";
    let text = text.replace("webhook (env)\"HOOK\" on=\"late\"", other);
    fs::write(space.path("job.kdl"), text).unwrap();
    ask("2026-11-20T09:30:00Z", 2);
    let letters = smtp.letters(2);
    assert_eq!((letters.len(), letters[1].to.clone()), (2, vec!["boss@example.com".to_owned()]));
    // What an older vex wrote down was told to all.
    let state = space.state("late.json");
    let told: serde_json::Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    let key = told["heard"][0][0].clone();
    let old = serde_json::json!({ "asked": told["asked"], "late": [key] });
    fs::write(&state, old.to_string()).unwrap();
    ask("2026-11-20T09:45:00Z", 2);
    at(&space, "2026-11-20T10:00:20Z", &["run", "job.kdl"]).expect(0);
    ask("2026-11-20T10:05:00Z", 0);
    ask("2026-11-20T10:10:00Z", 0);
    assert_eq!(smtp.letters(4).len(), 4, "both heard that it is over, once");
}

#[test]
fn the_stores_alone_say_how_a_source_stands() {
    let space = with(JOB);
    at(&space, "2026-11-20T03:00:20Z", &["run", "job.kdl"]).expect(0);
    fs::remove_dir_all(space.path("state")).unwrap();
    let ask = |now: &str, code: i32| {
        at(&space, now, &["status", "job.kdl", "--stores", "--format", "json"]).expect(code).json()
    };
    let good = ask("2026-11-20T03:30:00Z", 0).remove(0);
    assert_eq!((&good["state"], &good["proven"]["proof"]), (&"ok".into(), &"read".into()));
    assert!(!space.state("catalog.sqlite").exists());
    assert_eq!(ask("2026-11-20T09:00:20Z", 2).remove(0)["state"], "late");
    fs::remove_dir_all(space.path("disk")).unwrap();
    fs::write(space.path("disk"), "").unwrap();
    let gone = at(&space, "2026-11-20T03:30:00Z", &["status", "job.kdl", "--stores"]);
    assert_ne!(gone.code, 0, "{gone:?}");
}

#[test]
fn a_restore_that_fails_is_escalated_and_a_good_one_is_not() {
    let smtp = Smtp::start(Wire::Clear);
    let notify = "notify { email to=\"dba@example.com\" escalate=\"boss@example.com\" lang=\"en\" on=\"error\" }\n";
    let space = with(&format!("{}{notify}{JOB}", smtp.block("tls=#false")));
    space.run(&["run", "job.kdl"]).expect(0);
    space.run(&["restore", "job.kdl", "app", "--into", "sqlite:new.db"]).expect(0);
    let zip = crate::common::space::files(&space.path("disk"));
    let zip = zip.iter().find(|p| p.extension().is_some_and(|e| e == "zip")).unwrap();
    let mut bytes = fs::read(zip).unwrap();
    // Whichever entry is read first.
    (60..700).for_each(|at| bytes[at] ^= 0xff);
    fs::write(zip, bytes).unwrap();
    space.run(&["restore", "job.kdl", "app", "--into", "sqlite:other.db"]).expect(65);
    let letters = smtp.letters(1);
    assert_eq!((letters.len(), letters[0].to.clone()), (1, vec!["boss@example.com".to_owned()]));
    let text = letters[0].part("text/plain; charset");
    assert!(text.contains("restore/app: Error: "), "{text}");
}
