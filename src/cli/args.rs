//! What was typed. Nothing here knows what it means.

mod ask;
mod bench;
mod file;
mod log;
mod point;
mod store;
mod wal;
mod word;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::base::SecretRef;
use crate::syntax::parse_duration;

pub use crate::cli::args::ask::{
    Diff, Drill, DrillList, DrillRemark, History, HistoryFormat, Info, List, Peek, Status,
};
pub use crate::cli::args::bench::Bench;
pub use crate::cli::args::file::{
    Check, CheckFormat, Engine, Fmt, Jobs, Kind, Man, New, Schedule, Schema,
};
pub use crate::cli::args::log::{Log, LogStatus, Show};
pub use crate::cli::args::point::{Files, Point};
pub use crate::cli::args::store::{Adopt, Copy, Keep, Prune};
pub use crate::cli::args::wal::{Fetch, Push, Status as WalStatus, Wal};
pub use crate::cli::args::word::{Format, Language};

/// The version, and the commit where it is known.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("VEX_COMMIT_SUFFIX"));

/// A build tool for backups: one linted file, an explained plan, and a backup that is green only
/// once proven.
#[derive(Debug, Parser)]
#[command(name = "vex", version = VERSION, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Language of what people read: pt-BR or en [default: VEX_LANG, the site file's, the locale's]
    #[arg(long, global = true)]
    pub lang: Option<Language>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a first job file: of a kind of database, or made of the configuration of another program.
    New(New),
    /// Run a job.
    Run(Run),
    /// Check job files; contact nothing.
    Check(Check),
    /// Show what a run would do.
    Plan(Plan),
    /// Ask every source, store and tool of a job file whether a run would go well.
    Doctor(Doctor),
    /// List the backups in the stores.
    List(List),
    /// Show what every source stands at: its last run, its newest proven backup and how old that
    /// is, its last drill, its next run; ends with 2 where something is overdue.
    Status(Status),
    /// Show what ran: verdicts, sizes, rows, how long each stage took, and what was removed.
    History(History),
    /// Show restore drills, and add remarks to them.
    #[command(subcommand)]
    Drill(Drill),
    /// Show what a backup is, copy by copy.
    Info(Info),
    /// Show what changed between two backups of a source: tables, definitions, rows.
    Diff(Diff),
    /// Show rows out of a backup, without any server.
    Peek(Peek),
    /// Read a backup back and recount every row.
    Verify(Verify),
    /// Bring a backup back.
    Restore(Box<Restore>),
    /// Write the SQL of a backup into one plain file, for the client program of the database.
    Export(Export),
    /// Continue the backups that another host, job file, database or machine made.
    Adopt(Adopt),
    /// Keep a backup whatever the policy says, until a date or until it is released.
    Keep(Keep),
    /// Send backups from one store to another, and prove them there.
    Copy(Copy),
    /// Remove what the policy does not keep, with a reason for every backup.
    Prune(Prune),
    /// Keep and bring back the write-ahead log of PostgreSQL, called by the server itself.
    #[command(subcommand)]
    Wal(Wal),
    /// Look into the binary log of MySQL and MariaDB that a job keeps.
    #[command(subcommand)]
    Log(Log),
    /// Look after the catalog.
    #[command(subcommand)]
    Catalog(Catalog),
    /// Write the report of the catalog as a folder of pages, readable without a server.
    Report(Report),
    /// Serve the dashboard.
    Serve(Serve),
    /// Measure backups of databases that it makes on a server, and removes: how long dump, compaction
    /// and upload take, beside mydumper and 7-Zip where they are.
    Bench(Bench),
    /// Manage who may sign in to the dashboard.
    #[command(subcommand)]
    User(User),
    /// Print the reference of the job language.
    Schema(Schema),
    /// Show the jobs of job files, their schedules and when each runs next.
    Jobs(Jobs),
    /// Print the units that have cron, systemd, Kubernetes or Nomad start the jobs of a file.
    Schedule(Schedule),
    /// Lay out job files; only white space moves.
    Fmt(Fmt),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page of vex or of one of its commands.
    Man(Man),
}

/// `vex serve`.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Job files whose jobs the pages name although they never ran, and that may be started here.
    pub files: Vec<PathBuf>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Address and port [default: `web listen=` of the site file, then 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Serve just the report in DIR, without login, on a loopback address.
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    pub report: Option<PathBuf>,
}

/// `vex user`.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user; the password is asked for on the terminal.
    Add {
        /// What the user signs in with.
        login: String,
        /// The name of the person [default: the login]
        #[arg(long)]
        name: Option<String>,
        /// What the user may do.
        #[arg(long, value_enum, default_value = "Cliente")]
        privilege: Privilege,
        /// Read the password from the first line of FILE instead.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Job or site file that says where the catalog is.
        #[arg(long)]
        site: Option<PathBuf>,
    },
    /// List the users.
    List {
        /// Job or site file that says where the catalog is.
        #[arg(long)]
        site: Option<PathBuf>,
        /// For people or for programs.
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Give a user another password.
    Password {
        /// What the user signs in with.
        login: String,
        /// Read the password from the first line of FILE instead.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Job or site file that says where the catalog is.
        #[arg(long)]
        site: Option<PathBuf>,
    },
    /// Remove a user; open sessions end at once.
    Remove {
        /// What the user signs in with.
        login: String,
        /// Job or site file that says where the catalog is.
        #[arg(long)]
        site: Option<PathBuf>,
    },
    /// Show what users did, the newest last; with --verify, check that no row was changed.
    Audit {
        /// Check the chain of digests.
        #[arg(long)]
        verify: bool,
        /// Job or site file that says where the catalog is.
        #[arg(long)]
        site: Option<PathBuf>,
        /// For people or for programs.
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Privilege {
    /// Everything.
    #[value(name = "Administrador", alias = "admin")]
    Administrator,
    /// Look at backups.
    #[value(name = "Cliente", alias = "client")]
    Client,
}

/// `vex report`.
#[derive(Debug, clap::Args)]
pub struct Report {
    /// Job files whose jobs the pages name although they never ran.
    pub files: Vec<PathBuf>,
    /// The folder [default: `report out=` of the site file]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Open the report in a browser.
    #[arg(long)]
    pub open: bool,
}

/// `vex run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
    pub file: PathBuf,
    /// Jobs of the file [default: the only one, else the one named as the file], and steps of
    /// them, which bring along what they need: `dump/shop`, `send/shop/cloud`, `verify`
    #[arg(value_name = "JOB|STEP")]
    pub jobs: Vec<String>,
    /// Run all jobs of the file.
    #[arg(long, conflicts_with = "jobs")]
    pub all: bool,
    /// The level of every rman step, whatever the file says: FULL is 0, INCREMENTAL is 1.
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// Run the jobs whose schedule has come since their last start, and those that the dashboard
    /// asks this machine for; for a timer of one minute.
    #[arg(long, conflicts_with_all = ["all", "scheduled"])]
    pub due: bool,
    /// Run as a timer does: not at all where the dashboard switched the job off or moved it.
    #[arg(long)]
    pub scheduled: bool,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// End with 2 on Alerta; treat warnings about the file as errors.
    #[arg(long)]
    pub strict: bool,
    /// Wait so long for a job that another run holds, such as 30m, instead of ending with 75.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub wait: Option<std::time::Duration>,
    /// Show what would be done, as `vex plan` does, and stop.
    #[arg(long, short = 'n', conflicts_with = "due")]
    pub dry_run: bool,
    /// Print events as JSON on standard output.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Print failures only.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print also what stands in the log only: remarks, and the lines of dump programs.
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// A length of time as job files write it.
fn time(text: &str) -> Result<std::time::Duration, String> {
    parse_duration(text).ok_or_else(|| "write a time such as `90s`, `15m`, `6h`".to_owned())
}

/// Which backups of an Oracle database are made, or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Level 0.
    #[value(name = "FULL")]
    Full,
    /// Level 1.
    #[value(name = "INCREMENTAL")]
    Incremental,
}

/// `vex plan`.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
    pub file: PathBuf,
    /// Jobs of the file [default: all]
    pub jobs: Vec<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Ask no server and no store.
    #[arg(long)]
    pub offline: bool,
}

/// The password of a target that is a URL.
#[derive(Debug, clap::Args)]
pub struct TargetPassword {
    /// Variable that holds the password of a target URL.
    #[arg(long, value_name = "NAME")]
    pub password_env: Option<String>,
    /// File that holds the password of a target URL.
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    pub password_file: Option<PathBuf>,
}

impl TargetPassword {
    /// The reference to it, if there is one.
    pub fn secret(&self) -> Option<SecretRef> {
        match (&self.password_env, &self.password_file) {
            (Some(name), _) => Some(SecretRef::Env(name.clone())),
            (None, Some(path)) => Some(SecretRef::File(path.clone())),
            (None, None) => None,
        }
    }
}

/// `vex doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
    pub file: PathBuf,
    /// Jobs of the file [default: all]
    pub jobs: Vec<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Examine only this target of a restore: a source of the file, or a URL without password, such
    /// as mysql://user@host:3306 or sqlite:path
    #[arg(long, value_name = "TARGET")]
    pub into: Option<String>,
    /// What opens that target.
    #[command(flatten)]
    pub password: TargetPassword,
    /// Print only the statements that give what is missing, each once; the server they are for as a
    /// comment.
    #[arg(long, conflicts_with = "format")]
    pub sql: bool,
    /// Print only what is wrong.
    #[arg(long)]
    pub problems: bool,
    /// End with 2 on an alert.
    #[arg(long)]
    pub strict: bool,
    /// How findings are printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// Which backup, and what opens it.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
    #[arg(required_unless_present = "from")]
    pub file: Option<PathBuf>,
    /// The source; needed when there are several.
    pub source: Option<String>,
    /// A store of the file, a store URL (file:/path, s3://bucket/prefix?endpoint=…), or one .zip
    #[arg(long)]
    pub from: Option<String>,
    /// `latest`, or the ID that `vex list` shows.
    #[arg(long, default_value = "latest")]
    pub backup: String,
    /// Whose backup, where several databases have some: the beginning of an ORIGIN of `vex list`.
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Variable that holds the password of the archive, where no job file names it.
    #[arg(long, value_name = "NAME")]
    pub archive_password_env: Option<String>,
    /// File that holds the password of the archive, where no job file names it.
    #[arg(long, value_name = "FILE", conflicts_with = "archive_password_env")]
    pub archive_password_file: Option<PathBuf>,
    /// File of identities, as age-keygen writes it, that opens an archive sealed for recipients of
    /// age.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// `vex verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Which backup.
    #[command(flatten)]
    pub which: Which,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// Who is the definer of a view, routine, trigger or event that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Definer {
    /// Who it was.
    Keep,
    /// The account that restores.
    Current,
}

/// What becomes of the GTID state of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gtid {
    /// Nothing.
    Skip,
    /// The target takes it over once everything is proven; it must have none of its own, and needs
    /// --skip-binlog.
    Set,
}

/// `vex restore`.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// Which backup.
    #[command(flatten)]
    pub which: Which,
    /// Only this database (DB), table (DB.TABLE) or any object with its kind, such as view:DB.NAME;
    /// may be repeated.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Leave this out: DB, DB.TABLE, or any object with its kind, such as view:DB.NAME, event:DB or
    /// trigger: for all of them; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub except: Vec<String>,
    /// Where to: a source of the file, pgdata:DIR, or a URL without password:
    /// mysql://user@host:3306, sqlite:path; with --mode, the source itself unless said otherwise
    #[arg(long, value_name = "TARGET", required_unless_present = "mode")]
    pub into: Option<String>,
    /// Oracle: FULL takes the last level 0 and all archived logs since; INCREMENTAL also what adds
    /// to it, and needs fewer logs.
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// End before this moment of this machine's clock, such as `2025-08-02 14:30:00` or
    /// 2025-08-02T17:30:00Z; Oracle: or before this SCN; pgdata: or `latest`, for all that there is
    #[arg(long, value_name = "TIME|SCN|latest")]
    pub until: Option<String>,
    /// Other points.
    #[command(flatten)]
    pub point: Point,
    /// Oracle: a folder where pieces may lie already; the others are put there too [default: the
    /// variable RESTORE_SOURCE_DIR, else the staging folder]
    #[arg(long, value_name = "DIR", requires = "mode")]
    pub pieces: Option<PathBuf>,
    /// Another name for the one database.
    #[arg(long = "as", value_name = "NEWNAME")]
    pub rename: Option<String>,
    /// Replace the objects that the backup holds and the target has. Oracle: the control file of an
    /// instance that is not mounted.
    #[arg(long)]
    pub overwrite: bool,
    /// A new file for the statements that the target refused [default: one beside the log of the
    /// run]
    #[arg(long, value_name = "FILE.sql")]
    pub refused: Option<PathBuf>,
    /// With --overwrite: replace without reading all of the backup first.
    #[arg(long, requires = "overwrite")]
    pub no_read_first: bool,
    /// With --overwrite: do not ask on a terminal before objects are replaced.
    #[arg(long)]
    pub yes: bool,
    /// Restore users, roles and grants too; those that exist are kept, unless --overwrite.
    #[arg(long)]
    pub accounts: bool,
    /// Go on with a restore of the same that was interrupted; tables that are proven to be there
    /// stay.
    #[arg(long, conflicts_with = "overwrite")]
    pub resume: bool,
    /// MySQL, MariaDB: who is the definer of views, routines, triggers and events.
    #[arg(long, value_enum, default_value = "keep")]
    pub definer: Definer,
    /// MySQL, MariaDB: what becomes of the GTID state of the backup.
    #[arg(long, value_enum, default_value = "skip")]
    pub gtid: Gtid,
    /// MySQL, MariaDB: write nothing of the restore into the target's binary log.
    #[arg(long)]
    pub skip_binlog: bool,
    /// MySQL, MariaDB: where the target lacks the collation OLD, take NEW; `ready` takes those of
    /// MySQL to what is nearest in MariaDB; may be repeated.
    #[arg(long, value_name = "OLD=NEW")]
    pub map_collation: Vec<String>,
    /// Connections.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// What opens a target URL.
    #[command(flatten)]
    pub password: TargetPassword,
    /// Read the backup first, before anything is written; where it is damaged, take another copy,
    /// then the next older one.
    #[arg(long, conflicts_with = "resume")]
    pub fallback: bool,
    /// End with 2 where somebody must look, such as at a backup that is not the newest.
    #[arg(long)]
    pub strict: bool,
    /// How it is shown; JSON is the events that `vex run` prints too.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Show what would be read and replaced, and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// How the files of a PostgreSQL cluster come back.
    #[command(flatten)]
    pub files: Files,
}

/// `vex export`.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// Which backup.
    #[command(flatten)]
    pub which: Which,
    /// Only this database or table; may be repeated. One file of PostgreSQL is for one database.
    #[arg(long, value_name = "DB[.TABLE]")]
    pub only: Vec<String>,
    /// The file to write; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub sql: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    pub overwrite: bool,
}

/// `vex catalog`.
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Read artifacts, copies and proofs from the stores of a job file again.
    Rebuild {
        /// The job file [default: vex.kdl of this folder, then the one of /etc/vex/jobs]
        file: PathBuf,
        /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
        #[arg(long)]
        site: Option<PathBuf>,
    },
}
