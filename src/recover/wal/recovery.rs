//! What tells a PostgreSQL server to recover from the log: settings in `postgresql.auto.conf`, and
//! `recovery.signal`.
//!
//! Written into a data directory of ours before it is started, never into one of others. Settings
//! of an earlier recovery that came along in the backup are taken out: two targets at once keep a
//! server from starting.

use std::path::Path;

use jiff::tz::TimeZone;

use crate::plan::{RecoveryPoint, RecoveryWish};
use crate::recover::fault::Fault;
use crate::recover::wal::way::{Way, called};
use crate::source::Owner;
use crate::source::wal::Lsn;

/// The file that settings are written into, which wins over all others.
const AUTO: &str = "postgresql.auto.conf";

/// The file that makes a server recover.
const SIGNAL: &str = "recovery.signal";

/// All that says where a recovery ends.
const TARGETS: [&str; 5] = [
    "recovery_target",
    "recovery_target_time",
    "recovery_target_lsn",
    "recovery_target_xid",
    "recovery_target_name",
];

/// What a server writes into its log where it ended its recovery.
const STOPPING: &str = "recovery stopping";

/// What it writes where it read all there was.
const COMPLETE: &str = "archive recovery complete";

/// A recovery that was planned.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// What was asked for.
    pub wish: RecoveryWish,
    /// The way there.
    pub way: Way,
}

impl Recovery {
    /// The plan of it.
    pub fn lines(&self) -> Vec<String> {
        let way = &self.way;
        let source = &self.wish.log.source.name;
        let mut lines = vec![match (way.segments.first(), way.segments.last()) {
            (Some(first), Some(last)) => format!(
                "recovers from the log of {source}: {} segments are there, {first} to {last}, along timeline {}",
                way.segments.len(),
                way.timeline
            ),
            _ => {
                format!("recovers from the log of {source}, which has no segment behind the backup")
            }
        }];
        if let Some(before) = &way.before {
            lines.push(format!("the last that comes back is {}", called(before)));
        }
        let end = way.end.as_ref().map(called);
        lines.push(match (&self.wish.point, end) {
            (RecoveryPoint::Name(_), Some(end)) => format!("ends at {end}"),
            (_, Some(end)) => format!("ends before {end}, which does not come back"),
            (RecoveryPoint::Lsn(at), None) => format!("ends before {}", Lsn(*at)),
            (_, None) => "ends where the log ends".into(),
        });
        lines.push(format!("the server brings the log by `{}`", self.command()));
        lines.push("then it opens for writing, on a new timeline".into());
        lines
    }

    /// The `restore_command`.
    pub fn command(&self) -> String {
        let words = self.wish.command.iter().map(|word| quoted(word).replace('%', "%%"));
        words.chain(["%f".into(), "\"%p\"".into()]).collect::<Vec<_>>().join(" ")
    }

    /// The settings.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("restore_command", self.command())];
        let (own, value) = match &self.wish.point {
            RecoveryPoint::Latest => ("", String::new()),
            RecoveryPoint::Moment(moment) => {
                let moment = moment.to_zoned(TimeZone::UTC);
                ("recovery_target_time", moment.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
            }
            RecoveryPoint::Lsn(at) => ("recovery_target_lsn", Lsn(*at).to_string()),
            RecoveryPoint::Xid(xid) => ("recovery_target_xid", xid.to_string()),
            RecoveryPoint::Name(name) => ("recovery_target_name", name.clone()),
        };
        // Even an empty second one would be one too many.
        if !own.is_empty() {
            settings.push((own, value));
        }
        settings.push(("recovery_target_inclusive", "off".into()));
        settings.push(("recovery_target_timeline", self.way.timeline.to_string()));
        settings.push(("recovery_target_action", "promote".into()));
        settings
    }

    /// What the log of the server says of its end; the error is a recovery that did not get there.
    pub fn reached(&self, log: &str) -> Result<String, String> {
        let line =
            |text: &str| log.lines().rev().find(|line| line.contains(text)).map(str::to_owned);
        let wanted = match self.wish.point {
            RecoveryPoint::Latest => COMPLETE,
            _ => STOPPING,
        };
        let (word, value) = &self.wish.typed;
        match (line(wanted), line(COMPLETE)) {
            (Some(line), Some(_)) => Ok(line),
            _ => Err(format!(
                "the server is open, and its log does not say that it ended its recovery at {word} {value}; look at it before it is used"
            )),
        }
    }

    /// Writes it into a data directory.
    pub fn write(&self, data: &Path, owner: Owner) -> Result<(), Fault> {
        let auto = data.join(AUTO);
        let io = |doing: String, e: std::io::Error| Fault::Nothing {
            doing,
            found: e.to_string(),
            hint: None,
        };
        let old = match std::fs::read_to_string(&auto) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(io(format!("read {}", auto.display()), error)),
        };
        let fresh = data.join(format!("{AUTO}.vex"));
        owner.write(&fresh, self.text(&old).as_bytes())?;
        std::fs::rename(&fresh, &auto).map_err(|e| io(format!("write {}", auto.display()), e))?;
        let signal = data.join(SIGNAL);
        if !signal.exists() {
            owner.write(&signal, b"")?;
        }
        Ok(())
    }

    /// The file of settings, made of what it was.
    fn text(&self, old: &str) -> String {
        let settings = self.settings();
        let is_ours = |line: &&str| {
            let name = line.trim_start().split([' ', '=', '\t']).next().unwrap_or_default();
            TARGETS.contains(&name) || settings.iter().any(|(own, _)| *own == name)
        };
        let mut text: String =
            old.lines().filter(|line| !is_ours(line)).map(|l| format!("{l}\n")).collect();
        for (name, value) in &settings {
            let value = value.replace('\\', "\\\\").replace('\'', "''");
            text.push_str(&format!("{name} = '{value}'\n"));
        }
        text
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/:=@+,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Method;
    use crate::job::{SourceSpec, SqliteSpec};
    use crate::plan::{Archive, SourceRef, Wal};

    fn recovery(point: RecoveryPoint, words: &[&str]) -> Recovery {
        let spec = SourceSpec::Sqlite(SqliteSpec { path: "x".into(), identity: None });
        let archive = Archive {
            method: Method::Store,
            password: None,
            previous: Vec::new(),
            recipients: Vec::new(),
        };
        let source = SourceRef { name: "erp".into(), spec };
        let log = Wal { source, archive, copies: Vec::new(), bases: Vec::new() };
        let wish = RecoveryWish {
            point,
            typed: ("--until", "x".into()),
            timeline: None,
            log: Box::new(log),
            command: words.iter().map(ToString::to_string).collect(),
        };
        let way = Way { segments: Vec::new(), timeline: 3, end: None, before: None };
        Recovery { wish, way }
    }

    #[test]
    fn settings_of_an_earlier_recovery_are_taken_out_and_words_are_quoted_twice() {
        let moment = "2026-03-01T12:00:00.25Z".parse().expect("a moment");
        let recovery = recovery(
            RecoveryPoint::Moment(moment),
            &["/opt/my vex", "wal", "fetch", "/srv/50%/it's.kdl", "erp"],
        );
        let old =
            "# no edits\nwork_mem = '7MB'\nrecovery_target_xid = '9'\nrestore_command='old'\n";
        let text = recovery.text(old);
        let expected = "# no edits\nwork_mem = '7MB'\n\
            restore_command = '''/opt/my vex'' wal fetch ''/srv/50%%/it''\\\\''''s.kdl'' erp %f \"%p\"'\n\
            recovery_target_time = '2026-03-01 12:00:00.250000+00'\n\
            recovery_target_inclusive = 'off'\nrecovery_target_timeline = '3'\nrecovery_target_action = 'promote'\n";
        assert_eq!(text, expected);
    }
}
