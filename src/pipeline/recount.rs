//! Rows and digests of what was restored, against the manifest.
//!
//! Knows a target, not which server it is. What is counted is what the target has now; a table
//! counts as restored only if all its parts together are what the manifest says, but for the rows
//! that the target refused and that are named. Tables that may keep each other's rows are compared
//! as one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::artifact::{Damage, Manifest, Proof};
use crate::base::Stop;
use crate::pipeline::refusals::{Known, Refusals, what};
use crate::pipeline::stage::Error;
use crate::source::contract::{Proven, Target, is_refusal};

/// A count of many tables, in parts that workers take.
pub struct Recount<'a> {
    manifest: &'a Manifest,
    target: &'a dyn Target,
    /// The rows of each table, by its member, as the manifest has them.
    tables: Vec<(usize, Proof)>,
    /// Which table, and which part of it.
    work: Vec<(usize, usize)>,
    /// Guards what was found so far, by table; a text is why it can't be counted.
    found: Vec<Mutex<Result<Proof, String>>>,
}

/// What a recount came to.
#[derive(Debug, Default)]
pub struct Compared {
    /// What differs.
    pub damage: Vec<Damage>,
    /// What should be there and what is, of tables that could be counted.
    pairs: Vec<(Proof, Proof)>,
}

impl Compared {
    /// The proof that nothing differs; `whole` says whether nothing was refused.
    pub fn proven(&self, whole: bool) -> Option<Proven> {
        Proven::by(&self.pairs, whole).filter(|_| self.damage.is_empty())
    }
}

impl<'a> Recount<'a> {
    /// Of these tables, by their members, which should have what stands beside them.
    pub fn new(
        manifest: &'a Manifest,
        target: &'a dyn Target,
        tables: Vec<(usize, Proof)>,
        stop: &Stop,
    ) -> Result<Recount<'a>, Error> {
        let (mut work, mut found) = (Vec::new(), Vec::new());
        for (table, (index, _)) in tables.iter().enumerate() {
            let (parts, start) = match target.parts(&manifest.members[*index], stop) {
                Ok(parts) => (parts, Ok(Proof::default())),
                Err(error) if is_refusal(error.kind) => (0, Err(error.found)),
                Err(error) => return Err(error.into()),
            };
            work.extend((0..parts).map(|part| (table, part)));
            found.push(Mutex::new(start));
        }
        Ok(Recount { manifest, target, tables, work, found })
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.work.len()
    }

    /// Counts one part as worker number `worker`.
    pub fn count(&self, worker: usize, part: usize, stop: &Stop) -> Result<(), Error> {
        let (table, part) = self.work[part];
        let member = &self.manifest.members[self.tables[table].0];
        let own = match self.target.prove_part(worker, member, part, stop) {
            Ok(own) => Ok(own),
            Err(error) if is_refusal(error.kind) => Err(error.found),
            Err(error) => return Err(error.into()),
        };
        let mut found = self.found[table].lock().expect("no panic while locked");
        match (&mut *found, own) {
            (Ok(sum), Ok(own)) => *sum += own,
            (Ok(_), Err(why)) => *found = Err(why),
            (Err(_), _) => {}
        }
        Ok(())
    }

    /// What differs, once all parts are counted: the manifest without what was refused, and what is
    /// there.
    pub fn compare(self, refusals: &Refusals<'_>) -> Compared {
        let mut compared = Compared::default();
        // Title, what should be there, and what is.
        let mut pools: BTreeMap<String, (Proof, Proof)> = BTreeMap::new();
        let mut check = |title: String, expected: Proof, found: Proof| {
            compared.pairs.push((expected, found));
            if found != expected {
                let (expected, found) = (show(expected), show(found));
                compared.damage.push(Damage::Rows { title, expected, found });
            }
        };
        let mut uncounted = Vec::new();
        for ((index, expected), found) in self.tables.iter().zip(self.found) {
            let member = &self.manifest.members[*index];
            let found = match found.into_inner().expect("no panic while locked") {
                Ok(found) => found,
                Err(why) => {
                    let why = format!("they can't be recounted: {why}");
                    uncounted.push(Damage::Left { what: what(member), why });
                    continue;
                }
            };
            let expected = match refusals.of(*index) {
                Known::Rows(refused) => *expected - refused,
                Known::Some => {
                    refusals.count(*index, expected.rows.saturating_sub(found.rows));
                    *expected
                }
            };
            match self.target.together(member) {
                Some(pool) => {
                    let pool = pools.entry(pool).or_default();
                    (pool.0, pool.1) = (sum(pool.0, expected), sum(pool.1, found));
                }
                None => check(member.title(), expected, found),
            }
        }
        pools.into_iter().for_each(|(title, (expected, found))| check(title, expected, found));
        compared.damage.extend(uncounted);
        compared
    }
}

fn sum(mut a: Proof, b: Proof) -> Proof {
    a += b;
    a
}

fn show(proof: Proof) -> String {
    format!("{} rows with digest {}", proof.rows, proof.digest)
}
