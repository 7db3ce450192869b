//! Looks for the point in a chain of segments, from a dump on.
//!
//! Invariants: the first transaction that meets the point ends it, and none behind it is looked at;
//! a dump that holds what the point leaves out is none to begin with.

use std::collections::{BTreeMap, BTreeSet, HashSet};

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
    /// The latest moment of those.
    latest: Option<Transaction>,
    /// Whether one of them says the second only in which it began, so that none says when it ended.
    is_vague: bool,
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
            names: BTreeSet::new(),
            open: None,
            lost: Vec::new(),
        };
        Scan {
            point,
            head,
            position,
            way,
            prior: None,
            latest: None,
            is_vague: false,
            has_begun: false,
        }
    }

    /// Takes the next transaction.
    pub fn take(&mut self, own: Transaction) -> Found {
        let from = &self.way.from;
        if own.spot.file == from.file && own.spot.created == from.created && own.spot.at < from.at {
            self.is_vague |= !own.is_exact;
            if self.latest.as_ref().is_none_or(|latest| latest.time <= own.time) {
                self.latest = Some(own.clone());
            }
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
            ReplayPoint::Position(file, at)
                if !is_first
                    && self.way.segments.iter().any(|s| &s.file == file)
                    && &name.file != file =>
            {
                let own = self.way.segments.iter().filter(|s| &s.file == file);
                match own.map(|s| s.end).max().filter(|end| end < at) {
                    Some(end) => Found::Unfit(format!("{file} ends at {end}, before {at}")),
                    None => self.closed(),
                }
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
            // Of a long transaction that says its beginning, nothing follows for those before it.
            ReplayPoint::Moment(moment) => match &self.latest {
                Some(latest) if latest.time >= moment.as_microsecond() => {
                    Some(format!("it holds {}", called(latest)))
                }
                Some(_) if !self.is_vague => None,
                _ => (self.head.finished > *moment)
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
        if own.is_half {
            return Found::GoesOn;
        }
        self.way.names.extend(own.names.iter().cloned());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A head that was finished so many seconds after 1970.
    fn head(finished: i64) -> Head {
        let bytes = include_bytes!("../../../tests/fixtures/head.json");
        let mut head = Head::parse(bytes).expect("a head");
        head.finished = jiff::Timestamp::from_second(finished).expect("a moment");
        head
    }

    fn position() -> Position {
        Position::Mariadb { file: "b.000001".into(), offset: 500, gtid: String::new() }
    }

    fn own(at: u64, second: i64, is_exact: bool) -> Transaction {
        let spot = Spot { file: "b.000001".into(), created: 7, at };
        let mut own = Transaction::begun(spot, at + 50, second as u32);
        own.is_exact = is_exact;
        own
    }

    fn scanned(finished: i64, until: i64, all: &[Transaction]) -> Found {
        let (head, position) = (head(finished), position());
        let moment = jiff::Timestamp::from_second(until).expect("a moment");
        let point = ReplayPoint::Moment(moment);
        let from = Spot { file: "b.000001".into(), created: 7, at: 500 };
        let mut scan = Scan::new(&point, (&head, &position), ("p", from));
        for own in all {
            let found = scan.take(own.clone());
            if found != Found::GoesOn {
                return found;
            }
        }
        scan.end()
    }

    #[test]
    fn a_place_behind_the_end_of_its_file_is_none() {
        let (head, position) = (head(1020), position());
        let name = |text: &str| BinlogName::parse(&format!("{text}.zip")).expect("a name");
        for (at, is_there) in [(900, true), (901, false), (99_999_999, false)] {
            let point = ReplayPoint::Position("b.000001".into(), at);
            let from = Spot { file: "b.000001".into(), created: 7, at: 500 };
            let mut scan = Scan::new(&point, (&head, &position), ("p", from));
            let own = name("0000000007-b.000001/000000000004-000000000900-last");
            assert_eq!(scan.file(&own), Found::GoesOn);
            scan.way.segments.push(own);
            let found = scan.file(&name("0000000009-b.000002/000000000004-000000000200"));
            assert_eq!(found == Found::Reached, is_there, "{at}: {found:?}");
        }
    }

    #[test]
    fn a_dump_that_holds_the_harm_is_none_for_a_moment_before_it() {
        let unfit = |found: Found| matches!(found, Found::Unfit(_));
        // DROP at 1015; a long UPDATE that was begun at 1010, and committed at 1018; dump at 1020.
        let vague = [own(100, 1015, false), own(200, 1010, false), own(500, 1030, false)];
        assert!(unfit(scanned(1020, 1014, &vague)), "the drop is in the dump");
        assert!(unfit(scanned(1020, 1014, &vague[1..])), "and where its segment begins behind it");
        assert!(unfit(scanned(1020, 1014, &vague[2..])), "and where nothing before it is known");
        assert_eq!(scanned(1020, 1025, &vague), Found::Reached);
        let exact = [own(100, 1015, true), own(200, 1010, true), own(500, 1030, true)];
        assert!(unfit(scanned(1020, 1014, &exact)), "a clock that was set back");
        assert_eq!(scanned(1020, 1016, &exact), Found::Reached, "exact moments are enough");
        let mixed = [own(100, 1015, false), own(200, 1010, true), own(500, 1030, true)];
        assert!(unfit(scanned(1020, 1016, &mixed)));
    }
}
