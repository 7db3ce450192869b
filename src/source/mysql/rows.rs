//! Rows of a table: from the wire to INSERT statements and digests; the one place that knows both.
//!
//! Invariant: the digest of a row is made of the very tags and bytes that are written, so that
//! reading the entry back recomputes it, and reading a restored table does too.

use std::collections::BTreeMap;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use crate::artifact::{Dialect, Keys, Proof, RowDigest, write_name};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Out, Result};
use crate::source::mysql::column::Column;
use crate::source::mysql::fault::{is_damage, wrap};
use crate::source::mysql::range::{Key, Range};
use crate::source::mysql::schema::{Layout, qualified, quoted};
use crate::source::mysql::unreadable::reason;
use crate::source::mysql::value::literal;
use crate::source::script::Inserts;

/// Size of an INSERT statement at which the next begins: far below any `max_allowed_packet`.
const STATEMENT: usize = 1_000_000;

/// Rows between two checks for cancellation.
const PATIENCE: u64 = 1024;

/// Bytes of a packet that are not the statement.
const PACKET_MARGIN: usize = 64;

/// Sizes of what is written.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Bytes at which an entry ends.
    pub chunk: usize,
    /// Bytes of the longest statement the server takes.
    pub packet: usize,
    /// Rows at which a range is cut.
    pub rows: Option<u64>,
    /// Whether rows come in the order of the key.
    pub ordered: bool,
}

/// What is used again for every row.
#[derive(Default)]
struct Scratch {
    digest: RowDigest,
    value: Vec<u8>,
}

/// How far a range was read.
#[derive(Debug)]
pub struct Reached {
    /// What was read.
    pub proof: Proof,
    /// The last key, if there may be more.
    pub last: Option<Key>,
    /// Rows that no server would take back, and are left out: why, and how many.
    pub left: BTreeMap<String, u64>,
    /// Why the server can't read on.
    pub broken: Option<String>,
}

/// How a SELECT ended.
struct End {
    /// The last row.
    row: Option<Row>,
    /// Why the server could not read on.
    broken: Option<String>,
}

impl End {
    fn broken(row: Option<Row>, error: &mysql::Error) -> End {
        End { row, broken: Some(reason(error).unwrap_or_else(|| error.to_string())) }
    }
}

/// A table that is read.
pub struct TableRows<'a> {
    /// Its database.
    pub unit: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its columns.
    pub layout: &'a Layout,
}

impl TableRows<'_> {
    /// `db.table`, for messages.
    pub fn title(&self) -> String {
        format!("{}.{}", self.unit, self.name)
    }

    /// The SELECT of a range, of `limit` rows at most; these are then the first of it.
    fn select(&self, range: &Range, limit: Option<u64>) -> String {
        let mut sql = b"SELECT ".to_vec();
        if self.layout.columns.is_empty() {
            sql.push(b'1');
        }
        for (i, column) in self.layout.columns.iter().enumerate() {
            if i > 0 {
                sql.push(b',');
            }
            column.write_expression(&mut sql);
        }
        sql.extend_from_slice(format!(" FROM {}", qualified(self.unit, self.name)).as_bytes());
        if self.layout.versioned {
            sql.extend_from_slice(b" FOR SYSTEM_TIME ALL");
        }
        sql.extend_from_slice(self.filter(range).as_bytes());
        if let Some(limit) = limit {
            let columns = self.key_columns().join(",");
            sql.extend_from_slice(format!(" ORDER BY {columns} LIMIT {limit}").as_bytes());
        }
        String::from_utf8(sql).expect("BUG: names and numbers that are not UTF-8")
    }

    fn key_columns(&self) -> Vec<String> {
        self.layout.key.iter().map(|c| quoted(&c.name)).collect()
    }

    /// Index and condition of a range; nothing where the table is read in one.
    fn filter(&self, range: &Range) -> String {
        let condition = range.condition(&self.key_columns());
        let index = if self.layout.key.is_empty() { "" } else { " FORCE INDEX (PRIMARY)" };
        if condition.is_empty() { index.to_owned() } else { format!("{index} WHERE {condition}") }
    }

    /// The key of row `number`, from 1, of a range; `None` where it has fewer, or can't be read so
    /// far.
    pub fn nth_key(
        &self,
        connection: &mut Conn,
        range: &Range,
        number: u64,
    ) -> Result<Option<Key>> {
        let columns = self.key_columns().join(",");
        let full = qualified(self.unit, self.name);
        let sql = format!(
            "SELECT {columns} FROM {full}{} ORDER BY {columns} LIMIT 1 OFFSET {}",
            self.filter(range),
            number.saturating_sub(1)
        );
        let doing = format!("cut {}", self.title());
        let statement = connection.prep(sql).map_err(|e| wrap(&doing, e))?;
        let row: Option<Row> = match connection.exec_first(&statement, ()) {
            // Whoever reads the range tells.
            Err(error) if is_damage(&error) => None,
            other => other.map_err(|e| wrap(&doing, e))?,
        };
        connection.close(statement).map_err(|e| wrap(&doing, e))?;
        let columns = self.layout.key.iter().enumerate();
        row.map(|row| columns.map(|(i, column)| self.key_literal(column, &row, i)).collect())
            .transpose()
    }

    fn key_literal(&self, column: &Column, row: &Row, index: usize) -> Result<String> {
        let mut scratch = Vec::new();
        let found = row.as_ref(index).and_then(|value| literal(column, value, &mut scratch));
        found.and_then(|(tag, bytes)| column.key_literal(tag, bytes)).ok_or_else(|| {
            let found =
                format!("the key column {} holds a value that can't be compared", column.name);
            Error::new(ErrorKind::Damaged, format!("cut {}", self.title()), found)
        })
    }

    /// The key of a row of the table.
    fn key_of(&self, row: &Row) -> Result<Key> {
        let place =
            |column: &Column| self.layout.columns.iter().position(|c| c.name == column.name);
        let keys = self.layout.key.iter().map(|column| match place(column) {
            Some(index) => self.key_literal(column, row, index),
            None => Err(Error::new(
                ErrorKind::Damaged,
                format!("cut {}", self.title()),
                format!("the key column {} is not among those read", column.name),
            )),
        });
        keys.collect()
    }

    /// How many rows the table has, by the server's own count.
    pub fn count(&self, connection: &mut Conn) -> Result<u64> {
        let doing = format!("count {}", self.title());
        // By the index that the rows were read by: another may be damaged.
        let full = qualified(self.unit, self.name);
        let sql = format!("SELECT COUNT(*) FROM {full}{}", self.filter(&Range::default()));
        let count: Option<u64> = connection.query_first(sql).map_err(|e| wrap(&doing, e))?;
        count
            .ok_or_else(|| Error::new(ErrorKind::Failed, doing, "the server answered with nothing"))
    }

    /// `INSERT INTO `t` (`a`,`b`) VALUES`.
    fn insert_head(&self) -> Vec<u8> {
        let mut head = b"INSERT INTO ".to_vec();
        write_name(Dialect::Mysql, self.name, &mut head);
        head.extend_from_slice(b" (");
        for (i, column) in self.layout.columns.iter().enumerate() {
            if i > 0 {
                head.push(b',');
            }
            write_name(Dialect::Mysql, &column.name, &mut head);
        }
        head.extend_from_slice(b") VALUES");
        head
    }

    /// Reads a range as entries, `sizes.rows` rows of it at most. What the server can read of a
    /// damaged table is read.
    pub fn read(
        &self,
        connection: &mut Conn,
        range: &Range,
        prologue: &[u8],
        sizes: Sizes,
        out: &mut dyn Out,
        stop: &Stop,
    ) -> Result<Reached> {
        let head = self.insert_head();
        let mut entry: Option<Inserts> = None;
        let mut scratch = Scratch::default();
        let mut total = Proof::default();
        let (mut rows, mut last) = (0, None);
        let mut first: Option<Key> = None;
        let mut left = BTreeMap::new();
        let end = self.each(connection, &self.select(range, sizes.rows), stop, &mut |row| {
            rows += 1;
            if Some(rows) == sizes.rows {
                last = Some(self.key_of(row)?);
            }
            let open = match &mut entry {
                Some(open) => open,
                None => entry.insert(Inserts::begin(out.buffer()?, prologue, STATEMENT)),
            };
            let mark = open.mark();
            open.row(&head);
            let from = open.bytes.len();
            if let Some(why) = self.take(row, &mut scratch, Some(&mut open.bytes))? {
                open.back(mark);
                *left.entry(why).or_insert(0) += 1;
                return Ok(());
            }
            if sizes.ordered && first.is_none() {
                first = Some(self.key_of(row)?);
            }
            self.fit(open, from, &head, sizes.packet)?;
            if open.bytes.len() >= sizes.chunk
                && let Some(full) = entry.take()
            {
                let proof = scratch.digest.take();
                total += proof;
                let last = first.is_some().then(|| self.key_of(row)).transpose()?;
                emit(out, full.end(), proof, first.take().zip(last))?;
            }
            Ok(())
        })?;
        if let Some(open) = entry {
            let proof = scratch.digest.take();
            total += proof;
            let end = end.row.filter(|_| first.is_some());
            let last = end.map(|row| self.key_of(&row)).transpose()?;
            emit(out, open.end(), proof, first.zip(last))?;
        }
        let last = last.filter(|_| end.broken.is_none());
        Ok(Reached { proof: total, last, left, broken: end.broken })
    }

    /// Rows and digest of the whole table.
    pub fn prove(&self, connection: &mut Conn, stop: &Stop) -> Result<Proof> {
        let mut scratch = Scratch::default();
        let all = self.select(&Range::default(), None);
        let end = self.each(connection, &all, stop, &mut |row| {
            self.take(row, &mut scratch, None).map(drop)
        })?;
        match end.broken {
            Some(why) => Err(Error::new(ErrorKind::Failed, format!("read {}", self.title()), why)),
            None => Ok(scratch.digest.take()),
        }
    }

    fn each(
        &self,
        connection: &mut Conn,
        select: &str,
        stop: &Stop,
        row: &mut dyn FnMut(&Row) -> Result<()>,
    ) -> Result<End> {
        let doing = format!("read {}", self.title());
        let fail = |e| wrap(&doing, e);
        let statement = match connection.prep(select) {
            Err(error) if is_damage(&error) => return Ok(End::broken(None, &error)),
            other => other.map_err(fail)?,
        };
        let mut rows = match connection.exec_iter(&statement, ()) {
            Err(error) if is_damage(&error) => return Ok(End::broken(None, &error)),
            other => other.map_err(fail)?,
        };
        let (mut count, mut last) = (0_u64, None);
        let mut broken = None;
        let mut read = || -> Result<()> {
            for found in rows.by_ref() {
                let found = match found {
                    Err(error) if is_damage(&error) => {
                        broken = Some(error);
                        return Ok(());
                    }
                    other => other.map_err(fail)?,
                };
                row(&found)?;
                last = Some(found);
                count += 1;
                if count.is_multiple_of(PATIENCE) {
                    stop.check()?;
                }
            }
            Ok(())
        };
        let result = read();
        if let Err(error) = result {
            // Dropping the result would read all that is left of it, hours of it; the dump is over,
            // and the connection closes with it.
            std::mem::forget(rows);
            return Err(error);
        }
        drop(rows);
        // A statement a range: kept, they would add up to the server's `max_prepared_stmt_count`.
        connection.close(statement).map_err(fail)?;
        Ok(match broken {
            Some(error) => End::broken(last, &error),
            None => End { row: last, broken: None },
        })
    }

    /// Sees that no statement is longer than the server takes; its last row begins at `from`.
    fn fit(&self, open: &mut Inserts, from: usize, head: &[u8], packet: usize) -> Result<()> {
        if open.statement_bytes() + PACKET_MARGIN > packet {
            let row_bytes = open.bytes.len() - from;
            if head.len() + row_bytes + PACKET_MARGIN > packet {
                return Err(self.too_long(row_bytes, packet));
            }
            open.split(from, head);
        }
        Ok(())
    }

    fn too_long(&self, bytes: usize, packet: usize) -> Error {
        let found = format!(
            "a row takes {bytes} bytes as SQL, and the server takes statements of {packet} at most"
        );
        let error = Error::new(ErrorKind::Refused, format!("read {}", self.title()), found);
        error.hint(
            "It could not be restored. Raise `max_allowed_packet` of the server, here and where it will be restored.",
        )
    }

    /// Adds a row to the digest, and writes it as `(…)`. A row with a value that no server would
    /// take back is not added; why is returned.
    fn take(
        &self,
        row: &Row,
        scratch: &mut Scratch,
        mut out: Option<&mut Vec<u8>>,
    ) -> Result<Option<String>> {
        if let Some(out) = out.as_deref_mut() {
            out.push(b'(');
        }
        for (index, column) in self.layout.columns.iter().enumerate() {
            let value =
                row.as_ref(index).and_then(|value| literal(column, value, &mut scratch.value));
            let (tag, bytes) = value.ok_or_else(|| {
                let found = format!(
                    "column {} came as another kind of value than its type has",
                    column.name
                );
                Error::new(ErrorKind::Damaged, format!("read {}", self.title()), found)
            })?;
            scratch.digest.value(tag, bytes);
            if let Some(out) = out.as_deref_mut() {
                if index > 0 {
                    out.push(b',');
                }
                if let Err(why) = column.write(tag, bytes, out) {
                    scratch.digest.forget_row();
                    return Ok(Some(format!("column {} holds {why}", column.name)));
                }
            }
        }
        if let Some(out) = out {
            out.push(b')');
        }
        scratch.digest.end_row();
        Ok(None)
    }
}

/// Hands on an entry, with its first and last key where its rows have an order.
fn emit(out: &mut dyn Out, bytes: Vec<u8>, proof: Proof, keys: Option<(Key, Key)>) -> Result<()> {
    match keys {
        Some((first, last)) => out.chunk_of(bytes, proof, Keys { first, last }),
        None => out.chunk(bytes, proof),
    }
}
