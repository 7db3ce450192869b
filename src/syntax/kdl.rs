//! From text to a KDL document, with kdl's own errors told so that a person finds the place.
//!
//! kdl's spans may cover whole prefixes of a file and one mistake may cascade into several errors:
//! the common mistakes are told by `mistakes.rs`, spans of the rest are clamped to their last line,
//! and errors that only say "the rest did not parse" are dropped behind another. Secrets are masked
//! before anything else happens to a text.

use std::sync::Arc;

use ::kdl::{KdlDiagnostic, KdlDocument};

use crate::base::{Complaint, Span, Text};
use crate::syntax::mask::mask;
use crate::syntax::mistakes::{mistakes, too_deep};

/// Most complaints about the syntax of one file.
const MOST: usize = 20;

/// Parses a text; every complaint is about syntax.
pub fn parse(text: &Arc<Text>) -> Result<KdlDocument, Vec<Complaint>> {
    mask(text);
    if let Some(complaint) = too_deep(text) {
        return Err(vec![complaint]);
    }
    let source = text.contents();
    let error = match KdlDocument::parse(source) {
        Ok(document) => return Ok(document),
        Err(error) => error,
    };
    let mut complaints = mistakes(text);
    let told = complaints.len();
    let mut lines: Vec<usize> =
        complaints.iter().filter_map(|c| Some(line_of(source, c.span()?.start))).collect();
    for diagnostic in &error.diagnostics {
        let (start, len) = clamp(source, diagnostic.span.offset(), diagnostic.span.len());
        let line = line_of(source, start);
        // A quote or brace left open derails all that follows it.
        let derailed = told > 0 && lines.iter().any(|l| *l <= line);
        if lines.contains(&line) || derailed || (!lines.is_empty() && cascades(diagnostic)) {
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
    let message = diagnostic.message.as_deref().unwrap_or_default();
    let label = diagnostic.label.as_deref().unwrap_or_default();
    let (message, start, len, label) = match label {
        "not property value" => {
            // Only the last word of the span is the value that is none.
            let word =
                text.contents()[start..start + len].rfind(char::is_whitespace).map_or(0, |n| n + 1);
            (
                "this is not a value".into(),
                start + word,
                len - word,
                "neither a number nor a text between quotes",
            )
        }
        "not quoted string" | "not identifier string" => {
            ("this is not a word".into(), start, len, "not KDL")
        }
        "not node name" => ("a line begins with a name".into(), start, len, "not a name"),
        "" | "here" => (lower(message), start, len, "from here on"),
        _ => (lower(message), start, len, label),
    };
    let message = if message.is_empty() { "the file is not KDL here".into() } else { message };
    Complaint::error("vex::kdl::syntax", message).label(&Span::new(text, start, len), label).help(
        "Texts stand between quotes, switches are `#true` and `#false`, and blanks part words.",
    )
}

fn lower(message: &str) -> String {
    let trimmed = message.trim().trim_end_matches('.');
    let mut chars = trimmed.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

/// Errors that only say that the rest did not parse.
fn cascades(diagnostic: &KdlDiagnostic) -> bool {
    let said = diagnostic.message.as_deref().unwrap_or_default().to_lowercase();
    ["end of document", "eof", "closing '}'", "expected end"]
        .iter()
        .any(|words| said.contains(words))
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
    (left, (start + trimmed.len()).saturating_sub(left))
}

fn line_of(source: &str, offset: usize) -> usize {
    source.as_bytes()[..offset.min(source.len())].iter().filter(|b| **b == b'\n').count()
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
        assert_eq!(clamp("", 0, 0), (0, 0));
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
