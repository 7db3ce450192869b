//! What is typed to ask what there is, what ran, and how it stands.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::args::word::{Format, Language};

/// `vex list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The job file.
    #[arg(required_unless_present = "from")]
    pub file: Option<PathBuf>,
    /// Only these sources.
    pub sources: Vec<String>,
    /// Only this store, or a store URL: file:/path, s3://bucket/prefix?endpoint=…
    #[arg(long)]
    pub from: Option<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Flag also what is no backup: objects that vex has no name for, and backups of the catalog that
    /// are gone from their store.
    #[arg(long, requires = "file")]
    pub all: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// `vex status`.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// The job file [default: all that the catalog knows]
    pub file: Option<PathBuf>,
    /// Only these jobs.
    pub jobs: Vec<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Language of the words: pt-BR or en [default: VEX_LANG, the site file's, the locale's]
    #[arg(long)]
    pub lang: Option<Language>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// How a history is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    /// For people.
    Human,
    /// One JSON object a run, each in a line.
    Json,
    /// A row a run, for spreadsheets.
    Csv,
}

/// `vex history`.
#[derive(Debug, clap::Args)]
pub struct History {
    /// The job file [default: all that the catalog knows]
    pub file: Option<PathBuf>,
    /// Only these jobs.
    pub jobs: Vec<String>,
    /// How many of the newest runs.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Language of the words: pt-BR or en [default: VEX_LANG, the site file's, the locale's]
    #[arg(long)]
    pub lang: Option<Language>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: HistoryFormat,
}
