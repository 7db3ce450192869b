//! Runs of two hosts, prunes, verifications and restores on one store at once, some of which are killed, in
//! a seeded random order: nothing that is being read is removed, and no lease outlives its term.
//!
//! Twenty mixes; `VEX_LEASE_MIXES=500` for the whole.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::common::servers::on_host;
use crate::common::space::{Ran, Running, Space, contents, files};
use crate::store::identity::age;
use crate::store::lease::{TERM, keeps, leases, run, space};

/// The next of a row of numbers that looks like chance (xorshift).
fn chance(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// What takes part in a mix.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// A run of this host, and its retention.
    Run,
    /// A run of another host, and its retention.
    RunElsewhere,
    /// Reads the newest backup.
    Verify,
    /// Restores the backup that is the newest when it begins.
    Restore,
    /// The retention of the job by itself.
    Prune,
}

const PARTS: [Part; 5] = [Part::Run, Part::RunElsewhere, Part::Verify, Part::Restore, Part::Prune];

fn start(space: &Space, part: Part, into: &str) -> Running {
    let target = format!("sqlite:{into}");
    let arguments: &[&str] = match part {
        Part::Run | Part::RunElsewhere => &["run", "job.kdl", "nightly"],
        Part::Verify => &["run", "job.kdl", "check"],
        Part::Prune => &["prune", "job.kdl", "nightly"],
        Part::Restore => &["restore", "job.kdl", "app", "--into", &target],
    };
    let mut command = space.vex(arguments);
    // Each has a lock and a history of its own: two hosts, and two terminals.
    command.env("XDG_STATE_HOME", space.path(&format!("state-{part:?}")));
    if part == Part::RunElsewhere {
        command = on_host(command, "elsewhere");
    }
    Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

#[test]
fn nothing_that_is_being_read_is_removed_whoever_is_killed() {
    let mixes = std::env::var("VEX_LEASE_MIXES").map_or(20, |n| n.parse().unwrap());
    let space = space(0);
    // Large enough that reading it takes a while.
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1500)
        INSERT INTO t SELECT randomblob(1500) FROM n";
    Connection::open(space.path("app.db")).unwrap().execute_batch(fill).unwrap();
    (0..3).for_each(|_| drop(run(&space)));
    keeps(&space, 1);
    let expected = contents(&space.path("app.db"));
    let (mut state, mut killed, mut ended) = (20_261_129, 0, 0);
    for mix in 0..mixes {
        let into = space.path("back.db");
        let mut running: Vec<(Part, Running)> = Vec::new();
        let first = chance(&mut state) as usize;
        for number in 0..PARTS.len() {
            let part = PARTS[(first + number) % PARTS.len()];
            running.push((part, start(&space, part, into.to_str().unwrap())));
            std::thread::sleep(Duration::from_millis(chance(&mut state) % 40));
        }
        // Whoever verifies or restores is slow, from any moment on, so that the runs come in between.
        std::thread::sleep(Duration::from_millis(chance(&mut state) % 300));
        let reader = [Part::Verify, Part::Restore][chance(&mut state) as usize % 2];
        let slow = running.iter().position(|(part, _)| *part == reader).unwrap();
        running[slow].1.signal(Signal::STOP);
        // One of them is killed, at any moment.
        let victim = chance(&mut state) as usize % running.len();
        std::thread::sleep(Duration::from_millis(chance(&mut state) % 400));
        running[victim].1.0.kill().unwrap();
        let mut was_killed = false;
        // The last to be waited for, and the first to end after the others did.
        let order = |(number, _): &(usize, (Part, Running))| *number == slow;
        let mut running: Vec<_> = running.into_iter().enumerate().collect();
        running.sort_by_key(order);
        for (number, (part, mut process)) in running {
            if number == slow && number != victim {
                process.signal(Signal::CONT);
            }
            let (out, err) = (process.0.stdout.take().unwrap(), process.0.stderr.take().unwrap());
            let said =
                std::io::read_to_string(out).unwrap() + &std::io::read_to_string(err).unwrap();
            let status = process.0.wait().unwrap();
            let what = format!("mix {mix}, {part:?}, {status}: {said}");
            if number == victim && !status.success() {
                (was_killed, killed) = (true, killed + 1);
                continue;
            }
            ended += 1;
            assert!(status.success(), "{what}");
            if part == Part::Restore {
                assert_eq!(contents(&into), expected, "{what}");
            }
        }
        // One that was killed may have made none.
        drop(std::fs::remove_file(&into));
        // Who ended released what it held; who was killed holds it for its term at most, and on this
        // machine not at all.
        assert!(leases(&space).len() <= 2 * usize::from(was_killed), "{:?}", leases(&space));
        if mix % 5 == 0 {
            age(&space.path("nas"), TERM);
        }
        settle(&space, mix);
    }
    assert!(killed > 0 && ended > 2 * mixes, "{killed} killed, {ended} ended");
    let waited = in_use(&space);
    assert!(waited > 0, "no retention met a reader");
    let figure = format!(
        "\nfigure {mixes} mixes of two runs, a prune, a verification and a restore, {killed} killed, {waited} \
         times a folder in use: nothing that was read was removed\n"
    );
    std::io::stdout().write_all(figure.as_bytes()).unwrap();
}

/// How often a retention found the folder in use.
fn in_use(space: &Space) -> usize {
    let states = PARTS.map(|part| space.path(&format!("state-{part:?}")));
    let logs = states.iter().flat_map(|state| files(state));
    let logs = logs.filter(|path| path.extension().is_some_and(|e| e == "log"));
    logs.map(|path| std::fs::read_to_string(path).unwrap().matches("in use by").count()).sum()
}

/// The next run is as any other: it removes what is to go, and the leases of the dead.
#[track_caller]
fn settle(space: &Space, mix: usize) {
    let ran: Ran = run(space);
    assert_eq!(ran.code, 0, "mix {mix}: {}{}", ran.stdout, ran.stderr);
    assert_eq!((space.list().len(), leases(space).len()), (1, 0), "mix {mix}: {}", ran.stdout);
}
