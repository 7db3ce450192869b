//! Tells people how a run went, before it ends, and says whether it could.
//!
//! A listener: it folds its own summary. What could not be told is an Alerta of the run, never an
//! Erro: the backup is what it is.

mod letter;
mod mail;
mod ping;
mod post;

use std::path::PathBuf;

use crate::base::Stop;
use crate::job::{MailSpec, NotifyKind, NotifyOn, NotifySpec};
use crate::lang::Lang;
use crate::record::{LogLevel, Stamped, Verdict};
use crate::report::Summary;
use crate::run::Listener;

pub use letter::Letter;

/// Tells people.
pub struct Notifier {
    /// Who is told, of what.
    pub specs: Vec<NotifySpec>,
    /// The mail server.
    pub mail: Option<MailSpec>,
    /// Language where a receiver names none.
    pub language: Option<String>,
    /// Zone of moments in letters.
    pub zone: jiff::tz::TimeZone,
    /// The log of the run, to be attached.
    pub log: Option<PathBuf>,
    /// Code of the verdict of the run before, if it is known.
    pub before: Option<u8>,
    /// The summary so far.
    pub summary: Summary,
    /// Ends waits.
    pub stop: Stop,
}

impl Listener for Notifier {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        self.summary.hear(event)
    }

    fn last_word(&mut self, now: jiff::Timestamp, verdict: Verdict) -> Vec<(LogLevel, String)> {
        self.summary.finished = Some(now);
        self.summary.verdict = Some(verdict);
        let due: Vec<&NotifySpec> =
            self.specs.iter().filter(|s| s.enabled && self.is_due(s.on, verdict)).collect();
        let told = due.into_iter().map(|spec| self.tell(spec, verdict));
        told.filter_map(|result| result.err().map(|why| (LogLevel::Alert, why))).collect()
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

    fn tell(&self, spec: &NotifySpec, verdict: Verdict) -> Result<(), String> {
        match &spec.kind {
            NotifyKind::Email { to, subject, lang } => {
                let mail =
                    self.mail.as_ref().ok_or("unable to send mail: no mail server is named")?;
                let lang = Lang::named(lang.as_deref().or(self.language.as_deref()));
                let letter = Letter::write(&self.summary, subject.as_deref(), lang, &self.zone);
                let log = self.log.as_ref().and_then(|path| std::fs::read(path).ok());
                mail::send(mail, to, &letter, log, &self.stop)
            }
            NotifyKind::Webhook { url } => post::webhook(url, &self.summary, &self.stop),
            NotifyKind::Ping { url } => post::ping(url, verdict, &self.stop),
        }
    }
}
