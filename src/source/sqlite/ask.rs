//! One question, as a person would type it, on a connection that may only read.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use crate::source::answer::only;
use crate::source::contract::Result;
use crate::source::sqlite::open::failed;

/// The one value that a query gives.
pub fn ask(path: &Path, place: &str, sql: &str) -> Result<Option<String>> {
    let doing = format!("ask {place} `{sql}`");
    let fail = |e| failed(&doing, e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    let mut statement = connection.prepare(sql).map_err(fail)?;
    let columns = statement.column_count();
    let row = |row: &Row<'_>| (0..columns).map(|i| Ok(text(row.get_ref(i)?))).collect();
    // A second row is one too many already.
    let rows = statement.query_map([], row).map_err(fail)?.take(2);
    only(&doing, rows.collect::<rusqlite::Result<_>>().map_err(fail)?)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(format!("{number:?}")),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Some(bytes.iter().map(|b| format!("{b:02x}")).collect()),
    }
}
