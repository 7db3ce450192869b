//! One database at one moment: the transaction that exports the snapshot, its locks, and the proof
//! that they came in time.
//!
//! TRUNCATE and rewriting ALTERs are not bound by snapshots: one that commits between snapshot and
//! lock would leave empty tables in a dump without any error, pg_dump's own included. So after the
//! locks are had, what the snapshot knows of every table is held against what is true now; where
//! they differ, all is begun again.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;

use crate::base::Stop;
use crate::job::PostgresSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::patterns::Patterns;
use crate::source::postgres::binary::Form;
use crate::source::postgres::catalogue::hidden;
use crate::source::postgres::connect::Connector;
use crate::source::postgres::databases::{Databases, shut};
use crate::source::postgres::definition::{literal, qualified};
use crate::source::postgres::fault::{run, wrap};
use crate::source::postgres::rows::Column;
use crate::source::postgres::survey::{Relation, forms, measure, relations, see, takes_table};
use crate::source::postgres::wire::Wire;

/// How often a snapshot is tried.
const ATTEMPTS: u32 = 5;

/// Tables of one LOCK statement.
const BATCH: usize = 200;

/// One database at one moment.
pub struct View {
    /// Its name.
    pub unit: String,
    /// Its exported snapshot.
    pub snapshot: String,
    /// The connection whose transaction holds it, and all locks.
    pub client: Client,
    /// A reader that holds all locks as well: it can go on where an ALTER waits.
    pub reader: Wire,
    /// Its tables: those whose definition is taken.
    pub relations: Vec<Relation>,
    /// Tables that are left out.
    pub without: BTreeSet<u32>,
    /// The columns that COPY writes, by table.
    pub columns: BTreeMap<u32, Vec<Column>>,
    /// `client_encoding` of its entries.
    pub encoding: String,
    /// Whether the server is a standby.
    pub standby: bool,
}

/// A column as the snapshot, or the moment, knows it.
type Known = (u32, i16, String, u32, i32, bool, String);

/// What came of an attempt to enter a database.
pub enum Entered {
    /// It was.
    In(Box<View>),
    /// It lets nobody in, and why.
    Shut(String),
}

/// Takes views of databases; those that let nobody in are named. An error if none does.
pub fn take_all(
    spec: &PostgresSpec,
    connector: &Connector,
    found: &mut Databases,
    stop: &Stop,
) -> Result<Vec<View>> {
    let mut views = Vec::new();
    let Databases { units, lost, patterns, .. } = found;
    for unit in units.iter() {
        match take(spec, connector, (unit, patterns), stop)? {
            Entered::In(mut view) => {
                lost.extend(hidden(&mut view.client, unit)?);
                views.push(*view);
            }
            Entered::Shut(why) => lost.push(why),
        }
    }
    if views.is_empty() {
        let doing = format!("dump {}", connector.place());
        return Err(Error::new(ErrorKind::Refused, doing, lost.join("; ")));
    }
    Ok(views)
}

/// Takes a view of a database.
fn take(
    spec: &PostgresSpec,
    connector: &Connector,
    (unit, patterns): (&str, &mut Patterns),
    stop: &Stop,
) -> Result<Entered> {
    let mut attempt = 1;
    loop {
        stop.check()?;
        match try_take(spec, connector, (unit, &mut *patterns), stop) {
            Err(error) if error.kind == ErrorKind::Busy && attempt < ATTEMPTS => attempt += 1,
            Err(error) if error.kind == ErrorKind::Busy => {
                return Err(error.hint("Dump when nobody alters tables, or raise `lock-wait`."));
            }
            other => return other,
        }
    }
}

fn try_take(
    spec: &PostgresSpec,
    connector: &Connector,
    (unit, patterns): (&str, &mut Patterns),
    stop: &Stop,
) -> Result<Entered> {
    let doing = format!("take a snapshot of {unit}");
    let mut client = match connector.session(unit, "dump") {
        Ok(client) => client,
        Err(error) => return shut(unit, &error).map(Entered::Shut).ok_or(error),
    };
    // One statement before the snapshot is made: the wait is for the server's own time-outs.
    let lock = format!("SET lock_timeout={}", spec.lock_wait.as_millis().max(1));
    run(&mut client, &lock, &doing)?;
    restrict(&mut client, &doing)?;
    run(&mut client, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", &doing)?;
    let row = client
        .query_one(
            "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.current_setting('server_encoding'), pg_catalog.pg_is_in_recovery()",
            &[],
        )
        .map_err(|e| wrap(&doing, e))?;
    let (snapshot, server, standby): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
    // Bytes of SQL_ASCII are of no known encoding, and pass as they are.
    let encoding = if server == "SQL_ASCII" { server } else { "UTF8".to_owned() };
    let all = relations(&mut client, unit)?;
    see(&mut client, unit, &all, patterns)?;
    let (mut relations, left): (Vec<Relation>, Vec<Relation>) =
        all.into_iter().partition(|r| takes_table(spec, unit, r).0);
    let locked: Vec<&Relation> = relations.iter().filter(|r| r.kind != 'f').collect();
    let mut reader = join(connector, unit, &snapshot, spec.lock_wait.as_millis().max(1), stop)?;
    for batch in locked.chunks(BATCH) {
        let names: Vec<String> = batch.iter().map(|r| qualified(&r.schema, &r.name)).collect();
        let sql = format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", names.join(", ONLY "));
        client
            .batch_execute(&sql)
            .map_err(|e| gone(wrap(&format!("lock the tables of {unit}"), e)))?;
        reader.run(&sql, &format!("lock the tables of {unit}"), stop).map_err(gone)?;
    }
    if encoding != "UTF8" {
        reader.run(&format!("SET client_encoding={}", literal(&encoding)), &doing, stop)?;
    }
    let oids: Vec<u32> = locked.iter().map(|r| r.oid).collect();
    measure(&mut client, &mut relations)?;
    let columns = unchanged(&mut client, connector, unit, &oids)?;
    let own = written(columns, &oids, &forms(&mut client)?);
    let without = left.iter().map(|r| r.oid).collect();
    Ok(Entered::In(Box::new(View {
        unit: unit.to_owned(),
        snapshot,
        client,
        reader,
        relations,
        without,
        columns: own,
        encoding,
        standby,
    })))
}

/// The columns that COPY writes, by table.
fn written(
    columns: Vec<Known>,
    oids: &[u32],
    forms: &BTreeMap<u32, Form>,
) -> BTreeMap<u32, Vec<Column>> {
    let mut own: BTreeMap<u32, Vec<Column>> = oids.iter().map(|oid| (*oid, Vec::new())).collect();
    for (table, _, name, of, _, dropped, generated) in columns {
        if !dropped && generated.is_empty() {
            own.entry(table).or_default().push(Column { name, form: forms.get(&of).copied() });
        }
    }
    own
}

/// A connection that reads in a snapshot, and waits for a lock no longer than this.
pub fn join(
    connector: &Connector,
    unit: &str,
    snapshot: &str,
    milliseconds: u128,
    stop: &Stop,
) -> Result<Wire> {
    let mut wire = connector.wire(unit, "read", stop)?;
    let begin = format!(
        "SET lock_timeout={milliseconds}; BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}",
        literal(snapshot)
    );
    for statement in begin.split("; ") {
        wire.run(statement, &format!("read {unit} in the snapshot"), stop).map_err(lost)?;
    }
    Ok(wire)
}

/// A snapshot that can't be taken is one whose own connection was lost: nothing is wrong with the rows.
fn lost(error: Error) -> Error {
    match error.kind {
        ErrorKind::Failed => Error { kind: ErrorKind::Unreachable, ..error }
            .hint("The connection that held the snapshot was lost; the next run takes another."),
        _ => error,
    }
}

/// A table that is not there any more is a moment that has passed.
fn gone(error: Error) -> Error {
    let missing = error.is_state("42P01");
    if missing { Error { kind: ErrorKind::Busy, ..error } } else { error }
}

/// Lets no view or foreign table run code while it is read (CVE-2024-7348), where the server knows
/// how.
fn restrict(client: &mut Client, doing: &str) -> Result<()> {
    let sql = "SELECT pg_catalog.set_config(name, 'view, foreign-table', false) FROM pg_catalog.pg_settings \
               WHERE name = 'restrict_nonsystem_relation_kind'";
    client.query(sql, &[]).map(drop).map_err(|e| wrap(doing, e))
}

/// Holds the snapshot against the present, now that nobody can change tables; returns the columns.
fn unchanged(
    client: &mut Client,
    connector: &Connector,
    unit: &str,
    oids: &[u32],
) -> Result<Vec<Known>> {
    let doing = format!("compare the tables of {unit} with the snapshot");
    let changed = |found: String| {
        Error::new(ErrorKind::Busy, &doing, format!("{found} between the snapshot and its lock"))
    };
    let oids = oids.to_vec();
    // The function answers for now, the row for the snapshot.
    let files = "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c WHERE c.oid = ANY($1) \
                 AND c.relfilenode <> 0 AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)";
    let rewritten = client.query(files, &[&oids]).map_err(|e| wrap(&doing, e))?;
    if let Some(row) = rewritten.first() {
        return Err(changed(format!("{} was emptied or rewritten", row.get::<_, String>(0))));
    }
    let sql = "SELECT attrelid, attnum, attname::text, atttypid, atttypmod, attisdropped, attgenerated::text \
               FROM pg_catalog.pg_attribute WHERE attrelid = ANY($1) AND attnum > 0 ORDER BY attrelid, attnum";
    let columns = |client: &mut Client| -> Result<Vec<Known>> {
        let rows = client.query(sql, &[&oids]).map_err(|e| wrap(&doing, e))?;
        let column = |r: &postgres::Row| {
            (r.get(0), r.get(1), r.get(2), r.get(3), r.get(4), r.get(5), r.get(6))
        };
        Ok(rows.iter().map(column).collect())
    };
    let then = columns(client)?;
    let mut present = connector.session(unit, "compare")?;
    let now = columns(&mut present)?;
    let differs = then.iter().zip(&now).find(|(a, b)| a != b).map(|(a, _)| a.0);
    let differs = differs.or_else(|| {
        (then.len() != now.len()).then(|| then.last().or(now.last()).map_or(0, |c| c.0))
    });
    match differs {
        None => Ok(then),
        Some(oid) => {
            let sql = "SELECT $1::oid::pg_catalog.regclass::text";
            let name: String = present.query_one(sql, &[&oid]).map_err(|e| wrap(&doing, e))?.get(0);
            Err(changed(format!("the columns of {name} were altered")))
        }
    }
}
