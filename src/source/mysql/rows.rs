//! Rows of a table: from the wire to INSERT statements and digests; the one place that knows both.
//!
//! Invariant: the digest of a row is made of the very tags and bytes that are written, so that reading the entry back
//! recomputes it, and reading a restored table does too.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use crate::artifact::{Dialect, Proof, RowDigest, write_name};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Out, Result};
use crate::source::mysql::column::Column;
use crate::source::mysql::fault::wrap;
use crate::source::mysql::range::Range;
use crate::source::mysql::schema::{Layout, qualified, quoted};
use crate::source::mysql::value::literal;
use crate::source::script::Inserts;

/// Size of an INSERT statement at which the next begins: far below any `max_allowed_packet`.
const STATEMENT: usize = 1_000_000;

/// Rows between two looks at the wish to stop.
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
}

/// What is used again for every row.
#[derive(Default)]
struct Scratch {
    digest: RowDigest,
    value: Vec<u8>,
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
    fn title(&self) -> String {
        format!("{}.{}", self.unit, self.name)
    }

    /// The SELECT of a range.
    fn select(&self, range: Range) -> String {
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
        if let Some(key) = &self.layout.key {
            let condition = range.condition(&quoted(key));
            if !condition.is_empty() {
                sql.extend_from_slice(b" FORCE INDEX (PRIMARY) WHERE ");
                sql.extend_from_slice(condition.as_bytes());
            }
        }
        String::from_utf8(sql).expect("BUG: names and numbers that are not UTF-8")
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

    /// Reads a range as entries.
    pub fn read(
        &self,
        connection: &mut Conn,
        range: Range,
        prologue: &[u8],
        sizes: Sizes,
        out: &mut dyn Out,
        stop: &Stop,
    ) -> Result<Proof> {
        let head = self.insert_head();
        let mut entry: Option<Inserts> = None;
        let mut scratch = Scratch::default();
        let mut total = Proof::default();
        self.each(connection, range, stop, &mut |row| {
            let open = match &mut entry {
                Some(open) => open,
                None => entry.insert(Inserts::begin(out.buffer()?, prologue, STATEMENT)),
            };
            open.row(&head);
            let from = open.bytes.len();
            self.take(row, &mut scratch, Some(&mut open.bytes))?;
            if open.statement_bytes() + PACKET_MARGIN > sizes.packet {
                let row_bytes = open.bytes.len() - from;
                if head.len() + row_bytes + PACKET_MARGIN > sizes.packet {
                    return Err(self.too_long(row_bytes, sizes.packet));
                }
                open.split(from, &head);
            }
            if open.bytes.len() >= sizes.chunk
                && let Some(full) = entry.take()
            {
                let proof = scratch.digest.take();
                total += proof;
                out.chunk(full.end(), proof)?;
            }
            Ok(())
        })?;
        if let Some(last) = entry {
            let proof = scratch.digest.take();
            total += proof;
            out.chunk(last.end(), proof)?;
        }
        Ok(total)
    }

    /// Rows and digest of the whole table.
    pub fn prove(&self, connection: &mut Conn, stop: &Stop) -> Result<Proof> {
        let mut scratch = Scratch::default();
        self.each(connection, Range::default(), stop, &mut |row| self.take(row, &mut scratch, None))?;
        Ok(scratch.digest.take())
    }

    fn each(
        &self,
        connection: &mut Conn,
        range: Range,
        stop: &Stop,
        row: &mut dyn FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let doing = format!("read {}", self.title());
        let fail = |e| wrap(&doing, e);
        let statement = connection.prep(self.select(range)).map_err(fail)?;
        let mut rows = connection.exec_iter(&statement, ()).map_err(fail)?;
        let mut count = 0_u64;
        let mut read = || -> Result<()> {
            for found in rows.by_ref() {
                row(&found.map_err(fail)?)?;
                count += 1;
                if count.is_multiple_of(PATIENCE) {
                    stop.check()?;
                }
            }
            Ok(())
        };
        let result = read();
        if result.is_err() {
            // Dropping the result would read all that is left of it, hours of it; the dump is over, and the connection
            // closes with it.
            std::mem::forget(rows);
            return result;
        }
        drop(rows);
        // A statement a range: kept, they would add up to the server's `max_prepared_stmt_count`.
        connection.close(statement).map_err(fail)
    }

    fn too_long(&self, bytes: usize, packet: usize) -> Error {
        let found = format!("a row takes {bytes} bytes as SQL, and the server takes statements of {packet} at most");
        let error = Error::new(ErrorKind::Refused, format!("read {}", self.title()), found);
        error.hint(
            "It could not be restored. Raise `max_allowed_packet` of the server, here and where it will be restored.",
        )
    }

    /// Adds a row to the digest, and writes it as `(…)`.
    fn take(&self, row: &Row, scratch: &mut Scratch, mut out: Option<&mut Vec<u8>>) -> Result<()> {
        if let Some(out) = out.as_deref_mut() {
            out.push(b'(');
        }
        for (index, column) in self.layout.columns.iter().enumerate() {
            let value = row.as_ref(index).and_then(|value| literal(column, value, &mut scratch.value));
            let (tag, bytes) = value.ok_or_else(|| {
                let found = format!("column {} came as another kind of value than its type has", column.name);
                Error::new(ErrorKind::Damaged, format!("read {}", self.title()), found)
            })?;
            scratch.digest.value(tag, bytes);
            if let Some(out) = out.as_deref_mut() {
                if index > 0 {
                    out.push(b',');
                }
                column.write(tag, bytes, out).map_err(|why| self.unwritable(column, why))?;
            }
        }
        if let Some(out) = out {
            out.push(b')');
        }
        scratch.digest.end_row();
        Ok(())
    }

    fn unwritable(&self, column: &Column, why: &str) -> Error {
        let error = Error::new(
            ErrorKind::Refused,
            format!("read {}", self.title()),
            format!("column {} holds {why}", column.name),
        );
        error.hint("The server would not take it back; repair the value at the source.")
    }
}
