//! A plain script of `pg_dump`, run over the wire: one statement after another, and what the server
//! would not take.
//!
//! Never through psql. The session is that of the script: its settings hold for the entries that
//! follow.

use std::io::Write;

use postgres::Client;

use crate::artifact::{Plain, plain_rows, plain_statement};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::allowed_program::is_of_program;
use crate::source::postgres::fault::{wrap, wrap_io};
use crate::source::postgres::single::single;
use crate::source::postgres::statement::is_doubtful;

/// Bytes of rows that are sent in one message.
const MESSAGE: usize = 256 << 10;

/// Longest beginning of a statement that is shown.
const SHOWN: usize = 80;

/// Whether a database is the same without a statement: a setting that older servers do not know,
/// and the comments of extensions, which only their owner may change.
pub fn is_harmless(statement: &str) -> bool {
    statement.starts_with("SET transaction_timeout")
        || statement.starts_with("COMMENT ON EXTENSION ")
}

/// A statement that the server would not take.
#[derive(Debug)]
pub struct Left {
    /// Its beginning.
    pub what: String,
    /// Why.
    pub error: Error,
    /// Whether that is nothing.
    pub harmless: bool,
}

/// Runs an entry of a script; returns what was left.
pub fn run_script(
    client: &mut Client,
    entry: &[u8],
    without_owner: bool,
    doing: &str,
) -> Result<Vec<Left>> {
    let damaged = |found: String| Error::new(ErrorKind::Damaged, doing, found);
    let (mut rest, mut left) = (entry, Vec::new());
    loop {
        let (text, bytes) = match plain_statement(rest).map_err(|e| damaged(e.to_string()))? {
            Plain::Statement { text, bytes } => (text, bytes),
            Plain::Open => return Err(damaged("it ends inside of a statement".into())),
            Plain::Blank => return Ok(left),
        };
        rest = &rest[bytes..];
        let statement = std::str::from_utf8(text).map_err(|e| damaged(e.to_string()))?;
        let done = allow(client, statement, doing);
        let done = if done.is_err() {
            if Plain::copies(text) {
                rest = &rest[plain_rows(rest).unwrap_or(rest.len())..];
            }
            done
        } else if Plain::copies(text) {
            let length = plain_rows(rest).ok_or_else(|| damaged("its rows have no end".into()))?;
            let rows = &rest[..length];
            rest = &rest[length..];
            copy(client, statement, &rows[..rows.len() - END], doing)
        } else if without_owner
            && statement.starts_with("ALTER ")
            && statement.contains(" OWNER TO ")
        {
            Ok(())
        } else {
            client.batch_execute(statement).map_err(|e| wrap(doing, e))
        };
        match done {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::Unreachable | ErrorKind::Stopped | ErrorKind::Damaged
                ) =>
            {
                return Err(error);
            }
            Err(error) => left.push(Left {
                what: beginning(statement),
                error,
                harmless: is_harmless(statement),
            }),
        }
    }
}

/// Refuses what pg_dump never writes of a database.
fn allow(client: &mut Client, statement: &str, doing: &str) -> Result<()> {
    if !is_of_program(statement) {
        let found = "vex does not run it, no pg_dump writes this";
        return Err(Error::new(ErrorKind::Failed, doing, found));
    }
    match is_doubtful(statement) {
        true => single(client, &[statement], doing),
        false => Ok(()),
    }
}

/// Bytes of the line that ends rows.
const END: usize = 3;

fn copy(client: &mut Client, statement: &str, rows: &[u8], doing: &str) -> Result<()> {
    let mut writer = client.copy_in(statement).map_err(|e| wrap(doing, e))?;
    for bytes in rows.chunks(MESSAGE) {
        writer.write_all(bytes).map_err(|e| wrap_io(doing, e))?;
    }
    let taken = writer.finish().map_err(|e| wrap(doing, e))?;
    let sent = memchr::memchr_iter(b'\n', rows).count() as u64;
    if taken == sent {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Damaged,
        doing,
        format!("{sent} rows were sent, and the server took {taken}"),
    ))
}

fn beginning(statement: &str) -> String {
    let line = statement.lines().next().unwrap_or_default();
    let short: String = line.chars().take(SHOWN).collect();
    if short.len() < statement.len() { format!("{short}…") } else { short }
}
