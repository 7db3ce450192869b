//! Which of a file's logs is meant.

use crate::plan::{StepKind, Wal as WalPlan};

use crate::cli::exit::Exit;
use crate::cli::wiring::{Loaded, complain};

/// The log that is meant: of the source that is named, else the only one.
pub fn chosen<'l>(loaded: &'l Loaded, source: Option<&str>) -> Result<&'l WalPlan, Exit> {
    let logs: Vec<&WalPlan> = logs(loaded).collect();
    let fits: Vec<&&WalPlan> =
        logs.iter().filter(|log| source.is_none_or(|name| log.source.name == name)).collect();
    if let [only] = fits.as_slice() {
        return Ok(only);
    }
    let known: Vec<&str> = logs.iter().map(|log| log.source.name.as_str()).collect();
    complain(&match (known.as_slice(), source) {
        ([], _) => format!(
            "{} keeps no log: write `wal \"SOURCE\" {{ send \"STORE\" }}` in a job",
            loaded.path
        ),
        (known, None) => format!("the file keeps the logs of {}; name one", known.join(", ")),
        (known, Some(name)) => {
            format!("the file keeps no log of {name}; it keeps those of {}", known.join(", "))
        }
    });
    Err(Exit::Usage)
}

/// All logs that a file keeps.
pub fn logs(loaded: &Loaded) -> impl Iterator<Item = &WalPlan> {
    let steps = loaded.plans.iter().flat_map(|plan| &plan.steps);
    steps.filter_map(|step| match &step.kind {
        StepKind::Wal(wal) => Some(wal.as_ref()),
        _ => None,
    })
}
