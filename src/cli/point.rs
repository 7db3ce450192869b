//! From the words of a restore to where its recovery from a log ends.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::job::SourceSpec;
use crate::plan::{BackupWish, RecoveryPoint, RecoveryWish, ReplayPoint, ReplayWish, Wal};
use crate::source::wal::Lsn;
use crate::world::absolute;

use crate::cli::args::{Definer, Restore};
use crate::cli::exit::Exit;
use crate::cli::wiring::complain;

/// What is added to the name of a source whose files are meant.
const FILES: &str = "-physical";

fn usage(text: &str) -> Exit {
    complain(text);
    Exit::Usage
}

/// The word that names a point only PostgreSQL knows, and its value.
pub fn typed_point(args: &Restore) -> Option<(&'static str, String)> {
    let point = &args.point;
    let lsn = point.until_lsn.clone().map(|text| ("--until-lsn", text));
    let xid = point.until_xid.map(|xid| ("--until-xid", xid.to_string()));
    lsn.or(xid).or(point.until_name.clone().map(|name| ("--until-name", name)))
}

/// The word that names a point only MySQL and MariaDB know, and its value.
pub fn typed_spot(args: &Restore) -> Option<(&'static str, String)> {
    let point = &args.point;
    let gtid = point.until_gtid.clone().map(|text| ("--until-gtid", text));
    gtid.or(point.until_position.clone().map(|text| ("--until-position", text)))
}

/// The replay of a binary log that is asked for.
pub fn replay(
    args: &Restore,
    backup: &BackupWish,
    logs: &[Wal],
) -> Result<Option<Box<ReplayWish>>, Exit> {
    let until = args.until.clone().map(|text| ("--until", text));
    let Some(typed) = typed_spot(args).or(until) else {
        return match args.point.serve {
            Some(_) => Err(usage("--serve goes with --until, such as `--until latest`")),
            None => Ok(None),
        };
    };
    let source = backup.source.as_deref().unwrap_or_default();
    let Some(log) = logs.iter().find(|log| log.source.name == source) else {
        return Err(usage(&format!(
            "{} needs the log of {source}, and no job of a job file keeps it: name the file that has `binlog \"{source}\"`",
            typed.0
        )));
    };
    whole(args, log)?;
    let point = spot(args, &typed.1)?;
    Ok(Some(Box::new(ReplayWish {
        point,
        typed,
        log: Box::new(log.clone()),
        serve: args.point.serve,
    })))
}

/// Refuses what a log can't be replayed after: it holds what happened to all of the server.
fn whole(args: &Restore, log: &Wal) -> Result<(), Exit> {
    let given = [
        ("--only", !args.only.is_empty()),
        ("--except", !args.except.is_empty()),
        ("--as", args.rename.is_some()),
        ("--map-collation", !args.map_collation.is_empty()),
        ("--definer current", args.definer == Definer::Current),
        ("--skip-binlog", args.skip_binlog),
    ];
    if let Some((word, _)) = given.iter().find(|(_, given)| *given) {
        return Err(usage(&format!(
            "{word} does not go with a replay of the binary log, which holds what happened to the whole server: restore all of \
             it into a scratch server, and take from there what is needed"
        )));
    }
    let SourceSpec::Mysql(spec) = &log.source.spec else { return Ok(()) };
    if !spec.databases.is_empty() || !spec.exclude.is_empty() || !spec.tables.is_empty() {
        return Err(usage(&format!(
            "the dumps of {} are of a part of the server (databases, exclude or tables in its source), and the log is of all of it: \
             it can't be replayed after them",
            log.source.name
        )));
    }
    Ok(())
}

fn spot(args: &Restore, text: &str) -> Result<ReplayPoint, Exit> {
    if args.point.until_gtid.is_some() {
        return Ok(ReplayPoint::Gtid(text.to_owned()));
    }
    if args.point.until_position.is_some() {
        let found = text.rsplit_once(':').and_then(|(file, at)| Some((file, at.parse().ok()?)));
        let found = found.filter(|(file, _)| file.contains('.'));
        return match found {
            Some((file, at)) => Ok(ReplayPoint::Position(file.to_owned(), at)),
            None => Err(usage(&format!(
                "--until-position {text}: it is a file and a byte, such as binlog.000042:4711"
            ))),
        };
    }
    if text == "latest" {
        return Ok(ReplayPoint::Latest);
    }
    moment(text).map(ReplayPoint::Moment).ok_or_else(|| {
        usage(&format!(
            "--until {text}: it is `latest`, or a moment such as 2025-08-02 14:30:00 or 2025-08-02T17:30:00Z"
        ))
    })
}

/// The recovery that is asked for.
pub fn recovery(
    args: &Restore,
    backup: &BackupWish,
    logs: &[Wal],
) -> Result<Option<RecoveryWish>, Exit> {
    let until = args.until.clone().map(|text| ("--until", text));
    let Some(typed) = typed_point(args).or(until) else {
        return match args.point.timeline {
            Some(_) => Err(usage("--timeline goes with --until, such as `--until latest`")),
            None => Ok(None),
        };
    };
    let point = point(args, &typed.1)?;
    let source = backup.source.as_deref().unwrap_or_default();
    let source = source.strip_suffix(FILES).unwrap_or(source);
    let Some(log) = logs.iter().find(|log| log.source.name == source) else {
        return Err(usage(&format!(
            "{} needs the log of {source}, and no job of a job file keeps it: name the file that has `wal \"{source}\"`",
            typed.0
        )));
    };
    let command = command(args, backup, log)?;
    Ok(Some(RecoveryWish {
        point,
        typed,
        timeline: args.point.timeline,
        log: Box::new(log.clone()),
        command,
    }))
}

fn point(args: &Restore, text: &str) -> Result<RecoveryPoint, Exit> {
    if args.point.until_lsn.is_some() {
        let lsn: Lsn = text.parse().map_err(|why: String| usage(&why))?;
        return Ok(RecoveryPoint::Lsn(lsn.0));
    }
    if let Some(xid) = args.point.until_xid {
        return Ok(RecoveryPoint::Xid(xid));
    }
    if let Some(name) = &args.point.until_name {
        // What PostgreSQL takes for a name.
        return match (1..64).contains(&name.len()) {
            true => Ok(RecoveryPoint::Name(name.clone())),
            false => Err(usage("--until-name: the name of a restore point has 1 to 63 bytes")),
        };
    }
    if text == "latest" {
        return Ok(RecoveryPoint::Latest);
    }
    moment(text).map(RecoveryPoint::Moment).ok_or_else(|| {
        usage(&format!(
            "--until {text}: it is `latest`, or a moment such as 2025-08-02 14:30:00 or 2025-08-02T17:30:00Z"
        ))
    })
}

/// A moment, or one of this machine's clock; to the microsecond, as PostgreSQL counts.
pub fn moment(text: &str) -> Option<Timestamp> {
    let exact = text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?;
        Some(local.timestamp())
    })?;
    let up = i64::from(exact.subsec_nanosecond() % 1000 > 0);
    Timestamp::from_microsecond(exact.as_microsecond() + up).ok()
}

/// The words with which a server brings a file of the log: this very program, and paths that hold in
/// its data directory.
fn command(args: &Restore, backup: &BackupWish, log: &Wal) -> Result<Vec<String>, Exit> {
    let own = std::env::current_exe()
        .map_err(|e| usage(&format!("unable to find out where this program is: {e}")))?;
    let whole = |path: &std::path::Path| match absolute(path) {
        Ok(path) => Ok(path.display().to_string()),
        Err(error) => Err(usage(&format!("{}: {error}", path.display()))),
    };
    let file = backup.file.clone().unwrap_or_default();
    let mut words = vec![own.display().to_string(), "wal".into(), "fetch".into()];
    if let Some(site) = &args.which.site {
        words.extend(["--site".into(), whole(site)?]);
    }
    if let Some(identity) = &args.which.identity {
        words.extend(["--identity".into(), whole(identity)?]);
    }
    words.extend([file, log.source.name.clone()]);
    Ok(words)
}
