//! The way from a dump to a point of a binary log, and what transactions are called.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;

use crate::artifact::Member;
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
    /// Names in statements that make, change or drop something, in lower case.
    pub names: BTreeSet<String>,
    /// Where a transaction begins that the log ends inside of: its rest is not there.
    pub open: Option<Spot>,
    /// Stores that did not answer when the log was listed.
    pub lost: Vec<String>,
}

impl Way {
    /// Where it ends; `None` where all is replayed. A transaction that is not whole never begins.
    pub fn end(&self) -> Option<&Spot> {
        self.after.as_ref().map(|after| &after.spot).or(self.open.as_ref())
    }
}

impl Way {
    /// Of what a target has, as databases and names in them, that which the dump has not and the
    /// log makes, changes or drops.
    pub fn foreign(&self, there: &[(String, String)], members: &[Member]) -> Vec<String> {
        let is_same = |one: &str, two: &str| one.to_lowercase() == two.to_lowercase();
        let is_named = |name: &str| self.names.contains(&name.to_lowercase());
        let is_foreign = |(database, name): &&(String, String)| {
            let mut own = members.iter().filter(|member| is_same(&member.unit, database));
            is_named(database)
                && match name.is_empty() {
                    true => own.next().is_none(),
                    false => is_named(name) && !own.any(|member| is_same(&member.name, name)),
                }
        };
        let called = |(database, name): &(String, String)| match name.is_empty() {
            true => database.clone(),
            false => format!("{database}.{name}"),
        };
        there.iter().filter(is_foreign).map(called).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Kind, Phase};

    #[test]
    fn what_the_dump_lacks_and_the_log_makes_is_foreign_in_a_target() {
        let names = ["create", "table", "shop", "late", "orders", "other"];
        let way = Way {
            part: String::new(),
            segments: Vec::new(),
            from: Spot { file: "b.000001".into(), created: 1, at: 4 },
            after: None,
            before: None,
            groups: 0,
            accounts: HashSet::new(),
            prepared: BTreeMap::new(),
            has_events: false,
            names: names.map(str::to_owned).into(),
            open: None,
            lost: Vec::new(),
        };
        let members = [Member::new("shop", "orders", Kind::Table, Phase::Before)];
        let there = [
            ("shop", ""),
            ("shop", "orders"),
            ("shop", "Late"),
            ("shop", "kept"),
            ("Other", ""),
            ("away", "late"),
            ("away", ""),
        ];
        let there = there.map(|(one, two)| (one.to_owned(), two.to_owned()));
        assert_eq!(way.foreign(&there, &members), ["shop.Late", "Other"]);
    }
}
