//! What went wrong, once for the whole house: a kind that decides whether to try again, a code
//! for programs and languages, and what both and a person need: what was being done, to what, what
//! was found, and what to do.
//!
//! Knows no source and no store. No message is ever matched: code that must know more asks
//! `kind` or `code`.

use std::fmt;
use std::marker::PhantomData;

use crate::base::stop::Stopped;

/// What went wrong, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No such object.
    Missing,
    /// Something exists where nothing may; the key is taken.
    Exists,
    /// User, password, credentials, rights.
    Denied,
    /// No connection, or a lost one; a time-out, 408, 429 or 5xx; an answer that something on the
    /// way made or changed.
    Unreachable,
    /// A lock was not had in time, or the definitions changed under the dump.
    Busy,
    /// It can't be done as the job asks.
    Refused,
    /// No space left, or over a limit.
    Full,
    /// The object is larger than was to be read.
    TooLarge,
    /// What was read is not what was written, or must be there.
    Damaged,
    /// The run was stopped.
    Stopped,
    /// Anything else that was said.
    Failed,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [ErrorKind; 11] = [
        ErrorKind::Missing,
        ErrorKind::Exists,
        ErrorKind::Denied,
        ErrorKind::Unreachable,
        ErrorKind::Busy,
        ErrorKind::Refused,
        ErrorKind::Full,
        ErrorKind::TooLarge,
        ErrorKind::Damaged,
        ErrorKind::Stopped,
        ErrorKind::Failed,
    ];

    /// Whether the same call may work later.
    pub fn again(self) -> bool {
        matches!(self, ErrorKind::Unreachable | ErrorKind::Busy)
    }

    /// The code of an error that has none of its own.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Missing => "missing",
            ErrorKind::Exists => "exists",
            ErrorKind::Denied => "denied",
            ErrorKind::Unreachable => "unreachable",
            ErrorKind::Busy => "busy",
            ErrorKind::Refused => "refused",
            ErrorKind::Full => "full",
            ErrorKind::TooLarge => "too-large",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Stopped => "stopped",
            ErrorKind::Failed => "failed",
        }
    }
}

/// How often something was tried before it was given up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tries {
    /// What was found, in the order in which it was first found, and how often.
    pub found: Vec<(String, u32)>,
    /// From the first try to the last, in seconds.
    pub seconds: u64,
}

impl Tries {
    /// Notes what a try found.
    pub fn note(&mut self, found: &str) {
        match self.found.iter_mut().find(|(known, _)| known == found) {
            Some((_, count)) => *count += 1,
            None => self.found.push((found.to_owned(), 1)),
        }
    }

    /// How many there were.
    pub fn count(&self) -> u32 {
        self.found.iter().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.found.iter().map(|(found, count)| format!("{found} ×{count}"));
        let all = each.collect::<Vec<_>>().join(", ");
        write!(f, "tried {} times in {} s: {all}", self.count(), self.seconds)
    }
}

/// What a server itself calls an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeCode {
    /// An SQLSTATE: five letters and digits.
    State([u8; 5]),
    /// A number.
    Number(u16),
}

impl NativeCode {
    /// An SQLSTATE; `None` for what is none.
    pub fn state(text: &str) -> Option<NativeCode> {
        text.as_bytes().try_into().ok().map(NativeCode::State)
    }
}

/// Whose errors are of sources.
#[derive(Debug, Clone, Copy)]
pub enum OfSource {}

/// Whose errors are of stores.
#[derive(Debug, Clone, Copy)]
pub enum OfStore {}

/// An error: what was being done, to what, and what was found. `P` is whose it is, so that an error
/// of a store is never taken for one of a source.
#[derive(Debug)]
pub struct Error<P> {
    /// Its kind.
    pub kind: ErrorKind,
    /// A code of its own, where the kind does not say enough.
    pub code: Option<&'static str>,
    /// What the server itself calls it: an SQLSTATE, the number of an error.
    pub native: Option<NativeCode>,
    /// What was being done, to what: `read shop.orders`.
    pub doing: Box<str>,
    /// What was found.
    pub found: String,
    /// How often it was tried, where it was more than once.
    pub tries: Option<Box<Tries>>,
    /// What to do, as a sentence.
    pub hint: Option<Box<str>>,
    /// The cause.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// Whose it is.
    pub party: PhantomData<fn() -> P>,
}

impl<P> Error<P> {
    /// An error without cause or hint.
    pub fn new(kind: ErrorKind, doing: impl Into<String>, found: impl Into<String>) -> Error<P> {
        Error {
            kind,
            code: None,
            native: None,
            doing: doing.into().into(),
            found: found.into(),
            tries: None,
            hint: None,
            source: None,
            party: PhantomData,
        }
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Error<P> {
        self.hint = Some(hint.into().into());
        self
    }

    /// Adds a code of its own.
    pub fn with_code(mut self, code: &'static str) -> Error<P> {
        self.code = Some(code);
        self
    }

    /// Whether the server gave it this SQLSTATE.
    pub fn is_state(&self, state: &str) -> bool {
        matches!(self.native, Some(NativeCode::State(own)) if own == state.as_bytes())
    }

    /// Whether the server gave it this number.
    pub fn is_number(&self, number: u16) -> bool {
        self.native == Some(NativeCode::Number(number))
    }

    /// Adds how often it was tried.
    pub fn after(mut self, tries: Tries) -> Error<P> {
        self.tries = (tries.count() > 1).then(|| Box::new(tries));
        self
    }

    /// The code: its own, or that of its kind.
    pub fn code(&self) -> &'static str {
        self.code.unwrap_or(self.kind.code())
    }
}

impl<P> fmt::Display for Error<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to {}: {}", self.doing, self.found)?;
        match &self.tries {
            Some(tries) => write!(f, " ({tries})"),
            None => Ok(()),
        }
    }
}

impl<P: fmt::Debug> std::error::Error for Error<P> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

impl<P> From<Stopped> for Error<P> {
    fn from(_: Stopped) -> Error<P> {
        Error::new(ErrorKind::Stopped, "finish", "the run was stopped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_counted_by_what_they_found() {
        let mut tries = Tries { seconds: 240, ..Tries::default() };
        for found in ["503", "503", "no answer", "503"] {
            tries.note(found);
        }
        let error = Error::<OfStore>::new(ErrorKind::Unreachable, "write x", "503").after(tries);
        assert_eq!(
            error.to_string(),
            "unable to write x: 503 (tried 4 times in 240 s: 503 ×3, no answer ×1)"
        );
        assert_eq!(error.code(), "unreachable");
        let mut once = Tries::default();
        once.note("503");
        let error =
            Error::<OfStore>::new(ErrorKind::Full, "write x", "507").after(once).with_code("quota");
        assert_eq!((error.to_string().as_str(), error.code()), ("unable to write x: 507", "quota"));
    }
}
