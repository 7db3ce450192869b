//! What a person asks of a binary log: where a replay ends.
//!
//! Knows names and places only, as they were typed.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::plan::wal::Wal;

/// A replay of the binary log of a MySQL or MariaDB server.
#[derive(Debug, Clone)]
pub struct ReplayWish {
    /// Where it ends.
    pub point: ReplayPoint,
    /// The word of the command line that says so, and its value.
    pub typed: (&'static str, String),
    /// Where the log is.
    pub log: Box<Wal>,
    /// Where the target finds this machine; its loopback when `None`.
    pub serve: Option<IpAddr>,
}

impl ReplayWish {
    /// The words of the command line that ask for it.
    pub fn words(&self, value: &mut impl FnMut(&str, &str)) {
        value(self.typed.0, &self.typed.1);
        if let Some(address) = &self.serve {
            value("--serve", &address.to_string());
        }
    }
}

/// Where a replay ends; what is there is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayPoint {
    /// As far as there is anything.
    Latest,
    /// Before the first transaction that was committed at this moment or later.
    Moment(Timestamp),
    /// Before the transaction of this GTID.
    Gtid(String),
    /// Before the first transaction that was not whole at this place of a file.
    Position(String, u64),
}
