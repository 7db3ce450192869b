//! Definitions that wait for the rows: keys and indexes, many at once; what ties them together; foreign keys, many at
//! once; then all the rest in its order.
//!
//! Pure but for the lock around the list. Two foreign keys may wait for each other's tables; the server ends one of
//! them, and it is tried again.

use std::sync::Mutex;

use crate::artifact::{Kind, Member};

/// A definition that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// What it is.
    pub member: Member,
    /// Its script.
    pub text: String,
}

/// All definitions that wait.
#[derive(Debug, Default)]
pub struct Later {
    /// Guards those that came, in their order.
    came: Mutex<Vec<Waiting>>,
    /// Guards the rounds they were put into.
    rounds: Mutex<Vec<Vec<Vec<Waiting>>>>,
}

/// Which round a definition belongs to: its work is of its own, or of the round.
fn round(member: &Member) -> (usize, bool) {
    match member.kind {
        Kind::Index => (0, true),
        Kind::Object if member.name.starts_with("constraint ") => (0, true),
        Kind::Object if member.name.starts_with("index attach ") => (1, false),
        Kind::Object if member.name.starts_with("fk constraint ") => (2, true),
        _ => (3, false),
    }
}

impl Later {
    /// Remembers a definition.
    pub fn put(&self, member: &Member, text: String) {
        self.came.lock().expect("no panic while locked").push(Waiting { member: member.clone(), text });
    }

    /// Puts what came into rounds; returns the pieces of work of each.
    pub fn rounds(&self) -> Vec<usize> {
        let came = std::mem::take(&mut *self.came.lock().expect("no panic while locked"));
        let mut rounds: Vec<Vec<Vec<Waiting>>> = vec![Vec::new(); 4];
        // A key takes its table for itself, an index shares it: keys come first, so that no worker waits behind one.
        let (keys, others): (Vec<_>, Vec<_>) = came.into_iter().partition(|w| w.member.kind != Kind::Index);
        for waiting in keys.into_iter().chain(others) {
            let (number, alone) = round(&waiting.member);
            match rounds[number].last_mut().filter(|_| !alone) {
                Some(work) => work.push(waiting),
                None => rounds[number].push(vec![waiting]),
            }
        }
        let counts = rounds.iter().map(Vec::len).collect();
        *self.rounds.lock().expect("no panic while locked") = rounds;
        counts
    }

    /// How many pieces of a round come after this one.
    pub fn left(&self, round: usize, number: usize) -> usize {
        self.rounds.lock().expect("no panic while locked")[round].len() - number - 1
    }

    /// Takes a piece of work.
    pub fn take(&self, round: usize, number: usize) -> Vec<Waiting> {
        std::mem::take(&mut self.rounds.lock().expect("no panic while locked")[round][number])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Phase;

    #[test]
    fn indexes_are_apart_and_the_rest_keeps_its_order() {
        let later = Later::default();
        for (kind, name) in [
            (Kind::Index, "i1"),
            (Kind::Object, "constraint pk"),
            (Kind::Object, "index attach x"),
            (Kind::Object, "fk constraint a"),
            (Kind::Trigger, "t"),
            (Kind::Object, "fk constraint b"),
            (Kind::Object, "acl TABLE a"),
        ] {
            later.put(&Member::new("d", name, kind, Phase::After), String::new());
        }
        assert_eq!(later.rounds(), [2, 1, 2, 1]);
        let names = |work: Vec<Waiting>| work.into_iter().map(|w| w.member.name).collect::<Vec<_>>();
        assert_eq!(names(later.take(0, 0)), ["constraint pk"]);
        assert_eq!(names(later.take(3, 0)), ["t", "acl TABLE a"]);
        assert_eq!(later.rounds(), [0, 0, 0, 0]);
    }
}
