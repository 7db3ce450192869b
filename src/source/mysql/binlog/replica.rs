//! A server that a log is replayed into as if it were a replica: what speaks against that, and the
//! channel for it.
//!
//! Invariants: what would let a server pass over events in silence is refused before anything is
//! written; the channel is made for one recovery, and removed however that ends; no other channel is
//! touched.

use std::net::IpAddr;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use crate::base::Stop;
use crate::job::MysqlSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::binlog::serve::MARK;
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::schema::literal;

/// What the channel is called.
const CHANNEL: &str = "vex";

/// The user that a channel of ours connects as.
pub const USER: &str = "vex-replay";

/// A server that a log is replayed into.
pub struct Replica {
    connector: Connector,
    /// Its family and version.
    pub flavor: Flavor,
    /// Its server id.
    pub id: u32,
    /// Whether its GTIDs must be made.
    gtids: bool,
    /// Whether events of its scheduler run.
    pub scheduler: bool,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It goes on: where it is, and whether it reads the log.
    Applying(String, bool),
    /// All is applied.
    Done,
    /// It stopped.
    Failed(String),
}

impl Replica {
    /// Asks a server whether a log may be replayed into it; changes nothing.
    pub fn examine(spec: &MysqlSpec, stop: &Stop) -> Result<Replica> {
        stop.check()?;
        let connector = Connector::new(spec, stop)?;
        let flavor = Flavor::of(&mut connector.connect("ask")?)?;
        let mut connection = connector.session(&flavor, "ask")?;
        let doing = format!("replay a binary log into {}", connector.place());
        let refuse = |found: String, hint: &str| {
            Err(Error::new(ErrorKind::Refused, &doing, found).hint(hint))
        };
        if flavor.family == Family::Mysql && flavor.number < (8, 0) {
            return refuse(
                format!("it is MySQL {}, and can't take a log without its GTIDs", flavor.version),
                "Restore into MySQL 8.0.23 or later.",
            );
        }
        let id = ask(&mut connection, "SELECT @@GLOBAL.server_id", &doing)?;
        let id: u32 = id.parse().unwrap_or(0);
        if id == 0 {
            return refuse(
                "its server_id is 0: such a server takes no log".into(),
                "Set server_id to a number that no other server has.",
            );
        }
        let mode = match flavor.family {
            Family::Mysql => ask(&mut connection, "SELECT @@GLOBAL.gtid_mode", &doing)?,
            Family::Mariadb => String::new(),
        };
        if let Some(found) = silent(&mut connection, &flavor, &doing)? {
            return refuse(
                found,
                "Unset it for the time of the restore: it passes over events in silence.",
            );
        }
        let scheduler = ask(&mut connection, "SELECT @@GLOBAL.event_scheduler", &doing)?;
        let gtids = mode.eq_ignore_ascii_case("ON");
        let scheduler = scheduler.eq_ignore_ascii_case("ON") || scheduler == "1";
        let own = Replica { connector, flavor, id, gtids, scheduler };
        own.may(&mut connection, &doing)?;
        Ok(own)
    }

    /// What messages call it.
    pub fn place(&self) -> &str {
        self.connector.place()
    }

    fn words(&self) -> Words {
        match self.flavor.family {
            Family::Mysql => Words {
                stop: "STOP REPLICA FOR CHANNEL 'vex'",
                start: "START REPLICA FOR CHANNEL 'vex'",
                reset: "RESET REPLICA ALL FOR CHANNEL 'vex'",
                status: "SHOW REPLICA STATUS FOR CHANNEL 'vex'",
                grant: "REPLICATION_SLAVE_ADMIN, REPLICATION CLIENT, RELOAD",
            },
            Family::Mariadb => Words {
                stop: "STOP SLAVE 'vex'",
                start: "START SLAVE 'vex'",
                reset: "RESET SLAVE 'vex' ALL",
                status: "SHOW SLAVE 'vex' STATUS",
                grant: if self.flavor.number >= (10, 5) {
                    "REPLICATION SLAVE ADMIN, SLAVE MONITOR, RELOAD"
                } else {
                    "SUPER, REPLICATION CLIENT, RELOAD"
                },
            },
        }
    }

    /// Refuses where the rights are missing, or a channel of the name is somebody else's.
    fn may(&self, connection: &mut Conn, doing: &str) -> Result<()> {
        let words = self.words();
        let denied = |error: Error| match error.kind {
            ErrorKind::Denied => error.hint(format!(
                "GRANT {} ON *.* to the user who restores: the server applies the log by itself.",
                words.grant
            )),
            _ => error,
        };
        let status = self.status(connection).map_err(denied)?;
        if let Some(status) = status {
            let user = column(&status, &["Source_User", "Master_User"]);
            if user.as_deref() != Some(USER) {
                let found = format!("it has a replication channel {CHANNEL} that is none of vex");
                return Err(Error::new(ErrorKind::Refused, doing, found)
                    .hint("Rename that channel, or restore into another server."));
            }
            // Left by a restore that was killed: it is removed before the next one writes.
            return Ok(());
        }
        // Nothing is there to be stopped or removed: only the rights to are asked for.
        for statement in [words.stop, words.reset] {
            match connection.query_drop(statement) {
                Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1227 | 1045 | 1142) => {
                    return Err(denied(wrap(doing, mysql::Error::MySqlError(e))));
                }
                Ok(()) | Err(mysql::Error::MySqlError(_)) => {}
                Err(error) => return Err(wrap(doing, error)),
            }
        }
        Ok(())
    }

    /// The status of the channel; `None` where there is none.
    fn status(&self, connection: &mut Conn) -> Result<Option<Row>> {
        match connection.query_first(self.words().status) {
            Ok(row) => Ok(row),
            // No such channel, no such connection.
            Err(mysql::Error::MySqlError(e)) if matches!(e.code, 3074 | 1617 | 1936) => Ok(None),
            Err(error) => Err(wrap(&format!("ask {} for its replication", self.place()), error)),
        }
    }

    /// Makes the channel, which begins to read at once.
    pub fn begin(
        &self,
        (address, port): (IpAddr, u16),
        password: &str,
        (file, at): (&str, u64),
    ) -> Result<Channel<'_>> {
        let connection = self.connector.session(&self.flavor, "restore into")?;
        let mut channel = Channel { replica: self, connection, is_there: false };
        channel.remove()?;
        let doing = format!("make a replication channel in {}", self.place());
        let (file, password) = (literal(file), literal(password));
        let change = match self.flavor.family {
            Family::Mysql => {
                let assign = if self.gtids { "LOCAL" } else { "OFF" };
                format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST='{address}', SOURCE_PORT={port}, SOURCE_USER='{USER}', \
                     SOURCE_PASSWORD={password}, SOURCE_LOG_FILE={file}, SOURCE_LOG_POS={at}, SOURCE_AUTO_POSITION=0, \
                     SOURCE_SSL=0, SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=5, SOURCE_HEARTBEAT_PERIOD=10, \
                     REQUIRE_TABLE_PRIMARY_KEY_CHECK=OFF, ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS={assign} \
                     FOR CHANNEL '{CHANNEL}'"
                )
            }
            Family::Mariadb => format!(
                "CHANGE MASTER '{CHANNEL}' TO MASTER_HOST='{address}', MASTER_PORT={port}, MASTER_USER='{USER}', \
                 MASTER_PASSWORD={password}, MASTER_LOG_FILE={file}, MASTER_LOG_POS={at}, MASTER_USE_GTID=no, \
                 MASTER_SSL=0, MASTER_SSL_VERIFY_SERVER_CERT=0, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=10"
            ),
        };
        channel.is_there = true;
        run(&mut channel.connection, &change, &doing)?;
        if let Some(status) = self.status(&mut channel.connection)?
            && let Some(filter) = filter(&status)
        {
            let found = format!("the channel would have the filter {filter}");
            return Err(Error::new(ErrorKind::Refused, doing, found)
                .hint("Unset the filter for the time of the restore."));
        }
        run(&mut channel.connection, self.words().start, &doing)?;
        Ok(channel)
    }

    /// Switches the scheduler of events off or on again.
    pub fn schedule(&self, on: bool) -> Result<()> {
        let mut connection = self.connector.session(&self.flavor, "restore into")?;
        let word = if on { "ON" } else { "OFF" };
        let doing = format!("switch the event scheduler of {} {word}", self.place());
        run(&mut connection, &format!("SET GLOBAL event_scheduler={word}"), &doing).map_err(|e| {
            let hint = "Events that run while a log is replayed would do twice what the log does; SYSTEM_VARIABLES_ADMIN \
                        (MySQL) or SUPER (MariaDB) lets vex switch them off for that time, or do it by hand before.";
            if e.kind == ErrorKind::Denied { e.hint(hint) } else { e }
        })
    }

    /// What it holds of its users': databases, each with an empty name, and the names in them.
    pub fn holds(&self) -> Result<Vec<(String, String)>> {
        let mut connection = self.connector.session(&self.flavor, "ask")?;
        let own = [
            ("SCHEMATA", "SCHEMA_NAME", "''"),
            ("TABLES", "TABLE_SCHEMA", "TABLE_NAME"),
            ("ROUTINES", "ROUTINE_SCHEMA", "ROUTINE_NAME"),
            ("TRIGGERS", "TRIGGER_SCHEMA", "TRIGGER_NAME"),
            ("EVENTS", "EVENT_SCHEMA", "EVENT_NAME"),
        ];
        let mut found = Vec::new();
        for (view, database, name) in own {
            let sql = format!(
                "SELECT {database}, {name} FROM information_schema.{view} WHERE {database} NOT IN                  ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1, 2"
            );
            let rows: Vec<(String, String)> = connection
                .query(sql)
                .map_err(|e| wrap(&format!("list what {} holds", self.place()), e))?;
            found.extend(rows);
        }
        Ok(found)
    }

    /// The events that are switched off because they came through a replication.
    pub fn sleeping(&self) -> Result<Vec<String>> {
        let mut connection = self.connector.session(&self.flavor, "ask")?;
        let sql = "SELECT CONCAT(EVENT_SCHEMA, '.', EVENT_NAME) FROM information_schema.EVENTS \
                   WHERE STATUS IN ('SLAVESIDE_DISABLED', 'REPLICA_SIDE_DISABLED') ORDER BY 1";
        connection.query(sql).map_err(|e| wrap(&format!("list the events of {}", self.place()), e))
    }
}

/// The channel; dropped, it is removed.
pub struct Channel<'r> {
    replica: &'r Replica,
    connection: Conn,
    is_there: bool,
}

impl Channel<'_> {
    /// How far it is.
    pub fn progress(&mut self) -> Result<Progress> {
        let Some(status) = self.replica.status(&mut self.connection)? else {
            return Ok(Progress::Failed("somebody removed its replication channel".into()));
        };
        let file = column(&status, &["Relay_Source_Log_File", "Relay_Master_Log_File"]);
        let file = file.unwrap_or_default();
        if file == MARK {
            return Ok(Progress::Done);
        }
        let at = column(&status, &["Exec_Source_Log_Pos", "Exec_Master_Log_Pos"]);
        let here = format!("{file}:{}", at.unwrap_or_default());
        for word in ["Last_SQL_Error", "Last_IO_Error"] {
            if let Some(error) = column(&status, &[word]).filter(|error| !error.is_empty()) {
                let more = self.worker().map(|text| format!("; {text}")).unwrap_or_default();
                return Ok(Progress::Failed(format!("it stopped at {here}: {error}{more}")));
            }
        }
        let runs = column(&status, &["Replica_SQL_Running", "Slave_SQL_Running"]);
        match runs.as_deref() {
            Some("No") => Ok(Progress::Failed(format!("somebody stopped it at {here}"))),
            _ => {
                let reads = column(&status, &["Replica_IO_Running", "Slave_IO_Running"]);
                Ok(Progress::Applying(here, reads.as_deref() == Some("Yes")))
            }
        }
    }

    /// What a worker said.
    fn worker(&mut self) -> Option<String> {
        if self.replica.flavor.family != Family::Mysql {
            return None;
        }
        let sql = "SELECT LAST_ERROR_MESSAGE FROM performance_schema.replication_applier_status_by_worker \
                   WHERE CHANNEL_NAME='vex' AND LAST_ERROR_NUMBER<>0 LIMIT 1";
        self.connection.query_first(sql).ok().flatten()
    }

    /// Stops and removes it.
    pub fn end(mut self) -> Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> Result<()> {
        let words = self.replica.words();
        let doing = format!(
            "remove the replication channel {CHANNEL} of {} ({}; {})",
            self.replica.place(),
            words.stop,
            words.reset
        );
        if self.replica.status(&mut self.connection)?.is_some() {
            run(&mut self.connection, words.stop, &doing)?;
            run(&mut self.connection, words.reset, &doing)?;
        }
        self.is_there = false;
        Ok(())
    }
}

impl Drop for Channel<'_> {
    fn drop(&mut self) {
        if self.is_there && self.remove().is_err() {
            // The connection may be what failed.
            if let Ok(connection) =
                self.replica.connector.session(&self.replica.flavor, "restore into")
            {
                self.connection = connection;
                // The next restore finds it, and removes it.
                self.remove().unwrap_or_default();
            }
        }
    }
}

/// The statements of a family.
struct Words {
    stop: &'static str,
    start: &'static str,
    reset: &'static str,
    status: &'static str,
    grant: &'static str,
}

/// One value as text.
fn ask(connection: &mut Conn, sql: &str, doing: &str) -> Result<String> {
    let found: Option<Option<String>> = connection.query_first(sql).map_err(|e| wrap(doing, e))?;
    Ok(found.flatten().unwrap_or_default())
}

/// A column of a status by any of its names.
fn column(status: &Row, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| status.get_opt::<Option<String>, _>(*name)?.ok()?)
}

/// A filter that a channel has.
fn filter(status: &Row) -> Option<String> {
    let names = [
        "Replicate_Do_DB",
        "Replicate_Ignore_DB",
        "Replicate_Do_Table",
        "Replicate_Ignore_Table",
        "Replicate_Wild_Do_Table",
        "Replicate_Wild_Ignore_Table",
        "Replicate_Rewrite_DB",
        "Replicate_Ignore_Server_Ids",
        "Replicate_Do_Domain_Ids",
        "Replicate_Ignore_Domain_Ids",
    ];
    names.iter().find_map(|name| {
        let value = column(status, &[name]).filter(|value| !value.is_empty())?;
        Some(format!("{name}={value}"))
    })
}

/// A setting by which a server passes over events, or over their errors, in silence.
fn silent(connection: &mut Conn, flavor: &Flavor, doing: &str) -> Result<Option<String>> {
    let (settings, exec): (&[&str], &str) = match flavor.family {
        Family::Mysql => (&["replica_skip_errors"], "replica_exec_mode"),
        Family::Mariadb => (
            &[
                "slave_skip_errors",
                "replicate_do_db",
                "replicate_ignore_db",
                "replicate_do_table",
                "replicate_ignore_table",
                "replicate_wild_do_table",
                "replicate_wild_ignore_table",
            ],
            "slave_exec_mode",
        ),
    };
    for name in settings {
        let value =
            match connection.query_first::<Option<String>, _>(format!("SELECT @@GLOBAL.{name}")) {
                Err(mysql::Error::MySqlError(e)) if e.code == 1193 => continue,
                other => other.map_err(|e| wrap(doing, e))?.flatten().unwrap_or_default(),
            };
        if !value.is_empty() && !value.eq_ignore_ascii_case("OFF") {
            return Ok(Some(format!("its {name} is {value}")));
        }
    }
    let exec_mode = ask(connection, &format!("SELECT @@GLOBAL.{exec}"), doing);
    if let Ok(mode) = exec_mode
        && !mode.eq_ignore_ascii_case("STRICT")
    {
        return Ok(Some(format!("its {exec} is {mode}")));
    }
    if flavor.family == Family::Mysql {
        let sql = "SELECT CONCAT(FILTER_NAME, '=', FILTER_RULE) FROM \
                   performance_schema.replication_applier_global_filters LIMIT 1";
        let found: Option<String> = connection.query_first(sql).map_err(|e| {
            wrap(doing, e).hint("GRANT SELECT ON performance_schema.* to the user who restores: whether there are filters is asked there.")
        })?;
        return Ok(found.map(|found| format!("it has the replication filter {found}")));
    }
    Ok(None)
}
