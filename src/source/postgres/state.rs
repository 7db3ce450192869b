//! What `pg_dump` does not tell with the definitions: where sequences stand and whose they are, and
//! which materialized views hold rows.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;

use crate::source::contract::Result;
use crate::source::postgres::definition::{literal, qualified};
use crate::source::postgres::fault::{run, unreadable, wrap};

/// The statement that sets each sequence to where it stands. Sequences are not bound by the
/// snapshot: read after it was made, none stands before a row of it.
pub fn sequences(
    client: &mut Client,
    unit: &str,
    lost: &mut Vec<String>,
) -> Result<BTreeMap<u32, String>> {
    let doing = "read the sequences";
    let list = "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND c.relpersistence <> 't' \
                AND n.nspname !~ '^pg_temp' ORDER BY c.oid";
    let all = client.query(list, &[]).map_err(|e| wrap(doing, e))?;
    let all: Vec<Sequence> = all.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect();
    let mut found = BTreeMap::new();
    for batch in all.chunks(100) {
        match states(client, batch) {
            Err(error) if unreadable(&error).is_some() => {}
            other => {
                found.extend(other?);
                continue;
            }
        }
        for one in batch {
            match states(client, std::slice::from_ref(one)) {
                Err(error) => {
                    let Some(why) = unreadable(&error) else { return Err(error) };
                    lost.push(format!("where sequence {unit}.{}.{} stands: {why}", one.1, one.2));
                }
                Ok(state) => found.extend(state),
            }
        }
    }
    Ok(found)
}

/// A sequence: identifier, schema, name.
type Sequence = (u32, String, String);

/// The statements for some sequences. The transaction goes on if one can't be read.
fn states(client: &mut Client, batch: &[Sequence]) -> Result<Vec<(u32, String)>> {
    let doing = "read the sequences";
    let select = |(oid, schema, name): &Sequence| {
        format!("SELECT {oid}::oid, last_value, is_called FROM {}", qualified(schema, name))
    };
    let selects: Vec<String> = batch.iter().map(select).collect();
    run(client, "SAVEPOINT sequences", doing)?;
    let states = match client.query(selects.join(" UNION ALL ").as_str(), &[]) {
        Ok(states) => states,
        Err(error) => {
            let error = wrap(doing, error);
            run(client, "ROLLBACK TO SAVEPOINT sequences", doing)?;
            return Err(error);
        }
    };
    run(client, "RELEASE SAVEPOINT sequences", doing)?;
    let states: BTreeMap<u32, (i64, bool)> =
        states.iter().map(|r| (r.get(0), (r.get(1), r.get(2)))).collect();
    let statement = |(oid, schema, name): &Sequence| {
        let (last, called) = states.get(oid)?;
        let place = literal(&qualified(schema, name));
        Some((*oid, format!("SELECT pg_catalog.setval({place}, {last}, {called});\n")))
    };
    Ok(batch.iter().filter_map(statement).collect())
}

/// Partitions whose rows another server, or another database, may put into others: those of a table
/// that is cut somewhere by a hash of an enum, which is a hash of identifiers. Each with the table
/// that they are all partitions of, by which their rows are loaded.
pub fn through_root(client: &mut Client, number: u32) -> Result<BTreeMap<u32, u32>> {
    // Nobody cut by a hash before.
    if number < 110_000 {
        return Ok(BTreeMap::new());
    }
    let sql = "WITH RECURSIVE cut AS (SELECT p.partrelid FROM pg_catalog.pg_partitioned_table p WHERE p.partstrat = 'h' AND EXISTS \
                 (SELECT 1 FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod WHERE c.oid = ANY(p.partclass) \
                  AND c.opcname = 'enum_ops' AND c.opcnamespace = 'pg_catalog'::regnamespace AND a.amname = 'hash')), \
               up(leaf, parent) AS (SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i \
                 JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relispartition \
                 UNION ALL SELECT u.leaf, i.inhparent FROM up u JOIN pg_catalog.pg_inherits i ON i.inhrelid = u.parent \
                 JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relispartition) \
               SELECT u.leaf, u.parent FROM up u WHERE u.parent IN (SELECT t.parent FROM up t \
                 JOIN pg_catalog.pg_class c ON c.oid = t.parent AND NOT c.relispartition \
                 WHERE EXISTS (SELECT 1 FROM up o JOIN cut ON cut.partrelid = o.parent WHERE o.leaf = t.leaf))";
    let rows = client.query(sql, &[]).map_err(|e| wrap("list the partitions", e))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Materialized views that hold rows.
pub fn filled(client: &mut Client) -> Result<BTreeSet<u32>> {
    let sql = "SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'm' AND relispopulated";
    let rows = client.query(sql, &[]).map_err(|e| wrap("list the materialized views", e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The table that owns each sequence.
pub fn owned(client: &mut Client) -> Result<BTreeMap<u32, u32>> {
    let sql = "SELECT d.objid, d.refobjid FROM pg_catalog.pg_depend d \
               WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass \
               AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0 \
               AND d.objid IN (SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'S')";
    let rows = client.query(sql, &[]).map_err(|e| wrap("list the owners of sequences", e))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
