//! Looks for the point in a chain of segments, from a dump on.
//!
//! Invariants: the first transaction that meets the point ends it, and none behind it is looked at;
//! a dump that holds what the point leaves out is none to begin with.

use std::collections::{BTreeMap, HashSet};

use crate::artifact::{Head, Position};
use crate::plan::ReplayPoint;
use crate::recover::binlog::gtid;
use crate::recover::binlog::name::{BinlogName, number};
use crate::recover::binlog::way::{Way, called, when};
use crate::source::binlog::{Ending, Spot, Transaction};

/// Where a scan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Not yet.
    GoesOn,
    /// It was found.
    Reached,
    /// The dump, or the log, is none for it.
    Unfit(String),
}

/// A scan.
pub struct Scan<'a> {
    point: &'a ReplayPoint,
    head: &'a Head,
    position: &'a Position,
    /// What was found so far.
    pub way: Way,
    /// The last transaction that is in the dump, where the log has it.
    prior: Option<Transaction>,
    has_begun: bool,
}

impl<'a> Scan<'a> {
    /// Begins.
    pub fn new(
        point: &'a ReplayPoint,
        (head, position): (&'a Head, &'a Position),
        (part, from): (&str, Spot),
    ) -> Scan<'a> {
        let way = Way {
            part: part.to_owned(),
            segments: Vec::new(),
            from,
            after: None,
            before: None,
            groups: 0,
            accounts: HashSet::new(),
            prepared: BTreeMap::new(),
            has_events: false,
        };
        Scan { point, head, position, way, prior: None, has_begun: false }
    }

    /// Takes the next transaction.
    pub fn take(&mut self, own: Transaction) -> Found {
        let from = &self.way.from;
        if own.spot.file == from.file && own.spot.created == from.created && own.spot.at < from.at {
            self.prior = Some(own);
            return Found::GoesOn;
        }
        if !self.has_begun {
            self.has_begun = true;
            if let Some(why) = self.foreign(&own).or_else(|| self.too_late()) {
                return Found::Unfit(why);
            }
        }
        if self.ends(&own) {
            self.way.after = Some(own);
            return Found::Reached;
        }
        self.replayed(own)
    }

    /// The file that follows was begun: where that is after the moment, nothing before it is missing.
    pub fn file(&mut self, name: &BinlogName) -> Found {
        let is_first = name.file == self.way.from.file && name.created == self.way.from.created;
        let begun = i64::from(name.created) * 1_000_000;
        match self.point {
            ReplayPoint::Moment(moment) if !is_first && begun >= moment.as_microsecond() => {
                self.closed()
            }
            ReplayPoint::Position(file, _)
                if !is_first
                    && self.way.segments.iter().any(|s| &s.file == file)
                    && &name.file != file =>
            {
                self.closed()
            }
            _ => Found::GoesOn,
        }
    }

    fn closed(&mut self) -> Found {
        match self.too_late().filter(|_| !self.has_begun) {
            Some(why) => Found::Unfit(why),
            None => Found::Reached,
        }
    }

    /// The log ended.
    pub fn end(&mut self) -> Found {
        if !self.has_begun
            && let Some(why) = self.too_late()
        {
            return Found::Unfit(why);
        }
        match self.point {
            ReplayPoint::Latest => Found::Reached,
            ReplayPoint::Position(file, at) => {
                let last = self.way.segments.last();
                let is_there = last.is_some_and(|last| &last.file == file && last.end >= *at);
                if is_there { Found::Reached } else { Found::GoesOn }
            }
            ReplayPoint::Moment(_) | ReplayPoint::Gtid(_) => Found::GoesOn,
        }
    }

    /// What the log reaches, in words.
    pub fn window(&self) -> String {
        let last = self.way.before.as_ref().or(self.prior.as_ref());
        let to = last.map_or_else(|| "no transaction".into(), called);
        format!("from {} it reaches {to}", self.head.finished)
    }

    /// Why the log is not that of the dump's server.
    fn foreign(&self, first: &Transaction) -> Option<String> {
        let known = |own: &Transaction| gtid::holds(self.position, own.gtid.as_deref()?);
        if let Some(prior) = self.prior.as_ref().filter(|prior| known(prior) == Some(false)) {
            return Some(format!("the dump lacks {}, which its log has before it", called(prior)));
        }
        (known(first) == Some(true) && matches!(self.position, Position::Mysql { .. }))
            .then(|| format!("the dump has {}, which its log has behind it", called(first)))
    }

    /// Why the dump holds what the point leaves out.
    fn too_late(&self) -> Option<String> {
        match self.point {
            ReplayPoint::Moment(moment) => match &self.prior {
                Some(prior) if prior.time >= moment.as_microsecond() => {
                    Some(format!("it holds {}", called(prior)))
                }
                Some(_) => None,
                None => (self.head.finished > *moment)
                    .then(|| format!("it was taken at {}", self.head.finished)),
            },
            ReplayPoint::Position(file, at) => {
                let from = &self.way.from;
                let behind = match (number(file), number(&from.file)) {
                    (Some(own), Some(base)) => (own, *at) < (base, from.at),
                    _ => false,
                };
                behind.then(|| format!("it stands at {}:{}, behind that", from.file, from.at))
            }
            ReplayPoint::Gtid(gtid) => (gtid::holds(self.position, gtid) == Some(true))
                .then(|| format!("it holds the transaction {gtid}")),
            ReplayPoint::Latest => None,
        }
    }

    fn ends(&self, own: &Transaction) -> bool {
        match self.point {
            ReplayPoint::Latest => false,
            ReplayPoint::Moment(moment) => own.time >= moment.as_microsecond(),
            ReplayPoint::Gtid(gtid) => {
                own.gtid.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(gtid))
            }
            ReplayPoint::Position(file, at) => {
                &own.spot.file == file && (own.spot.at >= *at || *at < own.end)
            }
        }
    }

    fn replayed(&mut self, own: Transaction) -> Found {
        match &own.ending {
            Ending::Prepared(xid) => {
                self.way.prepared.insert(xid.clone(), when(&own));
            }
            Ending::Ended(xid, _) => {
                if self.way.prepared.remove(xid).is_none() {
                    return Found::Unfit(format!(
                        "the XA transaction {xid}, which ends at {}:{}, was prepared before the dump, and is not in it",
                        own.spot.file, own.spot.at
                    ));
                }
            }
            Ending::Commit | Ending::Rollback => {}
        }
        if own.is_account {
            self.way.accounts.insert(own.spot.clone());
        }
        self.way.has_events |= own.has_event;
        self.way.groups += 1;
        self.way.before = Some(own);
        Found::GoesOn
    }
}
