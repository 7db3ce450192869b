//! An Oracle database of this machine, through RMAN: what is asked before a backup, the backup
//! itself into a staging folder, and a restore.
//!
//! Knows no store: who sends the pieces is told of each as soon as it is whole. RMAN keeps its own
//! record of backups in the control file; an increment adds to what that record says is there. So
//! what is in no store is forgotten there before every backup.

mod doctor;
mod facts;
mod instance;
mod lab;
mod message;
mod script;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::artifact::Origin;
use crate::base::{Size, Stop};
use crate::job::{Engine, OracleSpec};
use crate::source::contract::{
    Error, ErrorKind, Examined, Facts, Hear, Program, Purpose, Reading, Result, Snapshot, Source,
    Target, UnitFacts,
};
use crate::source::oracle::facts::Configuration;
use crate::source::oracle::instance::{Instance, is_within};
use crate::source::program::Private;
use crate::world::World;

pub use facts::{Asking, Database};
pub use lab::{Lab, Validation};
pub use script::{BackupScript, End, RestoreScript, backup, delete_logs, forget, restore};

/// An Oracle database.
pub struct Oracle {
    spec: OracleSpec,
    instance: Instance,
    place: String,
    staging: PathBuf,
    /// Where the locks of this machine are.
    locks: PathBuf,
}

impl Oracle {
    /// The instance of `spec`; it is not asked yet.
    pub fn open(spec: &OracleSpec, world: &World) -> Result<Oracle> {
        let instance = Instance::of(spec)?;
        let locks = world.state.join("locks");
        let staging = spec.staging.clone().unwrap_or_else(|| world.state.join("staging"));
        Ok(Oracle { spec: spec.clone(), place: instance.place(), instance, staging, locks })
    }

    /// The instance.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Channels of RMAN, where the step says so many threads.
    pub fn channels(&self, threads: usize) -> usize {
        self.spec.channels.unwrap_or(threads).max(1)
    }

    /// Keeps other runs of this machine from the instance until it is dropped: what one of them has
    /// under way, another would have RMAN forget.
    pub fn lock(&self, doing: &str) -> Result<File> {
        let path = self.locks.join(format!("oracle-{}.lock", self.instance.sid));
        let doing = format!("{doing} {}", self.place);
        let io = |e: std::io::Error| {
            Error::new(ErrorKind::Failed, &doing, format!("{}: {e}", path.display()))
        };
        std::fs::create_dir_all(&self.locks).map_err(io)?;
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Busy,
                &doing,
                "another run backs it up, or restores it",
            )
            .hint("Wait for its end; give the jobs of one database schedules that do not meet.")),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// Takes the instance as one in which backups are validated; refuses one that holds anything.
    pub fn lab<'a>(&'a self, private: &'a Private, hear: Hear, stop: &'a Stop) -> Result<Lab<'a>> {
        let note = self.locks.join(format!("oracle-{}.control-files", self.instance.sid));
        Lab::take((&self.instance, note), private, hear, stop)
    }

    /// A private folder where the server can write.
    pub fn private(&self) -> Result<Private> {
        let private = Private::create(&self.staging)?;
        if script::is_quotable(private.path()) {
            return Ok(private);
        }
        let found = format!("{} can't stand in a script of RMAN", private.path().display());
        Err(Error::new(ErrorKind::Refused, "make a staging folder", found)
            .hint("Name another folder with `staging=`."))
    }

    /// Refuses what could not become a good backup; returns what was found.
    pub fn preflight(&self, private: &Private, stop: &Stop) -> Result<(Database, Configuration)> {
        let asking = Asking { instance: &self.instance, private, stop };
        self.instance.program("rman")?;
        let (database, configuration) = (asking.database()?, asking.configuration()?);
        let refuse = |found: &str, hint: &str| {
            Err(Error::new(ErrorKind::Refused, format!("back up {}", self.place), found).hint(hint))
        };
        if !database.archives {
            return refuse(
                "the database is in NOARCHIVELOG mode",
                "SHUTDOWN IMMEDIATE, STARTUP MOUNT, ALTER DATABASE ARCHIVELOG, ALTER DATABASE OPEN.",
            );
        }
        if !configuration.autobackup {
            return refuse(
                "the control file is not backed up by itself, and a lost server could not be restored",
                "In RMAN: CONFIGURE CONTROLFILE AUTOBACKUP ON.",
            );
        }
        private.has_room(asking.size()?, "or name another folder with `staging=`")?;
        Ok((database, configuration))
    }

    /// The origin of a database that answered.
    pub fn origin_of(&self, database: &Database) -> Origin {
        let dbid = database.dbid.to_string();
        Origin {
            id: self.spec.identity.clone().unwrap_or_else(|| dbid.clone()),
            sign: Some(database.host.clone()).filter(|host| !host.is_empty()),
            anywhere: self.spec.identity.is_some(),
            server: Some(format!("oracle {dbid} {}", database.host)),
        }
    }

    /// Runs a script that makes no piece; returns what RMAN warned of.
    pub fn run(
        &self,
        doing: &str,
        script: &str,
        private: &Private,
        hear: Hear,
        stop: &Stop,
    ) -> Result<Vec<String>> {
        let doing = format!("{doing} {}", self.place);
        self.instance.rman(&doing, script, private, hear, &mut |_| {}, stop)
    }

    /// Backs up; hands the path of every piece to `piece` as soon as it is whole. Returns what RMAN
    /// warned of.
    pub fn backup(
        &self,
        script: &str,
        private: &Private,
        hear: Hear,
        piece: &mut dyn FnMut(PathBuf),
        stop: &Stop,
    ) -> Result<Vec<String>> {
        let doing = format!("back up {}", self.place);
        let own = |told: message::Told| {
            // What RMAN wrote elsewhere, such as a copy of a DBA's own, is none of ours.
            let path = PathBuf::from(told.handle);
            if is_within(&path, private.path()) {
                piece(path);
            }
        };
        let mut own = own;
        self.instance.rman(&doing, script, private, hear, &mut own, stop)
    }
}

impl Source for Oracle {
    fn probe(&self, stop: &Stop) -> Result<Facts> {
        stop.check()?;
        let private = self.private()?;
        let (database, configuration) = self.preflight(&private, stop)?;
        let asking = Asking { instance: &self.instance, private: &private, stop };
        let bytes = asking.size()?;
        let mut facts = Facts { version: version(&database), ..Facts::default() };
        let tables = vec![("data files".to_owned(), 0, bytes)];
        facts.units.push(UnitFacts { name: database.name.clone(), tables });
        facts.warnings.push(format!(
            "all pieces are staged in {} until they are sent: up to {}",
            self.staging.display(),
            Size(bytes)
        ));
        if let Some(policy) = configuration.policy {
            facts.warnings.push(format!(
                "archived logs are deleted as the database's own policy says: {policy}"
            ));
        }
        Ok(facts)
    }

    fn origin(&self, stop: &Stop) -> Result<Origin> {
        stop.check()?;
        let private = self.private()?;
        let asking = Asking { instance: &self.instance, private: &private, stop };
        Ok(self.origin_of(&asking.database()?))
    }

    fn examine(&self, _purpose: Purpose, stop: &Stop) -> Result<Examined> {
        stop.check()?;
        doctor::examine(&self.instance, &self.staging, stop)
    }

    fn engine(&self, engine: Engine, stop: &Stop) -> Result<Option<Program>> {
        stop.check()?;
        let Engine::Rman(rman) = engine else {
            let found = format!("the engine {} does not read such sources", engine.word());
            return Err(Error::new(ErrorKind::Refused, format!("dump {}", self.place), found));
        };
        let program = self.instance.program("rman")?;
        let remarks = vec![format!(
            "level {}{}; all archived logs, control file and spfile with it",
            rman.level.number(),
            if rman.cumulative { ", cumulative" } else { "" }
        )];
        Ok(Some(Program {
            title: program.display().to_string(),
            locks: vec!["no lock: reads and writes go on; the current log is archived".to_owned()],
            covers_all: true,
            remarks,
        }))
    }

    fn snapshot(&self, _reading: Reading, _stop: &Stop) -> Result<Box<dyn Snapshot>> {
        let found = "its backups are pieces that RMAN writes, not rows";
        Err(Error::new(ErrorKind::Refused, format!("dump {}", self.place), found)
            .hint("Use `rman` in the job file."))
    }

    fn target(&self, _threads: usize, _stop: &Stop) -> Result<Box<dyn Target>> {
        let doing = format!("restore into {}", self.place);
        Err(Error::new(ErrorKind::Refused, doing, "rows are not restored into an instance")
            .hint("Use `vex restore FILE SOURCE --mode FULL` or `--mode INCREMENTAL`."))
    }

    fn place(&self) -> &str {
        &self.place
    }
}

/// How the software names itself.
pub fn version(database: &Database) -> String {
    format!("Oracle {}", database.version)
}

/// Whether a path can stand in a script of RMAN.
pub fn is_quotable(path: &Path) -> bool {
    script::is_quotable(path)
}
