//! Whether a text is one statement, by the word of the server that would run it: it parses a prepared
//! statement alone.

use postgres::Client;
use postgres::error::SqlState;

use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::fault::wrap;

/// Refuses texts of which one is more than a statement. What the server understands and would not
/// run is said when it is run.
pub fn single(client: &mut Client, texts: &[&str], doing: &str) -> Result<()> {
    for text in texts {
        match client.prepare(text) {
            Err(error) if error.code() == Some(&SqlState::SYNTAX_ERROR) => {
                let found = format!("it is not one statement: {}", wrap(doing, error).found);
                return Err(Error::new(ErrorKind::Failed, doing, found));
            }
            Err(error) if error.as_db_error().is_none() => return Err(wrap(doing, error)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}
