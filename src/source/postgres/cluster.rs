//! The files of a PostgreSQL server as a source: what is asked before `pg_basebackup` runs, and
//! what it adds to.
//!
//! Knows no tar file. A backup that was to add to another and can't is a full one, and says why;
//! only a server that could never do it is refused.

use std::path::PathBuf;

use postgres::Client;

use crate::artifact::{Origin, Position};
use crate::base::{Finding, Stop};
use crate::job::{ClusterSpec, Engine};
use crate::source::contract::{
    About, Error, ErrorKind, Examined, Facts, Parent, Program, Purpose, Reading, Result, Snapshot,
    Source, Target, UnitFacts,
};
use crate::source::postgres::config;
use crate::source::postgres::connect::Connector;
use crate::source::postgres::fault::wrap;
use crate::source::postgres::origin::origin;
use crate::source::postgres::physical::{Parts, PhysicalSnapshot, UNIT};
use crate::source::postgres::program::{self, find};
use crate::source::postgres::server::{Server, session};
use crate::source::program::Private;
use crate::world::World;

/// The first server that can tell what changed since a backup.
const INCREMENTAL: u32 = 170_000;

/// The files of a server.
pub struct Cluster {
    spec: ClusterSpec,
    connector: Connector,
    /// What this machine is, if it is known.
    machine: Option<String>,
    staging: PathBuf,
}

impl Cluster {
    /// The server of `spec`; its password is revealed now, and it is not asked yet.
    pub fn open(spec: &ClusterSpec, world: &World, stop: &Stop) -> Result<Cluster> {
        let connector = Connector::new(&spec.server, stop)?;
        let (machine, staging) = (world.machine(), world.staging());
        Ok(Cluster { spec: spec.clone(), connector, machine, staging })
    }

    fn ask(&self) -> Result<(Client, Server)> {
        let mut client = session(&self.connector, "ask")?;
        let server = Server::of(&mut client, self.connector.place())?;
        Ok((client, server))
    }

    /// Refuses what could not become a good backup.
    fn preflight(&self, server: &Server) -> Result<()> {
        let doing = format!("copy the files of {}", self.connector.place());
        if let Some((kind, found, hint)) = server.objection() {
            return Err(Error::new(kind, doing, found).hint(hint));
        }
        if self.spec.physical.incremental && server.number < INCREMENTAL {
            let found = format!("{} can't tell what changed since a backup", server.version());
            return Err(Error::new(ErrorKind::Refused, doing, found)
                .hint("Leave `incremental` out, or move to PostgreSQL 17."));
        }
        Ok(())
    }

    fn program(&self, server: &Server, stop: &Stop) -> Result<program::Program> {
        find(&self.spec.server.tools, "pg_basebackup", server.number, stop)
    }
}

/// Keeps WAL from now on, as long as the session lives.
fn reserve(client: &mut Client) -> Result<()> {
    let doing = "make a replication slot";
    let sql = "SELECT pg_create_physical_replication_slot('vex_' || pg_backend_pid(), true, true)";
    client.query_one(sql, &[]).map(|_| ()).map_err(|e| wrap(doing, e))
}

/// Why a backup can't add to an earlier one, if it can't: a remark, or what somebody must look at.
enum Full {
    Remark(String),
    Warning(String),
}

fn adds_to(client: &mut Client, server: &Server, parent: &Parent) -> std::result::Result<(), Full> {
    let Some(Position::Postgres { system, timeline, start, .. }) = &parent.position else {
        return Err(Full::Warning(format!("{} does not say where it stands", parent.id)));
    };
    if *system != server.system {
        return Err(Full::Remark(format!(
            "{} is of another cluster ({system}, this is {})",
            parent.id, server.system
        )));
    }
    if *timeline != server.timeline {
        return Err(Full::Remark(format!(
            "{} is of timeline {timeline}, the server is on {}",
            parent.id, server.timeline
        )));
    }
    if server.setting("summarize_wal") != "on" {
        return Err(Full::Warning(
            "summarize_wal is off (ALTER SYSTEM SET summarize_wal = on, and reload)".into(),
        ));
    }
    let sql = "SELECT coalesce(min(start_lsn) <= $1::text::pg_lsn, false) FROM pg_available_wal_summaries() WHERE tli = $2::int8";
    match client.query_one(sql, &[start, &i64::from(*timeline)]) {
        Ok(row) if row.get(0) => Ok(()),
        Ok(_) => Err(Full::Warning(format!(
            "the server has no WAL summaries back to {start} (wal_summary_keep_time)"
        ))),
        // A role may not see them; then the program will tell.
        Err(error) if error.as_db_error().is_some() => Ok(()),
        Err(error) => Err(Full::Warning(wrap("ask for WAL summaries", error).to_string())),
    }
}

impl Source for Cluster {
    fn probe(&self, stop: &Stop) -> Result<Facts> {
        stop.check()?;
        let (mut client, server) = self.ask()?;
        stop.check()?;
        self.preflight(&server)?;
        let tables =
            server.databases.iter().map(|(name, bytes)| (name.clone(), 0, *bytes)).collect();
        let mut facts = Facts { version: server.version(), ..Facts::default() };
        facts.units.push(UnitFacts { name: format!("{UNIT} {}", server.system), tables });
        let config = config::read(&mut client, &self.connector, &server)?;
        facts
            .warnings
            .extend(config.lost.iter().chain(&config.left).map(|l| format!("not included: {l}")));
        for tablespace in &server.tablespaces {
            let line = format!(
                "tablespace {} in {}: all files are staged first",
                tablespace.name, tablespace.location
            );
            facts.warnings.push(line);
        }
        Ok(facts)
    }

    fn origin(&self, stop: &Stop) -> Result<Origin> {
        stop.check()?;
        origin(&self.spec.server, &self.connector, self.machine.as_deref(), stop)
    }

    fn examine(&self, _purpose: Purpose, stop: &Stop) -> Result<Examined> {
        stop.check()?;
        let (mut client, server) = self.ask()?;
        let mut findings = vec![Finding::ok("version", server.version())];
        match server.objection() {
            Some((_, found, hint)) => findings.push(Finding::error("files", found, hint)),
            None => findings
                .push(Finding::ok("files", format!("the role {} may copy them", server.role))),
        }
        if self.spec.physical.incremental {
            let found = format!("summarize_wal is {}", server.setting("summarize_wal"));
            let advice = "ALTER SYSTEM SET summarize_wal = on, and reload; until then every backup is a full one.";
            findings.push(Finding::judged(
                server.setting("summarize_wal") == "on",
                "increments",
                found,
                advice,
            ));
        }
        stop.check()?;
        let config = config::read(&mut client, &self.connector, &server)?;
        for line in &config.lost {
            let advice = "Every run would be Alerta; grant what is missing, or run vex on the server as a user who can read it.";
            findings.push(Finding::alert("configuration", line.clone(), advice));
        }
        Ok(Examined { findings, bytes: server.bytes(), data: None })
    }

    fn engine(&self, _engine: Engine, stop: &Stop) -> Result<Option<Program>> {
        stop.check()?;
        let (_, server) = self.ask()?;
        let program = self.program(&server, stop)?;
        let pace =
            if self.spec.physical.fast { "at once" } else { "spread over checkpoint_timeout" };
        let locks = vec![
            format!("no lock: reads and writes go on; a checkpoint is written {pace}"),
            "a temporary replication slot keeps WAL until the files are copied".to_owned(),
        ];
        Ok(Some(Program { title: program.title, locks, covers_all: false, remarks: Vec::new() }))
    }

    fn snapshot(&self, reading: Reading, stop: &Stop) -> Result<Box<dyn Snapshot>> {
        stop.check()?;
        let (mut client, server) = self.ask()?;
        self.preflight(&server)?;
        let program = self.program(&server, stop)?;
        let config = config::read(&mut client, &self.connector, &server)?;
        let (mut warnings, mut remarks) =
            (Vec::new(), vec![format!("the files are read by {}", program.title)]);
        if server.standby {
            remarks.push(
                "the files are of a standby, as of what it had replayed; a restore makes a server of its own".into(),
            );
        }
        if let Err(error) = reserve(&mut client) {
            remarks
                .push(format!("{error}; WAL that is needed may be gone before it is copied, which fails the backup"));
        }
        let private = Private::create(&self.staging)?;
        let mut parent = None;
        if let Some(asked) = &reading.parent {
            match adds_to(&mut client, &server, asked) {
                Ok(()) => {
                    let text = String::from_utf8_lossy(&asked.record);
                    parent = Some((asked.id.clone(), private.write("parent_manifest", &text)?));
                    remarks.push(format!("adds to {}", asked.id));
                }
                Err(Full::Remark(why)) => remarks.push(format!("a full backup: {why}")),
                Err(Full::Warning(why)) => {
                    warnings.push(format!("a full backup instead of an increment: {why}"))
                }
            }
        }
        let (physical, connector) = (self.spec.physical.clone(), self.connector.clone());
        let parts = Parts {
            server,
            config,
            program,
            physical,
            connector,
            private,
            parent,
            about: About { warnings, remarks, ..About::default() },
        };
        Ok(Box::new(PhysicalSnapshot::take(parts, client, reading, stop)?))
    }

    fn target(&self, _threads: usize, _stop: &Stop) -> Result<Box<dyn Target>> {
        let error = Error::new(
            ErrorKind::Refused,
            format!("restore into {}", self.place()),
            "files are not restored into a server",
        );
        Err(error.hint("Name the data directory: `--into pgdata:/var/lib/postgresql/17/main`."))
    }

    fn place(&self) -> &str {
        self.connector.place()
    }
}
