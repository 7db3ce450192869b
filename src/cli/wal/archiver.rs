//! What `vex doctor` says of a server whose log is kept: whether it sends it, with the exact lines
//! to set.

use crate::base::{Finding, Stop};
use crate::job::{PostgresSpec, SourceSpec};
use crate::plan::Wal;
use crate::source::wal::{Archiver, archiver};

/// What was looked at.
const LOOKED: &str = "archiver";

/// The server of a log.
pub fn server(wal: &Wal) -> Option<&PostgresSpec> {
    match &wal.source.spec {
        SourceSpec::Postgres(spec) => Some(spec),
        SourceSpec::Cluster(spec) => Some(&spec.server),
        SourceSpec::Mysql(_) | SourceSpec::Sqlite(_) | SourceSpec::Oracle(_) => None,
    }
}

/// What is found of the server of a log; `file` is the job file.
pub fn examine(wal: &Wal, file: &str, stop: &Stop) -> Vec<Finding> {
    let Some(spec) = server(wal) else { return Vec::new() };
    match archiver(spec, stop) {
        Ok(found) => findings(&found, file, &wal.source.name),
        // What is wrong with the connection is told with the source.
        Err(_) => Vec::new(),
    }
}

/// The line that sends the log to a job file.
fn line(file: &str, source: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/:=@+,-".contains(c);
    let word = |word: &str| match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("\"{}\"", word.replace('%', "%%")),
    };
    format!("archive_command = 'vex wal push {} {} %p'", word(file), word(source))
}

fn findings(found: &Archiver, file: &str, source: &str) -> Vec<Finding> {
    let mut all = Vec::new();
    let line = line(file, source);
    let set =
        format!("In postgresql.conf: `archive_mode = on` and `{line}`, then restart the server.");
    if found.level == "minimal" {
        let what = "wal_level is minimal: the log holds too little to recover from";
        all.push(Finding::error(
            LOOKED,
            what,
            "In postgresql.conf: `wal_level = replica`, then restart the server.",
        ));
    }
    if found.mode == "off" {
        all.push(Finding::error(LOOKED, "archive_mode is off: nothing of the log is sent", set));
        return all;
    }
    if found.standby && found.mode != "always" {
        all.push(Finding::ok(LOOKED, "a standby, which sends nothing; its primary does"));
        return all;
    }
    match (&found.library, &found.command) {
        (Some(library), _) => {
            let what = format!("archive_library is {library}, and so no command is called");
            let advice = format!(
                "In postgresql.conf: `archive_library = ''` and `{line}`, then `SELECT pg_reload_conf();`"
            );
            all.push(Finding::error(LOOKED, what, advice));
        }
        (None, Some(_)) if found.calls_vex() => {}
        (None, command) => {
            let what = match command {
                Some(command) => format!("archive_command is `{command}`, which does not call vex"),
                None => "archive_command is empty: the log piles up in pg_wal".to_owned(),
            };
            let advice = format!("In postgresql.conf: `{line}`, then `SELECT pg_reload_conf();`");
            all.push(Finding::error(LOOKED, what, advice));
        }
    }
    if let Some((name, at)) = found.failed.as_ref().filter(|_| found.fails()) {
        let what =
            format!("its last try failed, with {name} on {at} (of {} failures)", found.failures);
        let advice =
            "The log of the server says why, in lines of `vex wal push`; what waits fills pg_wal.";
        all.push(Finding::error(LOOKED, what, advice));
    }
    if found.timeout == "0" {
        let what = "archive_timeout is 0: what a quiet server wrote may stay unsent for days";
        let advice = "In postgresql.conf: `archive_timeout = 60`, then `SELECT pg_reload_conf();`: at most a minute is lost then.";
        all.push(Finding::alert(LOOKED, what, advice));
    }
    if all.is_empty() {
        let last = found.archived.as_ref().map_or_else(
            || "nothing was sent yet".to_owned(),
            |(name, at)| format!("the last file sent is {name}, on {at}"),
        );
        all.push(Finding::ok(LOOKED, format!("archive_mode {}, {last}", found.mode)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Grade;

    #[test]
    fn what_keeps_the_log_from_being_sent_is_told_with_the_line_to_set() {
        let good = Archiver {
            mode: "on".into(),
            command: Some("vex wal push /etc/vex/wal.kdl erp %p".into()),
            library: None,
            level: "replica".into(),
            standby: false,
            now: None,
            archived: None,
            failed: None,
            failures: 0,
            timeout: "1min".into(),
        };
        let judge = |found: Archiver| findings(&found, "/etc/my jobs/50%.kdl", "erp");
        assert_eq!(judge(good.clone())[0].grade, Grade::Ok);
        let line = "archive_command = 'vex wal push \"/etc/my jobs/50%%.kdl\" erp %p'";
        for bad in [
            Archiver { mode: "off".into(), ..good.clone() },
            Archiver { command: Some("cp %p /nas/%f".into()), ..good.clone() },
            Archiver { command: None, ..good.clone() },
            Archiver { library: Some("basic_archive".into()), ..good.clone() },
        ] {
            let found = judge(bad);
            assert_eq!(found[0].grade, Grade::Error);
            assert!(
                found[0].advice.as_ref().is_some_and(|advice| advice.contains(line)),
                "{found:?}"
            );
        }
        assert_eq!(
            judge(Archiver { level: "minimal".into(), ..good.clone() })[0].grade,
            Grade::Error
        );
        assert_eq!(judge(Archiver { timeout: "0".into(), ..good.clone() })[0].grade, Grade::Alert);
        let at = |second| ("x".to_owned(), jiff::Timestamp::from_second(second).expect("a moment"));
        let failing = Archiver { failed: Some(at(9)), archived: Some(at(8)), ..good.clone() };
        assert_eq!(judge(failing)[0].grade, Grade::Error);
        let healed = Archiver { failed: Some(at(7)), archived: Some(at(8)), ..good };
        assert_eq!(judge(healed)[0].grade, Grade::Ok);
    }
}
