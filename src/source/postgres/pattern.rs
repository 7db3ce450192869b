//! What a job leaves out, as words of `pg_dump`: exact names between quotes, never the patterns of
//! the job.
//!
//! Which tables these are is decided by `survey.rs`, as for every engine. Between double quotes no
//! character means anything to `pg_dump` (`processSQLNamePattern`), and each word is an argument of
//! its own.

use crate::job::PostgresSpec;
use crate::source::contract::Result;
use crate::source::postgres::definition::{qualified, quoted};
use crate::source::postgres::fault::wrap;
use crate::source::postgres::survey::{takes_schema, takes_table};
use crate::source::postgres::view::View;

/// The words for one database, whose snapshot is read.
pub fn patterns(spec: &PostgresSpec, view: &mut View) -> Result<Vec<String>> {
    let doing = format!("list the schemas of {}", view.unit);
    let sql = "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' \
               AND nspname <> 'information_schema' ORDER BY 1";
    let schemas: Vec<String> = view
        .client
        .query(sql, &[])
        .map_err(|e| wrap(&doing, e))?
        .iter()
        .map(|row| row.get(0))
        .collect();
    let mut left = Vec::new();
    for schema in schemas.iter().filter(|s| !takes_schema(spec, &view.unit, s)) {
        left.push(format!("--exclude-schema={}", quoted(schema)));
    }
    let sql = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1) ORDER BY 1, 2";
    let without: Vec<u32> = view.without.iter().copied().collect();
    for row in view.client.query(sql, &[&without]).map_err(|e| wrap(&doing, e))? {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        if takes_schema(spec, &view.unit, &schema) {
            left.push(format!("--exclude-table={}", qualified(&schema, &name)));
        }
    }
    for relation in
        view.relations.iter().filter(|r| r.has_rows() && !takes_table(spec, &view.unit, r).1)
    {
        left.push(format!("--exclude-table-data={}", qualified(&relation.schema, &relation.name)));
    }
    Ok(left)
}
