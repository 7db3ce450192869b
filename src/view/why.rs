//! Failures in words: the sentence of a code, its causes, and what to do, in the reader's language.

use crate::lang::Lang;
use crate::record::{DrillFacts, Failure, StepEnd, Verdict};

/// Codes of failures that have a sentence.
const CODES: [&str; 26] = [
    "missing",
    "exists",
    "denied",
    "unreachable",
    "busy",
    "refused",
    "full",
    "too-large",
    "damaged",
    "stopped",
    "failed",
    "damage",
    "rows",
    "no-store",
    "press",
    "bug",
    "secret",
    "program",
    "stalled",
    "nothing",
    "held",
    "state",
    "invalid",
    "killed",
    "late",
    "in-time",
];

/// The word for a verdict.
pub fn word(verdict: Verdict, lang: Lang) -> String {
    let key = match verdict {
        Verdict::Success => "verdict-success",
        Verdict::Alert => "verdict-alert",
        Verdict::Error => "verdict-error",
    };
    lang.say(key, &[])
}

/// How a step ended.
pub fn ended(end: &StepEnd, lang: Lang) -> String {
    match end {
        StepEnd::Done { verdict, .. } => word(*verdict, lang),
        StepEnd::Failed { verdict, failure } => {
            format!("{}: {}", word(*verdict, lang), why(failure, lang))
        }
        StepEnd::Skipped { missing } => lang.say("step-skipped", &[("missing", missing)]),
        StepEnd::Interrupted => lang.say("step-interrupted", &[]),
    }
}

/// Why something failed: the sentence of its code, its causes and the tries.
pub fn why(failure: &Failure, lang: Lang) -> String {
    let value = |name: &str| failure.values.get(name).map_or("", String::as_str);
    let found = match value("found") {
        "" => failure.message.as_str(),
        found => found,
    };
    let mut text = lang.say(
        &format!("error-{}", known(&failure.code)),
        &[("doing", value("doing")), ("found", found)],
    );
    // A failure that knows no more than that.
    text = text.replacen(" ()", "", usize::from(value("doing").is_empty()));
    for cause in &failure.causes {
        text += &format!(": {cause}");
    }
    if let Some(tries) = &failure.tries {
        let (count, time) = (tries.count.to_string(), lang.duration(tries.seconds as i64));
        text += &lang.say("error-tries", &[("count", &count), ("time", &time)]);
    }
    text
}

/// Why something failed and what to do, as a line of a console or a log: in English the words that
/// were said.
pub fn failed(failure: &Failure, lang: Lang) -> String {
    match lang {
        Lang::En => failure.line(),
        Lang::PtBr => why(failure, lang),
    }
}

/// The word for what is proven of a copy.
pub fn level(word: &str, lang: Lang) -> String {
    lang.known(&format!("level-{word}")).unwrap_or_else(|| word.to_owned())
}

/// How a restore drill ended.
pub fn drilled(drill: &DrillFacts, lang: Lang) -> String {
    let held = drill.asserts.iter().filter(|a| a.holds()).count();
    let asserts = match drill.asserts.len() {
        0 => String::new(),
        all => lang.say("drill-asserts", &[("held", &held.to_string()), ("all", &all.to_string())]),
    };
    let why = if drill.message.is_empty() { "" } else { ": " };
    lang.say(
        "drill-line",
        &[
            ("source", &drill.source),
            ("backup", drill.backup.as_str()),
            ("store", &drill.store),
            ("target", &drill.target),
            ("seconds", &drill.seconds.to_string()),
            ("tables", &drill.tables.to_string()),
            ("rows", &drill.rows.to_string()),
            ("asserts", &asserts),
            ("why", &format!("{why}{}", drill.message)),
        ],
    )
}

/// What to do about a failure: its own hint, else that of its code.
pub fn hint(failure: &Failure, lang: Lang) -> String {
    let usual = || lang.say(&format!("hint-{}", known(&failure.code)), &[]);
    failure.hint.clone().unwrap_or_else(usual)
}

/// The code, or that of anything else where a newer vex knows more.
fn known(code: &str) -> &str {
    if CODES.contains(&code) { code } else { "failed" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ErrorKind;

    #[test]
    fn every_code_has_a_sentence_in_both_languages() {
        for kind in ErrorKind::ALL {
            assert!(CODES.contains(&kind.code()), "{kind:?}");
        }
        for code in CODES {
            let failure =
                Failure { code: code.into(), message: "CANARY-FOUND".into(), ..Failure::default() };
            for lang in [Lang::PtBr, Lang::En] {
                assert!(why(&failure, lang).contains("CANARY-FOUND"), "{code}");
                assert!(hint(&failure, lang).ends_with('.'), "{code}");
            }
        }
        let newer = Failure { code: "x".into(), message: "found".into(), ..Failure::default() };
        assert_eq!(why(&newer, Lang::En), "it failed: found");
    }
}
