//! Which dump a replay begins with, and where in the log it will end: found out before anything is
//! written.
//!
//! Invariants: what is planned can be reached by the log that is there; where nothing reaches the
//! point, that is said with the windows that are there, and nothing is written. The point itself is
//! no part of what comes back.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::artifact::{Head, Position};
use crate::base::{Id, Stop};
use crate::job::SourceSpec;
use crate::plan::{ReplayPoint, ReplayWish, RestoreSpec, TargetWish};
use crate::recover::binlog::bases::stands;
use crate::recover::binlog::chain::chain;
use crate::recover::binlog::name::{BinlogName, part};
use crate::recover::binlog::replay::Recovery;
use crate::recover::binlog::scan::{Found, Scan};
use crate::recover::binlog::stores::BinlogStores;
use crate::recover::binlog::way::Way;
use crate::recover::candidates::Candidates;
use crate::recover::fault::Fault;
use crate::recover::operator::Work;
use crate::source::binlog::{Reader, Spot, Transactions};
use crate::source::contract::{Error as SourceError, ErrorKind};

/// What is known of the log that a replay reads.
pub struct LogAim {
    /// Its stores.
    pub stores: BinlogStores,
    /// What was asked for.
    pub wish: ReplayWish,
    /// The ways that were found, by the backup.
    ways: RefCell<BTreeMap<Id, Way>>,
}

/// An error about what is stored.
pub fn damaged(source: &str, found: String) -> Fault {
    SourceError::new(ErrorKind::Failed, format!("read the binary log of {source}"), found).into()
}

impl LogAim {
    fn unreached(&self, windows: &[String]) -> Fault {
        let (word, value) = &self.wish.typed;
        let found = match windows.is_empty() {
            true => format!("nothing reaches {word} {value}: there is no dump"),
            false => format!("nothing reaches {word} {value}: {}", windows.join("; ")),
        };
        let hint = "`vex log show` lists the transactions that are there; `--until latest` goes as far as the log does.";
        Fault::Unreached { found, hint: Some(hint.into()) }
    }

    /// The replay from a dump that was chosen, into a target: what it is, whether accounts come
    /// back, and whether the dump has events of the scheduler.
    pub fn recovery(
        &self,
        head: &Head,
        target: (&SourceSpec, bool, bool),
        stop: &Stop,
    ) -> Result<Recovery, Fault> {
        let known = self.ways.borrow().get(&head.id).cloned();
        let way = match known {
            Some(way) => way,
            None => self.way(head, stop)?.map_err(|found| self.unreached(&[found]))?,
        };
        Recovery::plan(&self.wish, way, target, stop)
    }

    /// The way from a dump to the point; the inner error says why there is none, and what the dump
    /// and the log reach.
    pub fn way(&self, head: &Head, stop: &Stop) -> Result<Result<Way, String>, Fault> {
        let (position, file, offset) = match &head.position {
            Some(
                own @ (Position::Mysql { file, offset, .. }
                | Position::Mariadb { file, offset, .. }),
            ) => (own, file.as_str(), *offset),
            _ => return Ok(Err("it says no place in a binary log".into())),
        };
        let Some(origin) = head.origin.as_ref().map(|origin| part(&origin.id)) else {
            return Ok(Err("it does not say which server it is of".into()));
        };
        let listed = self.stores.list(&origin, stop)?;
        let lost = match listed.lost.as_slice() {
            [] => String::new(),
            all => format!(" ({})", all.join("; ")),
        };
        let Some(created) = stands(&listed.names, head, file) else {
            return Ok(Err(format!("the log there has nothing of {file}, where it stands{lost}")));
        };
        let Some(chain) = chain(&listed.names, (file, created), offset) else {
            return Ok(Err(format!("the log there does not lead on from {file}:{offset}{lost}")));
        };
        let from = Spot { file: file.to_owned(), created, at: offset };
        let mut scan = Scan::new(&self.wish.point, (head, position), (&origin, from));
        let found = self.scan(&mut scan, &chain.names, stop)?;
        let broken = chain
            .broken
            .map_or(String::new(), |next| format!("; then something is missing before {next}"));
        Ok(match found {
            Found::Unfit(why) => Err(why),
            Found::GoesOn => Err(format!("{}{broken}{lost}", scan.window())),
            Found::Reached if self.wish.point == ReplayPoint::Latest && !broken.is_empty() => {
                Err(format!("{}{broken}{lost}", scan.window()))
            }
            Found::Reached => Ok(scan.way),
        })
    }

    /// Reads segments until the point is found.
    fn scan(&self, scan: &mut Scan<'_>, names: &[BinlogName], stop: &Stop) -> Result<Found, Fault> {
        let (mut reader, mut transactions) = (Reader::default(), Transactions::default());
        let fail = |found: String| damaged(&self.stores.source, found);
        for name in names {
            stop.check()?;
            let found = scan.file(name);
            if found != Found::GoesOn {
                return Ok(found);
            }
            let piece = self.stores.read(&scan.way.part, name, stop)?;
            scan.way.segments.push(name.clone());
            let mut found = Found::GoesOn;
            reader.piece(&piece, &fail, &mut |placed| {
                if found == Found::GoesOn
                    && let Some(own) = transactions.event((&piece.file, piece.created), &placed)
                {
                    found = scan.take(own);
                }
                Ok(())
            })?;
            if found != Found::GoesOn {
                return Ok(found);
            }
        }
        Ok(scan.end())
    }
}

/// Leaves of the candidates those from which the point is reached; the error has what is reached.
pub fn log_aim(
    spec: &RestoreSpec,
    candidates: &mut Candidates,
    work: Work<'_>,
) -> Result<Option<LogAim>, Fault> {
    let TargetWish::Source { replay: Some(wish), .. } = &spec.target else { return Ok(None) };
    let stores = BinlogStores::of(&wish.log, spec.which.keys.identity.clone(), work.world);
    let aim = LogAim { stores, wish: wish.as_ref().clone(), ways: RefCell::default() };
    let (mut fit, mut windows) = (Vec::new(), Vec::new());
    let mut heads = candidates.heads();
    heads.dedup_by(|a, b| a.id == b.id);
    for head in heads {
        match aim.way(&head, work.stop)? {
            Ok(way) => {
                aim.ways.borrow_mut().insert(head.id.clone(), way);
                fit.push(head.id);
            }
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
