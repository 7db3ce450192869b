//! `vex history`: what ran, by the catalog.

use std::io::Write;

use crate::catalog::{Catalog, CatalogError, ListedRun, RunsQuery};
use crate::cli::args::{History, HistoryFormat};
use crate::cli::asked::{Asked, unable};
use crate::cli::exit::Exit;
use crate::cli::report::zone;
use crate::cli::table;
use crate::cli::wiring::{App, Loaded, complain, tell};
use crate::view::{Past, PastParts, csv, past};

/// Shows what ran.
pub fn history(args: &History, app: &App) -> Exit {
    match try_history(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_history(args: &History, app: &App) -> Result<Exit, Exit> {
    let asked = Asked::open((args.file.as_ref(), &args.jobs), args.site.as_deref(), app)?;
    let Asked { site, file, lang, mut catalog, .. } = asked;
    let ran = ask(&mut catalog, args, file.as_ref()).map_err(unable)?;
    let cells = || ran.iter().map(|run| run.cells(lang, &zone(&site)));
    match args.format {
        HistoryFormat::Json => ran.iter().for_each(|run| {
            tell(&serde_json::to_string(run).expect("BUG: a history that is not JSON"));
        }),
        HistoryFormat::Csv => {
            let rows: Vec<Vec<String>> = cells().collect();
            let text = csv(&Past::heads(lang), rows.iter().map(Vec::as_slice));
            return written(&text);
        }
        HistoryFormat::Human if ran.is_empty() => tell(&lang.say("history-nothing", &[])),
        HistoryFormat::Human => {
            let rows: Vec<Vec<String>> = [Past::heads(lang)].into_iter().chain(cells()).collect();
            table::print(&rows);
        }
    }
    Ok(Exit::Success)
}

/// The newest runs that are asked for, newest first.
fn ask(
    catalog: &mut Catalog,
    args: &History,
    file: Option<&Loaded>,
) -> Result<Vec<Past>, CatalogError> {
    let limit = u64::from(args.limit);
    // One more: the last one is compared with it.
    let runs = newest(catalog, args, file, limit + 1)?;
    let since = runs.last().map_or_else(String::new, |run| run.started.clone());
    let removed = catalog.removed_since(&since)?;
    let mut ran = Vec::new();
    for run in &runs {
        let (steps, backups) = (catalog.steps_of(&run.id)?, catalog.backups_of(&run.id)?);
        let rows = catalog.rows_of(&run.id)?;
        let parts =
            PastParts { run, steps: &steps, backups: &backups, rows: &rows, removed: &removed };
        ran.push(past(&parts));
    }
    Past::compare(&mut ran);
    ran.truncate(args.limit as usize);
    Ok(ran)
}

fn newest(
    catalog: &mut Catalog,
    args: &History,
    file: Option<&Loaded>,
    limit: u64,
) -> Result<Vec<ListedRun>, CatalogError> {
    let Some(file) = file else {
        let query = RunsQuery { limit, ..RunsQuery::default() };
        return Ok(catalog.list_runs(&query, 0)?.0);
    };
    let mut runs = Vec::new();
    for plan in &file.plans {
        if args.jobs.is_empty() || args.jobs.contains(&plan.job) {
            runs.extend(catalog.attempts_of((&file.path, &plan.job), limit)?);
        }
    }
    runs.sort_by(|a, b| (&b.started, &b.id).cmp(&(&a.started, &a.id)));
    runs.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(runs)
}

/// Writes a whole file on standard output.
fn written(text: &str) -> Result<Exit, Exit> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => {
            complain(&format!("unable to write the history to standard output: {error}"));
            Err(Exit::Error)
        }
    }
}
