//! A strict reader of the rows of SQL entries. The normative text is `schema/artifact.md`.
//!
//! Knows two dialects of literals, no server. What it does not know is an error.

use std::borrow::Cow;
use std::ops::Range;

use crate::artifact::literal::{Dialect, SqlError};
use crate::artifact::proof::Tag;
use crate::artifact::split::{Splitter, Statement};

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A number, as its literal.
    Number(&'a [u8]),
    /// Text, by its bytes.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Value<'_> {
    /// Tag and bytes, as the content proof takes them.
    pub fn parts(&self) -> (Tag, &[u8]) {
        match self {
            Value::Null => (Tag::Null, b""),
            Value::Number(literal) => (Tag::Number, literal),
            Value::Text(text) => (Tag::Text, text),
            Value::Bytes(bytes) => (Tag::Bytes, bytes),
        }
    }
}

/// Takes the head of a statement and the values of a row.
pub type TakeRow<'a, E> = dyn FnMut(&[u8], &[Value<'_>]) -> Result<(), E> + 'a;

/// Reads every row of every `INSERT INTO` of an entry; the callback gets the head of the statement
/// (from `INSERT` to before `VALUES`) and the values.
pub fn read_rows<E: From<SqlError>>(
    dialect: Dialect,
    entry: &[u8],
    row: &mut TakeRow<'_, E>,
) -> Result<(), E> {
    for statement in Splitter::new(dialect, entry) {
        let statement = statement?;
        if statement.text.starts_with(b"INSERT INTO ") {
            read_insert(dialect, &statement, row)?;
        }
    }
    Ok(())
}

/// Reads every row of one `INSERT INTO`, as [`read_rows`] does.
pub fn read_insert<E: From<SqlError>>(
    dialect: Dialect,
    statement: &Statement<'_>,
    row: &mut TakeRow<'_, E>,
) -> Result<(), E> {
    read_spans(dialect, statement, &mut |head, values, _| row(head, values))
}

/// Takes the head of a statement, the values of a row, and where that stands in the statement.
pub type TakeSpan<'a, E> = dyn FnMut(&[u8], &[Value<'_>], Range<usize>) -> Result<(), E> + 'a;

/// The same, with the place of each row.
pub fn read_spans<E: From<SqlError>>(
    dialect: Dialect,
    statement: &Statement<'_>,
    row: &mut TakeSpan<'_, E>,
) -> Result<(), E> {
    let mut reader = Reader { bytes: statement.text, at: 0, base: statement.at, dialect };
    let head = reader.head()?;
    let mut values = Vec::new();
    loop {
        values.clear();
        reader.blanks();
        let from = reader.at;
        reader.expect(b'(', "a row begins with (")?;
        if reader.peek() == Some(b')') {
            reader.at += 1;
        } else {
            loop {
                values.push(reader.value()?);
                match reader.take() {
                    Some(b',') => {}
                    Some(b')') => break,
                    _ => return Err(reader.error("a value ends with , or )").into()),
                }
            }
        }
        row(head, &values, from..reader.at)?;
        reader.blanks();
        match reader.take() {
            Some(b',') => {}
            None => return Ok(()),
            Some(_) => return Err(reader.error("a row ends with , or the statement").into()),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    base: usize,
    dialect: Dialect,
}

impl<'a> Reader<'a> {
    fn error(&self, what: &'static str) -> SqlError {
        SqlError { at: self.base + self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), SqlError> {
        if self.take() == Some(byte) { Ok(()) } else { Err(self.error(what)) }
    }

    fn eat(&mut self, word: &[u8]) -> bool {
        let fits = self.bytes[self.at..].starts_with(word);
        self.at += if fits { word.len() } else { 0 };
        fits
    }

    /// From `INSERT` to before `VALUES`; quoted names may hold anything.
    fn head(&mut self) -> Result<&'a [u8], SqlError> {
        while let Some(byte) = self.take() {
            match byte {
                b'`' | b'"' => {
                    let end = memchr::memchr(byte, &self.bytes[self.at..])
                        .ok_or_else(|| self.error("a name is not closed"))?;
                    self.at += end + 1;
                }
                b' ' | b')'
                    if self.bytes[self.at..].starts_with(b"VALUES")
                        || self.bytes[self.at..].starts_with(b" VALUES") =>
                {
                    let head = self.bytes[..self.at].trim_ascii_end();
                    self.at += if self.peek() == Some(b' ') { 7 } else { 6 };
                    return Ok(head);
                }
                _ => {}
            }
        }
        Err(self.error("an INSERT without VALUES"))
    }

    fn value(&mut self) -> Result<Value<'a>, SqlError> {
        match self.peek() {
            Some(b'\'') => {
                self.at += 1;
                self.text().map(Value::Text)
            }
            Some(b'x') => {
                self.at += 1;
                self.hex().map(Value::Bytes)
            }
            Some(b'N') if self.eat(b"NULL") => Ok(Value::Null),
            Some(b'_') if self.dialect == Dialect::Mysql => {
                self.at += 1;
                while matches!(self.peek(), Some(b'a'..=b'z' | b'0'..=b'9')) {
                    self.at += 1;
                }
                self.expect(b' ', "a character set ends with a blank")?;
                self.expect(b'x', "a character set is followed by x'…'")?;
                Ok(Value::Text(Cow::Owned(self.hex()?)))
            }
            Some(b'C') if self.dialect == Dialect::Sqlite && self.eat(b"CAST(x") => {
                let text = self.hex()?;
                if self.eat(b" AS TEXT)") {
                    Ok(Value::Text(Cow::Owned(text)))
                } else {
                    Err(self.error("a cast to TEXT"))
                }
            }
            Some(b'-' | b'0'..=b'9') => {
                let from = self.at;
                while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'e' | b'E')) {
                    self.at += 1;
                }
                Ok(Value::Number(&self.bytes[from..self.at]))
            }
            _ => Err(self.error("not a value")),
        }
    }

    /// The rest of a text literal, after its opening quote.
    fn text(&mut self) -> Result<Cow<'a, [u8]>, SqlError> {
        let from = self.at;
        let mut owned: Option<Vec<u8>> = None;
        let mut copied = from;
        loop {
            let rest = &self.bytes[self.at..];
            let next = match self.dialect {
                Dialect::Mysql => memchr::memchr2(b'\'', b'\\', rest),
                Dialect::Postgres | Dialect::Sqlite => memchr::memchr(b'\'', rest),
            };
            self.at += next.ok_or_else(|| self.error("a text is not closed"))?;
            let byte = self.bytes[self.at];
            let follower = self.bytes.get(self.at + 1).copied();
            if byte == b'\'' && follower != Some(b'\'') {
                let tail = &self.bytes[copied..self.at];
                self.at += 1;
                return Ok(match owned {
                    None => Cow::Borrowed(tail),
                    Some(mut text) => {
                        text.extend_from_slice(tail);
                        Cow::Owned(text)
                    }
                });
            }
            let plain = match (byte, follower) {
                (b'\'', _) | (_, Some(b'\'')) => b'\'',
                (_, Some(b'0')) => 0,
                (_, Some(b'n')) => b'\n',
                (_, Some(b'r')) => b'\r',
                (_, Some(b'Z')) => 0x1a,
                (_, Some(b'\\')) => b'\\',
                _ => return Err(self.error("an escape nobody writes")),
            };
            let text = owned.get_or_insert_with(Vec::new);
            text.extend_from_slice(&self.bytes[copied..self.at]);
            text.push(plain);
            self.at += 2;
            copied = self.at;
        }
    }

    /// `'…'` of a hexadecimal literal, after its `x`.
    fn hex(&mut self) -> Result<Vec<u8>, SqlError> {
        self.expect(b'\'', "x is followed by '")?;
        let end = memchr::memchr(b'\'', &self.bytes[self.at..])
            .ok_or_else(|| self.error("bytes are not closed"))?;
        let digits = &self.bytes[self.at..self.at + end];
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        let (pairs, odd) = digits.as_chunks::<2>();
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?)).collect();
        let bytes =
            bytes.filter(|_| odd.is_empty()).ok_or_else(|| self.error("not hexadecimal"))?;
        self.at += end + 1;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::artifact::literal::{write_bytes, write_text};

    type Rows = Vec<Vec<(Tag, Vec<u8>)>>;

    fn rows(dialect: Dialect, entry: &[u8]) -> Result<Rows, SqlError> {
        let mut all = Vec::new();
        read_rows(dialect, entry, &mut |_, values| {
            all.push(values.iter().map(|v| (v.parts().0, v.parts().1.to_vec())).collect());
            Ok::<(), SqlError>(())
        })?;
        Ok(all)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            values in prop::collection::vec((0_u8..3, prop::collection::vec(any::<u8>(), 0..40)), 1..8),
            mysql: bool,
        ) {
            let dialect = if mysql { Dialect::Mysql } else { Dialect::Sqlite };
            let mut entry = b"SET NAMES utf8mb4;\nINSERT INTO `a``(VALUES` (`x`) VALUES\n(".to_vec();
            let mut expected = Vec::new();
            for (i, (kind, bytes)) in values.iter().enumerate() {
                entry.extend_from_slice(if i > 0 { b"," } else { b"" });
                match kind {
                    0 => { entry.extend_from_slice(b"NULL"); expected.push((Tag::Null, Vec::new())); }
                    1 => { write_text(dialect, bytes, &mut entry); expected.push((Tag::Text, bytes.clone())); }
                    _ => { write_bytes(bytes, &mut entry); expected.push((Tag::Bytes, bytes.clone())); }
                }
            }
            entry.extend_from_slice(b");\n");
            prop_assert_eq!(rows(dialect, &entry), Ok(vec![expected]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), mysql: bool) {
            let dialect = if mysql { Dialect::Mysql } else { Dialect::Sqlite };
            let mut entry = b"INSERT INTO t VALUES (".to_vec();
            entry.extend_from_slice(&bytes);
            drop(rows(dialect, &bytes));
            drop(rows(dialect, &entry));
        }
    }

    #[test]
    fn every_form_of_value_has_its_tag() {
        let entry = b"INSERT INTO `t` (`a`) VALUES (NULL,-1.5e-3,'it\\'s',x'00FF',_latin1 x'E9',0),\n(1,2,3,4,5,6);\n";
        let all = rows(Dialect::Mysql, entry).expect("reads");
        let tags: Vec<Tag> = all[0].iter().map(|v| v.0).collect();
        assert_eq!(tags, [Tag::Null, Tag::Number, Tag::Text, Tag::Bytes, Tag::Text, Tag::Number]);
        assert_eq!(all[0][2].1, b"it's");
        assert_eq!(all.len(), 2);
        let sqlite =
            rows(Dialect::Sqlite, b"INSERT INTO \"t\" VALUES ('a\\',CAST(x'6100' AS TEXT),9e999);")
                .expect("reads");
        assert_eq!(sqlite[0][0].1, b"a\\");
        assert_eq!(sqlite[0][1], (Tag::Text, b"a\0".to_vec()));
        assert_eq!(
            rows(Dialect::Mysql, b"INSERT INTO `g` () VALUES (),();").expect("reads").len(),
            2
        );
    }

    #[test]
    fn open_ends_are_errors() {
        for open in ["INSERT INTO t VALUES (1;", "INSERT INTO t VALUES (1)x;"] {
            assert!(rows(Dialect::Mysql, open.as_bytes()).is_err(), "{open}");
        }
    }
}
