//! Reads the definitions of one database, each as the server shows it.
//!
//! A definition that the server can't show is left out and named; one that the user may not see is
//! an error.

use std::collections::BTreeSet;

use mysql::prelude::{FromRow, Queryable};
use mysql::{Conn, Row, Value};

use crate::artifact::{Kind, Member, Phase};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::literal::{Form, as_utf8, combined, has_introduced, repaired};
use crate::source::mysql::names::Names;
use crate::source::mysql::object::{
    Definitions, LIBRARY, Script, bytes_of, database_head, prologue, sequence, show, text_of,
};
use crate::source::mysql::privilege::{Privileges, Scope as On};
use crate::source::mysql::privilege_check::sees_routines;
use crate::source::mysql::schema::{Table, Unit, literal, qualified, quoted};
use crate::source::mysql::unreadable::reason;

/// Which definitions are read.
pub enum Scope<'a> {
    /// All, as a user with these privileges sees them; those of the tables were read before.
    All(&'a Privileges, Definitions),
    /// All but tables, which the guard holds, and sequences, whose state moves all the time.
    Unguarded,
}

/// Reads the definitions of a database. `connection` is used for nothing else meanwhile.
pub fn definitions(
    connection: &mut Conn,
    unit: &Unit,
    names: &Names,
    scope: Scope<'_>,
) -> Result<Definitions> {
    let mut reader = Reader { connection, unit, found: Definitions::default() };
    run(reader.connection, &format!("USE {}", quoted(&unit.name)), &format!("use {}", unit.name))?;
    reader.database()?;
    if let Scope::All(held, tables) = scope {
        reader.privileges(held)?;
        reader.found.add(tables);
    }
    let views = reader.views()?;
    reader.libraries(names.libraries_of(unit))?;
    reader.routines(names.routines_of(unit))?;
    reader.found.scripts.extend(views);
    reader.triggers(names.triggers_of(unit))?;
    reader.events(names.events_of(unit))?;
    Ok(reader.found)
}

/// The definitions of some objects of a database, and of no other.
pub fn definitions_of(
    connection: &mut Conn,
    unit: &str,
    members: &[Member],
) -> Result<Vec<Script>> {
    let of = |kind: Kind| members.iter().filter(move |m| m.kind == kind);
    let table = |sequence: bool| {
        move |m: &Member| Table {
            name: m.name.clone(),
            engine: String::new(),
            sequence,
            versioned: false,
            partitioned: false,
            rows: 0,
            bytes: 0,
        }
    };
    let tables = of(Kind::Table).map(table(false)).chain(of(Kind::Sequence).map(table(true)));
    let views = of(Kind::View).map(|m| m.name.clone());
    let unit = Unit { name: unit.to_owned(), tables: tables.collect(), views: views.collect() };
    let mut reader = Reader { connection, unit: &unit, found: Definitions::default() };
    run(reader.connection, &format!("USE {}", quoted(&unit.name)), &format!("use {}", unit.name))?;
    if of(Kind::Database).next().is_some() {
        reader.database()?;
    }
    reader.tables()?;
    let views = reader.views()?;
    let libraries = of(Kind::Object).filter_map(|m| m.own_name().map(str::to_owned));
    reader.libraries(&libraries.collect::<Vec<_>>())?;
    let routines = [Kind::Package, Kind::PackageBody, Kind::Function, Kind::Procedure];
    let routines = routines.into_iter().flat_map(of);
    let routines = routines.map(|m| (m.kind.word().to_uppercase(), m.name.clone()));
    reader.routines(&routines.collect::<Vec<_>>())?;
    reader.found.scripts.extend(views);
    for member in of(Kind::Trigger) {
        reader.trigger(&member.name, member.table.as_deref())?;
    }
    reader.events(&of(Kind::Event).map(|m| m.name.clone()).collect::<Vec<_>>())?;
    Ok(reader.found.scripts)
}

/// The definitions of the tables of a unit, and nothing else.
pub fn tables_of(connection: &mut Conn, unit: &Unit) -> Result<Definitions> {
    let mut reader = Reader { connection, unit, found: Definitions::default() };
    reader.tables()?;
    Ok(reader.found)
}

/// Where a text stands that the server shows.
struct Shown<'a> {
    statement: &'a str,
    at: usize,
    form: Form,
    title: &'a str,
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

    /// The row of a SHOW CREATE; nothing if the server can't show it, which is told.
    fn shown(&mut self, statement: &str, title: &str) -> Result<Option<Row>> {
        match self.connection.query_first::<Row, _>(statement) {
            Ok(Some(row)) => return Ok(Some(row)),
            Ok(None) => self.lose(title, "the server shows nothing of it"),
            Err(error) => match reason(&error) {
                Some(why) => self.lose(title, &format!("the server can't show it: {why}")),
                None => return Err(wrap(&format!("read {title}"), error)),
            },
        }
        Ok(None)
    }

    /// The rows of a catalogue; none if the server can't read it, which is told.
    fn listed<T: FromRow>(&mut self, what: &str, sql: &str) -> Result<Vec<T>> {
        let title = format!("{what} of {}", self.unit.name);
        match self.connection.query(sql) {
            Ok(rows) => Ok(rows),
            Err(error) => {
                let why = reason(&error);
                let Some(why) = why else { return Err(wrap(&format!("list the {title}"), error)) };
                self.lose(&title, &format!("the server can't list them: {why}"));
                Ok(Vec::new())
            }
        }
    }

    fn lose(&mut self, title: &str, why: &str) {
        let line = format!("{title}: {why}");
        if !self.found.lost.contains(&line) {
            self.found.lost.push(line);
        }
    }

    /// The catalogue shows a user only what it may see: what it can't see would be missing in
    /// silence.
    fn privileges(&mut self, held: &Privileges) -> Result<()> {
        let unit = self.unit.name.clone();
        // Without the right to see events this is refused, where the catalogue shows none.
        drop(self.listed::<Row>("events", &format!("SHOW EVENTS FROM {}", quoted(&unit)))?);
        if !held.has(&["TRIGGER", "SUPER"], &On::Database(unit.clone())) {
            self.found
                .lost
                .push(format!("triggers of {unit} may be missing: no TRIGGER privilege was found"));
        }
        if !sees_routines(held, &unit) {
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
            let full = qualified(&self.unit.name, &table.name);
            let title = format!("{}.{}", self.unit.name, table.name);
            if table.sequence {
                // No lock has shown that it can be opened.
                let open =
                    self.shown(&format!("SELECT 1 FROM {full}"), &format!("sequence {title}"));
                if open?.is_some() {
                    let script = sequence(self.connection, &self.unit.name, &table.name)?;
                    let name = &table.name;
                    let member = Member::new(&self.unit.name, name, Kind::Sequence, Phase::Before);
                    self.push(member, script);
                }
                continue;
            }
            let statement = format!("SHOW CREATE TABLE {full}");
            let open =
                table.has_rows() || self.shown(&statement, &format!("table {title}"))?.is_some();
            if !open {
                continue;
            }
            let mut script = prologue(&self.unit.name);
            script.extend_from_slice(&self.whole(&statement)?);
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
        let text = if text.contains(&b'?') { self.raw(statement, 1)? } else { text };
        Ok(as_utf8(text, Form::Definition))
    }

    /// A column of an answer as the server keeps it.
    fn raw(&mut self, statement: &str, at: usize) -> Result<Vec<u8>> {
        let doing = format!("read a definition of {}", self.unit.name);
        run(self.connection, "SET character_set_results=NULL", &doing)?;
        let raw = self.show(statement)?;
        run(self.connection, "SET character_set_results=utf8mb4", &doing)?;
        bytes_of(&raw, at)
    }

    /// The text of an object as UTF-8, without loss. It is in the character set of the client that
    /// made it, and literals with an introducer are in none but their own.
    fn text(&mut self, row: &Row, shown: &Shown<'_>, client: &str) -> Result<Vec<u8>> {
        let text = bytes_of(row, shown.at)?;
        let (statement, at, form) = (shown.statement, shown.at, shown.form);
        if client.starts_with("utf8") || matches!(client, "binary" | "ascii") {
            let text = if text.contains(&b'?') { self.raw(statement, at)? } else { text };
            return Ok(as_utf8(text, form));
        }
        if !has_introduced(&text, form) {
            return Ok(as_utf8(text, form));
        }
        let raw = self.raw(statement, at)?;
        match combined(&text, &raw, form) {
            Some(text) => Ok(text),
            None => {
                let why = format!("its literals can't be told from its text in {client}");
                self.lose(shown.title, &why);
                Ok(text)
            }
        }
    }

    /// Placeholders go before, so that views may name each other in any order; returns the views
    /// themselves.
    fn views(&mut self) -> Result<Vec<Script>> {
        let mut views = Vec::new();
        for name in self.unit.views.clone() {
            let title = format!("view {}.{name}", self.unit.name);
            let show = format!("SHOW CREATE VIEW {}", qualified(&self.unit.name, &name));
            let Some(row) = self.shown(&show, &title)? else { continue };
            let (client, collation) = (text_of(&row, 2)?, text_of(&row, 3)?);
            let (statement, form) = (show.as_str(), Form::Definition);
            let shown = Shown { statement, at: 1, form, title: &title };
            let text = self.text(&row, &shown, &client)?;
            let Some(columns) = self.columns(&name, &title, &text)? else { continue };
            let client = self.client_of(&text, client, &title);
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

    /// The columns of a view. Its SELECT is prepared, not run: it may fail at run time and be a
    /// good view. Nothing if what it names is not there or can't be opened, or its definer is gone:
    /// no server takes such a definition back, and it is told.
    fn columns(&mut self, name: &str, title: &str, text: &[u8]) -> Result<Option<Vec<String>>> {
        let full = qualified(&self.unit.name, name);
        let prepared = self.connection.prep(format!("SELECT * FROM {full}"));
        let statement = match prepared {
            Ok(statement) => statement,
            Err(error) => {
                let Some(why) = reason(&error) else {
                    return Err(wrap(&format!("read {title}"), error));
                };
                let text = String::from_utf8_lossy(text);
                self.found.lost.push(format!("{title} is invalid, {why}: {text}"));
                return Ok(None);
            }
        };
        let columns = statement.columns().iter().map(|c| c.name_str().into_owned()).collect();
        let closed = self.connection.close(statement);
        closed.map_err(|e| wrap(&format!("read {title}"), e))?;
        Ok(Some(columns))
    }

    /// Libraries of code (MySQL 9.2 and later), which routines of any database may use.
    fn libraries(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            let title = format!("library {}.{name}", self.unit.name);
            let show = format!("SHOW CREATE LIBRARY {}", qualified(&self.unit.name, name));
            let Some(row) = self.shown(&show, &title)? else { continue };
            if row.as_ref(2) == Some(&Value::NULL) {
                self.lose(&title, "the user may not see its text");
                continue;
            }
            let (mode, text) = (text_of(&row, 1)?, bytes_of(&row, 2)?);
            let mut script = prologue(&self.unit.name);
            script.extend_from_slice(format!("SET sql_mode={};\n", literal(&mode)).as_bytes());
            script.extend_from_slice(&delimited(&text));
            let own = format!("{LIBRARY} {name}");
            let mut member = Member::new(&self.unit.name, &own, Kind::Object, Phase::After);
            member.class = Some(LIBRARY.to_owned());
            self.push(member, script);
        }
        Ok(())
    }

    fn routines(&mut self, names: &[(String, String)]) -> Result<()> {
        for (form, name) in names {
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
            let member = Member::new(&self.unit.name, name, kind, Phase::After);
            let show = format!("SHOW CREATE {form} {}", qualified(&self.unit.name, name));
            self.compound(member, &show, Compound { mode: 1, text: 2, client: 3, zone: None })?;
        }
        Ok(())
    }

    fn triggers(&mut self, all: &[(String, String)]) -> Result<()> {
        let own: BTreeSet<&str> = self.unit.tables.iter().map(|t| t.name.as_str()).collect();
        for (name, table) in all.iter().filter(|(_, table)| own.contains(table.as_str())) {
            self.trigger(name, Some(table))?;
        }
        Ok(())
    }

    fn trigger(&mut self, name: &str, table: Option<&str>) -> Result<()> {
        let member = Member::new(&self.unit.name, name, Kind::Trigger, Phase::After);
        let member = Member { table: table.map(str::to_owned), ..member };
        let show = format!("SHOW CREATE TRIGGER {}", qualified(&self.unit.name, name));
        self.compound(member, &show, Compound { mode: 1, text: 2, client: 3, zone: None })
    }

    fn events(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            let member = Member::new(&self.unit.name, name, Kind::Event, Phase::After);
            let show = format!("SHOW CREATE EVENT {}", qualified(&self.unit.name, name));
            self.compound(member, &show, Compound { mode: 1, text: 3, client: 4, zone: Some(2) })?;
        }
        Ok(())
    }

    /// A routine, trigger or event: its body may hold `;`, so the script names another delimiter.
    fn compound(&mut self, member: Member, show: &str, at: Compound) -> Result<()> {
        let title = format!("{} {}", member.kind.word(), member.title());
        let Some(row) = self.shown(show, &title)? else { return Ok(()) };
        let (mode, client, collation) =
            (text_of(&row, at.mode)?, text_of(&row, at.client)?, text_of(&row, at.client + 1)?);
        let zone = at.zone.map(|z| text_of(&row, z)).transpose()?;
        if row.as_ref(at.text) == Some(&Value::NULL) {
            let found = "the server shows no definition: the user lacks the right to see it";
            let error = Error::new(ErrorKind::Denied, format!("read {title}"), found);
            return Err(
                error.hint("Grant SHOW_ROUTINE (MySQL 8.0.20+) or SELECT on mysql.proc (MariaDB).")
            );
        }
        let shown = Shown { statement: show, at: at.text, form: Form::Code, title: &title };
        let mut text = self.text(&row, &shown, &client)?;
        if !client.starts_with("utf8") && !text.is_ascii() {
            text = repaired(&text, &member.name, self.comment(&member)?.as_deref());
        }
        let client = self.client_of(&text, client, &title);
        let mut script = prologue(&self.unit.name);
        script.extend_from_slice(charset_lines(&client, &collation).as_bytes());
        script.extend_from_slice(format!("SET sql_mode={};\n", literal(&mode)).as_bytes());
        if let Some(zone) = zone {
            script.extend_from_slice(format!("SET time_zone={};\n", literal(&zone)).as_bytes());
        }
        script.extend_from_slice(&delimited(&text));
        self.push(member, script);
        Ok(())
    }

    /// The comment of a routine or event. In its text, MariaDB takes the name and the comment for
    /// words of the client that made it, and they are UTF-8.
    fn comment(&mut self, member: &Member) -> Result<Option<String>> {
        let what = match member.kind {
            Kind::Trigger => return Ok(None),
            Kind::Event => "EVENT",
            _ => "ROUTINE",
        };
        let (unit, name) = (literal(&self.unit.name), literal(&member.name));
        let form = match what {
            "EVENT" => String::new(),
            _ => format!(" AND ROUTINE_TYPE='{}'", member.kind.word().to_uppercase()),
        };
        let sql = format!(
            "SELECT {what}_COMMENT FROM information_schema.{what}S WHERE {what}_SCHEMA={unit} AND {what}_NAME={name}{form}"
        );
        let doing = format!("read the comment of {} {}", member.kind.word(), member.title());
        self.connection.query_first(sql).map_err(|e| wrap(&doing, e))
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

/// Where a SHOW CREATE has its columns; the collation follows the client's character set.
#[derive(Clone, Copy)]
struct Compound {
    mode: usize,
    text: usize,
    client: usize,
    zone: Option<usize>,
}

fn charset_lines(client: &str, collation: &str) -> String {
    format!("SET character_set_client={client}, collation_connection={collation};\n")
}

/// A statement that may hold `;`, so that it has another delimiter.
fn delimited(text: &[u8]) -> Vec<u8> {
    let delimiter = delimiter(text);
    let (head, tail) =
        (format!("DELIMITER {delimiter}\n"), format!("\n{delimiter}\nDELIMITER ;\n"));
    [head.as_bytes(), text, tail.as_bytes()].concat()
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
