//! `vex verify`: reads a backup back, as a run with an ID, a log and a line in the history.

use crate::plan::{Plan, StepKind};
use crate::record::{Event, LogLevel, RunKind, Stamped, StepEnd};
use crate::run::Listener;

use crate::cli::args::{Format, Verify};
use crate::cli::exit::Exit;
use crate::cli::own_run::{Asked, history, session, steps};
use crate::cli::restore_console::RestoreConsole;
use crate::cli::session::judge;
use crate::cli::wiring::{App, complain, tell};
use crate::cli::wish::wish;

/// Reads a backup back.
pub fn verify(args: &Verify, app: &App) -> Exit {
    let wish = match wish(&args.which) {
        Ok(wish) => wish,
        Err(exit) => return exit,
    };
    let mut early = Vec::new();
    let catalog = history(&wish.file, app, &mut early);
    let source = wish.backup.source.as_deref();
    let address = source.map_or("verify".to_owned(), |source| format!("verify/{source}"));
    let plan = Plan::of_one(StepKind::ReadBack(Box::new(wish.backup.clone())), address);
    let shown: Box<dyn Listener + Send> = match args.format {
        Format::Human => Box::new(RestoreConsole::new(app.language(&wish.file))),
        Format::Json => Box::new(Complaints),
    };
    let session =
        session((&plan, RunKind::Verify), &Asked::of(&wish), app, (catalog, early), shown);
    let steps = steps(&session);
    let outcome = session.execute(&plan, &steps);
    if let (Format::Json, Some(read)) = (args.format, steps.read()) {
        tell(&serde_json::to_string(&read.proof).expect("BUG: a proof that is not JSON"));
    }
    judge(&outcome, false)
}

/// Says what somebody must look at; what was found is printed as JSON.
struct Complaints;

impl Listener for Complaints {
    fn hear(&mut self, stamped: &Stamped) -> Vec<(LogLevel, String)> {
        match &stamped.event {
            Event::Said { level, text, .. } if *level > LogLevel::Info => complain(text),
            Event::StepFinished { end: StepEnd::Failed { failure, .. }, .. } => {
                let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!(" {hint}"));
                complain(&format!("{}.{hint}", failure.line()));
            }
            _ => {}
        }
        Vec::new()
    }
}
