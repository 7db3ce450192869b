//! `vex log`: what people ask of the binary logs that a job file keeps. Contacts stores only.

mod show;
mod status;

use crate::cli::args::Log;
use crate::cli::exit::Exit;
use crate::cli::wiring::App;

/// Does what is asked.
pub fn log(args: &Log, app: &App) -> Exit {
    let ended = match args {
        Log::Show(args) => show::show(args, app),
        Log::Status(args) => status::status(args, app),
    };
    match ended {
        Ok(exit) | Err(exit) => exit,
    }
}
