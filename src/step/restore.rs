//! Brings a backup back, as a step of a run: what was resolved before the run is performed, else it
//! is resolved here.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::Stop;
use crate::plan::RestoreSpec;
use crate::record::{LogLevel, Verdict};
use crate::recover::{Fault, Operator, Work, resolve, restore};
use crate::run::{Done, Say};
use crate::step::perform::Steps;

/// Hears for the run; nobody can be asked.
struct Voice<'a> {
    say: &'a Say,
    warned: AtomicBool,
}

impl Operator for Voice<'_> {
    fn tell(&self, text: &str) {
        self.say.info(text);
    }

    fn warn(&self, text: &str) {
        self.warned.store(true, Ordering::SeqCst);
        self.say.alert(text);
    }
}

impl Steps {
    /// Performs a restore.
    pub(super) fn restore(
        &self,
        spec: &RestoreSpec,
        say: &Say,
        stop: &Stop,
    ) -> Result<Done, Fault> {
        let voice = Voice { say, warned: AtomicBool::new(false) };
        let work = Work { world: &self.world, operator: &voice, say: Some(say), stop };
        let prepared = self.prepared.lock().expect("no panic while locked").take();
        let resolved = match prepared {
            Some(prepared) => {
                for (level, text) in &prepared.said {
                    if *level > LogLevel::Info { voice.warn(text) } else { voice.tell(text) }
                }
                prepared.resolved
            }
            None => resolve(spec, work)?,
        };
        let ended = restore(spec, resolved, work)?;
        let alert = ended.older || voice.warned.load(Ordering::SeqCst);
        let verdict = if alert { Verdict::Alert } else { Verdict::Success };
        Ok(Done { verdict, ..Done::well() })
    }
}
