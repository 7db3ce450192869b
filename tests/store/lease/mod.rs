//! Nothing is removed that somebody reads or keeps: leases and pins, through the binary.
//!
//! Another host is another host name and state folder; the runs of this one are killed at will.

mod mix;
mod pin;

use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::space::{Ran, Space, contents, files, names, until, word};
use crate::store::identity::{age, grade, ids};

/// A little longer than a lease lasts.
const TERM: Duration = Duration::from_secs(31 * 60);

/// A job of one SQLite file into a folder, another that only reads, and what is kept.
pub fn job(last: u32) -> String {
    format!(
        "sources {{ sqlite \"app\" path=\"app.db\" identity=\"the app\" }}\n\
         stores {{ dir \"nas\" path=\"nas\" {{ keep last={last} }} }}\n\
         job \"nightly\" {{ dump \"app\" {{ send \"nas\"; verify \"nas\" }} }}\n\
         job \"check\" {{ verify \"app\" from=\"nas\" }}\n"
    )
}

/// A space with a database and so many backups, all of which are kept.
pub fn space(backups: u32) -> Space {
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(&job(99));
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)");
    for _ in 0..backups {
        space.run(&["run", "job.kdl", "nightly"]).expect(0);
    }
    space
}

/// From now on only so many are kept.
pub fn keeps(space: &Space, last: u32) {
    std::fs::write(space.path("job.kdl"), job(last)).unwrap();
}

/// Runs the job; an Alerta is told from a Sucesso.
pub fn run(space: &Space) -> Ran {
    space.run(&["run", "job.kdl", "nightly", "--strict"])
}

/// The leases that stand in the folder.
pub fn leases(space: &Space) -> Vec<String> {
    let all = names(&space.path("nas")).into_iter();
    all.filter(|name| name.contains("vex-lease-")).collect()
}

/// Writes a lease as a process of another machine does.
pub fn lease_of_another(space: &Space, kind: &str) -> std::path::PathBuf {
    let line = json!({ "format": 1, "token": "theirs", "owner": "a restore", "host": "far" });
    let moment = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let path = space.path(&format!("nas/nightly/app/vex-lease-{kind}-{moment}-00000001.json"));
    std::fs::write(&path, line.to_string()).unwrap();
    path
}

/// The log of the newest run.
fn last_log(space: &Space) -> String {
    let logs = files(&space.state("logs")).into_iter();
    let logs = logs.filter(|path| path.extension().is_some_and(|e| e == "log"));
    let newest = logs.max_by_key(|path| path.metadata().unwrap().modified().unwrap());
    std::fs::read_to_string(newest.unwrap()).unwrap()
}

#[test]
fn what_somebody_reads_is_kept_and_the_third_run_in_a_row_is_an_alerta() {
    let space = space(2);
    keeps(&space, 1);
    for kind in ["shared", "exclusive"] {
        let path = lease_of_another(&space, kind);
        let before = space.list().len();
        for (turn, wanted) in ["Sucesso", "Sucesso", "Alerta", "Alerta"].into_iter().enumerate() {
            let ran = run(&space);
            // A verification shares with readers; whoever removes keeps it waiting, and is told.
            let wanted = if kind == "exclusive" { "Alerta" } else { wanted };
            assert_eq!(grade(&ran), wanted, "{kind} {turn}: {}", ran.stderr);
            let log = last_log(&space);
            assert!(log.contains("in use by a restore on far"), "{kind} {turn}: {log}");
            assert_eq!(space.list().len(), before + turn + 1, "{kind} {turn}");
            assert!(path.exists(), "{kind} {turn}");
        }
        // Nobody holds it any more, by the clock of the folder.
        age(&space.path("nas/nightly/app"), TERM);
        assert_eq!(grade(&run(&space)), "Sucesso", "{kind}: {}", last_log(&space));
        assert_eq!((space.list().len(), leases(&space).len()), (1, 0), "{kind}");
        // One free run, and it is the first time again.
        space.run(&["run", "job.kdl", "nightly"]).expect(0);
    }
}

#[test]
fn without_history_a_folder_in_use_is_an_alerta_at_once() {
    let space = space(2);
    keeps(&space, 1);
    let _held = lease_of_another(&space, "shared");
    std::fs::remove_file(space.state("catalog.sqlite")).unwrap();
    std::fs::create_dir(space.state("catalog.sqlite")).unwrap();
    assert_eq!(grade(&run(&space)), "Alerta");
    assert!(last_log(&space).contains("how often so before is not known"), "{}", last_log(&space));
    assert_eq!(space.list().len(), 3);
}

#[test]
fn what_another_process_reads_stays_until_it_has_read_it_or_was_killed() {
    let space = space(2);
    keeps(&space, 1);
    for signal in [Signal::CONT, Signal::KILL] {
        let mut reading = space.start(&["run", "job.kdl", "check"]);
        until("it reads", || leases(&space).first().cloned());
        reading.signal(Signal::STOP);
        // It may have ended in between.
        let holds = !leases(&space).is_empty();
        assert_eq!(grade(&run(&space)), "Sucesso");
        let (listed, log) = (space.list().len(), last_log(&space));
        assert_eq!(log.contains("in use by verification of job check"), holds, "{log}");
        assert_eq!(listed > 1, holds, "{log}");
        reading.signal(signal);
        let ended = reading.0.wait().unwrap();
        assert_eq!(ended.success(), signal == Signal::CONT);
        // A process of this machine that was killed reads nothing any more.
        assert_eq!(leases(&space).is_empty(), !holds || signal == Signal::CONT);
        assert_eq!(grade(&run(&space)), "Sucesso");
        assert_eq!((space.list().len(), leases(&space).len()), (1, 0), "{signal:?}");
        space.run(&["run", "job.kdl", "nightly"]).expect(0);
    }
}

/// The binary, about to run where the store is mounted for reading only.
fn where_nothing_is_written(space: &Space, arguments: &[&str]) -> Command {
    let command = space.vex(arguments);
    let mut there = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        there.arg("--map-root-user");
    }
    let mounts = "mount --bind nas nas && mount -o remount,ro,bind nas && exec \"$@\"";
    there.args(["--mount", "sh", "-c", mounts, "sh"]);
    there.arg(command.get_program()).args(command.get_args());
    there.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    there.current_dir(space.path(""));
    there
}

#[test]
fn a_folder_that_takes_no_lease_is_read_all_the_same() {
    let space = space(1);
    let before = names(&space.path("nas"));
    let restore = ["restore", "job.kdl", "app", "--into", "sqlite:back.db"];
    let ran = Ran::from(where_nothing_is_written(&space, &restore).output().unwrap()).expect(0);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("unable to write a lease"), "{said}");
    assert_eq!(contents(&space.path("back.db")), contents(&space.path("app.db")));
    assert_eq!(names(&space.path("nas")), before);
    // Where a disk is away, nobody makes a folder on its mount point.
    std::fs::rename(space.path("nas"), space.path("away")).unwrap();
    space.run(&["restore", "job.kdl", "app", "--into", "sqlite:other.db"]);
    space.run(&["run", "job.kdl", "check"]);
    assert!(!space.path("nas").exists());
}

#[test]
fn leases_of_a_bucket_and_one_that_it_refuses() {
    let server = S3Server::start();
    let job = |last: u32| {
        format!(
            "sources {{ sqlite \"app\" path=\"app.db\" }}\nstores {{ s3 \"cloud\" bucket=\"{}\" \
             endpoint=\"{}\" {{ access-key (file)\"{}\"; secret-key (file)\"{}\"; keep last={last} }} }}\n\
             job \"nightly\" {{ dump \"app\" {{ send \"cloud\"; verify \"cloud\" }} }}\n",
            server.bucket,
            server.endpoint,
            server.access_file.display(),
            server.secret_file.display()
        )
    };
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(&job(99));
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    (0..2).for_each(|_| drop(space.back_up()));
    std::fs::write(space.path("job.kdl"), job(1)).unwrap();
    let puts = |from: usize| -> Vec<String> {
        let all = server.requests().into_iter().skip(from);
        let own = all.filter(|r| r.kind == Kind::Put && r.path.ends_with(".json"));
        own.map(|r| r.path.rsplit('/').next().unwrap().to_owned()).collect()
    };
    // Of the objects `.json`: head, the lease of the verification, proof, the lease of retention.
    let refused = Fault::new(Kind::Put, What::Answer(403, "AccessDenied")).on(".json");
    let from = server.requests().len();
    server.fault(refused.clone().at(puts(0).len() + 4));
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(last_log(&space).contains("removes nothing"), "{}", ran.stderr);
    assert!(puts(from)[3].starts_with("vex-lease-exclusive-"), "{:?}", puts(from));
    server.heal();
    assert_eq!(space.list().len(), 3, "nothing is removed without a lease");
    let from = server.requests().len();
    server.fault(refused.at(puts(0).len() + 2));
    let ran = space.run(&["run", "job.kdl", "--strict"]).expect(2);
    assert!(last_log(&space).contains("unable to write a lease"), "{}", ran.stderr);
    assert!(puts(from)[1].starts_with("vex-lease-shared-"), "{:?}", puts(from));
    server.heal();
    // It was read and proven all the same, and then the others went.
    let lines: Vec<Value> = space.list();
    assert_eq!((lines.len(), word(&lines[0], "proof")), (1, "read"));
    let ids_before = ids(&lines);
    assert_eq!(grade(&space.run(&["run", "job.kdl", "--strict"])), "Sucesso");
    assert_ne!(ids(&space.list()), ids_before);
    let left = crate::store::contract::s3::keys(&server);
    assert!(left.iter().all(|key| !key.contains("vex-lease-")), "{left:?}");
}
