//! What is typed to say what becomes of the backups in the stores.

use std::path::PathBuf;

use crate::cli::args::word::Format;

/// `vex adopt`.
#[derive(Debug, clap::Args)]
pub struct Adopt {
    /// The job file.
    pub file: PathBuf,
    /// The source that goes on with them.
    pub source: String,
    /// Any backup of the chain to continue, by its ID or the beginning of it; needed when there are
    /// several.
    #[arg(long, value_name = "ID")]
    pub from: Option<String>,
    /// The host that made them, where they are of format 1 to 3 and name no origin.
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    pub host: Option<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
}

/// `vex keep`.
#[derive(Debug, clap::Args)]
pub struct Keep {
    /// The job file.
    pub file: PathBuf,
    /// The backup: its ID or the beginning of it, its date, or the file name that mails show.
    pub id: String,
    /// Only these sources of it.
    pub sources: Vec<String>,
    /// The last day that it is kept, such as 2027-01-31; a moment, such as 2027-01-31T12:00:00Z; or
    /// never.
    #[arg(long, value_name = "DATE|never", required_unless_present = "release")]
    pub until: Option<String>,
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT", conflicts_with = "release")]
    pub note: Option<String>,
    /// Release it: the policy decides again.
    #[arg(long, conflicts_with = "until")]
    pub release: bool,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
}

/// `vex copy`.
#[derive(Debug, clap::Args)]
pub struct Copy {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
    pub file: PathBuf,
    /// The backups, each by its ID or the beginning of it, its date, or its file name [default: all
    /// that --to lacks]
    pub ids: Vec<String>,
    /// The store that has them.
    #[arg(long, value_name = "STORE")]
    pub from: String,
    /// The store that gets them; the same job sends to both.
    #[arg(long, value_name = "STORE")]
    pub to: String,
    /// File of identities that opens archives sealed for recipients of age, to prove their rows.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// End with 2 on Alerta.
    #[arg(long)]
    pub strict: bool,
    /// How it is shown; JSON is the events of the run.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// `vex prune`.
#[derive(Debug, clap::Args)]
pub struct Prune {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
    pub file: PathBuf,
    /// Jobs of the file [default: all]
    pub jobs: Vec<String>,
    /// Show what would stay and what would go, and why; remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what dead runs left instead: objects that they began, and unfinished uploads.
    #[arg(long, conflicts_with = "dry_run")]
    pub uploads: bool,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// End with 2 on Alerta.
    #[arg(long)]
    pub strict: bool,
    /// How it is shown; JSON is a line for each backup with --dry-run, else the events of the run.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}
