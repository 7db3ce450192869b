//! What the server, the wire and a client program say when they refuse, and what kind of refusal it
//! is.

use postgres::Client;

use crate::base::NativeCode;
use crate::source::contract::{Error, ErrorKind, Result};

/// The SQLSTATE with which a pooler refuses what it can't pass on at the start of a session.
pub const PROTOCOL_VIOLATION: &str = "08P01";

/// Runs statements that return nothing.
pub fn run(client: &mut Client, statements: &str, doing: &str) -> Result<()> {
    client.batch_execute(statements).map_err(|e| wrap(doing, e))
}

/// Wraps an error of the server or of the wire.
pub fn wrap(doing: &str, error: postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        let kind = if error.is_closed() || is_io(&error) {
            ErrorKind::Unreachable
        } else {
            ErrorKind::Failed
        };
        let cause = std::error::Error::source(&error).map_or(String::new(), |c| format!(": {c}"));
        return Error { source: None, ..Error::new(kind, doing, format!("{error}{cause}")) };
    };
    let (code, detail) = (db.code().code(), db.detail());
    said(doing, Said { code, message: db.message(), detail, hint: db.hint() })
}

/// What the server says when it refuses.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// SQLSTATE.
    pub code: &'a str,
    /// The message.
    pub message: &'a str,
    /// More of it.
    pub detail: Option<&'a str>,
    /// What to do.
    pub hint: Option<&'a str>,
}

/// An error in the server's own words.
pub fn said(doing: &str, said: Said<'_>) -> Error {
    // Classes and codes: appendix A of the PostgreSQL manual.
    let kind = match said.code {
        "42501" | "28000" | "28P01" | "0P000" => ErrorKind::Denied,
        "55P03" | "40001" | "40P01" | "55006" => ErrorKind::Busy,
        "42P04" | "42P06" | "42P07" | "42710" | "42723" => ErrorKind::Exists,
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03" | "25P04" => {
            ErrorKind::Unreachable
        }
        "53100" => ErrorKind::Full,
        "25006" => ErrorKind::Refused,
        other if other.starts_with("08") => ErrorKind::Unreachable,
        _ => ErrorKind::Failed,
    };
    let detail = said.detail.map_or(String::new(), |d| format!("; {d}"));
    let error =
        Error::new(kind, doing, format!("{}{detail} (SQLSTATE {})", said.message, said.code));
    let error = Error { native: NativeCode::state(said.code), ..error };
    match (kind, said.hint) {
        (ErrorKind::Denied, None) if said.code == "28P01" => {
            error.hint("Check user and password, and the server's pg_hba.conf.")
        }
        (ErrorKind::Denied, None) => {
            error.hint("`vex doctor` names the privilege and the GRANT that is missing.")
        }
        (_, Some(hint)) => error.hint(hint),
        (_, None) => error,
    }
}

/// The SQLSTATE of an error that a server said.
pub fn sqlstate(error: &Error) -> Option<&str> {
    match &error.native {
        Some(NativeCode::State(state)) => std::str::from_utf8(state).ok(),
        Some(NativeCode::Number(_)) | None => None,
    }
}

/// What a server says of stored bytes that it can't read, or of a value that it can't show; nothing
/// where it was ended, or lacks room or a right.
pub fn unreadable(error: &Error) -> Option<String> {
    let passing = |code: &str| ["25", "40", "53", "57"].iter().any(|c| code.starts_with(c));
    let said = error.kind == ErrorKind::Failed && sqlstate(error).is_some_and(|c| !passing(c));
    said.then(|| error.found.clone())
}

/// Wraps an error that came as one of reading or writing rows.
pub fn wrap_io(doing: &str, error: std::io::Error) -> Error {
    match error.downcast::<postgres::Error>() {
        Ok(own) => wrap(doing, own),
        Err(other) => Error::new(ErrorKind::Unreachable, doing, other.to_string()),
    }
}

/// Wraps an error of a connection that had to be encrypted.
pub fn unencrypted(doing: &str, error: postgres::Error) -> Error {
    let untrusted = causes(&error).any(|cause| certificate(cause).is_some());
    if error.as_db_error().is_some() || (!untrusted && is_io(&error)) {
        return wrap(doing, error);
    }
    let hint = match untrusted {
        true => {
            "`ca` names the certificates that are trusted; verify-full also wants the host's name in the server's."
        }
        false => {
            "Give the server a certificate, or write `tls \"off\"` if nobody can listen on the way."
        }
    };
    Error { kind: ErrorKind::Refused, ..wrap(doing, error) }.hint(hint)
}

/// What was wrong with a certificate or a handshake.
fn certificate<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.and_then(|e| e.downcast_ref()).or_else(|| cause.downcast_ref())
}

fn is_io(error: &postgres::Error) -> bool {
    causes(error).any(|cause| cause.is::<std::io::Error>())
}

/// The causes of an error, the nearest first.
fn causes(error: &postgres::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}
