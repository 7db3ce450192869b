//! `vex log status`: what of a binary log is in the stores, where it is broken, and what can be
//! restored from which dump.

use serde_json::{Value, json};

use crate::plan::Wal as LogPlan;
use crate::recover::{BinlogStores, Window, log_windows};

use crate::cli::args::{Format, LogStatus};
use crate::cli::exit::Exit;
use crate::cli::kept_log::KeptLog;
use crate::cli::wiring::{App, Loaded, complain, fail, tell};

/// The version of the lines.
const VERSION: u32 = 1;

/// Shows what there is.
pub fn status(args: &LogStatus, app: &App) -> Result<Exit, Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let all: Vec<&LogPlan> = match &args.source {
        Some(source) => vec![KeptLog::Binlog.chosen(&loaded, Some(source))?],
        None => KeptLog::Binlog.logs(&loaded).collect(),
    };
    if all.is_empty() {
        KeptLog::Binlog.chosen(&loaded, None)?;
    }
    let mut exit = Exit::Success;
    for log in all {
        exit = exit.worse(one(log, args.format, app));
    }
    Ok(exit)
}

fn one(log: &LogPlan, format: Format, app: &App) -> Exit {
    let stores = BinlogStores::of(log, None, &app.world);
    let found = match log_windows(&stores, &log.bases, &app.world, &app.stop) {
        Ok(found) => found,
        Err(fault) => return fail(&fault),
    };
    let mut exit = Exit::Success;
    for lost in &found.lost {
        complain(&format!("there may be more: {lost}"));
        exit = exit.worse(Exit::Error);
    }
    let source = &log.source.name;
    for server in &found.servers {
        let line = json!({
            "version": VERSION, "what": "log", "source": source, "server": server.part, "segments": server.segments,
            "first": server.first, "last": server.last, "gaps": server.gaps,
        });
        let gaps = match server.gaps.as_slice() {
            [] => String::new(),
            all => format!("; something is missing: {}", all.join("; ")),
        };
        let text = format!(
            "{source} {}: {} segments, {} to {}{gaps}",
            server.part, server.segments, server.first, server.last
        );
        print(&line, &text, format);
        if !server.gaps.is_empty() {
            exit = exit.worse(Exit::Alert);
        }
    }
    for window in &found.windows {
        let (line, text) = told(source, window);
        print(&line, &text, format);
    }
    exit
}

fn told(source: &str, own: &Window) -> (Value, String) {
    let line = json!({
        "version": VERSION, "what": "window", "source": source, "backup": own.backup, "store": own.store,
        "from": own.from.to_string(), "to": own.to.map(|to| to.to_string()), "end": own.end, "why": own.why,
    });
    let text = match (&own.why, own.to) {
        (Some(why), _) => format!("  {} in {}: nothing behind it: {why}", own.backup, own.store),
        (None, Some(to)) => {
            format!("  {} in {}: from {} to {to} ({})", own.backup, own.store, own.from, own.end)
        }
        (None, None) => format!(
            "  {} in {}: from {} on, no transaction yet ({})",
            own.backup, own.store, own.from, own.end
        ),
    };
    (line, text)
}

fn print(line: &Value, text: &str, format: Format) {
    match format {
        Format::Json => tell(&line.to_string()),
        Format::Human => tell(text),
    }
}
