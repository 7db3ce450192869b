//! What a database holds: its tables, without locks.
//!
//! Invariant: what the job includes and excludes is decided here and nowhere else.

use std::collections::BTreeMap;

use postgres::Client;

use crate::job::PostgresSpec;
use crate::source::contract::Result;
use crate::source::patterns::Patterns;
use crate::source::postgres::binary::Form;
use crate::source::postgres::fault::{run, wrap};

/// A relation that may have rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its object identifier.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`: `r` a table, `p` a partitioned one, `f` a foreign one.
    pub kind: char,
    /// `pg_class.relpersistence`: `p` permanent, `u` unlogged.
    pub persistence: char,
    /// Estimated rows.
    pub rows: u64,
    /// Bytes of its main fork.
    pub heap: u64,
    /// Bytes of all of it but indexes: with what is stored out of line.
    pub bytes: u64,
    /// Access method: `heap`, or one that has no ctid.
    pub method: String,
    /// Whether a policy may hide rows.
    pub guarded: bool,
    /// The extension it belongs to, and whether that wants its rows dumped.
    pub extension: Option<(bool, Option<String>)>,
}

impl Relation {
    /// `schema.name`.
    pub fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Whether rows of it are its own.
    pub fn has_rows(&self) -> bool {
        self.kind == 'r'
    }
}

/// Whether a job takes a schema.
pub fn takes_schema(spec: &PostgresSpec, unit: &str, schema: &str) -> bool {
    let title = format!("{unit}.{schema}");
    (spec.schemas.is_empty() || spec.schemas.iter().any(|g| g.matches(&title)))
        && !spec.exclude.iter().any(|g| g.matches(&title))
}

/// Whether a job takes a table: its definition, and whether its rows too.
pub fn takes_table(spec: &PostgresSpec, unit: &str, relation: &Relation) -> (bool, bool) {
    let title = format!("{unit}.{}", relation.title());
    let defined = takes_schema(spec, unit, &relation.schema)
        && !spec.exclude.iter().any(|g| g.matches(&title));
    (defined, defined && (spec.tables.is_empty() || spec.tables.iter().any(|g| g.matches(&title))))
}

/// Takes note of all schemas and tables of a database, for patterns that fit none.
pub fn see(
    client: &mut Client,
    unit: &str,
    relations: &[Relation],
    patterns: &mut Patterns,
) -> Result<()> {
    let doing = format!("list the schemas of {unit}");
    let sql = "SELECT nspname::text FROM pg_catalog.pg_namespace";
    for row in client.query(sql, &[]).map_err(|e| wrap(&doing, e))? {
        let schema: String = row.get(0);
        patterns.see(&["exclude", "schemas"], &format!("{unit}.{schema}"));
    }
    for relation in relations {
        patterns.see(&["exclude", "tables"], &format!("{unit}.{}", relation.title()));
    }
    Ok(())
}

/// The types whose values vex reads in the binary format.
pub fn forms(client: &mut Client) -> Result<BTreeMap<u32, Form>> {
    // A function of another schema than the server's own is shown with its schema, and is none that
    // is known.
    let sql = "SELECT oid, typoutput::regproc::text, typsend::regproc::text FROM pg_catalog.pg_type \
               WHERE typsend <> 0 AND pg_catalog.current_setting('server_version_num')::int4 >= 100000";
    let rows = client.query(sql, &[]).map_err(|e| wrap("list the types", e))?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((row.get(0), Form::of(row.get(1), row.get(2))?)))
        .collect())
}

/// Measures relations whose locks are held: asking for the size of one that is locked would wait
/// for it.
pub fn measure(client: &mut Client, relations: &mut [Relation]) -> Result<()> {
    let oids: Vec<u32> = relations.iter().filter(|r| r.has_rows()).map(|r| r.oid).collect();
    let sql = "SELECT o, pg_catalog.pg_relation_size(o), pg_catalog.pg_table_size(o) FROM unnest($1::oid[]) o";
    let rows = client.query(sql, &[&oids]).map_err(|e| wrap("measure the tables", e))?;
    let size = |value: Option<i64>| u64::try_from(value.unwrap_or(0)).unwrap_or(0);
    let sizes: BTreeMap<u32, (u64, u64)> =
        rows.iter().map(|r| (r.get(0), (size(r.get(1)), size(r.get(2))))).collect();
    for relation in relations {
        if let Some((heap, bytes)) = sizes.get(&relation.oid) {
            (relation.heap, relation.bytes) = (*heap, *bytes);
        }
    }
    Ok(())
}

/// All relations of a database that may have rows, the system's left out; no lock is needed, so
/// their sizes are what the server last knew.
pub fn relations(client: &mut Client, unit: &str) -> Result<Vec<Relation>> {
    list(client, unit, "true")
}

/// The same with the sizes of now, but for tables that somebody keeps everybody off.
pub fn glance(client: &mut Client, unit: &str) -> Result<Vec<Relation>> {
    // A lock that is taken between the two looks.
    run(client, "SET lock_timeout='5s'", &format!("list the tables of {unit}"))?;
    list(client, unit, KEPT)
}

/// Whether `c` is locked, or about to be, so that nobody can even ask for its size.
pub const KEPT: &str = "c.oid IN (SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.mode = 'AccessExclusiveLock' \
     AND l.relation IS NOT NULL AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
     AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))";

fn list(client: &mut Client, unit: &str, kept: &str) -> Result<Vec<Relation>> {
    let known = "c.relpages::int8 * pg_catalog.current_setting('block_size')::int8";
    let sql = format!(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, \
         greatest(c.reltuples, 0)::int8, \
         CASE WHEN c.relkind <> 'r' THEN 0 WHEN {kept} THEN {known} ELSE pg_catalog.pg_relation_size(c.oid) END, \
         CASE WHEN c.relkind <> 'r' THEN 0 WHEN {kept} THEN {known} ELSE pg_catalog.pg_table_size(c.oid) END, \
         coalesce(a.amname, ''), c.relrowsecurity, \
         x.extname IS NOT NULL, c.oid = ANY(x.extconfig), x.extcondition[array_position(x.extconfig, c.oid)] \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam \
         LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid \
           AND d.objsubid = 0 AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e' \
         LEFT JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid \
         WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' \
           AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' \
         ORDER BY n.nspname, c.relname"
    );
    let doing = format!("list the tables of {unit}");
    let rows = client.query(&sql, &[]).map_err(|e| wrap(&doing, e))?;
    let size = |value: Option<i64>| u64::try_from(value.unwrap_or(0)).unwrap_or(0);
    let letter = |value: i8| char::from(value.unsigned_abs());
    Ok(rows
        .iter()
        .map(|row| Relation {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            kind: letter(row.get(3)),
            persistence: letter(row.get(4)),
            rows: size(row.get(5)),
            heap: size(row.get(6)),
            bytes: size(row.get(7)),
            method: row.get(8),
            guarded: row.get(9),
            extension: row
                .get::<_, bool>(10)
                .then(|| (row.get::<_, Option<bool>>(11) == Some(true), row.get(12))),
        })
        .collect())
}
