//! What the server and the wire say when they refuse, and what kind of refusal it is.

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::base::NativeCode;
use crate::source::contract::{Error, ErrorKind, Result};

/// The error of a collation that the server does not have.
const UNKNOWN_COLLATION: u16 = 1273;

/// Runs a statement that returns nothing.
pub fn run(connection: &mut Conn, statement: &str, doing: &str) -> Result<()> {
    connection.query_drop(statement).map_err(|e| wrap(doing, e))
}

/// What an error of the server or of the wire is.
pub fn kind(error: &mysql::Error) -> ErrorKind {
    match error {
        mysql::Error::IoError(_) | mysql::Error::CodecError(_) => ErrorKind::Unreachable,
        mysql::Error::MySqlError(e) => match e.code {
            1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1410 | 1698 => ErrorKind::Denied,
            1205 | 1213 | 1412 | 3058 => ErrorKind::Busy,
            1007 | 1050 | 1304 | 1359 | 1537 => ErrorKind::Exists,
            // No room on the disk, or in the file of a table.
            1021 | 1114 => ErrorKind::Full,
            1040 | 1053 | 1927 | 2006 | 2013 | 3024 | 3169 => ErrorKind::Unreachable,
            _ => ErrorKind::Failed,
        },
        mysql::Error::DriverError(
            mysql::DriverError::CouldNotConnect(_) | mysql::DriverError::ConnectTimeout,
        ) => ErrorKind::Unreachable,
        mysql::Error::DriverError(_)
        | mysql::Error::UrlError(_)
        | mysql::Error::FromValueError(_)
        | mysql::Error::FromRowError(_)
        | mysql::Error::TlsError(_) => ErrorKind::Failed,
    }
}

/// Whether an error is about the stored bytes of what is read: a file that is not there, a page that
/// is not whole, an engine that is not loaded.
pub fn is_damage(error: &mysql::Error) -> bool {
    let mysql::Error::MySqlError(e) = error else { return false };
    // Below 1000 are errors of files and engines as they come up.
    matches!(e.code, 2 | 29 | 120..=195)
        || matches!(e.code, 1016 | 1017 | 1018 | 1024 | 1030 | 1032..=1035 | 1168 | 1194 | 1195)
        || matches!(e.code, 1286 | 1296 | 1712 | 1808 | 1812 | 1814 | 1815 | 1877 | 1932 | 3185)
}

/// Wraps an error of the server or of the wire.
pub fn wrap(doing: &str, error: mysql::Error) -> Error {
    let kind = kind(&error);
    let number = match &error {
        mysql::Error::MySqlError(e) => Some(e.code),
        _ => None,
    };
    let found = match &error {
        // The server's own words; the crate would add its name of the error's kind.
        mysql::Error::MySqlError(e) => format!("{} (error {})", e.message, e.code),
        // The crate's own name of the variant is for its programmers.
        mysql::Error::DriverError(e) => e.to_string(),
        mysql::Error::IoError(e) => e.to_string(),
        other => other.to_string(),
    };
    let mut error = Error::new(kind, doing, found);
    error.native = number.map(NativeCode::Number);
    if number == Some(UNKNOWN_COLLATION) {
        return error
            .hint("`--map-collation ready` takes what is nearest in MariaDB, OLD=NEW any other.");
    }
    match number {
        Some(1045 | 1698) => {
            error.hint("Check user and password, and from which hosts it may come.")
        }
        _ if kind == ErrorKind::Denied => {
            error.hint("`vex doctor FILE` names each right that is missing, with its GRANT.")
        }
        _ => error,
    }
}
