//! A SQLite file as a source: one consistent copy by the backup API, then the exact file and its
//! SQL from the copy.
//!
//! Does not touch the live file but through SQLite: plain opens would drop SQLite's locks, plain
//! copies tear. The staging copy lies in the state folder, readable by the owner only, and is
//! removed with the snapshot; copies that a killed run left are swept at the next start (their
//! owner held a lock on them).

mod ask;
mod authorizer;
mod check;
mod copy;
mod definition;
mod doctor;
mod open;
mod origin;
mod rows;
mod snapshot;
mod target;

use std::path::PathBuf;

use crate::artifact::Origin;
use crate::base::Stop;
use crate::job::SqliteSpec;
use crate::source::contract::{
    Examined, Facts, Purpose, Reading, Result, Snapshot, Source, Target, UnitFacts,
};
use crate::source::sqlite::open::{failed, open_live};
use crate::source::sqlite::snapshot::SqliteSnapshot;
use crate::source::sqlite::target::SqliteTarget;
use crate::world::World;

/// A SQLite file.
pub struct Sqlite {
    spec: SqliteSpec,
    unit: String,
    /// What this machine is, if it is known.
    machine: Option<String>,
    staging: PathBuf,
    place: String,
}

impl Sqlite {
    /// The file of `spec`; its one unit is called `unit`; copies are staged in the state folder.
    pub fn new(spec: &SqliteSpec, unit: &str, world: &World) -> Sqlite {
        Sqlite {
            spec: spec.clone(),
            unit: unit.to_owned(),
            machine: world.machine(),
            staging: world.staging(),
            place: format!("sqlite {}", spec.path.display()),
        }
    }
}

impl Source for Sqlite {
    fn probe(&self, stop: &Stop) -> Result<Facts> {
        stop.check()?;
        let doing = format!("ask {}", self.place);
        let connection = open_live(&self.spec.path, &doing, stop)?;
        let mut tables = Vec::new();
        for table in definition::tables(&connection).map_err(|e| failed(&doing, e))? {
            let bytes = definition::bytes_of(&connection, &table.name);
            tables.push((table.name, 0, bytes));
        }
        let pages = definition::database_bytes(&connection).map_err(|e| failed(&doing, e))?;
        let listed: u64 = tables.iter().map(|t| t.2).sum();
        if listed == 0
            && let Some(first) = tables.first_mut()
        {
            first.2 = pages;
        }
        let unit = UnitFacts { name: self.unit.clone(), tables };
        Ok(Facts {
            version: format!("SQLite {}", rusqlite::version()),
            units: vec![unit],
            locks: vec![format!(
                "a read lock while {} is copied to staging; in WAL mode writers go on",
                self.spec.path.display()
            )],
            warnings: Vec::new(),
            idle: Vec::new(),
        })
    }

    fn origin(&self, stop: &Stop) -> Result<Origin> {
        stop.check()?;
        origin::origin(&self.spec, self.machine.as_deref())
    }

    fn examine(&self, purpose: Purpose, stop: &Stop) -> Result<Examined> {
        stop.check()?;
        doctor::examine(&self.spec.path, &self.staging, &self.place, purpose, stop)
    }

    fn snapshot(&self, reading: Reading, stop: &Stop) -> Result<Box<dyn Snapshot>> {
        stop.check()?;
        let snapshot = SqliteSnapshot::take(
            &self.spec.path,
            &self.unit,
            &self.staging,
            &self.place,
            reading,
            stop,
        )?;
        Ok(Box::new(snapshot))
    }

    fn target(&self, threads: usize, stop: &Stop) -> Result<Box<dyn Target>> {
        stop.check()?;
        Ok(Box::new(SqliteTarget::new(&self.spec.path, threads)))
    }

    fn ask(&self, _unit: Option<&str>, sql: &str, stop: &Stop) -> Result<Option<String>> {
        stop.check()?;
        ask::ask(&self.spec.path, &self.place, sql)
    }

    fn place(&self) -> &str {
        &self.place
    }
}
