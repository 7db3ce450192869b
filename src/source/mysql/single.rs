//! Whether a text is one statement, by the word of the server that would run it: only its parser
//! knows where the body of a routine ends, and the wire lets a client send several at once.

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::write_bytes;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::fault::wrap;

/// The error of what the server can't parse.
const SYNTAX: u16 = 1064;

/// The error of a statement that can't be prepared: it was understood.
const UNPREPARED: u16 = 1295;

/// Longest text that is asked about: it goes there in hexadecimal.
const LONGEST: usize = 4 << 20;

/// Refuses what is more than one statement. Without `;` nothing is. What the server understands and
/// would not run is said when it is run.
pub fn single(connection: &mut Conn, text: &str, doing: &str) -> Result<()> {
    if !text.contains(';') {
        return Ok(());
    }
    let refuse = |found: String| Err(Error::new(ErrorKind::Failed, doing, found));
    if text.len() > LONGEST {
        return refuse(format!("{} bytes of code are too many to be looked through", text.len()));
    }
    let mut sql = b"SET @vex_one=_binary ".to_vec();
    write_bytes(text.as_bytes(), &mut sql);
    let sql = String::from_utf8(sql).expect("BUG: digits that are not UTF-8");
    connection.query_drop(sql).map_err(|e| wrap(doing, e))?;
    let asked = connection.query_drop("PREPARE vex_one FROM @vex_one");
    // Up to some megabytes, in a session that goes on.
    connection.query_drop("SET @vex_one=NULL").map_err(|e| wrap(doing, e))?;
    match asked {
        Ok(()) => {
            let done = connection.query_drop("DEALLOCATE PREPARE vex_one");
            done.map_err(|e| wrap(doing, e))
        }
        Err(mysql::Error::MySqlError(e)) if e.code == SYNTAX => {
            refuse(format!("it is not one statement: {} (error {SYNTAX})", e.message))
        }
        Err(mysql::Error::MySqlError(e)) if e.code == UNPREPARED => Ok(()),
        // A name that it does not know; it parsed the text to its end first.
        Err(mysql::Error::MySqlError(_)) => Ok(()),
        Err(error) => Err(wrap(doing, error)),
    }
}
