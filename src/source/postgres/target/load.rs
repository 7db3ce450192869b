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
use crate::source::postgres::allowed::{copies, is_foreign, judge, puts};
use crate::source::postgres::allowed_program::{judge_database, judge_item};
use crate::source::postgres::contents::{Contents, archive};
use crate::source::postgres::creation;
use crate::source::postgres::deferred::Waiting;
use crate::source::postgres::definition::{OWNER, Script, qualified};
use crate::source::postgres::fault::{run, wrap, wrap_io};
use crate::source::postgres::interrupted::{Mark, is_there};
use crate::source::postgres::large;
use crate::source::postgres::present::Present;
use crate::source::postgres::script::{Left, run_script};
use crate::source::postgres::single::single;
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
        let backup = self.backup.lock().expect("no panic while locked").clone();
        let doing = format!("restore database {unit}");
        let statements = creation::read(text).concat();
        let doubtful = judge_database(unit, &statements).map_err(|why| not_run(&doing, &why))?;
        single(&mut client, &doubtful, &doing)?;
        let is_new = !Present::has_database(&mut client, &name)?;
        if is_new {
            creation::create(&mut client, text, (unit, &name))?;
        }
        if is_new || (resumes && self.is_bare(&mut client, &name)?) {
            self.interrupted.mark(&mut client, &name, (Mark::Made, &backup))?;
            let without_owner = self.terms.lock().expect("no panic while locked").0;
            let refused = creation::equip(&mut client, text, (unit, &name), without_owner)?;
            self.refused.lock().expect("no panic while locked").extend(refused);
        }
        self.interrupted.mark(&mut client, &name, (Mark::Begun, &backup))
    }

    /// Whether an interrupted restore made a database and was killed before it was set up.
    fn is_bare(&self, client: &mut Client, name: &str) -> Result<bool> {
        Ok(match Mark::of(client, name)? {
            Some((mark, _)) => mark == Mark::Made,
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

    /// Refuses a definition that does more than define its member.
    fn allow(&self, worker: usize, member: &Member, text: &str) -> Result<()> {
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        let doubtful = judge(member, text).map_err(|why| not_run(&doing, &why))?;
        if doubtful.is_empty() {
            return Ok(());
        }
        self.on(&self.loaders[worker], &member.unit, &mut |client| {
            single(client, &doubtful, &doing)
        })
    }

    /// A definition: now, or with those that wait for the rows.
    pub(super) fn definition(&self, worker: usize, member: &Member, text: String) -> Result<()> {
        self.allow(worker, member, &text)?;
        if member.kind == Kind::Table && is_foreign(&text) {
            self.families.keep_none(member);
        }
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
        if member.phase != Phase::Data {
            return Err(not_run(&doing, "rows come before what runs with them"));
        }
        if member.schema.is_none() && member.name == large::NAME {
            let entry = text(entry)?;
            return match puts(entry) {
                true => run(client, entry, &doing),
                false => Err(not_run(&doing, "it does more than put bytes")),
            };
        }
        // Its hash is that of the backup: nothing is damaged.
        let cut = CopyEntry::parse(entry).map_err(|e| not_run(&doing, &e.to_string()))?;
        let prologue = text(cut.prologue)?;
        let own = prologue.lines().next().unwrap_or_default();
        if let Some(encoding) =
            own.strip_prefix("SET client_encoding='").and_then(|r| r.strip_suffix("';"))
            && encoding.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            let mut known = self.encodings.lock().expect("no panic while locked");
            known.entry(member.unit.clone()).or_insert_with(|| encoding.to_owned());
            if encoding != "UTF8" {
                run(client, own, &doing)?;
            }
        }
        let statement = text(cut.statement)?;
        if !copies(member, statement) {
            return Err(not_run(&doing, "it does more than copy rows into this table"));
        }
        if self.families.keeps_none(member) {
            return Err(not_run(&doing, "what they would go into keeps no rows of its own"));
        }
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
        let chosen = match &part {
            Some(loading) => Some(self.portion(worker, unit, path, loading, stop)?),
            None => self.harmless(worker, unit, path)?,
        };
        how.rows = chosen.as_deref();
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

    /// The items of an archive without those that would do more than they are for, which are
    /// listed; nothing if all may be restored.
    fn harmless(&self, worker: usize, unit: &str, path: &Path) -> Result<Option<Vec<i64>>> {
        let doing = format!("read what {unit} holds");
        let found = archive(path).map_err(|found| Error::new(ErrorKind::Damaged, &doing, found))?;
        let mut kept = Vec::new();
        for item in &found.items {
            let judged = judge_item(item).map_err(|why| not_run(&doing, &why));
            let done = judged.and_then(|doubtful| match doubtful.is_empty() {
                true => Ok(()),
                false => self.on(&self.loaders[worker], unit, &mut |client| {
                    single(client, &doubtful, &doing)
                }),
            });
            match done {
                Ok(()) => kept.push(item.id),
                Err(error) if is_refusal(error.kind) => {
                    let what = format!("{} {}", item.what.to_lowercase(), item.tag);
                    self.refuse(what, error, ("", ""));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((kept.len() < found.items.len()).then_some(kept))
    }

    /// Lists what was refused, and goes on.
    fn or_refuse(&self, member: &Member, done: Result<()>) -> Result<()> {
        match done {
            Err(error) if is_refusal(error.kind) => {
                let what = format!("{} {}", member.kind.word(), member.title());
                self.refuse(what, error, ("", ""));
                Ok(())
            }
            other => other,
        }
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
            let done = self.definition(worker, &member, text);
            self.or_refuse(&member, done)?;
        }
        for Script { member, text } in portion.after {
            match self.allow(worker, &member, &text) {
                Ok(()) => self.deferred.put(&member, text),
                refused => self.or_refuse(&member, refused)?,
            }
        }
        Ok(portion.rows)
    }
}

/// An archive that says more than its members are.
pub(super) fn not_run(doing: &str, why: &str) -> Error {
    Error::new(ErrorKind::Failed, doing, format!("vex does not run it, {why}"))
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
