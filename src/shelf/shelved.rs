//! An artifact as it stands in a store: its head, when it was written, and its proofs.
//!
//! Pure.

use jiff::Timestamp;

use crate::artifact::{Head, Level, ProofLine};

/// An artifact on the shelf.
#[derive(Debug, Clone)]
pub struct Shelved {
    /// Its head.
    pub head: Head,
    /// When the head was written, by the clock of the store.
    pub stored: Option<Timestamp>,
    /// Its proofs, oldest first.
    pub proofs: Vec<ProofLine>,
}

impl Shelved {
    /// How far it is proven: the deepest good proof after which no bad one came.
    pub fn level(&self) -> Level {
        match self.proofs.iter().rposition(|p| !p.good) {
            Some(_) if self.is_damaged() => Level::Written,
            Some(bad) => deepest(&self.proofs[bad + 1..]),
            None => deepest(&self.proofs),
        }
    }

    /// When it was last found good.
    pub fn proven_at(&self) -> Option<Timestamp> {
        self.proofs.iter().rev().find(|p| p.good).map(|p| p.at)
    }

    /// Whether the newest proof found damage.
    pub fn is_damaged(&self) -> bool {
        self.proofs.last().is_some_and(|p| !p.good)
    }

    /// When it was made. A clock that was fast dates a backup into the future: the store, which
    /// got it, knows better.
    pub fn moment(&self) -> Timestamp {
        self.stored.map_or(self.head.finished, |stored| stored.min(self.head.finished))
    }

    /// When it came into being: by the store's clock, else by that of the run.
    pub fn since(&self) -> Timestamp {
        self.stored.unwrap_or(self.head.finished)
    }
}

fn deepest(proofs: &[ProofLine]) -> Level {
    proofs.iter().map(|p| p.level).max().unwrap_or(Level::Written)
}
