//! The dumps that a binary log adds to, and the segments that none of them needs.
//!
//! Invariant: nothing is needless where a dump could not be read, or stands where the store has
//! nothing: what is not known is kept.

use crate::artifact::{Head, Position};
use crate::base::Stop;
use crate::plan::StorePlace;
use crate::recover::binlog::name::{BinlogName, number, part};
use crate::recover::wal::backups;
use crate::world::World;

/// A dump that says its place.
#[derive(Debug, Clone)]
pub struct LogBase {
    /// Its head.
    pub head: Head,
    /// The store that holds it.
    pub store: String,
    /// Its server, as a part of keys.
    pub part: String,
    /// The file in which it stands.
    pub file: String,
    /// The byte.
    pub at: u64,
}

/// All that was found, the oldest first.
#[derive(Debug, Default)]
pub struct LogBases {
    /// The dumps.
    pub all: Vec<LogBase>,
    /// What could not be read, so that there may be more.
    pub lost: Vec<String>,
}

/// Looks for dumps; those of a server that kept no log need none.
pub fn log_bases(places: &[StorePlace], world: &World, stop: &Stop) -> LogBases {
    let of = |head: &Head, store: &str| {
        let (Some(position), Some(origin)) = (&head.position, &head.origin) else {
            return Ok(None);
        };
        let (Position::Mysql { file, offset, .. } | Position::Mariadb { file, offset, .. }) =
            position
        else {
            return Ok(None);
        };
        Ok(Some(LogBase {
            store: store.to_owned(),
            part: part(&origin.id),
            file: file.clone(),
            at: *offset,
            head: head.clone(),
        }))
    };
    let (mut all, lost) = backups(places, &of, world, stop);
    all.sort_by_key(|base| base.head.finished);
    LogBases { all, lost }
}

/// When the file in which a dump stands was begun: names come again after `RESET`, so it is the
/// newest of the name that was begun before the dump ended.
pub fn stands(names: &[BinlogName], head: &Head, file: &str) -> Option<u32> {
    let finished = head.finished.as_second();
    let own = names.iter().filter(|n| n.file == file && i64::from(n.created) <= finished);
    own.map(|name| name.created).max()
}

/// The segments that no dump needs, of those of one server in one store.
pub fn needless<'n>(names: &'n [BinlogName], part: &str, bases: &LogBases) -> Vec<&'n BinlogName> {
    if !bases.lost.is_empty() {
        return Vec::new();
    }
    let own = bases.all.iter().filter(|base| base.part == part);
    let places: Option<Vec<_>> = own
        .map(|base| Some((stands(names, &base.head, &base.file)?, number(&base.file)?, base.at)))
        .collect();
    let Some((created, file, at)) = places.unwrap_or_default().into_iter().min() else {
        return Vec::new();
    };
    let is_before = |name: &&BinlogName| {
        let own = number(&name.file).unwrap_or(u64::MAX);
        (name.created, own) < (created, file)
            || (name.created, own) == (created, file) && name.end < at
    };
    names.iter().filter(is_before).collect()
}
