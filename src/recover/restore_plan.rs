//! What a restore into a server or a file would do: made before anything is written, shown, and
//! performed.
//!
//! Holds what was found; decides nothing but whether it may begin.

use std::collections::BTreeSet;

use crate::artifact::{Head, Kind, Member};
use crate::base::{Finding, Grade, Size};
use crate::plan::RestoreSpec;
use crate::recover::binlog::LogRecovery;
use crate::recover::choice::Choice;
use crate::recover::fault::Fault;
use crate::recover::target::may_write;
use crate::source::contract::{Objection, Source};

/// So many tables are named where it is said how many come back.
const NAMED: usize = 3;

/// A restore into a server or a file.
pub struct RestorePlan {
    /// The backup.
    pub head: Head,
    /// The store that holds it, as messages call it.
    pub place: String,
    /// Bytes that are read, as they are stored and unpacked.
    pub bytes: (u64, u64),
    /// Rows that come back.
    pub rows: u64,
    /// Databases that come back under another name: the name and the new one.
    pub renamed: Option<(String, String)>,
    /// The target.
    pub target: Box<dyn Source>,
    /// What of the backup, and how.
    pub choice: Choice,
    /// Accounts that the backup holds.
    pub accounts: usize,
    /// What exists in the target and is in the backup.
    pub existing: Vec<String>,
    /// What would not fit.
    pub objections: Vec<Objection>,
    /// Rights that the restore needs and the account lacks.
    pub rights: Vec<Finding>,
    /// The replay of a log that follows, if one is asked for.
    pub recovery: Option<LogRecovery>,
    /// How long it takes by what earlier restores took, in seconds.
    pub seconds: Option<u64>,
}

/// What is said of a backup before it is restored.
pub fn about(head: &Head) -> String {
    format!(
        "backup {} of {} ({}), taken {} on {}",
        head.id, head.source, head.server, head.finished, head.host
    )
}

impl RestorePlan {
    /// The plan as a person reads it.
    pub fn lines(&self, spec: &RestoreSpec) -> Vec<String> {
        let (head, target) = (&self.head, self.target.place());
        let (stored, raw) = self.bytes;
        let mut lines = vec![
            about(head),
            format!(
                "reads {} ({} unpacked) of {} in {}",
                Size(stored),
                Size(raw),
                head.key,
                self.place
            ),
        ];
        if !head.inconsistent.is_empty() {
            lines.push(format!("! not one point in time: {}", head.inconsistent.join("; ")));
        }
        lines.extend(head.not_included.iter().map(|missing| format!("! not included: {missing}")));
        lines.push(format!("writes into {target}: {}", self.counted()));
        lines.extend(self.renamed.iter().map(|(from, to)| format!("{from} comes back as {to}")));
        lines.extend(self.about_accounts(spec));
        lines.extend(self.about_terms(spec));
        lines.extend(self.about_existing(spec));
        for right in &self.rights {
            let advice = right.advice.as_deref().unwrap_or_default();
            lines.push(format!("! {}. {advice}", right.found));
        }
        for objection in &self.objections {
            let hint = objection.hint.as_ref().map_or(String::new(), |hint| format!(". {hint}"));
            lines.push(format!("! will not fit: {}: {}{hint}", objection.what, objection.why));
        }
        lines.extend(self.recovery.iter().flat_map(LogRecovery::lines));
        if let Some(seconds) = self.seconds {
            lines.push(format!("takes about {seconds} s, as earlier restores did"));
        }
        lines
    }

    /// What comes back, few tables by their names.
    fn counted(&self) -> String {
        let many = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let own = self.choice.loading.members.iter().filter(|m| m.kind == Kind::Table);
        let names: Vec<String> = own.map(Member::title).collect();
        let named = match names.len() {
            1..=NAMED => format!(" ({})", names.join(", ")),
            _ => String::new(),
        };
        let views = self.choice.titles(Kind::View) as u64;
        format!(
            "{}{named}, {}, {}",
            many(names.len() as u64, "table"),
            many(views, "view"),
            many(self.rows, "row")
        )
    }

    fn about_accounts(&self, spec: &RestoreSpec) -> Option<String> {
        let made = self.choice.count(Kind::Account);
        Some(match (self.accounts, made) {
            (0, _) => return None,
            (held, 0) => format!("! leaves out {held} accounts; --accounts restores them"),
            (held, _) if spec.overwrite => {
                format!("replaces {held} accounts, but never the one that restores")
            }
            (held, _) => format!("makes {held} accounts; those that exist are kept as they are"),
        })
    }

    /// What is done beyond loading.
    fn about_terms(&self, spec: &RestoreSpec) -> Vec<String> {
        let mut lines = Vec::new();
        if spec.current_definer {
            lines.push(
                "makes the account that restores the definer of views, routines, triggers and events"
                    .to_owned(),
            );
        }
        if spec.skip_binlog {
            lines.push(
                "writes nothing into the target's binary log: its replicas will not have it".into(),
            );
        }
        if let Some(position) = self.choice.loading.position.as_ref().filter(|_| spec.gtid) {
            lines.push(format!(
                "takes over the GTID state {} at the end, if nothing differs",
                position.gtid()
            ));
            if !spec.only.is_empty() || !spec.except.is_empty() {
                lines.push(
                    "! that state is of the whole server: a replica would never get what is left out"
                        .into(),
                );
            }
        }
        lines
    }

    fn about_existing(&self, spec: &RestoreSpec) -> Vec<String> {
        if spec.resume {
            let count = self.existing.len();
            return vec![format!(
                "goes on: {count} objects are there, and tables that are proven stay"
            )];
        }
        let word = if spec.overwrite { "replaces" } else { "! exists:" };
        self.existing.iter().map(|object| format!("{word} {object}")).collect()
    }

    /// Whether all that the backup holds is read before anything is written.
    pub fn reads_first(&self, spec: &RestoreSpec) -> bool {
        spec.fallback || (spec.overwrite && spec.read_first && !self.existing.is_empty())
    }

    /// What would not come back although all the rest does: the restore ends so, and its dry run.
    pub fn foreseen(&self) -> Result<(), Fault> {
        let refused: BTreeSet<&str> =
            self.objections.iter().filter(|o| o.refused).map(|o| o.what.as_str()).collect();
        let Some(first) = refused.first() else { return Ok(()) };
        let found = match refused.len() {
            1 => format!("{first} would not be restored"),
            more => format!("{first} and {} others would not be restored", more - 1),
        };
        let hint = self.objections.iter().filter(|o| o.refused).find_map(|o| o.hint.clone());
        Err(Fault::Differs { found, hint })
    }

    /// Why it may not begin.
    pub fn refusal(&self) -> Result<(), Fault> {
        let place = self.target.place();
        let doing = || format!("restore into {place}");
        if let Some(right) = self.rights.iter().find(|right| right.grade == Grade::Error) {
            return Err(Fault::Nothing {
                doing: doing(),
                found: format!("{}; nothing was written", right.found),
                hint: right.advice.clone(),
            });
        }
        let blocked: Vec<&Objection> = self.objections.iter().filter(|o| o.blocks).collect();
        let mut titles: Vec<&str> = blocked.iter().map(|o| o.what.as_str()).collect();
        titles.sort_unstable();
        titles.dedup();
        // Where some of it fits, that comes back, and the rest is listed.
        if let Some(first) = blocked.first()
            && titles.len() >= self.choice.titles(Kind::Table)
        {
            let hint = first.hint.clone();
            return Err(Fault::Nothing {
                doing: doing(),
                found: format!(
                    "{} and {} others would not fit; nothing was written",
                    first.what,
                    titles.len() - 1
                ),
                hint: hint.or(Some("Take a server that has what is missing.".into())),
            });
        }
        may_write(&self.existing, &self.choice, place)
    }
}
