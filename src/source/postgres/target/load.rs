//! What is loaded: definitions, rows, scripts and whole archives, each on a worker's connection.
//!
//! Does not know what is asked of the target before. What the server refuses is kept for the one
//! who asks, and stops nothing else.

use std::io::Write;
use std::path::Path;

use postgres::Client;

use crate::artifact::{CopyEntry, Kind, Member, Phase};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Loading, Refused, Result};
use crate::source::postgres::contents::Contents;
use crate::source::postgres::creation;
use crate::source::postgres::definition::{OWNER, Script};
use crate::source::postgres::fault::{is_refusal, run, wrap, wrap_io};
use crate::source::postgres::large;
use crate::source::postgres::present::Present;
use crate::source::postgres::script::{Left, run_script};
use crate::source::postgres::staged::How;

use crate::source::postgres::target::{MESSAGE, PostgresTarget, TRIES};

impl PostgresTarget {
    /// Makes the database, if it is not there.
    pub(super) fn create(&self, unit: &str, text: &str) -> Result<()> {
        let name = self.unit_name(unit);
        let mut client = self.maintenance("restore into")?;
        if Present::has_database(&mut client, &name)? {
            return Ok(());
        }
        let without_owner = self.terms.lock().expect("no panic while locked").0;
        let refused = creation::create(&mut client, text, (unit, &name), without_owner)?;
        self.refused.lock().expect("no panic while locked").extend(refused);
        Ok(())
    }

    /// Runs a script; an owner that can't be given is told.
    pub(super) fn define(&self, client: &mut Client, member: &Member, text: &str) -> Result<()> {
        let title = format!("{} {}", member.kind.word(), member.title());
        let doing = format!("restore {title}");
        let (made, owner) = text.rsplit_once(OWNER).unwrap_or((text, ""));
        let mut tries = 1;
        loop {
            match client.batch_execute(made).map_err(|e| wrap(&doing, e)) {
                Err(error) if error.kind == ErrorKind::Busy && tries < TRIES => tries += 1,
                other => break other?,
            }
        }
        let without_owner = self.terms.lock().expect("no panic while locked").0;
        if without_owner || owner.is_empty() {
            return Ok(());
        }
        match client.batch_execute(owner).map_err(|e| wrap(&doing, e)) {
            Err(error) if is_refusal(&error) => {
                self.refuse(format!("owner of {title}"), error);
                Ok(())
            }
            other => other,
        }
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
            // Only what rows go into ends the restore.
            Err(error)
                if is_refusal(&error) && !matches!(member.kind, Kind::Table | Kind::Sequence) =>
            {
                if part && member.table.is_none() && member.kind == Kind::Object {
                    self.remark(format!("left out: {title}: {}", error.found));
                } else {
                    self.refuse(title, error);
                }
                Ok(())
            }
            other => other,
        }
    }

    /// A definition: now, or with those that wait for the rows.
    pub(super) fn definition(&self, worker: usize, member: &Member, text: String) -> Result<()> {
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
        let mut writer = client.copy_in(text(cut.statement)?).map_err(|e| wrap(&doing, e))?;
        for bytes in cut.rows.bytes.chunks(MESSAGE) {
            writer.write_all(bytes).map_err(|e| wrap_io(&doing, e))?;
        }
        let taken = writer.finish().map_err(|e| wrap(&doing, e))?;
        let sent = cut.rows.lines().count() as u64;
        if taken == sent {
            Ok(())
        } else {
            Err(damaged(format!("{sent} rows were sent, and the server took {taken}")))
        }
    }

    /// Statements of a dump program: what the server would not take keeps nothing else away.
    pub(super) fn script(&self, client: &mut Client, entry: &[u8], doing: &str) -> Result<()> {
        let without_owner = self.terms.lock().expect("no panic while locked").0;
        for Left { what, error, harmless } in run_script(client, entry, without_owner, doing)? {
            match harmless {
                true => self.remark(format!("passed over: {what}: {}", error.found)),
                false => self.refuse(what, error),
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
        let (refused, passed) = self.archives.restore(path, how, stop)?;
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
