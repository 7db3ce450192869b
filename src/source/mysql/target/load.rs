//! What is loaded: definitions as statements, rows through `LOAD DATA LOCAL` or as `INSERT`.
//!
//! Does not know what is asked of the target before.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::{Dialect, Kind, Member, Phase, Splitter, SqlError, Statement, read_insert};
use crate::source::contract::{Error, ErrorKind, Refused, Result, Target, is_refusal};
use crate::source::mysql::allowed::objection;
use crate::source::mysql::definer::without_definer;
use crate::source::mysql::definition::{cut, without};
use crate::source::mysql::event::{SwitchedOff, switched_off};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::feed::{Feed, all_taken, head};
use crate::source::mysql::flavor::Family;
use crate::source::mysql::object::prologue;
use crate::source::mysql::rename::{names_unit, rename};
use crate::source::mysql::schema::{holds_rows, qualified, quoted};
use crate::source::mysql::settings::is_code;
use crate::source::mysql::single::single;
use crate::source::mysql::target::{MysqlTarget, is_transactional};
use crate::source::mysql::utf8::{as_text, text_of};
use crate::world::failpoint;

/// Longest beginning of a statement that is shown.
const SHOWN: usize = 80;

/// The error of MySQL for a tablespace that is not there.
const NO_TABLESPACE: u16 = 3510;

/// The error of MySQL for a spatial reference system that is not there.
const NO_REFERENCE_SYSTEM: u16 = 3548;

/// The warning of a value that may not be NULL.
const NOT_NULL: u16 = 1048;

/// How rows are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// All of an entry, or an error.
    All,
    /// The same, and NULL where the server would not have it now.
    Nulls,
    /// Whatever the server takes, for what it took it can't give back.
    AsManyAsPossible,
}

impl MysqlTarget {
    pub(super) fn execute(
        &self,
        connection: &mut Conn,
        member: &Member,
        bytes: &[u8],
    ) -> Result<()> {
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        let done = self.statements(connection, member, bytes, &doing);
        if is_code(member.kind) {
            // Its own mode says what a quote is; whatever comes next is not of that mode.
            let own =
                "SET sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone='+00:00'";
            run(connection, "SET NAMES utf8mb4", &doing)?;
            run(connection, own, &doing)?;
        }
        done
    }

    fn statements(
        &self,
        connection: &mut Conn,
        member: &Member,
        bytes: &[u8],
        doing: &str,
    ) -> Result<()> {
        for statement in Splitter::new(Dialect::Mysql, bytes) {
            let statement =
                statement.map_err(|e| Error::new(ErrorKind::Failed, doing, e.to_string()))?;
            self.statement(connection, member, statement.text, doing)?;
            failpoint("statement done");
        }
        Ok(())
    }

    /// Refuses a statement that its member is not for.
    fn allow(&self, member: &Member, text: &str, doing: &str) -> Result<()> {
        let held = |name: &str| {
            let held = self.held.lock().expect("no panic while locked");
            held.contains(&(member.unit.clone(), name.to_owned()))
        };
        match objection(member, text, &held) {
            None => Ok(()),
            Some(why) => {
                let begin: String = text.chars().take(SHOWN).collect();
                let found = format!("vex does not run it, {why}: {}", begin.escape_debug());
                Err(Error::new(ErrorKind::Failed, doing, found))
            }
        }
    }

    /// Runs a statement of a member.
    fn statement(
        &self,
        connection: &mut Conn,
        member: &Member,
        statement: &[u8],
        doing: &str,
    ) -> Result<()> {
        // Bytes between quotes may be those of another character set; what else is no text was none
        // when it was dumped.
        let text = as_text(statement, doing).map_err(|e| Error { kind: ErrorKind::Failed, ..e })?;
        self.allow(member, &text, doing)?;
        let renamed = self.rename.lock().expect("no panic while locked").clone();
        if renamed.is_some() && member.kind == Kind::Trigger && names_unit(statement, &member.unit)
        {
            // Run as it is, it would hang on the table of the database it came from.
            let found = format!("its text names the database {}; make it by hand", member.unit);
            return Err(Error::new(ErrorKind::Failed, doing, found));
        }
        let text = match renamed.as_ref().map(|new| rename(text.as_bytes(), &member.unit, new)) {
            Some(Cow::Owned(other)) => as_text(&other, doing)?.into_owned().into(),
            Some(Cow::Borrowed(_)) | None => text,
        };
        let current = self.terms.lock().expect("no panic while locked").current_definer;
        let text = match current && member.phase == Phase::After {
            true => without_definer(&text),
            false => text,
        };
        let text = self.collated(&text);
        // Rows are literals, whatever stands in them.
        if !text.starts_with("INSERT INTO ") {
            single(connection, &text, doing)?;
        }
        match member.kind {
            Kind::Database => self.database(connection, member, &text, doing),
            Kind::Table => self.table(connection, member, &text, doing),
            Kind::Event => self.make_event(connection, member, &text, doing),
            _ => {
                connection.query_drop(self.known_modes(&text).as_ref()).map_err(|e| wrap(doing, e))
            }
        }
    }

    /// A definition with the collations that it is to have here.
    fn collated<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match text.starts_with("INSERT INTO ") {
            true => text.into(),
            false => self.collations.lock().expect("no panic while locked").apply(text),
        }
    }

    /// Makes a database; one that is there serves whoever may not make one.
    fn database(
        &self,
        connection: &mut Conn,
        member: &Member,
        text: &str,
        doing: &str,
    ) -> Result<()> {
        let error = match connection.query_drop(text).map_err(|e| wrap(doing, e)) {
            Err(error) if is_refusal(error.kind) => error,
            other => return other,
        };
        let there = format!("USE {}", quoted(&self.unit_name(&member.unit)));
        if connection.query_drop(there).is_err() {
            return Err(error);
        }
        self.remark(format!("kept: database {}: {}", member.title(), error.found));
        Ok(())
    }

    /// Makes a table, without the keys that come late.
    fn table(&self, connection: &mut Conn, member: &Member, text: &str, doing: &str) -> Result<()> {
        let cut = cut(text);
        self.create(connection, member, cut.as_ref().map_or(text, |c| &c.create), doing)?;
        if let Some(cut) = cut {
            let unit = self.unit_name(&member.unit);
            self.deferred.put(member.title(), unit, member.name.clone(), cut);
        }
        Ok(())
    }

    /// Makes a table; what only the server of the backup has is left out of it, and that is told.
    fn create(
        &self,
        connection: &mut Conn,
        member: &Member,
        text: &str,
        doing: &str,
    ) -> Result<()> {
        let error = match connection.query_drop(self.known_modes(text).as_ref()) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let clause = match &error {
            mysql::Error::MySqlError(e) if e.code == NO_TABLESPACE => "TABLESPACE",
            mysql::Error::MySqlError(e) if e.code == NO_REFERENCE_SYSTEM => "SRID",
            _ => return Err(wrap(doing, error)),
        };
        let Some(other) = without(text, clause) else { return Err(wrap(doing, error)) };
        self.create(connection, member, &other, doing)?;
        let found = wrap(doing, error).found;
        match clause {
            "SRID" => {
                let what = format!("{clause} of table {}", member.title());
                let refused = Refused::new(what, found);
                self.refused.lock().expect("no panic while locked").push(refused);
            }
            // Where a table lies changes nothing of it.
            _ => {
                self.remark(format!("table {} was made without {clause}: {found}", member.title()))
            }
        }
        Ok(())
    }

    /// Makes an event, switched off if not everything came back.
    fn make_event(
        &self,
        connection: &mut Conn,
        member: &Member,
        text: &str,
        doing: &str,
    ) -> Result<()> {
        let run = |connection: &mut Conn, text: &str| {
            connection.query_drop(self.known_modes(text).as_ref()).map_err(|e| wrap(doing, e))
        };
        if !self.events_off.load(Ordering::Relaxed) || !text.starts_with("CREATE ") {
            return run(connection, text);
        }
        match switched_off(text) {
            SwitchedOff::Already => run(connection, text),
            SwitchedOff::Now(text) => {
                run(connection, &text)?;
                let full = qualified(&self.unit_name(&member.unit), &member.name);
                self.remark(format!(
                    "event {} is switched off, for not everything came back: ALTER EVENT {full} ENABLE",
                    member.title()
                ));
                Ok(())
            }
            SwitchedOff::Unknown => {
                let found = "it can't be made switched off, and not everything came back";
                Err(Error::new(ErrorKind::Failed, doing, found))
            }
        }
    }

    /// An event that was not made.
    pub(super) fn event(&self, member: &Member, bytes: &[u8], why: String) -> Refused {
        let what = format!("{} {}", member.kind.word(), member.title());
        Refused::new(what, why).with_sql(&self.unit_name(&member.unit), self.by_hand(member, bytes))
    }

    /// Statements of a dump program: those that are refused keep the others from nothing.
    pub(super) fn script(
        &self,
        connection: &mut Conn,
        member: &Member,
        bytes: &[u8],
    ) -> Result<()> {
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        for statement in Splitter::new(Dialect::Mysql, bytes) {
            let statement =
                statement.map_err(|e| Error::new(ErrorKind::Failed, &doing, e.to_string()))?;
            match self.statement(connection, member, statement.text, &doing) {
                Err(error) if is_refusal(error.kind) => {
                    self.refuse_statement(member, &statement, error);
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Notes a statement of a script; those that insert into one table are one line.
    fn refuse_statement(&self, member: &Member, statement: &Statement<'_>, error: Error) {
        let text = String::from_utf8_lossy(statement.text);
        let (mut rows, head) = (0, head(statement.text));
        let counted = read_insert(Dialect::Mysql, statement, &mut |_, _| {
            rows += 1;
            Ok::<(), SqlError>(())
        });
        let line = head.map_or_else(
            || text.lines().next().unwrap_or_default().chars().take(SHOWN).collect(),
            |head| String::from_utf8_lossy(head).into_owned(),
        );
        let what = format!("{line} ({})", member.unit);
        let mut refused = self.refused.lock().expect("no panic while locked");
        let rows = if counted.is_ok() { rows } else { 0 };
        if let Some(same) = refused.iter_mut().find(|r| r.what == what && r.rows > 0 && rows > 0) {
            same.rows += rows;
            return;
        }
        let sql = [&prologue(&self.unit_name(&member.unit))[..], statement.text, b";\n"].concat();
        let line = Refused { rows, ..Refused::new(what, error.found) };
        refused.push(match rows {
            0 => line.with_sql(&self.unit_name(&member.unit), sql),
            _ => line,
        });
    }

    /// A setting of the SQL mode without the mode that MySQL 8 removed; it only ever concerned
    /// GRANT.
    pub(super) fn known_modes<'t>(&self, text: &'t str) -> Cow<'t, str> {
        const REMOVED: &str = "NO_AUTO_CREATE_USER";
        let is_removed = self.flavor.family == Family::Mysql && self.flavor.number >= (8, 0);
        if !is_removed || !text.starts_with("SET sql_mode=") || !text.contains(REMOVED) {
            return text.into();
        }
        text.replace(&format!("{REMOVED},"), "")
            .replace(&format!(",{REMOVED}"), "")
            .replace(REMOVED, "")
            .into()
    }

    /// Rows. Of those that the server refuses nothing stays behind, where the engine of the table
    /// can take it back.
    pub(super) fn rows(&self, connection: &mut Conn, member: &Member, bytes: &[u8]) -> Result<()> {
        let engine = self.engine(member)?;
        if !holds_rows(&engine) {
            let doing = format!("restore rows of {}", member.title());
            let found = format!("what they would go into keeps no rows of its own ({engine})");
            return Err(Error::new(ErrorKind::Failed, doing, found));
        }
        if !is_transactional(&engine) {
            let done = self.load_rows(connection, member, bytes, Taking::AsManyAsPossible);
            return done.map_err(|error| match error.kind {
                // It keeps its rows in memory: the disk is not full.
                ErrorKind::Full if engine.eq_ignore_ascii_case("MEMORY") => {
                    Error { kind: ErrorKind::Failed, ..error }
                }
                // Tried again, what is there would be there twice.
                ErrorKind::Busy => Error { kind: ErrorKind::Failed, ..error },
                _ => error,
            });
        }
        let Err(error) = self.load_rows(connection, member, bytes, Taking::All) else {
            return Ok(());
        };
        if !is_refusal(error.kind) {
            return Err(error);
        }
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        let warnings: Vec<(String, u16, String)> =
            connection.query("SHOW WARNINGS").map_err(|e| wrap(&doing, e))?;
        run(connection, "ROLLBACK", &doing)?;
        // A generated column that may not be NULL and is: the row came in under another mode.
        if warnings.iter().any(|(_, code, _)| *code == NOT_NULL) {
            match self.load_rows(connection, member, bytes, Taking::Nulls) {
                Ok(()) => return Ok(()),
                Err(error) if is_refusal(error.kind) => run(connection, "ROLLBACK", &doing)?,
                Err(error) => return Err(error),
            }
        }
        Err(error)
    }

    /// Their INSERT statements are fed to LOAD DATA where it takes them, and run where not.
    fn load_rows(
        &self,
        connection: &mut Conn,
        member: &Member,
        bytes: &[u8],
        taking: Taking,
    ) -> Result<()> {
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        // Its hash is that of the backup: nothing is damaged.
        let refused = |e: SqlError| {
            let found = format!("vex does not run it, its rows are no literals: {e}");
            Error::new(ErrorKind::Failed, &doing, found)
        };
        let ways = self.ways(&self.unit_name(&member.unit))?;
        let feeds = |head: &&[u8]| {
            !head.is_empty() && taking != Taking::Nulls && self.feeds.load(Ordering::Relaxed)
        };
        let mut feed: Option<Feed<'_>> = None;
        let mut first = Ok(());
        // Whatever can't be taken back is no reason to leave the rest.
        let mut note = |done: Result<()>| match done {
            Err(error) if taking == Taking::AsManyAsPossible && is_refusal(error.kind) => {
                first = std::mem::replace(&mut first, Ok(())).and(Err(error));
                Ok(())
            }
            other => other,
        };
        for statement in Splitter::new(Dialect::Mysql, bytes) {
            let statement = statement.map_err(refused)?;
            self.allow(member, text_of(statement.text, &doing)?, &doing)?;
            let is_insert = statement.text.starts_with(b"INSERT INTO ");
            let head = if is_insert { head(statement.text) } else { None };
            if let Some(head) = head.filter(feeds) {
                if !feed.as_ref().is_some_and(|f| f.is_of(head)) {
                    note(self.send(feed.take(), connection, &doing))?;
                    feed = Feed::open(head, &ways);
                }
                if let Some(own) = &mut feed
                    && own.take(&statement).map_err(refused)?
                {
                    if own.is_full() {
                        note(self.send(Some(own), connection, &doing))?;
                    }
                    continue;
                }
            }
            note(self.send(feed.as_mut(), connection, &doing))?;
            note(self.row_statement(connection, member, &statement, taking, &doing))?;
        }
        note(self.send(feed.as_mut(), connection, &doing))?;
        first
    }

    /// A statement of an entry of rows.
    fn row_statement(
        &self,
        connection: &mut Conn,
        member: &Member,
        statement: &Statement<'_>,
        taking: Taking,
        doing: &str,
    ) -> Result<()> {
        let text = statement.text;
        if text == b"BEGIN" && self.flavor.family == Family::Mariadb {
            // Else the first rows of an empty table lock all of it, and go through a sort that
            // doubles the work.
            run(connection, "SET unique_checks=1", doing)?;
        }
        let mut rows = 0;
        if text.starts_with(b"INSERT INTO ") {
            read_insert(Dialect::Mysql, statement, &mut |_, _| {
                rows += 1;
                Ok::<(), SqlError>(())
            })
            .map_err(|e| {
                let found = format!("vex does not run it, its rows are no literals: {e}");
                Error::new(ErrorKind::Failed, doing, found)
            })?;
        }
        if let Some(rest) = text.strip_prefix(b"INSERT INTO ").filter(|_| taking != Taking::All) {
            let ignoring = format!("INSERT IGNORE INTO {}", text_of(rest, doing)?);
            connection.query_drop(ignoring).map_err(|e| wrap(doing, e))?;
            return all_taken(connection, rows, doing);
        }
        let renamed = self.rename.lock().expect("no panic while locked").clone();
        let text = match &renamed {
            Some(new) => rename(text, &member.unit, new),
            None => text.into(),
        };
        connection.query_drop(text_of(&text, doing)?).map_err(|e| wrap(doing, e))
    }

    /// Sends what waits, as INSERT statements if the server takes nothing else.
    pub(super) fn send<'a>(
        &self,
        feed: Option<impl std::borrow::BorrowMut<Feed<'a>>>,
        connection: &mut Conn,
        doing: &str,
    ) -> Result<()> {
        let Some(mut feed) = feed else { return Ok(()) };
        failpoint("rows sent before");
        if let Err(statements) = feed.borrow_mut().send(connection, doing)? {
            self.feeds.store(false, Ordering::Relaxed);
            for statement in statements {
                connection.query_drop(text_of(statement, doing)?).map_err(|e| wrap(doing, e))?;
            }
        }
        Ok(())
    }
}
