//! A database behind the stand-in, a job file for it, and what a test does to both.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::space::{Ran, Space};

/// The moment at which the model begins: 2025-08-01 01:00:00 UTC.
pub const BEGIN: i64 = 1_754_010_000;

/// The DBID of the database.
pub const DBID: u64 = 1_234_567_890;

/// A database and its jobs.
pub struct Bench {
    pub space: Space,
    home: PathBuf,
}

impl Bench {
    /// A database with some rows, and `stores` for the jobs FULL and INCREMENTAL; `step` is added to
    /// both steps.
    pub fn new(stores: &str, step: &str) -> Bench {
        let space = Space::new().env("TZ", "UTC").env("VEX_LANG", "en");
        let home = space.path("oh");
        let names: Vec<&str> = stores
            .lines()
            .filter_map(|line| line.trim().strip_prefix("dir ").or(line.trim().strip_prefix("s3 ")))
            .filter_map(|rest| rest.split_whitespace().next())
            .collect();
        let names = names.join(" ");
        let job = format!(
            r#"
sources {{ oracle "fin" sid="FIN" home="oh" channels=2 }}
stores {{
{stores}
}}
job "FULL" {{ rman "fin" level=0 {step} {{ send {names}; verify {names} }} }}
job "INCREMENTAL" {{ rman "fin" level=1 {step} {{ send {names}; verify {names} }} }}
"#
        );
        let bench = Bench { space: space.job(&job), home };
        std::fs::create_dir_all(&bench.home).unwrap();
        bench.ctl(&["create", &DBID.to_string(), &BEGIN.to_string()]);
        bench.ctl(&["work", "20"]);
        bench
    }

    /// One store, a folder.
    pub fn disk() -> Bench {
        Bench::new("dir \"nas\" path=\"nas\" { keep last=20 }", "")
    }

    /// Does something to the database.
    pub fn ctl(&self, words: &[&str]) -> String {
        ctl(&self.home, words)
    }

    /// Sets a value of the model.
    pub fn set(&self, path: &str, value: &str) {
        self.ctl(&["set", path, value]);
    }

    /// What the data files hold.
    pub fn rows(&self) -> String {
        self.ctl(&["rows"])
    }

    /// The model.
    pub fn model(&self) -> Value {
        serde_json::from_str(&self.ctl(&["show"])).unwrap()
    }

    /// What was given to RMAN so far.
    pub fn calls(&self) -> String {
        std::fs::read_to_string(self.home.join("dbs/calls")).unwrap_or_default()
    }

    /// Runs a job, after some hours in which rows changed.
    pub fn back_up(&self, job: &str, hours: i64) -> Ran {
        self.ctl(&["work", "9"]);
        self.ctl(&["advance", &(hours * 3600).to_string()]);
        self.space.run(&["run", "job.kdl", job])
    }

    /// The heads in the folder of the store `nas`, oldest first.
    pub fn heads(&self) -> Vec<Value> {
        let mut keys: Vec<PathBuf> = ["FULL", "INCREMENTAL"]
            .iter()
            .flat_map(|job| {
                let folder = self.space.path(&format!("nas/{job}/fin"));
                std::fs::read_dir(folder).into_iter().flatten()
            })
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().ends_with(".rman.manifest.json"))
            .collect();
        keys.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
        let read = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        keys.iter().map(read).collect()
    }

    /// Archived logs that are in no piece of a head and no more on the disk: never may there be one.
    pub fn lost_logs(&self) -> Vec<u64> {
        let kept: Vec<Value> = self.heads();
        let ranges: Vec<(u64, u64)> = kept
            .iter()
            .flat_map(|head| head["objects"].as_array().unwrap())
            .filter(|object| self.space.path("nas").join(object["key"].as_str().unwrap()).exists())
            .flat_map(|object| object["piece"]["logs"].as_array().cloned().unwrap_or_default())
            .map(|log| (log["first"].as_u64().unwrap(), log["last"].as_u64().unwrap()))
            .collect();
        let model = self.model();
        let archived = model["control"]["archived"].as_array().unwrap();
        archived
            .iter()
            .filter(|log| !std::path::Path::new(log["path"].as_str().unwrap()).exists())
            .map(|log| log["seq"].as_u64().unwrap())
            .filter(|seq| !ranges.iter().any(|(first, last)| (first..=last).contains(&seq)))
            .collect()
    }
}

/// All that a run printed.
pub fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

/// Does something to the database FIN of a home.
pub fn ctl(home: &Path, words: &[&str]) -> String {
    ctl_of(home, "FIN", words)
}

/// Does something to an instance of a home.
pub fn ctl_of(home: &Path, sid: &str, words: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/standin.py");
    let mut command = Command::new("python3");
    let output = command
        .args(["-I", "-S"])
        .arg(script)
        .arg("ctl")
        .arg(home)
        .arg(sid)
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
