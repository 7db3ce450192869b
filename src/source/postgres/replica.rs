//! How far a standby of PostgreSQL is behind, in its own words.
//!
//! Asks once and changes nothing. What has replayed all that it received is at the moment of now as
//! far as anybody can tell there; a standby of an archive has no receiver, and that is no stop.

use crate::source::contract::{Replica, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::fault::wrap;

/// Whether it is a standby, whether its replay is paused, whether it receives, whether it knows a
/// primary, whether all that came was replayed, and the age of the last transaction replayed.
const ASK: &str = "SELECT pg_catalog.pg_is_in_recovery(), \
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_is_wal_replay_paused() ELSE false END, \
    EXISTS (SELECT 1 FROM pg_catalog.pg_stat_wal_receiver), \
    (SELECT setting <> '' FROM pg_catalog.pg_settings WHERE name = 'primary_conninfo'), \
    COALESCE(pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn(), false), \
    EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::float8";

/// What lets the user ask.
const GRANT: &str = "GRANT pg_monitor to the user of vex";

/// Asks a server, in a session of its own: what it can't be asked must end no snapshot.
pub fn replica(connector: &Connector) -> Result<Option<Replica>> {
    let row = match connector.session(connector.home(), "ask")?.query_one(ASK, &[]) {
        Err(error) if error.as_db_error().is_some() => {
            let said = error.as_db_error().map_or_else(String::new, |e| e.message().to_owned());
            return Ok(Some(Replica::unasked(&format!("{said}; {GRANT}"))));
        }
        other => other.map_err(|e| wrap("ask whether the server is a standby", e))?,
    };
    let [standby, paused, receives] = [0, 1, 2].map(|at| row.get::<_, bool>(at));
    // Hidden from who may not read it.
    let has_primary: Option<bool> = row.get(3);
    let (is_even, age): (bool, Option<f64>) = (row.get(4), row.get(5));
    if !standby {
        return Ok(None);
    }
    let lag = match (is_even && receives, age) {
        (true, _) => Some(0),
        (false, age) => age.map(|seconds| seconds.max(0.0) as u64),
    };
    let stopped = if paused {
        Some("its replay is paused".to_owned())
    } else if !receives && has_primary == Some(true) {
        Some("it receives nothing from its primary".to_owned())
    } else {
        None
    };
    let hidden = (!receives && has_primary.is_none()).then(|| {
        format!("whether it has a primary that it no longer hears may not be asked: {GRANT}")
    });
    Ok(Some(Replica { lag, stopped, hidden }))
}
