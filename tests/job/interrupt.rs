//! The first signal is heard within seconds whatever is waited for: a server or a store that takes a
//! connection and says nothing, in the middle of a dump and before it.

use rustix::process::{Pid, Signal, kill_process};

use crate::common::servers::{Brand, Pg};
use crate::common::space::{Space, until};

/// A process that neither runs nor ends, until this is dropped.
struct Frozen(Pid);

impl Frozen {
    fn new(pid: u32) -> Frozen {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Frozen(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It was ours to stop, and is ours to end.
        kill_process(self.0, Signal::CONT).unwrap_or_default();
    }
}

/// A run of one source whose server is frozen, and then a signal.
fn interrupted(source: &str, pid: u32) {
    let space = Space::new().job(&format!(
        "sources {{ {source} }}\nstores {{ dir \"local\" path=\"store\" {{ keep last=9 }} }}\n\
         job \"j\" {{ dump \"db\" {{ send \"local\"; verify \"local\" }} }}\n"
    ));
    space.back_up();
    let frozen = Frozen::new(pid);
    let mut vex = space.start(&["run", "job.kdl"]);
    until("the run has begun", || {
        (space.catalog::<i64>("SELECT COUNT(*) FROM run WHERE finished IS NULL") == 1).then_some(())
    });
    vex.signal(Signal::TERM);
    // Its drivers read on; the process ends all the same.
    assert_eq!(vex.0.wait().unwrap().code(), Some(143));
    drop(frozen);
    // What the signal left is history, and in nobody's way.
    space.back_up();
    let ended = |verdict: u8| {
        space.catalog::<i64>(&format!("SELECT COUNT(*) FROM run WHERE verdict = {verdict}"))
    };
    assert_eq!((ended(1), ended(3)), (2, 1));
    assert_eq!(space.list().len(), 2);
}

#[test]
fn a_mariadb_that_says_nothing_keeps_no_signal_from_being_heard() {
    let server = Brand::Mariadb.start(&[]);
    server.exec("CREATE DATABASE d");
    server.exec("CREATE TABLE d.t (i INT)");
    let port = server.port;
    let source = format!("mysql \"db\" host=\"127.0.0.1\" port={port} user=\"root\"");
    interrupted(&source, server.pid());
}

#[test]
fn a_postgresql_that_says_nothing_keeps_no_signal_from_being_heard() {
    let server = Pg::V15.start(&[]);
    server.sql("postgres", "CREATE TABLE t (i int)");
    let port = server.port;
    let source = format!("postgres \"db\" host=\"127.0.0.1\" port={port} user=\"postgres\"");
    interrupted(&source, server.pid());
}
