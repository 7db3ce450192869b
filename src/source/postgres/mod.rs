//! PostgreSQL: D connections on one exported snapshot of each database, read and restored over the
//! wire.
//!
//! Definitions come from `pg_dump`, which alone knows all of them; rows never pass through a
//! program.

mod allowed;
mod allowed_program;
mod ask;
pub mod basebackup;
mod binary;
mod cancel;
mod catalogue;
pub mod cluster;
mod compatibility;
pub mod config;
pub mod connect;
pub mod contents;
pub mod control;
mod creation;
mod cut;
mod databases;
mod datetime;
mod decimal;
mod deferred;
mod definition;
mod displaced;
mod doctor;
mod dumper;
pub mod fault;
mod globals;
mod interrupted;
mod large;
mod origin;
mod outside;
mod pattern;
pub mod physical;
pub mod place;
mod pooler;
pub mod present;
mod privileges;
pub mod program;
mod recount;
mod replica;
mod reroute;
mod restored_globals;
mod rights;
mod rows;
mod script;
pub mod server;
mod single;
mod snapshot;
mod staged;
mod state;
mod statement;
mod survey;
mod target;
mod toc;
pub mod unpack;
mod vacuum;
mod view;
pub mod wal;
mod wire;
mod words;

pub use catalogue::is_decided;

use std::path::PathBuf;

use crate::artifact::{CopyEntry, Kind, Member, Origin};
use crate::base::{Finding, Stop};
use crate::job::{DumpForm, Engine, PostgresSpec};
use crate::source::contract::{
    Examined, Facts, Loading, Maintenance, Program, Purpose, Reading, Result, Snapshot, Source,
    Target, UnitFacts,
};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::databases::{databases, shut};
use crate::source::postgres::dumper::DumperSnapshot;
use crate::source::postgres::snapshot::PostgresSnapshot;
use crate::source::postgres::staged::Archives;
use crate::source::postgres::target::PostgresTarget;
use crate::source::postgres::vacuum::Vacuums;
use crate::world::{Clock, World};

/// A server.
pub struct Postgres {
    spec: PostgresSpec,
    connector: Connector,
    vacuums: Vacuums,
    clock: Clock,
    /// What this machine is, if it is known.
    machine: Option<String>,
    /// Where dump programs have their private folder.
    staging: PathBuf,
}

impl Postgres {
    /// The server of `spec`; its password is revealed now, and it is not asked yet.
    /// Dump programs stage in the state folder.
    pub fn open(spec: &PostgresSpec, world: &World, stop: &Stop) -> Result<Postgres> {
        let connector = Connector::new(spec, stop)?;
        let vacuums = Vacuums::new(spec, &connector);
        let (clock, staging) = (world.clock.clone(), world.staging());
        let machine = world.machine();
        Ok(Postgres { spec: spec.clone(), connector, vacuums, clock, machine, staging })
    }
}

impl Source for Postgres {
    fn probe(&self, stop: &Stop) -> Result<Facts> {
        stop.check()?;
        let mut facts = Facts::default();
        let mut databases = databases(&self.spec, &self.connector)?;
        let number = databases.number;
        facts.version = format!("PostgreSQL {}.{}", number / 10_000, number % 10_000);
        for name in databases.units.clone() {
            stop.check()?;
            let mut client = match self.connector.session(&name, "ask") {
                Err(error) if shut(&name, &error).is_some() => {
                    databases.lost.extend(shut(&name, &error));
                    continue;
                }
                other => other?,
            };
            let relations = survey::glance(&mut client, &name)?;
            survey::see(&mut client, &name, &relations, &mut databases.patterns)?;
            let own = relations
                .iter()
                .filter(|r| r.has_rows() && survey::takes_table(&self.spec, &name, r).1);
            let tables = own.map(|r| (r.title(), r.rows, r.bytes)).collect();
            facts.units.push(UnitFacts { name, tables });
        }
        facts.idle = databases.idle();
        facts.warnings.extend(databases.lost);
        facts
            .locks
            .push("ACCESS SHARE on every table until the end: writers go on, ALTER, DROP and TRUNCATE wait".into());
        Ok(facts)
    }

    fn origin(&self, stop: &Stop) -> Result<Origin> {
        stop.check()?;
        origin::origin(&self.spec, &self.connector, self.machine.as_deref(), stop)
    }

    fn examine(&self, purpose: Purpose, stop: &Stop) -> Result<Examined> {
        stop.check()?;
        doctor::examine(&self.spec, &self.connector, &self.clock, purpose, stop)
    }

    fn rights(&self, loading: &Loading, stop: &Stop) -> Result<Vec<Finding>> {
        stop.check()?;
        rights::rights(&self.connector, loading, stop)
    }

    fn engine(&self, engine: Engine, stop: &Stop) -> Result<Option<Program>> {
        stop.check()?;
        let Engine::PgDump(form) = engine else { return Ok(None) };
        let number = databases(&self.spec, &self.connector)?.number;
        let title = program::find(&self.spec.tools, "pg_dump", number, stop)?.title;
        if self.spec.globals {
            program::find(&self.spec.tools, "pg_dumpall", number, stop)?;
        }
        let locks =
            vec!["ACCESS SHARE on every table until the end, by vex and by pg_dump".to_owned()];
        let staged =
            "it stages all rows, uncompressed, in the state folder before the first byte is sent";
        let remarks = (form == DumpForm::Directory).then(|| staged.to_owned());
        Ok(Some(Program {
            title,
            locks,
            covers_all: false,
            remarks: remarks.into_iter().collect(),
        }))
    }

    fn snapshot(&self, reading: Reading, stop: &Stop) -> Result<Box<dyn Snapshot>> {
        stop.check()?;
        Ok(match reading.engine {
            Engine::PgDump(form) => Box::new(DumperSnapshot::take(
                &self.spec,
                &self.connector,
                &self.staging,
                form,
                reading,
                stop,
            )?),
            Engine::Native
            | Engine::Mydumper
            | Engine::Mysqldump
            | Engine::Basebackup
            | Engine::Rman(_) => {
                Box::new(PostgresSnapshot::take(&self.spec, &self.connector, &reading, stop)?)
            }
        })
    }

    fn target(&self, threads: usize, stop: &Stop) -> Result<Box<dyn Target>> {
        stop.check()?;
        Ok(Box::new(PostgresTarget::open(
            &self.connector,
            Archives::new(&self.staging, &self.spec.tools),
            threads,
            stop,
        )?))
    }

    fn ask(&self, unit: Option<&str>, sql: &str, stop: &Stop) -> Result<Option<String>> {
        stop.check()?;
        ask::ask(&self.connector, unit, sql)
    }

    fn maintenance(&self) -> Option<&dyn Maintenance> {
        Some(&self.vacuums)
    }

    fn place(&self) -> &str {
        self.connector.place()
    }
}

/// Why an entry of a member may not be loaded; nothing if it may.
pub fn entry_objection(member: &Member, entry: &[u8]) -> Option<String> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|error| error.to_string());
    let judged = match member.kind {
        Kind::Rows if member.schema.is_none() && member.name == large::NAME => {
            text(entry).map(|text| match allowed::puts(text) {
                true => None,
                false => Some("it does more than put bytes".to_owned()),
            })
        }
        Kind::Rows => CopyEntry::parse(entry).map_err(|error| error.to_string()).and_then(|cut| {
            let is_copy = allowed::copies(member, text(cut.statement)?);
            let is_setting =
                text(cut.prologue)?.lines().all(|line| line.is_empty() || line.starts_with("SET "));
            let may = is_copy && is_setting;
            Ok((!may).then(|| "it does more than copy rows into this table".to_owned()))
        }),
        _ => text(entry).and_then(|text| allowed::judge(member, text)).map(|_| None),
    };
    judged.unwrap_or_else(Some)
}
