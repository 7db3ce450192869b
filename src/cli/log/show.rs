//! `vex log show`: the transactions of a stored log around a moment.

use std::collections::BTreeSet;

use serde_json::json;

use crate::base::SecretRef;
use crate::recover::{BinlogStores, Shown, around};

use crate::cli::args::{Format, Show};
use crate::cli::exit::Exit;
use crate::cli::kept_log::KeptLog;
use crate::cli::point::moment;
use crate::cli::table;
use crate::cli::wiring::{App, Loaded, complain, fail, tell};

/// The version of the lines.
const VERSION: u32 = 1;

/// Lists them.
pub fn show(args: &Show, app: &App) -> Result<Exit, Exit> {
    let Some(moment) = moment(&args.around) else {
        complain(&format!(
            "--around {}: it is a moment such as 2025-08-02 14:30:00 or 2025-08-02T17:30:00Z",
            args.around
        ));
        return Err(Exit::Usage);
    };
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let log = KeptLog::Binlog.chosen(&loaded, args.source.as_deref())?;
    let stores = BinlogStores::of(log, args.identity.clone().map(SecretRef::File), &app.world);
    let (mut exit, mut count) = (Exit::Success, 0);
    let (parts, lost) = stores.parts(&app.stop).map_err(|fault| fail(&fault))?;
    let mut told = BTreeSet::new();
    let mut remark = |remark: String, exit: &mut Exit| {
        if told.insert(remark.clone()) {
            complain(&format!("not all of the log was read: {remark}"));
            *exit = exit.worse(Exit::Error);
        }
    };
    lost.into_iter().for_each(|lost| remark(lost, &mut exit));
    for part in &parts {
        let near = (moment, usize::from(args.count));
        let (lines, remarks) =
            around(&stores, part, near, &app.stop).map_err(|fault| fail(&fault))?;
        remarks.into_iter().for_each(|own| remark(own, &mut exit));
        count += lines.len();
        print((&log.source.name, part, parts.len() > 1), &lines, args.format);
    }
    if count == 0 && exit == Exit::Success {
        complain(&format!("the stores hold no transaction of {} there", log.source.name));
    }
    Ok(exit)
}

fn print((source, part, is_one_of_many): (&str, &str, bool), lines: &[Shown], format: Format) {
    if format == Format::Json {
        for line in lines {
            let line = json!({
                "version": VERSION, "what": "transaction", "source": source, "server": part, "time": line.time,
                "position": line.position, "gtid": line.gtid, "bytes": line.bytes, "changes": line.what,
            });
            tell(&line.to_string());
        }
        return;
    }
    if is_one_of_many {
        tell(&format!("server {part}"));
    }
    let head = ["TIME", "POSITION", "GTID", "BYTES", "WHAT"].map(str::to_owned).to_vec();
    let row = |line: &Shown| {
        let gtid = line.gtid.clone().unwrap_or_else(|| "-".into());
        vec![
            line.time.clone(),
            line.position.clone(),
            gtid,
            line.bytes.to_string(),
            line.what.clone(),
        ]
    };
    table::print(&std::iter::once(head).chain(lines.iter().map(row)).collect::<Vec<_>>());
}
