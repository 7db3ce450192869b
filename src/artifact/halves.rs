//! An entry of rows in two, each with the session of the whole, so that the few rows a target
//! refuses can be told from the others.
//!
//! Pure. Invariant: the rows of both halves are those of the entry, each once and in their order.

use std::ops::Range;

use crate::artifact::copy::CopyEntry;
use crate::artifact::literal::{Dialect, SqlError};
use crate::artifact::split::Splitter;
use crate::artifact::sql::read_spans;

/// A half, and how many rows are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    /// The entry.
    pub bytes: Vec<u8>,
    /// Its rows.
    pub rows: u64,
}

/// Cuts an entry into two; nothing of one that has a single row, or that is not understood.
pub fn halves(dialect: Dialect, entry: &[u8]) -> Option<[Half; 2]> {
    match dialect {
        Dialect::Postgres => lines(entry),
        Dialect::Mysql | Dialect::Sqlite => inserts(dialect, entry).ok().flatten(),
    }
}

/// The lines of a COPY.
fn lines(entry: &[u8]) -> Option<[Half; 2]> {
    let cut = CopyEntry::parse(entry).ok()?;
    let rows = cut.rows.lines().count();
    if rows < 2 {
        return None;
    }
    let first: usize = cut.rows.lines().take(rows / 2).map(|line| line.len() + 1).sum();
    let half = |bytes: &[u8], rows: usize| Half {
        bytes: [cut.prologue, cut.statement, b";\n", bytes, b"\\.\n"].concat(),
        rows: rows as u64,
    };
    let (a, b) = cut.rows.bytes.split_at(first);
    Some([half(a, rows / 2), half(b, rows - rows / 2)])
}

/// The rows of INSERT statements that follow each other.
fn inserts(dialect: Dialect, entry: &[u8]) -> Result<Option<[Half; 2]>, SqlError> {
    let mut rows: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let mut end = None;
    for statement in Splitter::new(dialect, entry) {
        let statement = statement?;
        let at = statement.at;
        if !statement.text.starts_with(b"INSERT INTO ") {
            continue;
        }
        // A setting between two statements would belong to the second half only.
        if end.is_some_and(|end: usize| entry[end..at].trim_ascii() != b";") {
            return Ok(None);
        }
        end = Some(at + statement.text.len());
        let mut first = None;
        read_spans(dialect, &statement, &mut |_, _, span| {
            let head = at..at + *first.get_or_insert(span.start);
            rows.push((head, at + span.start..at + span.end));
            Ok::<(), SqlError>(())
        })?;
    }
    let (Some(end), true) = (end, rows.len() > 1) else { return Ok(None) };
    let prologue = &entry[..rows[0].0.start];
    let half = |rows: &[(Range<usize>, Range<usize>)]| {
        let mut bytes = prologue.to_vec();
        for (number, (head, row)) in rows.iter().enumerate() {
            match number.checked_sub(1).map(|before| &rows[before].0) {
                Some(same) if same == head => bytes.extend_from_slice(b",\n"),
                Some(_) => {
                    bytes.extend_from_slice(b";\n");
                    bytes.extend_from_slice(&entry[head.clone()]);
                }
                None => bytes.extend_from_slice(&entry[head.clone()]),
            }
            bytes.extend_from_slice(&entry[row.clone()]);
        }
        bytes.extend_from_slice(&entry[end..]);
        Half { bytes, rows: rows.len() as u64 }
    };
    let (a, b) = rows.split_at(rows.len() / 2);
    Ok(Some([half(a), half(b)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(dialect: Dialect, entry: &str) -> Vec<(String, u64)> {
        let halves = halves(dialect, entry.as_bytes());
        let text = |h: &Half| (String::from_utf8_lossy(&h.bytes).into_owned(), h.rows);
        halves.iter().flatten().map(text).collect()
    }

    #[test]
    fn every_row_is_in_one_half_with_the_session_of_the_whole() {
        let entry = "SET x;\nBEGIN;\nINSERT INTO `a` (`b`) VALUES\n('1,('),\n(2);\nINSERT INTO `a` () VALUES\n();\nCOMMIT;\n";
        assert_eq!(
            texts(Dialect::Mysql, entry),
            [
                ("SET x;\nBEGIN;\nINSERT INTO `a` (`b`) VALUES\n('1,(');\nCOMMIT;\n".into(), 1),
                (
                    "SET x;\nBEGIN;\nINSERT INTO `a` (`b`) VALUES\n(2);\nINSERT INTO `a` () VALUES\n();\nCOMMIT;\n"
                        .into(),
                    2
                ),
            ]
        );
        let entry = "SET x;\nCOPY t (a) FROM stdin;\n1\n2\n3\n\\.\n";
        assert_eq!(
            texts(Dialect::Postgres, entry),
            [
                ("SET x;\nCOPY t (a) FROM stdin;\n1\n\\.\n".to_owned(), 1),
                ("SET x;\nCOPY t (a) FROM stdin;\n2\n3\n\\.\n".to_owned(), 2),
            ]
        );
    }

    #[test]
    fn a_single_row_and_what_is_not_understood_stay_whole() {
        for (dialect, entry) in [
            (Dialect::Mysql, "INSERT INTO `a` (`b`) VALUES\n(1);\n"),
            (
                Dialect::Mysql,
                "INSERT INTO `a` (`b`) VALUES (1);\nSET y;\nINSERT INTO `a` (`b`) VALUES (2);\n",
            ),
            (Dialect::Mysql, "INSERT INTO `a` (`b`) VALUES (1),(NOW());\n"),
            (Dialect::Sqlite, "SELECT 1;\n"),
            (Dialect::Postgres, "COPY t (a) FROM stdin;\n1\n\\.\n"),
            (Dialect::Postgres, "SELECT pg_catalog.lo_put(1, 0, '');\n"),
        ] {
            assert!(texts(dialect, entry).is_empty(), "{entry}");
        }
    }
}
