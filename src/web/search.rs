//! What was searched lately: the numbers of the backups that were found, in their order, so that the
//! pages of one search, and those who look at it again each minute, cost one look through all texts.
//!
//! Knows no catalog. Invariants: it is bounded; what is found again is of as many backups of each
//! verdict, and half a minute old at most.

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

fn is_good(found: &Found, totals: Totals) -> bool {
    found.1 == totals && found.2.elapsed() < GOOD
}

fn key(query: &ListQuery) -> Search {
    (query.words.clone(), query.verdict, query.order, query.ascending)
}

impl Searches {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Search, Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found lately, where there were as many backups then.
    pub fn get(&self, query: &ListQuery, totals: Totals) -> Option<Arc<Vec<i64>>> {
        let known = self.lock();
        let found = known.get(&key(query)).filter(|found| is_good(found, totals))?;
        Some(Arc::clone(&found.0))
    }

    /// Remembers what was found.
    pub fn put(&self, query: &ListQuery, totals: Totals, numbers: &Arc<Vec<i64>>) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, found| is_good(found, totals));
        }
        if known.len() >= MOST {
            known.pop_first();
        }
        known.insert(key(query), (Arc::clone(numbers), totals, Instant::now()));
    }

    /// Forgets all of it: texts changed.
    pub fn clear(&self) {
        self.lock().clear();
    }
}
