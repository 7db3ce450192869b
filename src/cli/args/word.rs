//! Words that several commands take.

use clap::ValueEnum;

/// A language of what people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Brazilian Portuguese.
    #[value(name = "pt-BR", alias = "pt")]
    PtBr,
    /// English.
    En,
}

/// How tables and events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}
