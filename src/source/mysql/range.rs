//! Cuts a table into ranges of its key: half-open, with open outer ends, so that every row is in exactly one.
//!
//! Knows no rows. Where to cut comes from the server's estimates and only decides how even the pieces are: correctness
//! depends on the ranges alone. A sparse or two-humped key costs a few estimates more, never an empty piece each.

/// A range of an integer key: `from <= key < to`; an open end has no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// The first key in it.
    pub from: Option<i128>,
    /// The first key after it.
    pub to: Option<i128>,
}

impl Range {
    /// The condition on `key`, already quoted; empty for the whole table.
    pub fn condition(&self, key: &str) -> String {
        let from = self.from.map(|n| format!("{key}>={n}"));
        let to = self.to.map(|n| format!("{key}<{n}"));
        from.into_iter().chain(to).collect::<Vec<_>>().join(" AND ")
    }

    /// Whether a key is in it.
    #[cfg(test)]
    fn holds(&self, key: i128) -> bool {
        self.from.is_none_or(|n| key >= n) && self.to.is_none_or(|n| key < n)
    }
}

/// Most estimates asked of the server for one table.
const QUESTIONS: usize = 4096;

/// Cuts the keys `low..=high` into ranges of about `target` rows; `estimate` tells how many rows a range may have.
pub fn cut<E>(
    low: i128,
    high: i128,
    target: u64,
    estimate: &mut dyn FnMut(Range) -> Result<u64, E>,
) -> Result<Vec<Range>, E> {
    let mut cuts: Vec<i128> = Vec::new();
    // Halves are looked at left first, so the cuts come out sorted.
    let mut open = vec![(low, high + 1, None::<u64>)];
    let (mut questions, mut gathered) = (0, 0);
    while let Some((from, to, known)) = open.pop() {
        let rows = match known {
            Some(rows) => rows,
            None if questions >= QUESTIONS => 0,
            None => {
                questions += 1;
                estimate(Range { from: Some(from), to: Some(to) })?
            }
        };
        if rows > target && to - from > 1 && questions < QUESTIONS {
            let middle = from + (to - from) / 2;
            open.push((middle, to, None));
            open.push((from, middle, None));
            continue;
        }
        // Small neighbours share a range.
        if gathered > 0 && gathered + rows > target {
            cuts.push(from);
            gathered = 0;
        }
        gathered += rows;
    }
    let starts = std::iter::once(None).chain(cuts.iter().copied().map(Some));
    let ends = cuts.iter().copied().map(Some).chain(std::iter::once(None));
    Ok(starts.zip(ends).map(|(from, to)| Range { from, to }).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(keys: &[i128], range: Range) -> u64 {
        keys.iter().filter(|k| range.holds(**k)).count() as u64
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
            let ranges = cut(low, high, target, &mut |range| {
                turn += 1;
                Ok::<u64, ()>(count(&keys, range) * lies[turn % lies.len()])
            }).expect("no error");
            // Keys outside of low and high, written since, are covered as well.
            for key in keys.iter().copied().chain([i128::MIN, i128::MAX, low - 1, high + 1]) {
                prop_assert_eq!(ranges.iter().filter(|r| r.holds(key)).count(), 1, "{} in {:?}", key, ranges);
            }
        }
    }

    #[test]
    fn sparse_and_two_humped_keys_make_few_pieces() {
        let mut keys: Vec<i128> = (0..1000).collect();
        keys.extend((0..1000).map(|i| 1_802_281_153_340_020_068 + i));
        keys.push(i128::from(u64::MAX));
        let mut questions = 0;
        let ranges = cut(0, i128::from(u64::MAX), 100, &mut |range| {
            questions += 1;
            Ok::<u64, ()>(count(&keys, range))
        })
        .expect("no error");
        assert!(ranges.len() >= 20 && ranges.len() <= 45, "{} ranges", ranges.len());
        assert!(questions < 400, "{questions} questions");
        let largest = ranges.iter().map(|r| count(&keys, *r)).max();
        assert!(largest <= Some(100), "{largest:?}");
    }

    #[test]
    fn a_condition_names_only_the_bounds_there_are() {
        assert_eq!(Range { from: Some(-5), to: Some(7) }.condition("`id`"), "`id`>=-5 AND `id`<7");
        assert_eq!(Range { from: None, to: Some(7) }.condition("`id`"), "`id`<7");
        assert_eq!(Range::default().condition("`id`"), "");
    }
}
