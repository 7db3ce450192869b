//! What was searched lately: the numbers of the backups that were found, in their order, so that the
//! pages of one search, and those who look at it again each minute, cost one look through all texts.
//!
//! Invariants: it is bounded; what is found again is of the same backups, and a few seconds old at
//! most. The rows of a page are always read anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::catalog::{ListQuery, Order, Totals};

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

impl Searches {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Search, Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a search found of so many backups, if it is still good.
    pub fn get(&self, query: &ListQuery, totals: Totals) -> Option<Arc<Vec<i64>>> {
        let known = self.lock();
        known.get(&key(query)).filter(|f| is_good(f, totals)).map(|f| Arc::clone(&f.0))
    }

    /// Remembers what a search found.
    pub fn put(&self, query: &ListQuery, totals: Totals, found: &Arc<Vec<i64>>) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, found| is_good(found, totals));
        }
        if known.len() >= MOST {
            known.pop_first();
        }
        known.insert(key(query), (Arc::clone(found), totals, Instant::now()));
    }

    /// Forgets everything: texts changed.
    pub fn forget(&self) {
        self.lock().clear();
    }
}

fn key(query: &ListQuery) -> Search {
    (query.words.clone(), query.verdict, query.order, query.ascending)
}

fn is_good(found: &Found, totals: Totals) -> bool {
    found.1 == totals && found.2.elapsed() < GOOD
}
