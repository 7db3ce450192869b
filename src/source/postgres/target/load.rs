//! What is loaded: definitions, rows, scripts and whole archives, each on a worker's connection.
//!
//! Does not know what is asked of the target before. What the server refuses is kept for the one
//! who asks, and stops nothing else.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use postgres::Client;
use postgres::error::SqlState;

use crate::artifact::{CopyEntry, Kind, Member, Phase};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Loading, Refused, Result, is_refusal};
use crate::source::postgres::contents::Contents;
use crate::source::postgres::creation;
use crate::source::postgres::deferred::Waiting;
use crate::source::postgres::definition::{OWNER, Script, qualified};
use crate::source::postgres::fault::{run, wrap, wrap_io};
use crate::source::postgres::interrupted::{Mark, is_there};
use crate::source::postgres::large;
use crate::source::postgres::present::Present;
use crate::source::postgres::script::{Left, run_script};
use crate::source::postgres::staged::How;

use crate::source::postgres::target::{MESSAGE, PostgresTarget, TRIES};

/// SQLSTATE of a setting whose value is none: a tablespace that is not there.
const NO_SUCH_VALUE: &str = "22023";

impl PostgresTarget {
    /// Makes the database, if it is not there. One that an interrupted restore made, and perhaps
    /// did no more to, is set up again.
    pub(super) fn create(&self, unit: &str, text: &str) -> Result<()> {
        let (name, resumes) = (self.unit_name(unit), self.resumes.load(Ordering::Relaxed));
        let mut client = self.maintenance("restore into")?;
        let is_new = !Present::has_database(&mut client, &name)?;
        if is_new {
            creation::create(&mut client, text, (unit, &name))?;
        }
        if is_new || (resumes && self.is_bare(&mut client, &name)?) {
            self.interrupted.mark(&mut client, &name, Mark::Made)?;
            let without_owner = self.terms.lock().expect("no panic while locked").0;
            let refused = creation::equip(&mut client, text, (unit, &name), without_owner)?;
            self.refused.lock().expect("no panic while locked").extend(refused);
        }
        self.interrupted.mark(&mut client, &name, Mark::Begun)
    }

    /// Whether an interrupted restore made a database and was killed before it was set up.
    fn is_bare(&self, client: &mut Client, name: &str) -> Result<bool> {
        Ok(match Mark::of(client, name)? {
            Some(mark) => mark == Mark::Made,
            // It was killed before it could mark what it made.
            None => Present::of(&mut self.connector.session(name, "ask")?)?.is_empty(),
        })
    }

    /// Runs a script; an owner that can't be given is told.
    pub(super) fn define(&self, client: &mut Client, member: &Member, text: &str) -> Result<()> {
        let title = format!("{} {}", member.kind.word(), member.title());
        let doing = format!("restore {title}");
        let (made, owner) = text.rsplit_once(OWNER).unwrap_or((text, ""));
        let mut tries = 1;
        let done = loop {
            match client.batch_execute(made).map_err(|e| wrap(&doing, e)) {
                Err(error) if error.kind == ErrorKind::Busy && tries < TRIES => tries += 1,
                other => break other,
            }
        };
        // Where a table lies changes nothing of it.
        let done = match (done, elsewhere(made)) {
            (Err(error), Some(other)) if error.is_state(NO_SUCH_VALUE) => {
                let done = client.batch_execute(&other).map_err(|e| wrap(&doing, e));
                done.map(|()| self.remark(format!("{title} is in no tablespace: {}", error.found)))
            }
            (done, _) => done,
        };
        match done {
            Err(error) if !self.goes_on_with(client, member, &error)? => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let without_owner = self.terms.lock().expect("no panic while locked").0;
        if without_owner || owner.is_empty() {
            return Ok(());
        }
        match client.batch_execute(owner).map_err(|e| wrap(&doing, e)) {
            Err(error) if is_refusal(error.kind) => {
                self.refuse(format!("owner of {title}"), error, (&member.unit, owner));
                Ok(())
            }
            other => other,
        }
    }

    /// Whether what can't be made was made by the restore that goes on.
    fn goes_on_with(&self, client: &mut Client, member: &Member, error: &Error) -> Result<bool> {
        if !self.resumes.load(Ordering::Relaxed) || !is_refusal(error.kind) {
            return Ok(false);
        }
        if member.kind == Kind::Table {
            // Rows may go into a table only if it has none.
            let name = self.unit_name(&member.unit);
            return Ok(
                error.kind == ErrorKind::Exists && self.interrupted.is_emptied(&name, member)
            );
        }
        Ok(error.kind == ErrorKind::Exists || is_there(client, member)?)
    }

    /// A definition before the rows: what exists already and holds no rows is kept, and that is
    /// told.
    pub(super) fn before(&self, client: &mut Client, member: &Member, text: &str) -> Result<()> {
        let part = self.terms.lock().expect("no panic while locked").1;
        let title = format!("{} {}", member.kind.word(), member.title());
        match self.define(client, member, text) {
            Err(error)
                if error.kind == ErrorKind::Exists
                    && (part || member.class.as_deref() == Some("schema"))
                    && member.kind != Kind::Table =>
            {
                self.remark(format!("kept: {title}: {}", error.found));
                Ok(())
            }
            Err(error)
                if is_refusal(error.kind)
                    && part
                    && member.table.is_none()
                    && member.kind == Kind::Object =>
            {
                self.remark(format!("left out: {title}: {}", error.found));
                Ok(())
            }
            other => other,
        }
    }

    /// A definition: now, or with those that wait for the rows.
    pub(super) fn definition(&self, worker: usize, member: &Member, text: String) -> Result<()> {
        if member.class.as_deref() == Some("event trigger") {
            let waiting = Waiting { member: member.clone(), text };
            self.event_triggers.lock().expect("no panic while locked").push(waiting);
            return Ok(());
        }
        if member.phase == Phase::After || self.deferred.is_lone(member, "table attach") {
            self.deferred.put(member, text);
            return Ok(());
        }
        self.on(&self.loaders[worker], &member.unit, &mut |client| {
            self.before(client, member, &text)
        })
    }

    /// Rows: the lines of an entry, as they are.
    pub(super) fn rows(&self, client: &mut Client, member: &Member, entry: &[u8]) -> Result<()> {
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        let damaged = |found: String| Error::new(ErrorKind::Damaged, &doing, found);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|e| damaged(e.to_string()));
        if member.schema.is_none() && member.name == large::NAME {
            return run(client, text(entry)?, &doing);
        }
        let cut = CopyEntry::parse(entry).map_err(|e| damaged(e.to_string()))?;
        let prologue = text(cut.prologue)?;
        let own = prologue.lines().next().unwrap_or_default();
        if let Some(encoding) =
            own.strip_prefix("SET client_encoding='").and_then(|r| r.strip_suffix("';"))
        {
            let mut known = self.encodings.lock().expect("no panic while locked");
            known.entry(member.unit.clone()).or_insert_with(|| encoding.to_owned());
            if encoding != "UTF8" {
                run(client, own, &doing)?;
            }
        }
        let statement = text(cut.statement)?;
        self.recount.expect(member, statement);
        let root = self.families.root(member);
        let sent = cut.rows.lines().count() as u64;
        let mixed = self.families.mixed(member).and(root.as_ref());
        let first = mixed.and_then(|root| through(statement, member, root));
        let leak = || self.families.leak(member);
        let rows = (cut.rows.bytes, sent);
        match copy(client, first.as_deref().unwrap_or(statement), rows, &leak, &doing) {
            // What a hash says is not the same on every server.
            Err(Copied { outside: true, error }) if first.is_none() => {
                let other = root.as_ref().and_then(|root| through(statement, member, root));
                let (Some(root), Some(other)) = (root, other) else { return Err(*error) };
                copy(client, &other, rows, &leak, &doing).map_err(|e| *e.error)?;
                self.families.mix(&root);
                Ok(())
            }
            other => other.map_err(|e| *e.error),
        }
    }

    /// Statements of a dump program: what the server would not take keeps nothing else away.
    pub(super) fn script(&self, client: &mut Client, entry: &[u8], doing: &str) -> Result<()> {
        let without_owner = self.terms.lock().expect("no panic while locked").0;
        for Left { what, error, harmless } in run_script(client, entry, without_owner, doing)? {
            match harmless {
                true => self.remark(format!("passed over: {what}: {}", error.found)),
                false => self.refuse(what, error, ("", "")),
            }
        }
        Ok(())
    }

    /// An archive of pg_dump, by pg_restore; of a part of one only the rows.
    pub(super) fn archive(
        &self,
        worker: usize,
        unit: &str,
        path: &Path,
        stop: &Stop,
    ) -> Result<Vec<Refused>> {
        let name = self.unit_name(unit);
        let without_owner = self.terms.lock().expect("no panic while locked").0;
        let mut how = How {
            connector: &self.connector,
            database: &name,
            jobs: self.loaders.len(),
            without_owner,
            rows: None,
        };
        let part = self.part.lock().expect("no panic while locked").clone();
        let rows: Vec<i64>;
        if let Some(loading) = &part {
            rows = self.portion(worker, unit, path, loading, stop)?;
            how.rows = Some(&rows);
        }
        let (refused, passed) = match self.archives.restore(path, how, stop) {
            // It gave up: the archives of other databases are still to come.
            Err(error) if is_refusal(error.kind) => {
                return Ok(vec![Refused::new(format!("archive of {unit}"), error.found)]);
            }
            other => other?,
        };
        passed.into_iter().for_each(|line| self.remark(line));
        Ok(refused)
    }

    /// Makes what is chosen of an archive, now that it is there as a whole; returns the rows that
    /// are still to come.
    pub(super) fn portion(
        &self,
        worker: usize,
        unit: &str,
        path: &Path,
        loading: &Loading,
        stop: &Stop,
    ) -> Result<Vec<i64>> {
        let found = Contents::open(unit, path);
        let contents = found.map_err(|found| {
            Error::new(ErrorKind::Damaged, format!("read what {unit} holds"), found)
        })?;
        self.make_room(unit, loading)?;
        let own: Vec<Member> = loading.members.iter().filter(|m| m.unit == unit).cloned().collect();
        let portion = contents.portion(&own);
        for Script { member, text } in portion.before {
            stop.check()?;
            self.definition(worker, &member, text)?;
        }
        portion.after.into_iter().for_each(|script| self.deferred.put(&script.member, script.text));
        Ok(portion.rows)
    }
}

/// A definition without the tablespace that it names.
fn elsewhere(text: &str) -> Option<String> {
    let (before, rest) = text.split_once("\nSET default_tablespace=")?;
    let (_, after) = rest.split_once(";\n")?;
    Some(format!("{before}\n{after}"))
}

/// Why rows were not copied, and whether it is that a partition is not for them.
struct Copied {
    error: Box<Error>,
    outside: bool,
}

/// Sends rows, of which there are so many; `leak` hears of it if some are left out without a word.
fn copy(
    client: &mut Client,
    statement: &str,
    (rows, sent): (&[u8], u64),
    leak: &dyn Fn(),
    doing: &str,
) -> std::result::Result<(), Copied> {
    let fail = |error: postgres::Error| {
        // A CHECK has a name, the bound of a partition has none.
        let outside = error
            .as_db_error()
            .is_some_and(|db| *db.code() == SqlState::CHECK_VIOLATION && db.constraint().is_none());
        Copied { error: wrap(doing, error).into(), outside }
    };
    let mut writer = client.copy_in(statement).map_err(fail)?;
    for bytes in rows.chunks(MESSAGE) {
        writer.write_all(bytes).map_err(|error| match error.downcast::<postgres::Error>() {
            Ok(own) => fail(own),
            Err(other) => Copied { error: wrap_io(doing, other).into(), outside: false },
        })?;
    }
    let taken = writer.finish().map_err(fail)?;
    if taken == sent {
        return Ok(());
    }
    leak();
    let found = format!("{sent} rows were sent, and the server took {taken}");
    Err(Copied { error: Error::new(ErrorKind::Failed, doing, found).into(), outside: false })
}

/// The statement of an entry, for the root of a partition.
fn through(statement: &str, member: &Member, root: &Member) -> Option<String> {
    let own = qualified(member.schema.as_deref()?, &member.name);
    let rest = statement.strip_prefix("COPY ")?.strip_prefix(&own)?;
    Some(format!("COPY {}{rest}", qualified(root.schema.as_deref()?, &root.name)))
}
