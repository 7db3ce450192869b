//! Literals of a definition that are no text: MariaDB before 11 shows the default of a binary
//! column as its bytes, and MySQL a literal with an introducer (`_sjis'…'`) as the bytes of that
//! character set.
//!
//! Knows nothing of tables. Invariant: what is UTF-8 already is returned as it is; else only
//! literals change, to `x'…'`.

use crate::artifact::{Dialect, write_bytes, write_name, write_text};

/// What a text is: where comments may stand that hold a lone quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What the server has made of a definition.
    Definition,
    /// What somebody wrote.
    Code,
}

/// A text as UTF-8, each literal that is not written as the bytes that it means.
pub fn as_utf8(text: Vec<u8>, form: Form) -> Vec<u8> {
    if std::str::from_utf8(&text).is_ok() {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for literal in quoted(&text, form) {
        let inner = &text[literal.from + 1..literal.to];
        if text[literal.from] == b'\'' && std::str::from_utf8(inner).is_err() {
            out.extend_from_slice(&text[done..literal.from]);
            write_meaning(inner, &mut out);
            done = literal.end(&text);
        }
    }
    out.extend_from_slice(&text[done..]);
    out
}

/// A text that a client of another character set than UTF-8 wrote, `shown` as UTF-8, with the
/// literals that are in none of the two (`_koi8r'…'`) written as the bytes they have in `raw`, where
/// nothing is converted. `None` if the two texts do not have the same literals.
pub fn combined(shown: &[u8], raw: &[u8], form: Form) -> Option<Vec<u8>> {
    let (found, bytes) = (introduced(shown, form), introduced(raw, form));
    if found.len() != bytes.len() {
        return None;
    }
    let (mut out, mut done) = (Vec::with_capacity(shown.len()), 0);
    for ((name, literal), (other, own)) in found.into_iter().zip(bytes) {
        if name != other {
            return None;
        }
        if !shown[literal.from..literal.to].is_ascii() {
            out.extend_from_slice(&shown[done..literal.from]);
            write_meaning(&raw[own.from + 1..own.to], &mut out);
            done = literal.end(shown);
        }
    }
    out.extend_from_slice(&shown[done..]);
    Some(out)
}

/// The text of a routine or event with its name and its comment as they are.
pub fn repaired(text: &[u8], name: &str, comment: Option<&str>) -> Vec<u8> {
    let (mut out, mut done) = (Vec::with_capacity(text.len()), 0);
    let mut comment = comment;
    for (number, stretch) in quoted(text, Form::Code).into_iter().enumerate() {
        let mut own = Vec::new();
        // Behind the two of the definer.
        if number == 2 && text.starts_with(b"CREATE DEFINER=`") && text[stretch.from] == b'`' {
            write_name(Dialect::Mysql, name, &mut own);
        } else if text[..stretch.from].trim_ascii_end().ends_with(b"COMMENT")
            && let Some(comment) = comment.take()
        {
            write_text(Dialect::Mysql, comment.as_bytes(), &mut own);
        } else {
            continue;
        }
        out.extend_from_slice(&text[done..stretch.from]);
        out.append(&mut own);
        done = stretch.end(text);
    }
    out.extend_from_slice(&text[done..]);
    out
}

/// Whether a text has literals that a conversion of the whole text would change.
pub fn has_introduced(text: &[u8], form: Form) -> bool {
    introduced(text, form).iter().any(|(_, literal)| !text[literal.from..literal.to].is_ascii())
}

/// A stretch between quotes: where they stand.
#[derive(Debug, Clone, Copy)]
struct Quoted {
    from: usize,
    to: usize,
}

impl Quoted {
    /// Where the text goes on.
    fn end(self, text: &[u8]) -> usize {
        (self.to + 1).min(text.len())
    }
}

/// Writes the literal as bytes, apart from a word before it.
fn write_meaning(literal: &[u8], out: &mut Vec<u8>) {
    if out.last().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        out.push(b' ');
    }
    write_bytes(&meaning(literal), out);
}

/// Literals with an introducer, and their introducer.
fn introduced(text: &[u8], form: Form) -> Vec<(Vec<u8>, Quoted)> {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let of = |literal: Quoted| {
        let before = text[..literal.from].trim_ascii_end();
        let start = before.iter().rposition(|byte| !word(byte)).map_or(0, |at| at + 1);
        let name = &before[start..];
        let own = text[literal.from] == b'\'' && name.len() > 1 && name[0] == b'_';
        own.then(|| (name.to_ascii_lowercase(), literal))
    };
    quoted(text, form).into_iter().filter_map(of).collect()
}

/// All that stands between quotes.
fn quoted(text: &[u8], form: Form) -> Vec<Quoted> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        let skipped = if form == Form::Code { comment(rest) } else { 0 };
        if skipped > 0 {
            at += skipped;
        } else if matches!(rest[0], b'\'' | b'`' | b'"') {
            let to = at + 1 + inside(&rest[1..], rest[0]);
            found.push(Quoted { from: at, to });
            at = to + 1;
        } else {
            at += 1;
        }
    }
    found
}

/// Bytes of the comment that begins the text; of one with code in it, only of its mark.
fn comment(text: &[u8]) -> usize {
    let line = || memchr::memchr(b'\n', text).map_or(text.len(), |n| n + 1);
    match text {
        [b'#', ..] => line(),
        [b'-', b'-', next, ..] if next.is_ascii_whitespace() => line(),
        [b'/', b'*', b'!', ..] => 3,
        [b'/', b'*', b'M', b'!', ..] => 4,
        [b'/', b'*', rest @ ..] => memchr::memmem::find(rest, b"*/").map_or(text.len(), |n| n + 4),
        _ => 0,
    }
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
                String::from_utf8_lossy(&as_utf8(text.to_vec(), Form::Definition)),
                String::from_utf8_lossy(expected),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_comment_with_a_lone_quote_hides_no_literal() {
        let text =
            b"BEGIN -- it's\n/* ' */ # '\n SET a=_koi8r'\xd4' /*! ,b='\xe9' */; END".to_vec();
        let found = as_utf8(text, Form::Code);
        let expected = "BEGIN -- it's\n/* ' */ # '\n SET a=_koi8r x'D4' /*! ,b=x'E9' */; END";
        assert_eq!(String::from_utf8_lossy(&found), expected);
    }

    #[test]
    fn literals_of_a_third_character_set_keep_their_bytes() {
        let (shown, raw) = (
            "select _koi8r'\u{d4}' AS `\u{e9}_`,'\u{e9}',_utf8mb4'a'",
            b"select _koi8r'\xd4' AS `\xe9_`,'\xe9',_utf8mb4'a'",
        );
        assert!(has_introduced(shown.as_bytes(), Form::Definition));
        let found = combined(shown.as_bytes(), raw, Form::Definition).expect("they are the same");
        let expected = "select _koi8r x'D4' AS `\u{e9}_`,'\u{e9}',_utf8mb4'a'";
        assert_eq!(String::from_utf8_lossy(&found), expected);
        assert_eq!(combined(shown.as_bytes(), b"select _koi8r'x'", Form::Definition), None);
        assert!(!has_introduced("select '\u{e9}',_utf8mb4'a'".as_bytes(), Form::Definition));
    }

    #[test]
    fn names_and_comments_are_put_right_where_they_stand() {
        let text = b"CREATE DEFINER=`a`@`b` FUNCTION `f?`() RETURNS int\n    COMMENT '?'\nBEGIN SET a = 'COMMENT'; -- COMMENT 'x'\n END";
        let found = repaired(text, "f\u{e9}", Some("it's"));
        let expected = "CREATE DEFINER=`a`@`b` FUNCTION `f\u{e9}`() RETURNS int\n    COMMENT 'it\\'s'\nBEGIN SET a = 'COMMENT'; -- COMMENT 'x'\n END";
        assert_eq!(String::from_utf8_lossy(&found), expected);
        assert_eq!(repaired(b"SELECT 1", "f", None), b"SELECT 1");
    }
}
