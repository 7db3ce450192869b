//! What was searched lately: the numbers of the backups that were found, in their order, so that the
//! pages of one search, and those who look at it again each minute, cost one look through all texts.
//!
//! Invariants: it is bounded; what is found again is of the same backups, and a few seconds old at
//! most. The rows of a page are always read anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::catalog::{ListQuery, ListedBackup, Order, Totals};
use crate::web::state::{State, lock};

/// Searches that are remembered at most.
const MOST: usize = 64;

/// How long what was found is good, where no text changed.
const GOOD: Duration = Duration::from_secs(30);

/// What makes two searches the same.
type Search = (Vec<String>, Option<u8>, Order, bool);

/// What was found, of which backups, and when.
type Found = (Arc<Vec<i64>>, Totals, Instant);

/// What was searched lately.
#[derive(Debug, Default)]
pub struct Searches(Mutex<BTreeMap<Search, Found>>);

impl State {
    /// The page of a search, and how many backups it finds.
    pub fn search(
        &self,
        query: &ListQuery,
        totals: Totals,
    ) -> Result<(Vec<ListedBackup>, u64), String> {
        if self.show()? {
            lock(&self.searches.0).clear();
        }
        let search = (query.words.clone(), query.verdict, query.order, query.ascending);
        let is_good = |found: &Found| found.1 == totals && found.2.elapsed() < GOOD;
        let known = lock(&self.searches.0).get(&search).filter(|f| is_good(f)).cloned();
        let numbers = match known {
            Some((numbers, _, _)) => numbers,
            None => {
                let found = Arc::new(self.with(|catalog| catalog.found(query))?);
                let mut known = lock(&self.searches.0);
                if known.len() >= MOST {
                    known.retain(|_, found| is_good(found));
                }
                if known.len() >= MOST {
                    known.pop_first();
                }
                known.insert(search, (Arc::clone(&found), totals, Instant::now()));
                found
            }
        };
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let page: Vec<i64> =
            numbers.iter().skip(size(query.offset)).take(size(query.limit)).copied().collect();
        let rows = self.with(|catalog| catalog.numbered(&page))?;
        Ok((rows, numbers.len() as u64))
    }
}
