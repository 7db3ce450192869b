//! Who may touch whose backups: several hosts, job files, databases and clones that share a store.
//!
//! Through the binary. Another host is another host name (`unshare --uts`) and another state folder;
//! one path of a job file on two hosts is one file that is written anew before each run.

mod chain;
mod drill;
mod mix;
mod store;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::common::servers::on_host;
use crate::common::space::{Ran, Space, files, word};

/// Runs vex on the host of this name; its state lies in a folder of that name.
pub fn run_on(space: &Space, host: &str, arguments: &[&str]) -> Ran {
    let state = space.path(&format!("state-{host}"));
    let mut command = space.vex(arguments);
    command.env("XDG_STATE_HOME", state);
    Ran::from(on_host(command, host).output().unwrap())
}

/// The code of a run under `--strict`: 0 where all is well, 2 where it was an Alerta.
#[track_caller]
pub fn grade(ran: &Ran) -> &'static str {
    match ran.code {
        0 => "Sucesso",
        2 => "Alerta",
        code => panic!("{code}\n{}\n{}", ran.stdout, ran.stderr),
    }
}

/// The IDs that a listing has, oldest first.
pub fn ids(lines: &[Value]) -> Vec<String> {
    lines.iter().map(|line| word(line, "id").to_owned()).collect()
}

/// The origins that a listing shows.
pub fn origins(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().map(|line| word(line, "origin").to_owned()).collect()
}

/// Makes all that stands in a store older, as if so much time had gone by.
pub fn age(folder: &Path, time: Duration) {
    for path in files(folder) {
        let file = std::fs::File::open(&path).unwrap();
        let modified: SystemTime = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - time).unwrap();
    }
}
