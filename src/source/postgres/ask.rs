//! One question, as a person would type it: session settings as the server gives them, and a
//! transaction that may only read.

use postgres::SimpleQueryMessage;

use crate::source::answer::only;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::fault::wrap;

/// The one value that a query gives, in a database.
pub fn ask(connector: &Connector, unit: Option<&str>, sql: &str) -> Result<Option<String>> {
    let doing = format!("ask {} `{sql}`", connector.place());
    let Some(unit) = unit else {
        let error = Error::new(ErrorKind::Refused, doing, "the backup has several databases");
        return Err(error.hint("Say in which it is asked: `in=\"…\"`."));
    };
    let mut client = connector.connect(unit, "ask")?;
    client.batch_execute("START TRANSACTION READ ONLY").map_err(|e| wrap(&doing, e))?;
    let mut rows = Vec::new();
    for message in client.simple_query(sql).map_err(|e| wrap(&doing, e))? {
        if let SimpleQueryMessage::Row(row) = message {
            rows.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect());
        }
    }
    only(&doing, rows)
}
