//! Who watches a restore and answers its questions: a terminal, a step of a run, or nobody.

use std::fmt::Display;

use crate::base::Stop;
use crate::pipeline::{self, Meter};
use crate::recover::fault::Fault;
use crate::recover::watched::watched;
use crate::run::Say;
use crate::world::World;

/// Hears what is found and done, and answers.
pub trait Operator: Sync {
    /// Hears what is planned and done.
    fn tell(&self, text: &str);

    /// Hears what somebody must look at.
    fn warn(&self, text: &str);

    /// Hears what differs from the backup, one by one.
    fn differs(&self, text: &str) {
        self.tell(text);
    }

    /// Says which of several is meant, by its index; `None` where nobody can be asked.
    fn choose(&self, _what: &str, _lines: &[String]) -> Option<usize> {
        None
    }

    /// Bytes a second that earlier restores brought back, unpacked; `None` where nobody knows.
    fn pace(&self) -> Option<u64> {
        None
    }

    /// Whether what `lines` name may be replaced. Where nobody can be asked, the wish says so
    /// already.
    fn agrees(&self, _lines: &[String]) -> bool {
        true
    }
}

/// What a restore works with.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Time, the host, the state folder.
    pub world: &'a World,
    /// Who watches.
    pub operator: &'a dyn Operator,
    /// The voice of the step, in a run.
    pub say: Option<&'a Say>,
    /// When to stop.
    pub stop: &'a Stop,
}

impl Work<'_> {
    pub(super) fn tell(&self, text: impl Display) {
        self.operator.tell(&text.to_string());
    }

    pub(super) fn warn(&self, text: impl Display) {
        self.operator.warn(&text.to_string());
    }

    pub(super) fn differs(&self, text: impl Display) {
        self.operator.differs(&text.to_string());
    }

    /// Does work whose counters are shown; in a run it is stopped when they stand still.
    pub(super) fn watched<T>(
        &self,
        meter: &Meter,
        work: impl FnOnce(&Stop) -> Result<T, pipeline::Error>,
    ) -> Result<T, Fault> {
        match self.say {
            Some(say) => watched(meter, say, self.stop, &|| {}, work),
            None => Ok(work(self.stop)?),
        }
    }
}
