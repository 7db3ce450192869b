//! Common mistakes in KDL, found and explained where the parser would only say "expected …".
//!
//! Asked only about texts that do not parse; goes by tokens. Knows KDL, not the job language.

use std::sync::Arc;

use crate::base::{Complaint, Span, Text};
use crate::syntax::scan::{Kind, Token, scan};

/// Deepest nesting of braces and of comments: the parser walks them by recursion.
const DEEPEST: usize = 48;

/// What nests too deep for the parser, if anything does; asked before it sees the text.
pub fn too_deep(text: &Arc<Text>) -> Option<Complaint> {
    let (mut depth, mut dashes) = (0_usize, 0_usize);
    for token in scan(text.contents()) {
        match token.kind {
            Kind::Sign('{' | '(') => depth += 1,
            Kind::Sign('}' | ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        dashes = if token.kind == Kind::Dash { dashes + 1 } else { 0 };
        if depth.max(dashes).max(token.depth) > DEEPEST {
            let span = Span::new(text, token.range.start, 1);
            let message = format!("braces or comments nest deeper than {DEEPEST}");
            return Some(
                Complaint::error("vex::kdl::depth", message).label(&span, "too deep here"),
            );
        }
    }
    None
}

/// All common mistakes of a text, in its order.
pub fn mistakes(text: &Arc<Text>) -> Vec<Complaint> {
    let source = text.contents();
    let tokens: Vec<Token> = scan(source).into_iter().filter(|t| t.kind != Kind::Comment).collect();
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let place = Place { text, tokens: &tokens, index };
        found.extend(match token.kind {
            Kind::Word => place.word(&source[token.range.clone()]),
            Kind::RawV1 => Some(
                v1("`r\"…\"` is KDL v1", &place.span(), "a raw string of KDL v1").help("In KDL v2 write `#\"…\"#`."),
            ),
            Kind::Open => Some(
                syntax("a quote is not closed", &place.span(), "no closing quote on this line")
                    .help("A text over several lines stands between `\"\"\"`, each on a line of its own."),
            ),
            Kind::Sign('=') if place.ends(1) => Some(
                syntax("there is no value after `=`", &place.span(), "a value is missing")
                    .help("Write a value, or leave the field out."),
            ),
            Kind::Sign('(') => place.annotation(),
            Kind::Sign('{') if place.begins() && index > 0 => Some(
                syntax("a `{` begins a line", &place.span(), "belongs to the line before")
                    .help("Write it behind the name that it is of: `sources {`."),
            ),
            Kind::Quoted => place.escape(&source[token.range.clone()]),
            Kind::Sign(',') => Some(
                syntax("a comma stands between words", &place.span(), "not KDL")
                    .help("Words are parted by blanks: `dump \"a\" \"b\"`."),
            ),
            Kind::Sign('[') => Some(
                syntax("a list has no brackets", &place.span(), "not KDL")
                    .help("Write its words one after the other: `databases \"a\" \"b\"`."),
            ),
            _ => None,
        });
    }
    let quotes = tokens.iter().any(|t| t.kind == Kind::Open || t.kind == Kind::RawV1);
    if !quotes {
        found.extend(braces(text, &tokens));
    }
    found.sort_by_key(|c| c.span().map(|s| s.start));
    found
}

fn syntax(message: &str, span: &Span, label: &str) -> Complaint {
    Complaint::error("vex::kdl::syntax", message).label(span, label)
}

fn v1(message: &str, span: &Span, label: &str) -> Complaint {
    Complaint::error("vex::kdl::v1", message).label(span, label)
}

struct Place<'a> {
    text: &'a Arc<Text>,
    tokens: &'a [Token],
    index: usize,
}

impl Place<'_> {
    fn span(&self) -> Span {
        let range = &self.tokens[self.index].range;
        Span::new(self.text, range.start, range.len())
    }

    fn kind(&self, ahead: usize) -> Option<Kind> {
        self.tokens.get(self.index + ahead).map(|t| t.kind)
    }

    /// Whether the statement ends so many tokens ahead.
    fn ends(&self, ahead: usize) -> bool {
        matches!(self.kind(ahead), None | Some(Kind::Line | Kind::Sign(';' | '}' | '{')))
    }

    /// Whether this token begins a statement.
    fn begins(&self) -> bool {
        let before = self.index.checked_sub(1).map(|i| self.tokens[i].kind);
        matches!(before, None | Some(Kind::Line | Kind::Sign(';' | '}' | '{')))
    }

    fn word(&self, word: &str) -> Option<Complaint> {
        if self.begins() && (word == "-" || word.ends_with(':')) {
            return Some(
                syntax("this looks like YAML", &self.span(), "not KDL")
                    .help("A job file is KDL: `sources { mysql \"shop\" host=\"db1\" }`; `vex schema` has all of it."),
            );
        }
        if ["true", "false", "null"].contains(&word) && !self.begins() {
            return Some(
                v1(&format!("`{word}` is KDL v1"), &self.span(), "a bare word is no value here")
                    .help(format!("In KDL v2 write `#{word}`.")),
            );
        }
        let sign = word.starts_with('#') && self.begins();
        sign.then(|| {
            syntax("a comment does not begin with `#`", &self.span(), "not KDL")
                .help("Comments begin with `//`.")
        })
    }

    /// A `\\` that escapes nothing: a path of Windows.
    fn escape(&self, quoted: &str) -> Option<Complaint> {
        let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            let next = if c == '\\' { chars.next() } else { continue };
            let known = |c: char| matches!(c, '"' | '\\' | 'b' | 'f' | 'n' | 'r' | 't' | 's' | 'u');
            if next.is_some_and(|c| !known(c) && !c.is_whitespace()) {
                return Some(
                    syntax("`\\` begins an escape", &self.span(), "no escape of KDL").help(
                        "Write each twice, `\"C:\\\\Temp\"`, or a raw text: `#\"C:\\Temp\"#`.",
                    ),
                );
            }
        }
        None
    }

    /// `(env)` with nothing after it, or before a name.
    fn annotation(&self) -> Option<Complaint> {
        if (self.kind(1), self.kind(2)) != (Some(Kind::Word), Some(Kind::Sign(')'))) {
            return None;
        }
        let (from, to) =
            (self.tokens[self.index].range.start, self.tokens[self.index + 2].range.end);
        let span = Span::new(self.text, from, to - from);
        if self.ends(3) {
            return Some(
                syntax("an annotation has no value", &span, "followed by nothing")
                    .help("Write the name between quotes after it: `(env)\"NAME\"`."),
            );
        }
        let before_name = self.kind(4) == Some(Kind::Sign('='))
            && matches!(self.kind(3), Some(Kind::Word | Kind::Quoted));
        before_name.then(|| {
            syntax("an annotation stands before a name", &span, "belongs to the value")
                .help("Write it after the `=`: `password=(env)\"NAME\"`.")
        })
    }
}

/// A brace that nothing closes, or that closes nothing; which one, the indentation tells.
fn braces(text: &Arc<Text>, tokens: &[Token]) -> Option<Complaint> {
    let source = text.contents();
    let indent = |at: usize| {
        let line = source[..at].rfind('\n').map_or(0, |n| n + 1);
        (line, source[line..].bytes().take_while(|b| matches!(b, b' ' | b'\t')).count())
    };
    let mut open: Vec<&Token> = Vec::new();
    let mut suspect = None;
    for token in tokens {
        match token.kind {
            Kind::Sign('{') => open.push(token),
            Kind::Sign('}') => match open.pop() {
                Some(opener) => {
                    let ((line, here), (_, there)) =
                        (indent(token.range.start), indent(opener.range.start));
                    if suspect.is_none() && line + here == token.range.start && here < there {
                        suspect = Some(opener);
                    }
                }
                None => {
                    let span = Span::new(text, token.range.start, 1);
                    return Some(syntax("a brace closes nothing", &span, "no `{` belongs to it"));
                }
            },
            _ => {}
        }
    }
    let last = open.pop()?;
    let span = Span::new(text, suspect.unwrap_or(last).range.start, 1);
    Some(syntax("a brace is not closed", &span, "no `}` belongs to it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_is_named_at_its_place() {
        for (source, place) in [
            ("a x=true", 4..8),
            ("a null", 2..6),
            ("a r#\"x\"#", 2..8),
            ("a \"b", 2..4),
            ("a x=", 3..4),
            ("a { x= }", 5..6),
            ("a (env)", 2..7),
            ("a (env)x=\"y\"", 2..7),
            ("a \"b\", \"c\"", 5..6),
            ("# a", 0..1),
            ("a {\n  b {\n}\n", 8..9),
            ("a }", 2..3),
            ("a\n{ b\n}\n", 2..3),
            ("a \"C:\\Temp\"", 2..11),
        ] {
            let found = mistakes(&Text::new("x.kdl", source));
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert_eq!(found[0].span().map(Span::range), Some(place), "{source}");
        }
    }

    #[test]
    fn depth_is_bounded_before_the_parser_recurses() {
        for deep in ["a {".repeat(60), "/*".repeat(60), "/- ".repeat(60), "(".repeat(60)] {
            assert!(too_deep(&Text::new("x.kdl", deep.clone())).is_some(), "{deep}");
        }
        assert!(too_deep(&Text::new("x.kdl", "a { b { c } }\n".repeat(100))).is_none());
    }
}
