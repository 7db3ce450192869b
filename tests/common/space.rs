//! A folder of its own for one test: job files, databases, the state of vex, and the real binary
//! run in it.
//!
//! Knows no test. The binary sees no variable of this process but `PATH`; its state lies in the
//! folder too.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::binary::vex;

/// A folder for one test; gone with it.
pub struct Space {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// The binary while it runs; it does not outlive its test.
pub struct Running(pub Child);

impl Running {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.0.id() as i32).unwrap(), signal).unwrap();
    }

    /// The code it ends with, in a time far shorter than the patience of a child.
    #[track_caller]
    pub fn ends_soon(mut self) -> i32 {
        code_of(until("the run ends", || self.0.try_wait().unwrap()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        drop(self.0.kill());
        self.0.wait().unwrap();
    }
}

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; a signal's number, negated, where one ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Space {
    pub fn new() -> Space {
        Space { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// Another space with the same files.
    pub fn copy(&self) -> Space {
        let space = Space { variables: self.variables.clone(), ..Space::new() };
        for path in files(self.folder.path()) {
            let to = space.path(path.strip_prefix(self.folder.path()).unwrap().to_str().unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(path, to).unwrap();
        }
        space
    }

    /// Makes the files what they are in a copy of it: where a path tells which database is meant,
    /// a copy is another one.
    pub fn put_back(&self, kept: &Space) {
        let own = self.folder.path();
        files(own).into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
        for path in files(kept.folder.path()) {
            let to = own.join(path.strip_prefix(kept.folder.path()).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(path, to).unwrap();
        }
    }

    /// Writes `job.kdl`.
    pub fn job(self, text: &str) -> Space {
        std::fs::write(self.path("job.kdl"), text).unwrap();
        self
    }

    /// Sets a variable for every run.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Space {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path of the state folder.
    pub fn state(&self, name: &str) -> PathBuf {
        self.path("state/vex").join(name)
    }

    /// The text of a file that only the owner can read, written first.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Makes a SQLite database with `sql`.
    pub fn database(&self, name: &str, sql: &str) -> PathBuf {
        let path = self.path(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    }

    /// The binary, about to run in the folder.
    pub fn vex(&self, arguments: &[&str]) -> Command {
        let mut command = vex(self.folder.path(), arguments);
        command.envs(self.variables.iter().map(|(n, v)| (n, v)));
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.vex(arguments).output().unwrap())
    }

    /// Starts the binary.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running(self.vex(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Runs `vex run job.kdl`, which must succeed.
    #[track_caller]
    pub fn back_up(&self) -> Ran {
        self.run(&["run", "job.kdl"]).expect(0)
    }

    /// What `vex list` shows; it must find nothing wrong.
    #[track_caller]
    pub fn list(&self) -> Vec<Value> {
        self.run(&["list", "job.kdl", "--format", "json"]).expect(0).json()
    }

    /// Restores the backup that a line of `list` shows into a new file.
    #[track_caller]
    pub fn restore(&self, line: &Value, into: &str) -> PathBuf {
        let path = self.path(into);
        let (source, store, id) = (word(line, "source"), word(line, "store"), word(line, "id"));
        let target = format!("sqlite:{}", path.display());
        self.run(&[
            "restore", "job.kdl", source, "--from", store, "--backup", id, "--into", &target,
        ])
        .expect(0);
        path
    }

    /// The only row of the first column of a query on the catalog.
    pub fn catalog<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let catalog = Connection::open_with_flags(self.state("catalog.sqlite"), flags).unwrap();
        catalog.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// The text of all logs.
    pub fn logs(&self) -> String {
        let logs = files(&self.state("logs"))
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "log"));
        logs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

impl Ran {
    /// Fails with everything that was printed, unless the code is this.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output, one JSON value a line.
    pub fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: code_of(output.status),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn code_of(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| -status.signal().unwrap())
}

/// How long is waited for what comes within seconds on an idle machine: no test may depend on how
/// busy it is.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for what must come soon.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(found) => return found,
            None => assert!(Instant::now() < end, "waited in vain: {what}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A field of a JSON object that is text.
#[track_caller]
pub fn word<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// Every file below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let list = if entry.file_type().unwrap().is_dir() { &mut folders } else { &mut found };
            list.push(entry.path());
        }
    }
    found.sort();
    found
}

/// The names of the files below a folder, as paths from it.
pub fn names(folder: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    files(folder).into_iter().map(name).collect()
}

/// A field of a JSON object that is a number.
#[track_caller]
pub fn number(value: &Value, field: &str) -> usize {
    value[field].as_u64().unwrap_or_else(|| panic!("no {field} in {value}")) as usize
}

/// Schema and every stored value of a SQLite database, bit for bit, as text; it must pass its
/// integrity check.
#[track_caller]
pub fn contents(path: &Path) -> String {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(path, flags).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok", "{}", path.display());
    let mut text = String::new();
    for pragma in ["encoding", "user_version", "application_id", "auto_vacuum"] {
        text += &format!("{pragma} {}\n", rows(&db, &format!("PRAGMA {pragma}"))[0]);
    }
    for line in rows(
        &db,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1, 2",
    ) {
        text += &format!("{line}\n");
    }
    let mut tables =
        db.prepare("SELECT name FROM pragma_table_list WHERE schema='main' ORDER BY name").unwrap();
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables.iter().filter(|t| *t != "sqlite_schema") {
        text += &format!("-- {table}\n");
        let mut lines = rows(&db, &format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")));
        lines.sort();
        lines.iter().for_each(|line| text += &format!("{line}\n"));
    }
    text
}

/// Rows of a query, one line each: type and bits of every value.
pub fn rows(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut lines = Vec::new();
    let mut found = statement.query([]).unwrap();
    while let Some(row) = found.next().unwrap() {
        let mut line = String::new();
        for column in 0..columns {
            match row.get_ref(column).unwrap() {
                ValueRef::Null => line.push_str("null"),
                ValueRef::Integer(number) => write!(line, "i{number}").unwrap(),
                ValueRef::Real(number) => {
                    write!(line, "r{:016x}({number:?})", number.to_bits()).unwrap()
                }
                ValueRef::Text(text) => {
                    write!(line, "t{:?}", text.escape_ascii().to_string()).unwrap()
                }
                ValueRef::Blob(blob) => {
                    write!(line, "b{:?}", blob.escape_ascii().to_string()).unwrap()
                }
            }
            line.push(' ');
        }
        lines.push(line);
    }
    lines
}
