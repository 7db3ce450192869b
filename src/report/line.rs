//! An event as one line: for the log file, and for the log that the catalog keeps.

use crate::lang::Lang;
use crate::record::{ArtifactFacts, CopyFacts, Event, LogLevel, ProofFacts, StepEnd, Verdict};
use crate::view::{drilled, failed, level as level_word, word};

/// The line of an event in `lang`: its level, the step it is of, and its text.
pub fn line_of(event: &Event, lang: Lang) -> Option<(LogLevel, Option<usize>, String)> {
    Some(match event {
        Event::RunStarted { run } => {
            let pid = run.pid.to_string();
            let parts =
                [("job", &*run.job), ("file", &*run.file), ("host", &*run.host), ("pid", &*pid)];
            let text = lang.say("log-run", &parts);
            (LogLevel::Info, None, text)
        }
        Event::StepStarted { step, .. } => {
            (LogLevel::Info, Some(*step), lang.say("log-begins", &[]))
        }
        Event::Progress { .. }
        | Event::Engine { .. }
        | Event::StoreSeen { .. }
        | Event::Restoring { .. }
        | Event::Restored { .. } => return None,
        Event::Said { step, level, text } => (*level, *step, text.clone()),
        Event::Dumping { step, dump } => {
            let units = dump.units.join(",");
            let parts = [("units", &*units), ("server", &*dump.server), ("name", &*dump.name)];
            let text = lang.say("log-dumping", &parts);
            (LogLevel::Info, Some(*step), text)
        }
        Event::Artifact { step, artifact } => (LogLevel::Info, Some(*step), dumped(artifact, lang)),
        Event::Copied { step, copy } => {
            let (level, text) = copied(copy, lang);
            (level, Some(*step), text)
        }
        Event::Proved { step, proof } => {
            let (level, text) = proved(proof, lang);
            (level, Some(*step), text)
        }
        Event::Drilled { step, drill } => {
            (level_of(drill.verdict), Some(*step), drilled(drill, lang))
        }
        Event::Pruned { step, store, key, why, .. } => {
            (LogLevel::Info, Some(*step), removed((key, store, why), lang))
        }
        Event::StepFinished { step, end, .. } => {
            let (level, text) = ended(end, lang);
            (level, Some(*step), text)
        }
        Event::RunFinished { verdict, .. } => (level_of(*verdict), None, word(*verdict, lang)),
    })
}

fn copied(copy: &CopyFacts, lang: Lang) -> (LogLevel, String) {
    let CopyFacts { place, key, bytes, verdict, failure, .. } = copy;
    match failure {
        None => {
            let bytes = bytes.to_string();
            let parts = [("key", &**key), ("bytes", &*bytes), ("place", &**place)];
            (LogLevel::Info, lang.say("log-copied", &parts))
        }
        Some(failure) => {
            let parts = [("place", &**place), ("why", &*failed(failure, lang))];
            (level_of(*verdict), lang.say("console-no-copy", &parts))
        }
    }
}

fn proved(proof: &ProofFacts, lang: Lang) -> (LogLevel, String) {
    let ProofFacts { store, level, good, damage, .. } = proof;
    match good {
        true => {
            let parts = [("store", &**store), ("level", &*level_word(level.word(), lang))];
            (LogLevel::Info, lang.say("log-proven", &parts))
        }
        false => {
            let parts = [("store", &**store), ("why", &*damage.join("; "))];
            (LogLevel::Error, lang.say("log-damaged", &parts))
        }
    }
}

fn ended(end: &StepEnd, lang: Lang) -> (LogLevel, String) {
    match end {
        StepEnd::Done { verdict, .. } => (level_of(*verdict), word(*verdict, lang)),
        StepEnd::Failed { verdict, failure } => {
            let hint = failure.hint.as_ref().map_or(String::new(), |h| format!(" {h}"));
            (
                level_of(*verdict),
                format!("{}: {}.{hint}", word(*verdict, lang), failed(failure, lang)),
            )
        }
        StepEnd::Skipped { missing } => {
            (LogLevel::Alert, lang.say("log-skipped", &[("missing", missing)]))
        }
        StepEnd::Interrupted => (LogLevel::Error, lang.say("console-stopped", &[])),
    }
}

fn dumped(artifact: &ArtifactFacts, lang: Lang) -> String {
    let none = lang.say("log-none", &[]);
    let (rows, raw) = (artifact.rows.to_string(), artifact.raw.to_string());
    let parts = [
        ("rows", &*rows),
        ("raw", &*raw),
        ("units", &*artifact.units.join(",")),
        ("server", &*artifact.server),
        ("position", artifact.position.as_deref().unwrap_or(&none)),
    ];
    lang.say("log-artifact", &parts)
}

fn removed((key, store, why): (&str, &str, &str), lang: Lang) -> String {
    lang.say("log-removed", &[("key", key), ("store", store), ("why", why)])
}

fn level_of(verdict: Verdict) -> LogLevel {
    match verdict {
        Verdict::Success => LogLevel::Info,
        Verdict::Alert => LogLevel::Alert,
        Verdict::Error => LogLevel::Error,
    }
}
