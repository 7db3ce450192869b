//! What a server holds: databases, tables, columns; chosen by the globs of the job.
//!
//! Batched catalogue queries, none per table. Databases of the server itself are never dumped.

use std::collections::{BTreeMap, BTreeSet};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::{Dialect, write_name};
use crate::job::{Inconsistent, MysqlSpec};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::column::Column;
use crate::source::mysql::fault::wrap;
use crate::source::mysql::unreadable::{Name, Unreadable, reason};
use crate::source::patterns::Patterns;

/// Databases of the server itself, both families.
pub const SYSTEM: [&str; 6] = [
    "sys",
    "mysql",
    "performance_schema",
    "information_schema",
    "innodb_cluster_metadata",
    "mysql_innodb_cluster_metadata",
];

/// How MariaDB names a folder of the data directory that it never made: `lost+found`, say. No server
/// makes a database of such a name.
const FOREIGN_FOLDER: &str = "#mysql50#";

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// Its tables and sequences, by name.
    pub tables: Vec<Table>,
    /// Its views.
    pub views: Vec<String>,
}

/// A table or a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its engine.
    pub engine: String,
    /// Whether it is a sequence.
    pub sequence: bool,
    /// Whether it keeps its history.
    pub versioned: bool,
    /// Whether it has partitions.
    pub partitioned: bool,
    /// Estimated rows.
    pub rows: u64,
    /// Estimated bytes.
    pub bytes: u64,
}

impl Table {
    /// Whether a snapshot covers it.
    pub fn is_transactional(&self) -> bool {
        self.sequence
            || !self.has_rows()
            || ["innodb", "rocksdb", "tokudb"].contains(&self.engine.to_lowercase().as_str())
    }

    /// Whether its engine lets a transaction set savepoints.
    pub fn has_savepoints(&self) -> bool {
        ["innodb", "myisam", "memory", "csv", "archive"]
            .contains(&self.engine.to_lowercase().as_str())
    }

    /// Whether its rows are its own: not another table's, not another server's.
    pub fn has_rows(&self) -> bool {
        holds_rows(&self.engine)
    }
}

/// Whether what an engine is given stays in the table: not another's, not another server's. A view
/// is called `VIEW`.
pub fn holds_rows(engine: &str) -> bool {
    let elsewhere =
        ["mrg_myisam", "federated", "connect", "spider", "blackhole", "oqgraph", "sphinx", "view"];
    !elsewhere.contains(&engine.to_lowercase().as_str())
}

/// Quotes a name.
pub fn quoted(name: &str) -> String {
    let mut out = Vec::new();
    write_name(Dialect::Mysql, name, &mut out);
    String::from_utf8(out).expect("BUG: a quoted name that is not UTF-8")
}

/// `db`.`name`, quoted.
pub fn qualified(unit: &str, name: &str) -> String {
    format!("{}.{}", quoted(unit), quoted(name))
}

/// A text literal for a catalogue query, in a session without NO_BACKSLASH_ESCAPES.
pub fn literal(text: &str) -> String {
    let mut out = Vec::new();
    crate::artifact::write_text(Dialect::Mysql, text.as_bytes(), &mut out);
    String::from_utf8(out).expect("BUG: a literal that is not UTF-8")
}

/// Whether a database takes part.
fn takes_database(spec: &MysqlSpec, name: &str) -> bool {
    let named = spec.databases.iter().any(|g| g.matches(name));
    let system = SYSTEM.contains(&name.to_lowercase().as_str());
    (named || spec.databases.is_empty()) && !system && !spec.exclude.iter().any(|g| g.matches(name))
}

/// Whether a table or view takes part.
fn takes_table(spec: &MysqlSpec, unit: &str, name: &str) -> bool {
    let full = format!("{unit}.{name}");
    (spec.tables.is_empty() || spec.tables.iter().any(|g| g.matches(&full)))
        && !spec.exclude.iter().any(|g| g.matches(&full))
}

/// What a server holds of what a job wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The databases that take part, with their tables and views, by name.
    pub units: Vec<Unit>,
    /// What of them can't be read, and is not among them.
    pub unreadable: Unreadable,
    /// Patterns of the job that match nothing.
    pub idle: Vec<String>,
    /// When each table was made or altered last, as far as the server tells.
    pub made: BTreeMap<Name, String>,
}

/// What a server holds, but what is known to be unreadable. A table that somebody alters right now
/// makes it busy.
pub fn listing(connection: &mut Conn, spec: &MysqlSpec, known: &Unreadable) -> Result<Listing> {
    list(connection, spec, known, false)
}

/// The same, of which only names are true of a table that somebody alters right now, or waits to.
pub fn names(connection: &mut Conn, spec: &MysqlSpec, known: &Unreadable) -> Result<Vec<Unit>> {
    Ok(list(connection, spec, known, true)?.units)
}

/// The databases that take part.
fn chosen(connection: &mut Conn, spec: &MysqlSpec, patterns: &mut Patterns) -> Result<Vec<String>> {
    let doing = "list the databases";
    let names: Vec<String> = connection
        .query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")
        .map_err(|e| wrap(doing, e))?;
    for glob in &spec.databases {
        if let Some(name) = glob.literal().filter(|n| !names.contains(n)) {
            let error = Error::new(
                ErrorKind::Refused,
                doing,
                format!("there is no database {name}, or no right to see it"),
            );
            return Err(error.hint("Check `databases`, and the grants of the user."));
        }
    }
    names.iter().for_each(|name| patterns.see(&["databases", "exclude"], name));
    let chosen: Vec<String> = names.into_iter().filter(|n| takes_database(spec, n)).collect();
    if chosen.is_empty() {
        let error =
            Error::new(ErrorKind::Refused, doing, "no database matches `databases` and `exclude`");
        return Err(error.hint("A backup of nothing would be called a success; say what to dump."));
    }
    Ok(chosen)
}

/// What `information_schema.TABLES` says of one: database, name, type, engine, rows, bytes, comment,
/// options, when it was made.
type TableRow = (String, String, String, Option<String>, u64, u64, String, String, String);

/// A few databases are asked for one by one, and a server looks into each alone; of more, all in
/// one question, which opens each table once.
const FEW: usize = 16;

/// Conditions of a catalogue query that together take these databases.
pub fn conditions(column: &str, units: &[Unit]) -> Vec<String> {
    let mut names = units.iter().map(|unit| literal(&unit.name));
    if units.len() <= FEW {
        return names.map(|name| format!("{column}={name}")).collect();
    }
    let first = names.next().unwrap_or_default();
    vec![format!("{column} IN ({})", names.fold(first, |list, name| list + "," + &name))]
}

fn list(
    connection: &mut Conn,
    spec: &MysqlSpec,
    known: &Unreadable,
    only_names: bool,
) -> Result<Listing> {
    let mut unreadable = known.clone();
    let mut patterns = Patterns::of(&[
        ("databases", &spec.databases),
        ("exclude", &spec.exclude),
        ("tables", &spec.tables),
    ]);
    let mut names = chosen(connection, spec, &mut patterns)?;
    for name in names.iter().filter(|n| n.starts_with(FOREIGN_FOLDER)) {
        unreadable.add_database(name, "a folder in the data directory that is no database");
    }
    names.retain(|n| !unreadable.has_database(n));
    let list = names.iter().map(|n| literal(n)).collect::<Vec<_>>().join(",");
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, COALESCE(TABLE_ROWS, 0), COALESCE(DATA_LENGTH, 0), \
         COALESCE(TABLE_COMMENT, ''), COALESCE(CREATE_OPTIONS, ''), COALESCE(CAST(CREATE_TIME AS CHAR), '') \
         FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({list}) ORDER BY 1, 2"
    );
    let rows: Vec<TableRow> = match names.is_empty() {
        true => Vec::new(),
        false => connection.query(sql).map_err(|e| wrap("list the tables", e))?,
    };
    let mut units: BTreeMap<String, Unit> = BTreeMap::new();
    for name in names {
        let unit = Unit { name: name.clone(), tables: Vec::new(), views: Vec::new() };
        units.insert(name, unit);
    }
    hidden(connection, &mut units, &rows, &mut unreadable)?;
    let mut made = BTreeMap::new();
    for row in rows {
        let Some(unit) = units.get_mut(&row.0) else { continue };
        patterns.see(&["exclude", "tables"], &format!("{}.{}", row.0, row.1));
        if !takes_table(spec, &row.0, &row.1) || unreadable.has_table(&row.0, &row.1) {
            continue;
        }
        if row.2.contains("VIEW") {
            unit.views.push(row.1);
            continue;
        }
        made.insert((row.0.clone(), row.1.clone()), row.8.clone());
        if let Some(table) = table(row, only_names, &mut unreadable)? {
            unit.tables.push(table);
        }
    }
    if units.is_empty() {
        let found = unreadable.lines().join("; ");
        return Err(Error::new(ErrorKind::Damaged, "list the tables", found));
    }
    // What can't be read may be what they fit.
    let idle = if unreadable.lines().is_empty() { patterns.lines() } else { Vec::new() };
    Ok(Listing { units: units.into_values().collect(), unreadable, idle, made })
}

/// A table or sequence; nothing if the server can't open it.
fn table(row: TableRow, only_names: bool, unreadable: &mut Unreadable) -> Result<Option<Table>> {
    let (schema, name, form, engine, rows, bytes, comment, options, _) = row;
    // MariaDB shows a table that somebody alters right now like one that it can't open.
    let altered = engine.is_none() && comment.contains("concurrent DDL");
    let Some(engine) = engine.or_else(|| (altered && only_names).then(String::new)) else {
        if !altered {
            unreadable.add_table(&schema, &name, &comment);
            return Ok(None);
        }
        let found = format!("the server can't open it: {comment}");
        let error = Error::new(ErrorKind::Busy, format!("read {schema}.{name}"), found);
        return Err(error.hint("Run the job again."));
    };
    let (sequence, versioned) = (form == "SEQUENCE", form == "SYSTEM VERSIONED");
    let partitioned = options.to_lowercase().contains("partitioned");
    Ok(Some(Table { name, engine, sequence, versioned, partitioned, rows, bytes }))
}

/// `information_schema` shows a database whose folder can't be read as an empty one; SHOW TABLES
/// says why.
fn hidden(
    connection: &mut Conn,
    units: &mut BTreeMap<String, Unit>,
    rows: &[TableRow],
    unreadable: &mut Unreadable,
) -> Result<()> {
    let filled: BTreeSet<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let empty: Vec<String> =
        units.keys().filter(|n| !filled.contains(n.as_str())).cloned().collect();
    for name in empty {
        match connection.query::<String, _>(format!("SHOW TABLES FROM {}", quoted(&name))) {
            Ok(tables) => tables.iter().for_each(|table| {
                unreadable.add_table(&name, table, "its definition can't be read");
            }),
            Err(error) => {
                let why = reason(&error);
                let Some(why) = why else { return Err(wrap("list the tables", error)) };
                unreadable.add_database(&name, &why);
                units.remove(&name);
            }
        }
    }
    Ok(())
}

/// When each table of a database was made or altered last, as far as the server tells.
pub fn made(connection: &mut Conn, unit: &Unit) -> Result<BTreeMap<String, String>> {
    let sql = format!(
        "SELECT TABLE_NAME, COALESCE(CAST(CREATE_TIME AS CHAR), '') FROM information_schema.TABLES WHERE TABLE_SCHEMA={}",
        literal(&unit.name)
    );
    let rows: Vec<(String, String)> =
        connection.query(sql).map_err(|e| wrap(&format!("list the tables of {}", unit.name), e))?;
    Ok(rows.into_iter().collect())
}

/// Columns of a table, and how it may be cut.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The columns that are written, in order.
    pub columns: Vec<Column>,
    /// The columns of the primary key by which the table may be cut: those before the first that
    /// does not compare as it sorts.
    pub key: Vec<Column>,
    /// Whether these are all of its columns and name one row, so that the table may be cut at any
    /// row.
    pub splits: bool,
    /// Whether the table's history is read along.
    pub versioned: bool,
    /// Why its rows can't be read.
    pub unknown: Option<String>,
}

/// The layouts of all tables of some databases, by database and table.
pub type Layouts = BTreeMap<Name, Layout>;

/// The columns of all tables of some databases, and how each may be cut.
pub fn layouts(connection: &mut Conn, units: &[Unit]) -> Result<Layouts> {
    let tables = || units.iter().flat_map(|u| u.tables.iter().map(move |t| (u, t)));
    let key = |u: &Unit, t: &Table| (u.name.clone(), t.name.clone());
    let layout = |t: &Table| Layout { versioned: t.versioned, ..Layout::default() };
    let mut layouts: Layouts = tables().map(|(u, t)| (key(u, t), layout(t))).collect();
    let mut periods = BTreeSet::new();
    for condition in conditions("TABLE_SCHEMA", units) {
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, EXTRA, \
             COALESCE(GENERATION_EXPRESSION, '') FROM information_schema.COLUMNS WHERE {condition} \
             ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
        );
        let fail = |e| wrap("read the columns of the tables", e);
        for row in connection.query_iter(sql).map_err(fail)? {
            let row = mysql::from_row_opt(row.map_err(fail)?).map_err(|e| fail(e.into()))?;
            add_column(&mut layouts, row, &mut periods);
        }
    }
    for (unit, table) in tables().filter(|(_, t)| t.versioned) {
        let layout = layouts.entry(key(unit, table)).or_default();
        // A table that names no period has hidden columns for it.
        let named = periods.contains(&key(unit, table));
        for name in ["row_start", "row_end"].into_iter().filter(|_| !named) {
            let column = Column::new(name.into(), "timestamp", "timestamp(6)", None);
            layout.columns.extend(column.ok());
        }
    }
    add_keys(connection, units, &mut layouts)?;
    Ok(layouts)
}

/// What `information_schema.COLUMNS` says of one: database, table, name, type, whole type, character
/// set, extra, expression.
type ColumnRow = (String, String, String, String, String, Option<String>, String, String);

/// Adds a column to the layout of its table, if that is wanted.
fn add_column(layouts: &mut Layouts, row: ColumnRow, periods: &mut BTreeSet<Name>) {
    let (unit, table, name, data_type, column_type, charset, extra, expression) = row;
    let key = (unit, table);
    let Some(layout) = layouts.get_mut(&key) else { return };
    let extra = extra.to_uppercase();
    let period = layout.versioned && matches!(expression.as_str(), "ROW START" | "ROW END");
    let generated = extra.contains("VIRTUAL GENERATED") || extra.contains("STORED GENERATED");
    if period {
        periods.insert(key);
    } else if generated {
        return;
    }
    match Column::new(name.clone(), &data_type, &column_type, charset) {
        Ok(column) => layout.columns.push(column),
        Err(found) => {
            let text = format!("column {name} has the type {found}, which this vex does not know");
            layout.unknown.get_or_insert(text);
        }
    }
}

/// Finds by which columns each table can be split into ranges.
fn add_keys(connection: &mut Conn, units: &[Unit], layouts: &mut Layouts) -> Result<()> {
    type Key = (String, String, Option<String>, bool);
    let mut keys: Vec<Key> = Vec::new();
    for condition in conditions("TABLE_SCHEMA", units) {
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, SUB_PART IS NULL AND COALESCE(COLLATION, 'A')='A' FROM \
             information_schema.STATISTICS WHERE {condition} AND INDEX_NAME='PRIMARY' ORDER BY TABLE_SCHEMA, TABLE_NAME, \
             SEQ_IN_INDEX"
        );
        let found: Vec<Key> =
            connection.query(sql).map_err(|e| wrap("read the keys of the tables", e))?;
        keys.extend(found);
    }
    for layout in layouts.values_mut() {
        layout.splits = !layout.versioned;
    }
    for (unit, table, name, plain) in keys {
        let Some(layout) = layouts.get_mut(&(unit, table)) else { continue };
        let column =
            layout.columns.iter().find(|c| Some(&c.name) == name.as_ref() && c.comparable && plain);
        match (column.cloned(), layout.splits || layout.versioned && layout.key.is_empty()) {
            (Some(column), true) => layout.key.push(column),
            _ => layout.splits = false,
        }
    }
    for layout in layouts.values_mut() {
        layout.splits &= !layout.key.is_empty();
    }
    Ok(())
}

/// Tables that no snapshot covers: an error, or the reasons for an Alerta, as the job says.
pub fn untransactional(units: &[Unit], spec: &MysqlSpec) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for unit in units {
        for table in unit.tables.iter().filter(|t| !t.is_transactional()) {
            found.push(format!(
                "{}.{} is a {} table, which no snapshot covers",
                unit.name, table.name, table.engine
            ));
        }
    }
    match (spec.inconsistent, found.first()) {
        (Inconsistent::Refuse, Some(first)) => {
            let more = if found.len() > 1 {
                format!(", and {} more", found.len() - 1)
            } else {
                String::new()
            };
            let error =
                Error::new(ErrorKind::Refused, "take one point in time", format!("{first}{more}"));
            Err(error.hint("Convert it to InnoDB, `exclude` it, or accept an Alerta with inconsistent=\"alert\"."))
        }
        (Inconsistent::Refuse | Inconsistent::Alert, _) => Ok(found),
    }
}
