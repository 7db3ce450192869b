//! A letter as its templates show it: sentences in one language, the part of every chain in a block.
//!
//! Does not know what a run is. Invariant: every sentence is one line, whatever a server chose for a
//! name.

use serde::Serialize;

use crate::lang::Lang;
use crate::record::Verdict;
use crate::view::template::{chat, letter_html, letter_text};

/// What became of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterBlock {
    /// The colour of how it ended.
    pub color: &'static str,
    /// Its sentences; the first names it.
    pub lines: Vec<String>,
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterModel {
    /// Code of the language.
    pub lang: &'static str,
    /// The subject.
    pub subject: String,
    /// The colour of how it ended.
    pub color: &'static str,
    /// What it is about; the first says how it ended.
    pub lead: Vec<String>,
    /// An address of a page, where there is one that a reader can open.
    pub page: String,
    /// The chains, those that failed first.
    pub blocks: Vec<LetterBlock>,
    /// How each step ended.
    pub steps: Vec<String>,
    /// Remarks somebody should read.
    pub alerts: Vec<String>,
}

impl LetterModel {
    /// The letter as plain text and as HTML.
    pub fn write(mut self, lang: Lang) -> (String, String) {
        let blocks = self.blocks.iter_mut().map(|block| &mut block.lines);
        let own = [&mut self.lead, &mut self.steps, &mut self.alerts];
        blocks.chain(own).flatten().for_each(|line| *line = one_line(line));
        (letter_text(lang, &self), letter_html(lang, &self))
    }
}

/// What a chat or a push service is sent, as its templates show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatModel {
    /// One line.
    pub title: String,
    /// Lines.
    pub text: String,
    /// The title without what Slack reads.
    pub escaped_title: String,
    /// The text without what Slack reads.
    pub escaped_text: String,
    /// The text, a paragraph a line.
    pub paragraphs: String,
    /// `success`, `alert` or `error`.
    pub verdict: &'static str,
    /// How it ended, in words.
    pub verdict_word: String,
    /// The colour of how it ended.
    pub color: &'static str,
    /// The same as a number.
    pub color_number: u32,
    /// An address of a page; empty where there is none.
    pub page: String,
    /// What opens it.
    pub open: String,
    /// The topic of ntfy.
    pub topic: String,
    /// The chat of Telegram.
    pub chat: Option<String>,
}

/// A message as JSON, by the template of its service.
pub fn write_chat(template: &str, model: &ChatModel) -> String {
    chat(template, model)
}

/// A text that ends no line.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The colour of a verdict.
pub fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Success => "#1a7f37",
        Verdict::Alert => "#9a6700",
        Verdict::Error => "#cf222e",
    }
}
