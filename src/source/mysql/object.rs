//! Everything that is not rows, as complete scripts: the server's own definitions, each with the
//! session it needs.
//!
//! Never rebuilds a definition: the server's own text is kept, as UTF-8 (see `literal.rs`).
//! A definition the server will not show is an error, never an object less.

use mysql::prelude::Queryable;
use mysql::{Conn, Row, Value};

use crate::artifact::{Kind, Member, Phase};
use crate::base::Stop;
use crate::job::MysqlSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::literal::as_utf8;
use crate::source::mysql::privilege::{Privileges, Scope as On};
use crate::source::mysql::privilege_check::sees_routines;
use crate::source::mysql::schema::{self, Unit, literal, qualified, quoted};

/// A member and its script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What it makes.
    pub member: Member,
    /// The statements.
    pub text: Vec<u8>,
}

/// What every entry begins with, but those that make databases.
pub fn prologue(unit: &str) -> Vec<u8> {
    format!(
        "SET NAMES utf8mb4;\nSET sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone='+00:00', foreign_key_checks=0, \
         unique_checks=0;\nUSE {};\n",
        quoted(unit)
    )
    .into_bytes()
}

/// What the rows of a table that keeps its history begin with (MariaDB 10.11 and later).
pub fn history_prologue(unit: &str) -> Vec<u8> {
    [&prologue(unit)[..], b"SET system_versioning_insert_history=1;\n"].concat()
}

/// The definitions of a database and what could not be taken along.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The scripts, in restore order within each phase.
    pub scripts: Vec<Script>,
    /// What is not included, and need not be.
    pub not_included: Vec<String>,
    /// What is not included and should be: somebody must look.
    pub lost: Vec<String>,
}

/// Which definitions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// All but tables, which the guard holds, and sequences, whose state moves all the time.
    Unguarded,
}

/// Reads the definitions of a database. `connection` is used for nothing else meanwhile.
pub fn definitions(connection: &mut Conn, unit: &Unit, scope: Scope) -> Result<Definitions> {
    let mut reader = Reader { connection, unit, found: Definitions::default() };
    run(reader.connection, &format!("USE {}", quoted(&unit.name)), &format!("use {}", unit.name))?;
    reader.database()?;
    if scope == Scope::All {
        reader.privileges()?;
        reader.tables()?;
    }
    let views = reader.views()?;
    reader.routines()?;
    reader.found.scripts.extend(views);
    reader.triggers()?;
    reader.events()?;
    Ok(reader.found)
}

/// The definitions of the tables of a unit, and nothing else.
pub fn tables_of(connection: &mut Conn, unit: &Unit) -> Result<Vec<Script>> {
    let mut reader = Reader { connection, unit, found: Definitions::default() };
    reader.tables()?;
    Ok(reader.found.scripts)
}

/// The scripts that come before the rows, and those that come after them. Accounts may be definers
/// of what follows; their grants may be on it. Triggers and events come after everything else of
/// every database.
pub fn in_restore_order(scripts: &[Script]) -> (Vec<&Script>, Vec<&Script>) {
    let (before, mut after): (Vec<&Script>, Vec<&Script>) =
        scripts.iter().partition(|s| s.member.phase == Phase::Before);
    after.sort_by_key(|s| match s.member.kind {
        Kind::Account => 0,
        Kind::Trigger => 2,
        Kind::Grants => 3,
        Kind::Event => 4,
        _ => 1,
    });
    (before, after)
}

/// Proves that no definition changed since `scripts` were read, but those that a lock holds
/// (tables) and those that move all the time (sequences). `now` are those that were read again
/// already.
pub fn unchanged(
    connection: &mut Conn,
    spec: &MysqlSpec,
    scripts: &[Script],
    mut now: Vec<Script>,
    stop: &Stop,
) -> Result<()> {
    for unit in schema::names(connection, spec)? {
        stop.check()?;
        now.extend(definitions(connection, &unit, Scope::Unguarded)?.scripts);
    }
    let guarded = |s: &&Script| matches!(s.member.kind, Kind::Sequence | Kind::Table);
    let then: Vec<&Script> = scripts.iter().filter(|s| !guarded(s)).collect();
    let now: Vec<&Script> = now.iter().collect();
    let different =
        then.iter().find(|s| !now.contains(s)).or_else(|| now.iter().find(|s| !then.contains(s)));
    different.map_or(Ok(()), |script| Err(changed(script)))
}

/// The error of a definition that changed under a dump.
pub fn changed(script: &Script) -> Error {
    let found = format!(
        "the {} {} changed while it was dumped",
        script.member.kind.word(),
        script.member.title()
    );
    Error::new(ErrorKind::Busy, "prove the snapshot", found).hint("Run the job again.")
}

struct Reader<'a> {
    connection: &'a mut Conn,
    unit: &'a Unit,
    found: Definitions,
}

impl Reader<'_> {
    fn push(&mut self, member: Member, text: Vec<u8>) {
        self.found.scripts.push(Script { member, text });
    }

    /// The row of a SHOW CREATE.
    fn show(&mut self, statement: &str) -> Result<Row> {
        show(self.connection, &self.unit.name, statement)
    }

    fn database(&mut self) -> Result<()> {
        let name = self.unit.name.clone();
        let row = self.show(&format!("SHOW CREATE DATABASE {}", quoted(&name)))?;
        let text = bytes_of(&row, 1)?;
        let head = format!("CREATE DATABASE {}", quoted(&name));
        let rest = text.strip_prefix(head.as_bytes()).unwrap_or_default();
        let mut script = database_head(&name).into_bytes();
        script.extend_from_slice(rest);
        script.extend_from_slice(b";\n");
        self.push(Member::new(&name, "", Kind::Database, Phase::Before), script);
        Ok(())
    }

    /// The catalogue shows a user only what it may see: what it can't see would be missing in
    /// silence.
    fn privileges(&mut self) -> Result<()> {
        let unit = self.unit.name.clone();
        let sql = format!("SHOW EVENTS FROM {}", quoted(&unit));
        self.connection
            .query_drop(sql)
            .map_err(|e| wrap(&format!("list the events of {unit}"), e))?;
        let flavor = Flavor::of(self.connection)?;
        let held = Privileges::of(self.connection, &flavor)?;
        if !held.has(&["TRIGGER", "SUPER"], &On::Database(unit.clone())) {
            self.found
                .lost
                .push(format!("triggers of {unit} may be missing: no TRIGGER privilege was found"));
        }
        if !sees_routines(&held, &unit) {
            self.found.lost.push(format!(
                "routines of {unit} may be missing: no privilege on routines was found"
            ));
        }
        Ok(())
    }

    fn tables(&mut self) -> Result<()> {
        // Sequences first: a column's default may draw from one.
        let mut tables = self.unit.tables.clone();
        tables.sort_by_key(|t| !t.sequence);
        for table in tables {
            if table.sequence {
                let script = sequence(self.connection, &self.unit.name, &table.name)?;
                self.push(
                    Member::new(&self.unit.name, &table.name, Kind::Sequence, Phase::Before),
                    script,
                );
                continue;
            }
            let full = qualified(&self.unit.name, &table.name);
            let mut script = prologue(&self.unit.name);
            let statement = format!("SHOW CREATE TABLE {full}");
            let text = self.whole(&statement)?;
            script.extend_from_slice(&as_utf8(text));
            script.extend_from_slice(b";\n");
            self.push(
                Member::new(&self.unit.name, &table.name, Kind::Table, Phase::Before),
                script,
            );
            if !table.has_rows() {
                let text = format!(
                    "rows of {}.{} ({}): they live elsewhere",
                    self.unit.name, table.name, table.engine
                );
                self.found.not_included.push(text);
            }
        }
        Ok(())
    }

    /// A definition without loss. MySQL keeps a literal of a generated column or a check in the
    /// character set that it was compared in, and shows its bytes: those that are no text come as
    /// `?`, unless nothing is converted at all.
    fn whole(&mut self, statement: &str) -> Result<Vec<u8>> {
        let text = bytes_of(&self.show(statement)?, 1)?;
        if !text.contains(&b'?') {
            return Ok(text);
        }
        let doing = format!("read a definition of {}", self.unit.name);
        run(self.connection, "SET character_set_results=NULL", &doing)?;
        let raw = self.show(statement)?;
        run(self.connection, "SET character_set_results=utf8mb4", &doing)?;
        bytes_of(&raw, 1)
    }

    /// Placeholders go before, so that views may name each other in any order; returns the views
    /// themselves.
    fn views(&mut self) -> Result<Vec<Script>> {
        let mut views = Vec::new();
        for name in self.unit.views.clone() {
            let full = qualified(&self.unit.name, &name);
            let row = self.show(&format!("SHOW CREATE VIEW {full}"))?;
            let (client, collation) = (text_of(&row, 2)?, text_of(&row, 3)?);
            match self.connection.query_drop(format!("SELECT 1 FROM {full} LIMIT 0")) {
                Ok(()) => {}
                // It names what is not there, or its definer is gone; no server takes such a
                // definition back.
                Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1356 | 1449) => {
                    let text = String::from_utf8_lossy(&bytes_of(&row, 1)?).into_owned();
                    self.found.lost.push(format!(
                        "view {}.{name} is invalid ({}): {text}",
                        self.unit.name, e.message
                    ));
                    continue;
                }
                Err(error) => {
                    return Err(wrap(&format!("read view {}.{name}", self.unit.name), error));
                }
            }
            let text = bytes_of(&row, 1)?;
            let client = self.client_of(&text, client, &format!("view {}.{name}", self.unit.name));
            let columns: Vec<String> = self
                .connection
                .query(format!(
                    "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA={} AND TABLE_NAME={} ORDER BY \
                     ORDINAL_POSITION",
                    literal(&self.unit.name),
                    literal(&name)
                ))
                .map_err(|e| wrap(&format!("read the columns of {}.{name}", self.unit.name), e))?;
            let list = columns
                .iter()
                .map(|c| format!("1 AS {}", quoted(c)))
                .collect::<Vec<_>>()
                .join(", ");
            let mut placeholder = prologue(&self.unit.name);
            placeholder.extend_from_slice(
                format!("CREATE VIEW {} AS SELECT {list};\n", quoted(&name)).as_bytes(),
            );
            self.push(Member::new(&self.unit.name, &name, Kind::View, Phase::Before), placeholder);
            let mut script = prologue(&self.unit.name);
            script
                .extend_from_slice(format!("DROP VIEW IF EXISTS {};\n", quoted(&name)).as_bytes());
            script.extend_from_slice(charset_lines(&client, &collation).as_bytes());
            script.extend_from_slice(&text);
            script.extend_from_slice(b";\n");
            views.push(Script {
                member: Member::new(&self.unit.name, &name, Kind::View, Phase::After),
                text: script,
            });
        }
        Ok(views)
    }

    fn routines(&mut self) -> Result<()> {
        let sql = format!(
            "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA={} ORDER BY \
             FIELD(ROUTINE_TYPE, 'PACKAGE', 'PACKAGE BODY', 'FUNCTION', 'PROCEDURE'), ROUTINE_NAME",
            literal(&self.unit.name)
        );
        let doing = format!("list the routines of {}", self.unit.name);
        let all: Vec<(String, String)> = self.connection.query(sql).map_err(|e| wrap(&doing, e))?;
        for (form, name) in all {
            let kind = match form.as_str() {
                "FUNCTION" => Kind::Function,
                "PROCEDURE" => Kind::Procedure,
                "PACKAGE" => Kind::Package,
                "PACKAGE BODY" => Kind::PackageBody,
                other => {
                    let text = format!(
                        "{} {}.{name}: this vex does not know such routines",
                        other.to_lowercase(),
                        self.unit.name
                    );
                    self.found.lost.push(text);
                    continue;
                }
            };
            let member = Member::new(&self.unit.name, &name, kind, Phase::After);
            let show = format!("SHOW CREATE {form} {}", qualified(&self.unit.name, &name));
            self.compound(member, &show, Compound { mode: 1, text: 2, client: 3, zone: None })?;
        }
        Ok(())
    }

    fn triggers(&mut self) -> Result<()> {
        let sql = format!(
            "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA={} ORDER BY \
             EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER",
            literal(&self.unit.name)
        );
        let doing = format!("list the triggers of {}", self.unit.name);
        let all: Vec<(String, String)> = self.connection.query(sql).map_err(|e| wrap(&doing, e))?;
        for (name, table) in
            all.into_iter().filter(|(_, t)| self.unit.tables.iter().any(|own| own.name == *t))
        {
            let member =
                Member::new(&self.unit.name, &name, Kind::Trigger, Phase::After).of_table(&table);
            let show = format!("SHOW CREATE TRIGGER {}", qualified(&self.unit.name, &name));
            self.compound(member, &show, Compound { mode: 1, text: 2, client: 3, zone: None })?;
        }
        Ok(())
    }

    fn events(&mut self) -> Result<()> {
        let sql = format!(
            "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA={} ORDER BY EVENT_NAME",
            literal(&self.unit.name)
        );
        let doing = format!("list the events of {}", self.unit.name);
        let all: Vec<String> = self.connection.query(sql).map_err(|e| wrap(&doing, e))?;
        for name in all {
            let member = Member::new(&self.unit.name, &name, Kind::Event, Phase::After);
            let show = format!("SHOW CREATE EVENT {}", qualified(&self.unit.name, &name));
            self.compound(member, &show, Compound { mode: 1, text: 3, client: 4, zone: Some(2) })?;
        }
        Ok(())
    }

    /// A routine, trigger or event: its body may hold `;`, so the script names another delimiter.
    fn compound(&mut self, member: Member, show: &str, at: Compound) -> Result<()> {
        let row = self.show(show)?;
        let (mode, client, collation) =
            (text_of(&row, at.mode)?, text_of(&row, at.client)?, text_of(&row, at.client + 1)?);
        let zone = at.zone.map(|z| text_of(&row, z)).transpose()?;
        if row.as_ref(at.text) == Some(&Value::NULL) {
            let found = "the server shows no definition: the user lacks the right to see it";
            let error = Error::new(
                ErrorKind::Denied,
                format!("read {} {}", member.kind.word(), member.title()),
                found,
            );
            return Err(
                error.hint("Grant SHOW_ROUTINE (MySQL 8.0.20+) or SELECT on mysql.proc (MariaDB).")
            );
        }
        let text = bytes_of(&row, at.text)?;
        let client =
            self.client_of(&text, client, &format!("{} {}", member.kind.word(), member.title()));
        let mut script = prologue(&self.unit.name);
        script.extend_from_slice(charset_lines(&client, &collation).as_bytes());
        script.extend_from_slice(format!("SET sql_mode={};\n", literal(&mode)).as_bytes());
        if let Some(zone) = zone {
            script.extend_from_slice(format!("SET time_zone={};\n", literal(&zone)).as_bytes());
        }
        let delimiter = delimiter(&text);
        script.extend_from_slice(format!("DELIMITER {delimiter}\n").as_bytes());
        script.extend_from_slice(&text);
        script.extend_from_slice(format!("\n{delimiter}\nDELIMITER ;\n").as_bytes());
        self.push(member, script);
        Ok(())
    }

    /// The client's character set to restore an object with. Entries are UTF-8: text that is not
    /// ASCII and was written by another client is kept, and that it was another client's is not.
    fn client_of(&mut self, text: &[u8], client: String, title: &str) -> String {
        if text.is_ascii() || client.starts_with("utf8") {
            return client;
        }
        self.found
            .not_included
            .push(format!("the client character set {client} of {title}: it is kept as utf8mb4"));
        "utf8mb4".into()
    }
}

fn show(connection: &mut Conn, unit: &str, statement: &str) -> Result<Row> {
    let doing = format!("read a definition of {unit} ({statement})");
    let row: Option<Row> = connection.query_first(statement).map_err(|e| wrap(&doing, e))?;
    row.ok_or_else(|| Error::new(ErrorKind::Failed, doing, "the server answered with nothing"))
}

/// A sequence and its state now. A state of later than the snapshot is always safe, an earlier one
/// repeats keys.
pub fn sequence(connection: &mut Conn, unit: &str, name: &str) -> Result<Vec<u8>> {
    let full = qualified(unit, name);
    let mut script = prologue(unit);
    script.extend_from_slice(&bytes_of(
        &show(connection, unit, &format!("SHOW CREATE SEQUENCE {full}"))?,
        1,
    )?);
    script.extend_from_slice(b";\n");
    script.extend_from_slice(&state(connection, unit, name)?);
    Ok(script)
}

/// The state of a sequence now, as a script of its own: for rows that were read after the sequence
/// was.
pub fn later_state(connection: &mut Conn, unit: &str, name: &str) -> Result<Vec<u8>> {
    Ok([prologue(unit), state(connection, unit, name)?].concat())
}

fn state(connection: &mut Conn, unit: &str, name: &str) -> Result<Vec<u8>> {
    let sql = format!("SELECT next_not_cached_value, cycle_count FROM {}", qualified(unit, name));
    let state = show(connection, unit, &sql)?;
    let (next, round) = (text_of(&state, 0)?, text_of(&state, 1)?);
    Ok(format!("DO SETVAL({}, {next}, 0, {round});\n", quoted(name)).into_bytes())
}

/// Where a SHOW CREATE has its columns; the collation follows the client's character set.
#[derive(Clone, Copy)]
struct Compound {
    mode: usize,
    text: usize,
    client: usize,
    zone: Option<usize>,
}

/// How the script of a database begins, so that a restore under another name can tell.
pub fn database_head(unit: &str) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}", quoted(unit))
}

fn charset_lines(client: &str, collation: &str) -> String {
    format!("SET character_set_client={client}, collation_connection={collation};\n")
}

/// A delimiter that does not occur in the text.
fn delimiter(text: &[u8]) -> String {
    let fits = |d: &str| memchr::memmem::find(text, d.as_bytes()).is_none();
    let numbered = (0..).map(|n| format!("$${n}$$"));
    ["//".to_owned(), ";;".to_owned(), "$$".to_owned()]
        .into_iter()
        .chain(numbered)
        .find(|d| fits(d))
        .unwrap_or_default()
}

fn bytes_of(row: &Row, column: usize) -> Result<Vec<u8>> {
    match row.as_ref(column) {
        Some(Value::Bytes(bytes)) => Ok(bytes.clone()),
        other => {
            let found = format!(
                "column {column} of the answer holds {}",
                if other.is_some() { "no text" } else { "nothing" }
            );
            Err(Error::new(ErrorKind::Failed, "read a definition", found))
        }
    }
}

fn text_of(row: &Row, column: usize) -> Result<String> {
    match row.as_ref(column) {
        Some(Value::Int(n)) => Ok(n.to_string()),
        Some(Value::UInt(n)) => Ok(n.to_string()),
        _ => Ok(String::from_utf8_lossy(&bytes_of(row, column)?).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_never_occurs_in_the_body() {
        assert_eq!(delimiter(b"BEGIN END"), "//");
        assert_eq!(delimiter(b"// ;;"), "$$");
        assert_eq!(delimiter(b"// ;; $$ $$0$$"), "$$1$$");
    }
}
