//! Where in the source's own log a snapshot stands, so that later changes can be added to a
//! restore.
//!
//! Does not know how to read a log. Families are different variants: a MariaDB GTID and a MySQL
//! GTID set are not the same thing and are never compared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A position in a binary log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "lowercase", deny_unknown_fields)]
pub enum Position {
    /// MySQL: file and byte, and the set of executed GTIDs (sorted, no newline).
    Mysql {
        /// Binary log file.
        file: String,
        /// Byte offset in it.
        offset: u64,
        /// `gtid_executed`.
        gtid: String,
    },
    /// MariaDB: file and byte, and the GTID position of the binary log.
    Mariadb {
        /// Binary log file.
        file: String,
        /// Byte offset in it.
        offset: u64,
        /// The GTID position that belongs to file and byte.
        gtid: String,
    },
    /// PostgreSQL: the stretch of WAL that makes the files of a cluster one moment.
    Postgres {
        /// Identifier of the cluster.
        system: String,
        /// Timeline.
        timeline: u32,
        /// Where the stretch begins.
        start: String,
        /// Where it ends: the moment of the backup.
        stop: String,
    },
    /// Oracle: the SCNs between which a backup, with its logs, can be recovered to.
    Oracle {
        /// Identifier of the database.
        dbid: u64,
        /// SCN of the RESETLOGS that began the incarnation.
        resetlogs: u64,
        /// The SCN of the data files.
        start: u64,
        /// The SCN after the last log.
        stop: u64,
    },
}

impl Position {
    /// The GTIDs of either family of MySQL; empty if the log has none.
    pub fn gtid(&self) -> &str {
        match self {
            Position::Mysql { gtid, .. } | Position::Mariadb { gtid, .. } => gtid,
            Position::Postgres { .. } | Position::Oracle { .. } => "",
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Mysql { file, offset, gtid } | Position::Mariadb { file, offset, gtid } => {
                write!(f, "{file}:{offset}")?;
                if gtid.is_empty() { Ok(()) } else { write!(f, " (GTID {gtid})") }
            }
            Position::Postgres { system, timeline, start, stop } => {
                write!(f, "{start} to {stop} on timeline {timeline} of {system}")
            }
            Position::Oracle { dbid, start, stop, .. } => {
                write!(f, "SCN {start} to {stop} of DBID {dbid}")
            }
        }
    }
}
