//! What asks a server for the names of the objects of a database.

use crate::artifact::Kind;

/// What asks for the names of each kind of object in a database.
pub fn queries_of_names(schema: &str) -> [(Kind, String); 10] {
    let of = |name: &str, list: &str, own: &str, also: &str| {
        format!("SELECT {name} FROM information_schema.{list} WHERE {own}={schema}{also}")
    };
    let table =
        |form: &str| of("TABLE_NAME", "TABLES", "TABLE_SCHEMA", &format!(" AND TABLE_TYPE {form}"));
    [
        (Kind::Database, of("''", "SCHEMATA", "SCHEMA_NAME", "")),
        (Kind::Table, table("NOT IN ('VIEW', 'SEQUENCE')")),
        (Kind::Sequence, table("='SEQUENCE'")),
        (Kind::View, table("='VIEW'")),
        (Kind::Trigger, of("TRIGGER_NAME", "TRIGGERS", "TRIGGER_SCHEMA", "")),
        (Kind::Event, of("EVENT_NAME", "EVENTS", "EVENT_SCHEMA", "")),
        (Kind::Function, routine(schema, "FUNCTION")),
        (Kind::Procedure, routine(schema, "PROCEDURE")),
        (Kind::Package, routine(schema, "PACKAGE")),
        (Kind::PackageBody, routine(schema, "PACKAGE BODY")),
    ]
}

fn routine(schema: &str, form: &str) -> String {
    format!(
        "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA={schema} AND ROUTINE_TYPE='{form}'"
    )
}
