//! A text cut into words, strings, comments and punctuation, whether or not it is KDL.
//!
//! Does not know the grammar and never fails: it is what is left to go by when a text does not
//! parse, and it sees what the parser drops (comments, what `/-` switches off). Tokens do not
//! overlap and stand in the order of the text.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bare word, number or `#keyword`.
    Word,
    /// A string, quotes included.
    Quoted,
    /// A string whose quote is not closed on its line.
    Open,
    /// A raw string as KDL v1 writes it.
    RawV1,
    /// `//…` or `/*…*/`.
    Comment,
    /// `/-`.
    Dash,
    /// One of `{ } ( ) = ; \ ,` or another sign by itself.
    Sign(char),
    /// The end of a line.
    Line,
}

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// How deep its comment nests; 0 for all others.
    pub depth: usize,
}

/// Cuts a text into tokens.
pub fn scan(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let (kind, len, depth) = match first {
            '\n' => (Kind::Line, 1, 0),
            c if c.is_whitespace() || c == '\u{feff}' => {
                at += c.len_utf8();
                continue;
            }
            _ => token(&source[at..], first),
        };
        tokens.push(Token { kind, range: at..at + len, depth });
        at += len;
    }
    tokens
}

fn token(rest: &str, first: char) -> (Kind, usize, usize) {
    let line = rest.find('\n').unwrap_or(rest.len());
    if rest.starts_with("//") {
        return (Kind::Comment, rest[..line].trim_end().len(), 1);
    }
    if rest.starts_with("/*") {
        let (len, depth) = block_comment(rest);
        return (Kind::Comment, len, depth);
    }
    if rest.starts_with("/-") {
        return (Kind::Dash, 2, 0);
    }
    let hashes = rest.bytes().take_while(|b| *b == b'#').count();
    if rest[hashes..].starts_with('"') {
        let (kind, len) = quoted(rest, hashes);
        return (kind, len, 0);
    }
    if first == 'r' {
        let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
        if rest[1 + hashes..].starts_with('"') {
            let body = hashes + 2;
            let end = format!("\"{}", "#".repeat(hashes));
            let len = rest[body..line.max(body)]
                .find(&end)
                .map_or(line.max(body), |n| body + n + end.len());
            return (Kind::RawV1, len, 0);
        }
    }
    let ends = |c: char| c.is_whitespace() || "{}()[]=;\\\"/".contains(c);
    match rest.find(ends).unwrap_or(rest.len()) {
        0 => (Kind::Sign(first), first.len_utf8(), 0),
        1 if first == ',' => (Kind::Sign(','), 1, 0),
        len => (Kind::Word, len, 0),
    }
}

/// Length and depth of a block comment; what is not closed ends with the text.
fn block_comment(rest: &str) -> (usize, usize) {
    let (bytes, mut at, mut depth, mut deepest) = (rest.as_bytes(), 0, 0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        deepest = deepest.max(depth);
        if depth == 0 {
            return (at, deepest);
        }
    }
    (rest.len(), deepest)
}

/// Kind and length of a string that begins with so many `#`.
fn quoted(rest: &str, hashes: usize) -> (Kind, usize) {
    let quotes = if rest[hashes..].starts_with("\"\"\"") { 3 } else { 1 };
    let end = format!("{}{}", "\"".repeat(quotes), "#".repeat(hashes));
    let body = hashes + quotes;
    let limit = if quotes == 3 { rest.len() } else { rest.find('\n').unwrap_or(rest.len()) };
    let mut at = body;
    while at < limit {
        if rest[at..].starts_with(&end) {
            return (Kind::Quoted, at + end.len());
        }
        let mut step = rest[at..].chars();
        if hashes == 0 && step.next() == Some('\\') {
            at += 1 + step.next().map_or(0, char::len_utf8);
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    (Kind::Open, rest[..limit.max(body)].trim_end().len().max(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(source: &str) -> Vec<(Kind, &str)> {
        scan(source).into_iter().map(|t| (t.kind, &source[t.range])).collect()
    }

    #[test]
    fn strings_and_comments_hide_what_is_in_them() {
        assert_eq!(
            cut("a \"x // y\" b=#\"\\\"# // \"z\"\n/* { /* */ \" */ /-c \"\"\"\n\"q\"\n\"\"\"\n"),
            [
                (Kind::Word, "a"),
                (Kind::Quoted, "\"x // y\""),
                (Kind::Word, "b"),
                (Kind::Sign('='), "="),
                (Kind::Quoted, "#\"\\\"#"),
                (Kind::Comment, "// \"z\""),
                (Kind::Line, "\n"),
                (Kind::Comment, "/* { /* */ \" */"),
                (Kind::Dash, "/-"),
                (Kind::Word, "c"),
                (Kind::Quoted, "\"\"\"\n\"q\"\n\"\"\""),
                (Kind::Line, "\n"),
            ]
        );
        assert_eq!(
            cut("p \"abc\n"),
            [(Kind::Word, "p"), (Kind::Open, "\"abc"), (Kind::Line, "\n")]
        );
        assert_eq!(cut("\"a\\\"b\" r#\"c\"#")[1], (Kind::RawV1, "r#\"c\"#"));
    }

    proptest::proptest! {
        #[test]
        fn tokens_are_in_order_and_within_the_text(source in "[a-z \"#{}()=;,\\\\/*\n\r.-éß]{0,80}") {
            let mut end = 0;
            for token in scan(&source) {
                proptest::prop_assert!(token.range.start >= end && token.range.end > token.range.start);
                proptest::prop_assert!(source.get(token.range.clone()).is_some());
                end = token.range.end;
            }
        }
    }
}
