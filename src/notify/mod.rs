//! Tells people how a run went, before it ends, and says whether it could; what failed is told while
//! the rest goes on.
//!
//! A listener: it folds its own summary. What could not be told is an Alerta of the run, never an
//! Erro: the backup is what it is.

mod chat;
mod desk;
mod letter;
mod mail;
mod outbox;
mod ping;
mod post;
mod signature;

use crate::job::{NotifyKind, NotifyOn, NotifySpec, Shape};
use crate::notify::desk::Occasion;
use crate::record::{Event, Failure, LogLevel, Stamped, StepEnd, Verb, Verdict};
use crate::report::{StepSummary, Summary};
use crate::run::Listener;

pub use desk::Desk;
pub use outbox::Outbox;

/// Tells people.
pub struct Notifier {
    /// Who is told, of what.
    pub specs: Vec<NotifySpec>,
    /// With what.
    pub desk: Desk,
    /// Code of the verdict of the run before, if it is known.
    pub before: Option<u8>,
    /// The summary so far.
    pub summary: Summary,
    /// What is told while the run goes on.
    pub outbox: Outbox,
    /// Whether a failure was told.
    pub told: bool,
}

impl Listener for Notifier {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        let said = self.summary.hear(event);
        match &event.event {
            Event::RunStarted { .. } => self.tell_of_start(),
            Event::StepFinished {
                end: StepEnd::Failed { verdict: Verdict::Error, .. }, ..
            } => {
                self.tell_of_failure(event.at);
            }
            _ => {}
        }
        said
    }

    fn last_word(&mut self, now: jiff::Timestamp, verdict: Verdict) -> Vec<(LogLevel, String)> {
        self.summary.finished = Some(now);
        self.summary.verdict = Some(verdict);
        let mut complaints = self.outbox.wait();
        for spec in self.specs.iter().filter(|s| s.enabled) {
            let to = self.receivers(spec, verdict);
            if self.is_due(spec.on, verdict) || !to.is_empty() {
                let told = self.desk.tell((spec, &to), &self.summary, Occasion::End);
                complaints.extend(told.err());
            }
        }
        complaints.into_iter().map(|why| (LogLevel::Alert, why)).collect()
    }
}

impl Notifier {
    fn is_due(&self, on: NotifyOn, verdict: Verdict) -> bool {
        match on {
            NotifyOn::Always => true,
            NotifyOn::Alert => verdict >= Verdict::Alert,
            NotifyOn::Error => verdict == Verdict::Error,
            // Where nobody knows how the run before ended, only a good end is no news.
            NotifyOn::Change => match self.before {
                Some(before) => before != verdict.code(),
                None => verdict != Verdict::Success,
            },
            // A run that takes place can't notice that it did not.
            NotifyOn::Late => false,
        }
    }

    /// Who gets a mail: those of every run, where it is their occasion, and those of failed restores
    /// and drills. Nobody of what is no mail.
    fn receivers(&self, spec: &NotifySpec, verdict: Verdict) -> Vec<String> {
        let NotifyKind::Email { to, escalate, .. } = &spec.kind else { return Vec::new() };
        let usual = if self.is_due(spec.on, verdict) { to.as_slice() } else { &[] };
        let more = if self.is_escalated() { escalate.as_slice() } else { &[] };
        let mut all: Vec<String> = usual.to_vec();
        all.extend(more.iter().filter(|one| !usual.contains(one)).cloned());
        all
    }

    /// Whether a restore or a drill failed.
    fn is_escalated(&self) -> bool {
        let failed = |s: &&StepSummary| {
            matches!(s.facts.verb, Verb::Verify | Verb::Restore)
                && matches!(s.end, StepEnd::Failed { verdict: Verdict::Error, .. })
        };
        self.summary.steps.iter().any(|s| failed(&s))
    }

    fn tell_of_start(&mut self) {
        for spec in self.specs.iter().filter(|s| s.enabled) {
            if matches!(spec.kind, NotifyKind::Ping { start: true, .. }) {
                let (desk, spec, summary) = (self.desk.clone(), spec.clone(), self.summary.clone());
                self.outbox.post(move || {
                    desk.tell((&spec, &[]), &summary, Occasion::Start).err().into_iter().collect()
                });
            }
        }
    }

    /// Tells the first failure to people, if the run goes on long enough. Programs are told once a
    /// run, at its end.
    fn tell_of_failure(&mut self, now: jiff::Timestamp) {
        let goes_on = self.summary.steps.len() < self.summary.plan.len();
        if !goes_on || std::mem::replace(&mut self.told, true) {
            return;
        }
        let mut summary = self.summary.clone();
        summary.finished = Some(now);
        summary.verdict = Some(Verdict::Error);
        for spec in self.specs.iter().filter(|s| s.enabled) {
            let to = self.receivers(spec, Verdict::Error);
            let told = match &spec.kind {
                NotifyKind::Email { .. } => !to.is_empty(),
                NotifyKind::Webhook { shape, .. } => {
                    *shape != Shape::Vex && self.is_due(spec.on, Verdict::Error)
                }
                NotifyKind::Ping { .. } => false,
            };
            if told {
                let (desk, spec, summary) = (self.desk.clone(), spec.clone(), summary.clone());
                self.outbox.post_later(move || {
                    let told = desk.tell((&spec, &to), &summary, Occasion::Failure);
                    told.err().into_iter().collect()
                });
            }
        }
    }

    /// Tells that no step runs, and why.
    pub fn refused(
        mut self,
        failure: Failure,
        now: jiff::Timestamp,
        verdict: Verdict,
    ) -> Vec<(LogLevel, String)> {
        self.summary.refused = Some(failure);
        self.last_word(now, verdict)
    }
}
