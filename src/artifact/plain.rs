//! A plain script of `pg_dump`, cut into statements and the rows that follow a `COPY … FROM stdin`.
//!
//! Knows the lexical rules of PostgreSQL as psql has them (`psqlscan.l`): doubled and escaped
//! quotes, dollar quotes, nested comments, `;` between parentheses and in the body of `BEGIN
//! ATOMIC`. Commands of psql are not run: `\restrict` and `\unrestrict`, which say nothing to a
//! server, are passed over, and any other is an error.

use crate::artifact::literal::SqlError;

/// What some bytes of a script begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain<'a> {
    /// A whole statement.
    Statement {
        /// Its text, without comments before it and without `;`.
        text: &'a [u8],
        /// Bytes up to its end, that of its line included.
        bytes: usize,
    },
    /// A statement without its end.
    Open,
    /// Blanks and comments, or nothing.
    Blank,
}

impl Plain<'_> {
    /// Whether rows follow, up to a line that is `\.`.
    pub fn copies(text: &[u8]) -> bool {
        text.starts_with(b"COPY ") && text.ends_with(b" FROM stdin")
    }
}

/// Reads the first statement.
pub fn plain_statement(bytes: &[u8]) -> Result<Plain<'_>, SqlError> {
    let from = match blanks(bytes)? {
        Some(from) if from == bytes.len() => return Ok(Plain::Blank),
        Some(from) => from,
        None => return Ok(Plain::Open),
    };
    let mut scan = Scan { bytes, at: from, parentheses: 0, words: Vec::new(), depth: 0 };
    while scan.at < bytes.len() {
        if bytes[scan.at] == b';' && scan.parentheses == 0 && scan.depth == 0 {
            let text = bytes[from..scan.at].trim_ascii_end();
            let line_end = usize::from(bytes.get(scan.at + 1) == Some(&b'\n'));
            return Ok(Plain::Statement { text, bytes: scan.at + 1 + line_end });
        }
        if scan.step().is_none() {
            return Ok(Plain::Open);
        }
    }
    Ok(Plain::Open)
}

/// Bytes of the rows that begin here, up to the line `\.` and with it; `None` if that line is not
/// there.
pub fn plain_rows(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"\\.\n") {
        return Some(3);
    }
    memchr::memmem::find(bytes, b"\n\\.\n").map(|n| n + 4)
}

/// Where the first statement begins; `None` if a comment before it has no end.
fn blanks(bytes: &[u8]) -> Result<Option<usize>, SqlError> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        match rest.first() {
            Some(b) if b.is_ascii_whitespace() => at += 1,
            Some(b'-') if rest.starts_with(b"--") => match memchr::memchr(b'\n', rest) {
                Some(end) => at += end + 1,
                None => return Ok(None),
            },
            Some(b'/') if rest.starts_with(b"/*") => match comment(rest) {
                Some(end) => at += end,
                None => return Ok(None),
            },
            Some(b'\\') => match memchr::memchr(b'\n', rest) {
                Some(end)
                    if rest.starts_with(b"\\restrict ") || rest.starts_with(b"\\unrestrict ") =>
                {
                    at += end + 1
                }
                Some(_) => return Err(SqlError { at, what: "a command of psql" }),
                None => return Ok(None),
            },
            Some(_) | None => return Ok(Some(at)),
        }
    }
}

/// Length of a comment, which may hold others.
fn comment(rest: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        at += memchr::memchr2(b'/', b'*', &rest[at..])?;
        match rest.get(at..at + 2)? {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    Some(at)
}

/// A walk through one statement.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    parentheses: usize,
    /// First letters of its first words that tell a function from anything else; a dot for another
    /// word.
    words: Vec<u8>,
    /// `BEGIN` and `CASE` that wait for their `END`.
    depth: usize,
}

impl Scan<'_> {
    /// Passes over one thing; `None` if its end is not there.
    fn step(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at..];
        let length = match rest[0] {
            b'\'' => quote(rest, b'\'')?,
            b'"' => quote(rest, b'"')?,
            b'-' if rest.starts_with(b"--") => memchr::memchr(b'\n', rest)? + 1,
            b'/' if rest.starts_with(b"/*") => comment(rest)?,
            b'$' => dollar(rest)?,
            b'(' => {
                self.parentheses += 1;
                1
            }
            b')' => {
                self.parentheses = self.parentheses.saturating_sub(1);
                1
            }
            byte if is_letter(byte) => {
                let word = &rest[..word_length(rest)];
                // What looks like the end of the bytes may go on.
                if word.len() == rest.len() {
                    return None;
                }
                match (word, rest[word.len()]) {
                    (b"E" | b"e", b'\'') => 1 + escaped(&rest[1..])?,
                    _ => {
                        self.word(word);
                        word.len()
                    }
                }
            }
            byte if byte.is_ascii_digit() => {
                rest.iter().take_while(|b| is_letter(**b) || b.is_ascii_digit()).count()
            }
            _ => 1,
        };
        self.at += length;
        Some(())
    }

    /// Counts `BEGIN … END` of the body of a function or procedure.
    fn word(&mut self, word: &[u8]) {
        let is = |other: &str| word.eq_ignore_ascii_case(other.as_bytes());
        if self.words.len() < 4 {
            let known = ["create", "function", "procedure", "or", "replace"].iter().any(|w| is(w));
            self.words.push(if known { word[0].to_ascii_lowercase() } else { b'.' });
        }
        let made =
            self.words.strip_prefix(b"cor").or(self.words.strip_prefix(b"c")).unwrap_or_default();
        if self.parentheses > 0 || !matches!(made.first(), Some(b'f' | b'p')) {
            return;
        }
        if is("begin") || (is("case") && self.depth > 0) {
            self.depth += 1;
        } else if is("end") {
            self.depth = self.depth.saturating_sub(1);
        }
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn word_length(rest: &[u8]) -> usize {
    rest.iter().take_while(|b| is_letter(**b) || b.is_ascii_digit() || **b == b'$').count()
}

/// Length of a stretch between quotes; a doubled one stands for itself. The byte after it must be
/// there to be seen.
fn quote(rest: &[u8], mark: u8) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr(mark, &rest[at..])?;
        match rest.get(at + 1) {
            Some(next) if *next == mark => at += 2,
            Some(_) => return Some(at + 1),
            None => return None,
        }
    }
}

/// Length of a stretch between quotes in which a backslash stands for the byte that follows.
fn escaped(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'\'', b'\\', rest.get(at..)?)?;
        match (rest[at], rest.get(at + 1)) {
            (_, None) => return None,
            (b'\\', Some(_)) | (_, Some(b'\'')) => at += 2,
            (_, Some(_)) => return Some(at + 1),
        }
    }
}

/// Length of `$tag$ … $tag$`; 1 for a lone `$`.
fn dollar(rest: &[u8]) -> Option<usize> {
    let tag = 1 + rest[1..].iter().take_while(|b| is_letter(**b) || b.is_ascii_digit()).count();
    match rest.get(tag) {
        None => None,
        Some(b'$') if !rest[1].is_ascii_digit() => {
            let mark = &rest[..=tag];
            memchr::memmem::find(&rest[mark.len()..], mark).map(|n| n + 2 * mark.len())
        }
        Some(_) => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(script: &str) -> Vec<String> {
        let (mut rest, mut found) = (script.as_bytes(), Vec::new());
        while let Plain::Statement { text, bytes } = plain_statement(rest).expect("SQL") {
            found.push(String::from_utf8_lossy(text).into_owned());
            rest = &rest[bytes..];
            if Plain::copies(text) {
                let rows = plain_rows(rest).expect("an end");
                found.push(String::from_utf8_lossy(&rest[..rows]).into_owned());
                rest = &rest[rows..];
            }
        }
        assert_eq!(plain_statement(rest), Ok(Plain::Blank), "{:?}", String::from_utf8_lossy(rest));
        found
    }

    #[test]
    fn a_statement_ends_where_psql_ends_it() {
        for statement in [
            "SELECT 'a;''b', \"c;\"\"d\"",
            "SELECT 'a\\', E'b\\';c', e'\\\\', U&'d\\0041'",
            "SELECT $$ a; $x$ b $$, $x$ ; $$ $x$, a$b, $1, 1$2",
            "SELECT 1 /* a; /* b; */ c; */ - 2 -- it's; not\n, 3",
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
            "CREATE FUNCTION f(\"begin\" int) RETURNS int\n LANGUAGE sql\n BEGIN ATOMIC\n SELECT CASE WHEN 1 = 1 THEN 2 END;\n SELECT 1;\nEND",
            "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC SELECT (1); END",
            "CREATE VIEW begin AS SELECT 1",
            "CREATE TABLE \"f;\" (a text DEFAULT 'x;y'::text COLLATE é)",
        ] {
            assert_eq!(
                split(&format!("-- a comment; 'x\n{statement};\nSELECT 2;\n")),
                [statement, "SELECT 2"]
            );
        }
    }

    #[test]
    fn rows_are_apart_and_only_harmless_commands_of_psql_pass() {
        let script = "\\restrict abc\n\nSET a = 1;\nCOPY t (a) FROM stdin;\n1;'\t\\N\n\\\\.\n\\.\n\n\nCOPY \"u;\" (a) FROM stdin;\n\\.\n\\unrestrict abc\n\n";
        let expected = [
            "SET a = 1",
            "COPY t (a) FROM stdin",
            "1;'\t\\N\n\\\\.\n\\.\n",
            "COPY \"u;\" (a) FROM stdin",
            "\\.\n",
        ];
        assert_eq!(split(script), expected);
        for command in ["\\! touch pwned\n", "SELECT 1;\n\\connect x\n"] {
            let first = plain_statement(command.as_bytes());
            let rest = if let Ok(Plain::Statement { bytes, .. }) = first { bytes } else { 0 };
            assert!(plain_statement(&command.as_bytes()[rest..]).is_err(), "{command}");
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_open_or_shorter_never_something_else() {
        let script = "SELECT 'a''b', E'\\'', $q$ ; $q$, \"x\"\"y\" /* /* */ */ ;\nSELECT abegin;\n";
        let whole = split(script);
        for end in 0..script.len() {
            if let Ok(Plain::Statement { text, .. }) = plain_statement(&script.as_bytes()[..end]) {
                assert_eq!(String::from_utf8_lossy(text), whole[0], "{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_move_on(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"'\"$\\;-/*(){}E \nbeginend".to_vec())], 0..200)) {
            let mut rest = bytes.as_slice();
            while let Ok(Plain::Statement { bytes, .. }) = plain_statement(rest) {
                prop_assert!(bytes > 0);
                rest = &rest[bytes..];
            }
            prop_assert!(plain_rows(&bytes).is_none_or(|rows| rows <= bytes.len()));
        }
    }
}
