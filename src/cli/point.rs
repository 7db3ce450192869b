//! From the words of a restore to where its recovery from a log ends.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::plan::{BackupWish, RecoveryPoint, RecoveryWish, Wal};
use crate::source::wal::Lsn;
use crate::world::absolute;

use crate::cli::args::Restore;
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
fn moment(text: &str) -> Option<Timestamp> {
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
