//! Ranges of a key: after one key, up to and with another, with open outer ends, so that every row
//! is in exactly one.
//!
//! Knows no rows and no connection. Where to cut comes from the server's estimates or from keys it
//! named, and only decides how even the ranges are: each cut stands in two conditions that are each
//! other's opposite, so no row is lost or read twice as long as the server compares keys in one
//! way. Columns for which it does not (ENUM, FLOAT) never get here; see `column.rs`.

/// A key, by the literals of its columns; it may name fewer columns than the key has, from the
/// left.
pub type Key = Vec<String>;

/// A range of a key: `after < key <= upto`; an open end has no bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Range {
    /// The last key before it.
    pub after: Option<Key>,
    /// The last key in it.
    pub upto: Option<Key>,
}

impl Range {
    /// The condition on the key's `columns`, already quoted; empty for the whole table.
    pub fn condition(&self, columns: &[String]) -> String {
        let after = self.after.as_ref().map(|key| compare(columns, key, ">", ">"));
        let upto = self.upto.as_ref().map(|key| compare(columns, key, "<", "<="));
        after.into_iter().chain(upto).collect::<Vec<_>>().join(" AND ")
    }

    /// Cuts it at a key in it, which names at least the columns that its ends name: itself up to
    /// there, and the rest.
    pub fn cut(self, key: Key) -> (Range, Range) {
        let rest = Range { after: Some(key.clone()), upto: self.upto };
        (Range { after: self.after, upto: Some(key) }, rest)
    }
}

/// `(a, b) > (x, y)` written out as `a>x OR (a=x AND b>y)`: of the short form the servers make a
/// scan, not a range.
fn compare(columns: &[String], key: &[String], strict: &str, last: &str) -> String {
    match (columns, key) {
        ([column, ..], [value]) => format!("{column}{last}{value}"),
        ([column, columns @ ..], [value, key @ ..]) => {
            format!(
                "({column}{strict}{value} OR ({column}={value} AND {}))",
                compare(columns, key, strict, last)
            )
        }
        _ => "TRUE".into(),
    }
}

/// Most estimates asked of the server for one table.
const QUESTIONS: usize = 4096;

/// Cuts the integer keys `low..=high` into ranges of about `target` rows; `estimate` tells how many
/// rows a half-open range of keys may have. Returns each range with its estimate: one of a single
/// key can't be made smaller.
///
/// A sparse or two-humped key costs a few estimates more, never an empty range each.
pub fn bisect<E>(
    low: i128,
    high: i128,
    target: u64,
    estimate: &mut dyn FnMut(i128, i128) -> Result<u64, E>,
) -> Result<Vec<(Range, u64)>, E> {
    let mut cuts: Vec<(i128, u64)> = Vec::new();
    // Halves are looked at left first, so the cuts come out sorted.
    let mut open = vec![(low, high + 1)];
    let (mut questions, mut gathered) = (0, 0);
    while let Some((from, to)) = open.pop() {
        let asked = questions < QUESTIONS;
        questions += 1;
        let rows = if asked { estimate(from, to)? } else { 0 };
        if rows > target && to - from > 1 && asked {
            let middle = from + (to - from) / 2;
            open.push((middle, to));
            open.push((from, middle));
            continue;
        }
        // Small neighbours share a range.
        if gathered > 0 && gathered + rows > target {
            cuts.push((from, gathered));
            gathered = 0;
        }
        gathered += rows;
    }
    let mut ranges = Vec::new();
    let mut rest = Range::default();
    for (first, rows) in cuts {
        let (range, later) = rest.cut(vec![(first - 1).to_string()]);
        ranges.push((range, rows));
        rest = later;
    }
    ranges.push((rest, gathered));
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(key: &Option<Key>) -> Option<i128> {
        key.as_ref().map(|k| k[0].parse().expect("a number"))
    }

    fn holds(range: &Range, key: i128) -> bool {
        number(&range.after).is_none_or(|n| key > n) && number(&range.upto).is_none_or(|n| key <= n)
    }

    fn count(keys: &[i128], from: i128, to: i128) -> u64 {
        keys.iter().filter(|k| (from..to).contains(*k)).count() as u64
    }

    proptest! {
        #[test]
        fn every_key_is_in_exactly_one_range(
            keys in prop::collection::vec(prop_oneof![any::<i64>().prop_map(i128::from), any::<u64>().prop_map(i128::from), -50_i128..50], 0..200),
            lies in prop::collection::vec(0_u64..5, 16),
            target in 1_u64..50,
        ) {
            let (low, high) = (keys.iter().min().copied().unwrap_or(0), keys.iter().max().copied().unwrap_or(0));
            let mut turn = 0;
            // An estimate may be anything.
            let ranges = bisect(low, high, target, &mut |from, to| {
                turn += 1;
                Ok::<u64, ()>(count(&keys, from, to) * lies[turn % lies.len()])
            }).expect("no error");
            // Keys outside of low and high, written since, are covered as well.
            for key in keys.iter().copied().chain([i128::MIN, i128::MAX, low - 1, high + 1]) {
                prop_assert_eq!(ranges.iter().filter(|(r, _)| holds(r, key)).count(), 1, "{} in {:?}", key, ranges);
            }
        }

        /// The conditions themselves, answered by an SQL engine: composite keys of numbers and of
        /// text that compares without case, cut first by their first columns and then by more of
        /// them.
        #[test]
        fn every_row_answers_to_exactly_one_condition(
            rows in prop::collection::btree_set((-3_i64..3, "[aAbB' ]{0,2}", -3_i64..3), 1..60),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..4), 0..8),
        ) {
            let engine = rusqlite::Connection::open_in_memory().expect("opens");
            engine.execute_batch("CREATE TABLE t (a INT, b TEXT COLLATE NOCASE, c INT, PRIMARY KEY (a, b, c))").expect("made");
            for (a, b, c) in &rows {
                // Two spellings of one key: the second is no row.
                drop(engine.execute("INSERT OR IGNORE INTO t VALUES (?, ?, ?)", (a, b, c)));
            }
            let columns: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
            let all: Vec<(i64, String, i64)> = rows.into_iter().collect();
            let mut ranges = vec![Range::default()];
            let mut cuts = cuts;
            cuts.sort_by_key(|cut| cut.2);
            for (range, row, width) in cuts {
                let (a, b, c) = &all[row.index(all.len())];
                let key: Key = [a.to_string(), format!("'{}'", b.replace('\'', "''")), c.to_string()][..width].to_vec();
                let chosen = range.index(ranges.len());
                // A key to cut at always lies in the range: the server named it there.
                let inside = [ranges[chosen].condition(&columns), format!("a={} AND b='{}' AND c={}", a, b.replace('\'', "''"), c)];
                let inside = inside.iter().filter(|c| !c.is_empty()).cloned().collect::<Vec<_>>().join(" AND ");
                let hit: i64 = engine.query_row(&format!("SELECT count(*) FROM t WHERE {inside}"), [], |r| r.get(0)).expect("counts");
                if hit == 0 {
                    continue;
                }
                let (first, rest) = ranges.swap_remove(chosen).cut(key);
                ranges.extend([first, rest]);
            }
            let total: i64 = engine.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).expect("counts");
            let mut seen = std::collections::BTreeSet::new();
            let mut read = 0;
            for range in &ranges {
                let condition = range.condition(&columns);
                let filter = if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
                let mut statement = engine.prepare(&format!("SELECT rowid FROM t{filter}")).expect("prepares");
                let ids = statement.query_map([], |r| r.get::<_, i64>(0)).expect("reads");
                for id in ids {
                    read += 1;
                    seen.insert(id.expect("a row"));
                }
            }
            prop_assert_eq!((read, seen.len() as i64), (total, total), "{:?}", ranges);
        }
    }

    #[test]
    fn sparse_and_two_humped_keys_make_few_ranges() {
        let mut keys: Vec<i128> = (0..1000).collect();
        keys.extend((0..1000).map(|i| 1_802_281_153_340_020_068 + i));
        keys.push(i128::from(u64::MAX));
        let mut questions = 0;
        let ranges = bisect(0, i128::from(u64::MAX), 100, &mut |from, to| {
            questions += 1;
            Ok::<u64, ()>(count(&keys, from, to))
        })
        .expect("no error");
        assert!(ranges.len() >= 20 && ranges.len() <= 45, "{} ranges", ranges.len());
        assert!(questions < 400, "{questions} questions");
        let largest =
            ranges.iter().map(|(r, _)| keys.iter().filter(|k| holds(r, **k)).count()).max();
        assert!(largest <= Some(100), "{largest:?}");
    }

    #[test]
    fn a_condition_names_only_the_bounds_there_are() {
        let columns = ["`a`".to_owned(), "`b`".to_owned()];
        let key = |values: &[&str]| Some(values.iter().map(|v| (*v).to_owned()).collect::<Key>());
        for (after, upto, expected) in [
            (key(&["-5"]), key(&["7"]), "`a`>-5 AND `a`<=7"),
            (None, key(&["7"]), "`a`<=7"),
            (None, None, ""),
            (key(&["1", "'x'"]), None, "(`a`>1 OR (`a`=1 AND `b`>'x'))"),
            (None, key(&["1", "'x'"]), "(`a`<1 OR (`a`=1 AND `b`<='x'))"),
        ] {
            assert_eq!(Range { after, upto }.condition(&columns), expected);
        }
    }
}
