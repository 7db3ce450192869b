//! A server as a target: entries become statements on the wire, many at once; nothing runs through a client program.
//!
//! Events are made last of all, after everything was recounted: a live scheduler would run them into the proof.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::{Dialect, Kind, Member, Proof, Splitter};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Load, Loading, Result, Target};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::object::database_head;
use crate::source::mysql::rows::TableRows;
use crate::source::mysql::schema::{self, Layout, SYSTEM, Table, Unit, literal, qualified, quoted};
use crate::source::mysql::utf8::as_text;

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
    /// Guards the new name, once it is known.
    rename: Mutex<Option<String>>,
    flavor: Flavor,
    connector: Connector,
}

impl MysqlTarget {
    /// Connects.
    pub fn open(connector: &Connector, threads: usize, stop: &Stop) -> Result<MysqlTarget> {
        stop.check()?;
        let flavor = Flavor::of(&mut connector.connect("ask")?)?;
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
            rename: Mutex::default(),
            flavor,
            connector: connector.clone(),
        })
    }

    /// The name of a unit in the target.
    fn unit_name(&self, unit: &str) -> String {
        self.rename.lock().expect("no panic while locked").clone().unwrap_or_else(|| unit.to_owned())
    }

    fn execute(&self, connection: &mut Conn, member: &Member, bytes: &[u8]) -> Result<()> {
        let renamed = self.rename.lock().expect("no panic while locked").clone();
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        for statement in Splitter::new(Dialect::Mysql, bytes) {
            let statement = statement.map_err(|e| Error::new(ErrorKind::Damaged, &doing, e.to_string()))?;
            if renamed.is_some() && member.kind == Kind::Trigger && names_unit(statement.text, &member.unit) {
                // Run as it is, it would hang on the table of the database it came from.
                let found = format!("its text names the database {}; make it by hand", member.unit);
                return Err(Error::new(ErrorKind::Failed, doing, found));
            }
            let text = match &renamed {
                Some(new) => rename(statement.text, &member.unit, new),
                None => statement.text.into(),
            };
            let text = match member.kind {
                Kind::Script => as_text(&text, &doing)?,
                _ => std::str::from_utf8(&text)
                    .map_err(|e| Error::new(ErrorKind::Damaged, &doing, e.to_string()))?
                    .into(),
            };
            connection.query_drop(text).map_err(|e| wrap(&doing, e))?;
        }
        Ok(())
    }

    /// The names of the members that are there, as `(kind, unit, name)`.
    fn present(&self, members: &[Member]) -> Result<Vec<Member>> {
        let mut connection = self.loaders[0].lock().expect("no panic while locked");
        let mut units: Vec<&str> = members.iter().map(|m| m.unit.as_str()).collect();
        units.sort_unstable();
        units.dedup();
        let mut there: Vec<(Kind, String, String)> = Vec::new();
        for unit in units {
            let schema = literal(&self.unit_name(unit));
            let queries = [
                (Kind::Database, format!("SELECT '' FROM information_schema.SCHEMATA WHERE SCHEMA_NAME={schema}")),
                (
                    Kind::Table,
                    format!(
                        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA={schema} AND TABLE_TYPE NOT IN ('VIEW', 'SEQUENCE')"
                    ),
                ),
                (
                    Kind::Sequence,
                    format!(
                        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA={schema} AND TABLE_TYPE='SEQUENCE'"
                    ),
                ),
                (
                    Kind::View,
                    format!(
                        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA={schema} AND TABLE_TYPE='VIEW'"
                    ),
                ),
                (
                    Kind::Trigger,
                    format!("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA={schema}"),
                ),
                (Kind::Event, format!("SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA={schema}")),
                (Kind::Function, routine(&schema, "FUNCTION")),
                (Kind::Procedure, routine(&schema, "PROCEDURE")),
                (Kind::Package, routine(&schema, "PACKAGE")),
                (Kind::PackageBody, routine(&schema, "PACKAGE BODY")),
            ];
            for (kind, sql) in queries {
                let names: Vec<String> =
                    connection.query(sql).map_err(|e| wrap(&format!("ask {} what it holds", self.place), e))?;
                there.extend(names.into_iter().map(|name| (kind, unit.to_owned(), name)));
            }
        }
        let is_there = |m: &&Member| {
            let kind = if m.kind == Kind::Rows { Kind::Table } else { m.kind };
            there.iter().any(|(k, unit, name)| (*k, unit, name) == (kind, &m.unit, &m.name))
        };
        Ok(members.iter().filter(is_there).cloned().collect())
    }
}

fn routine(schema: &str, form: &str) -> String {
    format!(
        "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA={schema} AND ROUTINE_TYPE='{form}'"
    )
}

/// Whether a definition names its database, as `db.` with or without quotes.
fn names_unit(statement: &[u8], unit: &str) -> bool {
    let names = [format!("{unit}."), format!("{}.", quoted(unit))];
    names.iter().any(|name| memchr::memmem::find(statement, name.as_bytes()).is_some())
}

/// A statement for another database: the two statements that vex itself writes with a database's name.
fn rename<'a>(statement: &'a [u8], old: &str, new: &str) -> std::borrow::Cow<'a, [u8]> {
    let heads =
        [(format!("USE {}", quoted(old)), format!("USE {}", quoted(new))), (database_head(old), database_head(new))];
    for (from, to) in heads {
        if let Some(rest) = statement.strip_prefix(from.as_bytes()) {
            return [to.as_bytes(), rest].concat().into();
        }
    }
    statement.into()
}

impl Target for MysqlTarget {
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
        let there = self.present(&loading.members)?;
        let mut titles: Vec<String> = there
            .iter()
            .filter(|m| !matches!(m.kind, Kind::Database | Kind::Rows))
            .map(|m| format!("{} {}.{}", m.kind.word(), self.unit_name(&m.unit), m.name))
            .collect();
        titles.dedup();
        Ok(titles)
    }

    fn prepare(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        (*self.rename.lock().expect("no panic while locked")).clone_from(&loading.rename);
        if !loading.overwrite {
            return Ok(());
        }
        let there = self.present(&loading.members)?;
        let mut connection = self.loaders[0].lock().expect("no panic while locked");
        // What hangs on others goes first.
        for member in there.iter().rev().filter(|m| !matches!(m.kind, Kind::Database | Kind::Rows)) {
            stop.check()?;
            let full = qualified(&self.unit_name(&member.unit), &member.name);
            let doing = format!("make room for {} {}", member.kind.word(), member.title());
            let packaged = matches!(member.kind, Kind::Package | Kind::PackageBody);
            if packaged {
                run(&mut connection, "SET sql_mode='ORACLE'", &doing)?;
            }
            run(&mut connection, &format!("DROP {} IF EXISTS {full}", member.kind.word()), &doing)?;
            if packaged {
                run(&mut connection, "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'", &doing)?;
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
        self.execute(&mut connection, load.member, load.bytes)
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

    fn release(&self, stop: &Stop) -> Result<()> {
        let mut connection = self.loaders[0].lock().expect("no panic while locked");
        for (member, bytes) in std::mem::take(&mut *self.events.lock().expect("no panic while locked")) {
            stop.check()?;
            self.execute(&mut connection, &member, &bytes)?;
        }
        Ok(())
    }

    fn missing(&self, members: &[Member], stop: &Stop) -> Result<Vec<Member>> {
        stop.check()?;
        let there = self.present(members)?;
        // A script is no object; what it makes is listed beside it.
        Ok(members.iter().filter(|m| m.kind != Kind::Script && !there.contains(m)).cloned().collect())
    }

    fn workers(&self) -> usize {
        self.loaders.len()
    }
}

/// The layouts of all tables of one database of the target.
fn layouts_of(connection: &mut Conn, unit: &str) -> Result<BTreeMap<String, Layout>> {
    let sql =
        format!("SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA={}", literal(unit));
    let rows: Vec<(String, String)> =
        connection.query(sql).map_err(|e| wrap(&format!("list the tables of {unit}"), e))?;
    let tables = rows.into_iter().filter(|(_, form)| form != "VIEW" && form != "SEQUENCE");
    let table = |(name, form): (String, String)| Table {
        name,
        engine: String::new(),
        sequence: false,
        versioned: form == "SYSTEM VERSIONED",
        partitioned: false,
        rows: 0,
        bytes: 0,
    };
    let unit = Unit { name: unit.to_owned(), tables: tables.map(table).collect(), views: Vec::new() };
    schema::layouts(connection, &unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_statements_vex_writes_itself_are_renamed() {
        for (statement, expected) in [
            ("USE `a`", "USE `b`"),
            ("CREATE DATABASE IF NOT EXISTS `a` /*!40100 x */", "CREATE DATABASE IF NOT EXISTS `b` /*!40100 x */"),
            ("INSERT INTO `a` (`a`) VALUES ('USE `a`')", "INSERT INTO `a` (`a`) VALUES ('USE `a`')"),
        ] {
            assert_eq!(rename(statement.as_bytes(), "a", "b").as_ref(), expected.as_bytes());
        }
    }
}
