//! Which of the logs that a job file keeps is meant: write-ahead logs of PostgreSQL, or binary logs of
//! MySQL and MariaDB.

use crate::plan::{StepKind, Wal as LogPlan};

use crate::cli::exit::Exit;
use crate::cli::wiring::{Loaded, complain};

/// A kind of log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptLog {
    /// What a `wal` step keeps.
    Wal,
    /// What a `binlog` step keeps.
    Binlog,
}

impl KeptLog {
    /// The step that keeps it, and what it is called.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            KeptLog::Wal => ("wal", "log"),
            KeptLog::Binlog => ("binlog", "binary log"),
        }
    }

    /// All that a file keeps.
    pub fn logs(self, loaded: &Loaded) -> impl Iterator<Item = &LogPlan> {
        let steps = loaded.plans.iter().flat_map(|plan| &plan.steps);
        steps.filter_map(move |step| match (self, &step.kind) {
            (KeptLog::Wal, StepKind::Wal(log)) | (KeptLog::Binlog, StepKind::Binlog(log)) => {
                Some(log.as_ref())
            }
            _ => None,
        })
    }

    /// The one that is meant: of the source that is named, else the only one.
    pub fn chosen<'l>(self, loaded: &'l Loaded, source: Option<&str>) -> Result<&'l LogPlan, Exit> {
        let logs: Vec<&LogPlan> = self.logs(loaded).collect();
        let fits: Vec<&&LogPlan> =
            logs.iter().filter(|log| source.is_none_or(|name| log.source.name == name)).collect();
        if let [only] = fits.as_slice() {
            return Ok(only);
        }
        let (step, log) = self.words();
        let known: Vec<&str> = logs.iter().map(|log| log.source.name.as_str()).collect();
        complain(&match (known.as_slice(), source) {
            ([], _) => format!(
                "{} keeps no {log}: write `{step} \"SOURCE\" {{ send \"STORE\" }}` in a job",
                loaded.path
            ),
            (known, None) => format!("the file keeps the {log}s of {}; name one", known.join(", ")),
            (known, Some(name)) => {
                format!("the file keeps no {log} of {name}; it keeps those of {}", known.join(", "))
            }
        });
        Err(Exit::Usage)
    }
}
