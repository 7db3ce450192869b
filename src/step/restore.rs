//! Brings a backup back, as a step of a run: what was resolved before the run is performed, else it
//! is resolved here.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::artifact::Level;
use crate::base::Stop;
use crate::plan::{BackupWish, RestoreSpec};
use crate::record::{LogLevel, Verdict};
use crate::recover::{Fault, Operator, ReadBack, Work, read_back, resolve, restore};
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

impl Voice<'_> {
    /// All well, unless somebody must look.
    fn done(&self, alert: bool) -> Done {
        let alert = alert || self.warned.load(Ordering::SeqCst);
        let verdict = if alert { Verdict::Alert } else { Verdict::Success };
        Done { verdict, ..Done::well() }
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
        Ok(voice.done(ended.older))
    }

    /// Reads a backup back.
    pub(super) fn read_back(
        &self,
        which: &BackupWish,
        say: &Say,
        stop: &Stop,
    ) -> Result<Done, Fault> {
        let voice = Voice { say, warned: AtomicBool::new(false) };
        let work = Work { world: &self.world, operator: &voice, say: Some(say), stop };
        let read = read_back(which, work)?;
        let ReadBack { head, proof, rows } = &read;
        let key = head.key.clone();
        if proof.good && proof.level == Level::Hashed && !head.is_pieces() {
            voice.tell(&format!(
                "{key}: its bytes are those of its head; nobody read its rows, for it is sealed for recipients of age"
            ));
        } else if proof.good {
            let entries = head.totals.entries;
            voice.tell(&match head.is_pieces() {
                true => {
                    format!("{key}: proven, the hashes of {entries} pieces are as the head says")
                }
                false => {
                    format!("{key}: proven, {entries} entries and {rows} rows as the manifest says")
                }
            });
        }
        let (good, places) = (proof.good, proof.damage.len());
        proof.damage.iter().for_each(|line| voice.tell(line));
        *self.read.lock().expect("no panic while locked") = Some(read);
        if good {
            return Ok(voice.done(false));
        }
        Err(Fault::Damaged { title: key, places })
    }
}
