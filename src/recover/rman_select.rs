//! Which pieces bring an Oracle database back to a moment: exactly those that are needed, or what is
//! missing for it.
//!
//! Pure: decides from heads alone. Invariants: data files come from one full backup and what adds to
//! it without a gap; the logs follow from the SCN of the last of these without a gap, in every
//! thread; an end is not part of what comes back.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::artifact::{Head, Holds, LogRange, ObjectLine, PieceLine};
use crate::plan::{OracleMode, Until};
use crate::source::End;

/// Pieces that are needed, by their backup and their place in its head.
#[derive(Debug, PartialEq, Eq)]
pub struct Selection {
    /// Index of the backup, index of the object.
    pub pieces: BTreeSet<(usize, usize)>,
    /// The backups whose data files are read, the full one first.
    pub data: Vec<usize>,
    /// The piece of the control file.
    pub control: (usize, usize),
    /// The last log of each thread that is read: thread, sequence, the SCN after it.
    pub logs: Vec<(u32, u64, u64)>,
}

/// What the data files of a backup are, all its pieces together.
struct Data {
    level: u8,
    from: u64,
    start: u64,
    to: u64,
    at: Timestamp,
}

impl Data {
    fn of(head: &Head) -> Option<Data> {
        let lines = || head.pieces().map(|(_, line)| line).filter(|l| l.holds == Holds::Data);
        Some(Data {
            level: lines().filter_map(|line| line.level).max()?,
            from: lines().map(|line| line.from).max()?,
            start: lines().map(|line| line.start).min()?,
            to: lines().map(|line| line.to).max()?,
            at: lines().filter_map(|line| line.at).max().unwrap_or(head.finished),
        })
    }

    /// Whether all of it was before an end.
    fn is_before(&self, until: &Until) -> bool {
        match until {
            Until::Latest => true,
            Until::Scn(scn) => self.to < *scn,
            Until::Moment(moment) => self.at < *moment,
        }
    }
}

/// Selects from the backups of one incarnation, the oldest first. The error says what is missing.
pub fn select(heads: &[&Head], mode: OracleMode, until: &Until) -> Result<Selection, String> {
    let all: Vec<Option<Data>> = heads.iter().map(|head| Data::of(head)).collect();
    let fits = |i: &usize| all[*i].as_ref().is_some_and(|data| data.is_before(until));
    let data = match mode {
        OracleMode::Full => {
            let is_full = |i: &usize| all[*i].as_ref().is_some_and(|data| data.level == 0);
            let newest = (0..heads.len()).rev().filter(fits).find(is_full);
            vec![newest.ok_or_else(|| nothing(until, "full backup"))?]
        }
        OracleMode::Incremental => {
            let newest = (0..heads.len()).rev().find(fits);
            chain(heads, &all, newest.ok_or_else(|| nothing(until, "backup"))?)?
        }
    };
    let start = data.last().and_then(|i| all[*i].as_ref()).map_or(0, |data| data.start);
    let mut pieces: BTreeSet<(usize, usize)> = BTreeSet::new();
    for i in &data {
        pieces.extend(holding(heads[*i], Holds::Data).map(|o| (*i, o)));
    }
    let logs = logs(heads, start, until, &mut pieces)?;
    let last = pieces.iter().map(|(i, _)| *i).max().unwrap_or_default();
    let control = holding(heads[last], Holds::Control).last().map(|o| (last, o));
    let control = control.ok_or_else(|| format!("{} has no control file", heads[last].id))?;
    pieces.insert(control);
    Ok(Selection { pieces, data, control, logs })
}

/// Why the newest of these backups, the oldest first, could not be recovered from them alone: which
/// logs of its own time none of them has.
pub fn hole(heads: &[&Head]) -> Option<String> {
    let data = Data::of(heads.last()?)?;
    let mode = if data.level == 0 { OracleMode::Full } else { OracleMode::Incremental };
    match select(heads, mode, &Until::Latest) {
        Err(found) => Some(found),
        // Whatever thread wrote last reaches past the data files.
        Ok(selection) => {
            let end = selection.logs.iter().map(|(_, _, to)| *to).max().unwrap_or_default();
            (end <= data.to).then(|| {
                format!(
                    "the logs end at SCN {end}, and the data files hold changes up to {}",
                    data.to
                )
            })
        }
    }
}

/// Logs that none of these backups of one incarnation has, though earlier and later ones of their
/// thread are in one: no restore from a backup before them gets past them. Those that a full backup
/// of `passed` came after are not told any more.
pub fn gaps(heads: &[&Head], passed: &[&Head]) -> Vec<String> {
    let full = passed.iter().filter_map(|head| Data::of(head)).filter(|data| data.level == 0);
    let newest = full.map(|data| data.start).max().unwrap_or_default();
    let pieces = heads.iter().flat_map(|head| head.pieces());
    let mut ranges: Vec<&LogRange> = pieces.flat_map(|(_, piece)| &piece.logs).collect();
    ranges.sort_by_key(|range| (range.thread, range.first));
    let (mut found, mut before): (Vec<String>, Option<(u32, u64)>) = (Vec::new(), None);
    for range in ranges {
        let last = before.filter(|(thread, _)| *thread == range.thread).map(|(_, last)| last);
        if let Some(last) = last
            && range.first > last.saturating_add(1)
            && range.from > newest
        {
            found.push(format!(
                "logs {} to {} of thread {} are in no backup: no restore of an earlier one gets past SCN {}; run a FULL, and see what else takes archived logs",
                last + 1,
                range.first - 1,
                range.thread,
                range.from
            ));
        }
        before = Some((range.thread, last.unwrap_or_default().max(range.last)));
    }
    found
}

fn nothing(until: &Until, what: &str) -> String {
    match until {
        Until::Latest => format!("there is no {what}"),
        Until::Scn(scn) => format!("no {what} ends before SCN {scn}"),
        Until::Moment(moment) => format!("no {what} ends before {moment}"),
    }
}

/// The objects of a head that hold something.
fn holding(head: &Head, holds: Holds) -> impl Iterator<Item = usize> {
    let own = move |(_, object): &(usize, &ObjectLine)| {
        object.piece.as_ref().is_some_and(|piece| piece.holds == holds)
    };
    head.objects.iter().enumerate().filter(own).map(|(at, _)| at)
}

/// A backup and what it adds to, the full one first: of each increment, the newest earlier backup
/// whose data files end where it begins.
fn chain(heads: &[&Head], all: &[Option<Data>], newest: usize) -> Result<Vec<usize>, String> {
    let mut chain = vec![newest];
    while let Some((last, data)) = chain.last().and_then(|i| Some((*i, all[*i].as_ref()?)))
        && data.level > 0
    {
        let adds_to = |i: &usize| {
            all[*i].as_ref().is_some_and(|earlier| match data.from {
                // It has all blocks since the files were made.
                0 => earlier.level == 0,
                from => (earlier.start..=earlier.to).contains(&from),
            })
        };
        let found = (0..last).rev().find(adds_to).ok_or_else(|| {
            format!(
                "the backup that {} adds to is in no store: its data files end at SCN {}",
                heads[last].id, data.from
            )
        })?;
        chain.push(found);
    }
    chain.reverse();
    Ok(chain)
}

/// Adds the pieces of the logs from an SCN to the end, in every thread; returns the last of each.
fn logs(
    heads: &[&Head],
    start: u64,
    until: &Until,
    pieces: &mut BTreeSet<(usize, usize)>,
) -> Result<Vec<(u32, u64, u64)>, String> {
    let of = |(i, head): (usize, &&Head)| -> Vec<(usize, usize, LogRange)> {
        let ranges = |(o, piece): (usize, &PieceLine)| -> Vec<(usize, usize, LogRange)> {
            piece.logs.iter().map(|range| (i, o, range.clone())).collect()
        };
        let lines = head.objects.iter().enumerate();
        lines.filter_map(|(o, object)| Some((o, object.piece.as_ref()?))).flat_map(ranges).collect()
    };
    let known: Vec<(usize, usize, LogRange)> = heads.iter().enumerate().flat_map(of).collect();
    // A thread that ended before, or begins after, has nothing that is needed.
    let in_span = |range: &LogRange| {
        range.to > start
            && match until {
                Until::Latest => true,
                Until::Scn(scn) => range.from < *scn,
                Until::Moment(_) => true,
            }
    };
    let needed = known.iter().map(|(_, _, range)| range).filter(|range| in_span(range));
    let threads: BTreeSet<u32> = needed.map(|range| range.thread).collect();
    let mut ends = Vec::new();
    for thread in threads {
        let own: Vec<&(usize, usize, LogRange)> =
            known.iter().filter(|(_, _, range)| range.thread == thread).collect();
        ends.push(thread_logs(&own, thread, start, until, pieces)?);
    }
    if ends.is_empty() {
        return Err(format!("the log that holds SCN {start} is in no backup"));
    }
    Ok(ends)
}

fn thread_logs(
    own: &[&(usize, usize, LogRange)],
    thread: u32,
    start: u64,
    until: &Until,
    pieces: &mut BTreeSet<(usize, usize)>,
) -> Result<(u32, u64, u64), String> {
    let longest = |fits: &dyn Fn(&LogRange) -> bool| {
        let fitting = own.iter().filter(|(_, _, range)| fits(range));
        fitting.max_by_key(|(i, o, range)| (range.last, *i, *o))
    };
    let first = longest(&|range| range.from <= start && start < range.to)
        // A thread that began meanwhile has its first log.
        .or_else(|| longest(&|range| range.first == 1 && range.from > start))
        .ok_or_else(|| {
            let known = own.iter().map(|(_, _, range)| range).filter(|range| range.from > start);
            let later = known.map(|range| range.first).min();
            let before = later.map_or(String::new(), |n| format!(", which comes before log {n},"));
            format!("the log of thread {thread} that holds SCN {start}{before} is in no backup")
        })?;
    let mut at = first;
    loop {
        pieces.insert((at.0, at.1));
        let (range, next) = (&at.2, at.2.last.saturating_add(1));
        let is_there = match until {
            Until::Latest => false,
            Until::Scn(scn) => range.to >= *scn,
            Until::Moment(moment) => range.until >= *moment,
        };
        if is_there {
            return Ok((thread, range.last, range.to));
        }
        let Some(found) = longest(&|range| range.first <= next && range.last > at.2.last) else {
            let later = own.iter().map(|(_, _, range)| range.first).filter(|f| *f > next).min();
            return match (later, until) {
                (Some(_), _) => Err(format!(
                    "log {next} of thread {thread} is in no backup, and later ones are"
                )),
                (None, Until::Latest) => Ok((thread, range.last, range.to)),
                (None, Until::Scn(scn)) => Err(format!(
                    "the logs of thread {thread} end at SCN {} with log {}, before SCN {scn}",
                    range.to, range.last
                )),
                (None, Until::Moment(moment)) => Err(format!(
                    "the logs of thread {thread} end at {}, before {moment}",
                    range.until
                )),
            };
        };
        at = found;
    }
}

impl Selection {
    /// Where recovery ends, in the clock of the database: `local` writes a moment so. With a control
    /// file that stayed, the online logs are there, and all comes back.
    pub fn end(
        &self,
        until: &Until,
        control_stays: bool,
        local: impl Fn(Timestamp) -> String,
    ) -> End {
        match (until, self.logs.as_slice()) {
            (Until::Scn(scn), _) => End::Scn(*scn),
            (Until::Moment(moment), _) => End::Time(local(*moment)),
            (Until::Latest, _) if control_stays => End::Complete,
            (Until::Latest, [(thread, sequence, _)]) => {
                End::Sequence(*thread, sequence.saturating_add(1))
            }
            (Until::Latest, several) => {
                End::Scn(several.iter().map(|(_, _, to)| *to).min().unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece of logs: thread, first and last sequence, first SCN and the one after the last.
    fn logs(thread: u32, (first, last): (u64, u64), (from, to): (u64, u64)) -> LogRange {
        LogRange { thread, first, last, from, to, until: Timestamp::UNIX_EPOCH }
    }

    fn head(level: u8, (from, start, to): (u64, u64, u64), ranges: &[LogRange]) -> Head {
        let piece = |holds: Holds| PieceLine {
            name: "p".into(),
            tag: "t".into(),
            holds,
            level: None,
            from: 0,
            start: 0,
            to: 0,
            at: None,
            logs: Vec::new(),
            plain: None,
        };
        let data = PieceLine { level: Some(level), from, start, to, ..piece(Holds::Data) };
        let kept = PieceLine { logs: ranges.to_vec(), ..piece(Holds::Logs) };
        let object = |piece| ObjectLine {
            key: "p".into(),
            bytes: 1,
            sha256: String::new(),
            tail: String::new(),
            tail_from: 0,
            directory: 0,
            piece: Some(piece),
        };
        let objects = [data, kept, piece(Holds::Control)].into_iter().map(object).collect();
        let bytes = include_bytes!("../../tests/fixtures/head.json");
        Head { objects, ..Head::parse(bytes).expect("a head") }
    }

    fn threads(heads: &[&Head], until: &Until) -> Result<Vec<u32>, String> {
        let found = select(heads, OracleMode::Full, until)?;
        Ok(found.logs.iter().map(|(thread, _, _)| *thread).collect())
    }

    #[test]
    fn only_threads_that_wrote_in_the_needed_span_are_needed() {
        // Thread 2 ended before the backup, thread 3 began after it.
        let ranges = [
            logs(1, (10, 12), (900, 1200)),
            logs(2, (4, 5), (700, 950)),
            logs(3, (1, 2), (1100, 1300)),
        ];
        let own = head(0, (0, 1000, 1010), &ranges);
        assert_eq!(threads(&[&own], &Until::Latest), Ok(vec![1, 3]));
        assert_eq!(threads(&[&own], &Until::Scn(1050)), Ok(vec![1]));
        assert_eq!(hole(&[&own]), None);
    }

    #[test]
    fn a_hole_in_the_logs_of_a_backup_is_named() {
        for (ranges, found) in [
            (
                vec![logs(1, (10, 10), (1005, 1200))],
                "that holds SCN 1000, which comes before log 10",
            ),
            (
                vec![logs(1, (8, 8), (990, 1002)), logs(1, (10, 10), (1005, 1200))],
                "log 9 of thread 1 is in no backup",
            ),
            (vec![logs(1, (8, 8), (990, 1002))], "the logs end at SCN 1002"),
            (vec![logs(1, (1, 8), (1, 990))], "SCN 1000 is in no backup"),
        ] {
            let hole = hole(&[&head(0, (0, 1000, 1010), &ranges)]).unwrap_or_default();
            assert!(hole.contains(found), "{found}: {hole}");
        }
    }
}
