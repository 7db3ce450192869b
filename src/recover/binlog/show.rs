//! The transactions of a stored log around a moment, for whoever looks for the one that did harm.
//!
//! Invariant: what can't be read is told, and takes nothing else away.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::base::Stop;
use crate::recover::binlog::aim::damaged;
use crate::recover::binlog::name::BinlogName;
use crate::recover::binlog::stores::BinlogStores;
use crate::recover::binlog::way::{what, when};
use crate::recover::fault::Fault;
use crate::source::binlog::{Ending, Reader, Transaction, Transactions};

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// When it was committed.
    pub time: String,
    /// `FILE:POS`, as `--until-position` takes it.
    pub position: String,
    /// Its GTID, as `--until-gtid` takes it.
    pub gtid: Option<String>,
    /// Bytes of its changes.
    pub bytes: u64,
    /// What it changes.
    pub what: String,
}

impl Shown {
    fn of(own: &Transaction) -> Shown {
        let how = match &own.ending {
            Ending::Commit => String::new(),
            Ending::Rollback => " (rolled back)".into(),
            Ending::Prepared(xid) => format!(" (XA {xid} prepared)"),
            Ending::Ended(xid, true) => format!(" (XA {xid} committed)"),
            Ending::Ended(xid, false) => format!(" (XA {xid} rolled back)"),
        };
        Shown {
            time: when(own),
            position: format!("{}:{}", own.spot.file, own.spot.at),
            gtid: own.gtid.clone(),
            bytes: own.end.saturating_sub(own.spot.at),
            what: format!("{}{how}", what(own)),
        }
    }
}

/// So many transactions on each side of the moment, of one server's log.
pub fn around(
    stores: &BinlogStores,
    part: &str,
    (moment, count): (Timestamp, usize),
    stop: &Stop,
) -> Result<(Vec<Shown>, Vec<String>), Fault> {
    let listed = stores.list(part, stop)?;
    let mut remarks = listed.lost;
    let names = near(&listed.names, moment);
    let (mut before, mut after) = (VecDeque::new(), Vec::new());
    let (mut reader, mut transactions) = (Reader::default(), Transactions::default());
    let fail = |found: String| damaged(&stores.source, found);
    for name in names {
        stop.check()?;
        if after.len() >= count {
            break;
        }
        let read = stores.read(part, name, stop).and_then(|piece| {
            reader.piece(&piece, &fail, &mut |placed| {
                let Some(own) = transactions.event((&piece.file, piece.created), &placed) else {
                    return Ok(());
                };
                if own.time < moment.as_microsecond() && after.is_empty() {
                    before.push_back(Shown::of(&own));
                    if before.len() > count {
                        before.pop_front();
                    }
                } else if after.len() < count {
                    after.push(Shown::of(&own));
                }
                Ok(())
            })
        });
        match read {
            Ok(()) => {}
            Err(Fault::Stopped) => return Err(Fault::Stopped),
            Err(fault) => remarks.push(format!("{name}: {}", fault.line())),
        }
    }
    Ok((before.into_iter().chain(after).collect(), remarks))
}

/// The segments from the file on that was begun before the last one that was begun before the moment.
fn near(names: &[BinlogName], moment: Timestamp) -> &[BinlogName] {
    let second = moment.as_second();
    let mut begun: Vec<u32> =
        names.iter().map(|n| n.created).filter(|created| i64::from(*created) <= second).collect();
    begun.dedup();
    let from = begun.iter().rev().nth(1).or(begun.first());
    let at = from.map_or(0, |from| names.iter().position(|n| n.created >= *from).unwrap_or(0));
    &names[at..]
}
