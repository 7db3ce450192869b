//! Which of a file's binary logs is meant.

use crate::plan::{StepKind, Wal as LogPlan};

use crate::cli::exit::Exit;
use crate::cli::wiring::{Loaded, complain};

/// All binary logs that a file keeps.
pub fn logs(loaded: &Loaded) -> impl Iterator<Item = &LogPlan> {
    let steps = loaded.plans.iter().flat_map(|plan| &plan.steps);
    steps.filter_map(|step| match &step.kind {
        StepKind::Binlog(log) => Some(log.as_ref()),
        _ => None,
    })
}

/// The log that is meant: of the source that is named, else the only one.
pub fn chosen<'l>(loaded: &'l Loaded, source: Option<&str>) -> Result<&'l LogPlan, Exit> {
    let logs: Vec<&LogPlan> = logs(loaded).collect();
    let fits: Vec<&&LogPlan> =
        logs.iter().filter(|log| source.is_none_or(|name| log.source.name == name)).collect();
    if let [only] = fits.as_slice() {
        return Ok(only);
    }
    let known: Vec<&str> = logs.iter().map(|log| log.source.name.as_str()).collect();
    complain(&match (known.as_slice(), source) {
        ([], _) => format!(
            "{} keeps no binary log: write `binlog \"SOURCE\" {{ send \"STORE\" }}` in a job",
            loaded.path
        ),
        (known, None) => {
            format!("the file keeps the binary logs of {}; name one", known.join(", "))
        }
        (known, Some(name)) => {
            format!(
                "the file keeps no binary log of {name}; it keeps those of {}",
                known.join(", ")
            )
        }
    });
    Err(Exit::Usage)
}
