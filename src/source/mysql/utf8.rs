//! A statement with bytes that are no text, as text: such literals are written in hexadecimal
//! instead.
//!
//! mydumper writes bytes as they are, between quotes and under `SET NAMES binary`, where `"…"` and
//! `x'…'` are the same.

use std::borrow::Cow;

use crate::source::contract::{Error, ErrorKind, Result};

/// A statement that must be text.
pub fn text_of<'t>(statement: &'t [u8], doing: &str) -> Result<&'t str> {
    std::str::from_utf8(statement).map_err(|e| Error::new(ErrorKind::Damaged, doing, e.to_string()))
}

/// The statement as text.
pub fn as_text<'a>(statement: &'a [u8], doing: &str) -> Result<Cow<'a, str>> {
    if let Ok(text) = std::str::from_utf8(statement) {
        return Ok(text.into());
    }
    let damaged = |found: &str| Error::new(ErrorKind::Damaged, doing, found);
    let mut out = Vec::with_capacity(statement.len() * 2);
    let mut at = 0;
    while let Some(byte) = statement.get(at) {
        match byte {
            b'\'' | b'"' | b'`' => {
                let end =
                    close(&statement[at..]).ok_or_else(|| damaged("a quote is not closed"))?;
                let literal = &statement[at..at + end];
                match std::str::from_utf8(literal) {
                    Err(_) if *byte != b'`' => {
                        out.extend_from_slice(b"x'");
                        out.extend(
                            unescaped(&literal[1..end - 1], *byte)
                                .flat_map(|b| [digit(b >> 4), digit(b & 15)]),
                        );
                        out.push(b'\'');
                    }
                    Ok(_) | Err(_) => out.extend_from_slice(literal),
                }
                at += end;
            }
            other => {
                out.push(*other);
                at += 1;
            }
        }
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|_| damaged("it is not UTF-8 outside of its literals"))
}

fn digit(value: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(value)]
}

/// Length of the quoted stretch that begins `text`.
fn close(text: &[u8]) -> Option<usize> {
    let quote = *text.first()?;
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'\\' if quote != b'`' => at += 2,
            b if b == quote && text.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// The bytes that a literal stands for.
fn unescaped(inner: &[u8], quote: u8) -> impl Iterator<Item = u8> {
    let mut bytes = inner.iter().copied();
    std::iter::from_fn(move || match bytes.next()? {
        b'\\' => Some(match bytes.next()? {
            b'0' => 0,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'Z' => 0x1a,
            other => other,
        }),
        b if b == quote => bytes.next(),
        other => Some(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_that_are_no_text_become_hexadecimal() {
        for (statement, expected) in [
            (&b"INSERT INTO `a` VALUES (\"\xC3\xA7\",1)"[..], "INSERT INTO `a` VALUES (\"ç\",1)"),
            (
                b"INSERT INTO `a` VALUES (\"\\0\xFF'\\\"\\\\\\n\\Z\",'it\\'s',NULL)",
                "INSERT INTO `a` VALUES (x'00FF27225C0A1A','it\\'s',NULL)",
            ),
            (b"VALUES ('\xFF''',\"\xFE\"\"\")", "VALUES (x'FF27',x'FE22')"),
        ] {
            assert_eq!(as_text(statement, "x").expect("text"), expected);
        }
        for bad in [&b"SELECT \xFF"[..], b"SELECT `\xFF`", b"SELECT '\xFF"] {
            assert_eq!(as_text(bad, "x").expect_err("no text").kind, ErrorKind::Damaged);
        }
    }
}
