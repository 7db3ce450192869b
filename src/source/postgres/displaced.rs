//! Room for a restore: a whole database is put aside under another name, single objects are
//! dropped, all or none.

use std::collections::BTreeSet;
use std::time::Duration;

use postgres::Client;

use crate::artifact::{Kind, Member};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::definition::{qualified, quoted};
use crate::source::postgres::fault::{run, wrap};
use crate::source::postgres::present::Present;

/// How often a name is made where it is taken.
const TRIES: u32 = 4;

/// Renames a database; returns what the user must know. `home` is where questions are asked.
pub fn put_aside(client: &mut Client, name: &str, home: &str) -> Result<String> {
    let doing = format!("put the database {name} aside");
    if name == home {
        let found = "it is where vex itself is connected to while it asks and creates databases";
        let hint = format!(
            "Restore it under another name with --as, or replace parts of it with --only {name}.SCHEMA."
        );
        return Err(Error::new(ErrorKind::Refused, doing, found).hint(hint));
    }
    let mut tries = 1;
    let new = loop {
        let new = aside(client, name, &doing)?;
        let sql = format!("ALTER DATABASE {} RENAME TO {}", quoted(name), quoted(&new));
        match run(client, &sql, &doing) {
            Ok(()) => break new,
            // Two in one second: the next second has another name.
            Err(error) if error.is_state("42P04") && tries < TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_secs(1));
            }
            Err(error) if error.kind == ErrorKind::Busy => {
                let hint = "End its sessions, and keep new ones away: nobody may be in it while it is replaced.";
                return Err(error.hint(hint));
            }
            Err(error) => return Err(error),
        }
    };
    Ok(format!(
        "the database {name} that was there is now {new}; drop it when the restore is right"
    ))
}

/// The name under which a database is put aside now.
fn aside(client: &mut Client, name: &str, doing: &str) -> Result<String> {
    let sql = "SELECT pg_catalog.to_char(pg_catalog.clock_timestamp(), 'YYYYMMDD_HH24MISS')";
    let stamp: String = client.query_one(sql, &[]).map_err(|e| wrap(doing, e))?.get(0);
    // Names have 63 bytes at most.
    let mut end = name.len().min(63 - "_before_YYYYMMDD_HHMMSS".len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    Ok(format!("{}_before_{stamp}", &name[..end]))
}

/// Drops a database that is there for drills.
pub fn drop_database(client: &mut Client, name: &str) -> Result<()> {
    run(
        client,
        &format!("DROP DATABASE {}", quoted(name)),
        &format!("drop the database {name} of an earlier drill"),
    )
}

/// What hangs on tables and views that would be dropped: views that read them, and foreign keys of
/// other tables. Relations by name, then what hangs on them.
const HANGING: &str = "SELECT tn.nspname::text, t.relname::text, dn.nspname::text, d.relname::text, \
    CASE d.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END || ' ' || dn.nspname || '.' || d.relname || ' depends on ' || \
    CASE t.relkind WHEN 'm' THEN 'materialized view' WHEN 'v' THEN 'view' ELSE 'table' END || ' ' || tn.nspname || '.' || t.relname \
    FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_rewrite r ON p.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = p.objid \
    JOIN pg_catalog.pg_class d ON d.oid = r.ev_class JOIN pg_catalog.pg_namespace dn ON dn.oid = d.relnamespace \
    JOIN pg_catalog.pg_class t ON p.refclassid = 'pg_catalog.pg_class'::regclass AND t.oid = p.refobjid \
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace WHERE t.oid <> d.oid AND d.relkind IN ('v', 'm') \
    UNION SELECT tn.nspname::text, t.relname::text, dn.nspname::text, d.relname::text, 'constraint ' || c.conname || ' on table ' || \
    dn.nspname || '.' || d.relname || ' depends on table ' || tn.nspname || '.' || t.relname FROM pg_catalog.pg_constraint c \
    JOIN pg_catalog.pg_class d ON d.oid = c.conrelid JOIN pg_catalog.pg_namespace dn ON dn.oid = d.relnamespace \
    JOIN pg_catalog.pg_class t ON t.oid = c.confrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace \
    WHERE c.contype = 'f' AND c.conrelid <> c.confrelid AND c.conparentid = 0 ORDER BY 1, 2, 5";

/// Refuses to replace what something else hangs on that stays; changes nothing.
pub fn may_drop(client: &mut Client, unit: &str, members: &[&Member]) -> Result<()> {
    let doing = format!("replace a part of {unit}");
    let rows = client.query(HANGING, &[]).map_err(|e| wrap(&doing, e))?;
    let own: BTreeSet<(&str, &str)> = members
        .iter()
        .filter(|m| matches!(m.kind, Kind::Table | Kind::View))
        .filter_map(|m| Some((m.schema.as_deref()?, m.name.as_str())))
        .collect();
    let hangs = rows.iter().filter_map(|row| {
        let [schema, name, by_schema, by] = [0, 1, 2, 3].map(|at| row.get::<_, &str>(at));
        let stays = own.contains(&(schema, name)) && !own.contains(&(by_schema, by));
        stays.then(|| row.get::<_, String>(4))
    });
    let hangs: Vec<String> = hangs.collect();
    if hangs.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, doing, hangs.join(", ")).hint(HANGS))
}

/// What to do where something hangs on what would be replaced.
const HANGS: &str =
    "Choose what hangs on it as well with --only, or restore under another name with --as.";

/// Drops objects in the reverse of their order, all or none: what something else hangs on stays,
/// and is an error.
pub fn drop_objects(
    client: &mut Client,
    unit: &str,
    members: &[&Member],
    there: &Present,
) -> Result<()> {
    let doing = format!("drop what is replaced in {unit}");
    let mut script = "BEGIN;\n".to_owned();
    for member in members.iter().rev() {
        let Some(schema) = &member.schema else { continue };
        let word = match (member.kind, there.kind(member)) {
            (Kind::Table, Some('f')) => "FOREIGN TABLE",
            (Kind::Table, _) => "TABLE",
            (Kind::View, Some('m')) => "MATERIALIZED VIEW",
            (Kind::View, _) => "VIEW",
            // One that a table owns goes with it.
            (Kind::Sequence, _) if member.table.is_none() => "SEQUENCE",
            _ => continue,
        };
        script += &format!("DROP {word} {};\n", qualified(schema, &member.name));
    }
    script += "COMMIT;";
    run(client, &script, &doing)
        .map_err(|error| if error.is_state("2BP01") { error.hint(HANGS) } else { error })
}
