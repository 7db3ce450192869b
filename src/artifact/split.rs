//! Splits an entry into statements.
//!
//! Knows quotes, comments and `DELIMITER` of the two dialects, no values. What is left open at the
//! end is an error.

use crate::artifact::literal::{Dialect, SqlError};

/// A statement of an entry, without its delimiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text.
    pub text: &'a [u8],
    /// Where it stands in the entry.
    pub at: usize,
}

/// The bytes that may end a statement or begin a quote or comment; all others are passed over
/// quickly.
const MEANS: [bool; 256] = {
    let mut table = [false; 256];
    let (means, mut at) = (b";'\"`-#/*", 0);
    while at < means.len() {
        table[means[at] as usize] = true;
        at += 1;
    }
    table
};

/// Splits an entry into statements: strings, names and comments are passed over, `DELIMITER` lines
/// are obeyed.
///
/// SQLite's compound statements (triggers) are not for it: SQLite's own parser takes such entries
/// whole.
pub struct Splitter<'a> {
    bytes: &'a [u8],
    at: usize,
    delimiter: &'a [u8],
    dialect: Dialect,
}

impl<'a> Splitter<'a> {
    /// Splits `entry`.
    pub fn new(dialect: Dialect, entry: &'a [u8]) -> Splitter<'a> {
        Splitter { bytes: entry, at: 0, delimiter: b";", dialect }
    }

    fn skip_blanks(&mut self) -> Result<(), SqlError> {
        loop {
            let rest = &self.bytes[self.at..];
            match rest.first() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(b'-') if is_comment(rest) => self.at += line_length(rest),
                Some(b'D') if self.dialect == Dialect::Mysql && rest.starts_with(b"DELIMITER ") => {
                    let line = &rest[..line_length(rest)];
                    self.delimiter = line[10..].trim_ascii();
                    if self.delimiter.is_empty() {
                        return Err(SqlError { at: self.at, what: "DELIMITER without one" });
                    }
                    self.at += line.len();
                }
                _ => return Ok(()),
            }
        }
    }

    /// Length of the quoted or commented stretch that begins `rest`; 0 if none does.
    fn stretch(&self, rest: &[u8]) -> Option<usize> {
        match rest[0] {
            quote @ (b'\'' | b'"' | b'`') => {
                let mut at = 1;
                loop {
                    let found = match (self.dialect, quote) {
                        (Dialect::Mysql, b'\'' | b'"') => {
                            memchr::memchr2(quote, b'\\', &rest[at..])?
                        }
                        _ => memchr::memchr(quote, &rest[at..])?,
                    };
                    at += found;
                    // A backslash and a doubled quote both stand for the byte that follows.
                    if rest[at] == b'\\' || rest.get(at + 1) == Some(&quote) {
                        at += 2;
                    } else {
                        return Some(at + 1);
                    }
                    if at > rest.len() {
                        return None;
                    }
                }
            }
            b'-' if is_comment(rest) => Some(line_length(rest)),
            b'#' if self.dialect == Dialect::Mysql => Some(line_length(rest)),
            // What such a comment holds is code for the server: its names and strings may hold the
            // end of a comment.
            b'/' if self.dialect == Dialect::Mysql
                && (rest.starts_with(b"/*!") || rest.starts_with(b"/*M!")) =>
            {
                Some(3)
            }
            b'*' if self.dialect == Dialect::Mysql && rest.starts_with(b"*/") => Some(2),
            b'/' if rest.starts_with(b"/*") => {
                memchr::memmem::find(&rest[2..], b"*/").map(|n| n + 4)
            }
            _ => Some(0),
        }
    }
}

/// What [`whole_statements`] found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whole {
    /// Bytes up to the end of the last whole statement and of its line; what follows may be the
    /// beginning of another.
    pub bytes: usize,
    /// Bytes of the longest of these statements.
    pub longest: usize,
}

/// How much of `bytes` are whole statements, for a reader that has not come to the end yet. Only an
/// end under the plain delimiter counts, so that what follows can be read by itself.
pub fn whole_statements(dialect: Dialect, bytes: &[u8]) -> Whole {
    let mut splitter = Splitter::new(dialect, bytes);
    let mut whole = Whole::default();
    while let Some(Ok(statement)) = splitter.next() {
        whole.longest = whole.longest.max(statement.text.len());
        if splitter.delimiter == b";" {
            let line_end = bytes[splitter.at..].starts_with(b"\n");
            whole.bytes = splitter.at + usize::from(line_end);
        }
    }
    whole
}

/// `--` and then a blank or the end of the line.
fn is_comment(rest: &[u8]) -> bool {
    rest.starts_with(b"--") && rest.get(2).is_none_or(|b| b.is_ascii_whitespace())
}

fn line_length(rest: &[u8]) -> usize {
    memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1)
}

impl<'a> Iterator for Splitter<'a> {
    type Item = Result<Statement<'a>, SqlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.skip_blanks() {
            self.at = self.bytes.len();
            return Some(Err(error));
        }
        let from = self.at;
        if self.delimiter != b";" {
            // A delimiter of its own occurs nowhere in the body: whoever wrote it made sure of
            // that.
            return match memchr::memmem::find(&self.bytes[from..], self.delimiter) {
                Some(length) => {
                    self.at = from + length + self.delimiter.len();
                    Some(Ok(Statement {
                        text: self.bytes[from..from + length].trim_ascii_end(),
                        at: from,
                    }))
                }
                None if from == self.bytes.len() => None,
                None => {
                    self.at = self.bytes.len();
                    Some(Err(SqlError { at: from, what: "the last statement has no end" }))
                }
            };
        }
        while self.at < self.bytes.len() {
            let plain = self.bytes[self.at..].iter().position(|b| MEANS[usize::from(*b)]);
            self.at = plain.map_or(self.bytes.len(), |n| self.at + n);
            let rest = &self.bytes[self.at..];
            if rest.is_empty() {
                break;
            }
            if rest.starts_with(self.delimiter) {
                let text = self.bytes[from..self.at].trim_ascii_end();
                self.at += self.delimiter.len();
                return Some(Ok(Statement { text, at: from }));
            }
            match self.stretch(rest) {
                Some(0) => self.at += 1,
                Some(n) => self.at += n,
                None => {
                    let error = SqlError { at: self.at, what: "a quote or comment is not closed" };
                    self.at = self.bytes.len();
                    return Some(Err(error));
                }
            }
        }
        if from == self.bytes.len() {
            return None;
        }
        Some(Err(SqlError { at: from, what: "the last statement has no end" }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::artifact::literal::{write_name, write_text};

    proptest! {
        #[test]
        fn a_splitter_finds_statements_whatever_strings_hold(
            texts in prop::collection::vec("[a-z;'\"`\\\\\n#/*-]{0,12}", 1..6), mysql: bool,
        ) {
            let dialect = if mysql { Dialect::Mysql } else { Dialect::Sqlite };
            let mut entry = Vec::new();
            let mut expected: Vec<Vec<u8>> = Vec::new();
            for text in &texts {
                let mut statement = b"SELECT ".to_vec();
                write_text(dialect, text.as_bytes(), &mut statement);
                write_name(dialect, text, &mut statement);
                expected.push(statement.clone());
                entry.extend_from_slice(&statement);
                entry.extend_from_slice(b";\n");
            }
            let found: Result<Vec<Vec<u8>>, SqlError> = Splitter::new(dialect, &entry).map(|s| s.map(|s| s.text.to_vec())).collect();
            prop_assert_eq!(found, Ok(expected));
        }
    }

    #[test]
    fn a_comment_for_the_server_is_code() {
        let entry = b"CREATE TABLE `/*!4 x */0` (a INT) /*!50100 PARTITION BY HASH (`/*!4 x */0; '`) */;\nSELECT /* it's; */ 1 \
                      /*M! '*/;' */*2;\n";
        let found: Vec<_> =
            Splitter::new(Dialect::Mysql, entry).map(|s| s.expect("a statement").at).collect();
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn whole_statements_end_where_a_reader_may_begin_anew() {
        for (text, bytes) in [
            ("SELECT 1;\nSELECT 2;\nSEL", 20),
            ("SELECT 1;\nSELECT ';\n", 10),
            ("SELECT 1;", 9),
            ("SELECT 1;\nDELIMITER //\nSELECT 2//\n", 10),
            ("SELECT 1;\nDELIMITER //\nSELECT 2//\nDELIMITER ;\nSELECT 3;\n", 56),
            ("-- SELECT 1;\n", 0),
            ("INSERT INTO t VALUES (1,", 0),
        ] {
            let whole = whole_statements(Dialect::Mysql, text.as_bytes());
            assert_eq!(whole.bytes, bytes, "{text}");
        }
        assert_eq!(whole_statements(Dialect::Mysql, b"DO 1;\nSELECT 22;\n").longest, 9);
    }

    #[test]
    fn delimiters_are_obeyed_and_open_ends_are_errors() {
        let entry = b"-- vex\nUSE `a`;\nDELIMITER //\nCREATE TRIGGER t BEGIN SELECT ';;', 'c:\\'; -- it's\n END\n//\nDELIMITER ;\nSELECT 1;\n";
        let found: Vec<String> = Splitter::new(Dialect::Mysql, entry)
            .map(|s| String::from_utf8_lossy(s.expect("a statement").text).into_owned())
            .collect();
        assert_eq!(
            found,
            ["USE `a`", "CREATE TRIGGER t BEGIN SELECT ';;', 'c:\\'; -- it's\n END", "SELECT 1"]
        );
        for open in ["SELECT 1", "SELECT 'a;", "/* x;"] {
            assert!(Splitter::new(Dialect::Mysql, open.as_bytes()).any(|s| s.is_err()), "{open}");
        }
    }
}
