//! The segments of a server's binary log in stores: their names, what is there, and where the next
//! one begins.
//!
//! Keys are `{prefix}/logs/{source}/{origin}/binlog/{begun}-{file}/{start}-{end}.zip`, the last of a
//! file with `-last`: what follows what, and what is missing, is known of a listing alone. `begun`
//! is when the server began the file, since names come again after `RESET`. Invariant: a segment
//! adds to another only if nothing can stand between them.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::artifact::{Method, Sealing, hex};
use crate::base::Stop;
use crate::recover::fault::Fault;
use crate::recover::wal::WalStored;
use crate::recover::wal::object::{self, NewWal};
use crate::source::binlog::{FIRST, LogFile, Segment};
use crate::store::contract::Store;
use crate::world::World;

/// The ending of an object's key.
const ENDING: &str = ".zip";

/// Says that its file ends with a segment.
const LAST: &str = "-last";

/// Which stretch of the log a segment is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BinlogName {
    /// When the server began the file, in seconds since 1970.
    pub created: u32,
    /// The file.
    pub file: String,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// Whether the file ends there.
    pub is_last: bool,
}

impl BinlogName {
    /// The name of a segment.
    pub fn of(segment: &Segment) -> BinlogName {
        let Segment { file, created, start, end, is_last, .. } = segment;
        let (file, created) = (file.clone(), *created);
        BinlogName { created, file, start: *start, end: *end, is_last: *is_last }
    }

    /// The name that a key ends with.
    pub(super) fn parse(rest: &str) -> Option<BinlogName> {
        let (folder, name) = rest.split_once('/')?;
        let (created, file) = folder.split_once('-')?;
        let name = name.strip_suffix(ENDING)?;
        let (name, is_last) = match name.strip_suffix(LAST) {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (start, end) = name.split_once('-')?;
        number(file)?;
        let (created, start) = (created.parse().ok()?, start.parse().ok()?);
        let file = file.to_owned();
        Some(BinlogName { created, file, start, end: end.parse().ok()?, is_last })
    }

    /// What sorts segments as the server wrote them.
    pub(super) fn order(&self) -> (u32, u64, u64, u64, bool) {
        (self.created, number(&self.file).unwrap_or(0), self.start, self.end, self.is_last)
    }

    /// Whether nothing can stand between this segment and a later one.
    pub fn leads_to(&self, next: &BinlogName) -> bool {
        if self.created == next.created && self.file == next.file {
            return next.start <= self.end;
        }
        self.is_last && next.start == FIRST && follows(&self.file, &next.file)
    }
}

impl fmt::Display for BinlogName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = if self.is_last { LAST } else { "" };
        let BinlogName { created, file, start, end, .. } = self;
        write!(out, "{created:010}-{file}/{start:012}-{end:012}{last}")
    }
}

/// The number of a file.
pub(super) fn number(file: &str) -> Option<u64> {
    file.rsplit_once('.')?.1.parse().ok()
}

/// Whether a file is the next one.
fn follows(file: &str, next: &str) -> bool {
    let base = |file: &str| file.rsplit_once('.').map(|(base, _)| base.to_owned());
    let numbers = number(file).zip(number(next));
    base(file) == base(next) && numbers.is_some_and(|(own, next)| own + 1 == next)
}

/// An origin as a part of keys; two of them never are the same part.
pub fn part(origin: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let plain: String =
        origin.chars().map(|c| if is_plain(c) { c } else { '_' }).take(60).collect();
    match plain == origin {
        true => plain,
        false => format!("{plain}.{}", hex(&Sha256::digest(origin)[..4])),
    }
}

/// Whether a key, without the root of its store, is of a segment of some binary log.
pub fn is_binlog_key(key: &str) -> bool {
    let rest = key.strip_prefix("logs/").and_then(|rest| rest.split_once("/binlog/"));
    rest.is_some_and(|(_, rest)| BinlogName::parse(rest).is_some())
}

/// The folder of the log of a server, of the root of a store, the source, and the server as a part
/// of keys.
pub fn folder(root: &str, source: &str, part: &str) -> String {
    format!("{root}logs/{source}/{part}/binlog/")
}

/// The key of a segment in a folder.
pub fn key(folder: &str, name: &BinlogName) -> String {
    format!("{folder}{name}{ENDING}")
}

/// The segments in a folder of a store, as the server wrote them; what is called otherwise is passed
/// over.
pub fn list(store: &dyn Store, folder: &str, stop: &Stop) -> Result<Vec<BinlogName>, Fault> {
    let objects = store.list(folder, stop)?;
    let name = |key: &str| BinlogName::parse(key.strip_prefix(folder)?);
    let mut found: Vec<BinlogName> = objects.iter().filter_map(|o| name(&o.key)).collect();
    found.sort_by_key(BinlogName::order);
    Ok(found)
}

/// The binary log of one server in one store.
pub struct BinlogPlace<'a> {
    /// What all keys of the store begin with.
    pub root: &'a str,
    /// The source, as the job file names it.
    pub source: &'a str,
    /// Which server it is.
    pub origin: &'a str,
}

impl BinlogPlace<'_> {
    fn folder(&self) -> String {
        folder(self.root, self.source, &part(self.origin))
    }

    /// The segments that a store has, as the server wrote them; what is called otherwise is passed
    /// over.
    pub fn list(&self, store: &dyn Store, stop: &Stop) -> Result<Vec<BinlogName>, Fault> {
        list(store, &self.folder(), stop)
    }

    /// The server, as a part of keys.
    pub fn part(&self) -> String {
        part(self.origin)
    }

    /// The key of a segment.
    pub fn key(&self, name: &BinlogName) -> String {
        key(&self.folder(), name)
    }

    /// Keeps a segment.
    pub fn put(
        &self,
        store: &dyn Store,
        segment: &Segment,
        how: (Method, Option<&Sealing>),
        world: &World,
        stop: &Stop,
    ) -> Result<WalStored, Fault> {
        let name = BinlogName::of(segment);
        let moment = |seconds: u32| Timestamp::from_second(i64::from(seconds)).ok();
        let file = NewWal {
            name: format!("{}-{}-{}", name.file, name.start, name.end),
            system: self.origin,
            bytes: &segment.bytes,
            times: segment.times.and_then(|(first, last)| moment(first).zip(moment(last))),
            host: world.host(),
            now: world.clock.now(),
        };
        object::put(store, &self.key(&name), &file, how, stop)
    }
}

/// Where what a store has no more of begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onward {
    /// Index of the file in the server's list, and the byte; `None` where there is nothing yet.
    pub from: Option<(usize, u64)>,
    /// What is missing between the store's last segment and there.
    pub gap: Option<String>,
}

/// Finds where a store's log goes on, of its last segment and the files that the server has.
pub fn onward<E>(
    last: Option<&BinlogName>,
    files: &[LogFile],
    created: &mut dyn FnMut(&str) -> Result<u32, E>,
) -> Result<Onward, E> {
    let oldest = (!files.is_empty()).then_some((0, FIRST));
    let whole = |from| Ok(Onward { from, gap: None });
    let Some(last) = last else { return whole(oldest) };
    let gap = |from: Option<(usize, u64)>, why: &str| {
        let next = from.map_or("nothing yet".into(), |(at, byte)| {
            format!("{} from byte {byte}", files[at].name)
        });
        let gap = format!(
            "{why}; the store ends at {} byte {}, and goes on with {next}",
            last.file, last.end
        );
        Ok(Onward { from, gap: Some(gap) })
    };
    let Some(at) = files.iter().position(|file| file.name == last.file) else {
        let next = files.first().filter(|first| last.is_last && follows(&last.file, &first.name));
        return match next {
            Some(_) => whole(oldest),
            None => gap(oldest, "the server has removed what came next"),
        };
    };
    if created(&last.file)? != last.created {
        return gap(oldest, "the server has begun its log anew (RESET), or it is another server");
    }
    let next = (at + 1 < files.len()).then_some((at + 1, FIRST));
    match last.is_last {
        true => whole(next),
        false if files[at].size < last.end => {
            gap(next, "the server has lost the end of a file that was kept")
        }
        false => whole(Some((at, last.end))),
    }
}

/// The places of a store's log that nothing leads over: the segments before and behind each.
pub fn breaks(names: &[BinlogName]) -> Vec<(&BinlogName, &BinlogName)> {
    let mut found = Vec::new();
    let mut before: Option<&BinlogName> = None;
    for name in names {
        match before {
            Some(own) if !own.leads_to(name) => found.push((own, name)),
            // Two segments may overlap: the one that leads further counts.
            Some(own) if own.file == name.file && own.end > name.end => continue,
            Some(_) | None => {}
        }
        before = Some(name);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> BinlogName {
        BinlogName::parse(&format!("{text}{ENDING}")).expect("a name")
    }

    fn files(all: &[(&str, u64)]) -> Vec<LogFile> {
        all.iter().map(|(name, size)| LogFile { name: (*name).into(), size: *size }).collect()
    }

    #[test]
    fn names_come_back_and_sort_as_the_server_wrote_them() {
        let text = "1700000000-binlog.000009/000000000004-000000001000-last";
        assert_eq!(name(text).to_string(), text);
        assert!(is_binlog_key(&format!("logs/shop/u/binlog/{text}.zip")));
        assert!(!is_binlog_key("logs/shop/u/binlog/x/y.zip"));
        let tenth = name("1700000000-binlog.1000000/000000000004-000000000009");
        assert!(
            name(text).order() < name("1700000000-binlog.999999/000000000004-000000000009").order()
        );
        assert!(name(text).order() < tenth.order());
        assert_ne!(part("127.0.0.1:3306"), part("127.0.0.1_3306"));
    }

    #[test]
    fn what_can_have_lost_something_between_is_a_break() {
        let all = [
            "1700000000-b.000001/000000000004-000000000100",
            "1700000000-b.000001/000000000100-000000000200-last",
            "1700000005-b.000002/000000000004-000000000100",
            "1700000005-b.000002/000000000150-000000000200",
            "1700000009-b.000003/000000000004-000000000100-last",
            "1700000019-b.000001/000000000004-000000000100",
        ];
        let all: Vec<BinlogName> = all.iter().map(|text| name(text)).collect();
        let found = breaks(&all);
        let expected = [(2, 3), (3, 4), (4, 5)].map(|(a, b)| (&all[a], &all[b]));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_log_goes_on_where_it_ended_or_says_what_is_missing() {
        let server = files(&[("b.000003", 300), ("b.000004", 90)]);
        let ask = |last: Option<&str>, begun: u32| {
            let last = last.map(name);
            let found =
                onward(last.as_ref(), &server, &mut |_| Ok::<u32, ()>(begun)).expect("asked");
            (found.from, found.gap.is_some())
        };
        let at = |text: &'static str| Some(text);
        assert_eq!(ask(None, 7), (Some((0, 4)), false));
        let third = at("0000000007-b.000003/000000000004-000000000200");
        assert_eq!(ask(third, 7), (Some((0, 200)), false));
        assert_eq!(ask(third, 8), (Some((0, 4)), true), "begun anew");
        let ended = at("0000000007-b.000003/000000000004-000000000300-last");
        assert_eq!(ask(ended, 7), (Some((1, 4)), false));
        let longer = at("0000000007-b.000003/000000000004-000000000400");
        assert_eq!(ask(longer, 7), (Some((1, 4)), true), "the server lost its end");
        let before = at("0000000005-b.000002/000000000004-000000000200");
        assert_eq!(ask(before, 7), (Some((0, 4)), true), "its end was never seen");
        let whole = at("0000000005-b.000002/000000000004-000000000200-last");
        assert_eq!(ask(whole, 7), (Some((0, 4)), false));
        let long_ago = at("0000000005-b.000001/000000000004-000000000200-last");
        assert_eq!(ask(long_ago, 7), (Some((0, 4)), true), "removed");
    }
}
