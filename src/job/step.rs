//! A job and its steps as declared; the names in them are not yet resolved.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil;

use crate::base::{SecretRef, Span, Spanned};
use crate::job::physical::Physical;
use crate::job::policy::{ArchiveSpec, KeepSpec, NotifySpec};
use crate::job::rman::Rman;
use crate::job::schedule::Schedule;
use crate::job::site::Site;
use crate::job::source::Source;
use crate::job::store::Store;
use crate::job::vacuum::VacuumRule;

/// All that a job file, its includes and its site file declare.
#[derive(Debug, Clone, Default)]
pub struct JobFile {
    /// Sources.
    pub sources: Vec<Source>,
    /// Stores.
    pub stores: Vec<Store>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Who is told of every job.
    pub notify: Vec<NotifySpec>,
    /// The site.
    pub site: Site,
}

/// Logs of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogsSpec {
    /// Their folder; one in the state folder when `None`.
    pub path: Option<PathBuf>,
    /// How long they are kept.
    pub keep: Option<Duration>,
}

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name.
    pub name: Spanned<String>,
    /// When it is due.
    pub schedule: Option<Schedule>,
    /// Zone of its schedule, names and retention; the site's, then the machine's, when `None`.
    pub timezone: Option<String>,
    /// Connections of one dump.
    pub threads: usize,
    /// Chains at once.
    pub parallel: usize,
    /// It is late when a scheduled run is not proven in this time.
    pub within: Option<Duration>,
    /// Time of day after which a run of it begins to read no source any more.
    pub not_after: Option<civil::Time>,
    /// Its logs.
    pub logs: LogsSpec,
    /// Defaults of its archives.
    pub archive: ArchiveSpec,
    /// Its steps, in the order of the file.
    pub steps: Vec<Step>,
    /// Who is told of this job.
    pub notify: Vec<NotifySpec>,
    /// Whether it takes part.
    pub enabled: bool,
    /// The whole node.
    pub span: Span,
}

/// A step of a job.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it does.
    pub kind: StepDecl,
    /// Steps it waits for, by name or address.
    pub after: Vec<Spanned<String>>,
    /// Whether its Erro is only Alerta.
    pub optional: bool,
    /// Whether it takes part.
    pub enabled: bool,
    /// The node.
    pub span: Span,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepDecl {
    /// `dump`.
    Dump(Dump),
    /// `vacuum`.
    Vacuum(Vacuum),
    /// `verify` of what is stored already.
    Verify(Verify),
    /// `wal`.
    Wal(Wal),
    /// `binlog`.
    Binlog(Wal),
    /// `exec`.
    Exec(Exec),
}

/// What reads a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Engine {
    /// vex itself, over the wire.
    #[default]
    Native,
    /// The program `mydumper`, into a staging folder.
    Mydumper,
    /// `mysqldump` of MySQL or `mariadb-dump` of MariaDB, whichever fits the server, through a
    /// pipe.
    Mysqldump,
    /// `pg_basebackup`: the files of a whole PostgreSQL cluster; only of a `physical`.
    Basebackup,
    /// `pg_dump`, the oldest that is not older than the server.
    PgDump(DumpForm),
    /// `rman`: backup sets of an Oracle database; only of an `rman`.
    Rman(Rman),
}

/// What `pg_dump` writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DumpForm {
    /// One archive for `pg_restore`, through a pipe.
    #[default]
    Custom,
    /// A file for each table, into a staging folder, for `pg_restore`.
    Directory,
    /// SQL, through a pipe.
    Plain,
}

impl DumpForm {
    /// The form of a word of the language.
    pub fn of(word: &str) -> Option<DumpForm> {
        [DumpForm::Custom, DumpForm::Directory, DumpForm::Plain]
            .into_iter()
            .find(|form| form.word() == word)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            DumpForm::Custom => "custom",
            DumpForm::Directory => "directory",
            DumpForm::Plain => "plain",
        }
    }
}

impl Engine {
    /// The engine of a word of the language.
    pub fn of(word: &str) -> Option<Engine> {
        match word {
            "native" => Some(Engine::Native),
            "mydumper" => Some(Engine::Mydumper),
            "mysqldump" | "mariadb-dump" => Some(Engine::Mysqldump),
            "pg_dump" => Some(Engine::PgDump(DumpForm::default())),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Engine::Native => "native",
            Engine::Mydumper => "mydumper",
            Engine::Mysqldump => "mysqldump",
            Engine::PgDump(_) => "pg_dump",
            Engine::Basebackup => "pg_basebackup",
            Engine::Rman(_) => "rman",
        }
    }

    /// The kind of sources it reads; `None` for all.
    pub fn reads(self) -> Option<&'static str> {
        match self {
            Engine::Native => None,
            Engine::Mydumper | Engine::Mysqldump => Some("mysql"),
            Engine::PgDump(_) | Engine::Basebackup => Some("postgres"),
            Engine::Rman(_) => Some("oracle"),
        }
    }
}

/// `vacuum SOURCE…`.
#[derive(Debug, Clone)]
pub struct Vacuum {
    /// One step each.
    pub sources: Vec<Spanned<String>>,
    /// Which table gets what.
    pub rule: VacuumRule,
}

/// `dump SOURCE… { archive …; send …; verify … }`, and `physical` with an engine of its own.
#[derive(Debug, Clone)]
pub struct Dump {
    /// One chain each.
    pub sources: Vec<Spanned<String>>,
    /// What reads the sources.
    pub engine: Spanned<Engine>,
    /// How the engine of a `physical` works.
    pub physical: Physical,
    /// Connections; the job's when `None`.
    pub threads: Option<usize>,
    /// Size of a chunk, in bytes.
    pub chunk: Option<u64>,
    /// What is done about a chain that failed.
    pub retry: Retry,
    /// Bytes of the source a second, at most.
    pub rate: Option<u64>,
    /// How its archives are made.
    pub archive: ArchiveSpec,
    /// Where they go.
    pub sends: Vec<Send>,
    /// What is verified.
    pub verifies: Vec<Verify>,
    /// What it must hold.
    pub expect: ExpectSpec,
}

/// What a dump must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectSpec {
    /// Whether it is asked.
    pub enabled: bool,
    /// How many hundredths of its rows a table, and the whole, may lose.
    pub max_drop: u8,
    /// Rows of the whole, at least.
    pub min_rows: Option<u64>,
    /// Tables with rules of their own.
    pub tables: Vec<TableExpect>,
}

impl Default for ExpectSpec {
    fn default() -> ExpectSpec {
        ExpectSpec { enabled: true, max_drop: 50, min_rows: None, tables: Vec::new() }
    }
}

impl ExpectSpec {
    /// Whether it asks for something that no earlier backup must tell.
    pub fn asks(&self) -> bool {
        self.min_rows.is_some() || !self.tables.is_empty()
    }
}

/// What a table must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableExpect {
    /// Its name: `DB.TABLE`.
    pub name: String,
    /// Rows, at least.
    pub min_rows: Option<u64>,
    /// How many hundredths of its rows it may lose.
    pub max_drop: Option<u8>,
}

/// What is done about a chain that failed before it made a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often it is begun anew, from a snapshot of its own.
    pub times: u32,
    /// The time between two tries.
    pub delay: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { times: 0, delay: Duration::from_secs(600) }
    }
}

/// `send STORE…`.
#[derive(Debug, Clone)]
pub struct Send {
    /// The stores.
    pub stores: Vec<Spanned<String>>,
    /// Whether a failure here is only Alerta.
    pub optional: bool,
    /// Whether what failed to come is sent before the next backup.
    pub catch_up: bool,
    /// Bytes a second, at most.
    pub rate: Option<u64>,
    /// What is kept there of this chain; the store's own rule when `None`.
    pub keep: Option<KeepSpec>,
}

/// `wal SOURCE… { archive …; send … }`, and the same of `binlog`.
#[derive(Debug, Clone)]
pub struct Wal {
    /// The servers.
    pub sources: Vec<Spanned<String>>,
    /// How each file is kept.
    pub archive: ArchiveSpec,
    /// Where they go.
    pub sends: Vec<Send>,
}

/// `verify …`: in a chain the words are stores, elsewhere sources.
#[derive(Debug, Clone)]
pub struct Verify {
    /// Stores (in a chain) or sources.
    pub names: Vec<Spanned<String>>,
    /// The store, outside a chain.
    pub from: Option<Spanned<String>>,
    /// The scratch source it is restored into.
    pub into: Option<Spanned<String>>,
    /// Which of the kept backups is taken.
    pub pick: Pick,
    /// What is asked of the restored data.
    pub asserts: Vec<Assert>,
    /// Whether a physical backup is unpacked and checked by `pg_verifybackup`.
    pub unpack: bool,
    /// What opens an archive that is sealed for recipients of age.
    pub identity: Option<SecretRef>,
    /// The step waits for these.
    pub optional: bool,
    /// The node.
    pub span: Span,
}

/// Which of the kept backups a drill takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pick {
    /// The newest.
    #[default]
    Newest,
    /// Any, by chance.
    Random,
}

/// `assert "SQL" equals="VALUE"`: what is asked of restored data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assert {
    /// The question: one row of one column.
    pub sql: String,
    /// The answer, as the server writes it as text.
    pub equals: String,
    /// The database it is asked in; the only one of the backup where nothing is said.
    pub unit: Option<String>,
}

/// `exec NAME { command "prog" "arg" }`.
#[derive(Debug, Clone)]
pub struct Exec {
    /// Its name.
    pub name: Spanned<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables added to its environment.
    pub env: Vec<(String, EnvValue)>,
    /// It is killed when it prints nothing for this long.
    pub stall: Option<Duration>,
    /// The verdict of what it waits for that it is meant for; `None` for a step like any other.
    pub on: Option<ExecOn>,
}

/// For which verdict of what ran before a program is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecOn {
    /// Every one, also of a run that was stopped.
    Always,
    /// Sucesso.
    Success,
    /// Alerta or Erro.
    Alert,
    /// Erro.
    Error,
}

impl ExecOn {
    /// The one of a word of the language.
    pub fn of(word: &str) -> Option<ExecOn> {
        [ExecOn::Always, ExecOn::Success, ExecOn::Alert, ExecOn::Error]
            .into_iter()
            .find(|on| on.word() == word)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            ExecOn::Always => "always",
            ExecOn::Success => "success",
            ExecOn::Alert => "alert",
            ExecOn::Error => "error",
        }
    }
}

/// The value of a variable.
#[derive(Debug, Clone)]
pub enum EnvValue {
    /// As written.
    Plain(String),
    /// Revealed at run time.
    Secret(SecretRef),
}
