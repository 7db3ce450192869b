//! `vex wal`: what PostgreSQL calls, and what people ask of its log.
//!
//! Two of the commands answer a server, whose rules are not those of people: it takes every code up
//! to 125 of a `restore_command` for the end of the log, and opens. So whatever happens to a call of
//! `vex wal fetch`, a wrong word and a panic included, its code is 0, 1 for the proven end, or 200;
//! that of `vex wal push` is 0 or 1.

mod archiver;
mod status;

pub use archiver::examine as examine_archiver;

use std::ffi::OsString;
use std::path::Path;

use crate::base::SecretRef;
use crate::recover::{Fetched, WalStores, fetch as fetch_file, system_near};
use crate::source::wal::WalName;
use crate::step::push as push_file;

use crate::cli::args::{Fetch, Push, Wal};
use crate::cli::exit::Exit;
use crate::cli::kept_log::KeptLog;
use crate::cli::wiring::{App, Loaded, complain, fail};

/// The server that calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Its archiver.
    Archiver,
    /// Its recovery.
    Recovery,
}

impl Caller {
    /// Who calls, of the words of the command line.
    pub fn of(words: impl Iterator<Item = OsString>) -> Option<Caller> {
        let words: Vec<OsString> = words.take(8).collect();
        words.windows(2).find_map(|pair| match (pair[0].to_str(), pair[1].to_str()) {
            (Some("wal"), Some("push")) => Some(Caller::Archiver),
            (Some("wal"), Some("fetch")) => Some(Caller::Recovery),
            _ => None,
        })
    }

    /// The code that the server is told.
    pub fn answer(self, exit: Exit) -> Exit {
        match (self, exit) {
            (_, Exit::Success) => Exit::Success,
            (Caller::Archiver, _) => Exit::Error,
            (Caller::Recovery, Exit::EndOfLog) => Exit::EndOfLog,
            (Caller::Recovery, _) => Exit::Doubt,
        }
    }
}

/// Does what is asked.
pub fn wal(args: &Wal, app: &App) -> Exit {
    let ended = match args {
        Wal::Push(args) => push(args, app),
        Wal::Fetch(args) => fetch(args, app),
        Wal::Status(args) => status::status(args, app),
    };
    match ended {
        Ok(exit) | Err(exit) => exit,
    }
}

fn push(args: &Push, app: &App) -> Result<Exit, Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let (source, path) = match args.words.as_slice() {
        [source, path] => (Some(source.as_str()), path),
        [path] => (None, path),
        _ => return Err(Exit::Usage),
    };
    let wal = KeptLog::Wal.chosen(&loaded, source)?;
    let pushed = push_file(wal, Path::new(path), &app.world, &app.stop).map_err(|f| fail(&f))?;
    pushed.remarks.iter().for_each(|remark| complain(remark));
    Ok(Exit::Success)
}

fn fetch(args: &Fetch, app: &App) -> Result<Exit, Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let (source, name, path) = match args.words.as_slice() {
        [source, name, path] => (Some(source.as_str()), name, path),
        [name, path] => (None, name, path),
        _ => return Err(Exit::Usage),
    };
    let wal = KeptLog::Wal.chosen(&loaded, source)?;
    let to = Path::new(path);
    let Some(name) = WalName::parse(name) else {
        complain(&format!("{name} is no name of a file of a log"));
        return Err(Exit::Usage);
    };
    let system = args.system.map(|system| system.to_string()).or_else(|| system_near(to));
    let Some(system) = system else {
        complain(
            "no global/pg_control in the working directory says which cluster asks; call it from the data directory, as \
             PostgreSQL does, or give --system",
        );
        return Err(Exit::Usage);
    };
    let stores = WalStores::of(wal, args.identity.clone().map(SecretRef::File), &app.world);
    match fetch_file(&stores, &system, name, to, &app.stop).map_err(|fault| fail(&fault))? {
        Fetched::Found(_) => Ok(Exit::Success),
        Fetched::EndOfLog => {
            complain(&format!("{name} is in no store, and nothing later: the log ends before it"));
            Ok(Exit::EndOfLog)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_end_but_a_proven_one_tells_a_server_that_its_log_ends() {
        let all = [
            Exit::Success,
            Exit::Error,
            Exit::Alert,
            Exit::Usage,
            Exit::Damage,
            Exit::Unreached,
            Exit::EndOfLog,
            Exit::Doubt,
            Exit::Bug,
            Exit::Busy,
            Exit::Invalid,
            Exit::Interrupted(15),
        ];
        for exit in all {
            let expected = match exit {
                Exit::Success => 0,
                Exit::EndOfLog => 1,
                _ => 200,
            };
            assert_eq!(Caller::Recovery.answer(exit).code(), expected, "{exit:?}");
            assert_eq!(Caller::Archiver.answer(exit).code(), expected.min(1), "{exit:?}");
        }
        let of = |words: &[&str]| Caller::of(words.iter().map(OsString::from));
        assert_eq!(of(&["vex", "wal", "fetch", "--help"]), Some(Caller::Recovery));
        assert_eq!(of(&["vex", "wal", "push"]), Some(Caller::Archiver));
        assert_eq!(of(&["vex", "wal", "status", "x"]), None);
    }
}
