//! MySQL and MariaDB: D connections on one consistent snapshot, read over the wire, restored over
//! the wire.
//!
//! Which of the two servers it is, is asked, not configured. A client program is run only where the
//! job names it as the engine of a dump, and never for a restore.

mod account;
mod allowed;
mod altered;
mod ask;
pub mod binlog;
mod catalogue;
pub mod collation;
mod column;
mod compatibility;
pub mod connect;
mod cut;
mod ddl_watch;
mod deferred;
mod definer;
mod definition;
mod describe;
mod doctor;
mod event;
mod fault;
mod feed;
pub mod flavor;
mod ground;
mod guard;
mod journal;
mod literal;
mod metadata_locks;
mod names;
mod object;
mod origin;
mod privilege;
mod privilege_check;
pub mod program;
mod range;
mod reader;
mod rename;
mod replica;
mod restored_accounts;
mod rights;
mod rows;
mod schema;
mod settings;
mod single;
mod slice;
mod snapshot;
mod staged;
mod survey;
mod table_definitions;
mod target;
mod tool;
mod unguarded;
mod unreadable;
mod utf8;
mod value;
mod words;

pub use catalogue::is_decided;
pub use ground::Ground;
pub use program::Tool;

use std::path::PathBuf;

use crate::artifact::{Dialect, Member, Origin, Splitter};
use crate::base::{Finding, Stop};
use crate::job::{Engine, MysqlSpec};
use crate::source::contract::{
    Examined, Facts, Loading, Program, Purpose, Reading, Result, Snapshot, Source, Target,
    UnitFacts,
};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::guard::settled;
use crate::source::mysql::snapshot::MysqlSnapshot;
use crate::source::mysql::target::MysqlTarget;
use crate::source::mysql::tool::ToolSnapshot;
use crate::source::mysql::utf8::as_text;
use crate::world::{Clock, World};

/// A server.
pub struct Mysql {
    spec: MysqlSpec,
    connector: Connector,
    clock: Clock,
    /// Where dump programs have their private folder.
    staging: PathBuf,
}

impl Mysql {
    /// The server of `spec`; its password is revealed now, and it is not asked yet. Dump programs
    /// stage in the state folder.
    pub fn open(spec: &MysqlSpec, world: &World, stop: &Stop) -> Result<Mysql> {
        let (clock, staging) = (world.clock.clone(), world.staging());
        Ok(Mysql { spec: spec.clone(), connector: Connector::new(spec, stop)?, clock, staging })
    }
}

impl Source for Mysql {
    fn probe(&self, stop: &Stop) -> Result<Facts> {
        stop.check()?;
        let mut connection = self.connector.connect("ask")?;
        let flavor = Flavor::of(&mut connection)?;
        let listing = settled(&mut connection, &self.spec, stop)?;
        let units = listing.units;
        let (mut warnings, idle) = (listing.unreadable.lines(), listing.idle);
        for unit in &units {
            for table in unit.tables.iter().filter(|t| !t.is_transactional()) {
                warnings.push(format!(
                    "{}.{} ({}) is not part of the one moment",
                    unit.name, table.name, table.engine
                ));
            }
        }
        let tables = |unit: &schema::Unit| {
            unit.tables.iter().map(|t| (t.name.clone(), t.rows, t.bytes)).collect()
        };
        let facts = units
            .iter()
            .map(|unit| UnitFacts { name: unit.name.clone(), tables: tables(unit) })
            .collect();
        Ok(Facts {
            version: flavor.version.clone(),
            units: facts,
            locks: flavor.locks(),
            warnings,
            idle,
        })
    }

    fn origin(&self, stop: &Stop) -> Result<Origin> {
        stop.check()?;
        origin::origin(&self.spec, &self.connector)
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
        if engine == Engine::Native {
            return Ok(None);
        }
        program::look(engine, &self.spec.tools)?;
        let flavor = Flavor::of(&mut self.connector.connect("ask")?)?;
        Ok(Some(program::find(engine, &flavor, &self.spec.tools, stop)?.facts()))
    }

    fn snapshot(&self, reading: Reading, stop: &Stop) -> Result<Box<dyn Snapshot>> {
        stop.check()?;
        Ok(match reading.engine {
            Engine::Native => {
                Box::new(MysqlSnapshot::take(&self.spec, &self.connector, &reading, stop)?)
            }
            Engine::Mydumper
            | Engine::Mysqldump
            | Engine::PgDump(_)
            | Engine::Basebackup
            | Engine::Rman(_) => Box::new(ToolSnapshot::take(
                &self.spec,
                &self.connector,
                &self.staging,
                reading,
                stop,
            )?),
        })
    }

    fn target(&self, threads: usize, stop: &Stop) -> Result<Box<dyn Target>> {
        stop.check()?;
        Ok(Box::new(MysqlTarget::open(&self.connector, threads, stop)?))
    }

    fn ask(&self, unit: Option<&str>, sql: &str, stop: &Stop) -> Result<Option<String>> {
        stop.check()?;
        ask::ask(&self.connector, unit, sql)
    }

    fn place(&self) -> &str {
        self.connector.place()
    }
}

/// Why an entry of a member may not be loaded; nothing if it may.
pub fn entry_objection(
    member: &Member,
    entry: &[u8],
    held: &dyn Fn(&str) -> bool,
) -> Option<String> {
    for statement in Splitter::new(Dialect::Mysql, entry) {
        let text = match statement {
            Ok(statement) => as_text(statement.text, "read SQL").map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let why = match text {
            Ok(text) => allowed::objection(member, &text, held),
            Err(why) => Some(why),
        };
        if why.is_some() {
            return why;
        }
    }
    None
}
