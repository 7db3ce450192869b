//! A copy of one frozen folder, and what every one of them must give.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::space::{Space, files, word};
use crate::format::frozen::home;
use crate::postgres::end_to_end::assert_same;

/// The password of the sealed ones.
pub const SEAL: &str = "CANARY-frozen-seal";

/// A frozen folder, copied.
pub struct Frozen {
    folder: &'static str,
    pub space: Space,
    source: String,
}

impl Frozen {
    /// Copies a folder of `tests/frozen`.
    #[track_caller]
    pub fn thaw(folder: &'static str) -> Frozen {
        let (from, space) = (home().join(folder), Space::new().env("FROZEN_SEAL", SEAL));
        for path in files(&from) {
            let to = space.path(path.strip_prefix(&from).unwrap().to_str().unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(path, to).unwrap();
        }
        let mut frozen = Frozen { folder, space, source: String::new() };
        if frozen.has("list.json") {
            frozen.source = word(&frozen.listed()[0], "source").to_owned();
        }
        frozen
    }

    /// Whether it holds a file.
    pub fn has(&self, name: &str) -> bool {
        self.space.path(name).exists()
    }

    /// A file as text.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.space.path(name)).unwrap()
    }

    /// The container of the newest backup.
    pub fn container(&self) -> PathBuf {
        self.space.path("store").join(word(self.listed().last().unwrap(), "key"))
    }

    /// What the binary of its time listed.
    fn listed(&self) -> Vec<Value> {
        self.text("list.json").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What is listed today, in the order of time; every field says what it said then.
    #[track_caller]
    pub fn lists(&self) -> Vec<Value> {
        let (listed, before) = (self.space.list(), self.listed());
        assert_eq!(listed.len(), before.len(), "{}", self.folder);
        for (line, old) in listed.iter().zip(before) {
            for (field, value) in old.as_object().unwrap().iter().filter(|(f, _)| *f != "version") {
                let value = match value.as_str() {
                    // The words of version 1.
                    Some("Sucesso") => "success".into(),
                    Some("Alerta") => "alert".into(),
                    Some("Erro") => "error".into(),
                    Some(_) | None => value.clone(),
                };
                assert_eq!(line[field], value, "{}: {field}", self.folder);
            }
            let knows = old["version"] != 1;
            assert_eq!(line["origin"].is_string(), knows, "{}: origin", self.folder);
        }
        listed
    }

    /// The same, and each of them is read and found whole.
    #[track_caller]
    pub fn lists_and_verifies(&self) -> Vec<Value> {
        let listed = self.lists();
        for line in &listed {
            let id = word(line, "id");
            self.space.run(&["verify", "job.kdl", &self.source, "--backup", id]).expect(0);
        }
        listed
    }

    /// Restores, with these words.
    #[track_caller]
    pub fn restores(&self, more: &[&str]) {
        self.space.run(&[&["restore", "job.kdl", &self.source], more].concat()).expect(0);
    }

    /// The file that `vex export` writes, with these words.
    #[track_caller]
    pub fn exports(&self, more: &[&str]) -> PathBuf {
        let words = ["export", "job.kdl", &self.source, "--sql", "export.sql", "--overwrite"];
        self.space.run(&[&words[..], more].concat()).expect(0);
        self.space.path("export.sql")
    }
}

/// Feeds a file to a client program, which must be well; returns what it said.
#[track_caller]
pub fn feed(mut client: Command, file: &Path) -> String {
    let output = client.stdin(Stdio::from(File::open(file).unwrap())).output().unwrap();
    assert!(output.status.success(), "{client:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a client program answers to a frozen file of questions.
#[track_caller]
pub fn answers(client: Command, frozen: &Frozen, questions: &str) -> String {
    feed(client, &frozen.space.path(questions))
}

/// Compares with what was answered when it was frozen.
#[track_caller]
pub fn same(found: &str, frozen: &Frozen, expected: &str) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_same(&lines(found), &lines(&frozen.text(expected)));
}
