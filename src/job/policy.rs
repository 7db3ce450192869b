//! Policies as declared: how an archive is made, what is kept, who is told.

use std::time::Duration;

use crate::base::{SecretRef, Span};

/// How an archive is made. `None` is "as the defaults above say".
#[derive(Debug, Clone, Default)]
pub struct ArchiveSpec {
    /// Method of every entry.
    pub compression: Option<Compression>,
    /// Level of the method.
    pub level: Option<i32>,
    /// Where the password is found.
    pub password: Option<SecretRef>,
    /// Where passwords are found that older archives were sealed with.
    pub previous: Vec<SecretRef>,
    /// The recipients of age that may open it, those of recovery among them.
    pub recipients: Vec<String>,
}

/// Where what opens an archive is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRefs {
    /// A password.
    pub password: Option<SecretRef>,
    /// Passwords of older archives: the head of each tells its own.
    pub previous: Vec<SecretRef>,
    /// An identity file of age.
    pub identity: Option<SecretRef>,
}

impl ArchiveSpec {
    /// What this says, and `defaults` where it says nothing.
    pub fn or(&self, defaults: &ArchiveSpec) -> ArchiveSpec {
        // One seal takes the place of another.
        let sealed = self.is_sealed();
        ArchiveSpec {
            compression: self.compression.or(defaults.compression),
            level: self.level.or(defaults.level.filter(|_| self.compression.is_none())),
            password: self.password.clone().or(defaults.password.clone().filter(|_| !sealed)),
            previous: self.previous.iter().chain(&defaults.previous).cloned().collect(),
            recipients: match sealed {
                true => self.recipients.clone(),
                false => defaults.recipients.clone(),
            },
        }
    }

    /// Whether anything seals it.
    pub fn is_sealed(&self) -> bool {
        self.password.is_some() || !self.recipients.is_empty()
    }
}

/// Methods of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard (zip method 93).
    Zstd,
    /// Deflate (zip method 8), which every unzip reads.
    Deflate,
    /// None.
    Store,
}

/// What retention keeps: the union of the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeepSpec {
    /// The newest so many.
    pub last: Option<u32>,
    /// All younger than this.
    pub within: Option<Duration>,
    /// The newest of so many hours.
    pub hourly: Option<u32>,
    /// The newest of so many days.
    pub daily: Option<u32>,
    /// The newest of so many ISO weeks.
    pub weekly: Option<u32>,
    /// The newest of so many months.
    pub monthly: Option<u32>,
    /// The newest of so many years.
    pub yearly: Option<u32>,
    /// What all of them may take together, in bytes; the last proven one stays whatever it takes.
    pub max_size: Option<u64>,
}

/// Who is told, of what.
#[derive(Debug, Clone)]
pub struct NotifySpec {
    /// By which way.
    pub kind: NotifyKind,
    /// When.
    pub on: NotifyOn,
    /// Whether it takes part.
    pub enabled: bool,
    /// The whole node.
    pub span: Span,
}

/// A way to tell somebody.
#[derive(Debug, Clone)]
pub enum NotifyKind {
    /// A mail.
    Email {
        /// Receivers.
        to: Vec<String>,
        /// Those who are told besides when a restore or a drill failed.
        escalate: Vec<String>,
        /// Subject instead of the usual one.
        subject: Option<String>,
        /// `pt-BR` or `en`.
        lang: Option<String>,
    },
    /// A POST with a JSON body.
    Webhook {
        /// Where to; the address may be a secret.
        url: SecretRef,
        /// Who reads it.
        shape: Shape,
        /// The key of its signature.
        secret: Option<SecretRef>,
        /// `pt-BR` or `en`, where people read it.
        lang: Option<String>,
    },
    /// A call for a dead man's switch.
    Ping {
        /// Where to; the address may be a secret.
        url: SecretRef,
        /// Whether a run that begins is told too.
        start: bool,
        /// So many bytes of the end of the log go with it.
        log: Option<u64>,
    },
}

/// The form of what a webhook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The summary of the run, for programs.
    Vex,
    /// A message of ntfy.
    Ntfy,
    /// An incoming webhook of Slack, and of what takes its form.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A workflow of Microsoft Teams.
    Teams,
    /// `sendMessage` of a bot of Telegram.
    Telegram,
    /// A message of Gotify.
    Gotify,
}

/// When somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyOn {
    /// After every run.
    Always,
    /// After Alerta or Erro.
    Alert,
    /// After Erro.
    Error,
    /// When the verdict differs from the last run's.
    Change,
    /// When a scheduled run is late.
    Late,
}
