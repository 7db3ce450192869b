//! One thing that is wrong with what the user wrote, with the places that show it.
//!
//! Does not know any grammar and prints nothing; it is a [`miette::Diagnostic`], so the edge
//! chooses the form. Complaints are collected, never thrown: a file's complaints come all in one
//! go.

use std::fmt;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use crate::base::span::{Span, Text};

/// How much a complaint weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The job would run; somebody should look.
    Warning,
    /// The job must not run.
    Error,
}

/// A stable code, a sentence, labelled places, and what to do.
#[derive(Debug, Clone)]
pub struct Complaint {
    /// Stable name such as `vex::field::unknown`; empty for the note of another.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one sentence without full stop.
    pub message: String,
    /// The places; the first is the main one.
    pub labels: Vec<(Span, String)>,
    /// What to do, as a sentence.
    pub help: Option<String>,
    elsewhere: Vec<Complaint>,
}

impl Complaint {
    /// A complaint that stops the job.
    pub fn error(code: &'static str, message: impl Into<String>) -> Complaint {
        Complaint {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            help: None,
            elsewhere: Vec::new(),
        }
    }

    /// A complaint that does not stop the job.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Complaint {
        Complaint { severity: Severity::Warning, ..Complaint::error(code, message) }
    }

    /// Adds a place; one in another file than the first is shown as a related note.
    pub fn label(mut self, span: &Span, label: impl Into<String>) -> Complaint {
        let label = label.into();
        match self.labels.first() {
            Some((first, _)) if !std::sync::Arc::ptr_eq(&first.text, &span.text) => {
                let note = Complaint { code: "", ..Complaint::error(self.code, label) };
                self.elsewhere.push(note.label(span, "here"));
            }
            _ => self.labels.push((span.clone(), label)),
        }
        self
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Complaint {
        self.help = Some(help.into());
        self
    }

    /// Adds what to do, where there is something to say.
    pub fn help_if(self, help: Option<String>) -> Complaint {
        Complaint { help: help.or(self.help.clone()), ..self }
    }

    /// All places with their labels, those in other files too.
    pub fn places(&self) -> impl Iterator<Item = (&Span, &str)> {
        let own = self.labels.iter().map(|(span, label)| (span, label.as_str()));
        let others = self
            .elsewhere
            .iter()
            .flat_map(|c| c.labels.iter().map(|(span, _)| (span, c.message.as_str())));
        own.chain(others)
    }

    /// The main place, if there is one.
    pub fn span(&self) -> Option<&Span> {
        self.labels.first().map(|(span, _)| span)
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Complaint {}

impl Diagnostic for Complaint {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let named = !self.code.is_empty();
        named.then(|| Box::new(self.code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            _ if self.code.is_empty() => miette::Severity::Advice,
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.labels.first().map(|(span, _)| span.text.as_ref() as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() {
            return None;
        }
        Some(Box::new(
            self.labels
                .iter()
                .map(|(span, label)| LabeledSpan::new(Some(label.clone()), span.start, span.len)),
        ))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(self.elsewhere.iter().map(|c| c as &dyn Diagnostic)))
    }
}

impl SourceCode for Text {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.shown().read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.path().display().to_string(),
            found.data(),
            *found.span(),
            found.line(),
            found.column(),
            found.line_count(),
        )))
    }
}

/// The known word that `word` was most likely meant to be: fewer than three edits, or one with an
/// underscore.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&word, &k.to_lowercase()), k))
        .filter(|(distance, k)| *distance < 3 && *distance < k.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestion_is_the_nearest_word_or_none() {
        assert_eq!(suggest("hots", ["host", "port"]), Some("host"));
        assert_eq!(suggest("path_style", ["path", "path-style"]), Some("path-style"));
        assert_eq!(suggest("zebra", ["host", "port"]), None);
        assert_eq!(suggest("x", ["y"]), None);
    }
}
