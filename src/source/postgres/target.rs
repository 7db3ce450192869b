//! A server as a target: definitions and rows go over the wire, many tables at once; nothing runs
//! through psql.
//!
//! Rights, owners and definitions that the server refuses keep nothing else away: they are told. A
//! database that is replaced is not dropped; it is put aside under another name.

mod definitions;
mod load;
mod room;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use postgres::Client;

use crate::artifact::{Dialect, Kind, Member, Proof};
use crate::base::Stop;
use crate::source::contract::{
    Change, Error, ErrorKind, Load, Loading, Objection, Proven, Refused, Result, Target, is_refusal,
};
use crate::source::postgres::compatibility::Compatibility;
use crate::source::postgres::connect::{Connector, server_version};
use crate::source::postgres::deferred::{Deferred, Waiting};
use crate::source::postgres::definition::quoted;
use crate::source::postgres::displaced;
use crate::source::postgres::fault::run;
use crate::source::postgres::interrupted::{Interrupted, Mark};
use crate::source::postgres::present::Present;
use crate::source::postgres::recount::Recount;
use crate::source::postgres::reroute::Families;
use crate::source::postgres::restored_globals::{RestoredGlobals, is_global, units};
use crate::source::postgres::staged::Archives;
use crate::world::failpoint;

/// Bytes of rows that are sent in one message.
const MESSAGE: usize = 256 << 10;

/// How often a definition is tried that another one locked out.
const TRIES: u32 = 5;

/// A worker's connection, and the database it is in.
type Slot = Mutex<Option<(String, Client)>>;

/// A server to restore into.
pub struct PostgresTarget {
    connector: Connector,
    number: u32,
    /// Guards each worker's connection that loads.
    loaders: Vec<Slot>,
    recount: Recount,
    /// Guards the new name, once it is known.
    rename: Mutex<Option<String>>,
    /// Guards the identity of the backup.
    backup: Mutex<String>,
    /// Guards the version of the server of the backup.
    server: Mutex<String>,
    /// Guards what a database holds that is not replaced as a whole, by its name.
    present: Mutex<BTreeMap<String, Present>>,
    /// Guards how it is restored: without owners, a part.
    terms: Mutex<(bool, bool)>,
    /// Guards what is chosen of archives, if that is a part.
    part: Mutex<Option<Arc<Loading>>>,
    /// Guards what is known of what fits.
    compatibility: Mutex<Option<Compatibility>>,
    /// Guards the encoding that rows came in, by database.
    encodings: Mutex<BTreeMap<String, String>>,
    /// Guards what was refused.
    refused: Mutex<Vec<Refused>>,
    /// Guards what the user is told.
    remarks: Mutex<Vec<String>>,
    deferred: Deferred,
    /// Guards event triggers, which wait for the end: after them nothing is defined any more.
    event_triggers: Mutex<Vec<Waiting>>,
    families: Families,
    interrupted: Interrupted,
    /// Whether an interrupted restore goes on.
    resumes: AtomicBool,
    archives: Archives,
    globals: RestoredGlobals,
}

impl PostgresTarget {
    /// Connects.
    pub fn open(
        connector: &Connector,
        archives: Archives,
        threads: usize,
        stop: &Stop,
    ) -> Result<PostgresTarget> {
        stop.check()?;
        let mut first = connector.patient(connector.home(), "ask")?;
        let number = server_version(&mut first, "ask for the version")?;
        let workers = threads.max(1);
        Ok(PostgresTarget {
            connector: connector.clone(),
            number,
            loaders: (0..workers).map(|_| Mutex::default()).collect(),
            recount: Recount::new(connector, number, workers),
            rename: Mutex::default(),
            backup: Mutex::default(),
            server: Mutex::default(),
            present: Mutex::default(),
            terms: Mutex::default(),
            part: Mutex::default(),
            compatibility: Mutex::default(),
            encodings: Mutex::default(),
            refused: Mutex::default(),
            remarks: Mutex::default(),
            deferred: Deferred::default(),
            event_triggers: Mutex::default(),
            families: Families::default(),
            interrupted: Interrupted::default(),
            resumes: AtomicBool::new(false),
            archives,
            globals: RestoredGlobals::default(),
        })
    }

    /// The name of a unit in the target.
    fn unit_name(&self, unit: &str) -> String {
        self.rename
            .lock()
            .expect("no panic while locked")
            .clone()
            .unwrap_or_else(|| unit.to_owned())
    }

    fn maintenance(&self, doing: &str) -> Result<Client> {
        match doing {
            "ask" => self.connector.patient(self.connector.home(), doing),
            _ => self.connector.loader(self.connector.home()),
        }
    }

    fn remark(&self, text: String) {
        self.remarks.lock().expect("no panic while locked").push(text);
    }

    /// Notes what was refused, with its database and what would make it.
    fn refuse(&self, what: String, error: Error, (unit, sql): (&str, &str)) {
        let refused = Refused::new(what, error.found);
        let refused = match sql {
            "" => refused,
            sql => {
                let name = self.unit_name(unit);
                refused.with_sql(&name, [self.enter(&name).as_slice(), sql.as_bytes()].concat())
            }
        };
        self.refused.lock().expect("no panic while locked").push(refused);
    }

    fn recounted(
        &self,
        worker: usize,
        member: &Member,
        part: Option<usize>,
        stop: &Stop,
    ) -> Result<Proof> {
        stop.check()?;
        let encoding =
            self.encodings.lock().expect("no panic while locked").get(&member.unit).cloned();
        let place = (self.unit_name(&member.unit), member);
        self.recount.prove(worker, (&place.0, place.1), part, encoding.as_deref(), stop)
    }

    /// Does `work` on a worker's connection to a database of the target.
    fn on<T>(
        &self,
        slot: &Slot,
        unit: &str,
        work: &mut dyn FnMut(&mut Client) -> Result<T>,
    ) -> Result<T> {
        let name = self.unit_name(unit);
        let mut own = slot.lock().expect("no panic while locked");
        if own.as_ref().is_none_or(|(at, _)| *at != name) {
            let client = self.connector.loader(&name)?;
            *own = Some((name, client));
        }
        work(&mut own.as_mut().expect("it was just made").1)
    }

    /// A definition that was not made.
    fn left(&self, waiting: &Waiting, why: String) -> Refused {
        let what = format!("{} {}", waiting.member.kind.word(), waiting.member.title());
        let unit = self.unit_name(&waiting.member.unit);
        let sql = [self.enter(&unit).as_slice(), waiting.text.as_bytes()].concat();
        Refused::new(what, why).with_sql(&unit, sql)
    }

    fn work(
        &self,
        client: &mut Client,
        waiting: &Waiting,
        refused: &mut Vec<Refused>,
    ) -> Result<()> {
        match self.define(client, &waiting.member, &waiting.text) {
            Err(error) if is_refusal(error.kind) => {
                refused.push(self.left(waiting, error.found));
                Ok(())
            }
            other => other,
        }
    }
}

impl Target for PostgresTarget {
    fn agree(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        stop.check()?;
        let refuse = |found: &str, hint: &str| {
            Err(Error::new(
                ErrorKind::Refused,
                format!("restore into {}", self.connector.place()),
                found,
            )
            .hint(hint))
        };
        if loading.terms.gtid || loading.terms.skip_binlog || !loading.map_collation.is_empty() {
            return refuse(
                "GTIDs, a binary log and collations to map are things of MySQL and MariaDB",
                "Restore without --gtid, --skip-binlog and --map-collation.",
            );
        }
        let is_of_program = |m: &Member| matches!(m.kind, Kind::File | Kind::Script);
        if loading.resume && loading.members.iter().any(is_of_program) {
            return refuse(
                "what an interrupted restore of a dump program left can't be told from what was there",
                "Begin again with --overwrite: the database is put aside, not dropped.",
            );
        }
        self.resumes.store(loading.resume, Ordering::Relaxed);
        self.archives.agree(loading, stop)?;
        *self.terms.lock().expect("no panic while locked") =
            (loading.terms.current_definer, loading.part);
        Ok(())
    }

    fn existing(&self, loading: &Loading, stop: &Stop) -> Result<Vec<String>> {
        stop.check()?;
        (*self.rename.lock().expect("no panic while locked")).clone_from(&loading.rename);
        let mut titles = Vec::new();
        for unit in units(&loading.members) {
            let name = self.unit_name(unit);
            if ["template0", "template1"].contains(&name.as_str()) {
                let found = format!("{name} belongs to the server");
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("restore into {}", self.connector.place()),
                    found,
                ));
            }
            if !Present::has_database(&mut self.maintenance("ask")?, &name)? {
                continue;
            }
            let mut inside = self.connector.session(&name, "ask")?;
            let there = Present::of(&mut inside)?;
            let own: Vec<&Member> = loading
                .members
                .iter()
                .filter(|m| m.unit == unit && m.kind != Kind::Rows && there.has(m))
                .collect();
            if loading.overwrite && loading.part {
                displaced::may_drop(&mut inside, &name, &own)?;
            }
            titles.extend(own.into_iter().map(|m| {
                let schema = m.schema.as_ref().map_or(String::new(), |s| format!("{s}."));
                format!("{} {name}.{schema}{}", m.kind.word(), m.name)
            }));
        }
        Ok(titles)
    }

    fn objects(&self) -> bool {
        true
    }

    fn objections(&self, loading: &Loading, load: Load<'_>, stop: &Stop) -> Result<Vec<Objection>> {
        stop.check()?;
        let mut compatibility = self.compatibility.lock().expect("no panic while locked");
        let compatibility = match &mut *compatibility {
            Some(known) => known,
            None => compatibility.insert(Compatibility::of(&mut self.maintenance("ask")?)?),
        };
        compatibility.expect(&loading.members);
        let without_owner = self.terms.lock().expect("no panic while locked").0;
        let text = String::from_utf8_lossy(load.bytes);
        let mut found = compatibility.judge(load.member, &text, without_owner);
        found.extend(self.clash(loading, load.member)?);
        Ok(found)
    }

    fn keeps(&self, worker: usize, load: Load<'_>, expected: Proof, stop: &Stop) -> Result<bool> {
        let name = self.unit_name(&load.member.unit);
        let ask = || Present::has_database(&mut self.maintenance("ask")?, &name);
        if !self.interrupted.goes_on(&name, ask)? {
            return Ok(false);
        }
        Ok(self.prove(worker, load.member, stop)? == expected)
    }

    fn prepare(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        self.globals.prepare(&mut self.maintenance("restore into")?, loading)?;
        self.backup.lock().expect("no panic while locked").clone_from(&loading.backup);
        self.server.lock().expect("no panic while locked").clone_from(&loading.server);
        self.deferred.expect(&loading.members);
        self.families.expect(&loading.members);
        self.recount.forget();
        // What an archive replaces stays until the archive is here.
        if loading.part && loading.members.iter().any(|m| m.kind == Kind::File) {
            *self.part.lock().expect("no panic while locked") = Some(Arc::new(loading.clone()));
            return Ok(());
        }
        for unit in units(&loading.members) {
            stop.check()?;
            match loading.resume {
                true => self.go_on(unit, loading)?,
                false => self.make_room(unit, loading)?,
            }
        }
        Ok(())
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Postgres)
    }

    fn takes_all_or_nothing(&self, member: &Member, stop: &Stop) -> Result<bool> {
        stop.check()?;
        Ok(!self.families.leaks(member))
    }

    fn enter(&self, unit: &str) -> Vec<u8> {
        // A client stays in the database it is in, and its commands end with their line.
        match unit.chars().any(char::is_control) {
            true => Vec::new(),
            false => format!("\\connect {}\n", quoted(unit)).into_bytes(),
        }
    }

    fn unit(&self, name: &str) -> String {
        self.unit_name(name)
    }

    fn together(&self, member: &Member) -> Option<String> {
        self.families.mixed(member)
    }

    fn load(&self, worker: usize, load: Load<'_>, stop: &Stop) -> Result<()> {
        stop.check()?;
        let member = load.member;
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        if member.kind == Kind::Rows {
            return self.on(&self.loaders[worker], &member.unit, &mut |client| {
                self.rows(client, member, load.bytes)
            });
        }
        if is_global(member) {
            let home = self.connector.home().to_owned();
            let refused =
                self.globals.load(&mut self.connector.loader(&home)?, member, load.bytes)?;
            self.refused.lock().expect("no panic while locked").extend(refused);
            return Ok(());
        }
        if member.kind == Kind::File {
            return self.archives.put(member, load.offset, load.bytes);
        }
        if member.kind == Kind::Script {
            return self.on(&self.loaders[worker], &member.unit, &mut |client| {
                self.script(client, load.bytes, &doing)
            });
        }
        let text = std::str::from_utf8(load.bytes)
            .map_err(|e| Error::new(ErrorKind::Failed, doing, e.to_string()))?;
        if member.kind == Kind::Database {
            return self.create(&member.unit, text);
        }
        self.definition(worker, member, text.to_owned())
    }

    fn later(&self) -> Vec<usize> {
        let is_first = self.deferred.go_on();
        match self.archives.ready() {
            0 => self.deferred.rounds(!is_first),
            archives => vec![archives],
        }
    }

    fn make(
        &self,
        worker: usize,
        round: usize,
        number: usize,
        stop: &Stop,
    ) -> Result<Vec<Refused>> {
        if let Some((unit, path)) = self.archives.take(number) {
            return self.archive(worker, &unit, &path, stop);
        }
        let mut refused = Vec::new();
        // Where every connection has an index to build, the server's own helpers cost more than
        // they bring.
        let helpers = match self.deferred.left(round, number) + 1 >= self.loaders.len() {
            true => "SET max_parallel_maintenance_workers=0",
            false => "RESET max_parallel_maintenance_workers",
        };
        for waiting in self.deferred.take(round, number) {
            stop.check()?;
            let slot = &self.loaders[worker];
            self.on(slot, &waiting.member.unit, &mut |client| {
                run(client, helpers, "prepare a key")?;
                self.work(client, &waiting, &mut refused)
            })?;
            failpoint("definition made");
        }
        Ok(refused)
    }

    fn settle(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        // Commits were not waited for; one that is makes all before it durable.
        for slot in &self.loaders {
            if let Some((_, client)) = &mut *slot.lock().expect("no panic while locked") {
                // Nothing is defined: an event trigger may be in the way of that.
                let flush = "SET synchronous_commit=on; \
                             SELECT pg_catalog.pg_logical_emit_message(true, 'vex', '')";
                run(client, flush, "make the restore durable")?;
            }
        }
        Ok(())
    }

    fn prove(&self, worker: usize, member: &Member, stop: &Stop) -> Result<Proof> {
        self.recounted(worker, member, None, stop)
    }

    fn counts_early(&self) -> bool {
        true
    }

    fn parts(&self, member: &Member, stop: &Stop) -> Result<usize> {
        stop.check()?;
        self.recount.parts(&self.unit_name(&member.unit), member)
    }

    fn prove_part(
        &self,
        worker: usize,
        member: &Member,
        part: usize,
        stop: &Stop,
    ) -> Result<Proof> {
        self.recounted(worker, member, Some(part), stop)
    }

    fn release(&self, _: &Proven, stop: &Stop) -> Result<Vec<Refused>> {
        let mut refused = Vec::new();
        for waiting in
            std::mem::take(&mut *self.event_triggers.lock().expect("no panic while locked"))
        {
            stop.check()?;
            self.on(&self.loaders[0], &waiting.member.unit, &mut |client| {
                run(client, "SET synchronous_commit=on", "make an event trigger durable")?;
                self.work(client, &waiting, &mut refused)
            })?;
            failpoint("event trigger made");
        }
        Ok(refused)
    }

    fn has_finished(&self, loading: &Loading, stop: &Stop) -> Result<bool> {
        let mut client = self.maintenance("ask")?;
        for unit in units(&loading.members) {
            stop.check()?;
            let name = self.unit_name(unit);
            let is_there = Present::has_database(&mut client, &name)?;
            if !is_there || Mark::of(&mut client, &name)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        let left = self.interrupted.unmark(&mut self.maintenance("restore into")?)?;
        for (statement, why) in left {
            self.remark(format!("run {statement}: the restore is done, and may not say so: {why}"));
        }
        Ok(())
    }

    fn withhold(&self) -> Vec<Refused> {
        let waiting =
            std::mem::take(&mut *self.event_triggers.lock().expect("no panic while locked"));
        let why = "it runs by itself, and what came back is not what the backup holds";
        waiting.iter().map(|waiting| self.left(waiting, why.to_owned())).collect()
    }

    fn refused(&self) -> Vec<Refused> {
        std::mem::take(&mut *self.refused.lock().expect("no panic while locked"))
    }

    fn definitions(&self, members: &[Member], stop: &Stop) -> Result<Vec<(Member, Vec<u8>)>> {
        self.read_again(members, stop)
    }

    fn changes(&self, load: Load<'_>, now: &[u8]) -> Vec<Change> {
        self.altered(load, now)
    }

    fn missing(&self, members: &[Member], stop: &Stop) -> Result<Vec<Member>> {
        let mut missing = self.globals.missing(&mut self.maintenance("ask")?, members)?;
        for unit in units(members) {
            stop.check()?;
            let there = Present::of(&mut self.connector.session(&self.unit_name(unit), "ask")?)?;
            missing.extend(
                members
                    .iter()
                    .filter(|m| m.unit == unit && there.knows(m) && !there.has(m))
                    .cloned(),
            );
        }
        Ok(missing)
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = self.remarks.lock().expect("no panic while locked").clone();
        remarks.push(format!(
            "the target is PostgreSQL {}.{}; run ANALYZE before it is used in earnest",
            self.number / 10_000,
            self.number % 10_000
        ));
        remarks
    }

    fn workers(&self) -> usize {
        self.loaders.len()
    }
}
