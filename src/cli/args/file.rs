//! What was typed behind the commands that read job files and contact nobody.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::args::word::Format;

/// `vex check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Job files, or folders of them; `-` checks standard input [default: vex.kdl of this folder,
    /// then those of /etc/vex/jobs]
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
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

/// `vex new`.
#[derive(Debug, clap::Args)]
pub struct New {
    /// The kind of database.
    #[arg(value_enum, required_unless_present = "from", conflicts_with = "from")]
    pub kind: Option<Kind>,
    /// Convert the configuration FILE of borgmatic, gobackup, pg_back or mydumper.cnf.
    #[arg(long, num_args = 2, value_names = ["PROGRAM", "FILE"])]
    pub from: Vec<String>,
    /// Write it there, where nothing may be, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// PostgreSQL.
    Postgres,
    /// A SQLite file.
    Sqlite,
    /// Oracle, through RMAN.
    Oracle,
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

/// `vex jobs`.
#[derive(Debug, clap::Args)]
pub struct Jobs {
    /// The job files [default: vex.kdl of this folder, then those of /etc/vex/jobs]
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The site file [default: vex.kdl beside each job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// For people or for programs.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// `vex schedule`.
#[derive(Debug, clap::Args)]
pub struct Schedule {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
    pub file: PathBuf,
    /// Jobs of the file [default: all that have a schedule]
    pub jobs: Vec<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Who starts them.
    #[arg(long, value_enum, default_value = "systemd")]
    pub format: Engine,
    /// Write the units into DIR instead of printing them.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The image with vex that a cluster runs.
    #[arg(long, value_name = "IMAGE", default_value = "vex:latest")]
    pub image: String,
}

/// A scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Lines of a crontab.
    Cron,
    /// A service and a timer for each job.
    Systemd,
    /// A CronJob for each job.
    Kubernetes,
    /// A periodic job for each job.
    Nomad,
}

impl Engine {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Cron => "cron",
            Engine::Systemd => "systemd",
            Engine::Kubernetes => "Kubernetes",
            Engine::Nomad => "Nomad",
        }
    }
}
