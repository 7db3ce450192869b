//! `vex fmt`: one layout for every job file, in which nothing but white space moves.
//!
//! kdl's own `autoformat` deletes comments and rewrites values, so the layout is made of the tokens
//! of the text itself (`scan.rs`), each kept byte for byte. Does not know the language: what parses
//! as KDL can be laid out. A result is given only if its tokens are those of the source, if it
//! parses as the same document, and if a second pass changes nothing.

use std::sync::Arc;

use ::kdl::KdlDocument;

use crate::base::{Complaint, Text};
use crate::syntax::kdl;
use crate::syntax::mask::mask;
use crate::syntax::scan::{Kind, Token, scan};

/// One step of a block.
const INDENT: &str = "    ";

/// The signs that end a line in KDL (§3.17 of its specification).
const NEWLINES: [char; 6] = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}'];
const PARAGRAPH: char = '\u{2029}';

/// Why a text was not laid out.
#[derive(Debug)]
pub enum Unformatted {
    /// It is no KDL.
    Syntax(Vec<Complaint>),
    /// The layout would have changed more than white space: a bug, with the line where it shows.
    Unsafe {
        /// What differs.
        what: &'static str,
        /// Line of the source, from 1.
        line: usize,
    },
}

/// The text in the one layout: blocks indented by four blanks, one blank between words, at most
/// one empty line, none at the edges of a block. What stands before a comment at the end of a line
/// stays as it is, so that people may align them.
pub fn format(text: &Arc<Text>) -> Result<Arc<Text>, Unformatted> {
    kdl::parse(text).map_err(Unformatted::Syntax)?;
    let source = text.contents();
    let laid_out = Text::new(text.path(), layout(source));
    // The result is shown, too, so its secrets are masked as well.
    mask(&laid_out);
    let out = laid_out.contents();
    let unsafe_at = |what, offset| {
        let line = source.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count() + 1;
        Err(Unformatted::Unsafe { what, line })
    };
    if let Some(offset) = first_difference(source, out) {
        return unsafe_at("a word or a comment", offset);
    }
    if !same_document(source, out) {
        return unsafe_at("what the file means", 0);
    }
    if layout(out) != out {
        return unsafe_at("the second pass", 0);
    }
    Ok(laid_out)
}

/// Where the first token of the source stands that is not the same in the result.
fn first_difference(source: &str, out: &str) -> Option<usize> {
    let words = |text: &str| -> Vec<Token> {
        scan(text).into_iter().filter(|token| token.kind != Kind::Line).collect()
    };
    let (before, after) = (words(source), words(out));
    let differs = before.iter().zip(&after).find(|(one, other)| {
        one.kind != other.kind || source[one.range.clone()] != out[other.range.clone()]
    });
    match differs {
        Some((token, _)) => Some(token.range.start),
        None if before.len() != after.len() => Some(source.len()),
        None => None,
    }
}

fn same_document(source: &str, out: &str) -> bool {
    let bare = |text: &str| {
        KdlDocument::parse(text).map(|mut document| {
            document.clear_format_recursive();
            document
        })
    };
    matches!((bare(source), bare(out)), (Ok(one), Ok(other)) if one == other)
}

/// The tokens of one line, and whether an empty line stood before it.
#[derive(Default)]
struct Line {
    tokens: Vec<Token>,
    parted: bool,
}

/// Cuts a text into its lines; a token that holds line ends belongs to the line it begins on.
fn lines(source: &str) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    let mut end = 0;
    for token in scan(source) {
        if token.kind == Kind::Line {
            continue;
        }
        let breaks = breaks(&source[end..token.range.start]);
        end = token.range.end;
        if breaks > 0 {
            lines.push(Line { tokens: Vec::new(), parted: breaks > 1 });
        }
        lines.last_mut().expect("there is a first").tokens.push(token);
    }
    lines.retain(|line| !line.tokens.is_empty());
    lines
}

/// How many line ends stand in white space.
fn breaks(gap: &str) -> usize {
    let is_end = |c: &char| NEWLINES.contains(c) || *c == PARAGRAPH;
    gap.replace("\r\n", "\n").chars().filter(is_end).count()
}

fn layout(source: &str) -> String {
    let mut out = String::from(if source.starts_with('\u{feff}') { "\u{feff}" } else { "" });
    let (mut depth, mut continued, mut opened) = (0_usize, false, true);
    for line in lines(source) {
        let closers = line.tokens.iter().take_while(|t| t.kind == Kind::Sign('}')).count();
        if line.parted && !opened && closers == 0 {
            out.push('\n');
        }
        let indent = depth.saturating_sub(closers) + usize::from(continued);
        out += &INDENT.repeat(indent);
        write_line(source, &line.tokens, &mut out);
        out.push('\n');
        for token in &line.tokens {
            match token.kind {
                Kind::Sign('{') => depth += 1,
                Kind::Sign('}') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        let last = line.tokens.iter().rfind(|t| t.kind != Kind::Comment).map(|t| t.kind);
        // A comment between a continued line and its rest continues it too.
        continued = last == Some(Kind::Sign('\\')) || (last.is_none() && continued);
        opened = last == Some(Kind::Sign('{'));
    }
    out
}

fn write_line(source: &str, tokens: &[Token], out: &mut String) {
    let mut before: Option<&Token> = None;
    for (at, token) in tokens.iter().enumerate() {
        let word = &source[token.range.clone()];
        if let Some(before) = before {
            let gap = &source[before.range.end..token.range.start];
            let ends_line = at + 1 == tokens.len() && word.starts_with("//");
            match (before.kind, token.kind) {
                (_, Kind::Comment) if ends_line && !gap.is_empty() => out.push_str(gap),
                (_, Kind::Comment) if ends_line => out.push(' '),
                (Kind::Sign('='), _) | (_, Kind::Sign('=' | ';')) => {}
                (Kind::Sign('{'), Kind::Sign('}')) => {}
                (Kind::Sign('{' | ';'), _) | (_, Kind::Sign('{' | '}')) => out.push(' '),
                _ if gap.is_empty() => {}
                _ => out.push(' '),
            }
        }
        out.push_str(word);
        before = Some(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn laid_out(source: &str) -> String {
        let out = format(&Text::new("job.kdl", source));
        out.unwrap_or_else(|why| panic!("{why:?}: {source}")).contents().to_owned()
    }

    #[test]
    fn only_white_space_moves() {
        let source = "\u{feff}\n\njob   \"a\"{ // why\n\n\ndump \"x\"   {send \"y\";keep  7 }\n  \
                      /- off   1\n  a   0x1F 1_000  b = \"c  d\"   // kept\n\n\n\n  text \"\"\"\n      two\n      \
                      \"\"\"\n   long \\ // goes on\n 1 \\\n 2\n\n}  // end\n/* a\n  b */ z {  }\n";
        assert_eq!(
            laid_out(source),
            "\u{feff}job \"a\" { // why\n    dump \"x\" { send \"y\"; keep 7 }\n    /- off 1\n    \
             a 0x1F 1_000 b=\"c  d\"   // kept\n\n    text \"\"\"\n      two\n      \"\"\"\n    \
             long \\ // goes on\n        1 \\\n        2\n}  // end\n/* a\n  b */ z {}\n"
        );
    }

    #[test]
    fn what_is_no_kdl_is_said_and_nothing_is_made_of_it() {
        let text = Text::new("job.kdl", "job \"a {\n");
        assert!(matches!(format(&text), Err(Unformatted::Syntax(all)) if !all.is_empty()));
    }

    /// White space and comments, wherever the grammar lets them stand within a line.
    fn gap() -> impl Strategy<Value = String> {
        let one = prop_oneof![
            Just(" ".to_owned()),
            Just("\t  ".to_owned()),
            Just(" /* c */ ".to_owned()),
            Just(" /* two\n lines /* in */ */ ".to_owned()),
            Just(" \\\n ".to_owned()),
            Just(" \\ // goes on\n  ".to_owned()),
        ];
        prop::collection::vec(one, 1..3).prop_map(|all| all.concat())
    }

    fn entry() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just("\"a // b\"".to_owned()),
            Just("#\"raw \" { \"#".to_owned()),
            Just("0x1F".to_owned()),
            Just("#true".to_owned()),
            Just("(env)\"X\"".to_owned()),
            Just("\"\"\"\n  t\n    u\n  \"\"\"".to_owned()),
            Just("word".to_owned()),
        ];
        (prop::option::of(prop_oneof!["k=", "k = ", "\"k k\"= "]), any::<bool>(), value).prop_map(
            |(key, off, value)| {
                let dash = if off { "/-" } else { "" };
                format!("{dash}{}{value}", key.unwrap_or_default())
            },
        )
    }

    fn head() -> impl Strategy<Value = String> {
        ("[a-z]{1,4}", prop::collection::vec((gap(), entry()), 0..4)).prop_map(|(name, entries)| {
            entries.iter().fold(name, |all, (gap, entry)| all + gap + entry)
        })
    }

    fn node() -> impl Strategy<Value = String> {
        let end = prop_oneof![
            Just("\n".to_owned()),
            Just(";".to_owned()),
            Just(" // c\n".to_owned()),
            Just("\n\n\n".to_owned()),
            Just("\r\n".to_owned()),
            Just(" /* c */\n// alone\n".to_owned()),
        ];
        let leaf = (any::<bool>(), head(), end.clone())
            .prop_map(|(off, head, end)| format!("{}{head}{end}", if off { "/- " } else { "" }));
        leaf.prop_recursive(3, 20, 4, move |inner| {
            let all = prop::collection::vec(inner, 0..4).prop_map(|all| all.concat());
            (head(), gap(), all, end.clone())
                .prop_map(|(head, gap, all, end)| format!("{head}{gap}{{ // in\n{all}\t}}{end}"))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
        #[test]
        fn every_document_has_one_layout(nodes in prop::collection::vec(node(), 0..5)) {
            let source = nodes.concat();
            prop_assume!(KdlDocument::parse(&source).is_ok());
            let out = laid_out(&source);
            prop_assert_eq!(laid_out(&out), out);
        }
    }
}
