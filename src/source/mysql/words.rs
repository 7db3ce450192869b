//! A statement read from its beginning: words, names between quotes, marks.
//!
//! Pure. Knows the lexical rules of MySQL and MariaDB in a session without NO_BACKSLASH_ESCAPES.
//! Blanks and plain comments are passed over; the mark of a comment that holds code is a token.

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
    /// What stands between quotes, and which.
    Quoted(char, String),
    /// `/*!` or `/*M!`, with the number behind it, if there is one.
    Code(Option<u32>),
    /// A comment that lasts to the end of its line.
    Line,
    /// Any other character; that of `*/` is `*`.
    Mark(char),
}

impl<'t> Words<'t> {
    /// From the beginning.
    pub fn new(statement: &'t str) -> Words<'t> {
        Words { rest: statement }
    }

    /// What was not read, without what is passed over.
    pub fn rest(&self) -> &'t str {
        let mut rest = self.rest;
        loop {
            rest = rest.trim_start();
            let is_code = rest.starts_with("/*!") || rest.starts_with("/*M!");
            match rest.strip_prefix("/*").filter(|_| !is_code).and_then(|r| r.split_once("*/")) {
                Some((_, after)) => rest = after,
                None => return rest,
            }
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

    /// Takes a name, with or without quotes.
    pub fn name(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) => Some(word.to_owned()),
            Token::Quoted('`' | '"', name) => Some(name),
            _ => None,
        }
    }

    /// Takes the name of an account: its user, and its host if it has one.
    pub fn account(&mut self) -> Option<(String, Option<String>)> {
        let part = |token| match token {
            Token::Word(word) => Some(word.to_owned()),
            Token::Quoted(_, name) => Some(name),
            Token::Code(_) | Token::Line | Token::Mark(_) => None,
        };
        let user = part(self.next()?)?;
        match self.mark('@') {
            true => part(self.next()?).map(|host| (user, Some(host))),
            false => Some((user, None)),
        }
    }

    /// Takes a name that may have its database before it.
    pub fn full_name(&mut self) -> Option<(Option<String>, String)> {
        let first = self.name()?;
        match self.mark('.') {
            true => self.name().map(|name| (Some(first), name)),
            false => Some((None, first)),
        }
    }

    /// What was not read, as it is.
    pub fn unread(&self) -> &'t str {
        self.rest
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
        let (token, length) = if is_letter(first) {
            let end = rest.find(|c: char| !is_letter(c)).unwrap_or(rest.len());
            (Token::Word(&rest[..end]), end)
        } else if matches!(first, '`' | '"' | '\'') {
            let (text, length) = quoted(rest, first);
            (Token::Quoted(first, text), length)
        } else if let Some(behind) = rest.strip_prefix("/*!").or_else(|| rest.strip_prefix("/*M!"))
        {
            let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
            (Token::Code(behind[..end].parse().ok()), rest.len() - behind.len() + end)
        } else if rest.starts_with("*/") {
            (Token::Mark('*'), 2)
        } else if first == '#' || is_line(rest) {
            (Token::Line, rest.find('\n').map_or(rest.len(), |n| n + 1))
        } else {
            (Token::Mark(first), first.len_utf8())
        };
        self.rest = &rest[length..];
        Some(token)
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

fn is_line(rest: &str) -> bool {
    rest.strip_prefix("--")
        .is_some_and(|r| r.chars().next().is_none_or(|c| c.is_whitespace() || c.is_control()))
}

/// What stands between quotes, and the length with them; what is not closed goes to the end.
fn quoted(rest: &str, quote: char) -> (String, usize) {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if quote != '`' => text.extend(letters.next().map(|(_, next)| next)),
            own if own == quote => match letters.next_if(|(_, next)| *next == quote) {
                Some(_) => text.push(quote),
                None => return (text, at + 1),
            },
            other => text.push(other),
        }
    }
    (text, rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_thing_by_thing() {
        let mut words =
            Words::new(" /* it's */ create\n`a``b`.\"c\" /*!50100 x */ 'd''e\\'f' -- g\n;");
        assert!(words.eat("CREATE") && !words.eat("TABLE"));
        assert_eq!(words.full_name(), Some((Some("a`b".into()), "c".into())));
        let rest: Vec<Token<'_>> = words.collect();
        let expected = [
            Token::Code(Some(50100)),
            Token::Word("x"),
            Token::Mark('*'),
            Token::Quoted('\'', "d'e'f".into()),
            Token::Line,
            Token::Mark(';'),
        ];
        assert_eq!(rest, expected);
        for open in ["`a", "'a\\", "/*!", "/* x", "--", "\u{e9}"] {
            assert!(Words::new(open).count() < 4, "{open}");
        }
    }
}
