//! Rows in the binary format of `COPY`, as the lines that its text format would have.
//!
//! The server spends less on dates, times and bytes that it need not turn into text. Knows no
//! connection. Invariant: a line is, byte for byte, what the server itself would write under the
//! settings of `connect`; only types of which that is proven (tests/postgres_binary.rs) have a
//! form, and one column without a form leaves its table to the text format. The formats: chapter
//! *COPY*, section *Binary Format*, of the PostgreSQL manual, and the `…send` function of each
//! type.

use crate::source::postgres::datetime;
use crate::source::postgres::decimal;

/// What a binary file begins with; flags and the length of an extension follow.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// How a value is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `t` or `f`.
    Bool,
    /// Two bytes.
    Int2,
    /// Four bytes.
    Int4,
    /// Eight bytes.
    Int8,
    /// Four bytes without sign.
    Oid,
    /// Eight bytes of IEEE 754.
    Float8,
    /// The text itself.
    Text,
    /// A version and the text.
    Jsonb,
    /// Bytes, written in hexadecimal.
    Bytea,
    /// Days since 2000.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Microseconds since 2000.
    Timestamp,
    /// The same, in UTC.
    Timestamptz,
    /// Digits to the base of 10 000.
    Numeric,
    /// Sixteen bytes.
    Uuid,
}

impl Form {
    /// The form of a type that is written by these two functions of the server; a domain, an enum
    /// or a type of an extension has the functions of the type that it is made of.
    pub fn of(output: &str, send: &str) -> Option<Form> {
        Some(match (output, send) {
            ("boolout", "boolsend") => Form::Bool,
            ("int2out", "int2send") => Form::Int2,
            ("int4out", "int4send") => Form::Int4,
            ("int8out", "int8send") => Form::Int8,
            ("oidout", "oidsend") => Form::Oid,
            ("float8out", "float8send") => Form::Float8,
            ("textout", "textsend")
            | ("varcharout", "varcharsend")
            | ("bpcharout", "bpcharsend") => Form::Text,
            ("nameout", "namesend") | ("enum_out", "enum_send") | ("json_out", "json_send") => {
                Form::Text
            }
            ("jsonb_out", "jsonb_send") => Form::Jsonb,
            ("byteaout", "byteasend") => Form::Bytea,
            ("date_out", "date_send") => Form::Date,
            ("time_out", "time_send") => Form::Time,
            ("timestamp_out", "timestamp_send") => Form::Timestamp,
            ("timestamptz_out", "timestamptz_send") => Form::Timestamptz,
            ("numeric_out", "numeric_send") => Form::Numeric,
            ("uuid_out", "uuid_send") => Form::Uuid,
            _ => return None,
        })
    }

    /// Whether rows of these forms cost less in the binary format. The server takes 70 ns for the
    /// text of a timestamp, 36 for that of a date, and writes two digits for a byte; for all else
    /// it takes as long either way, and vex would write the text on top (measured:
    /// benches/RESULTS.md).
    pub fn pay(forms: &[Form]) -> bool {
        let moments = forms
            .iter()
            .filter(|f| matches!(f, Form::Date | Form::Time | Form::Timestamp | Form::Timestamptz))
            .count();
        forms.contains(&Form::Bytea) || (moments > 0 && 3 * moments >= forms.len())
    }
}

/// Where lines are written.
pub trait Sink {
    /// Why it takes no more.
    type Error;

    /// The buffer that the next line is appended to.
    fn open(&mut self) -> Result<&mut Vec<u8>, Self::Error>;

    /// A line stands in it from there on, with its end.
    fn line(&mut self, from: usize) -> Result<(), Self::Error>;

    /// Takes a line, with its end, that stands elsewhere.
    fn copy(&mut self, line: &[u8]) -> Result<(), Self::Error> {
        let buffer = self.open()?;
        let from = buffer.len();
        buffer.extend_from_slice(line);
        self.line(from)
    }
}

/// Rows on their way from bytes to lines.
pub struct Lines<'a> {
    forms: &'a [Form],
    /// Whether the head has come.
    begun: bool,
    /// Whether the end has come.
    ended: bool,
    /// A row that is not whole yet.
    rest: Vec<u8>,
}

/// What can't be a row.
pub type Wrong = String;

impl<'a> Lines<'a> {
    /// Rows of these columns.
    pub fn new(forms: &'a [Form]) -> Lines<'a> {
        Lines { forms, begun: false, ended: false, rest: Vec::new() }
    }

    /// Takes some bytes, and writes the line of every row that they complete. The inner error is
    /// that of the sink.
    pub fn feed<S: Sink>(
        &mut self,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<Result<(), S::Error>, Wrong> {
        if self.rest.is_empty() {
            let used = self.rows(bytes, sink)?;
            return Ok(used.map(|used| self.rest.extend_from_slice(&bytes[used..])));
        }
        // The server sends each row as a message of its own; nothing here depends on it.
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let used = self.rows(&all, sink)?;
        Ok(used.map(|used| self.rest.extend_from_slice(&all[used..])))
    }

    /// Whether all came, and nothing after it.
    pub fn is_whole(&self) -> bool {
        self.ended && self.rest.is_empty()
    }

    fn rows<S: Sink>(
        &mut self,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<Result<usize, S::Error>, Wrong> {
        let mut from = 0;
        if !self.begun {
            let Some(head) = bytes.get(..SIGNATURE.len() + 8) else { return Ok(Ok(0)) };
            if !head.starts_with(SIGNATURE) || head[SIGNATURE.len()..] != [0; 8] {
                return Err("the head of the rows is not that of a binary COPY".into());
            }
            self.begun = true;
            from = head.len();
        }
        while !self.ended
            && let Some((count, values)) = bytes[from..].split_first_chunk::<2>()
        {
            match i16::from_be_bytes(*count) {
                -1 => {
                    self.ended = true;
                    return Ok(Ok(from + 2));
                }
                count if usize::try_from(count) == Ok(self.forms.len()) => {}
                count => {
                    return Err(format!(
                        "a row of {count} values came, where a row has {}",
                        self.forms.len()
                    ));
                }
            }
            let line = match sink.open() {
                Ok(line) => line,
                Err(error) => return Ok(Err(error)),
            };
            let start = line.len();
            let Some(rest) = row(values, self.forms, line)? else {
                line.truncate(start);
                break;
            };
            line.push(b'\n');
            if let Err(error) = sink.line(start) {
                return Ok(Err(error));
            }
            from = bytes.len() - rest.len();
        }
        Ok(Ok(from))
    }
}

/// Writes one row, and returns what follows it; nothing if the bytes end before it does.
fn row<'a>(
    mut rest: &'a [u8],
    forms: &[Form],
    line: &mut Vec<u8>,
) -> Result<Option<&'a [u8]>, Wrong> {
    for (index, form) in forms.iter().enumerate() {
        if index > 0 {
            line.push(b'\t');
        }
        let Some((length, after)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        rest = after;
        let length = match i32::from_be_bytes(*length) {
            -1 => {
                line.extend_from_slice(b"\\N");
                continue;
            }
            length => {
                usize::try_from(length).map_err(|_| format!("a value of {length} bytes came"))?
            }
        };
        let Some((value, after)) = rest.split_at_checked(length) else { return Ok(None) };
        rest = after;
        write(*form, value, line)
            .ok_or_else(|| format!("{value:02x?} came, which is no value of the form {form:?}"))?;
    }
    Ok(Some(rest))
}

fn write(form: Form, value: &[u8], line: &mut Vec<u8>) -> Option<()> {
    let four = || value.try_into().ok().map(i32::from_be_bytes);
    let eight = || value.try_into().ok().map(i64::from_be_bytes);
    match form {
        Form::Bool => line.push(match value {
            [0] => b'f',
            [1] => b't',
            _ => return None,
        }),
        Form::Int2 => whole(i16::from_be_bytes(value.try_into().ok()?), line),
        Form::Int4 => whole(four()?, line),
        Form::Int8 => whole(eight()?, line),
        Form::Oid => whole(four()?.cast_unsigned(), line),
        Form::Float8 => decimal::double(f64::from_be_bytes(value.try_into().ok()?), line),
        Form::Text => escape(value, line),
        Form::Jsonb => escape(value.strip_prefix(&[1])?, line),
        Form::Bytea => {
            line.extend_from_slice(b"\\\\x");
            value.iter().for_each(|byte| line.extend_from_slice(&hex(*byte)));
        }
        Form::Date => datetime::date(four()?, line),
        Form::Time => datetime::time(eight()?, line),
        Form::Timestamp => datetime::timestamp(eight()?, b"", line),
        Form::Timestamptz => datetime::timestamp(eight()?, b"+00", line),
        Form::Numeric => decimal::numeric(value, line)?,
        Form::Uuid => {
            let bytes: [u8; 16] = value.try_into().ok()?;
            for (index, byte) in bytes.iter().enumerate() {
                if matches!(index, 4 | 6 | 8 | 10) {
                    line.push(b'-');
                }
                line.extend_from_slice(&hex(*byte));
            }
        }
    }
    Some(())
}

fn whole(n: impl itoa::Integer, line: &mut Vec<u8>) {
    line.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// What `COPY` puts behind a backslash in place of each byte; 0 where the byte stays.
const ESCAPES: [u8; 256] = {
    let mut all = [0; 256];
    let pairs = *b"\x08b\tt\nn\x0bv\x0cf\rr\\\\";
    let mut at = 0;
    while at < pairs.len() {
        all[pairs[at] as usize] = pairs[at + 1];
        at += 2;
    }
    all
};

fn escape(mut text: &[u8], line: &mut Vec<u8>) {
    while let Some(at) = special(text) {
        line.extend_from_slice(&text[..at]);
        line.extend_from_slice(&[b'\\', ESCAPES[usize::from(text[at])]]);
        text = &text[at + 1..];
    }
    line.extend_from_slice(text);
}

/// Where the first byte is that does not stay. Eight are looked at together: a byte below 32, or
/// equal to a backslash, borrows from its own highest bit (Mycroft's test); what it takes for one
/// is looked at again.
fn special(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let bytes = u64::from_le_bytes(*word);
        let slashes = bytes ^ (ONES * u64::from(b'\\'));
        let low = bytes.wrapping_sub(ONES * 32) & !bytes;
        let may_be = (low | slashes.wrapping_sub(ONES) & !slashes) & HIGH;
        if may_be != 0
            && let Some(at) = word.iter().position(|byte| ESCAPES[usize::from(*byte)] != 0)
        {
            return Some(number * 8 + at);
        }
    }
    let at = rest.iter().position(|byte| ESCAPES[usize::from(*byte)] != 0)?;
    Some(words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(rows: &[&[Option<&[u8]>]]) -> Vec<u8> {
        let mut bytes = [SIGNATURE, &[0; 8]].concat();
        for row in rows {
            bytes.extend((row.len() as i16).to_be_bytes());
            for value in *row {
                bytes.extend(value.map_or(-1, |v| v.len() as i32).to_be_bytes());
                bytes.extend(value.unwrap_or_default());
            }
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    fn lines(forms: &[Form], bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool), Wrong> {
        let (mut lines, mut found) = (Lines::new(forms), Found::default());
        for part in bytes.chunks(step.max(1)) {
            lines.feed(part, &mut found)?.expect("never refused");
        }
        Ok((found.0, lines.is_whole()))
    }

    /// Whole lines, one behind the other.
    #[derive(Default)]
    struct Found(Vec<u8>, usize);

    impl Sink for Found {
        type Error = std::convert::Infallible;

        fn open(&mut self) -> Result<&mut Vec<u8>, Self::Error> {
            assert_eq!(self.0.len(), self.1, "what was no whole line was left");
            Ok(&mut self.0)
        }

        fn line(&mut self, from: usize) -> Result<(), Self::Error> {
            assert_eq!(from, self.1);
            self.1 = self.0.len();
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn rows_are_the_same_however_the_bytes_are_cut(step in 1_usize..90) {
            let bytes = file(&[&[Some(&[0, 0, 0, 7]), None], &[Some(&[255; 4]), Some(b"a\tb\\c\n\x01d")], &[None, Some(b"")]]);
            let (found, whole) = lines(&[Form::Int4, Form::Text], &bytes, step).expect("rows");
            prop_assert_eq!(String::from_utf8(found).expect("text"), "7\t\\N\n-1\ta\\tb\\\\c\\n\u{1}d\n\\N\t\n");
            prop_assert!(whole);
            let (_, whole) = lines(&[Form::Int4, Form::Text], &bytes[..bytes.len() - 1], step).expect("rows");
            prop_assert!(!whole, "the end did not come");
        }
    }

    #[test]
    fn what_is_no_row_is_an_error() {
        let forms = [Form::Bool];
        for bad in [
            file(&[&[Some(&[2])]]),
            file(&[&[Some(&[1]), None]]),
            b"not the head of a binary file at all".to_vec(),
            [file(&[])[..19].to_vec(), vec![0, 1, 255, 255, 255, 0]].concat(),
        ] {
            assert!(lines(&forms, &bad, 1000).is_err(), "{bad:?}");
        }
        let trailing = [file(&[]), vec![0]].concat();
        assert!(!lines(&forms, &trailing, 1000).expect("rows").1, "something came after the end");
    }
}
