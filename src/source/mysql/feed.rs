//! Rows of INSERT statements as the text that LOAD DATA LOCAL reads: the server parses it in half
//! the time.
//!
//! Bytes are handed over as binary, so nothing converts them; types that would take such bytes for
//! something else are named as text. A table with a type that is not known to come back the same
//! way is not fed, nor is a statement with a value that LOAD DATA could take for another: both stay
//! INSERTs.

use std::collections::BTreeMap;
use std::io::Write;

use mysql::prelude::Queryable;
use mysql::{Conn, LocalInfileHandler};

use crate::artifact::{Dialect, SqlError, Statement, Value, read_insert};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::fault::wrap;
use crate::source::mysql::schema::{literal, quoted};

/// Bytes of text at which it is sent.
const FULL: usize = 4 << 20;

/// How a column takes its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As it stands.
    Bytes,
    /// As it stands, but never a number, which could be another member's name.
    Enum,
    /// As text: the type has a binary form of its own.
    Text,
}

/// The ways of all columns of each table of a database; a table that can't be fed is not there.
pub type Ways = BTreeMap<String, BTreeMap<String, Way>>;

/// Asks how the columns of a database take their fields.
pub fn ways(connection: &mut Conn, unit: &str) -> Result<Ways> {
    let sql = format!(
        "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, IF(c.EXTRA LIKE '%auto_increment%', t.AUTO_INCREMENT, NULL) \
         FROM information_schema.COLUMNS c JOIN information_schema.TABLES t \
         USING (TABLE_SCHEMA, TABLE_NAME) WHERE c.TABLE_SCHEMA={} AND t.TABLE_TYPE='BASE TABLE'",
        literal(unit)
    );
    let doing = format!("ask for the columns of {unit}");
    let rows: Vec<(String, String, String, String, Option<u64>)> =
        connection.query(sql).map_err(|e| wrap(&doing, e))?;
    let mut ways = Ways::new();
    let mut unknown = Vec::new();
    for (table, column, data_type, full_type, next) in rows {
        let data_type = data_type.to_lowercase();
        // MariaDB 10.11 leaves out what LOAD DATA brings after the greatest number, and takes it by
        // INSERT.
        if next.is_some_and(|next| next >= greatest(&data_type, full_type.contains("unsigned"))) {
            unknown.push(table);
            continue;
        }
        match way(&data_type) {
            Some(way) => drop(ways.entry(table).or_default().insert(column, way)),
            None => unknown.push(table),
        }
    }
    ways.retain(|table, _| !unknown.contains(table));
    Ok(ways)
}

/// The greatest number of a type that may count by itself.
fn greatest(data_type: &str, unsigned: bool) -> u64 {
    let bits = match data_type {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" => 32,
        _ => 64,
    };
    u64::MAX >> (64 - bits + u32::from(!unsigned))
}

fn way(data_type: &str) -> Option<Way> {
    match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float"
        | "double" | "year" | "bit" | "date" | "datetime" | "timestamp" | "time" | "char"
        | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "binary" | "varbinary"
        | "tinyblob" | "blob" | "mediumblob" | "longblob" => Some(Way::Bytes),
        "enum" | "set" => Some(Way::Enum),
        "json" | "uuid" | "inet4" | "inet6" => Some(Way::Text),
        _ => None,
    }
}

/// Rows that wait to be sent, of statements with one head.
pub struct Feed<'a> {
    head: &'a [u8],
    columns: Vec<Way>,
    load: String,
    text: Vec<u8>,
    rows: u64,
    statements: Vec<&'a [u8]>,
}

impl<'a> Feed<'a> {
    /// A feed for statements that begin with `head`; nothing if its table or a column can't be fed.
    pub fn open(head: &'a [u8], ways: &Ways) -> Option<Feed<'a>> {
        let names = names(head)?;
        let (table, columns) = names.split_first()?;
        let own = ways.get(table)?;
        let columns: Vec<(&String, Way)> =
            columns.iter().map(|c| own.get(c).map(|w| (c, *w))).collect::<Option<_>>()?;
        if columns.is_empty() {
            return None;
        }
        let (mut list, mut set) = (Vec::new(), Vec::new());
        for (number, (column, way)) in columns.iter().enumerate() {
            let column = quoted(column);
            if *way == Way::Text {
                list.push(format!("@vex{number}"));
                set.push(format!("{column}=CONVERT(@vex{number} USING utf8mb4)"));
            } else {
                list.push(column);
            }
        }
        let set = if set.is_empty() { String::new() } else { format!(" SET {}", set.join(", ")) };
        let load = format!(
            "LOAD DATA LOCAL INFILE 'vex' INTO TABLE {} CHARACTER SET binary FIELDS TERMINATED BY '\\t' ENCLOSED BY '' \
             ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' STARTING BY '' ({}){set}",
            quoted(table),
            list.join(",")
        );
        let columns = columns.into_iter().map(|c| c.1).collect();
        Some(Feed { head, columns, load, text: Vec::new(), rows: 0, statements: Vec::new() })
    }

    /// Takes a statement along; false, and nothing is taken, if a value of it can't be fed.
    pub fn take(&mut self, statement: &Statement<'a>) -> std::result::Result<bool, SqlError> {
        let (length, rows) = (self.text.len(), self.rows);
        let mut fits = true;
        read_insert(Dialect::Mysql, statement, &mut |_, values| {
            fits &= values.len() == self.columns.len();
            for (number, (value, way)) in values.iter().zip(&self.columns).enumerate() {
                if number > 0 {
                    self.text.push(b'\t');
                }
                match value {
                    Value::Null => self.text.extend_from_slice(b"\\N"),
                    Value::Number(_) if *way != Way::Bytes => fits = false,
                    Value::Number(number) => self.text.extend_from_slice(number),
                    Value::Text(text) => write_field(text, &mut self.text),
                    Value::Bytes(bytes) => write_field(bytes, &mut self.text),
                }
            }
            self.text.push(b'\n');
            self.rows += 1;
            Ok::<(), SqlError>(())
        })?;
        if fits {
            self.statements.push(statement.text);
        } else {
            self.text.truncate(length);
            self.rows = rows;
        }
        Ok(fits)
    }

    /// Whether statements with this head belong to it.
    pub fn is_of(&self, head: &[u8]) -> bool {
        self.head == head
    }

    /// Whether it is time to send.
    pub fn is_full(&self) -> bool {
        self.text.len() >= FULL
    }

    /// Sends what waits; false if the server takes no such text, and the statements it stands for.
    pub fn send(
        &mut self,
        connection: &mut Conn,
        doing: &str,
    ) -> Result<std::result::Result<(), Vec<&'a [u8]>>> {
        if self.rows == 0 {
            return Ok(Ok(()));
        }
        let (text, rows) = (std::mem::take(&mut self.text), std::mem::take(&mut self.rows));
        let statements = std::mem::take(&mut self.statements);
        // Whatever file the server asks for, it gets these rows.
        connection.set_local_infile_handler(Some(LocalInfileHandler::new(move |_, out| {
            out.write_all(&text)
        })));
        let answer = connection.query_drop(&self.load);
        connection.set_local_infile_handler(None);
        match answer {
            Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1148 | 3948 | 4166) => {
                return Ok(Err(statements));
            }
            other => other.map_err(|e| wrap(doing, e))?,
        }
        // LOCAL turns errors into warnings and goes on; a row that was left out is one
        // nevertheless.
        all_taken(connection, rows, doing).map(Ok)
    }
}

/// An error, unless the last statement took as many rows.
pub fn all_taken(connection: &mut Conn, rows: u64, doing: &str) -> Result<()> {
    if connection.affected_rows() == rows {
        return Ok(());
    }
    let found = format!("the server took {} of {rows} rows", connection.affected_rows());
    let warning: Option<(String, u64, String)> =
        connection.query_first("SHOW WARNINGS LIMIT 1").map_err(|e| wrap(doing, e))?;
    let found = warning
        .map_or(found.clone(), |(_, code, text)| format!("{found}: {text} (warning {code})"));
    Err(Error::new(ErrorKind::Failed, doing, found))
}

fn write_field(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr3(b'\t', b'\n', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        out.push(match rest[at] {
            b'\t' => b't',
            b'\n' => b'n',
            other => other,
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// The head of an INSERT statement, up to its VALUES.
pub fn head(statement: &[u8]) -> Option<&[u8]> {
    let mut at = b"INSERT INTO ".len();
    loop {
        match statement.get(at)? {
            b'`' => at += 1 + memchr::memchr(b'`', &statement[at + 1..])? + 1,
            b')' => return statement[at..].starts_with(b") VALUES").then_some(&statement[..at]),
            _ => at += 1,
        }
    }
}

/// The quoted names in a head.
fn names(head: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = head;
    while let Some(from) = memchr::memchr(b'`', rest) {
        let mut name = Vec::new();
        rest = &rest[from + 1..];
        loop {
            let end = memchr::memchr(b'`', rest)?;
            name.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.first() {
                Some(b'`') => {
                    name.push(b'`');
                    rest = &rest[1..];
                }
                _ => break,
            }
        }
        names.push(String::from_utf8(name).ok()?);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways() -> Ways {
        let own = [("a", Way::Bytes), ("e`", Way::Enum), ("j", Way::Text)];
        Ways::from([("t".into(), own.into_iter().map(|(c, w)| (c.into(), w)).collect())])
    }

    #[test]
    fn values_become_fields_that_say_the_same() {
        let text = b"INSERT INTO `t` (`a`,`e```,`j`) VALUES\n(NULL,'x\\'\t\\n\\\\','{}'),\n(x'0a005c09','NULL',NULL),(-0e0,'','')";
        let own = head(text).expect("a head");
        let ways = ways();
        let mut feed = Feed::open(own, &ways).expect("it can be fed");
        assert!(feed.take(&Statement { text, at: 0 }).expect("it reads"));
        assert_eq!(
            String::from_utf8_lossy(&feed.text),
            "\\N\tx'\\t\\n\\\\\t{}\n\\n\0\\\\\\t\tNULL\t\\N\n-0e0\t\t\n"
        );
        assert!(
            feed.load.ends_with(" (`a`,`e```,@vex2) SET `j`=CONVERT(@vex2 USING utf8mb4)"),
            "{}",
            feed.load
        );
        assert_eq!(feed.rows, 3);
    }

    #[test]
    fn what_could_be_taken_for_something_else_stays_an_insert() {
        let ways = ways();
        let text = b"INSERT INTO `t` (`a`,`e```) VALUES (1,'b'),(2,0)";
        let mut feed = Feed::open(head(text).expect("a head"), &ways).expect("it can be fed");
        assert!(!feed.take(&Statement { text, at: 0 }).expect("it reads"));
        assert_eq!((feed.text.len(), feed.rows), (0, 0));
        for text in [
            "INSERT INTO `t` (`b`) VALUES (1)",
            "INSERT INTO `g` () VALUES ()",
            "INSERT INTO `t` () VALUES ()",
        ] {
            assert!(Feed::open(head(text.as_bytes()).expect("a head"), &ways).is_none(), "{text}");
        }
        assert_eq!(way("point"), None);
        assert_eq!(head(b"INSERT INTO `t) VALUES"), None);
    }
}
