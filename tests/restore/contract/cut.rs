//! A target that loses its server after so many entries of rows.

use std::sync::atomic::{AtomicUsize, Ordering};

use vex::testing::artifact::{Dialect, Kind, Member, Proof};
use vex::testing::base::Stop;
use vex::testing::source::contract::{
    Error, ErrorKind, Load, Loading, Proven, Refused, Result, Target,
};

/// What is lost, and when.
pub struct Cut<'a> {
    pub target: &'a dyn Target,
    pub left: AtomicUsize,
}

impl Target for Cut<'_> {
    fn existing(&self, loading: &Loading, stop: &Stop) -> Result<Vec<String>> {
        self.target.existing(loading, stop)
    }

    fn prepare(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        self.target.prepare(loading, stop)
    }

    fn load(&self, worker: usize, load: Load<'_>, stop: &Stop) -> Result<()> {
        let rows = load.member.kind == Kind::Rows;
        if rows && self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(Error::new(ErrorKind::Unreachable, "load", "the server is gone"));
        }
        self.target.load(worker, load, stop)
    }

    fn dialect(&self) -> Option<Dialect> {
        self.target.dialect()
    }

    fn takes_all_or_nothing(&self, member: &Member, stop: &Stop) -> Result<bool> {
        self.target.takes_all_or_nothing(member, stop)
    }

    fn settle(&self, stop: &Stop) -> Result<()> {
        self.target.settle(stop)
    }

    fn prove(&self, worker: usize, member: &Member, stop: &Stop) -> Result<Proof> {
        self.target.prove(worker, member, stop)
    }

    fn release(&self, proven: &Proven, stop: &Stop) -> Result<Vec<Refused>> {
        self.target.release(proven, stop)
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        self.target.finish(stop)
    }

    fn missing(&self, members: &[Member], stop: &Stop) -> Result<Vec<Member>> {
        self.target.missing(members, stop)
    }

    fn workers(&self) -> usize {
        1
    }
}
