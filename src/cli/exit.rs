//! The table of exit codes; the only file with their numbers. The README shows the same table.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Sucesso, or Alerta without `--strict`.
    Success,
    /// Erro.
    Error,
    /// Alerta under `--strict`; of a restore, that it was not the newest backup; of a status, that
    /// something is overdue.
    Alert,
    /// The command line is wrong.
    Usage,
    /// Damage was found.
    Damage,
    /// Nothing reaches the moment that was asked for.
    Unreached,
    /// A file of a log that is in no store: for PostgreSQL, the end of the log.
    EndOfLog,
    /// A file of a log that may be there: PostgreSQL must stop.
    Doubt,
    /// A bug.
    Bug,
    /// Another run holds the job.
    Busy,
    /// The job file or site is invalid.
    Invalid,
    /// Interrupted by a signal: 128 and its number.
    Interrupted(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Error => 1,
            Exit::Alert => 2,
            Exit::Usage => 64,
            Exit::Damage => 65,
            Exit::Unreached => 66,
            Exit::EndOfLog => 1,
            // From 126 on, a server that recovers stops.
            Exit::Doubt => 200,
            Exit::Bug => 70,
            Exit::Busy => 75,
            Exit::Invalid => 78,
            Exit::Interrupted(code) => code,
        }
    }

    /// How a failure ends the process, by its code.
    pub fn of(code: &str) -> Exit {
        match code {
            "damage" | "differs" | "no-good-backup" => Exit::Damage,
            "unreached" => Exit::Unreached,
            "usage" => Exit::Usage,
            "target-busy" => Exit::Busy,
            "bug" => Exit::Bug,
            _ => Exit::Error,
        }
    }

    /// The worse of two: an interruption, then the higher of the rest, by what somebody must do.
    pub fn worse(self, other: Exit) -> Exit {
        let weight = |e: Exit| match e {
            Exit::Success => 0,
            Exit::Alert => 1,
            Exit::Busy => 2,
            Exit::EndOfLog => 3,
            Exit::Error => 4,
            Exit::Unreached => 5,
            Exit::Damage => 6,
            Exit::Invalid => 7,
            Exit::Usage => 8,
            Exit::Bug => 9,
            Exit::Doubt => 10,
            Exit::Interrupted(_) => 11,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
