//! One question, as a person would type it: session settings as the server gives them, and a
//! transaction that may only read.

use mysql::Value;
use mysql::prelude::Queryable;

use crate::source::answer::only;
use crate::source::contract::Result;
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::schema::quoted;

/// The one value that a query gives, in a database if one is named.
pub fn ask(connector: &Connector, unit: Option<&str>, sql: &str) -> Result<Option<String>> {
    let doing = format!("ask {} `{sql}`", connector.place());
    let mut connection = connector.connect("ask")?;
    if let Some(unit) = unit {
        run(&mut connection, &format!("USE {}", quoted(unit)), &doing)?;
    }
    run(&mut connection, "START TRANSACTION READ ONLY", &doing)?;
    let mut rows = Vec::new();
    let answer = connection.query_iter(sql).map_err(|e| wrap(&doing, e))?;
    // A second row is one too many already.
    for row in answer.take(2) {
        let row = row.map_err(|e| wrap(&doing, e))?;
        rows.push(row.unwrap().into_iter().map(text).collect());
    }
    only(&doing, rows)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}
