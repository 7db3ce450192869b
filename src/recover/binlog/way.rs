//! The way from a dump to a point of a binary log, and what transactions are called.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use crate::recover::binlog::name::BinlogName;
use crate::source::binlog::{Spot, Transaction};

/// So many tables of a transaction are named.
const NAMED: usize = 4;

/// A replay that can be done.
#[derive(Debug, Clone)]
pub struct Way {
    /// The server, as a part of keys.
    pub part: String,
    /// The segments that it reads, in order.
    pub segments: Vec<BinlogName>,
    /// Where the dump stands.
    pub from: Spot,
    /// The first transaction that does not come back.
    pub after: Option<Transaction>,
    /// The last one that does.
    pub before: Option<Transaction>,
    /// How many do.
    pub groups: u64,
    /// Those that are statements about accounts.
    pub accounts: HashSet<Spot>,
    /// XA transactions that are prepared where it ends, and neither committed nor rolled back.
    pub prepared: BTreeMap<String, String>,
    /// Whether events of the scheduler are made or changed.
    pub has_events: bool,
}

impl Way {
    /// Where it ends; `None` where all is replayed.
    pub fn end(&self) -> Option<&Spot> {
        self.after.as_ref().map(|after| &after.spot)
    }
}

/// When a transaction was committed.
pub fn when(own: &Transaction) -> String {
    let time = Timestamp::from_microsecond(own.time).unwrap_or(Timestamp::UNIX_EPOCH);
    match own.is_exact {
        true => time.to_string(),
        // A second in which the last statement began.
        false => format!("{time} (whole seconds)"),
    }
}

/// What a transaction changes, in few words.
pub fn what(own: &Transaction) -> String {
    let mut words: Vec<String> = own
        .changes
        .iter()
        .take(NAMED)
        .map(|change| format!("{} {}", change.verb, change.table))
        .collect();
    if own.changes.len() > NAMED {
        words.push(format!("{} more", own.changes.len() - NAMED));
    }
    words.extend(own.statements.iter().cloned());
    words.join(", ")
}

/// What a transaction is called.
pub fn called(own: &Transaction) -> String {
    let gtid = own.gtid.as_ref().map_or(String::new(), |gtid| format!(" (GTID {gtid})"));
    format!("{}:{}{gtid} of {}: {}", own.spot.file, own.spot.at, when(own), what(own))
}
