//! What a server says of its archiver: how it is set, and how it fares. Changes nothing.

use jiff::Timestamp;

use crate::base::Stop;
use crate::job::PostgresSpec;
use crate::source::contract::Result;
use crate::source::postgres::connect::Connector;
use crate::source::postgres::fault::wrap;
use crate::source::postgres::wal::name::Lsn;

/// One row of all that is asked.
const ASK: &str = "SELECT current_setting('archive_mode'), current_setting('archive_command', true), \
    current_setting('archive_library', true), current_setting('wal_level'), pg_is_in_recovery(), \
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text, \
    a.last_archived_wal, extract(epoch FROM a.last_archived_time)::int8, \
    a.last_failed_wal, extract(epoch FROM a.last_failed_time)::int8, a.failed_count, \
    current_setting('archive_timeout') FROM pg_catalog.pg_stat_archiver a";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archiver {
    /// `archive_mode`.
    pub mode: String,
    /// `archive_command`, if the role may see it.
    pub command: Option<String>,
    /// `archive_library`, which takes the place of a command.
    pub library: Option<String>,
    /// `wal_level`.
    pub level: String,
    /// Whether it is a standby.
    pub standby: bool,
    /// Where its log stands.
    pub now: Option<Lsn>,
    /// The last file that was archived, and when.
    pub archived: Option<(String, Timestamp)>,
    /// The last file that could not be, and when.
    pub failed: Option<(String, Timestamp)>,
    /// How often that was.
    pub failures: i64,
    /// `archive_timeout`.
    pub timeout: String,
}

impl Archiver {
    /// Whether its command calls vex.
    pub fn calls_vex(&self) -> bool {
        self.command.as_ref().is_some_and(|command| command.contains("wal push"))
    }

    /// Whether its last try failed.
    pub fn fails(&self) -> bool {
        match (&self.failed, &self.archived) {
            (Some((_, failed)), Some((_, archived))) => failed > archived,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Asks a server.
pub fn archiver(spec: &PostgresSpec, stop: &Stop) -> Result<Archiver> {
    let connector = Connector::new(spec, stop)?;
    let doing = format!("ask {} for its archiver", connector.place());
    let mut client = connector.session(connector.home(), "ask")?;
    let row = client.query_one(ASK, &[]).map_err(|e| wrap(&doing, e))?;
    let text = |at: usize| row.try_get::<_, Option<String>>(at).ok().flatten();
    let moment = |at: usize| {
        let seconds = row.try_get::<_, Option<i64>>(at).ok().flatten()?;
        Timestamp::from_second(seconds).ok()
    };
    Ok(Archiver {
        mode: text(0).unwrap_or_default(),
        command: text(1).filter(|text| !text.is_empty() && text != "(disabled)"),
        library: text(2).filter(|text| !text.is_empty()),
        level: text(3).unwrap_or_default(),
        standby: row.try_get(4).unwrap_or(false),
        now: text(5).and_then(|text| text.parse().ok()),
        archived: text(6).zip(moment(7)),
        failed: text(8).zip(moment(9)),
        failures: row.try_get(10).unwrap_or(0),
        timeout: text(11).unwrap_or_default(),
    })
}
