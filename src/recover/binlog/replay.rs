//! A replay that was planned: what is said of it, and its work.
//!
//! Invariants: nothing is replayed into a target that was not proven to be the dump; events of the
//! scheduler are kept from running meanwhile, since the log has what they did.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::artifact::{Kind, Member};
use crate::base::{SecretRef, Stop};
use crate::job::{MysqlSpec, SourceSpec};
use crate::plan::{ReplayPoint, ReplayWish};
use crate::recover::binlog::stores::BinlogStores;
use crate::recover::binlog::way::{Way, called};
use crate::recover::fault::Fault;
use crate::recover::operator::Work;
use crate::source::binlog::{Replay, Replica, Spot, replay};

/// A replay that was planned.
pub struct Recovery {
    wish: ReplayWish,
    way: Way,
    replica: Replica,
    address: IpAddr,
    /// Whether statements about accounts are replayed.
    accounts: bool,
    /// Whether the scheduler of the target must rest.
    rests: bool,
}

/// What is switched off for the time of a replay; dropped, it is switched on again.
pub struct Rest<'r>(Option<&'r Replica>, Work<'r>);

impl Rest<'_> {
    /// Switches it on again.
    pub fn end(mut self) -> Result<(), Fault> {
        match self.0.take() {
            Some(replica) => Ok(replica.schedule(true)?),
            None => Ok(()),
        }
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|replica| replica.schedule(true)) {
            self.1.warn(format_args!(
                "the target's event scheduler was switched off for the replay, and is off still: {error}; SET GLOBAL \
                 event_scheduler=ON switches it on"
            ));
        }
    }
}

/// Where a target finds this machine.
fn address(wish: &ReplayWish, spec: &MysqlSpec) -> Result<IpAddr, Fault> {
    let host: Option<IpAddr> = spec.host.parse().ok();
    let is_here = spec.socket.is_some()
        || spec.host == "localhost"
        || host.is_some_and(|host| host.is_loopback());
    match (wish.serve, is_here) {
        (Some(address), _) => Ok(address),
        (None, true) => Ok(host.filter(|h| h.is_loopback()).unwrap_or(Ipv4Addr::LOCALHOST.into())),
        (None, false) => Err(Fault::usage(
            format!(
                "the target on {} reads the log from this machine, and it is not said by which address it finds it; nothing was written",
                spec.host
            ),
            "Give an address of this machine that the target reaches with --serve ADDRESS; what goes over it is not \
             encrypted. Or restore on the target's own machine.",
        )),
    }
}

impl Recovery {
    /// Asks the target, and makes the plan; writes nothing.
    pub fn plan(
        wish: &ReplayWish,
        way: Way,
        (target, accounts, members): (&SourceSpec, bool, &[Member]),
        stop: &Stop,
    ) -> Result<Recovery, Fault> {
        let SourceSpec::Mysql(spec) = target else {
            return Err(Fault::usage(
                "a binary log is replayed into MySQL or MariaDB only".to_owned(),
                "Name such a target with --into.",
            ));
        };
        let address = address(wish, spec)?;
        let replica = Replica::examine(spec, stop)?;
        let foreign = way.foreign(&replica.holds()?, members);
        if !foreign.is_empty() {
            return Err(Fault::Nothing {
                doing: format!("replay a binary log into {}", replica.place()),
                found: format!(
                    "it has {}, which the dump has not and the log makes, changes or drops; nothing was written",
                    foreign.join(", ")
                ),
                hint: Some("Restore into an empty server, or remove these from the target.".into()),
            });
        }
        let has_events = members.iter().any(|member| member.kind == Kind::Event);
        let rests = replica.scheduler && (has_events || way.has_events);
        Ok(Recovery { wish: wish.clone(), way, replica, address, accounts, rests })
    }

    /// The plan of it.
    pub fn lines(&self) -> Vec<String> {
        let (way, source) = (&self.way, &self.wish.log.source.name);
        let from = &way.from;
        let mut lines = vec![format!(
            "then replays {} transactions of the log of {source}, of {} segments, from {}:{} on",
            way.groups,
            way.segments.len(),
            from.file,
            from.at
        )];
        if let Some(before) = &way.before {
            lines.push(format!("the last that comes back is {}", called(before)));
        }
        if let ReplayPoint::Moment(moment) = &self.wish.point {
            lines.push(format!("the moment is {moment} (UTC)"));
        }
        lines.push(match (&way.after, &way.open) {
            (Some(after), _) => format!("ends before {}, which does not come back", called(after)),
            (None, Some(open)) => format!(
                "! ends before {}:{}, a transaction that the log holds no end of: it does not come back",
                open.file, open.at
            ),
            (None, None) => "ends where the log ends".into(),
        });
        lines.extend(way.lost.iter().map(|lost| {
            format!("! a store of the log did not answer, and what only it holds was not looked at: {lost}")
        }));
        match (way.accounts.len(), self.accounts) {
            (0, _) => {}
            (n, false) => lines.push(format!(
                "! leaves out {n} statements about accounts of the log; --accounts replays them"
            )),
            (n, true) => lines.push(format!("replays {n} statements about accounts")),
        }
        for (xid, when) in &way.prepared {
            lines.push(format!(
                "! the XA transaction {xid}, prepared at {when}, is neither committed nor rolled back there: it is left so (XA RECOVER)"
            ));
        }
        if self.rests {
            lines.push("switches the target's event scheduler off meanwhile, and on again".into());
        }
        lines.push(format!(
            "the target reads the log from this program, by a replication channel over {} that is removed at the end",
            self.address
        ));
        lines
    }

    /// Keeps events of the scheduler from running, from before the dump comes back.
    pub fn rest<'r>(&'r self, work: Work<'r>) -> Result<Rest<'r>, Fault> {
        if !self.rests {
            return Ok(Rest(None, work));
        }
        self.replica.schedule(false)?;
        Ok(Rest(Some(&self.replica), work))
    }

    /// Replays.
    pub fn perform(&self, identity: Option<SecretRef>, work: Work<'_>) -> Result<(), Fault> {
        let way = &self.way;
        let stores = BinlogStores::of(&self.wish.log, identity, work.world);
        let none = HashSet::<Spot>::new();
        let own = Replay {
            from: &way.from,
            end: way.end(),
            skip: if self.accounts { &none } else { &way.accounts },
            address: self.address,
            warn: &|text| work.warn(text),
        };
        let asleep = self.replica.sleeping()?;
        let mut segments = way.segments.iter();
        let mut next = || -> Result<_, Fault> {
            match segments.next() {
                Some(name) => stores.read(&way.part, name, work.stop).map(Some),
                None => Ok(None),
            }
        };
        replay(&self.replica, &own, &mut next, work.stop)?;
        let last = way.before.as_ref().map_or_else(|| "nothing".to_owned(), called);
        work.tell(format_args!("replayed {} transactions, the last {last}", way.groups));
        for event in self.replica.sleeping()?.iter().filter(|event| !asleep.contains(event)) {
            work.warn(format_args!(
                "the event {event} was made or changed by the log, and the target switched it off: ALTER EVENT {event} ENABLE lets it run"
            ));
        }
        for xid in way.prepared.keys() {
            work.warn(format_args!(
                "the XA transaction {xid} waits in the target: XA COMMIT or XA ROLLBACK ends it"
            ));
        }
        Ok(())
    }
}
