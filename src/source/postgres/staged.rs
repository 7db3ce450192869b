//! Archives of `pg_dump` on their way back: staged as files, and given to `pg_restore`, which talks
//! to the server itself.
//!
//! Knows the names of the files of a directory, and takes no other: a name of a backup never
//! becomes a path elsewhere. What `pg_restore` says is judged line by line; an error that is not
//! known to be harmless is a difference from the backup.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::artifact::{Kind, Member};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Loading, Refused, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::program;
use crate::source::postgres::script::is_harmless;
use crate::source::postgres::toc;
use crate::source::program::Private;
use crate::source::program::failed;
use crate::world::ChildError;

/// What the name of an archive of the custom format ends with.
pub const ARCHIVE: &str = ".dump";

/// Bytes that hold the head of an archive.
const HEAD: usize = 4096;

/// Whether `pg_dump` calls a file of a directory so, uncompressed.
pub fn is_file(name: &str) -> bool {
    let numbered = |head: &str, tail: &str| {
        let number = name.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    ["toc.dat", "blobs.toc"].contains(&name)
        || numbered("", ".dat")
        || numbered("blob_", ".dat")
        || numbered("blobs_", ".toc")
}

/// Archives that are restored.
pub struct Archives {
    staging: PathBuf,
    tools: Vec<PathBuf>,
    /// Guards the folder, and the archive of each database in it.
    open: Mutex<(Option<Private>, BTreeMap<String, PathBuf>)>,
    /// Guards those that wait for `pg_restore`.
    due: Mutex<Vec<Option<(String, PathBuf)>>>,
}

/// How an archive is restored.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// The server.
    pub connector: &'a Connector,
    /// The database in it.
    pub database: &'a str,
    /// Connections.
    pub jobs: usize,
    /// Whether everything becomes the restoring role's.
    pub without_owner: bool,
    /// Rows that are all that is restored: their numbers in the archive.
    pub rows: Option<&'a [i64]>,
}

impl Archives {
    /// None yet; they will be staged below `staging`.
    pub fn new(staging: &Path, tools: &[PathBuf]) -> Archives {
        let (staging, tools) = (staging.to_owned(), tools.to_vec());
        Archives { staging, tools, open: Mutex::default(), due: Mutex::default() }
    }

    /// Where programs are looked for.
    pub fn tools(&self) -> &[PathBuf] {
        &self.tools
    }

    /// Looks for the program, and for room to stage, before anything is written.
    pub fn agree(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        if loading.members.iter().any(|m| m.kind == Kind::File) {
            self.make_room(loading.staged)?;
            let digits: String =
                loading.server.chars().skip_while(|c| !c.is_ascii_digit()).collect();
            let major: u32 = digits.split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            program::find(&self.tools, "pg_restore", major * 10_000, stop)?;
        }
        Ok(())
    }

    /// Makes the folder, where so many bytes have room.
    fn make_room(&self, bytes: u64) -> Result<()> {
        let mut open = self.open.lock().expect("no panic while locked");
        let private = match &mut open.0 {
            Some(private) => private,
            None => open.0.insert(Private::create(&self.staging)?),
        };
        private.has_room(bytes, "or restore on a machine that has the room")
    }

    /// Takes some bytes of a file.
    pub fn put(&self, member: &Member, offset: u64, bytes: &[u8]) -> Result<()> {
        let doing = format!("stage {}", member.title());
        let single = member.name.ends_with(ARCHIVE);
        if !single && !is_file(&member.name) {
            let found = format!("{} is no file of pg_dump", member.name.escape_debug());
            return Err(Error::new(ErrorKind::Damaged, doing, found));
        }
        let path = {
            let mut open = self.open.lock().expect("no panic while locked");
            if open.0.is_none() {
                open.0 = Some(Private::create(&self.staging)?);
            }
            let (private, archives) = &mut *open;
            let base = private.as_ref().expect("it was just made").path();
            let number = archives.len();
            let archive = archives
                .entry(member.unit.clone())
                .or_insert_with(|| base.join(number.to_string()))
                .clone();
            if single { archive } else { archive.join(&member.name) }
        };
        let write = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all_at(bytes, offset)
        };
        write().map_err(|e: std::io::Error| {
            let error = Error::new(ErrorKind::Failed, doing, format!("{}: {e}", path.display()));
            error.hint("Archives of pg_dump are staged there; `staging path=` of the site file names a folder of another disk.")
        })
    }

    /// How many wait, now that all of their bytes came.
    pub fn ready(&self) -> usize {
        let archives = std::mem::take(&mut self.open.lock().expect("no panic while locked").1);
        let mut due = self.due.lock().expect("no panic while locked");
        *due = archives.into_iter().map(Some).collect();
        due.len()
    }

    /// Takes one that waits: its database, and where it is.
    pub fn take(&self, number: usize) -> Option<(String, PathBuf)> {
        self.due.lock().expect("no panic while locked").get_mut(number)?.take()
    }

    /// Restores one; returns what was refused, and what was passed over.
    pub fn restore(
        &self,
        path: &Path,
        how: How<'_>,
        stop: &Stop,
    ) -> Result<(Vec<Refused>, Vec<String>)> {
        let doing = format!("restore {} with pg_restore", how.database);
        let major = maker(path).map_err(|found| Error::new(ErrorKind::Damaged, &doing, found))?;
        let program = program::find(&self.tools, "pg_restore", major * 10_000, stop)?;
        let mut words = vec![
            program.path.display().to_string(),
            format!("--dbname=dbname={}", conninfo(how.database)),
            format!("--jobs={}", how.jobs.max(1)),
            "--no-password".into(),
        ];
        if how.without_owner {
            words.push("--no-owner".into());
        }
        if let Some(rows) = how.rows {
            let list = path.with_extension("list");
            let lines: String = rows.iter().map(|number| format!("{number};\n")).collect();
            let written =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&list);
            written.and_then(|mut file| file.write_all(lines.as_bytes())).map_err(|e| {
                Error::new(
                    ErrorKind::Failed,
                    format!("list what {} needs", how.database),
                    format!("{}: {e}", list.display()),
                )
            })?;
            words.push(format!("--use-list={}", list.display()));
        }
        words.push(path.display().to_string());
        let mut said = Vec::new();
        let child = how.connector.child(&words, how.database)?.env("LC_ALL", "C");
        let ended = child.run(stop, &mut |line| said.push(line.to_owned()));
        let judged = judge(&said);
        match ended {
            Ok(_) => {}
            // It goes on after an error and counts; without the count it gave up.
            Err(ChildError::Failed { .. }) if judged.whole => {}
            Err(error) => return Err(failed(&doing, error)),
        }
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .map_err(|e| {
                Error::new(ErrorKind::Failed, doing, format!("{}: {e}", path.display()))
            })?;
        Ok((judged.refused, judged.passed))
    }
}

/// The major version of the `pg_dump` that made an archive.
fn maker(path: &Path) -> std::result::Result<u32, String> {
    let path = if path.is_dir() { path.join("toc.dat") } else { path.to_owned() };
    let mut head = vec![0; HEAD];
    let read = std::fs::File::open(&path).and_then(|file| file.read_at(&mut head, 0));
    head.truncate(read.map_err(|e| format!("{}: {e}", path.display()))?);
    toc::maker(&head).map_err(|e| format!("its archive is not understood: {e}"))
}

/// A value of a connection string, whatever it holds.
pub fn conninfo(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// What `pg_restore` came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    refused: Vec<Refused>,
    passed: Vec<String>,
    /// Whether it came to its end, and counted its errors.
    whole: bool,
}

/// Judges what it said: an error begins with `error:`, and the statement may follow it.
fn judge(said: &[String]) -> Judged {
    let mut judged = Judged::default();
    let mut what = "pg_restore".to_owned();
    let mut lines = said.iter().map(String::as_str).peekable();
    while let Some(line) = lines.next() {
        let Some((program, rest)) = line.split_once(": ") else { continue };
        if program.rsplit('/').next() != Some("pg_restore") {
            continue;
        }
        if let Some(entry) = rest.strip_prefix("from TOC entry ") {
            // A number, two identifiers, then what it is.
            what = entry.splitn(4, ' ').nth(3).unwrap_or(entry).to_owned();
        } else if rest.starts_with("warning: errors ignored on restore: ") {
            judged.whole = true;
        } else if let Some(text) = rest.strip_prefix("warning: ") {
            judged.passed.push(format!("pg_restore warned: {text}"));
        } else if let Some(text) = rest.strip_prefix("error: ") {
            let why = text.split_once("ERROR:  ").map_or(text, |(_, why)| why).to_owned();
            let mut statement = None;
            while let Some(more) = lines.next_if(|l| !l.starts_with("pg_restore: ")) {
                statement = statement.or(more.strip_prefix("Command was: "));
            }
            match statement.filter(|s| is_harmless(s)) {
                Some(statement) => judged.passed.push(format!("passed over: {statement}: {why}")),
                None => judged.refused.push(Refused::new(what.clone(), why)),
            }
        }
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_directory_are_taken() {
        for good in ["toc.dat", "3345.dat", "blobs.toc", "blobs_12.toc", "blob_4242.dat"] {
            assert!(is_file(good), "{good}");
        }
        for bad in
            ["../toc.dat", "/etc/passwd", ".dat", "blob_.dat", "toc.dat.gz", "3345.dat/x", ""]
        {
            assert!(!is_file(bad), "{bad}");
        }
    }

    #[test]
    fn what_has_no_room_is_refused_before_a_byte_of_it_is_fetched() {
        let staging = tempfile::tempdir().expect("a folder");
        let archives = Archives::new(staging.path(), &[]);
        archives.make_room(1).expect("a byte has room");
        let error = archives.make_room(u64::MAX).expect_err("too much");
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.found.contains("are free there") && error.hint.is_some(), "{error}");
    }

    #[test]
    fn a_name_is_a_value_of_a_connection_string_and_nothing_else() {
        assert_eq!(conninfo("a' host='x\\"), "'a\\' host=\\'x\\\\'");
    }

    #[test]
    fn errors_are_told_with_what_they_are_about_and_only_the_harmless_are_passed_over() {
        let said = "pg_restore: while INITIALIZING:\n\
            pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"\n\
            Command was: SET transaction_timeout = 0;\n\
            pg_restore: while PROCESSING TOC:\n\
            pg_restore: from TOC entry 3345; 1259 16386 TABLE orders shop\n\
            pg_restore: error: could not execute query: ERROR:  role \"shop\" does not exist\n\
            Command was: ALTER TABLE public.orders OWNER TO shop;\n\n\
            pg_restore: warning: errors ignored on restore: 2";
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let judged = judge(&lines);
        assert_eq!(
            judged.refused,
            [Refused::new("TABLE orders shop", "role \"shop\" does not exist")]
        );
        assert_eq!(judged.passed.len(), 1);
        assert!(judged.whole);
        assert!(!judge(&lines[..6]).whole);
    }
}
