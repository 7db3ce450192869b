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

/// Runs a command on a terminal of its own; returns what it drew there, and how it ended.
fn on_a_terminal(command: &Command, more: &[(&str, &str)]) -> Ran {
    const SCRIPT: &str = r#"
import fcntl, os, pty, struct, sys, termios
pid, ours = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    try:
        read = os.read(ours, 4096)
    except OSError:
        break
    if not read:
        break
    sys.stdout.buffer.write(read)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
"#;
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).arg(command.get_program()).args(command.get_args());
    python
        .env_clear()
        .envs(command.get_envs().filter_map(|(n, v)| Some((n, v?))))
        .envs(more.iter().copied())
        .current_dir(command.get_current_dir().unwrap());
    let output = python.output().unwrap_or_else(|e| panic!("python3: {e}: run tests/run.sh"));
    Ran::from(output)
}

#[test]
fn a_run_ends_with_what_it_made_and_colours_are_for_terminals_that_want_them() {
    let job = JOB
        .replace("{ send \"disk\"; verify", "{ send \"disk\"; send \"gone\" optional=#true; verify")
        .replace("stores {", "stores { dir \"gone\" path=\"app.db/no/folder\"; ");
    let space = space(&job).env("VEX_LANG", "pt-BR");
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    let table: Vec<&str> =
        ran.stderr.lines().skip_while(|line| !line.starts_with("FONTE")).take(2).collect();
    let words: Vec<&str> = table[0].split_whitespace().collect();
    assert_eq!(words, ["FONTE", "LINHAS", "TAMANHO", "VELOCIDADE", "CÓPIAS", "PROVA"]);
    let row = table[1];
    assert!(row.starts_with("app    1 ") && row.ends_with("  lida e conferida"), "{row}");
    assert!(row.contains(" → ") && row.contains("  disk, sem cópia em gone  "), "{row}");
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    let english = space.vex(&["run", "job.kdl", "--verbose"]).env("VEX_LANG", "en").output();
    let english = Ran::from(english.unwrap());
    assert!(english.stderr.contains("\nSOURCE  ROWS  SIZE"), "{}", english.stderr);
    assert!(english.stderr.contains("store "), "what stands in the log: {}", english.stderr);
    let quiet = space.run(&["run", "job.kdl", "--quiet"]).expect(0).stderr;
    assert!(!quiet.contains("FONTE"), "{quiet}");
    // On a terminal.
    let run = space.vex(&["run", "job.kdl"]);
    let drawn = on_a_terminal(&run, &[("TERM", "xterm")]).expect(0).stdout;
    assert!(drawn.contains("\u{1b}[33mAlerta\u{1b}[0m (2)"), "{drawn:?}");
    assert!(drawn.contains("\u{1b}[32mSucesso\u{1b}[0m em"), "{drawn:?}");
    assert!(drawn.contains("FONTE"), "{drawn:?}");
    for forbids in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
        let drawn = on_a_terminal(&run, &[("TERM", "xterm"), forbids]).expect(0).stdout;
        assert!(drawn.contains("Alerta (2)") && !drawn.contains("[33m"), "{forbids:?} {drawn:?}");
        let told = on_a_terminal(&space.vex(&["history"]), &[("TERM", "xterm"), forbids]);
        assert!(!told.stdout.contains("\u{1b}["), "{forbids:?} {told:?}");
    }
    let told = on_a_terminal(&space.vex(&["history"]), &[("TERM", "xterm")]).expect(0).stdout;
    assert!(told.contains("\u{1b}[33mAlerta\u{1b}[0m"), "{told:?}");
    let doctor = space.vex(&["doctor", "job.kdl"]);
    let told = on_a_terminal(&doctor, &[("TERM", "xterm")]).stdout;
    assert!(told.contains("\u{1b}[32mok   \u{1b}[0m"), "{told:?}");
    let told = on_a_terminal(&doctor, &[("TERM", "xterm"), ("NO_COLOR", "1")]).stdout;
    assert!(told.contains("ok   ") && !told.contains("\u{1b}["), "{told:?}");
    // What is wrong with a file has its colours too, and loses them alike.
    std::fs::write(space.path("job.kdl"), "job \"j\" {").unwrap();
    let check = space.vex(&["check", "job.kdl"]);
    let drawn = on_a_terminal(&check, &[("TERM", "xterm")]).expect(78).stdout;
    assert!(drawn.contains("\u{1b}["), "{drawn:?}");
    let drawn = on_a_terminal(&check, &[("TERM", "xterm"), ("NO_COLOR", "1")]).expect(78).stdout;
    assert!(!drawn.contains("\u{1b}["), "{drawn:?}");
}

#[test]
fn progress_on_a_terminal_has_a_rate_and_the_time_that_is_left() {
    // So slow that nothing but the time of the job decides.
    let job = JOB.replace("dump \"app\" {", "dump \"app\" chunk=\"64KiB\" rate=\"512KiB\" {");
    let space = Space::new().job(&job);
    space.database(
        "app.db",
        "CREATE TABLE t (v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO t SELECT hex(randomblob(400)) FROM n;",
    );
    let drawn = on_a_terminal(&space.vex(&["run", "job.kdl"]), &[("TERM", "xterm")]).expect(0);
    let bars: Vec<&str> =
        drawn.stdout.split('\r').filter(|part| part.contains(" of about ")).collect();
    let is_whole =
        |bar: &&&str| bar.contains("dump/app") && bar.contains("/s, ") && bar.contains(" left");
    assert!(bars.iter().any(|bar| is_whole(&bar)), "{bars:?}");
    // Elsewhere there is none.
    let plain = space.back_up().stderr;
    assert!(!plain.contains(" of about ") && !plain.contains('\r'), "{plain}");
}
