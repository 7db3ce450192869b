//! A SQLite file as a target: the exact file as a whole, or single tables from their SQL.
//!
//! The whole file is written under another name, checked, synced, recounted and only then renamed;
//! nobody ever sees half of it, or one that is not proven. What a killed restore left under such a
//! name is swept by the next into the same folder. Values of single tables are bound, not parsed by SQLite, so a REAL comes back bit for
//! bit. Nothing of an entry reaches a shell; dot-commands are no SQL.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ToSql};
use tempfile::TempPath;

use crate::artifact::{Dialect, Kind, Member, Proof, SqlError, Value, read_rows, write_name};
use crate::base::Stop;
use crate::source::contract::{
    Error, ErrorKind, Load, Loading, Proven, Refused, Result, Target, is_refusal,
};
use crate::source::sqlite::authorizer::guard;
use crate::source::sqlite::check::{Soundness, check};
use crate::source::sqlite::copy::{open_copy, stage, sweep};
use crate::source::sqlite::open::{BUSY, failed};
use crate::source::sqlite::rows;
use crate::world::failpoint;

/// What the names of files begin with that are not yet in place.
const PREFIX: &str = ".vex-restore-";

/// A file to restore into.
pub struct SqliteTarget {
    path: PathBuf,
    threads: usize,
    whole: OnceLock<Whole>,
    /// Guards the one connection that loads SQL.
    connection: Mutex<Option<Connection>>,
    /// Guards what the user is told.
    remarks: Mutex<Vec<String>>,
}

struct Whole {
    /// Locked as long as it has no name of its own.
    file: File,
    /// Guards its name, until it is in place.
    temporary: Mutex<Option<TempPath>>,
    overwrite: bool,
}

impl SqliteTarget {
    /// The file at `path`, which need not exist.
    pub fn new(path: &Path, threads: usize) -> SqliteTarget {
        SqliteTarget {
            path: path.to_owned(),
            threads,
            whole: OnceLock::new(),
            connection: Mutex::new(None),
            remarks: Mutex::default(),
        }
    }

    fn remark(&self, text: String) {
        self.remarks.lock().expect("no panic while locked").push(text);
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.path.display())
    }

    /// Opens the file, or what is to be it.
    fn open(&self) -> Result<Connection> {
        let doing = self.doing("open");
        if let Some(whole) = self.whole.get() {
            let own = whole.temporary.lock().expect("no panic while locked");
            return open_copy(own.as_deref().unwrap_or(&self.path), &doing);
        }
        let connection = Connection::open(&self.path).map_err(|e| failed(&doing, e))?;
        connection.busy_timeout(BUSY).map_err(|e| failed(&doing, e))?;
        connection
            // A row that was there comes back, whatever a CHECK says of it now.
            .execute_batch(
                "PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON;",
            )
            .map_err(|e| failed(&doing, e))?;
        Ok(connection)
    }

    /// Refuses a path where no file can be: it is a folder, or goes through what is none.
    fn can_be_file(&self) -> Result<()> {
        let refuse = |found: String| {
            let error = Error::new(ErrorKind::Refused, self.doing("restore into"), found);
            Err(error.hint("Name the file itself: `--into sqlite:FOLDER/NAME.db`."))
        };
        if self.path.is_dir() {
            return refuse("it is a folder; nothing was written".to_owned());
        }
        // Folders that are not there are made.
        let above = self.path.ancestors().skip(1).find(|folder| folder.exists());
        match above {
            Some(above) if !above.is_dir() => {
                refuse(format!("{} is no folder; nothing was written", above.display()))
            }
            _ => Ok(()),
        }
    }

    /// Removes what killed restores left in the folder.
    fn sweep(&self) {
        let folder = folder_of(&self.path);
        if let Err(error) = sweep(folder, PREFIX) {
            self.remark(format!("not swept: {}: {error}", folder.display()));
        }
    }

    fn begin_whole(&self, overwrite: bool) -> Result<()> {
        let doing = self.doing("restore into");
        for suffix in ["-wal", "-shm", "-journal"] {
            let mut beside = self.path.clone().into_os_string();
            beside.push(suffix);
            if Path::new(&beside).exists() {
                let found = format!(
                    "{} exists: an application may have the database open",
                    Path::new(&beside).display()
                );
                return Err(Error::new(ErrorKind::Exists, doing, found)
                    .hint("Stop the application and let it close the database, or restore into another file."));
            }
        }
        let io = |e: std::io::Error| Error::new(ErrorKind::Failed, &doing, e.to_string());
        let folder = folder_of(&self.path);
        std::fs::create_dir_all(folder).map_err(io)?;
        self.sweep();
        let (file, temporary) = stage(folder, PREFIX).map_err(io)?.into_parts();
        failpoint("file made");
        let whole = Whole { file, temporary: Mutex::new(Some(temporary)), overwrite };
        self.whole
            .set(whole)
            .map_err(|_| Error::new(ErrorKind::Failed, doing, "BUG: prepared twice"))
    }

    fn load_rows(&self, connection: &mut Connection, bytes: &[u8]) -> Result<()> {
        let doing = self.doing("load rows into");
        let transaction = connection.transaction().map_err(|e| failed(&doing, e))?;
        let mut prepared: Option<(Vec<u8>, rusqlite::Statement<'_>)> = None;
        let error = |e: LoadError| match e {
            LoadError::Sql(e) => Error::new(ErrorKind::Damaged, &doing, e.to_string()),
            LoadError::Sqlite(e) => failed(&doing, e),
        };
        read_rows(Dialect::Sqlite, bytes, &mut |head,
                                                values|
         -> std::result::Result<(), LoadError> {
            if prepared.as_ref().is_none_or(|(h, _)| h != head) {
                let marks = vec!["?"; values.len()].join(",");
                let sql = format!("{} VALUES ({marks})", String::from_utf8_lossy(head));
                prepared = Some((head.to_vec(), transaction.prepare(&sql)?));
            }
            if let Some((_, statement)) = &mut prepared {
                let bound: Vec<Bound<'_, '_>> = values.iter().map(Bound).collect();
                statement.execute(rusqlite::params_from_iter(bound))?;
            }
            Ok(())
        })
        .map_err(error)?;
        drop(prepared);
        transaction.commit().map_err(|e| failed(&doing, e))
    }
}

enum LoadError {
    Sql(SqlError),
    Sqlite(rusqlite::Error),
}

impl From<SqlError> for LoadError {
    fn from(error: SqlError) -> LoadError {
        LoadError::Sql(error)
    }
}

impl From<rusqlite::Error> for LoadError {
    fn from(error: rusqlite::Error) -> LoadError {
        LoadError::Sqlite(error)
    }
}

/// A value of an entry as SQLite takes it.
struct Bound<'a, 'b>(&'a Value<'b>);

impl ToSql for Bound<'_, '_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Owned(SqlValue::Null),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text)),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Number(literal) => {
                let text = String::from_utf8_lossy(literal);
                let broken = |_| {
                    rusqlite::Error::ToSqlConversionFailure(
                        format!("{text} is not a number").into(),
                    )
                };
                ToSqlOutput::Owned(if literal.iter().any(|b| matches!(b, b'.' | b'e' | b'E')) {
                    SqlValue::Real(text.parse().map_err(|_| broken(()))?)
                } else {
                    SqlValue::Integer(text.parse().map_err(|_| broken(()))?)
                })
            }
        })
    }
}

impl Target for SqliteTarget {
    fn existing(&self, loading: &Loading, stop: &Stop) -> Result<Vec<String>> {
        stop.check()?;
        if loading.rename.is_some() {
            return Err(Error::new(
                ErrorKind::Refused,
                self.doing("restore into"),
                "a SQLite file has one database without a name",
            )
            .hint("Leave `--as` out and name another file with `--into sqlite:PATH`."));
        }
        self.can_be_file()?;
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        if loading.members.iter().any(|m| m.kind == Kind::File) {
            return Ok(vec![format!("file {}", self.path.display())]);
        }
        let connection = self.open()?;
        let there =
            present(&connection, &loading.members).map_err(|e| failed(&self.doing("ask"), e))?;
        let objects = there.into_iter().filter(|m| !matches!(m.kind, Kind::Rows | Kind::Settings));
        Ok(objects.map(|m| format!("{} {}", m.kind.word(), m.name)).collect())
    }

    fn prepare(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        stop.check()?;
        if loading.members.iter().any(|m| m.kind == Kind::File) {
            return self.begin_whole(loading.overwrite);
        }
        self.sweep();
        let mut connection = self.open()?;
        let doing = self.doing("make room in");
        if loading.overwrite {
            let there = present(&connection, &loading.members).map_err(|e| failed(&doing, e))?;
            for member in there.iter().filter(|m| {
                matches!(m.kind, Kind::Table | Kind::View | Kind::Index | Kind::Trigger)
            }) {
                let mut sql = format!("DROP {} IF EXISTS ", member.kind.word()).into_bytes();
                write_name(Dialect::Sqlite, &member.name, &mut sql);
                failpoint("room made");
                match connection
                    .execute_batch(&String::from_utf8_lossy(&sql))
                    .map_err(|e| failed(&doing, e))
                {
                    // What stays in the way is named when it can't be made anew.
                    Err(error) if is_refusal(error.kind) => self.remark(format!(
                        "kept: {} {}: {}",
                        member.kind.word(),
                        member.title(),
                        error.found
                    )),
                    other => other?,
                }
            }
        }
        guard(&mut connection).map_err(|e| failed(&doing, e))?;
        *self.connection.lock().expect("no panic while locked") = Some(connection);
        Ok(())
    }

    fn load(&self, _: usize, load: Load<'_>, stop: &Stop) -> Result<()> {
        stop.check()?;
        if load.member.kind == Kind::File {
            let whole = self.whole.get().expect("BUG: loaded before prepared");
            let fail = |e: std::io::Error| {
                Error::new(ErrorKind::Failed, self.doing("write"), e.to_string())
            };
            return whole.file.write_all_at(load.bytes, load.offset).map_err(fail);
        }
        let mut guard = self.connection.lock().expect("no panic while locked");
        let connection = guard.as_mut().expect("BUG: loaded before prepared");
        if load.member.kind == Kind::Rows {
            return self.load_rows(connection, load.bytes);
        }
        let text = std::str::from_utf8(load.bytes).map_err(|e| {
            Error::new(ErrorKind::Failed, format!("load {}", load.member.title()), e.to_string())
        })?;
        // The state of AUTOINCREMENT means something only where its table is.
        let doing = format!("load {} {}", load.member.kind.word(), load.member.title());
        connection.execute_batch(text).map_err(|e| failed(&doing, e))
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Sqlite)
    }

    fn settle(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        drop(self.connection.lock().expect("no panic while locked").take());
        let Some(whole) = self.whole.get() else { return Ok(()) };
        let doing = self.doing("check what is to be");
        let fail = |e: std::io::Error| Error::new(ErrorKind::Failed, &doing, e.to_string());
        whole.file.sync_all().map_err(fail)?;
        failpoint("file synced");
        // Where it may not write, quick_check passes over CHECK constraints.
        let own = whole.temporary.lock().expect("no panic while locked");
        let soundness = Connection::open(own.as_deref().unwrap_or(&self.path))
            .and_then(|connection| check(&connection));
        match soundness.map_err(|e| failed(&doing, e))? {
            Soundness::Sound { odd, unchecked } => {
                let unchecked = unchecked.into_iter().map(|line| format!("not checked: {line}"));
                odd.into_iter().chain(unchecked).for_each(|line| self.remark(line));
                Ok(())
            }
            Soundness::Damaged(found) => {
                let found = format!("quick_check says {found}");
                Err(Error::new(ErrorKind::Damaged, doing, found))
            }
        }
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        let Some(whole) = self.whole.get() else { return Ok(()) };
        let Some(temporary) = whole.temporary.lock().expect("no panic while locked").take() else {
            return Ok(());
        };
        let doing = self.doing("put in place");
        let fail = |e: std::io::Error| Error::new(ErrorKind::Failed, &doing, e.to_string());
        let placed = match whole.overwrite {
            true => temporary.persist(&self.path),
            false => temporary.persist_noclobber(&self.path),
        };
        placed.map_err(|e| match e.error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::Exists, &doing, "it appeared meanwhile")
            }
            _ => fail(e.error),
        })?;
        failpoint("file in place");
        File::open(folder_of(&self.path)).and_then(|f| f.sync_all()).map_err(fail)
    }

    fn prove(&self, _: usize, member: &Member, stop: &Stop) -> Result<Proof> {
        stop.check()?;
        rows::prove(&self.open()?, &member.name)
            .map_err(|e| failed(&format!("recount {}", member.title()), e))
    }

    fn release(&self, _: &Proven, stop: &Stop) -> Result<Vec<Refused>> {
        stop.check()?;
        Ok(Vec::new())
    }

    fn missing(&self, members: &[Member], stop: &Stop) -> Result<Vec<Member>> {
        stop.check()?;
        let there = present(&self.open()?, members).map_err(|e| failed(&self.doing("ask"), e))?;
        Ok(members.iter().filter(|m| !there.contains(m)).cloned().collect())
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.lock().expect("no panic while locked").clone()
    }

    fn workers(&self) -> usize {
        self.threads.max(1)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Which of the members are there.
fn present(connection: &Connection, members: &[Member]) -> rusqlite::Result<Vec<Member>> {
    let mut statement =
        connection.prepare("SELECT count(*) FROM sqlite_schema WHERE type=?1 AND name=?2")?;
    let mut there = Vec::new();
    for member in members {
        let form = match member.kind {
            Kind::Rows => "table",
            Kind::File | Kind::Settings => {
                there.push(member.clone());
                continue;
            }
            kind => kind.word(),
        };
        if statement.query_row([form, member.name.as_str()], |row| row.get::<_, i64>(0))? > 0 {
            there.push(member.clone());
        }
    }
    Ok(there)
}
