//! What is typed after `vex wal`: two commands that PostgreSQL calls, and one for people.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::args::word::Format;

/// `vex wal`.
#[derive(Debug, Subcommand)]
pub enum Wal {
    /// Keep a file of the log in every store of its `wal` step; for archive_command. Ends with 0 once
    /// the file is safe, else with 1.
    Push(Push),
    /// Bring a file of the log back; for restore_command. Ends with 0 if it is there, with 1 only if
    /// every store says that the log ends before it, else with 200, so that the server stops.
    Fetch(Fetch),
    /// Show what of the log is there: stretches, gaps, and what moments can be recovered.
    Status(Status),
}

/// `vex wal push`.
#[derive(Debug, clap::Args)]
pub struct Push {
    /// The job file.
    pub file: PathBuf,
    /// The source, where the file keeps the logs of several, and the file of the log: `%p`.
    #[arg(required = true, num_args = 1..=2, value_name = "[SOURCE] PATH")]
    pub words: Vec<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
}

/// `vex wal fetch`.
#[derive(Debug, clap::Args)]
pub struct Fetch {
    /// The job file.
    pub file: PathBuf,
    /// The source, where the file keeps the logs of several, the name of the file: `%f`, and where it
    /// goes: `%p`.
    #[arg(required = true, num_args = 2..=3, value_name = "[SOURCE] NAME PATH")]
    pub words: Vec<String>,
    /// A file of identities that opens what is sealed for recipients of age.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// The system identifier of the cluster [default: that of global/pg_control]
    #[arg(long, value_name = "NUMBER")]
    pub system: Option<u64>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
}

/// `vex wal status`.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
    pub file: PathBuf,
    /// The source [default: all whose log is kept]
    pub source: Option<String>,
    /// Ask no server.
    #[arg(long)]
    pub offline: bool,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// For people or for programs.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}
