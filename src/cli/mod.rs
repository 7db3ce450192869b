//! argv in, exit code out; the only room that exits or wires (and prints, with
//! `report/console.rs`).

mod adopt;
mod annotate;
mod args;
mod ask;
mod asked;
mod bench;
mod check;
mod chosen;
mod copy;
mod declare;
mod defaults;
mod doctor;
mod drill;
mod due;
mod exit;
mod export;
mod fmt;
mod gap;
mod history;
mod home;
mod keep;
mod kept_log;
mod language;
mod late;
mod lease;
mod list;
mod lock;
mod log;
mod manual;
mod metrics;
mod new;
mod operator;
mod outside;
mod own_run;
mod people;
mod plan;
mod point;
mod prune;
mod rebuild;
mod report;
mod restore;
mod restore_console;
mod run;
mod schedule;
mod serve;
mod session;
mod shelves;
mod status;
mod strangers;
mod table;
mod typed;
mod units;
mod user;
mod verify;
mod wal;
mod wiring;
mod wish;

use std::process::ExitCode;

use crate::base::Stop;
use crate::cli::args::{Catalog, Command};
use crate::cli::defaults::Refused;
use crate::cli::exit::Exit;
use crate::cli::wal::Caller;
use crate::cli::wiring::App;
use crate::world::{harden, install_provider, watch};

/// The program.
pub fn main() -> ExitCode {
    let Some(caller) = Caller::of(std::env::args_os()) else { return start(None).into() };
    // A server that calls us draws its conclusions from the code: whatever happens, it is ours.
    let ended = std::panic::catch_unwind(|| start(Some(caller)));
    caller.answer(ended.unwrap_or(Exit::Bug)).into()
}

fn start(caller: Option<Caller>) -> Exit {
    let args = match defaults::parse(std::env::args_os().collect()) {
        Ok(args) => args,
        Err(Refused::Told(exit)) => return exit,
        Err(Refused::Arguments(error)) => {
            // Help is no file of a log.
            let wrong = error.use_stderr() || caller.is_some();
            let plain = error.render().to_string();
            if typed::veil(&plain) == plain {
                // Nobody reads a closed terminal; the code still says what happened.
                drop(error.print());
            } else {
                wiring::complain(&plain);
            }
            return if wrong { Exit::Usage } else { Exit::Success };
        }
    };
    install_provider();
    std::panic::set_hook(Box::new(|info| wiring::complain(&format!("BUG: {info}"))));
    let stop = Stop::new();
    let interrupts = match harden().and_then(|()| watch(&stop)) {
        Ok(interrupts) => interrupts,
        Err(error) => {
            wiring::complain(&format!("unable to start: {error}"));
            return Exit::Error;
        }
    };
    let world = home::world_of(&args.command);
    let app = App { world, stop, interrupts, lang: args.lang };
    let exit =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dispatch(&args.command, &app)));
    let exit = exit.unwrap_or(Exit::Bug);
    match app.interrupts.code() {
        Some(code) => Exit::Interrupted(code),
        None => exit,
    }
}

fn dispatch(command: &Command, app: &App) -> Exit {
    if !is_of_text(command)
        && let Err(unknown) = app.world.clock.preflight()
    {
        wiring::complain(&unknown);
        return Exit::Invalid;
    }
    match command {
        Command::New(args) => new::new(args),
        Command::Run(args) => run::run(args, app),
        Command::Check(args) => check::check(args),
        Command::Plan(args) => plan::plan(args, app),
        Command::Doctor(args) => doctor::doctor(args, app),
        Command::List(args) => list::list(args, app),
        Command::Status(args) => status::status(args, app),
        Command::History(args) => history::history(args, app),
        Command::Drill(args) => drill::drill(args, app),
        Command::Info(args) => ask::info(args, app),
        Command::Diff(args) => ask::diff(args, app),
        Command::Peek(args) => ask::peek(args, app),
        Command::Verify(args) => verify::verify(args, app),
        Command::Restore(args) => restore::restore(args, app),
        Command::Export(args) => export::export(args, app),
        Command::Adopt(args) => adopt::adopt(args, app),
        Command::Keep(args) => keep::keep(args, app),
        Command::Copy(args) => copy::copy(args, app),
        Command::Prune(args) => prune::prune(args, app),
        Command::Catalog(Catalog::Rebuild { file, site }) => {
            rebuild::rebuild(file, site.as_deref(), app)
        }
        Command::Wal(args) => wal::wal(args, app),
        Command::Log(args) => log::log(args, app),
        Command::Report(args) => report::report(args, app),
        Command::Bench(args) => bench::bench(args, app),
        Command::Serve(args) => serve::serve(args, app),
        Command::User(args) => user::user(args, app),
        Command::Schema(args) => check::schema(args.format),
        Command::Fmt(args) => fmt::fmt(args),
        Command::Jobs(args) => schedule::jobs(args, app),
        Command::Schedule(args) => schedule::schedule(args, app),
        Command::Completions { shell } => manual::completions(*shell),
        Command::Man(args) => manual::man(args),
    }
}

/// Whether a command reads and prints text only: no moment is told or compared.
fn is_of_text(command: &Command) -> bool {
    matches!(
        command,
        Command::Check(_)
            | Command::New(_)
            | Command::Fmt(_)
            | Command::Schema(_)
            | Command::Completions { .. }
            | Command::Man(_)
    )
}
