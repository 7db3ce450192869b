//! What is typed to ask what there is, what ran, and how it stands.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::args::word::Format;

/// `vex list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
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
    /// The job file [default: vex.kdl of this folder, then all that the catalog knows]
    pub file: Option<PathBuf>,
    /// Only these jobs.
    pub jobs: Vec<String>,
    /// Ask the stores of the file alone, not the catalog.
    #[arg(long, requires = "file")]
    pub stores: bool,
    /// Tell what is overdue to those whose `on` is `late`, once, and once when it is over; for cron.
    #[arg(long, requires = "file")]
    pub notify: bool,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
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
    /// The job file [default: vex.kdl of this folder, then all that the catalog knows]
    pub file: Option<PathBuf>,
    /// Only these jobs.
    pub jobs: Vec<String>,
    /// How many of the newest runs.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: HistoryFormat,
}

/// `vex drill`.
#[derive(Debug, clap::Subcommand)]
pub enum Drill {
    /// Show restore drills, newest first, with their remarks.
    List(DrillList),
    /// Add a remark to a drill: what was found out, or who takes care. It stays for ever.
    Remark(DrillRemark),
}

/// `vex drill list`.
#[derive(Debug, clap::Args)]
pub struct DrillList {
    /// The job file [default: vex.kdl of this folder, then all that the catalog knows]
    pub file: Option<PathBuf>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// `vex drill remark`.
#[derive(Debug, clap::Args)]
pub struct DrillRemark {
    /// The job file.
    pub file: PathBuf,
    /// The drill, as `vex drill list` names it, or the beginning of its name.
    pub drill: String,
    /// What is to be said.
    #[arg(long)]
    pub text: String,
    /// Who takes care of it.
    #[arg(long, default_value = "")]
    pub owner: String,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
}

/// `vex info`.
#[derive(Debug, clap::Args)]
pub struct Info {
    /// The job file.
    pub file: PathBuf,
    /// The backup: `latest` (of each source), its ID or the beginning of it, its day, or its file's
    /// name.
    pub id: String,
    /// Only this source of it.
    pub source: Option<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// `vex diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// The job file.
    pub file: PathBuf,
    /// The source.
    pub source: String,
    /// The earlier backup, by its ID or the beginning of it [default: the one before the later]
    pub before: Option<String>,
    /// The later backup [default: latest]
    pub after: Option<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// `vex peek`.
#[derive(Debug, clap::Args)]
pub struct Peek {
    /// The job file.
    pub file: PathBuf,
    /// The source.
    pub source: String,
    /// The table, as `vex plan` names it: DB.TABLE, or DB.SCHEMA.TABLE of PostgreSQL.
    pub table: String,
    /// `latest`, or the ID that `vex list` shows, or the beginning of it.
    #[arg(long, default_value = "latest")]
    pub backup: String,
    /// A store of the file.
    #[arg(long)]
    pub from: Option<String>,
    /// Only rows whose column has this value; may be repeated.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub wheres: Vec<String>,
    /// How many rows.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// How they are printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: HistoryFormat,
}

impl Peek {
    /// The columns and values that rows must have; the error is what is none.
    pub fn wanted(&self) -> Result<Vec<(String, String)>, &str> {
        let pair = |text: &'_ str| {
            let (column, value) = text.split_once('=')?;
            Some((column.to_owned(), value.to_owned()))
        };
        self.wheres.iter().map(|text| pair(text).ok_or(text.as_str())).collect()
    }
}
