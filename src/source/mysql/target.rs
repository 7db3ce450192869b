//! A server as a target: entries become statements on the wire, many at once; nothing runs through
//! a client program. Tables are made without the keys that are cheaper to add when the rows are
//! there.
//!
//! Events are made last of all, after everything was recounted: a live scheduler would run them
//! into the proof.

mod definitions;
mod load;
mod present;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::{Dialect, Kind, Member, Proof, Splitter};
use crate::base::Stop;
use crate::source::contract::{
    Change, Error, ErrorKind, Load, Loading, Objection, Proven, Refused, Result, Target, Terms,
    is_refusal,
};
use crate::source::mysql::collation::Collations;
use crate::source::mysql::compatibility::Compatibility;
use crate::source::mysql::connect::Connector;
use crate::source::mysql::deferred::DeferredKeys;
use crate::source::mysql::definition::lacks;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::feed::{Ways, ways};
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::journal;
use crate::source::mysql::object::{libraries, removal};
use crate::source::mysql::rename::rename_entry;
use crate::source::mysql::restored_accounts::{RestoredAccounts, is_about_account};
use crate::source::mysql::rows::TableRows;
use crate::source::mysql::schema::{self, Layout, SYSTEM, Table, Unit, literal, quoted};
use crate::source::mysql::target::present::queries_of_names;
use crate::source::mysql::utf8::text_of;
use crate::world::failpoint;

/// A server to restore into.
pub struct MysqlTarget {
    place: String,
    /// Guards each worker's connection.
    loaders: Vec<Mutex<Conn>>,
    /// Guards each connection that recounts, made when it is needed.
    readers: Vec<Mutex<Option<Conn>>>,
    /// Guards the layouts of databases that were recounted.
    layouts: Mutex<BTreeMap<String, BTreeMap<String, Layout>>>,
    /// Guards events that wait for the end.
    events: Mutex<Vec<(Member, Vec<u8>)>>,
    /// Whether events are made without being switched on.
    events_off: AtomicBool,
    /// Guards statements of scripts that were refused.
    refused: Mutex<Vec<Refused>>,
    /// Guards what the user is told.
    remarks: Mutex<Vec<String>>,
    /// Guards the tables, views and sequences that are restored: database and name.
    held: Mutex<BTreeSet<(String, String)>>,
    /// Guards the databases that were there before.
    kept: Mutex<BTreeSet<String>>,
    /// Guards the version of the server of the backup.
    server: Mutex<String>,
    /// Guards the new name, once it is known.
    rename: Mutex<Option<String>>,
    /// Guards how it is restored, once it is known.
    terms: Mutex<Terms>,
    /// Guards which collations become others.
    collations: Mutex<Collations>,
    /// Accounts on their way in.
    accounts: RestoredAccounts,
    /// Guards what is known of what fits.
    compatibility: Mutex<Option<Compatibility>>,
    /// Keys that wait for the rows.
    deferred: DeferredKeys,
    /// Guards how tables are fed, by database.
    ways: Mutex<BTreeMap<String, Arc<Ways>>>,
    /// Guards the engines of tables, by database.
    engines: Mutex<BTreeMap<String, Arc<Engines>>>,
    /// Whether the server takes LOAD DATA LOCAL, as far as is known.
    feeds: AtomicBool,
    flavor: Flavor,
    connector: Connector,
}

/// The engine of each table of a database.
type Engines = BTreeMap<String, String>;

impl MysqlTarget {
    /// Connects.
    pub fn open(connector: &Connector, threads: usize, stop: &Stop) -> Result<MysqlTarget> {
        stop.check()?;
        let mut first = connector.connect("ask")?;
        let flavor = Flavor::of(&mut first)?;
        let feeds: Option<bool> = first.query_first("SELECT @@local_infile").map_err(|e| {
            wrap(&format!("ask {} whether it takes local rows", connector.place()), e)
        })?;
        let mut loaders = Vec::new();
        for _ in 0..threads.max(1) {
            loaders.push(Mutex::new(connector.loader(&flavor)?));
        }
        Ok(MysqlTarget {
            place: connector.place().to_owned(),
            readers: loaders.iter().map(|_| Mutex::new(None)).collect(),
            loaders,
            layouts: Mutex::default(),
            events: Mutex::default(),
            events_off: AtomicBool::new(false),
            refused: Mutex::default(),
            remarks: Mutex::default(),
            held: Mutex::default(),
            kept: Mutex::default(),
            server: Mutex::default(),
            rename: Mutex::default(),
            terms: Mutex::default(),
            collations: Mutex::default(),
            accounts: RestoredAccounts::default(),
            compatibility: Mutex::default(),
            deferred: DeferredKeys::default(),
            ways: Mutex::default(),
            engines: Mutex::default(),
            feeds: AtomicBool::new(feeds == Some(true)),
            flavor,
            connector: connector.clone(),
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

    /// How the tables of a database are fed; asked once, when all of them are made.
    fn ways(&self, unit: &str) -> Result<Arc<Ways>> {
        let mut known = self.ways.lock().expect("no panic while locked");
        if let Some(ways) = known.get(unit) {
            return Ok(ways.clone());
        }
        let own = if self.feeds.load(Ordering::Relaxed) {
            ways(&mut self.connector.session(&self.flavor, "ask")?, unit)?
        } else {
            Ways::new()
        };
        Ok(known.entry(unit.to_owned()).or_insert(Arc::new(own)).clone())
    }

    /// The engine of a table; asked once for a database, when all of its tables are made.
    fn engine(&self, member: &Member) -> Result<String> {
        let unit = self.unit_name(&member.unit);
        let mut known = self.engines.lock().expect("no panic while locked");
        if !known.contains_key(&unit) {
            let mut session = self.connector.session(&self.flavor, "ask")?;
            let sql = format!(
                "SELECT TABLE_NAME, COALESCE(ENGINE, IF(TABLE_TYPE='VIEW', 'VIEW', '')) FROM information_schema.TABLES WHERE TABLE_SCHEMA={}",
                literal(&unit)
            );
            let rows: Vec<(String, String)> = session
                .query(sql)
                .map_err(|e| wrap(&format!("ask for the engines of {unit}"), e))?;
            known.insert(unit.clone(), Arc::new(rows.into_iter().collect()));
        }
        Ok(known.get(&unit).and_then(|own| own.get(&member.name)).cloned().unwrap_or_default())
    }

    fn remark(&self, text: String) {
        self.remarks.lock().expect("no panic while locked").push(text);
    }

    /// The names of the members that are there, as `(kind, unit, name)`.
    fn present(&self, members: &[Member]) -> Result<Vec<Member>> {
        let mut connection = self.loaders[0].lock().expect("no panic while locked");
        let mut units: Vec<&str> = members.iter().map(|m| m.unit.as_str()).collect();
        units.sort_unstable();
        units.dedup();
        let mut there: Vec<(Kind, String, String)> = Vec::new();
        for unit in units {
            for (kind, sql) in queries_of_names(&literal(&self.unit_name(unit))) {
                let names: Vec<String> = connection
                    .query(sql)
                    .map_err(|e| wrap(&format!("ask {} what it holds", self.place), e))?;
                there.extend(names.into_iter().map(|name| (kind, unit.to_owned(), name)));
            }
            let libraries = libraries(&mut connection, &self.unit_name(unit))?;
            there.extend(libraries.into_iter().map(|n| (Kind::Object, unit.to_owned(), n)));
        }
        let accounts = match members.iter().any(is_about_account) {
            true => self.accounts.present(&mut connection, &self.flavor)?,
            false => Vec::new(),
        };
        let is_there = |m: &&Member| {
            if is_about_account(m) {
                return accounts.contains(&m.name);
            }
            let kind = if m.kind == Kind::Rows { Kind::Table } else { m.kind };
            there.iter().any(|(k, unit, name)| (*k, unit, name) == (kind, &m.unit, &m.name))
        };
        Ok(members.iter().filter(is_there).cloned().collect())
    }
}

/// Whether an engine takes back what a transaction wrote.
fn is_transactional(engine: &str) -> bool {
    ["innodb", "rocksdb", "tokudb"].contains(&engine.to_lowercase().as_str())
}

impl Target for MysqlTarget {
    fn agree(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        *self.terms.lock().expect("no panic while locked") = loading.terms;
        if !loading.map_collation.is_empty() {
            let mut session = self.connector.session(&self.flavor, "ask")?;
            *self.collations.lock().expect("no panic while locked") =
                Collations::of(&mut session, &loading.map_collation)?;
        }
        let loaders = self.loaders.iter().filter(|_| loading.terms.skip_binlog);
        for loader in loaders {
            stop.check()?;
            journal::leave_log(
                &mut loader.lock().expect("no panic while locked"),
                &self.flavor,
                &self.place,
            )?;
        }
        if loading.terms.gtid {
            let mut connection = self.loaders[0].lock().expect("no panic while locked");
            journal::can_adopt(&mut connection, loading, &self.flavor, &self.place)?;
        }
        Ok(())
    }

    fn adopt(&self, loading: &Loading, _: &Proven, stop: &Stop) -> Result<()> {
        stop.check()?;
        journal::adopt(
            &mut self.loaders[0].lock().expect("no panic while locked"),
            loading,
            &self.place,
        )
    }

    fn existing(&self, loading: &Loading, stop: &Stop) -> Result<Vec<String>> {
        stop.check()?;
        for name in loading.rename.iter().chain(loading.members.iter().map(|m| &m.unit)) {
            if SYSTEM.contains(&name.to_lowercase().as_str()) {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("restore into {}", self.place),
                    format!("{name} belongs to the server"),
                ));
            }
        }
        (*self.rename.lock().expect("no panic while locked")).clone_from(&loading.rename);
        self.accounts.judge(loading, &self.flavor, &self.place)?;
        let there = self.present(&loading.members)?;
        let mut titles: Vec<String> = there
            .iter()
            .filter(|m| !matches!(m.kind, Kind::Database | Kind::Rows) && !is_about_account(m))
            .map(|m| format!("{} {}.{}", m.kind.word(), self.unit_name(&m.unit), m.name))
            .collect();
        titles.dedup();
        Ok(titles)
    }

    fn objects(&self) -> bool {
        true
    }

    fn objections(&self, loading: &Loading, load: Load<'_>, stop: &Stop) -> Result<Vec<Objection>> {
        stop.check()?;
        let mut connection = self.loaders[0].lock().expect("no panic while locked");
        let mut compatibility = self.compatibility.lock().expect("no panic while locked");
        let compatibility = match &mut *compatibility {
            Some(known) => known,
            None => {
                compatibility.insert(Compatibility::of(&mut connection, &self.flavor, loading)?)
            }
        };
        let text = String::from_utf8_lossy(load.bytes);
        let (text, _) = self.collations.lock().expect("no panic while locked").changed(&text);
        compatibility.objections(&mut connection, load.member, text.as_bytes())
    }

    fn keeps(&self, worker: usize, load: Load<'_>, expected: Proof, stop: &Stop) -> Result<bool> {
        stop.check()?;
        let member = load.member;
        let (unit, doing) =
            (self.unit_name(&member.unit), format!("look at table {}", member.title()));
        let statements = Splitter::new(Dialect::Mysql, load.bytes).flatten();
        let wanted = statements.map(|s| s.text).find(|t| t.starts_with(b"CREATE TABLE "));
        let Some(wanted) = wanted.map(|t| text_of(t, &doing)).transpose()? else {
            return Ok(false);
        };
        let there: Option<(String, String)> = {
            let mut connection = self.loaders[worker].lock().expect("no panic while locked");
            // MySQL names the database of a foreign key unless it is the one in use.
            let shown = connection.query_drop(format!("USE {}", quoted(&unit))).and_then(|()| {
                connection.query_first(format!("SHOW CREATE TABLE {}", quoted(&member.name)))
            });
            match shown {
                // No such database, or no such table.
                Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1049 | 1146) => None,
                other => other.map_err(|e| wrap(&doing, e))?,
            }
        };
        let (wanted, _) = self.collations.lock().expect("no panic while locked").changed(wanted);
        let Some(missing) = there.and_then(|(_, there)| lacks(&there, &wanted)) else {
            return Ok(false);
        };
        if self.prove(worker, member, stop)? != expected {
            return Ok(false);
        }
        self.deferred.put(member.title(), unit, member.name.clone(), missing);
        Ok(true)
    }

    fn prepare(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        (*self.rename.lock().expect("no panic while locked")).clone_from(&loading.rename);
        let tables = loading
            .members
            .iter()
            .filter(|m| matches!(m.kind, Kind::Table | Kind::View | Kind::Sequence));
        *self.held.lock().expect("no panic while locked") =
            tables.map(|m| (m.unit.clone(), m.name.clone())).collect();
        self.accounts.prepare(
            &mut self.loaders[0].lock().expect("no panic while locked"),
            loading,
            &self.flavor,
        )?;
        self.layouts.lock().expect("no panic while locked").clear();
        (*self.server.lock().expect("no panic while locked")).clone_from(&loading.server);
        self.deferred.expect(loading.part);
        let there = self.present(&loading.members)?;
        let databases = there.iter().filter(|m| m.kind == Kind::Database);
        *self.kept.lock().expect("no panic while locked") =
            databases.map(|m| self.unit_name(&m.unit)).collect();
        if !loading.overwrite {
            return Ok(());
        }
        let mut connection = self.loaders[0].lock().expect("no panic while locked");
        // What hangs on others goes first.
        for member in there
            .iter()
            .rev()
            .filter(|m| !matches!(m.kind, Kind::Database | Kind::Rows) && !is_about_account(m))
        {
            stop.check()?;
            let doing = format!("make room for {} {}", member.kind.word(), member.title());
            let packaged = matches!(member.kind, Kind::Package | Kind::PackageBody);
            if packaged {
                run(&mut connection, "SET sql_mode='ORACLE'", &doing)?;
            }
            let drop = removal(member, &self.unit_name(&member.unit));
            match run(&mut connection, &drop, &doing) {
                // What stays in the way is named when it can't be made anew.
                Err(error) if is_refusal(error.kind) => self.remark(format!(
                    "kept: {} {}: {}",
                    member.kind.word(),
                    member.title(),
                    error.found
                )),
                other => other?,
            }
            failpoint("room made");
            if packaged {
                run(
                    &mut connection,
                    "SET sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
                    &doing,
                )?;
            }
        }
        Ok(())
    }

    fn load(&self, worker: usize, load: Load<'_>, stop: &Stop) -> Result<()> {
        stop.check()?;
        if load.member.kind == Kind::Event {
            let event = (load.member.clone(), load.bytes.to_vec());
            self.events.lock().expect("no panic while locked").push(event);
            return Ok(());
        }
        let mut connection = self.loaders[worker].lock().expect("no panic while locked");
        if is_about_account(load.member) {
            let done = self.accounts.load(&mut connection, load.member, load.bytes);
            run(&mut connection, "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'", "go on after an account")?;
            return done;
        }
        match load.member.kind {
            Kind::Rows => self.rows(&mut connection, load.member, load.bytes),
            Kind::Script => self.script(&mut connection, load.member, load.bytes),
            _ => self.execute(&mut connection, load.member, load.bytes),
        }
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Mysql)
    }

    fn takes_all_or_nothing(&self, member: &Member, stop: &Stop) -> Result<bool> {
        stop.check()?;
        Ok(is_transactional(&self.engine(member)?))
    }

    fn by_hand(&self, member: &Member, entry: &[u8]) -> Vec<u8> {
        match &*self.rename.lock().expect("no panic while locked") {
            Some(new) => rename_entry(entry, &member.unit, new),
            None => entry.to_vec(),
        }
    }

    fn unit(&self, name: &str) -> String {
        self.unit_name(name)
    }

    fn later(&self) -> Vec<usize> {
        self.deferred.rounds()
    }

    fn make(
        &self,
        worker: usize,
        round: usize,
        number: usize,
        stop: &Stop,
    ) -> Result<Vec<Refused>> {
        let mut connection = self.loaders[worker].lock().expect("no panic while locked");
        self.deferred.make(&mut connection, round, number, stop)
    }

    fn settle(&self, stop: &Stop) -> Result<()> {
        Ok(stop.check()?)
    }

    fn prove(&self, worker: usize, member: &Member, stop: &Stop) -> Result<Proof> {
        let unit = self.unit_name(&member.unit);
        let mut guard = self.readers[worker].lock().expect("no panic while locked");
        if guard.is_none() {
            *guard = Some(self.connector.reader(&self.flavor)?);
        }
        let connection = guard.as_mut().expect("BUG: a reader that was just made");
        let layout = {
            let mut layouts = self.layouts.lock().expect("no panic while locked");
            if !layouts.contains_key(&unit) {
                let mut session = self.connector.session(&self.flavor, "ask")?;
                layouts.insert(unit.clone(), layouts_of(&mut session, &unit)?);
            }
            layouts.get(&unit).and_then(|u| u.get(&member.name)).cloned().unwrap_or_default()
        };
        TableRows { unit: &unit, name: &member.name, layout: &layout }.prove(connection, stop)
    }

    fn release(&self, proven: &Proven, stop: &Stop) -> Result<Vec<Refused>> {
        // An event that runs where a table is missing may do harm.
        self.events_off.store(!proven.is_whole(), Ordering::Relaxed);
        let events = std::mem::take(&mut *self.events.lock().expect("no panic while locked"));
        let mut connection = self.loaders[0].lock().expect("no panic while locked");
        let mut refused = Vec::new();
        for (member, bytes) in events {
            stop.check()?;
            match self.execute(&mut connection, &member, &bytes) {
                Err(error) if is_refusal(error.kind) => {
                    refused.push(self.event(&member, &bytes, error.found));
                }
                other => other?,
            }
            failpoint("event made");
        }
        Ok(refused)
    }

    fn withhold(&self) -> Vec<Refused> {
        let events = std::mem::take(&mut *self.events.lock().expect("no panic while locked"));
        let why = "it runs by itself, and what came back is not what the backup holds";
        events.iter().map(|(member, bytes)| self.event(member, bytes, why.into())).collect()
    }

    fn refused(&self) -> Vec<Refused> {
        std::mem::take(&mut *self.refused.lock().expect("no panic while locked"))
    }

    fn definitions(&self, members: &[Member], stop: &Stop) -> Result<Vec<(Member, Vec<u8>)>> {
        stop.check()?;
        self.read_again(members)
    }

    fn changes(&self, load: Load<'_>, now: &[u8]) -> Vec<Change> {
        self.altered(load, now)
    }

    fn missing(&self, members: &[Member], stop: &Stop) -> Result<Vec<Member>> {
        stop.check()?;
        let there = self.present(members)?;
        // A script is no object; what it makes is listed beside it.
        Ok(members
            .iter()
            .filter(|m| m.kind != Kind::Script && !there.contains(m))
            .cloned()
            .collect())
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = self.remarks.lock().expect("no panic while locked").clone();
        remarks.extend(self.collations.lock().expect("no panic while locked").remarks());
        remarks
    }

    fn workers(&self) -> usize {
        self.loaders.len()
    }
}

/// The layouts of all tables of one database of the target.
fn layouts_of(connection: &mut Conn, unit: &str) -> Result<BTreeMap<String, Layout>> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA={}",
        literal(unit)
    );
    let rows: Vec<(String, String, String)> =
        connection.query(sql).map_err(|e| wrap(&format!("list the tables of {unit}"), e))?;
    // As the server spells it, which may have no upper-case letters.
    let own = rows.first().map_or_else(|| unit.to_owned(), |row| row.0.clone());
    let tables = rows.into_iter().filter(|(_, _, form)| form != "VIEW" && form != "SEQUENCE");
    let table = |(_, name, form): (String, String, String)| Table {
        name,
        engine: String::new(),
        sequence: false,
        versioned: form == "SYSTEM VERSIONED",
        partitioned: false,
        rows: 0,
        bytes: 0,
    };
    let unit = Unit { name: own, tables: tables.map(table).collect(), views: Vec::new() };
    let layouts = schema::layouts(connection, std::slice::from_ref(&unit))?;
    Ok(layouts.into_iter().map(|((_, table), layout)| (table, layout)).collect())
}
