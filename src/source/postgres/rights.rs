//! The rights that a restore needs, asked of the target before anything is written.
//!
//! Changes nothing. Owners and extensions of others are told by what is refused: no statement that
//! makes a superuser is ever advised.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;

use crate::artifact::Member;
use crate::base::{Finding, Grade, Stop};
use crate::source::contract::{Loading, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::definition::quoted;
use crate::source::postgres::fault::wrap;

/// Who asks, whether it may do everything, and whether it may make databases.
const WHO: &str = "SELECT current_user::text, rolsuper, rolcreatedb FROM pg_catalog.pg_roles \
                   WHERE rolname = current_user";

/// Whether a database is there and takes new schemas from whoever asks; no row where it is not.
const TAKES: &str = "SELECT pg_catalog.has_database_privilege(oid, 'CREATE') \
                     FROM pg_catalog.pg_database WHERE datname = $1";

/// Schemas that are there, and whether they take new objects from whoever asks.
const TAKES_OBJECTS: &str = "SELECT nspname::text, pg_catalog.has_schema_privilege(oid, 'CREATE') AND \
                             pg_catalog.has_schema_privilege(oid, 'USAGE') \
                             FROM pg_catalog.pg_namespace WHERE nspname::text = ANY($1)";

/// The rights that a restore of these members needs and the account lacks.
pub fn rights(connector: &Connector, loading: &Loading, stop: &Stop) -> Result<Vec<Finding>> {
    stop.check()?;
    let mut client = connector.session(connector.home(), "ask")?;
    let row = client.query_one(WHO, &[]).map_err(|e| wrap("ask who we are", e))?;
    let (user, superuser, makes): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
    if superuser {
        return Ok(Vec::new());
    }
    let user = quoted(&user);
    let mut found = Vec::new();
    for unit in units(loading) {
        let takes = takes(&mut client, &unit)?;
        // A whole database that is replaced is made anew.
        let is_made = takes.is_none() || (loading.overwrite && !loading.part);
        if is_made && !makes {
            found.push(lack(
                Grade::Error,
                format!("{user} may not make the database {unit}"),
                format!("ALTER ROLE {user} CREATEDB;"),
            ));
        } else if takes == Some(false) && !is_made {
            found.push(lack(
                Grade::Alert,
                format!("{user} may not make schemas in {unit}"),
                format!("GRANT CREATE ON DATABASE {} TO {user};", quoted(&unit)),
            ));
        }
        if !is_made {
            stop.check()?;
            found.extend(schemas(connector, (&unit, &user), loading, takes == Some(true))?);
        }
    }
    Ok(found)
}

/// What is lacking in the schemas of a database that stays. If nothing at all can be made there, the
/// restore can't begin.
fn schemas(
    connector: &Connector,
    (unit, user): (&str, &str),
    loading: &Loading,
    makes_schemas: bool,
) -> Result<Vec<Finding>> {
    let is_own = |m: &&Member| loading.rename.is_some() || m.unit == unit;
    let wanted: BTreeSet<String> =
        loading.members.iter().filter(is_own).filter_map(|m| m.schema.clone()).collect();
    let names: Vec<String> = wanted.iter().cloned().collect();
    let mut client = connector.session(unit, "ask")?;
    let rows = client
        .query(TAKES_OBJECTS, &[&names])
        .map_err(|e| wrap(&format!("ask for privileges on the schemas of {unit}"), e))?;
    let there: BTreeMap<String, bool> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let closed: Vec<&String> = there.iter().filter(|(_, takes)| !**takes).map(|(s, _)| s).collect();
    let is_new = |schema: &&String| !there.contains_key(*schema) && makes_schemas;
    let open = there.values().any(|takes| *takes) || wanted.iter().any(|schema| is_new(&schema));
    let grade = if open { Grade::Alert } else { Grade::Error };
    Ok(closed
        .into_iter()
        .map(|schema| {
            lack(
                grade,
                format!("{user} may not make anything in the schema {schema} of {unit}"),
                format!("GRANT USAGE, CREATE ON SCHEMA {} TO {user};", quoted(schema)),
            )
        })
        .collect())
}

/// The databases that are written, by the names they get.
fn units(loading: &Loading) -> Vec<String> {
    let mut units: Vec<String> =
        loading.members.iter().map(|m| m.unit.clone()).filter(|unit| !unit.is_empty()).collect();
    if let (Some(name), false) = (&loading.rename, units.is_empty()) {
        return vec![name.clone()];
    }
    units.sort_unstable();
    units.dedup();
    units
}

fn takes(client: &mut Client, unit: &str) -> Result<Option<bool>> {
    let row = client.query_opt(TAKES, &[&unit]);
    Ok(row.map_err(|e| wrap(&format!("ask for privileges in {unit}"), e))?.map(|row| row.get(0)))
}

fn lack(grade: Grade, found: String, advice: String) -> Finding {
    Finding { grade, advice: Some(advice), ..Finding::ok("privileges", found) }
}
