//! The examination of a server: what a dump or a restore would stumble on, asked beforehand.
//! Changes nothing.
//!
//! Does not know jobs or stores. Each question is a function of its own; one that the user may not
//! ask, or that this version does not know, is answered with `unknown`, never left out.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mysql::prelude::{FromValue, Queryable};
use mysql::{Conn, Row, Value};

use crate::base::{Finding, Grade, Size, Stop};
use crate::job::{Inconsistent, MysqlSpec};
use crate::source::contract::{Error, Examined, Purpose, Result};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::wrap;
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::privilege::Privileges;
use crate::source::mysql::privilege_check::{self, Settings};
use crate::source::mysql::replica::grant;
use crate::source::mysql::schema::{self, Unit};
use crate::source::mysql::unreadable::Unreadable;
use crate::source::patterns::ADVICE;
use crate::world::Clock;

/// Clocks that differ by more make backups hard to tell apart by time.
const SKEW: f64 = 5.0;

/// A transaction that is open for longer holds locks a dump may wait for.
const OLD: u64 = 60;

/// A replica further behind is not what people think they back up, in seconds.
const LAG: u64 = 60;

/// The smallest packet that takes every row people usually have.
const PACKET: u64 = 16 << 20;

/// Old transactions that are named one by one.
const NAMED: usize = 5;

/// Examines a server.
pub fn examine(
    spec: &MysqlSpec,
    connector: &Connector,
    clock: &Clock,
    purpose: Purpose,
    stop: &Stop,
) -> Result<Examined> {
    stop.check()?;
    // The bare connection first: its session shows what the server gives a client.
    let mut bare = connector.connect("examine")?;
    let flavor = Flavor::of(&mut bare)?;
    let mut found = vec![version(&flavor), tls(&mut bare, spec)];
    let mut connection = connector.session(&flavor, "examine")?;
    let held = Privileges::of(&mut connection, &flavor)?;
    let listing = schema::listing(&mut connection, spec, &Unreadable::default());
    let units = listing.as_ref().map(|l| l.units.as_slice()).unwrap_or_default();
    let visible: Vec<String> = units.iter().map(|u| u.name.clone()).collect();
    let settings = Settings {
        log_bin: number(&mut connection, "log_bin") == Some(1),
        trusts_creators: number(&mut connection, "log_bin_trust_function_creators") == Some(1),
    };
    found.extend(privilege_check::examine(spec, &flavor, &held, settings, purpose, &visible));
    found.push(skew(&mut connection, clock));
    stop.check()?;
    let mut bytes = 0;
    if purpose.readers > 0 {
        found.extend(binary_log(&mut connection, &flavor));
        match &listing {
            Ok(listing) => {
                bytes = units.iter().flat_map(|u| &u.tables).map(|t| t.bytes).sum();
                found.extend(contents(units, bytes, spec));
                found.extend(
                    listing.idle.iter().map(|line| Finding::alert("patterns", line, ADVICE)),
                );
                found.extend(listing.unreadable.lines().into_iter().map(|line| {
                    let advice = "Repair it, or `exclude` it: it is left out of backups.";
                    Finding::alert("tables", line, advice)
                }));
            }
            Err(error) => found.push(failed("databases", error)),
        }
        found.extend(limits(&mut connection));
        found.push(connections(&mut connection, purpose));
        found.extend(transactions(&mut connection));
    }
    if purpose.load {
        found.push(writable(&mut connection, &flavor));
    }
    found.push(packet(&mut connection));
    found.push(local_infile(&mut connection));
    found.push(names(&mut connection));
    found.push(replica(&mut connection, &flavor, spec));
    Ok(Examined { findings: found, bytes, data: data_folder(&mut connection, spec) })
}

/// An error of a question as a finding.
fn failed(looked: &str, error: &Error) -> Finding {
    let advice = error.hint.as_deref().map(str::to_owned);
    Finding { grade: Grade::Error, advice, ..Finding::ok(looked, error.found.clone()) }
}

fn version(flavor: &Flavor) -> Finding {
    let (family, known) = match flavor.family {
        Family::Mysql => ("MySQL", (5, 7)..(10, 0)),
        Family::Mariadb => ("MariaDB", (10, 4)..(13, 0)),
    };
    let found = format!("{family} {}", flavor.version);
    let range = format!("{}.{} and later, before {}.0", known.start.0, known.start.1, known.end.0);
    let advice = format!(
        "This vex knows {family} {range}: restore a backup of it into a scratch server before you trust one."
    );
    Finding::judged(known.contains(&flavor.number), "version", found, &advice)
}

/// A single value, `None` if there is none or it may not be asked.
fn ask<T: FromValue>(connection: &mut Conn, sql: &str) -> Option<T> {
    column(connection, sql, 0)
}

/// The same of a column of the first row; what has another type than expected is none.
fn column<T: FromValue>(connection: &mut Conn, sql: &str, at: usize) -> Option<T> {
    let row: Option<Row> = connection.query_first(sql).ok().flatten();
    row?.get_opt(at)?.ok()
}

/// A global variable as a number.
fn number(connection: &mut Conn, name: &str) -> Option<u64> {
    ask(connection, &format!("SELECT @@GLOBAL.{name}"))
}

/// A global variable as text.
fn text(connection: &mut Conn, name: &str) -> Option<String> {
    ask(connection, &format!("SELECT @@GLOBAL.{name}"))
}

fn tls(connection: &mut Conn, spec: &MysqlSpec) -> Finding {
    let status = |connection: &mut Conn, name: &str| {
        let value: Option<String> =
            column(connection, &format!("SHOW SESSION STATUS LIKE '{name}'"), 1);
        value.filter(|v| !v.is_empty())
    };
    let (version, cipher) = (status(connection, "Ssl_version"), status(connection, "Ssl_cipher"));
    match (version, cipher) {
        (Some(version), cipher) => {
            Finding::ok("TLS", format!("{version} {}", cipher.unwrap_or_default()).trim_end())
        }
        (None, _) if is_near(spec) => {
            Finding::ok("TLS", "not in use, and the bytes stay on this machine")
        }
        (None, _) => Finding::alert(
            "TLS",
            "not in use: password and rows travel in the clear",
            "Set up a certificate on the server and remove `tls \"off\"`.",
        ),
    }
}

/// Whether the server is on this machine.
fn is_near(spec: &MysqlSpec) -> bool {
    let loopback = |host: &str| {
        (host, spec.port)
            .to_socket_addrs()
            .is_ok_and(|mut all| all.any(|address| address.ip().is_loopback()))
    };
    spec.socket.is_some() || loopback(&spec.host)
}

fn skew(connection: &mut Conn, clock: &Clock) -> Finding {
    let before = clock.now();
    let there: Option<f64> = ask(connection, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) AS DOUBLE)");
    let middle = (seconds(before) + seconds(clock.now())) / 2.0;
    let Some(there) = there else {
        return Finding::ok("clock", "unknown: the server does not say what time it has");
    };
    let found = format!("{:.1} s off this machine's", (there - middle).abs());
    Finding::judged((there - middle).abs() <= SKEW, "clock", found, "Let NTP keep both clocks.")
}

fn seconds(moment: Timestamp) -> f64 {
    moment.as_microsecond() as f64 / 1e6
}

fn binary_log(connection: &mut Conn, flavor: &Flavor) -> Vec<Finding> {
    if number(connection, "log_bin") != Some(1) {
        return vec![Finding::alert(
            "binary log",
            "off: a restore reaches the moments of backups only",
            "Start the server with log_bin for point-in-time recovery.",
        )];
    }
    let mut found = Vec::new();
    let format = text(connection, "binlog_format").unwrap_or_else(|| "ROW".into());
    let advice = "Set binlog_format=ROW: statements may do something else when they are replayed.";
    found.push(Finding::judged(
        format == "ROW",
        "binary log",
        format!("on, format {format}"),
        advice,
    ));
    if let Some(image) = text(connection, "binlog_row_image") {
        let advice = "Set binlog_row_image=FULL, so that the log alone tells what a row was.";
        found.push(Finding::judged(image == "FULL", "binlog_row_image", image, advice));
    }
    let expiry = number(connection, "binlog_expire_logs_seconds").filter(|s| *s > 0);
    let expiry = expiry.or_else(|| {
        let days: Option<f64> = ask(connection, "SELECT CAST(@@GLOBAL.expire_logs_days AS DOUBLE)");
        days.map(|d| (d * 86_400.0) as u64).filter(|s| *s > 0)
    });
    found.push(match expiry {
        None => Finding::ok("binary log expiry", "never: the server removes no log by itself"),
        Some(seconds) => Finding::judged(
            seconds >= 2 * 86_400,
            "binary log expiry",
            format!("after {:.1} days", seconds as f64 / 86_400.0),
            "Keep logs for longer than the time between two backups, and a weekend.",
        ),
    });
    found.push(match flavor.family {
        Family::Mysql => {
            Finding::ok("GTID", text(connection, "gtid_mode").unwrap_or_else(|| "unknown".into()))
        }
        Family::Mariadb => {
            let strict = number(connection, "gtid_strict_mode") == Some(1);
            let domain = number(connection, "gtid_domain_id").unwrap_or(0);
            Finding::ok(
                "GTID",
                format!("domain {domain}, strict mode {}", if strict { "on" } else { "off" }),
            )
        }
    });
    found
}

/// Databases, and every table that the one moment does not cover.
fn contents(units: &[Unit], bytes: u64, spec: &MysqlSpec) -> Vec<Finding> {
    let tables: usize = units.iter().map(|u| u.tables.len()).sum();
    let names: Vec<&str> = units.iter().map(|u| u.name.as_str()).collect();
    let about = Size(bytes);
    let mut found = vec![Finding::ok(
        "databases",
        format!("{} ({tables} tables, about {about})", names.join(", ")),
    )];
    for unit in units {
        for table in &unit.tables {
            let full = format!("{}.{}", unit.name, table.name);
            if !table.has_rows() {
                let what = format!(
                    "{full} ({}): its rows live elsewhere and are not in the backup",
                    table.engine
                );
                found.push(Finding::alert("tables", what, "Back up the place where they live."));
            } else if !table.is_transactional() {
                let what = format!("{full} ({}): no snapshot covers it", table.engine);
                let full =
                    format!("{}.{}", schema::quoted(&unit.name), schema::quoted(&table.name));
                let convert =
                    format!("Convert it (ALTER TABLE {full} ENGINE=InnoDB;) or `exclude` it");
                found.push(match spec.inconsistent {
                    Inconsistent::Refuse => Finding::error(
                        "tables",
                        what,
                        format!("{convert}, or accept an Alerta with inconsistent=\"alert\"."),
                    ),
                    Inconsistent::Alert => Finding::alert("tables", what, format!("{convert}.")),
                });
            }
        }
    }
    found
}

/// Globals that cut what a client reads; vex sets its own, other programs may not.
fn limits(connection: &mut Conn) -> Vec<Finding> {
    let mut cutting = Vec::new();
    if let Some(limit) = number(connection, "sql_select_limit").filter(|v| *v < u64::from(u32::MAX))
    {
        cutting.push(format!("sql_select_limit={limit}"));
    }
    if let Some(size) = number(connection, "max_join_size").filter(|v| *v < u64::from(u32::MAX)) {
        cutting.push(format!("max_join_size={size}"));
    }
    for name in [
        "max_execution_time",
        "max_statement_time",
        "idle_transaction_timeout",
        "idle_readonly_transaction_timeout",
    ] {
        let value: Option<f64> =
            ask(connection, &format!("SELECT CAST(@@GLOBAL.{name} AS DOUBLE)"));
        cutting.extend(value.filter(|v| *v > 0.0).map(|v| format!("{name}={v}")));
    }
    if cutting.is_empty() {
        return vec![Finding::ok("limits", "no global setting cuts what a client reads")];
    }
    let advice =
        "vex sets its own for its sessions; other dump programs read less than all, so unset it.";
    cutting
        .into_iter()
        .map(|found| Finding::alert("limits", format!("global {found}"), advice))
        .collect()
}

/// Whether the connections of a dump fit.
fn connections(connection: &mut Conn, purpose: Purpose) -> Finding {
    let used: Option<u64> = column(connection, "SHOW GLOBAL STATUS LIKE 'Threads_connected'", 1);
    let (Some(most), Some(used)) = (number(connection, "max_connections"), used) else {
        return Finding::ok("connections", "unknown");
    };
    // Two of those that are connected now are this examination's; a dump has three besides its
    // readers, and MariaDB takes the locks of many tables on more.
    let (used, wanted) = (used.saturating_sub(2), purpose.readers as u64 + 2 + guards(connection));
    let own = number(connection, "max_user_connections").filter(|own| *own > 0);
    let fits = used + wanted <= most && own.is_none_or(|own| wanted <= own);
    let limit = own.map_or(String::new(), |own| format!(", {own} per user"));
    let found = format!("{used} of {most} are in use{limit}; the dump takes {wanted}");
    Finding::judged(fits, "connections", found, "Raise max_connections, or lower `threads`.")
}

/// How many sessions hold the locks of the tables at most.
fn guards(connection: &mut Conn) -> u64 {
    let sql = "SELECT IF(VERSION() LIKE '%mariadb%', COUNT(*), 1) FROM information_schema.TABLES";
    let tables: Option<u64> = column(connection, sql, 0);
    tables.unwrap_or(1).div_ceil(1000).clamp(1, 16)
}

/// Transactions that have been open for long.
fn transactions(connection: &mut Conn) -> Vec<Finding> {
    let sql = format!(
        "SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.INNODB_TRX \
         WHERE trx_mysql_thread_id<>CONNECTION_ID() AND TIMESTAMPDIFF(SECOND, trx_started, NOW())>={OLD} ORDER BY trx_started"
    );
    // Its times are in the machine's zone.
    if connection.query_drop("SET time_zone='SYSTEM'").is_err() {
        return vec![Finding::ok("transactions", "unknown")];
    }
    let old: std::result::Result<Vec<(u64, i64)>, _> = connection.query(sql);
    drop(connection.query_drop("SET time_zone='+00:00'"));
    let old = match old {
        Ok(old) => old,
        Err(mysql::Error::MySqlError(e)) if e.code == 1227 => {
            return vec![Finding::ok("transactions", "unknown: the user may not look (PROCESS)")];
        }
        Err(error) => {
            return vec![failed("transactions", &wrap("list the open transactions", error))];
        }
    };
    if old.is_empty() {
        return vec![Finding::ok("transactions", format!("none is open for {OLD} s or longer"))];
    }
    let advice = "End it, or dump later: an ALTER waits for it, and everything else on the table for the ALTER.";
    let line = |(thread, seconds): &(u64, i64)| {
        Finding::alert(
            "transactions",
            format!("connection {thread} holds one open for {seconds} s"),
            advice,
        )
    };
    let mut found: Vec<Finding> = old.iter().take(NAMED).map(line).collect();
    if old.len() > NAMED {
        found.push(Finding::alert(
            "transactions",
            format!("{} more are as old", old.len() - NAMED),
            advice,
        ));
    }
    found
}

fn writable(connection: &mut Conn, flavor: &Flavor) -> Finding {
    let on = |connection: &mut Conn, name: &str| number(connection, name) == Some(1);
    let super_only = flavor.family == Family::Mysql && on(connection, "super_read_only");
    let closed = super_only || on(connection, "read_only");
    match closed {
        false => Finding::ok("writing", "the server takes changes"),
        true => Finding::error(
            "writing",
            "the server is read only: nothing can be restored into it",
            "Restore into a primary, or set read_only=OFF on this one.",
        ),
    }
}

fn packet(connection: &mut Conn) -> Finding {
    let Some(bytes) = number(connection, "max_allowed_packet") else {
        return Finding::ok("max_allowed_packet", "unknown");
    };
    let advice =
        "Set max_allowed_packet=64M or more: a row that does not fit can't be restored here.";
    Finding::judged(bytes >= PACKET, "max_allowed_packet", Size(bytes).to_string(), advice)
}

fn local_infile(connection: &mut Conn) -> Finding {
    Finding::ok(
        "LOCAL INFILE",
        match number(connection, "local_infile") {
            Some(1) => "on",
            Some(_) => "off",
            None => "unknown",
        },
    )
}

fn names(connection: &mut Conn) -> Finding {
    let value = number(connection, "lower_case_table_names");
    let found = match value {
        Some(0) => {
            "0: names that differ in case are two tables; restore into a server that has 0 too"
                .to_owned()
        }
        Some(n) => format!("{n}: names are one whatever their case"),
        None => "unknown".to_owned(),
    };
    Finding::ok("lower_case_table_names", found)
}

/// Where a replica stands.
fn replica(connection: &mut Conn, flavor: &Flavor, spec: &MysqlSpec) -> Finding {
    for statement in ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"] {
        let row: Option<Row> = match connection.query_first(statement) {
            Ok(row) => row,
            Err(mysql::Error::MySqlError(e)) if e.code == 1064 => continue,
            Err(mysql::Error::MySqlError(e)) if e.code == 1227 => {
                let found = "unknown: the user may not ask whether this is a replica";
                let advice = format!("{}, or remove `max-lag`.", grant(flavor));
                return match spec.max_lag {
                    None => Finding::ok("replication", found),
                    Some(_) => Finding::alert("replication", found, &advice),
                };
            }
            Err(error) => {
                return failed("replication", &wrap("ask for the state of the replica", error));
            }
        };
        return match row {
            None => Finding::ok("replication", "not a replica"),
            Some(row) => lag(&row),
        };
    }
    Finding::ok("replication", "unknown")
}

fn lag(row: &Row) -> Finding {
    let value = |names: [&str; 2]| {
        let columns = row.columns_ref();
        let at = columns.iter().position(|c| names.iter().any(|n| c.name_str() == *n))?;
        match row.as_ref(at)? {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Value::Int(n) => Some(n.to_string()),
            Value::UInt(n) => Some(n.to_string()),
            _ => None,
        }
    };
    let source = value(["Source_Host", "Master_Host"]).unwrap_or_default();
    let trouble = [value(["Last_IO_Error"; 2]), value(["Last_SQL_Error"; 2])];
    let trouble: Vec<String> = trouble.into_iter().flatten().filter(|t| !t.is_empty()).collect();
    match value(["Seconds_Behind_Source", "Seconds_Behind_Master"])
        .and_then(|s| s.parse::<u64>().ok())
    {
        Some(behind) => Finding::judged(
            behind <= LAG,
            "replication",
            format!("a replica of {source}, {behind} s behind"),
            "Wait until it has caught up: the backup shows the past.",
        ),
        None => Finding::alert(
            "replication",
            format!("a replica of {source} that does not replicate {}", trouble.join("; "))
                .trim_end(),
            "Repair it first: the backup shows the moment when it stopped.",
        ),
    }
}

/// The folder of the data, if the server is on this machine and shows it.
fn data_folder(connection: &mut Conn, spec: &MysqlSpec) -> Option<PathBuf> {
    if !is_near(spec) {
        return None;
    }
    let folder = PathBuf::from(text(connection, "datadir")?);
    Path::new(&folder).is_dir().then_some(folder)
}
