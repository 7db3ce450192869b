//! An instance of this machine, and its programs: `sqlplus` and `rman` of its home, with the rights
//! of the user who runs vex.
//!
//! Knows no script. Invariants: no password stands anywhere, `target /` and `/ as sysdba` are all
//! there is; a script is a file of a private folder, never an argument; messages come in English
//! and numbers in one form, whatever the machine speaks.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Stop;
use crate::job::OracleSpec;
use crate::source::contract::{Error, ErrorKind, Hear, Result};
use crate::source::oracle::message::{Ear, Told, code, of_stack};
use crate::source::program::{Private, failed};
use crate::world::{Child, ChildError};

/// RMAN that says nothing for this long is taken for dead: a piece of a large data file takes a
/// while.
const SILENCE: Duration = Duration::from_secs(6 * 3600);

/// A question that is not answered in this time never will be.
const PATIENCE: Duration = Duration::from_secs(300);

/// Most bytes of an answer.
const ANSWER: usize = 64 << 20;

/// What stands before every question, so that an answer is rows and nothing else.
const PROLOGUE: &str = "SET PAGESIZE 0 FEEDBACK OFF HEADING OFF LINESIZE 32767 TRIMSPOOL ON TAB OFF
WHENEVER SQLERROR EXIT SQL.SQLCODE
";

/// An instance and its home.
#[derive(Debug, Clone)]
pub struct Instance {
    /// `ORACLE_SID`.
    pub sid: String,
    /// `ORACLE_HOME`.
    pub home: PathBuf,
    /// Folders of its programs, searched before `bin` of its home.
    pub tools: Vec<PathBuf>,
}

impl Instance {
    /// The instance of a source; what it does not say, the environment does.
    pub fn of(spec: &OracleSpec) -> Result<Instance> {
        let doing = "find the instance";
        let from = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let missing = |what: &str, field: &str| {
            Error::new(ErrorKind::Refused, doing, format!("{what} is not set"))
                .hint(format!("Write `{field}=\"…\"` in the source, or set {what}."))
        };
        let sid = spec.sid.clone().or_else(|| from("ORACLE_SID"));
        let home = spec.home.clone().or_else(|| from("ORACLE_HOME").map(PathBuf::from));
        Ok(Instance {
            sid: sid.ok_or_else(|| missing("ORACLE_SID", "sid"))?,
            home: home.ok_or_else(|| missing("ORACLE_HOME", "home"))?,
            tools: spec.tools.clone(),
        })
    }

    /// What messages call it.
    pub fn place(&self) -> String {
        format!("oracle {}", self.sid)
    }

    /// A program of the folders of `tools`, or of the home, if it can be run.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let named = self.tools.iter().map(|folder| folder.join(name)).find(|path| path.exists());
        let path = named.unwrap_or_else(|| self.home.join("bin").join(name));
        let doing = format!("use {name}");
        let meta = std::fs::metadata(&path).map_err(|e| {
            Error::new(ErrorKind::Missing, &doing, format!("{}: {e}", path.display())).hint(
                "`home=` is the folder of the Oracle software, which has bin/rman and bin/sqlplus.",
            )
        })?;
        if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
            return Ok(path);
        }
        let found = format!("{} may not be run", path.display());
        Err(Error::new(ErrorKind::Denied, doing, found).hint("Run vex as a user of the group dba."))
    }

    /// The user whose the software is: the server writes its files as this one.
    pub fn owner(&self) -> Option<u32> {
        Some(std::fs::metadata(self.home.join("bin/oracle")).ok()?.uid())
    }

    /// Whether the instance has parameters to start with.
    pub fn has_parameters(&self) -> bool {
        let names = [format!("spfile{}.ora", self.sid), format!("init{}.ora", self.sid)];
        names.iter().any(|name| self.home.join("dbs").join(name).exists())
    }

    /// Where its control files go, by its parameter file, as far as that tells: one that is not
    /// started can't be asked.
    pub fn written_control_files(&self) -> Vec<String> {
        let names = [format!("spfile{}.ora", self.sid), format!("init{}.ora", self.sid)];
        let read = |name: &String| std::fs::read(self.home.join("dbs").join(name)).ok();
        let Some(bytes) = names.iter().find_map(read) else { return Vec::new() };
        let text = String::from_utf8_lossy(&bytes);
        let value = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let name = name.trim().rsplit('.').next()?.to_ascii_lowercase();
            (name == "control_files").then(|| value.to_owned())
        };
        let all: Vec<String> = text.lines().filter_map(value).collect();
        let plain = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '(' | ')');
        let paths = all.iter().flat_map(|value| value.split(','));
        paths.map(|path| path.trim_matches(plain).to_owned()).filter(|p| !p.is_empty()).collect()
    }

    fn child<'a>(&self, words: &'a [String]) -> Child<'a> {
        let bin = self.home.join("bin");
        let path = std::env::var("PATH").unwrap_or_default();
        Child::new(words)
            .env("ORACLE_HOME", &self.home.to_string_lossy())
            .env("ORACLE_SID", &self.sid)
            .env("PATH", &format!("{}:{path}", bin.display()))
            .env("NLS_LANG", "AMERICAN_AMERICA.AL32UTF8")
            .env("NLS_DATE_FORMAT", "YYYY-MM-DD HH24:MI:SS")
    }

    /// Asks the instance; each row is its fields.
    pub fn ask(
        &self,
        what: &str,
        sql: &str,
        private: &Private,
        stop: &Stop,
    ) -> Result<Vec<Vec<String>>> {
        let doing = format!("ask {} for {what}", self.place());
        let program = self.program("sqlplus")?;
        let script = Script::write(private, "ask.sql", &format!("{PROLOGUE}{sql};\nEXIT\n"))?;
        let words = [
            program.display().to_string(),
            "-S".into(),
            "-L".into(),
            "/".into(),
            "as".into(),
            "sysdba".into(),
            format!("@{}", script.0.display()),
        ];
        let mut lines = Vec::new();
        let child = self.child(&words).stall(PATIENCE);
        let mut bytes = 0;
        let ended = child.run(stop, &mut |line| {
            bytes += line.len();
            if bytes < ANSWER {
                lines.push(line.to_owned());
            }
        });
        let errors: Vec<String> =
            lines.iter().filter(|line| code(line).is_some()).cloned().collect();
        if !errors.is_empty() {
            return Err(of_stack(&doing, &errors));
        }
        ended.map_err(|error| failed(&doing, error))?;
        if bytes >= ANSWER {
            return Err(Error::new(ErrorKind::TooLarge, doing, "the answer is too long"));
        }
        let rows = lines.iter().filter(|line| !line.trim().is_empty());
        Ok(rows.map(|line| line.split('\t').map(|f| f.trim().to_owned()).collect()).collect())
    }

    /// Runs a script; hands every piece that was written to `piece` as soon as it is whole. Returns
    /// what was warned of; a stack of errors is an error, however RMAN ended.
    pub fn rman(
        &self,
        doing: &str,
        script: &str,
        private: &Private,
        hear: Hear,
        piece: &mut dyn FnMut(Told),
        stop: &Stop,
    ) -> Result<Vec<String>> {
        let program = self.program("rman")?;
        let script = Script::write(private, "script.rman", script)?;
        let words = [
            program.display().to_string(),
            "target".into(),
            "/".into(),
            "msgno".into(),
            "cmdfile".into(),
            script.0.display().to_string(),
        ];
        let ear = Ear::new(hear);
        let child = self.child(&words).stall(SILENCE);
        let ended = child.run(stop, &mut |line| ear.push(line).into_iter().for_each(&mut *piece));
        if let Err(error @ ChildError::Stopped(_)) = ended {
            return Err(failed(doing, error));
        }
        ear.judge(doing)?;
        ended.map_err(|error| failed(doing, error))?;
        Ok(ear.warnings())
    }
}

/// A script while it is used.
struct Script(PathBuf);

impl Script {
    fn write(private: &Private, name: &str, text: &str) -> Result<Script> {
        Ok(Script(private.write(name, text)?))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It goes with its folder otherwise.
        std::fs::remove_file(&self.0).unwrap_or_default();
    }
}

/// Whether a path leads into a folder, by its text.
pub fn is_within(path: &Path, folder: &Path) -> bool {
    path.parent() == Some(folder)
}
