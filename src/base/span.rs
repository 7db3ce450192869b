//! Where a thing stands in a file the user wrote.
//!
//! Does not know the grammar. Invariant: a span never reaches past its text, and what was masked in
//! a text is never shown again, whichever complaint shows the line.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// A file as it was read: its path and its contents.
#[derive(Debug)]
pub struct Text {
    path: PathBuf,
    contents: String,
    /// Guards the ranges that hold a secret; they are collected while decoding, before anything is
    /// shown.
    masks: Mutex<Vec<Range<usize>>>,
    shown: OnceLock<String>,
}

impl Text {
    /// Keeps what was read from `path`.
    pub fn new(path: impl Into<PathBuf>, contents: impl Into<String>) -> Arc<Text> {
        Arc::new(Text {
            path: path.into(),
            contents: contents.into(),
            masks: Mutex::new(Vec::new()),
            shown: OnceLock::new(),
        })
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that relative paths in this file start from.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The contents, secrets included; for decoding only.
    pub fn contents(&self) -> &str {
        &self.contents
    }

    /// Hides a range from every later rendering.
    pub fn mask(&self, range: Range<usize>) {
        self.masks.lock().expect("no panic while masked").push(range);
    }

    /// The contents as people may see them: masked bytes are asterisks, every offset stays.
    pub fn shown(&self) -> &str {
        self.shown.get_or_init(|| {
            let mut bytes = self.contents.clone().into_bytes();
            for range in self.masks.lock().expect("no panic while masked").iter() {
                let end = range.end.min(bytes.len());
                let start = range.start.min(end);
                for byte in &mut bytes[start..end] {
                    if *byte != b'\n' {
                        *byte = b'*';
                    }
                }
            }
            String::from_utf8(bytes)
                .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
        })
    }

    /// Line and column (both from 1, the column in characters) of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.contents.len());
        while !self.contents.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.contents[..end];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (line, before[start..].chars().count() + 1)
    }
}

/// A byte range of one text.
#[derive(Debug, Clone)]
pub struct Span {
    /// The file.
    pub text: Arc<Text>,
    /// Byte offset of the first byte.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
}

impl Span {
    /// A range of `text`, clamped to it.
    pub fn new(text: &Arc<Text>, start: usize, len: usize) -> Span {
        let start = start.min(text.contents.len());
        let len = len.min(text.contents.len() - start);
        Span { text: text.clone(), start, len }
    }

    /// The bytes it covers.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// `path:line:column`, for plain lines.
    pub fn place(&self) -> String {
        let (line, column) = self.text.position(self.start);
        format!("{}:{line}:{column}", self.text.path().display())
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value with its place.
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }

    /// The same place, another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_bytes_are_never_shown_and_offsets_stay() {
        let text = Text::new("a.kdl", "ção password \"abc\"\n");
        let start = text.contents().find("abc").expect("there");
        text.mask(start..start + 3);
        assert_eq!(text.shown(), "ção password \"***\"\n");
        assert_eq!(text.position(start), (1, 15));
    }
}
