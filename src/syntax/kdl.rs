//! From text to a KDL document, with kdl's own errors told so that a person finds the place.
//!
//! kdl's spans may cover whole prefixes of a file and one mistake may cascade into several errors: spans are clamped
//! to their last line, errors that only say "the rest did not parse" are dropped behind another, and five are enough.
//! A file that does not parse can't tell which text is a secret, so every line that sounds like one is masked.

use std::sync::Arc;

use ::kdl::{KdlDiagnostic, KdlDocument};

use crate::base::{Complaint, Span, Text};
use crate::syntax::node::sounds_secret;

/// Most complaints about the syntax of one file.
const MOST: usize = 5;

/// Parses a text; every complaint is about syntax.
pub fn parse(text: &Arc<Text>) -> Result<KdlDocument, Vec<Complaint>> {
    let source = text.contents();
    let error = match KdlDocument::parse(source) {
        Ok(document) => return Ok(document),
        Err(error) => error,
    };
    mask_lines(text);
    let mut complaints = v1_words(text);
    let known: Vec<usize> = complaints.iter().filter_map(|c| Some(line_of(source, c.span()?.start))).collect();
    let mut lines = known;
    for diagnostic in &error.diagnostics {
        let (start, len) = clamp(source, diagnostic.span.offset(), diagnostic.span.len());
        let line = line_of(source, start);
        if lines.contains(&line) || (!lines.is_empty() && cascades(diagnostic)) {
            continue;
        }
        lines.push(line);
        complaints.push(complaint(text, diagnostic, start, len));
    }
    if complaints.is_empty() {
        complaints.push(Complaint::error("vex::kdl::syntax", "the file is not KDL"));
    }
    complaints.truncate(MOST);
    Err(complaints)
}

fn complaint(text: &Arc<Text>, diagnostic: &KdlDiagnostic, start: usize, len: usize) -> Complaint {
    let message = diagnostic.message.clone().unwrap_or_else(|| "the file is not KDL here".into());
    let label = diagnostic.label.clone().filter(|l| l != "here").unwrap_or_else(|| "here".into());
    Complaint::error("vex::kdl::syntax", lower(&message))
        .label(&Span::new(text, start, len), label)
        .help_if(diagnostic.help.clone())
}

fn lower(message: &str) -> String {
    let trimmed = message.trim().trim_end_matches('.');
    let mut chars = trimmed.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

/// Errors that only say that the rest did not parse.
fn cascades(diagnostic: &KdlDiagnostic) -> bool {
    let said = diagnostic.message.as_deref().unwrap_or_default().to_lowercase();
    said.contains("end of document")
        || said.contains("eof")
        || said.contains("closing '}'")
        || said.contains("expected end")
}

/// Keeps the last line of a span that covers several, without the blanks around.
fn clamp(source: &str, start: usize, len: usize) -> (usize, usize) {
    let mut start = start.min(source.len());
    let mut end = (start + len).min(source.len());
    while !source.is_char_boundary(start) {
        start -= 1;
    }
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let covered = &source[start..end];
    let trimmed = covered.trim_end();
    let from = trimmed.rfind('\n').map_or(0, |n| n + 1);
    let line = &trimmed[from..];
    let blanks = line.len() - line.trim_start().len();
    let left = start + from + blanks;
    (left, (start + trimmed.len()).saturating_sub(left).max(1))
}

fn line_of(source: &str, offset: usize) -> usize {
    source.as_bytes()[..offset.min(source.len())].iter().filter(|b| **b == b'\n').count()
}

/// The commonest mistakes of those who know KDL v1: `=true`, `r"raw"`.
fn v1_words(text: &Arc<Text>) -> Vec<Complaint> {
    let source = text.contents();
    let mut found = Vec::new();
    for (line_start, line) in lines(source) {
        let code = outside_strings(line);
        for word in ["true", "false", "null"] {
            for (at, _) in code.match_indices(word) {
                let before = code[..at].chars().next_back();
                let after = code[at + word.len()..].chars().next();
                let bare = matches!(before, Some('=' | ' ' | '\t'))
                    && after.is_none_or(|c| c.is_whitespace() || ";}".contains(c));
                if bare && at > 0 {
                    let span = Span::new(text, line_start + at, word.len());
                    found.push(
                        Complaint::error("vex::kdl::v1", format!("`{word}` is KDL v1"))
                            .label(&span, "a bare word is no value here")
                            .help(format!("In KDL v2 write `#{word}`.")),
                    );
                }
            }
        }
        for (at, _) in code.match_indices("r\"").chain(code.match_indices("r#\"")) {
            if at == 0 || matches!(code.as_bytes()[at - 1], b' ' | b'=' | b'\t') {
                let span = Span::new(text, line_start + at, 2);
                found.push(
                    Complaint::error("vex::kdl::v1", "`r\"…\"` is KDL v1")
                        .label(&span, "a raw string of KDL v1")
                        .help("In KDL v2 write `#\"…\"#`."),
                );
            }
        }
    }
    found
}

fn lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    source.split_inclusive('\n').map(move |line| {
        let here = start;
        start += line.len();
        (here, line.trim_end_matches('\n'))
    })
}

/// The line with the inside of strings and comments blanked, at the same offsets.
fn outside_strings(line: &str) -> String {
    let (mut out, mut inside, mut quoted) = (String::with_capacity(line.len()), false, false);
    for (at, c) in line.char_indices() {
        if !inside && line[at..].starts_with("//") {
            break;
        }
        if inside && c != '"' {
            out.extend(std::iter::repeat_n('.', c.len_utf8()));
        } else {
            out.push(c);
        }
        if c == '"' && !quoted {
            inside = !inside;
        }
        quoted = inside && c == '\\' && !quoted;
    }
    out
}

/// Masks every value on a line that sounds like a secret, unless it is only a reference.
fn mask_lines(text: &Arc<Text>) {
    let source = text.contents();
    for (start, line) in lines(source) {
        let word = line.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).find(|w| sounds_secret(w));
        let Some(word) = word else { continue };
        let after = line.find(word).map_or(0, |at| at + word.len());
        let value = line[after..].trim_start_matches(|c: char| c == '=' || c == '"' || c.is_whitespace());
        if !value.starts_with('(') {
            text.mask(start + line.len() - value.len()..start + line.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_true_is_named_at_its_place_and_secrets_are_hidden() {
        let text = Text::new("x.kdl", "a x=true\npassword \"CANARY-K\"\nb {\n");
        let complaints = parse(&text).expect_err("does not parse");
        assert_eq!(complaints[0].code, "vex::kdl::v1");
        assert_eq!(complaints[0].span().map(|s| s.range()), Some(4..8));
        assert!(!text.shown().contains("CANARY"), "{}", text.shown());
        assert_eq!(text.shown().len(), text.contents().len());
    }

    #[test]
    fn spans_are_clamped_to_their_last_line() {
        assert_eq!(clamp("ab\n  cd \n", 0, 9), (5, 2));
        assert_eq!(clamp("", 0, 0), (0, 1));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(source in "[a-z \"{}=#()\\\\;/\n.0-9é]{0,60}") {
            let text = Text::new("x.kdl", source);
            if let Err(complaints) = parse(&text) {
                proptest::prop_assert!(!complaints.is_empty());
            }
        }
    }
}
