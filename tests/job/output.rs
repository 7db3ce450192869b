//! Where the messages of a run go is no part of the backup: a full disk, a reader that went away, a
//! terminal that was closed.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use crate::common::space::{Ran, Space, files};

/// A job that makes one proven backup, and says nothing wrong.
const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=9 } }
job "j" { dump "app" { send "disk"; verify "disk" } }
"#;

fn space(job: &str) -> Space {
    let space = Space::new().job(job);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    space
}

/// Runs a command whose standard output and standard error go where `to` leads.
fn run_into(mut command: Command, to: impl Fn() -> Stdio) -> Ran {
    let status = command.stdout(to()).stderr(to()).status().unwrap();
    Ran::from(std::process::Output { status, stdout: Vec::new(), stderr: Vec::new() })
}

/// A device on which every write fails for lack of space.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader has gone.
fn deserted() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

#[test]
fn messages_that_nobody_can_take_end_nothing() {
    let broken = "job \"j\" {";
    let table: [(&str, &[&str], i32); 11] = [
        (JOB, &["run", "job.kdl"], 0),
        (JOB, &["run", "job.kdl", "--quiet"], 0),
        (JOB, &["run", "job.kdl", "--format", "json"], 0),
        (JOB, &["restore", "job.kdl", "--into", "sqlite:new.db"], 0),
        (JOB, &["run", "--quiet", "missing.kdl"], 64),
        (JOB, &["run", "--quiet", "job.kdl", "missing"], 64),
        (JOB, &["walk"], 64),
        (JOB, &["--help"], 0),
        (broken, &["check", "job.kdl"], 78),
        (broken, &["run", "job.kdl"], 78),
        (r#"job "j" { exec "x" { command "false" } }"#, &["run", "job.kdl"], 1),
    ];
    for to in [full, deserted] {
        for (job, arguments, code) in table {
            let space = space(job);
            if arguments[0] == "restore" {
                space.back_up();
            }
            let ran = run_into(space.vex(arguments), to);
            assert_eq!(ran.code, code, "{arguments:?} of {job}");
            if job == JOB && code == 0 && arguments[0] == "run" {
                assert_eq!(space.list().len(), 1, "{arguments:?}: a backup, and proven");
                assert_eq!(space.catalog::<i64>("SELECT verdict FROM run"), 1);
            }
        }
    }
}

#[test]
fn a_standard_error_that_is_closed_ends_nothing() {
    let space = space(JOB);
    let vex = space.vex(&["run", "job.kdl"]);
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$@\" >&- 2>&-", "sh"]).arg(vex.get_program()).args(vex.get_args());
    closed
        .env_clear()
        .envs(vex.get_envs().filter_map(|(n, v)| Some((n, v?))))
        .current_dir(space.path(""));
    Ran::from(closed.output().unwrap()).expect(0);
    assert_eq!(space.list().len(), 1);
}

/// Progress bars are drawn on a terminal; this one is closed while they are.
#[test]
fn a_terminal_that_is_closed_ends_nothing() {
    const SCRIPT: &str = r#"
import os, subprocess, sys
ours, theirs = os.openpty()
vex = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
os.close(theirs)
seen = b""
while b"wait begins" not in seen and b"run 2" not in seen:
    seen += os.read(ours, 4096)
os.close(ours)
open("gone", "w").close()
sys.exit(vex.wait() % 256)
"#;
    let job = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=9 } }
job "j" {
    exec "wait" { command "sh" "-c" "while ! test -e gone; do sleep 0.05; done" }
    dump "app" after="wait" { send "disk"; verify "disk" }
}
"#;
    let space = space(job);
    let vex = space.vex(&["run", "job.kdl"]);
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).arg(vex.get_program()).args(vex.get_args());
    python
        .env_clear()
        .envs(vex.get_envs().filter_map(|(n, v)| Some((n, v?))))
        .env("TERM", "xterm")
        .current_dir(space.path(""));
    let output = python.output().unwrap_or_else(|e| panic!("python3: {e}: run tests/run.sh"));
    Ran::from(output).expect(0);
    assert_eq!(space.list().len(), 1);
}

/// A limit on the size of files is an error like a full disk, and not the death of the process.
#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    let space = space(JOB);
    let vex = space.vex(&["run", "job.kdl"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 0; exec \"$@\"", "sh"]).arg(vex.get_program());
    limited
        .args(vex.get_args())
        .env_clear()
        .envs(vex.get_envs().filter_map(|(n, v)| Some((n, v?))))
        .current_dir(space.path(""));
    let log = space.path("vex.log");
    File::create(&log).unwrap();
    let log = || OpenOptions::new().append(true).open(&log).unwrap().into();
    run_into(limited, log).expect(1);
    assert_eq!(files(&space.path("disk")).len(), 0);
}

/// What this process does with a signal is not handed on: `yes | head -1` ends in a child.
#[test]
fn children_have_the_signals_of_the_system() {
    let job = r#"job "j" { exec "look" {
        command "sh" "-c" "grep SigIgn /proc/self/status > ignored"
    } }"#;
    let space = Space::new().job(job);
    space.run(&["run", "job.kdl"]).expect(0);
    let line = std::fs::read_to_string(space.path("ignored")).unwrap();
    let ignored = u64::from_str_radix(line.trim().rsplit_once('\t').unwrap().1, 16).unwrap();
    for signal in [13, 25] {
        assert_eq!(ignored & (1 << (signal - 1)), 0, "{line}");
    }
}
