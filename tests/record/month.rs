//! A month of nights on a held clock: nights that failed, did not run, were killed, were refused and ran
//! late. Each is told exactly once, to whom it concerns, and nothing else is told.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use rustix::process::Signal;

use crate::common::smtp::{Smtp, Taken, Wire};
use crate::common::space::{Ran, Space, until};

const NOTIFY: &str = "notify {
    email to=\"dba@example.com\" on=\"alert\" lang=\"en\"
    email to=\"boss@example.com\" on=\"late\" lang=\"en\"
}
";

/// The program waits while there is a file `wait`, so that a night can be killed or be in the way.
const JOB: &str = "sources { sqlite \"app\" path=\"app.db\" }
stores { dir \"nas\" path=\"nas\" { keep last=3 daily=40 } }
job \"nightly\" schedule=\"0 1 * * *\" within=\"25h\" timezone=\"UTC\" {
    exec \"ready\" { command \"sh\" \"-c\" \"echo > begun; while [ -e wait ]; do sleep 0.1; done\" }
    dump \"app\" after=\"ready\" { send \"nas\"; verify \"nas\" }
}
";

/// What a night is like.
#[derive(Clone, Copy, PartialEq)]
enum Night {
    Well,
    Failed,
    Missing,
    Killed,
    Refused,
    Late,
}

fn night(day: u32) -> Night {
    match day {
        5 | 6 | 24 => Night::Failed,
        10 | 11 => Night::Missing,
        14 => Night::Killed,
        18 => Night::Refused,
        22 => Night::Late,
        _ => Night::Well,
    }
}

fn moment(day: u32, time: &str) -> String {
    format!("2026-11-{day:02}T{time}Z")
}

fn at(space: &Space, moment: &str, arguments: &[&str]) -> Ran {
    Ran::from(space.vex(arguments).env("VEX_TEST_NOW", moment).output().unwrap())
}

/// Starts a run that waits, until it does.
fn begin(space: &Space, moment: &str) -> std::process::Child {
    fs::write(space.path("wait"), "").unwrap();
    drop(fs::remove_file(space.path("begun")));
    let mut command = space.vex(&["run", "job.kdl"]);
    let run = command.env("VEX_TEST_NOW", moment).stdout(Stdio::null()).stderr(Stdio::null());
    let child = run.spawn().unwrap();
    until("the run to wait", || space.path("begun").exists().then_some(()));
    child
}

/// Has the night of a day happen; the codes with which its runs end.
fn happen(space: &Space, day: u32) {
    let one = moment(day, "01:00:05");
    match night(day) {
        Night::Well => drop(at(space, &one, &["run", "job.kdl"]).expect(0)),
        Night::Failed => {
            fs::rename(space.path("app.db"), space.path("gone.db")).unwrap();
            at(space, &one, &["run", "job.kdl"]).expect(1);
            fs::rename(space.path("gone.db"), space.path("app.db")).unwrap();
        }
        Night::Missing => {}
        Night::Killed => {
            let mut child = begin(space, &one);
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, Signal::KILL).unwrap();
            child.wait().unwrap();
            fs::remove_file(space.path("wait")).unwrap();
        }
        Night::Refused => {
            let mut child = begin(space, &one);
            at(space, &moment(day, "01:10:00"), &["run", "job.kdl"]).expect(75);
            fs::remove_file(space.path("wait")).unwrap();
            assert!(child.wait().unwrap().success());
        }
        Night::Late => {
            at(space, &moment(day, "03:00:00"), &["status", "job.kdl", "--notify"]).expect(2);
            at(space, &moment(day, "05:00:05"), &["run", "job.kdl"]).expect(0);
        }
    }
}

/// To whom a letter went, and what it is about.
fn told(letter: &Taken) -> String {
    let text = letter.part("text/plain; charset");
    let words = [
        ("an earlier run was killed", "killed"),
        ("another run holds job", "refused"),
        ("no longer overdue", "in time"),
        ("the newest proven backup is", "late"),
        ("Result: Error (3)", "failed"),
    ];
    let what = words.iter().find(|(words, _)| text.contains(words));
    format!("{} {}", letter.to.join(","), what.map_or(text.as_str(), |(_, what)| what))
}

#[test]
fn each_odd_night_of_a_month_is_told_once_to_whom_it_concerns() {
    let smtp = Smtp::start(Wire::Clear);
    let space = Space::new().job(&format!("{}{NOTIFY}{JOB}", smtp.block("tls=#false")));
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)");
    let (mut letters, mut days) = (0, BTreeMap::<u32, Vec<String>>::new());
    for day in 1..=30 {
        happen(&space, day);
        for time in ["06:00:00", "09:00:00", "15:00:00"] {
            let ran = at(&space, &moment(day, time), &["status", "job.kdl", "--notify"]);
            let is_late = matches!(night(day), Night::Failed | Night::Missing | Night::Killed);
            assert_eq!(ran.code == 2, is_late, "day {day}, {time}: {ran:?}");
        }
        let all = smtp.letters(letters);
        let new: Vec<String> = all[letters..].iter().map(told).collect();
        letters = all.len();
        if !new.is_empty() {
            days.insert(day, new);
        }
    }
    let (dba, boss) = ("dba@example.com", "boss@example.com");
    let expected = [
        // What failed is told at once, and that the backup is late by the next look.
        (5, vec![format!("{dba} failed"), format!("{boss} late")]),
        (6, vec![format!("{dba} failed")]),
        (7, vec![format!("{boss} in time")]),
        (10, vec![format!("{boss} late")]),
        (12, vec![format!("{boss} in time")]),
        (14, vec![format!("{boss} late")]),
        (15, vec![format!("{dba} killed"), format!("{boss} in time")]),
        (18, vec![format!("{dba} refused")]),
        (22, vec![format!("{boss} late"), format!("{boss} in time")]),
        (24, vec![format!("{dba} failed"), format!("{boss} late")]),
        (25, vec![format!("{boss} in time")]),
    ];
    assert_eq!(days, BTreeMap::from(expected));
    let kept = space.list();
    assert_eq!(kept.len(), 24, "every night that was backed up is there: {kept:?}");
}
