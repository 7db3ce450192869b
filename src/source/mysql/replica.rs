//! How far a replica of MySQL or MariaDB is behind, in its own words.
//!
//! Asks once and changes nothing. A server that is no replica is none; one that may not be asked
//! says so, with the privilege that it wants.

use mysql::prelude::Queryable;
use mysql::{Conn, Row, Value};

use crate::source::contract::{ErrorKind, Replica, Result};
use crate::source::mysql::fault::{kind, wrap};
use crate::source::mysql::flavor::{Family, Flavor};

/// What asks: of all sources of MariaDB, of MySQL, and of its elders.
const ASKS: [&str; 3] = ["SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS"];

/// Asks a server; of several sources the one that is furthest behind.
pub fn replica(connection: &mut Conn, flavor: &Flavor) -> Result<Option<Replica>> {
    for sql in ASKS {
        match connection.query::<Row, _>(sql) {
            Ok(rows) => return Ok(rows.iter().filter_map(of).max_by_key(rank)),
            // Syntax: another of them is this server's.
            Err(mysql::Error::MySqlError(e)) if e.code == 1064 => {}
            Err(error) if kind(&error) == ErrorKind::Denied => {
                return Ok(Some(Replica::unasked(&grant(flavor))));
            }
            Err(error) => return Err(wrap("ask whether the server is a replica", error)),
        }
    }
    Ok(None)
}

/// What lets the user ask.
pub fn grant(flavor: &Flavor) -> String {
    let privilege = match flavor.family {
        // Called SLAVE MONITOR too; before 10.5.9 it was part of another one.
        Family::Mariadb if flavor.number >= (10, 5) => "REPLICA MONITOR",
        Family::Mariadb | Family::Mysql => "REPLICATION CLIENT",
    };
    format!("GRANT {privilege} ON *.* to the user of vex")
}

/// What is stopped, or does not say, is worse than any lag.
fn rank(replica: &Replica) -> (bool, u64) {
    (replica.stopped.is_some(), replica.lag.unwrap_or(u64::MAX))
}

fn of(row: &Row) -> Option<Replica> {
    let text = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| row.get_opt::<Value, _>(*name)?.ok())?;
        match value {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Value::Int(n) => Some(n.to_string()),
            Value::UInt(n) => Some(n.to_string()),
            _ => None,
        }
    };
    let io = text(["Replica_IO_Running", "Slave_IO_Running"])?;
    let sql = text(["Replica_SQL_Running", "Slave_SQL_Running"])?;
    let lag = text(["Seconds_Behind_Source", "Seconds_Behind_Master"]);
    let error = text(["Last_SQL_Error", "Last_SQL_Error"])
        .filter(|e| !e.is_empty())
        .or_else(|| text(["Last_IO_Error", "Last_IO_Error"]).filter(|e| !e.is_empty()));
    let off = |name: &str, state: &str| {
        (!state.eq_ignore_ascii_case("yes")).then(|| format!("its {name} thread is off ({state})"))
    };
    let stopped = off("SQL", &sql).or_else(|| off("I/O", &io));
    let stopped = stopped.map(|why| match error {
        Some(error) => format!("{why}: {error}"),
        None => why,
    });
    Some(Replica { lag: lag.and_then(|lag| lag.parse().ok()), stopped, hidden: None })
}
