//! An event as one line: for the log file, and for the log that the catalog keeps.

use crate::record::{CopyFacts, Event, LogLevel, ProofFacts, StepEnd, Verdict};

/// The line of an event: its level, the step it is of, and its text.
pub fn line_of(event: &Event) -> Option<(LogLevel, Option<usize>, String)> {
    Some(match event {
        Event::RunStarted { run } => {
            let text =
                format!("job {} of {} on {} (process {})", run.job, run.file, run.host, run.pid);
            (LogLevel::Info, None, text)
        }
        Event::StepStarted { step, .. } => (LogLevel::Info, Some(*step), "begins".into()),
        Event::Progress { .. }
        | Event::Engine { .. }
        | Event::StoreSeen { .. }
        | Event::Restoring { .. }
        | Event::Restored { .. } => return None,
        Event::Said { step, level, text } => (*level, *step, text.clone()),
        Event::Dumping { step, dump } => {
            let units = dump.units.join(",");
            let text = format!("dumps {units} of {} as {}", dump.server, dump.name);
            (LogLevel::Info, Some(*step), text)
        }
        Event::Artifact { step, artifact } => {
            let text = format!(
                "read {} rows, {} bytes of {} from {}; position {}",
                artifact.rows,
                artifact.raw,
                artifact.units.join(","),
                artifact.server,
                artifact.position.as_deref().unwrap_or("none")
            );
            (LogLevel::Info, Some(*step), text)
        }
        Event::Copied { step, copy } => {
            let (level, text) = copied(copy);
            (level, Some(*step), text)
        }
        Event::Proved { step, proof } => {
            let (level, text) = proved(proof);
            (level, Some(*step), text)
        }
        Event::Drilled { step, drill } => (level_of(drill.verdict), Some(*step), drill.line()),
        Event::Pruned { step, store, key, why, .. } => {
            (LogLevel::Info, Some(*step), format!("removed {key} from {store}: {why}"))
        }
        Event::StepFinished { step, end, .. } => {
            let (level, text) = ended(end);
            (level, Some(*step), text)
        }
        Event::RunFinished { verdict, .. } => (level_of(*verdict), None, verdict.word().into()),
    })
}

fn copied(copy: &CopyFacts) -> (LogLevel, String) {
    let CopyFacts { place, key, bytes, verdict, failure, .. } = copy;
    match failure {
        None => (LogLevel::Info, format!("committed {key} ({bytes} bytes) in {place}")),
        Some(failure) => (level_of(*verdict), format!("no copy in {place}: {}", failure.line())),
    }
}

fn proved(proof: &ProofFacts) -> (LogLevel, String) {
    let ProofFacts { store, level, good, damage, .. } = proof;
    match good {
        true => (LogLevel::Info, format!("the copy in {store} is proven: {}", level.word())),
        false => {
            (LogLevel::Error, format!("the copy in {store} is damaged: {}", damage.join("; ")))
        }
    }
}

fn ended(end: &StepEnd) -> (LogLevel, String) {
    match end {
        StepEnd::Done { verdict, .. } => (level_of(*verdict), verdict.word().into()),
        StepEnd::Failed { verdict, failure } => {
            let hint = failure.hint.as_ref().map_or(String::new(), |h| format!(" {h}"));
            (level_of(*verdict), format!("{}: {}.{hint}", verdict.word(), failure.line()))
        }
        StepEnd::Skipped { missing } => {
            (LogLevel::Alert, format!("did not run: {missing} did not give what it needs"))
        }
        StepEnd::Interrupted => (LogLevel::Error, "interrupted".into()),
    }
}

fn level_of(verdict: Verdict) -> LogLevel {
    match verdict {
        Verdict::Success => LogLevel::Info,
        Verdict::Alert => LogLevel::Alert,
        Verdict::Error => LogLevel::Error,
    }
}
