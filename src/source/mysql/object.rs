//! Everything that is not rows, as complete scripts: the server's own definitions, each with the
//! session it needs.
//!
//! Never rebuilds a definition: the server's own text is kept, as UTF-8 (see `literal.rs`).
//! A definition the server will not show is an error, never an object less.

use mysql::prelude::Queryable;
use mysql::{Conn, Row, Value};

use crate::artifact::{Kind, Member, Phase};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::fault::wrap;
use crate::source::mysql::schema::{literal, qualified, quoted};

/// The class of libraries (MySQL 9.2 and later).
pub const LIBRARY: &str = "library";

/// A member and its script.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

impl Definitions {
    /// Adds those of another.
    pub fn add(&mut self, other: Definitions) {
        self.scripts.extend(other.scripts);
        self.not_included.extend(other.not_included);
        self.lost.extend(other.lost);
    }
}

/// The libraries of a database, as its members are called; none where a server knows none.
pub fn libraries(connection: &mut Conn, unit: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT CONCAT('{LIBRARY} ', LIBRARY_NAME) FROM information_schema.LIBRARIES WHERE LIBRARY_SCHEMA={} ORDER BY 1",
        literal(unit)
    );
    match connection.query(sql) {
        Err(mysql::Error::MySqlError(e)) if e.code == 1109 => Ok(Vec::new()),
        other => other.map_err(|e| wrap(&format!("list the libraries of {unit}"), e)),
    }
}

/// The statement that removes the object of a member, of a database by this name.
pub fn removal(member: &Member, unit: &str) -> String {
    let own = member.own_name().map(|name| (member.class.as_deref().unwrap_or_default(), name));
    let (word, name) = own.unwrap_or((member.kind.word(), &member.name));
    format!("DROP {word} IF EXISTS {}", qualified(unit, name))
}

/// The scripts that come before the rows, and those that come after them. Accounts may be definers
/// of what follows; their grants may be on it. Triggers and events come after everything else of
/// every database.
pub fn in_restore_order(scripts: &[Script]) -> (Vec<&Script>, Vec<&Script>) {
    let (before, mut after): (Vec<&Script>, Vec<&Script>) =
        scripts.iter().partition(|s| s.member.phase == Phase::Before);
    after.sort_by_key(|s| match s.member.kind {
        Kind::Account => 0,
        // Libraries, which routines of other databases may use.
        Kind::Object => 1,
        Kind::Trigger => 3,
        Kind::Grants => 4,
        Kind::Event => 5,
        _ => 2,
    });
    (before, after)
}

/// The row of a SHOW CREATE.
pub fn show(connection: &mut Conn, unit: &str, statement: &str) -> Result<Row> {
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

/// How the script of a database begins, so that a restore under another name can tell.
pub fn database_head(unit: &str) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}", quoted(unit))
}

/// A column of an answer, as bytes.
pub fn bytes_of(row: &Row, column: usize) -> Result<Vec<u8>> {
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

/// The same as text.
pub fn text_of(row: &Row, column: usize) -> Result<String> {
    match row.as_ref(column) {
        Some(Value::Int(n)) => Ok(n.to_string()),
        Some(Value::UInt(n)) => Ok(n.to_string()),
        _ => Ok(String::from_utf8_lossy(&bytes_of(row, column)?).into_owned()),
    }
}
