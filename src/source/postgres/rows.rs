//! Rows of a table: from `COPY … TO STDOUT` to entries and digests.
//!
//! They come in the binary format where every column has a form in it and that pays, and become the
//! same lines. Invariant: the digest is made of the very lines that are written, so that reading
//! the entry back recomputes it, and reading a restored table does too. Only an end that the server
//! itself tells ends a reading.

use crate::artifact::{Proof, RowDigest};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Out, Result};
use crate::source::postgres::binary::{Form, Lines, Sink};
use crate::source::postgres::definition::{qualified, quoted};
use crate::source::postgres::fault::unreadable;
use crate::source::postgres::wire::Wire;

/// Rows between two checks for cancellation.
const PATIENCE: u64 = 4096;

/// What every entry of rows begins with; `client_encoding` comes first.
const PROLOGUE: &str = "SET statement_timeout=0;\nSET lock_timeout=0;\nSET idle_in_transaction_session_timeout=0;\n\
    SET standard_conforming_strings=on;\nSET search_path='';\nSET datestyle='ISO';\nSET lc_monetary='C';\n\
    SET row_security=off;\n";

/// A table that is read.
#[derive(Debug, Clone)]
pub struct TableRows {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The columns that COPY writes: those that are not generated.
    pub columns: Vec<Column>,
    /// Rows that belong to the database rather than to an extension, as `WHERE …`.
    pub condition: Option<String>,
    /// Whether its rows are those of its partitions.
    pub tree: bool,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How its values are sent in the binary format, if vex reads that.
    pub form: Option<Form>,
}

/// Pages of a table: from the first, up to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// The first page.
    pub from: u64,
    /// The page it ends before; to the end of the table when `None`.
    pub to: Option<u64>,
}

impl Pages {
    /// All of a table.
    pub const ALL: Pages = Pages { from: 0, to: None };

    /// Cuts a table of so many pages into pieces of so many.
    pub fn cut(pages: u64, each: u64) -> Vec<Pages> {
        let count = (pages / each.max(1)).max(1);
        (0..count)
            .map(|i| Pages { from: i * each, to: (i + 1 < count).then_some((i + 1) * each) })
            .collect()
    }
}

impl TableRows {
    fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    fn columns(&self) -> String {
        self.columns.iter().map(|c| quoted(&c.name)).collect::<Vec<_>>().join(",")
    }

    /// `"schema"."table" ("column",…)`; without columns, without parentheses.
    fn place(&self) -> String {
        let columns =
            if self.columns.is_empty() { String::new() } else { format!(" ({})", self.columns()) };
        format!("{}{columns}", qualified(&self.schema, &self.name))
    }

    /// The forms of all columns, if the binary format serves.
    fn forms(&self) -> Option<Vec<Form>> {
        self.columns
            .iter()
            .map(|c| c.form)
            .collect::<Option<Vec<Form>>>()
            .filter(|forms| Form::pay(forms))
    }

    /// The statement that reads some pages.
    fn select(&self, pages: Pages) -> String {
        let format = if self.forms().is_some() { " (FORMAT binary)" } else { "" };
        let mut conditions: Vec<String> = Vec::new();
        if pages.from > 0 {
            conditions.push(format!("ctid >= '({},0)'::pg_catalog.tid", pages.from));
        }
        if let Some(to) = pages.to {
            conditions.push(format!("ctid < '({to},0)'::pg_catalog.tid"));
        }
        if let Some(own) = &self.condition {
            let own = own.trim();
            let bare =
                own.get(..5).filter(|w| w.eq_ignore_ascii_case("where")).map_or(own, |_| &own[5..]);
            conditions.push(format!("({bare})"));
        }
        if conditions.is_empty() && !self.tree {
            return format!("COPY {} TO STDOUT{format}", self.place());
        }
        let table = qualified(&self.schema, &self.name);
        let only = if self.tree { "" } else { "ONLY " };
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        format!("COPY (SELECT {} FROM {only}{table}{filter}) TO STDOUT{format}", self.columns())
    }

    /// Reads pages as entries. What is read before the server can read no further is handed on as
    /// well, and proven in the second of `out`.
    pub fn read(
        &self,
        wire: &mut Wire,
        pages: Pages,
        encoding: &str,
        chunk: usize,
        (out, partly): (&mut dyn Out, &mut Proof),
        stop: &Stop,
    ) -> Result<Proof> {
        let head = format!(
            "SET client_encoding='{encoding}';\n{PROLOGUE}COPY {} FROM stdin;\n",
            self.place()
        );
        let (digest, total) = (RowDigest::new(), Proof::default());
        let mut entries = Entries { head, chunk, out, digest, total, entry: None, whole: None };
        let read = self.lines(wire, pages, stop, &mut entries);
        if read.as_ref().err().is_none_or(|error| unreadable(error).is_some()) {
            entries.end()?;
        }
        *partly = entries.total;
        read.map(|()| entries.total)
    }

    /// Rows and digest of some pages.
    pub fn prove(&self, wire: &mut Wire, pages: Pages, stop: &Stop) -> Result<Proof> {
        let mut counter = Counter { digest: RowDigest::new(), line: Vec::new() };
        self.lines(wire, pages, stop, &mut counter)?;
        Ok(counter.digest.take())
    }

    /// Writes every line with its end.
    fn lines<S: Sink<Error = Error>>(
        &self,
        wire: &mut Wire,
        pages: Pages,
        stop: &Stop,
        sink: &mut S,
    ) -> Result<()> {
        let doing = format!("read {}", self.title());
        let damaged = |found: String| Error::new(ErrorKind::Damaged, &doing, found);
        let statement = self.select(pages);
        let mut sink = Counted { sink, stop, count: 0 };
        let (told, whole) = match self.forms() {
            Some(forms) => {
                let mut rows = Lines::new(&forms);
                let told = wire.copy_out(&statement, &doing, stop, &mut |message| {
                    rows.feed(message, &mut sink).map_err(damaged)?
                })?;
                (told, rows.is_whole())
            }
            None => {
                let mut cut: Vec<u8> = Vec::new();
                let told = wire.copy_out(&statement, &doing, stop, &mut |message| {
                    split(message, &mut cut, &mut sink)
                })?;
                (told, cut.is_empty())
            }
        };
        if whole && sink.count == told {
            return Ok(());
        }
        Err(damaged(format!("{} rows came, and the server says it sent {told}", sink.count)))
    }
}

/// Lines on their way into entries.
struct Entries<'a> {
    /// What an entry begins with.
    head: String,
    /// Bytes from which on it is full.
    chunk: usize,
    out: &'a mut dyn Out,
    digest: RowDigest,
    /// Of the entries that are done.
    total: Proof,
    entry: Option<Vec<u8>>,
    /// Where the last line of the entry ends that is there whole.
    whole: Option<usize>,
}

impl Entries<'_> {
    fn end(&mut self) -> Result<()> {
        let Some(mut entry) = self.entry.take() else { return Ok(()) };
        entry.truncate(self.whole.take().unwrap_or(self.head.len()));
        entry.extend_from_slice(b"\\.\n");
        let proof = self.digest.take();
        self.out.chunk(entry, proof)?;
        self.total += proof;
        Ok(())
    }
}

impl Sink for Entries<'_> {
    type Error = Error;

    fn open(&mut self) -> Result<&mut Vec<u8>> {
        match &mut self.entry {
            Some(entry) => Ok(entry),
            entry => {
                let mut buffer = self.out.buffer()?;
                buffer.extend_from_slice(self.head.as_bytes());
                Ok(entry.insert(buffer))
            }
        }
    }

    fn line(&mut self, from: usize) -> Result<()> {
        let entry = self.entry.as_deref().expect("a line stands in an entry that is open");
        self.digest.line(&entry[from..entry.len() - 1]);
        self.whole = Some(entry.len());
        if entry.len() >= self.chunk { self.end() } else { Ok(()) }
    }
}

/// Lines that are digested only.
struct Counter {
    digest: RowDigest,
    line: Vec<u8>,
}

impl Sink for Counter {
    type Error = Error;

    fn open(&mut self) -> Result<&mut Vec<u8>> {
        self.line.clear();
        Ok(&mut self.line)
    }

    fn line(&mut self, from: usize) -> Result<()> {
        self.digest.line(&self.line[from..self.line.len() - 1]);
        Ok(())
    }

    fn copy(&mut self, line: &[u8]) -> Result<()> {
        self.digest.line(&line[..line.len() - 1]);
        Ok(())
    }
}

/// Counts the lines of another sink, and checks for cancellation.
struct Counted<'a, S> {
    sink: &'a mut S,
    stop: &'a Stop,
    count: u64,
}

impl<S: Sink<Error = Error>> Counted<'_, S> {
    fn count(&mut self) -> Result<()> {
        self.count += 1;
        if self.count.is_multiple_of(PATIENCE) { Ok(self.stop.check()?) } else { Ok(()) }
    }
}

impl<S: Sink<Error = Error>> Sink for Counted<'_, S> {
    type Error = Error;

    fn open(&mut self) -> Result<&mut Vec<u8>> {
        self.sink.open()
    }

    fn line(&mut self, from: usize) -> Result<()> {
        self.count()?;
        self.sink.line(from)
    }

    fn copy(&mut self, line: &[u8]) -> Result<()> {
        self.count()?;
        self.sink.copy(line)
    }
}

/// Writes every line of a message; what has no end yet stays in `cut`.
fn split(message: &[u8], cut: &mut Vec<u8>, sink: &mut impl Sink<Error = Error>) -> Result<()> {
    let mut rest = message;
    // The server sends each row as a message of its own; nothing here depends on it.
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let (own, next) = rest.split_at(at + 1);
        if cut.is_empty() {
            sink.copy(own)?;
        } else {
            cut.extend_from_slice(own);
            sink.copy(cut)?;
            cut.clear();
        }
        rest = next;
    }
    cut.extend_from_slice(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(columns: &[&str], condition: Option<&str>) -> TableRows {
        TableRows {
            schema: "s".into(),
            name: "t".into(),
            columns: columns.iter().map(|c| Column { name: (*c).to_owned(), form: None }).collect(),
            condition: condition.map(str::to_owned),
            tree: false,
        }
    }

    #[test]
    fn a_range_names_only_the_bounds_there_are() {
        let t = table(&["a", "b\"c"], None);
        let pages = |from, to| t.select(Pages { from, to });
        assert_eq!(pages(0, None), "COPY \"s\".\"t\" (\"a\",\"b\"\"c\") TO STDOUT");
        assert_eq!(
            pages(7, Some(9)),
            "COPY (SELECT \"a\",\"b\"\"c\" FROM ONLY \"s\".\"t\" WHERE ctid >= '(7,0)'::pg_catalog.tid AND ctid < '(9,0)'::pg_catalog.tid) TO STDOUT"
        );
        assert_eq!(table(&[], None).select(Pages::ALL), "COPY \"s\".\"t\" TO STDOUT");
        assert_eq!(
            table(&["a"], Some("WHERE a > 1")).select(Pages::ALL),
            "COPY (SELECT \"a\" FROM ONLY \"s\".\"t\" WHERE ( a > 1)) TO STDOUT"
        );
        let mut known = table(&["a"], None);
        known.columns[0].form = Some(Form::Int8);
        assert_eq!(
            known.select(Pages::ALL),
            "COPY \"s\".\"t\" (\"a\") TO STDOUT",
            "it brings nothing"
        );
        known.columns[0].form = Some(Form::Date);
        assert_eq!(known.select(Pages::ALL), "COPY \"s\".\"t\" (\"a\") TO STDOUT (FORMAT binary)");
    }

    proptest! {
        #[test]
        fn every_page_is_in_exactly_one_piece(pages in 0_u64..5000, each in 0_u64..700) {
            let cut = Pages::cut(pages, each);
            prop_assert_eq!(cut[0].from, 0);
            prop_assert!(cut.windows(2).all(|w| w[0].to == Some(w[1].from)));
            prop_assert_eq!(cut[cut.len() - 1].to, None);
        }
    }
}
