//! Which base backup a recovery begins with, and where in the log it will end: found out before
//! anything is written.
//!
//! Invariants: what is planned can be reached by the log that is there, as far as bytes tell; where
//! nothing reaches the point, that is said with the windows that are there, and nothing is written.
//! The point itself is no part of what comes back, except for a restore point.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::artifact::Head;
use crate::base::Stop;
use crate::plan::{ClusterWish, RecoveryPoint, RecoveryWish, RestoreSpec, TargetWish};
use crate::recover::candidates::Candidates;
use crate::recover::fault::Fault;
use crate::recover::operator::Work;
use crate::recover::wal::archive::{Stretch, WalStores, points};
use crate::recover::wal::bases::Base;
use crate::recover::wal::reach::Log;
use crate::recover::wal::recovery::Recovery;
use crate::recover::wal::way::Way;
use crate::source::wal::{Point, Segment, WalName, Walk, What};

/// What is known of the log that a recovery reads.
pub struct Aim {
    /// Its stores.
    pub stores: WalStores,
    wish: RecoveryWish,
    files: Vec<Stretch>,
    logs: RefCell<BTreeMap<String, Log>>,
    /// The last moment of segments whose heads were read.
    lasts: RefCell<BTreeMap<Segment, Option<Timestamp>>>,
}

impl Aim {
    /// Looks at the log; a store that does not answer ends it, since the server would be told to
    /// stop.
    pub fn look(wish: &RecoveryWish, stores: WalStores, stop: &Stop) -> Result<Aim, Fault> {
        let files = stores.copies.iter().map(|copy| copy.list(stop)).collect::<Result<_, _>>()?;
        Ok(Aim {
            stores,
            wish: wish.clone(),
            files,
            logs: RefCell::default(),
            lasts: RefCell::default(),
        })
    }

    /// The recovery from a base backup that was chosen.
    pub fn recovery(&self, head: &Head, stop: &Stop) -> Result<Recovery, Fault> {
        let way = self.way(head, stop)?.map_err(|found| self.unreached(&[found]))?;
        Ok(Recovery { wish: self.wish.clone(), way })
    }

    fn unreached(&self, windows: &[String]) -> Fault {
        let (word, value) = &self.wish.typed;
        let found = match windows.is_empty() {
            true => format!("nothing reaches {word} {value}: there is no base backup"),
            false => format!("nothing reaches {word} {value}: {}", windows.join("; ")),
        };
        let hint =
            "`vex wal status` shows what is there; `--until latest` goes as far as the log does.";
        Fault::Unreached { found, hint: Some(hint.into()) }
    }

    fn log(&self, system: &str, stop: &Stop) -> Result<Log, Fault> {
        if let Some(log) = self.logs.borrow().get(system) {
            return Ok(log.clone());
        }
        let files: Vec<&Stretch> = self.files.iter().collect();
        let log = self.stores.log(system, &files, stop)?;
        self.logs.borrow_mut().insert(system.to_owned(), log.clone());
        Ok(log)
    }

    /// The way from a base backup to the point; the inner error says why there is none, and what the
    /// backup and the log reach.
    pub fn way(&self, head: &Head, stop: &Stop) -> Result<Result<Way, String>, Fault> {
        let Some(base) = Base::of(head, "") else {
            return Ok(Err("it says no place in the log".into()));
        };
        let log = self.log(&base.system, stop)?;
        let newest = log.newest().filter(|newest| log.follows(base.start, *newest));
        let timeline = self.wish.timeline.or(newest).unwrap_or(base.start.timeline);
        let Some(reach) = log.reach(base.start, timeline) else {
            return Ok(Err(format!(
                "the log there does not lead from it along timeline {timeline}"
            )));
        };
        let bare = Way { segments: reach.segments, timeline, end: None, before: None };
        let broken = reach.gap.map_or(String::new(), |gap| format!("; {gap} is missing"));
        let window = |to: &dyn std::fmt::Display| {
            format!("from {} it reaches {to} ({}){broken}", head.finished, reach.end)
        };
        let system = base.system.as_str();
        let found = match &self.wish.point {
            RecoveryPoint::Latest => match reach.gap {
                None => Ok(bare),
                Some(_) => Err(window(&"no further")),
            },
            RecoveryPoint::Lsn(at) => match base.start.stop.0 <= *at && *at < reach.end.0 {
                true => Ok(bare),
                false => Err(format!("from {} it reaches {}{broken}", base.start.stop, reach.end)),
            },
            RecoveryPoint::Moment(moment) => match self.moment(&base, &bare, *moment, stop)? {
                Some(way) => Ok(way),
                None => match self.last(system, &bare.segments, stop)? {
                    Some(last) => Err(window(&last)),
                    None => Err(window(&head.finished)),
                },
            },
            RecoveryPoint::Xid(xid) => {
                let is_it = |point: &Point| matches!(point.what, What::Commit(x) | What::Abort(x) if x == *xid);
                self.scan(&base, &bare, &is_it, stop)?.ok_or_else(|| window(&"no such transaction"))
            }
            RecoveryPoint::Name(name) => {
                let is_it = |point: &Point| matches!(&point.what, What::Named(own) if own == name);
                self.scan(&base, &bare, &is_it, stop)?
                    .ok_or_else(|| window(&"no such restore point"))
            }
        };
        Ok(found)
    }

    /// The last moment that the head of a segment, or of one before it, tells.
    fn last(
        &self,
        system: &str,
        segments: &[Segment],
        stop: &Stop,
    ) -> Result<Option<Timestamp>, Fault> {
        for segment in segments.iter().rev() {
            let known = self.lasts.borrow().get(segment).copied();
            let last = match known {
                Some(last) => last,
                None => {
                    let last = self.stores.head(system, WalName::Segment(*segment), stop)?.last;
                    self.lasts.borrow_mut().insert(*segment, last);
                    last
                }
            };
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }

    /// The way to the first transaction that ended at a moment or later.
    fn moment(
        &self,
        base: &Base,
        bare: &Way,
        moment: Timestamp,
        stop: &Stop,
    ) -> Result<Option<Way>, Fault> {
        let system = base.system.as_str();
        if moment < base.head.finished {
            return Ok(None);
        }
        // The heads tell the first segment that may hold it; clocks only go on, nearly always.
        let (mut low, mut high) = (0, bare.segments.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let last = self.last(system, &bare.segments[..=middle], stop)?;
            match last.is_some_and(|last| last >= moment) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        // A commit that lies over the end of a segment is told by the head of neither.
        let from = low.saturating_sub(3);
        self.search(
            base,
            bare,
            from,
            &|point| !matches!(point.what, What::Named(_)) && point.time >= moment,
            stop,
        )
    }

    fn scan(
        &self,
        base: &Base,
        bare: &Way,
        is_it: &dyn Fn(&Point) -> bool,
        stop: &Stop,
    ) -> Result<Option<Way>, Fault> {
        self.search(base, bare, 0, is_it, stop)
    }

    /// Reads segments from index `from` on until a point is found that lies behind the base.
    fn search(
        &self,
        base: &Base,
        bare: &Way,
        from: usize,
        is_it: &dyn Fn(&Point) -> bool,
        stop: &Stop,
    ) -> Result<Option<Way>, Fault> {
        let (mut walk, mut before, mut end) = (Walk::default(), None, None);
        for segment in &bare.segments[from..] {
            stop.check()?;
            let (_, bytes) = self.stores.read(&base.system, WalName::Segment(*segment), stop)?;
            points(&mut walk, *segment, &bytes, &mut |point| {
                if end.is_some() || point.at < base.start.stop {
                    return;
                }
                match is_it(&point) {
                    true => end = Some(point),
                    false => before = Some(point),
                }
            });
            if end.is_some() {
                return Ok(Some(Way { end, before, ..bare.clone() }));
            }
        }
        Ok(None)
    }
}

/// Leaves of the candidates those from which the point is reached; the error has what is reached.
pub fn aim(
    spec: &RestoreSpec,
    candidates: &mut Candidates,
    work: Work<'_>,
) -> Result<Option<Aim>, Fault> {
    let TargetWish::Cluster(ClusterWish { recovery: Some(wish), .. }) = &spec.target else {
        return Ok(None);
    };
    let stores = WalStores::of(&wish.log, spec.which.keys.identity.clone(), work.world);
    let aim = Aim::look(wish, stores, work.stop)?;
    let (mut fit, mut windows) = (Vec::new(), Vec::new());
    let mut heads = candidates.heads();
    heads.dedup_by(|a, b| a.id == b.id);
    for head in heads {
        match aim.way(&head, work.stop)? {
            Ok(_) => fit.push(head.id),
            Err(window) => windows.push(format!("{}: {window}", head.id)),
        }
        // An older one is looked for only where it may be needed.
        if !fit.is_empty() && !spec.fallback {
            break;
        }
    }
    if fit.is_empty() {
        return Err(aim.unreached(&windows));
    }
    candidates.only(&fit);
    Ok(Some(aim))
}
