//! The answer to a question that must have one: one row of one column.

use crate::source::contract::{Error, ErrorKind, Result};

/// The only value of the only row; each row comes as its values.
pub fn only(doing: &str, rows: Vec<Vec<Option<String>>>) -> Result<Option<String>> {
    let refuse = |found: String| {
        let error = Error::new(ErrorKind::Refused, doing, found);
        Err(error.hint("Ask for one row of one column."))
    };
    match rows.as_slice() {
        [row] if row.len() == 1 => Ok(row[0].clone()),
        [row] => refuse(format!("it has {} columns", row.len())),
        [] => refuse("it has no row".to_owned()),
        _ => refuse("it has more than one row".to_owned()),
    }
}
