//! `vex wal status`: what of a log is in the stores, where it is broken, and which moments can be
//! recovered from which base backup.
//!
//! What it says can be recovered is never better than the truth: the end of a window is the last
//! transaction that a stored file is known to hold.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::plan::Wal as WalPlan;
use crate::recover::{Base, Fault, Log, Stretch, WalStores, bases};
use crate::source::wal::{Lsn, Segment, WalName, archiver};

use crate::cli::args::{Format, WalStatus};
use crate::cli::exit::Exit;
use crate::cli::kept_log::KeptLog;
use crate::cli::table;
use crate::cli::wal::archiver::server;
use crate::cli::wiring::{App, Loaded, complain, fail, tell};

/// The version of the lines.
const VERSION: u32 = 1;

/// Shows what there is.
pub fn status(args: &WalStatus, app: &App) -> Result<Exit, Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let all: Vec<&WalPlan> = match &args.source {
        Some(source) => vec![KeptLog::Wal.chosen(&loaded, Some(source))?],
        None => KeptLog::Wal.logs(&loaded).collect(),
    };
    if all.is_empty() {
        KeptLog::Wal.chosen(&loaded, None)?;
    }
    let mut exit = Exit::Success;
    for wal in all {
        exit = exit.worse(one(wal, args, app));
    }
    Ok(exit)
}

fn one(wal: &WalPlan, args: &WalStatus, app: &App) -> Exit {
    let (mut exit, mut lists) = (Exit::Success, Vec::new());
    let stores = WalStores::of(wal, None, &app.world);
    for copy in &stores.copies {
        match copy.list(&app.stop) {
            Ok(files) => lists.push((copy.name.clone(), files)),
            Err(fault) => exit = exit.worse(fail(&fault)),
        }
    }
    let bases = bases(&wal.bases, &app.world, &app.stop);
    for lost in &bases.lost {
        complain(&format!("there may be more base backups: {lost}"));
        exit = exit.worse(Exit::Error);
    }
    let files: Vec<&Stretch> = lists.iter().map(|(_, files)| files).collect();
    let mut systems: Vec<&String> = files.iter().flat_map(|own| own.keys()).collect();
    systems.sort_unstable();
    systems.dedup();
    let mut lines = Vec::new();
    for (store, files) in &lists {
        for system in files.keys() {
            match stores.log(system, &[files], &app.stop) {
                Ok(log) => lines.extend(stretches(wal, system, store, &log, files)),
                Err(fault) => exit = exit.worse(fail(&fault)),
            }
        }
    }
    for system in systems {
        match stores.log(system, &files, &app.stop) {
            Ok(log) => {
                let own = bases.all.iter().filter(|base| base.system == *system);
                let of = (wal.source.name.as_str(), system.as_str());
                for base in own {
                    match window(of, base, &log, &stores, app) {
                        Ok(line) => lines.push(line),
                        Err(fault) => exit = exit.worse(fail(&fault)),
                    }
                }
            }
            Err(fault) => exit = exit.worse(fail(&fault)),
        }
    }
    if !args.offline {
        lines.extend(lag(wal, &lines, app));
    }
    show(wal, &lines, args.format);
    exit
}

/// The stretches of each timeline in one store.
fn stretches(wal: &WalPlan, system: &str, store: &str, log: &Log, files: &Stretch) -> Vec<Value> {
    let mut lines = Vec::new();
    for timeline in log.segments.keys() {
        let runs = log.runs(*timeline);
        for (index, (first, last)) in runs.iter().enumerate() {
            let name = |number: u64| Segment::numbered(*timeline, number, log.size);
            let sent = files.get(system).and_then(|own| own.get(&WalName::Segment(name(*last))));
            let gap = runs.get(index + 1).map(|(next, _)| next - last - 1);
            lines.push(json!({
                "version": VERSION, "what": "stretch", "source": wal.source.name, "system": system, "store": store,
                "timeline": timeline, "first": name(*first).to_string(), "last": name(*last).to_string(),
                "segments": last - first + 1, "missing-after": gap.unwrap_or(0),
                "written": sent.copied().flatten().map(|at| at.to_string()),
            }));
        }
    }
    lines
}

/// What can be recovered from a base backup.
fn window(
    (source, system): (&str, &str),
    base: &Base,
    log: &Log,
    stores: &WalStores,
    app: &App,
) -> Result<Value, Fault> {
    let along = log.newest().filter(|newest| log.follows(base.start, *newest));
    let timeline = along.unwrap_or(base.start.timeline);
    let reach = log.reach(base.start, timeline);
    let segments = reach.as_ref().map(|reach| reach.segments.as_slice()).unwrap_or_default();
    let until = last_moment(stores, system, segments, app)?;
    let end = reach.as_ref().map_or(base.start.stop, |reach| reach.end);
    let gap = reach.as_ref().and_then(|reach| reach.gap);
    Ok(json!({
        "version": VERSION, "what": "window", "source": source, "system": system, "base": base.head.id.to_string(),
        "store": base.store, "timeline": timeline, "from": base.head.finished.to_string(),
        "until": until.map(|at| at.to_string()), "until-lsn": end.to_string(),
        "missing": gap.map(|gap| gap.to_string()),
    }))
}

/// How far the server is ahead of what is stored; `None`, told, where it can't be asked.
fn lag(wal: &WalPlan, lines: &[Value], app: &App) -> Option<Value> {
    let found = match archiver(server(wal)?, &app.stop) {
        Ok(found) => found,
        Err(error) => {
            complain(&format!("the server of {} can't be asked: {error}", wal.source.name));
            return None;
        }
    };
    let name = &wal.source.name;
    let ends = lines.iter().filter_map(|line| line["until-lsn"].as_str()?.parse::<Lsn>().ok());
    let behind = found.now.zip(ends.max()).map(|(now, end)| now.0.saturating_sub(end.0));
    Some(json!({
        "version": VERSION, "what": "server", "source": name, "lsn": found.now.map(|at| at.to_string()),
        "behind-bytes": behind, "last-sent": found.archived.as_ref().map(|(name, _)| name),
        "sent-at": found.archived.as_ref().map(|(_, at)| at.to_string()),
        "failing": found.fails().then(|| found.failed.as_ref().map(|(name, _)| name)),
    }))
}

/// When the last transaction ended that these segments hold.
fn last_moment(
    stores: &WalStores,
    system: &str,
    segments: &[Segment],
    app: &App,
) -> Result<Option<Timestamp>, Fault> {
    for segment in segments.iter().rev() {
        let head = stores.head(system, WalName::Segment(*segment), &app.stop)?;
        if head.last.is_some() {
            return Ok(head.last);
        }
    }
    Ok(None)
}

fn show(wal: &WalPlan, lines: &[Value], format: Format) {
    if format == Format::Json {
        lines.iter().for_each(|line| tell(&line.to_string()));
        return;
    }
    if lines.is_empty() {
        tell(&format!("no file of the log of {} is in any of its stores", wal.source.name));
        return;
    }
    let text = |line: &Value, field: &str| match &line[field] {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    };
    let rows = |what: &str, heads: &[&str], fields: &[&str]| -> Vec<Vec<String>> {
        let own = lines.iter().filter(|line| line["what"] == what);
        let rows = own.map(|line| fields.iter().map(|field| text(line, field)).collect());
        std::iter::once(heads.iter().map(ToString::to_string).collect()).chain(rows).collect()
    };
    table::print(&rows(
        "stretch",
        &["SOURCE", "STORE", "TIMELINE", "FIRST", "LAST", "SEGMENTS", "MISSING AFTER", "WRITTEN"],
        &["source", "store", "timeline", "first", "last", "segments", "missing-after", "written"],
    ));
    tell("");
    if lines.iter().any(|line| line["what"] == "server") {
        table::print(&rows(
            "server",
            &["SERVER", "LSN", "BYTES NOT YET RECOVERABLE", "LAST SENT", "AT", "FAILING"],
            &["source", "lsn", "behind-bytes", "last-sent", "sent-at", "failing"],
        ));
        tell("");
    }
    table::print(&rows(
        "window",
        &["BASE", "STORE", "TIMELINE", "FROM", "UNTIL", "UNTIL LSN", "MISSING"],
        &["base", "store", "timeline", "from", "until", "until-lsn", "missing"],
    ));
}
