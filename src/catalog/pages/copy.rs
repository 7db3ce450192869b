//! A copy as pages have it, with what was proven of it last.

use crate::catalog::value::Row;

/// A copy of an artifact, with what was proven of it last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldCopy {
    /// Identity of the artifact.
    pub id: String,
    /// What the artifact is of.
    pub chain: String,
    /// The store.
    pub store: String,
    /// What messages call the store.
    pub place: String,
    /// The bucket; empty where the store is none.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Bytes of the container.
    pub bytes: u64,
    /// When sending began.
    pub started: String,
    /// When it ended.
    pub finished: Option<String>,
    /// How well.
    pub verdict: u8,
    /// Why it failed.
    pub message: String,
    /// When it was removed.
    pub removed: Option<String>,
    /// The deepest good proof: `hashed`, `read`, `restored`; empty for none.
    pub level: String,
    /// When that was made.
    pub proven: Option<String>,
    /// What the newest proof found broken; empty where it found nothing.
    pub damage: String,
}

impl HeldCopy {
    /// A row of the columns of a copy.
    pub fn of(row: &Row) -> HeldCopy {
        let text = |i: usize| row.text(i).to_owned();
        HeldCopy {
            id: text(0),
            chain: text(1),
            store: text(2),
            place: text(3),
            bucket: text(4),
            key: text(5),
            bytes: row.int(6).max(0) as u64,
            started: text(7),
            finished: row.opt_text(8).map(str::to_owned),
            verdict: u8::try_from(row.int(9)).unwrap_or(3),
            message: text(10),
            removed: row.opt_text(11).map(str::to_owned),
            ..HeldCopy::default()
        }
    }

    /// Takes the next proof, oldest first.
    pub fn prove(&mut self, level: &str, at: &str, good: bool, damage: &str) {
        let depth = |level: &str| match level {
            "restored" => 3,
            "read" | "validated" => 2,
            "hashed" => 1,
            _ => 0,
        };
        if !good {
            self.damage = if damage.is_empty() { "damaged".into() } else { damage.to_owned() };
            self.level.clear();
            self.proven = None;
            return;
        }
        self.damage.clear();
        if depth(level) >= depth(&self.level) {
            self.level = level.to_owned();
            self.proven = Some(at.to_owned());
        }
    }

    /// Whether it exists and is not known to be damaged.
    pub fn is_there(&self) -> bool {
        self.verdict < 3
            && self.message.is_empty()
            && self.removed.is_none()
            && self.damage.is_empty()
    }
}
