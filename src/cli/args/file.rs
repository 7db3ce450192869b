//! What was typed behind the commands that read job files and contact nobody.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::args::Format;

/// `vex check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Job files, or folders of them; `-` checks standard input.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The site file [default: vex.kdl beside each job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Treat warnings as errors.
    #[arg(long)]
    pub strict: bool,
    /// How complaints are printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: CheckFormat,
}

/// How complaints are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
    /// Annotations of a GitHub workflow.
    Github,
    /// One SARIF 2.1.0 document.
    Sarif,
}

/// `vex schema`.
#[derive(Debug, clap::Args)]
pub struct Schema {
    /// Markdown, or one JSON document.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// `vex fmt`.
#[derive(Debug, clap::Args)]
pub struct Fmt {
    /// Job files, or folders of them; `-` lays out standard input.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Change nothing; print what would change, and end with 1 if anything would.
    #[arg(long)]
    pub check: bool,
}

/// `vex man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The command, or its words [default: vex itself]
    pub command: Vec<String>,
    /// Write the pages of all commands into DIR instead.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub out: Option<PathBuf>,
}
