//! What is typed after `vex log`: what people ask of a stored binary log.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::args::word::Format;

/// `vex log`.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// List the transactions around a moment, with what `--until-position` and `--until-gtid` of
    /// `vex restore` take.
    Show(Show),
    /// Show what of the log is there: stretches, gaps, and what can be restored from each dump.
    Status(LogStatus),
}

/// `vex log show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The job file.
    pub file: PathBuf,
    /// The source, where the file keeps the binary logs of several.
    pub source: Option<String>,
    /// The moment, of this machine's clock, such as `2025-08-02 14:30:00` or 2025-08-02T17:30:00Z
    #[arg(long, value_name = "TIME")]
    pub around: String,
    /// So many transactions on each side.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub count: u16,
    /// A file of identities that opens what is sealed for recipients of age.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// For people or for programs.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// `vex log status`.
#[derive(Debug, clap::Args)]
pub struct LogStatus {
    /// The job file.
    pub file: PathBuf,
    /// The source [default: all whose binary log is kept]
    pub source: Option<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// For people or for programs.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}
