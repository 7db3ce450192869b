//! Definitions that wait for the rows: keys and indexes, many at once; what ties them together;
//! foreign keys, many at once; then all the rest in its order.
//!
//! Pure but for the lock around the list. Two foreign keys may wait for each other's tables; the
//! server ends one of them, and it is tried again.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

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
pub struct Deferred {
    /// Guards those that came, in their order.
    came: Mutex<Vec<Waiting>>,
    /// Guards the rounds they were put into.
    rounds: Mutex<Vec<Vec<Vec<Waiting>>>>,
    /// Guards the partitions, by schema and name, whose table is not restored with them.
    lone: Mutex<HashSet<(Option<String>, String)>>,
    /// Whether the rows are in: the definitions after them have come when it is asked again.
    filled: AtomicBool,
}

/// Which round a definition belongs to: its work is of its own, or of the round.
fn round(member: &Member) -> (usize, bool) {
    match member.kind {
        Kind::Index => (0, true),
        Kind::Object => match member.class.as_deref() {
            Some("constraint") => (0, true),
            Some("index attach") => (1, false),
            Some("fk constraint") => (2, true),
            Some(_) | None => (3, false),
        },
        _ => (3, false),
    }
}

impl Deferred {
    /// Hears what is restored. A partition that comes back alone is attached after its own keys:
    /// the table that is there would make them a second time.
    pub fn expect(&self, members: &[Member]) {
        let tables: HashSet<String> =
            members.iter().filter(|m| m.kind == Kind::Table).map(Member::title).collect();
        let lone = |m: &&Member| {
            let parents = m.parents();
            !parents.is_empty() && !parents.iter().any(|parent| tables.contains(parent))
        };
        let own = members.iter().filter(lone).map(|m| (m.schema.clone(), m.name.clone())).collect();
        *self.lone.lock().expect("no panic while locked") = own;
    }

    /// Whether a definition ties a partition that comes back alone to its table.
    pub fn is_lone(&self, member: &Member, what: &str) -> bool {
        let lone = self.lone.lock().expect("no panic while locked");
        let own = || member.table.clone().map(|table| (member.schema.clone(), table));
        member.class.as_deref() == Some(what) && own().is_some_and(|own| lone.contains(&own))
    }

    /// Remembers a definition.
    pub fn put(&self, member: &Member, text: String) {
        // The server attaches the indexes with the table.
        if self.is_lone(member, "index attach") {
            return;
        }
        self.came
            .lock()
            .expect("no panic while locked")
            .push(Waiting { member: member.clone(), text });
    }

    /// Says that the rows are in, or that all definitions have come after them; returns whether it
    /// is the former.
    pub fn go_on(&self) -> bool {
        !self.filled.swap(true, Ordering::SeqCst)
    }

    /// Puts what came into rounds; returns the pieces of work of each. A partition that comes back
    /// alone is attached with the last ones only.
    pub fn rounds(&self, is_last: bool) -> Vec<usize> {
        let mut waiting = self.came.lock().expect("no panic while locked");
        let all = std::mem::take(&mut *waiting);
        let (stay, came): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|w| !is_last && w.member.class.as_deref() == Some("table attach"));
        *waiting = stay;
        let mut rounds: Vec<Vec<Vec<Waiting>>> = vec![Vec::new(); 4];
        // A key takes its table for itself, an index shares it: keys come first, so that no worker
        // waits behind one.
        let (keys, others): (Vec<_>, Vec<_>) =
            came.into_iter().partition(|w| w.member.kind != Kind::Index);
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
        let deferred = Deferred::default();
        for (kind, name) in [
            (Kind::Index, "i1"),
            (Kind::Object, "constraint pk"),
            (Kind::Object, "index attach x"),
            (Kind::Object, "fk constraint a"),
            (Kind::Trigger, "t"),
            (Kind::Object, "fk constraint b"),
            (Kind::Object, "acl TABLE a"),
        ] {
            let mut member = Member::new("d", name, kind, Phase::After);
            member.name_class();
            deferred.put(&member, String::new());
        }
        assert_eq!(deferred.rounds(true), [2, 1, 2, 1]);
        let names =
            |work: Vec<Waiting>| work.into_iter().map(|w| w.member.name).collect::<Vec<_>>();
        assert_eq!(names(deferred.take(0, 0)), ["constraint pk"]);
        assert_eq!(names(deferred.take(3, 0)), ["t", "acl TABLE a"]);
        assert_eq!(deferred.rounds(true), [0, 0, 0, 0]);
    }
}
