//! The slices of a table: how it is cut before it is read, and while it is.
//!
//! Before: an integer key is bisected by the server's estimates, which costs no reading. While: a
//! slice that proves larger than it was thought, and one of a key that can't be bisected, is cut at
//! a key that the server names, and the rest goes back to the queue, so that no thread ends alone
//! with a huge table, whatever the statistics say. Knows no rows. Invariant: the slices of a table
//! together are the table, each row in one.

use std::sync::Mutex;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::source::contract::Result;
use crate::source::mysql::fault::{is_damage, wrap};
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::range::{Range, bisect};
use crate::source::mysql::schema::{Layout, Table, qualified, quoted};

/// Chunks in a slice: large enough for few queries, small enough that no worker ends alone.
const CHUNKS: u64 = 4;

/// Bytes of a row where the statistics say nothing.
const UNKNOWN: u64 = 128;

/// Bytes that a row takes at least: statistics that say less are of two moments.
const SMALLEST: u64 = 32;

/// A slice that holds this many times what it should is cut.
const SURPRISE: u64 = 4;

/// A slice of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slice {
    /// Its keys.
    pub range: Range,
    /// Whether it is cut before it is read.
    pub long: bool,
}

/// The slices of one table.
#[derive(Debug)]
pub struct Slices {
    /// Guards the slices so far, and how many of them are not read yet, and the rows of those that
    /// are.
    state: Mutex<State>,
    /// Rows that a slice should have.
    pub rows: u64,
    /// Whether slices are read in the order of the key, so that one that proves too long can be
    /// cut.
    pub ordered: bool,
}

#[derive(Debug)]
struct State {
    slices: Vec<Slice>,
    unread: usize,
    rows: u64,
    /// Whether a slice was cut at a key that the server named.
    named: bool,
}

/// What is known when a slice was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Others are to be read.
    Open,
    /// It was the last; the table has so many rows. To be counted, because where it was cut came
    /// from the server's order.
    Count(u64),
    /// It was the last.
    Done,
}

impl Slices {
    fn new(slices: Vec<Slice>, rows: u64, ordered: bool) -> Slices {
        let unread = slices.len();
        Slices { state: Mutex::new(State { slices, unread, rows: 0, named: false }), rows, ordered }
    }

    /// Cuts a table as far as that costs nothing.
    pub fn of(
        control: &mut Conn,
        flavor: &Flavor,
        unit: &str,
        table: &Table,
        layout: &Layout,
        chunk: usize,
    ) -> Result<Slices> {
        let size = chunk as u64 * CHUNKS;
        let target = match (table.rows, table.bytes) {
            (0, _) | (_, 0) => size.div_ceil(UNKNOWN),
            (rows, bytes) => (rows.saturating_mul(size) / bytes).clamp(1, size / SMALLEST),
        };
        let large = table.bytes >= size * 2;
        let splits = layout.splits;
        // Partitions are merged to be read in order: too dear for all rows, not for a key now and
        // then.
        let ordered = splits && !table.partitioned;
        let whole =
            |long| Slices::new(vec![Slice { range: Range::default(), long }], target, ordered);
        let Some(first) = layout.key.first().filter(|_| large) else { return Ok(whole(false)) };
        if !first.integer {
            return Ok(whole(splits));
        }
        let full = qualified(unit, &table.name);
        let ranges = match by_estimate(control, flavor, &full, &quoted(&first.name), target) {
            // Whoever reads it tells.
            Err(error) if is_damage(&error) => return Ok(whole(false)),
            other => other.map_err(|e| wrap(&format!("cut {unit}.{}", table.name), e))?,
        };
        // MySQL 9 takes a range of a partitioned table for one row.
        let plausible = ranges.iter().map(|r| r.1).sum::<u64>() >= table.rows / 8;
        if splits && !plausible {
            return Ok(whole(true));
        }
        let slice = |(range, rows)| Slice { range, long: splits && rows > target * 2 };
        Ok(Slices::new(ranges.into_iter().map(slice).collect(), target, ordered))
    }

    /// How many slices there are so far.
    pub fn len(&self) -> usize {
        self.state.lock().expect("no panic while locked").slices.len()
    }

    /// One of them.
    pub fn get(&self, number: usize) -> Slice {
        self.state.lock().expect("no panic while locked").slices[number].clone()
    }

    /// Adds what was cut off a slice; returns its number.
    pub fn add(&self, range: Range) -> usize {
        let mut state = self.state.lock().expect("no panic while locked");
        state.slices.push(Slice { range, long: true });
        state.unread += 1;
        state.named = true;
        state.slices.len() - 1
    }

    /// A slice is shorter than it was: what was cut off it is another.
    pub fn shorten(&self, number: usize, range: Range) {
        self.state.lock().expect("no panic while locked").slices[number] =
            Slice { range, long: false };
    }

    /// A slice was read to its end.
    pub fn read(&self, rows: u64) -> Progress {
        let mut state = self.state.lock().expect("no panic while locked");
        state.unread -= 1;
        state.rows += rows;
        match (state.unread, state.named) {
            (0, true) => Progress::Count(state.rows),
            (0, false) => Progress::Done,
            _ => Progress::Open,
        }
    }

    /// Rows after which a slice that is being read is cut.
    pub fn limit(&self) -> u64 {
        self.rows.saturating_mul(SURPRISE)
    }
}

fn by_estimate(
    control: &mut Conn,
    flavor: &Flavor,
    full: &str,
    key: &str,
    target: u64,
) -> mysql::Result<Vec<(Range, u64)>> {
    let ends: Option<(Option<String>, Option<String>)> = control.query_first(format!(
        "SELECT CAST(MIN({key}) AS CHAR), CAST(MAX({key}) AS CHAR) FROM {full}"
    ))?;
    let bound = |text: Option<String>| text.and_then(|t| t.parse::<i128>().ok());
    let Some((Some(low), Some(high))) = ends.map(|(a, b)| (bound(a), bound(b))) else {
        return Ok(vec![(Range::default(), 0)]);
    };
    bisect(low, high, target, &mut |from, to| {
        let explain = flavor.explain();
        let sql = format!(
            "{explain}SELECT 1 FROM {full} FORCE INDEX (PRIMARY) WHERE {key}>={from} AND {key}<{to}"
        );
        let row: Option<mysql::Row> = control.query_first(sql)?;
        let rows = row.and_then(|row| row.get_opt::<Option<u64>, _>("rows")?.ok().flatten());
        Ok(rows.unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_done_with_its_last_slice_and_counted_if_it_was_cut_while_read() {
        let slices = Slices::new(vec![Slice::default(), Slice::default()], 10, true);
        assert_eq!(slices.read(1), Progress::Open);
        let rest = slices.add(Range { after: Some(vec!["5".into()]), upto: None });
        assert!(slices.get(rest).long && slices.len() == 3);
        assert_eq!(slices.read(2), Progress::Open);
        assert_eq!(slices.read(3), Progress::Count(6));
        assert_eq!(Slices::new(vec![Slice::default()], 10, true).read(4), Progress::Done);
    }
}
