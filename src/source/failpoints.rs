//! Any target, with a failpoint before and after every call that changes it or recounts it.
//!
//! Adds nothing else; see `world/failpoint.rs`. What one call does in several acts has points of
//! its own, where it is done.

use crate::artifact::{Dialect, Member, Proof};
use crate::base::Stop;
use crate::source::contract::{Change, Load, Loading, Objection, Proven, Refused, Result, Target};
use crate::world::around;

/// A target with points; in a release build the target itself.
pub fn with_failpoints(target: Box<dyn Target>) -> Box<dyn Target> {
    if cfg!(debug_assertions) { Box::new(WithFailpoints(target)) } else { target }
}

struct WithFailpoints(Box<dyn Target>);

fn title(what: &str, member: &Member) -> String {
    format!("{what} {} {}", member.kind.word(), member.title())
}

impl Target for WithFailpoints {
    fn agree(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        self.0.agree(loading, stop)
    }

    fn existing(&self, loading: &Loading, stop: &Stop) -> Result<Vec<String>> {
        self.0.existing(loading, stop)
    }

    fn objections(&self, loading: &Loading, load: Load<'_>, stop: &Stop) -> Result<Vec<Objection>> {
        self.0.objections(loading, load, stop)
    }

    fn objects(&self) -> bool {
        self.0.objects()
    }

    fn keeps(&self, worker: usize, load: Load<'_>, expected: Proof, stop: &Stop) -> Result<bool> {
        around(&title("keep", load.member), || self.0.keeps(worker, load, expected, stop))
    }

    fn has_finished(&self, loading: &Loading, stop: &Stop) -> Result<bool> {
        self.0.has_finished(loading, stop)
    }

    fn prepare(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        around("prepare", || self.0.prepare(loading, stop))
    }

    fn load(&self, worker: usize, load: Load<'_>, stop: &Stop) -> Result<()> {
        around(&title("load", load.member), || self.0.load(worker, load, stop))
    }

    fn dialect(&self) -> Option<Dialect> {
        self.0.dialect()
    }

    fn takes_all_or_nothing(&self, member: &Member, stop: &Stop) -> Result<bool> {
        self.0.takes_all_or_nothing(member, stop)
    }

    fn by_hand(&self, member: &Member, entry: &[u8]) -> Vec<u8> {
        self.0.by_hand(member, entry)
    }

    fn enter(&self, unit: &str) -> Vec<u8> {
        self.0.enter(unit)
    }

    fn unit(&self, name: &str) -> String {
        self.0.unit(name)
    }

    fn later(&self) -> Vec<usize> {
        self.0.later()
    }

    fn make(
        &self,
        worker: usize,
        round: usize,
        number: usize,
        stop: &Stop,
    ) -> Result<Vec<Refused>> {
        around(&format!("make {round}.{number}"), || self.0.make(worker, round, number, stop))
    }

    fn settle(&self, stop: &Stop) -> Result<()> {
        around("settle", || self.0.settle(stop))
    }

    fn prove(&self, worker: usize, member: &Member, stop: &Stop) -> Result<Proof> {
        around(&title("recount", member), || self.0.prove(worker, member, stop))
    }

    fn counts_early(&self) -> bool {
        self.0.counts_early()
    }

    fn parts(&self, member: &Member, stop: &Stop) -> Result<usize> {
        self.0.parts(member, stop)
    }

    fn prove_part(
        &self,
        worker: usize,
        member: &Member,
        part: usize,
        stop: &Stop,
    ) -> Result<Proof> {
        around(&title("recount", member), || self.0.prove_part(worker, member, part, stop))
    }

    fn together(&self, member: &Member) -> Option<String> {
        self.0.together(member)
    }

    fn release(&self, proven: &Proven, stop: &Stop) -> Result<Vec<Refused>> {
        around("release", || self.0.release(proven, stop))
    }

    fn withhold(&self) -> Vec<Refused> {
        self.0.withhold()
    }

    fn refused(&self) -> Vec<Refused> {
        self.0.refused()
    }

    fn adopt(&self, loading: &Loading, proven: &Proven, stop: &Stop) -> Result<()> {
        around("adopt", || self.0.adopt(loading, proven, stop))
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        around("finish", || self.0.finish(stop))
    }

    fn definitions(&self, members: &[Member], stop: &Stop) -> Result<Vec<(Member, Vec<u8>)>> {
        self.0.definitions(members, stop)
    }

    fn changes(&self, load: Load<'_>, now: &[u8]) -> Vec<Change> {
        self.0.changes(load, now)
    }

    fn missing(&self, members: &[Member], stop: &Stop) -> Result<Vec<Member>> {
        self.0.missing(members, stop)
    }

    fn remarks(&self) -> Vec<String> {
        self.0.remarks()
    }

    fn workers(&self) -> usize {
        self.0.workers()
    }
}
