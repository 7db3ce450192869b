//! Just enough of Rust's words to find paths and calls: comments and literals are dropped, test
//! code can be.

/// A word or a mark of the source, and the line it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// An identifier, `::`, or one other character.
    pub text: &'a str,
    /// From 1.
    pub line: usize,
}

/// All tokens of a source.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let (mut found, mut line, mut rest) = (Vec::new(), 1, source);
    while !rest.is_empty() {
        let (kept, length) = next(rest);
        if kept {
            found.push(Token { text: &rest[..length], line });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// Whether the source starts with a token to keep, and how long what it starts with is.
fn next(rest: &str) -> (bool, usize) {
    let first = rest.chars().next().expect("not empty");
    if rest.starts_with("//") {
        return (false, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (false, block_comment(rest));
    }
    if let Some(length) = raw_string(rest) {
        return (false, length);
    }
    if first == '"' {
        return (false, closing(rest, '"'));
    }
    if first == '\'' {
        // 'a' and '\n' are characters, 'a without an end is a lifetime.
        let mut chars = rest.char_indices().skip(1);
        let escaped = chars.next().is_some_and(|(_, c)| c == '\\');
        let quoted = chars.next().is_some_and(|(_, c)| c == '\'');
        return (false, if escaped || quoted { closing(rest, '\'') } else { 1 });
    }
    if first.is_alphanumeric() || first == '_' {
        return (true, rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
    }
    if rest.starts_with("::") {
        return (true, 2);
    }
    (!first.is_whitespace(), first.len_utf8())
}

/// The length of a literal with its two quotes.
fn closing(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + c.len_utf8();
        }
        escaped = !escaped && c == '\\';
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while let Some(mark) = rest[at..].find(['/', '*']) {
        at += mark;
        match rest.get(at..at + 2) {
            Some("/*") => depth += 1,
            Some("*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of `r"…"`, `br#"…"#` and the like, if the source starts with one; `b"…"` is `b` and a
/// string.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest
        .strip_prefix("br")
        .or_else(|| rest.strip_prefix("cr"))
        .or_else(|| rest.strip_prefix('r'))?;
    let body = after.trim_start_matches('#');
    let hashes = &after[..after.len() - body.len()];
    let text = body.strip_prefix('"')?;
    let length = text.find(&format!("\"{hashes}")).map_or(text.len(), |at| at + 1 + hashes.len());
    Some(rest.len() - text.len() + length)
}

/// The tokens without the items that only tests see.
pub fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let marked = tokens.len() - at >= MARK.len()
            && tokens[at..].iter().zip(MARK).all(|(t, m)| t.text == m);
        if marked {
            at += MARK.len() + item(&tokens[at + MARK.len()..]);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// The number of tokens up to the `;` or `}` that ends the first item.
fn item(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" if depth <= 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_tokens() {
        const CASES: [(&str, &str); 8] = [
            ("a::b // c\nd", "a :: b d"),
            ("a /* b /* c */ d */ e", "a e"),
            (r#"f("x \" y", z)"#, "f ( , z )"),
            ("f(r#\"x \" y\"#, br\"\\\", z)", "f ( , , z )"),
            ("f('\"', '\\'', 'é', b'x')", "f ( , , , b )"),
            ("fn f<'a>(x: &'a str)", "fn f < a > ( x : & a str )"),
            ("rust r x", "rust r x"),
            ("\"open", ""),
        ];
        for (source, expected) in CASES {
            let found: Vec<&str> = tokens(source).iter().map(|t| t.text).collect();
            assert_eq!(found.join(" "), expected, "{source}");
        }
        let lines: Vec<usize> = tokens("a\n/*\n*/b\n\"\n\"c").iter().map(|t| t.line).collect();
        assert_eq!(lines, [1, 3, 5]);
    }

    #[test]
    fn test_code_is_left_out() {
        const CASES: [(&str, &str); 4] = [
            ("a #[cfg(test)] mod tests { { b } } c", "a c"),
            ("a #[cfg(test)] use b::c; d", "a d"),
            ("#[cfg(test)] #[allow(x)] mod t; e", "e"),
            ("#[cfg(unix)] mod u;", "# [ cfg ( unix ) ] mod u ;"),
        ];
        for (source, expected) in CASES {
            let found: Vec<&str> = without_tests(&tokens(source)).iter().map(|t| t.text).collect();
            assert_eq!(found.join(" "), expected, "{source}");
        }
    }
}
