//! What of a binary log is there, and what can be restored from which dump.
//!
//! Reads names and heads only. Invariant: the end of a window is never better than the truth: it is
//! the last group that a stored segment is known to hold.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::base::{Id, Stop};
use crate::plan::StorePlace;
use crate::recover::binlog::bases::{LogBase, log_bases, stands};
use crate::recover::binlog::chain::chain;
use crate::recover::binlog::name::breaks;
use crate::recover::binlog::stores::{BinlogStores, Listed};
use crate::recover::fault::Fault;
use crate::world::World;

/// Segments whose heads are read for the last moment of a log: those at a file's end have none.
const LOOKED: usize = 8;

/// The log of one server.
#[derive(Debug, Clone)]
pub struct Server {
    /// The server, as a part of keys.
    pub part: String,
    /// How many segments.
    pub segments: usize,
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
    /// What nothing leads over.
    pub gaps: Vec<String>,
}

/// What can be restored from a dump.
#[derive(Debug, Clone)]
pub struct Window {
    /// The dump.
    pub backup: Id,
    /// Its store.
    pub store: String,
    /// When it was taken.
    pub from: Timestamp,
    /// When the last transaction was begun or committed that the log leads to.
    pub to: Option<Timestamp>,
    /// Where the log ends.
    pub end: String,
    /// Why the log adds nothing.
    pub why: Option<String>,
}

/// All that is known.
#[derive(Debug, Default)]
pub struct Windows {
    /// The logs.
    pub servers: Vec<Server>,
    /// The windows, by dump.
    pub windows: Vec<Window>,
    /// What could not be read.
    pub lost: Vec<String>,
}

/// Looks at the log of a source and at its dumps.
pub fn log_windows(
    stores: &BinlogStores,
    places: &[StorePlace],
    world: &World,
    stop: &Stop,
) -> Result<Windows, Fault> {
    let bases = log_bases(places, world, stop);
    let mut found = Windows { lost: bases.lost, ..Windows::default() };
    let mut parts: BTreeSet<String> = stores.parts(stop)?.into_iter().collect();
    parts.extend(bases.all.iter().map(|base| base.part.clone()));
    for part in parts {
        let listed = stores.list(&part, stop)?;
        found.lost.extend(listed.lost.iter().cloned());
        if let (Some(first), Some(last)) = (listed.names.first(), listed.names.last()) {
            let gaps = breaks(&listed.names);
            let gaps = gaps.iter().map(|(own, next)| format!("between {own} and {next}"));
            found.servers.push(Server {
                segments: listed.names.len(),
                first: first.to_string(),
                last: last.to_string(),
                gaps: gaps.collect(),
                part: part.clone(),
            });
        }
        for base in bases.all.iter().filter(|base| base.part == part) {
            found.windows.push(window(stores, base, &listed, stop)?);
        }
    }
    Ok(found)
}

fn window(
    stores: &BinlogStores,
    base: &LogBase,
    listed: &Listed,
    stop: &Stop,
) -> Result<Window, Fault> {
    let mut own = Window {
        backup: base.head.id.clone(),
        store: base.store.clone(),
        from: base.head.finished,
        to: None,
        end: String::new(),
        why: None,
    };
    let created = stands(&listed.names, &base.head, &base.file);
    let found = created.and_then(|created| chain(&listed.names, (&base.file, created), base.at));
    let Some(found) = found else {
        own.why = Some(format!("the log has no segment with {}:{}", base.file, base.at));
        return Ok(own);
    };
    if let Some(last) = found.names.last() {
        own.end = format!("{}:{}", last.file, last.end);
    }
    for name in found.names.iter().rev().take(LOOKED) {
        stop.check()?;
        if let Some(last) = stores.last(&base.part, name, stop)? {
            own.to = Some(last);
            break;
        }
    }
    Ok(own)
}
