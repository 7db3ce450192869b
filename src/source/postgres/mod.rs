//! PostgreSQL: D connections on one exported snapshot of each database, read and restored over the wire.
//!
//! Definitions come from `pg_dump`, which alone knows all of them; rows never pass through a program.

mod basebackup;
pub mod cluster;
mod config;
mod connect;
mod fault;
mod outside;
mod physical;
pub mod program;
mod secure;
mod server;
mod survey;

use crate::base::Stop;
use crate::job::PostgresSpec;
use crate::source::contract::{Error, ErrorKind, Examined, Facts, Purpose, Reading, Result, Snapshot, Source, Target, UnitFacts};
use crate::source::postgres::connect::{Connector, server_version};

pub use basebackup::MANIFEST as RECORD;

/// A server.
pub struct Postgres {
    spec: PostgresSpec,
    connector: Connector,
}

impl Postgres {
    /// The server of `spec`; its password is revealed now, and it is not asked yet.
    pub fn open(spec: &PostgresSpec, stop: &Stop) -> Result<Postgres> {
        Ok(Postgres { spec: spec.clone(), connector: Connector::new(spec, stop)? })
    }
}

impl Source for Postgres {
    fn probe(&self, stop: &Stop) -> Result<Facts> {
        let mut facts = Facts::default();
        for name in survey::databases(&self.spec, &self.connector)? {
            stop.check()?;
            let mut client = self.connector.session(&name, "ask")?;
            let number = server_version(&mut client, "ask for the version")?;
            facts.version = format!("PostgreSQL {}.{}", number / 10_000, number % 10_000);
            let relations = survey::relations(&mut client, &name)?;
            let own = relations.iter().filter(|r| r.has_rows() && survey::takes_table(&self.spec, &name, r).1);
            let tables = own.map(|r| (r.title(), r.rows, r.bytes)).collect();
            facts.units.push(UnitFacts { name, tables });
        }
        facts.locks.push("ACCESS SHARE on every table until the end: writers go on, ALTER, DROP and TRUNCATE wait".into());
        Ok(facts)
    }

    fn examine(&self, _purpose: Purpose, _stop: &Stop) -> Result<Examined> {
        Ok(Examined::default())
    }

    fn snapshot(&self, _reading: Reading, _stop: &Stop) -> Result<Box<dyn Snapshot>> {
        Err(Error::new(ErrorKind::Refused, "dump", "not there yet"))
    }

    fn target(&self, _threads: usize, _stop: &Stop) -> Result<Box<dyn Target>> {
        Err(Error::new(ErrorKind::Refused, "restore", "not there yet"))
    }

    fn place(&self) -> &str {
        self.connector.place()
    }
}
