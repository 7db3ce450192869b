//! What a store keeps of what backups ask of it, and how much it takes: one value for each store.
//!
//! Plain data; does not know drivers. Whoever needs to know asks this value, and never which kind of
//! store it is.
//! Invariant: what is not known is `Ability::Unknown`, never a guess; `vex doctor` tries what can be
//! tried and shows where a store keeps something else.

use crate::base::{Finding, Size};

/// Whether a store keeps something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// It does.
    Kept,
    /// It does not.
    Lacking,
    /// Nobody can tell before it was asked.
    Unknown,
}

impl Ability {
    /// Whether it is kept, as far as that is known.
    pub fn is_kept(self) -> bool {
        self == Ability::Kept
    }

    /// Kept, or not.
    pub fn of(kept: bool) -> Ability {
        if kept { Ability::Kept } else { Ability::Lacking }
    }

    fn word(self) -> &'static str {
        match self {
            Ability::Kept => "yes",
            Ability::Lacking => "no",
            Ability::Unknown => "unknown",
        }
    }
}

/// What a store keeps, and how much it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many parts are best sent at once.
    pub lanes: usize,
    /// Most parts of one upload.
    pub parts: u32,
    /// Least bytes of a part that is not the last.
    pub least: u64,
    /// Most bytes of a part.
    pub most: u64,
    /// Most bytes of an object.
    pub object: u64,
    /// Nobody sees an object before it is whole.
    pub atomic: Ability,
    /// A key is taken in one step: of two who write it, one is refused.
    pub conditional: Ability,
    /// Parts may come in any order.
    pub unordered: Ability,
    /// What was acknowledged outlives a loss of power.
    pub durable: Ability,
    /// An object can be held against its removal until a date.
    pub locks: Ability,
}

impl Limits {
    /// The limits of a store without any of its own: it keeps all but locks.
    pub fn none(lanes: usize) -> Limits {
        let (most, kept) = (i64::MAX as u64, Ability::Kept);
        Limits {
            lanes,
            parts: u32::MAX,
            least: 1,
            most,
            object: most,
            atomic: kept,
            conditional: kept,
            unordered: kept,
            durable: kept,
            locks: Ability::Lacking,
        }
    }

    /// What a person reads of them.
    pub fn shown(&self) -> String {
        let abilities = [
            ("atomic publish", self.atomic),
            ("conditional create", self.conditional),
            ("parts in any order", self.unordered),
            ("durable", self.durable),
            ("locks", self.locks),
        ];
        let each: Vec<_> =
            abilities.iter().map(|(name, ability)| format!("{name} {}", ability.word())).collect();
        let mut text = each.join(", ");
        if self.least > 1 {
            text += &format!(
                "; at most {} parts of {} to {}",
                self.parts,
                Size(self.least),
                Size(self.most)
            );
        }
        if self.object < i64::MAX as u64 {
            text += &format!("; objects of at most {}", Size(self.object));
        }
        text
    }

    /// Whether an object of `bytes` bytes, before compression, is one that the store takes.
    pub fn holds(&self, bytes: Option<u64>) -> Option<Finding> {
        let bytes = bytes.filter(|bytes| *bytes > self.object)?;
        let text = format!(
            "the store takes objects of at most {}; a backup is about {} before compression",
            Size(self.object),
            Size(bytes)
        );
        let advice = "Watch the size of the backups, or send them to another store.";
        Some(Finding::alert("object size", text, advice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Grade;

    #[test]
    fn what_no_object_can_hold_is_told_before_it_is_sent() {
        let fat = Limits { object: (4 << 30) - 1, ..Limits::none(2) };
        let grade = |bytes| fat.holds(bytes).map(|finding| finding.grade);
        assert_eq!(grade(None), None);
        assert_eq!(grade(Some((4 << 30) - 1)), None);
        assert_eq!(grade(Some(4 << 30)), Some(Grade::Alert));
        assert_eq!(grade(Some(44 << 30)), Some(Grade::Alert));
        assert_eq!(Limits::none(2).holds(Some(1 << 60)), None);
    }

    #[test]
    fn limits_are_shown_where_there_are_some() {
        let all = "atomic publish yes, conditional create yes, parts in any order yes, durable yes, locks no";
        assert_eq!(Limits::none(2).shown(), all);
        let some = Limits {
            durable: Ability::Unknown,
            parts: 10_000,
            least: 5 << 20,
            most: 5 << 30,
            object: 5 << 40,
            ..Limits::none(2)
        };
        assert_eq!(
            some.shown(),
            format!(
                "{}; at most 10000 parts of 5 MiB to 5 GiB; objects of at most 5 TiB",
                all.replace("durable yes", "durable unknown")
            )
        );
    }
}
