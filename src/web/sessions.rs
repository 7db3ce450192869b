//! What is known of sessions without asking the catalog for each request.
//!
//! Invariant: it is bounded, and what it says is a few seconds old at most, unless the catalog is
//! away.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::catalog::Session;

/// How long what is known of a session is believed without asking.
pub const BELIEVED: Duration = Duration::from_secs(3);

/// Sessions that are remembered at most.
const MOST: usize = 4096;

/// What is known of sessions, by the digest of their tokens.
#[derive(Debug, Default)]
pub struct Sessions {
    known: Mutex<BTreeMap<String, (Session, Instant)>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Session, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a session, and since when.
    pub fn get(&self, token: &str) -> Option<(Session, Instant)> {
        self.lock().get(token).cloned()
    }

    /// Remembers a session.
    pub fn believe(&self, token: &str, session: &Session) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, (_, at)| at.elapsed() < BELIEVED);
        }
        if known.len() < MOST {
            known.insert(token.to_owned(), (session.clone(), Instant::now()));
        }
    }

    /// Forgets a session.
    pub fn forget(&self, token: &str) {
        self.lock().remove(token);
    }

    /// Forgets every session: users were changed.
    pub fn forget_all(&self) {
        self.lock().clear();
    }
}
