//! Loads a choice into a target, and proves what came back.

use crate::base::Stop;
use crate::pipeline::{self, Fetch, Meter, Outcome, Restore};
use crate::recover::choice::Choice;
use crate::recover::fault::Fault;
use crate::recover::watched::watched;
use crate::run::Say;
use crate::source::contract::{Error as SourceError, ErrorKind, Source, Target};
use crate::source::with_failpoints;

/// What a restore came to.
#[derive(Debug, Default)]
pub struct Restored {
    /// What came back and what did not.
    pub outcome: Outcome,
    /// What the user should know besides.
    pub remarks: Vec<String>,
}

/// Refuses what exists, unless the choice overwrites it or goes on with it.
pub fn may_write(existing: &[String], choice: &Choice, place: &str) -> Result<(), Fault> {
    if existing.is_empty() || choice.loading.overwrite || choice.loading.resume {
        return Ok(());
    }
    let shown = existing.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if existing.len() > 5 {
        format!(" and {} more", existing.len() - 5)
    } else {
        String::new()
    };
    let error = SourceError::new(
        ErrorKind::Exists,
        format!("restore into {place}"),
        format!("{shown}{more} exist; nothing was written"),
    );
    Err(error.hint("Restore elsewhere, or replace exactly these with --overwrite.").into())
}

/// Opens a target, which agrees to the choice; nothing is written. Existing objects are refused
/// unless the choice overwrites.
pub fn open_target(
    source: &dyn Source,
    choice: &Choice,
    threads: usize,
    stop: &Stop,
) -> Result<Box<dyn Target>, Fault> {
    let target = with_failpoints(source.target(threads, stop)?);
    target.agree(&choice.loading, stop)?;
    may_write(&target.existing(&choice.loading, stop)?, choice, source.place())?;
    Ok(target)
}

/// Restores into a target that is open.
pub fn restore_into(
    fetch: &Fetch<'_>,
    target: &dyn Target,
    choice: &Choice,
    meter: &Meter,
    say: Option<&Say>,
    stop: &Stop,
) -> Result<Restored, Fault> {
    let restore = Restore { fetch, target, loading: &choice.loading, chosen: &choice.chosen };
    let outcome = match say {
        Some(say) => watched(meter, say, stop, &|| {}, |stop| pipeline::restore(&restore, stop))?,
        None => pipeline::restore(&restore, stop)?,
    };
    Ok(Restored { outcome, remarks: target.remarks() })
}
