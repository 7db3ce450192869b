//! An entry of rows as PostgreSQL's `COPY … TO` writes them: settings, one `COPY … FROM stdin`,
//! lines, `\.`.
//!
//! Format: *File Formats, Text Format* of COPY in the PostgreSQL manual. A line is a row; values
//! are parted by a tab, NULL is `\N`, and a line end, a tab or a backslash in a value is written
//! with a backslash before it. So no line holds a bare line end, and two rows are equal exactly if
//! their lines are.

use crate::artifact::literal::SqlError;
use crate::artifact::proof::{Proof, RowDigest};

/// What the lines end with.
const END: &[u8] = b"\\.\n";

/// An entry, cut into its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyEntry<'a> {
    /// The settings before it: statements, each on a line.
    pub prologue: &'a [u8],
    /// The statement, without its `;`.
    pub statement: &'a [u8],
    /// The rows.
    pub rows: CopyRows<'a>,
}

/// The lines of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRows<'a> {
    /// Their bytes; empty, or ending in a line end.
    pub bytes: &'a [u8],
    /// Where they stand in the entry.
    at: usize,
}

impl<'a> CopyEntry<'a> {
    /// Cuts an entry; what is not exactly of this form is an error.
    pub fn parse(entry: &'a [u8]) -> Result<CopyEntry<'a>, SqlError> {
        let error = |at, what| SqlError { at, what };
        let mut at = 0;
        while !entry[at..].starts_with(b"COPY ") {
            let line = &entry[at..];
            if !line.starts_with(b"SET ") && !line.starts_with(b"SELECT ") {
                return Err(error(at, "neither a setting nor COPY"));
            }
            at += memchr::memchr(b'\n', line).ok_or_else(|| error(at, "a line is not ended"))? + 1;
        }
        let prologue = &entry[..at];
        let end =
            at + statement(&entry[at..]).ok_or_else(|| error(at, "COPY without `FROM stdin;`"))?;
        let from = end + 2;
        let data = entry.get(from..).unwrap_or_default();
        let bytes = data
            .strip_suffix(END)
            .ok_or_else(|| error(entry.len(), "the rows do not end with \\."))?;
        if !(bytes.is_empty() || bytes.ends_with(b"\n")) {
            return Err(error(entry.len(), "the last row is cut"));
        }
        Ok(CopyEntry { prologue, statement: &entry[at..end], rows: CopyRows { bytes, at: from } })
    }
}

/// How a line of the bytes of a large object begins.
const LARGE: &[u8] = b"SELECT pg_catalog.lo_put(";

/// Rows and digest of an entry of rows: the lines of its COPY, or the stretches of large objects,
/// one a line.
pub fn copy_proof(entry: &[u8]) -> Result<Proof, SqlError> {
    let mut at = 0;
    while entry[at..].starts_with(b"SET ") {
        at += memchr::memchr(b'\n', &entry[at..])
            .ok_or(SqlError { at, what: "a line is not ended" })?
            + 1;
    }
    if !entry[at..].starts_with(LARGE) {
        return CopyEntry::parse(entry)?.rows.proof();
    }
    if !entry.ends_with(b");\n") {
        return Err(SqlError { at: entry.len(), what: "the last stretch is cut" });
    }
    let mut digest = RowDigest::new();
    for line in (CopyRows { bytes: &entry[at..], at }).lines() {
        if !line.starts_with(LARGE) {
            return Err(SqlError { at, what: "not a stretch of a large object" });
        }
        digest.line(line);
        at += line.len() + 1;
    }
    Ok(digest.take())
}

/// Length of a COPY statement up to its `;\n`; names may hold anything between their quotes.
fn statement(bytes: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                let whole =
                    bytes[..at].ends_with(b" FROM stdin") && bytes.get(at + 1) == Some(&b'\n');
                return whole.then_some(at);
            }
            _ => {}
        }
    }
    None
}

impl<'a> CopyRows<'a> {
    /// Each row, without its line end.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let end = memchr::memchr(b'\n', rest)?;
            let line = &rest[..end];
            rest = &rest[end + 1..];
            Some(line)
        })
    }

    /// Rows and digest; a line that ends the rows early is an error.
    pub fn proof(&self) -> Result<Proof, SqlError> {
        let mut digest = RowDigest::new();
        let mut at = self.at;
        for line in self.lines() {
            if line == b"\\." {
                return Err(SqlError { at, what: "the rows end before the entry does" });
            }
            at += line.len() + 1;
            digest.line(line);
        }
        Ok(digest.take())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_is_cut_into_its_parts() {
        let entry = b"SET a=1;\nSELECT 1;\nCOPY \"s;\n\".\"t\" (\"a\"\"\") FROM stdin;\n1\t\\N\n2\tx\\ny\n\\.\n";
        let cut = CopyEntry::parse(entry).expect("it is one");
        assert_eq!(cut.prologue, b"SET a=1;\nSELECT 1;\n");
        assert_eq!(cut.statement, b"COPY \"s;\n\".\"t\" (\"a\"\"\") FROM stdin");
        assert_eq!(cut.rows.lines().collect::<Vec<_>>(), [&b"1\t\\N"[..], b"2\tx\\ny"]);
        assert_eq!(cut.rows.proof().expect("it counts").rows, 2);
        let empty = CopyEntry::parse(b"COPY t () FROM stdin;\n\n\n\\.\n")
            .expect("rows of a table without columns");
        assert_eq!(empty.rows.proof().expect("it counts").rows, 2);
    }

    #[test]
    fn what_is_cut_or_more_than_rows_is_an_error() {
        for bad in [
            "COPY t (a) FROM stdin;\n1\n",
            "COPY t (a) FROM stdin;\n1\\.\n",
            "COPY t (a) FROM program 'x';\n1\n\\.\n",
            "DROP TABLE t;\nCOPY t (a) FROM stdin;\n1\n\\.\n",
            "",
        ] {
            assert!(CopyEntry::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let early = CopyEntry::parse(b"COPY t (a) FROM stdin;\n1\n\\.\nDROP TABLE t;\n\\.\n")
            .expect("it has an end");
        assert!(early.rows.proof().is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            drop(CopyEntry::parse(&bytes).and_then(|e| e.rows.proof()));
            let entry = [b"COPY t (a) FROM stdin;\n", bytes.as_slice(), b"\n\\.\n"].concat();
            drop(CopyEntry::parse(&entry).and_then(|e| e.rows.proof()));
        }
    }
}
