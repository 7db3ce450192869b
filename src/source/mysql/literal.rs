//! Literals of a definition that are no text: MariaDB before 11 shows the default of a binary
//! column as its bytes, and MySQL a literal with an introducer (`_sjis'…'`) as the bytes of that
//! character set.
//!
//! Knows nothing of tables. Invariant: what is UTF-8 already is returned as it is; else only
//! literals change, to `x'…'`.

use crate::artifact::write_bytes;

/// A definition as UTF-8, each literal that is not written as the bytes that it means.
pub fn as_utf8(text: Vec<u8>) -> Vec<u8> {
    if std::str::from_utf8(&text).is_ok() {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(start) = memchr::memchr3(b'\'', b'`', b'"', rest) {
        let quote = rest[start];
        let end = start + 1 + inside(&rest[start + 1..], quote);
        let (literal, quoted) = (&rest[start + 1..end], &rest[start..(end + 1).min(rest.len())]);
        out.extend_from_slice(&rest[..start]);
        if quote == b'\'' && std::str::from_utf8(literal).is_err() {
            if out.last().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
                out.push(b' ');
            }
            write_bytes(&meaning(literal), &mut out);
        } else {
            out.extend_from_slice(quoted);
        }
        rest = &rest[start + quoted.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Bytes up to the closing quote; a doubled quote does not close, nor one after a backslash in a
/// literal.
fn inside(text: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' if quote == b'\'' => at += 2,
            byte if byte == quote && text.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at,
            _ => at += 1,
        }
    }
    text.len()
}

/// The bytes that the server wrote as this literal: it escapes few.
fn meaning(literal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(literal.len());
    let mut bytes = literal.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'0') => 0,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'Z') => 0x1a,
                Some(other) => other,
                None => b'\\',
            },
            b'\'' => bytes.next().unwrap_or(b'\''),
            other => other,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_literals_that_are_no_text_change() {
        for (text, expected) in [
            (&b"`a` int DEFAULT 'x\\0'"[..], &b"`a` int DEFAULT 'x\\0'"[..]),
            (
                b"`a'\\` varbinary(9) DEFAULT '\xff\\0\\\\''\xe9' COMMENT 'it''s'",
                b"`a'\\` varbinary(9) DEFAULT x'FF005C27E9' COMMENT 'it''s'",
            ),
            (b"DEFAULT '\xff', `b` DEFAULT ''", b"DEFAULT x'FF', `b` DEFAULT ''"),
            (b"DEFAULT '\xff\\", b"DEFAULT x'FF5C'"),
            (b"concat(_sjis'it\\'s \x81_',_sjis'c')", b"concat(_sjis x'6974277320815F',_sjis'c')"),
        ] {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(
                String::from_utf8_lossy(&as_utf8(text.to_vec())),
                String::from_utf8_lossy(expected),
                "{shown}"
            );
        }
    }
}
