//! How people are told: one receiver, one occasion, one summary.
//!
//! Does not decide who is told when.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::Stop;
use crate::job::{MailSpec, NotifyKind, NotifySpec, Shape};
use crate::lang::Lang;
use crate::notify::letter::{Letter, Told};
use crate::notify::mail::{self, Parcel, tail};
use crate::notify::ping::Sign;
use crate::notify::post::{self, Hook};
use crate::record::Verdict;
use crate::report::{Summary, engine_log};

/// When people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The run begins.
    Start,
    /// Something failed, and the run goes on.
    Failure,
    /// The run is over, or never began.
    End,
}

/// With what people are told.
#[derive(Clone)]
pub struct Desk {
    /// The mail server.
    pub mail: Option<MailSpec>,
    /// Language where a receiver names none.
    pub language: Option<String>,
    /// Zone of moments in letters.
    pub zone: TimeZone,
    /// The log of the run, to be attached.
    pub log: Option<PathBuf>,
    /// When each chain had its last good backup before this run.
    pub last: BTreeMap<String, Timestamp>,
    /// Ends waits.
    pub stop: Stop,
}

impl Desk {
    /// Tells a receiver; a mail goes to `to`.
    pub fn tell(
        &self,
        (spec, to): (&NotifySpec, &[String]),
        summary: &Summary,
        occasion: Occasion,
    ) -> Result<(), String> {
        let early = occasion == Occasion::Failure;
        let told = Told { summary, log: self.log.as_deref(), last: &self.last, early };
        match &spec.kind {
            NotifyKind::Email { subject, lang, .. } => {
                let mail =
                    self.mail.as_ref().ok_or("unable to send mail: no mail server is named")?;
                let lang = self.lang(lang.as_deref());
                let letter = Letter::write(told, subject.as_deref(), lang, &self.zone);
                let part = if early { "failure" } else { "end" };
                let parcel = Parcel {
                    letter,
                    id: format!("{}.{part}", name_of(summary)),
                    host: summary.host.clone(),
                    files: self.files(lang),
                };
                mail::send(mail, to, &parcel, &self.stop)
            }
            NotifyKind::Webhook { url, shape, secret, lang } => {
                let hook = Hook { url, shape: *shape, secret: secret.as_ref() };
                let chat = (*shape != Shape::Vex).then(|| {
                    let lang = self.lang(lang.as_deref());
                    Letter::write(told, None, lang, &self.zone)
                });
                post::webhook(&hook, summary, chat.as_ref(), &self.stop)
            }
            NotifyKind::Ping { url, log, .. } => {
                let sign = match (occasion, summary.verdict) {
                    (Occasion::Start, _) => Sign::Start,
                    (_, Some(Verdict::Error)) => Sign::Failure,
                    (_, Some(_) | None) => Sign::Success,
                };
                let most = log.and_then(|most| usize::try_from(most).ok());
                let log = self.log.as_deref().filter(|_| most.is_some());
                let text = log.and_then(|path| tail(path, most)).filter(|_| sign != Sign::Start);
                post::ping(url, sign, text.as_deref(), &self.stop)
            }
        }
    }

    fn lang(&self, own: Option<&str>) -> Lang {
        Lang::named(own.or(self.language.as_deref()))
    }

    /// Both logs, under the names people know. What reads sources says nothing where no source was
    /// read.
    fn files(&self, lang: Lang) -> Vec<(&'static str, Vec<u8>)> {
        let none = || format!("{}\n", lang.say("letter-no-log", &[])).into_bytes();
        let own = self.log.as_deref().and_then(|path| tail(path, None)).unwrap_or_else(none);
        let engine = self.log.as_deref().and_then(|path| tail(&engine_log(path), None));
        vec![("backup_script.log", own), ("mydumper_log.log", engine.unwrap_or_else(none))]
    }
}

/// The run, or what did not become one.
fn name_of(summary: &Summary) -> String {
    match (summary.id.as_str(), summary.finished) {
        ("", Some(at)) => format!("none-{}", at.as_microsecond()),
        (id, _) => id.to_owned(),
    }
}
