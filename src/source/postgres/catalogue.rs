//! What a server of PostgreSQL holds that `pg_dump` does not write: things that belong to the server,
//! and what somebody made inside of its own schemas.
//!
//! Invariant: every catalogue is decided on; a test asks the servers for theirs.

use postgres::Client;

use crate::source::contract::{ErrorKind, Result};
use crate::source::postgres::fault::wrap;

/// Catalogues, without `pg_`, whose contents `pg_dump` writes, or `pg_dumpall`.
const DUMPED: &str = "aggregate am amop amproc attrdef attribute auth_members authid cast class collation constraint \
    conversion database db_role_setting default_acl depend description enum event_trigger extension \
    foreign_data_wrapper foreign_server foreign_table index inherits init_privs language largeobject \
    largeobject_metadata namespace opclass operator opfamily parameter_acl partitioned_table policy proc publication \
    publication_namespace publication_rel range rewrite seclabel sequence shdepend shdescription shseclabel \
    statistic_ext subscription tablespace transform trigger ts_config ts_config_map ts_dict ts_parser ts_template type \
    user_mapping";

/// Catalogues that a server fills by itself, or that are told.
const OTHER: &str = "replication_origin statistic statistic_ext_data subscription_rel";

/// Objects that belong to the server: what they are, and their names.
const TOLD: [(&str, &str); 3] = [
    (
        "replication slots",
        "SELECT slot_name::text FROM pg_catalog.pg_replication_slots WHERE NOT temporary ORDER BY 1",
    ),
    ("replication origins", "SELECT roname FROM pg_catalog.pg_replication_origin ORDER BY 1"),
    ("prepared transactions", "SELECT gid FROM pg_catalog.pg_prepared_xacts ORDER BY 1"),
];

/// Whether somebody decided what becomes of a catalogue.
pub fn is_decided(name: &str) -> bool {
    let name = name.strip_prefix("pg_").unwrap_or(name);
    [DUMPED, OTHER].iter().any(|list| list.split_whitespace().any(|word| word == name))
}

/// Names what belongs to the server.
pub fn server_objects(client: &mut Client) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (what, sql) in TOLD {
        let doing = format!("list the {what}");
        match client.query(sql, &[]).map_err(|e| wrap(&doing, e)) {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => {
                let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
                found.push(format!("{what}: {}", names.join(", ")));
            }
            Err(error) if error.kind == ErrorKind::Denied => {
                found.push(format!("{what}, if there are any: the user may not look"));
            }
            Err(error) => return Err(error),
        }
    }
    let sql = "SELECT relname::text FROM pg_catalog.pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' \
               AND oid < 16384 ORDER BY 1";
    let rows = client.query(sql, &[]).map_err(|e| wrap("list the catalogues", e))?;
    let unknown = rows.iter().map(|row| row.get::<_, String>(0)).filter(|name| !is_decided(name));
    found.extend(unknown.map(|name| {
        format!("what {name} holds, as far as pg_dump does not write it: this vex does not know what it is")
    }));
    Ok(found)
}

/// What somebody made in the schemas of the server itself, of which `pg_dump` writes nothing.
pub fn hidden(client: &mut Client, unit: &str) -> Result<Vec<String>> {
    let of = |what: &str, catalogue: &str, schema: &str, name: &str, also: &str| {
        format!(
            "SELECT '{what} ' || n.nspname || '.' || {name} FROM pg_catalog.{catalogue} o \
             JOIN pg_catalog.pg_namespace n ON n.oid = o.{schema} \
             WHERE o.oid >= 16384 AND n.nspname IN ('pg_catalog', 'information_schema') {also} \
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.{catalogue}'::regclass \
             AND d.objid = o.oid AND d.deptype = 'e')"
        )
    };
    let sql = [
        of("routine", "pg_proc", "pronamespace", "o.proname", ""),
        of(
            "relation",
            "pg_class",
            "relnamespace",
            "o.relname",
            "AND o.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')",
        ),
        of(
            "type",
            "pg_type",
            "typnamespace",
            "o.typname",
            "AND o.typtype IN ('e', 'd', 'r', 'b') AND o.typelem = 0",
        ),
        of("operator", "pg_operator", "oprnamespace", "o.oprname", ""),
    ]
    .join(" UNION ALL ");
    let doing = format!("look for objects in the server's own schemas of {unit}");
    let rows = client.query(&format!("{sql} ORDER BY 1"), &[]).map_err(|e| wrap(&doing, e))?;
    let line = |row: &postgres::Row| {
        format!("{unit}: {}, which stands in a schema of the server", row.get::<_, String>(0))
    };
    Ok(rows.iter().map(line).collect())
}
