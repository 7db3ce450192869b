//! A statement of PostgreSQL read from its beginning: words and names; what stands between quotes
//! is passed over.
//!
//! Pure. Blanks and comments are passed over. Knows that a statement is whole (see
//! `artifact/plain.rs`), not what it means.

/// What is left of a statement.
#[derive(Debug, Clone, Copy)]
pub struct Words<'t> {
    rest: &'t str,
}

/// One thing of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'t> {
    /// A word or a number, as it is.
    Word(&'t str),
    /// A name between quotes.
    Name(String),
    /// A literal of any form, as it is.
    Literal(&'t str),
    /// Any other character.
    Mark(char),
}

impl<'t> Words<'t> {
    /// From the beginning.
    pub fn new(statement: &'t str) -> Words<'t> {
        Words { rest: statement }
    }

    /// What was not read, without blanks and comments before it.
    fn rest(&self) -> &'t str {
        let mut rest = self.rest.trim_start();
        loop {
            let after = match rest.strip_prefix("--") {
                Some(line) => line.split_once('\n').map_or("", |(_, after)| after),
                None if rest.starts_with("/*") => &rest[comment(rest)..],
                None => return rest,
            };
            rest = after.trim_start();
        }
    }

    /// Takes these words, parted by blanks, in any case; nothing is taken if they are not next.
    pub fn eat(&mut self, words: &str) -> bool {
        let mut ahead = *self;
        for word in words.split(' ') {
            match ahead.next() {
                Some(Token::Word(found)) if found.eq_ignore_ascii_case(word) => {}
                _ => return false,
            }
        }
        *self = ahead;
        true
    }

    /// Takes this character, if it is next.
    pub fn mark(&mut self, mark: char) -> bool {
        let mut ahead = *self;
        let fits = ahead.next() == Some(Token::Mark(mark));
        if fits {
            *self = ahead;
        }
        fits
    }

    /// Takes a name: what has no quotes is in small letters.
    pub fn name(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) => Some(word.to_lowercase()),
            Token::Name(name) => Some(name),
            Token::Literal(_) | Token::Mark(_) => None,
        }
    }

    /// Takes a name that may have its schema before it.
    pub fn full_name(&mut self) -> Option<(Option<String>, String)> {
        let first = self.name()?;
        match self.mark('.') {
            true => self.name().map(|name| (Some(first), name)),
            false => Some((None, first)),
        }
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.rest().is_empty()
    }
}

impl<'t> Iterator for Words<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        let is_letter =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
        let (token, length) = match first {
            '"' => {
                let length = closed(rest, '"', false);
                let inner = rest[1..length].strip_suffix('"').unwrap_or(&rest[1..length]);
                (Token::Name(inner.replace("\"\"", "\"")), length)
            }
            '\'' => {
                let length = closed(rest, '\'', false);
                (Token::Literal(&rest[..length]), length)
            }
            'E' | 'e' if rest[1..].starts_with('\'') => {
                let length = 1 + closed(&rest[1..], '\'', true);
                (Token::Literal(&rest[..length]), length)
            }
            '$' => match dollar(rest) {
                Some(length) => (Token::Literal(&rest[..length]), length),
                None => (Token::Mark('$'), 1),
            },
            letter if is_letter(letter) => {
                let end = rest.find(|c: char| !is_letter(c)).unwrap_or(rest.len());
                (Token::Word(&rest[..end]), end)
            }
            other => (Token::Mark(other), other.len_utf8()),
        };
        self.rest = &rest[length..];
        Some(token)
    }
}

/// Length of a comment, which may hold others.
fn comment(rest: &str) -> usize {
    let (mut at, mut depth) = (2, 1_usize);
    while depth > 0 {
        let Some(found) = rest[at..].find(['/', '*']) else { return rest.len() };
        at += found;
        match rest.get(at..at + 2) {
            Some("/*") => (at, depth) = (at + 2, depth + 1),
            Some("*/") => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

/// Length of what stands between quotes, with them; what is not closed goes to the end.
fn closed(rest: &str, quote: char, escapes: bool) -> usize {
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && escapes {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    rest.len()
}

/// Length of `$tag$ … $tag$`.
fn dollar(rest: &str) -> Option<usize> {
    let end = 1 + rest[1..].find('$')?;
    let tag = &rest[..=end];
    let is_tag = tag[1..end].chars().all(|c| c.is_alphanumeric() || c == '_');
    let close = rest[end + 1..].find(tag).filter(|_| is_tag)?;
    Some(end + 1 + close + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_thing_by_thing() {
        let text =
            "/* a /* b */ c */ create -- x\nTable Shop.\"O\"\"r\" ('it''s', E'\\'', $a$;$a$, 1$2)";
        let mut words = Words::new(text);
        assert!(!words.eat("CREATE VIEW") && words.eat("CREATE TABLE"));
        assert_eq!(words.full_name(), Some((Some("shop".into()), "O\"r".into())));
        let literals: Vec<&str> = words
            .filter_map(|token| if let Token::Literal(text) = token { Some(text) } else { None })
            .collect();
        assert_eq!(literals, ["'it''s'", "E'\\''", "$a$;$a$"]);
        for open in ["\"a", "'a", "E'\\", "/* /* */", "$a$", "$", "--", "\u{e9}'"] {
            assert!(Words::new(open).count() < 4, "{open}");
        }
    }
}
