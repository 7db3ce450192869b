//! A summary as a letter: subject and body in the reader's language.
//!
//! Plain text only. Names that came from servers lose their control characters, so that none of
//! them can become a header or another line.

use jiff::{Timestamp, tz::TimeZone};

use crate::base::Size;
use crate::lang::Lang;
use crate::record::{Failure, StepEnd, Verdict};
use crate::report::{BackupSummary, Summary};

/// Lines of damage that a letter quotes of one copy.
const DAMAGE: usize = 5;

/// Codes of failures that have a sentence.
const CODES: [&str; 20] = [
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
];

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Lines.
    pub body: String,
}

impl Letter {
    /// Writes the letter of a run that is over.
    pub fn write(summary: &Summary, subject: Option<&str>, lang: Lang, zone: &TimeZone) -> Letter {
        let finished = summary.finished.unwrap_or(Timestamp::UNIX_EPOCH);
        let started = summary.started.unwrap_or(finished);
        let local = |t: Timestamp, form: &str| t.to_zoned(zone.clone()).strftime(form).to_string();
        let moment = |t: Timestamp| local(t, "%d/%m/%Y %H:%M:%S");
        let (date, time) = (local(finished, "%d/%m/%Y"), local(finished, "%H:%M:%S"));
        let usual = || {
            lang.say("letter-subject", &[("host", &summary.host), ("date", &date), ("time", &time)])
        };
        let verdict = summary.verdict.unwrap_or(Verdict::Error);
        let seconds = finished.as_second() - started.as_second();
        let mut lines = vec![
            lang.say(
                "letter-verdict",
                &[("word", &word(verdict, lang)), ("code", &verdict.code().to_string())],
            ),
            lang.say("letter-job", &[("job", &summary.job)]),
            lang.say("letter-run", &[("run", &summary.id)]),
            lang.say("letter-host", &[("host", &summary.host)]),
            lang.say("letter-started", &[("moment", &moment(started))]),
            lang.say("letter-finished", &[("moment", &moment(finished))]),
            lang.say("letter-duration", &[("duration", &lang.duration(seconds))]),
        ];
        if !summary.page.is_empty() {
            lines.push(lang.say("letter-page", &[("page", &summary.page)]));
        }
        for (step, backup) in &summary.backups {
            lines.push(String::new());
            lines.extend(block(summary, *step, backup, lang));
        }
        lines.push(String::new());
        lines.push(lang.say("letter-steps", &[]));
        lines.extend(summary.steps.iter().map(|s| {
            let text = ended(&s.end, lang);
            lang.say("letter-step", &[("address", &s.facts.address), ("text", &text)])
        }));
        lines.extend(summary.alerts.iter().map(|text| lang.say("letter-alert", &[("text", text)])));
        let clean = |line: &String| {
            line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>()
        };
        let body = lines.iter().map(clean).collect::<Vec<_>>().join("\n") + "\n";
        let named = |text: &str| {
            let parts = [
                ("verdict", word(verdict, lang)),
                ("job", summary.job.clone()),
                ("host", summary.host.clone()),
                ("date", date.clone()),
                ("time", time.clone()),
            ];
            filled(text, &parts)
        };
        Letter { subject: clean(&subject.map_or_else(usual, named)), body }
    }
}

/// A text with the values of its `{names}`; a name that is none stays, and a value is never looked
/// into.
fn filled(text: &str, parts: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out += &rest[..at];
        rest = &rest[at..];
        let value = |(name, value): &(&str, String)| {
            let after = rest[1..].strip_prefix(name)?.strip_prefix('}')?;
            Some((value.clone(), after))
        };
        match parts.iter().find_map(value) {
            Some((value, after)) => {
                out += &value;
                rest = after;
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// The lines of one backup: what it is of, how large it is, and every copy with its own failure. One
/// that made nothing has lines too.
fn block(summary: &Summary, step: usize, backup: &BackupSummary, lang: Lang) -> Vec<String> {
    let facts = summary.plan.get(step);
    let source = facts.and_then(|f| f.chain.as_deref()).unwrap_or_default();
    let mut lines = Vec::new();
    match (&backup.artifact, &backup.dump) {
        (Some(artifact), _) => {
            lines.push(named(&artifact.units, source, &artifact.server, lang));
            lines.push(lang.say("letter-file", &[("name", &artifact.name)]));
            let (raw, bytes) = (Size(artifact.raw).to_string(), Size(artifact.bytes).to_string());
            let rows = artifact.rows.to_string();
            lines.push(
                lang.say("letter-size", &[("raw", &raw), ("bytes", &bytes), ("rows", &rows)]),
            );
        }
        (None, Some(dump)) => {
            lines.push(named(&dump.units, source, &dump.server, lang));
            lines.push(lang.say("letter-file", &[("name", &dump.name)]));
        }
        (None, None) => lines.push(lang.say("letter-source", &[("source", source)])),
    }
    if let Some(end @ (StepEnd::Failed { .. } | StepEnd::Skipped { .. } | StepEnd::Interrupted)) =
        summary.end(step)
    {
        lines.push(lang.say("letter-backup-failed", &[("text", &ended(end, lang))]));
    }
    for copy in &backup.copies {
        let facts = &copy.copy;
        let proof = lang.say(&format!("proof-{}", copy.proof_word()), &[]);
        let word = word(facts.verdict, lang);
        let parts = [
            ("word", word.as_str()),
            ("place", &facts.place),
            ("key", &facts.key),
            ("proof", &proof),
        ];
        lines.push(lang.say("letter-copy", &parts));
        lines.extend(
            facts.failure.as_ref().map(|f| lang.say("letter-why", &[("text", &why(f, lang))])),
        );
        let damage = copy.proof.iter().filter(|p| !p.good).flat_map(|p| &p.damage);
        lines.extend(damage.take(DAMAGE).map(|text| lang.say("letter-why", &[("text", text)])));
    }
    lines
}

fn named(units: &[String], source: &str, server: &str, lang: Lang) -> String {
    let units = units.join(", ");
    lang.say("letter-artifact", &[("units", &units), ("source", source), ("server", server)])
}

/// The word for a verdict.
fn word(verdict: Verdict, lang: Lang) -> String {
    let key = match verdict {
        Verdict::Success => "verdict-success",
        Verdict::Alert => "verdict-alert",
        Verdict::Error => "verdict-error",
    };
    lang.say(key, &[])
}

/// How a step ended.
fn ended(end: &StepEnd, lang: Lang) -> String {
    match end {
        StepEnd::Done { verdict, .. } => word(*verdict, lang),
        StepEnd::Failed { verdict, failure } => {
            format!("{}: {}", word(*verdict, lang), why(failure, lang))
        }
        StepEnd::Skipped { missing } => lang.say("step-skipped", &[("missing", missing)]),
        StepEnd::Interrupted => lang.say("step-interrupted", &[]),
    }
}

/// Why something failed: the sentence of its code, its causes, the tries and what to do.
fn why(failure: &Failure, lang: Lang) -> String {
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
    if let Some(hint) = &failure.hint {
        text += &format!(". {hint}");
    }
    text
}

/// The code, or that of anything else where a newer vex knows more.
fn known(code: &str) -> &str {
    if CODES.contains(&code) { code } else { "failed" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::artifact::Level;
    use crate::base::{ErrorKind, Id};
    use crate::record::{ArtifactFacts, CopyFacts, ProofFacts, StepFacts, Verb};
    use crate::report::{CopySummary, StepSummary};

    fn facts(verb: Verb, source: &str) -> StepFacts {
        StepFacts {
            address: format!("nightly/{}/{source}", verb.word()),
            verb,
            source: Some(source.into()),
            chain: Some(source.into()),
            store: None,
        }
    }

    fn copy(moment: Timestamp, store: &str, failure: Option<Failure>) -> CopyFacts {
        CopyFacts {
            id: Id::new(moment, 1),
            source: "shop".into(),
            store: store.into(),
            place: format!("s3://{store}"),
            bucket: None,
            key: "k".into(),
            bytes: 1 << 30,
            started: moment,
            finished: None,
            verdict: if failure.is_some() { Verdict::Error } else { Verdict::Success },
            failure,
        }
    }

    #[test]
    fn a_letter_says_what_happened_in_the_readers_language_and_zone() {
        let moment: Timestamp = "2025-07-20T20:15:23Z".parse().expect("a moment");
        let artifact = ArtifactFacts {
            id: Id::new(moment, 1),
            source: "shop".into(),
            kind: "mysql".into(),
            server: "10.11".into(),
            units: vec!["shop".into(), "evil\r\nBcc: x@y".into()],
            name: "backup_20250720_161400.zip".into(),
            raw: 3 << 30,
            bytes: 1 << 30,
            rows: 7,
            started: moment,
            finished: moment,
            lag: None,
            position: None,
            inconsistent: Vec::new(),
            lost: Vec::new(),
            origin: None,
            parent: None,
        };
        let proof = ProofFacts {
            id: Id::new(moment, 1),
            source: "shop".into(),
            store: "cloud".into(),
            place: String::new(),
            level: Level::Read,
            at: moment,
            good: true,
            damage: Vec::new(),
        };
        let values = BTreeMap::from([
            ("doing".to_owned(), "write k".to_owned()),
            ("found".to_owned(), "503".to_owned()),
        ]);
        let failure = Failure { code: "unreachable".into(), values, ..Failure::default() };
        let shop = BackupSummary {
            dump: None,
            artifact: Some(artifact),
            copies: vec![
                CopySummary { copy: copy(moment, "cloud", None), proof: Some(proof) },
                CopySummary { copy: copy(moment, "far", Some(failure.clone())), proof: None },
            ],
        };
        let plan = vec![facts(Verb::Dump, "shop"), facts(Verb::Physical, "erp")];
        let failed = StepEnd::Failed { verdict: Verdict::Error, failure };
        let summary = Summary {
            id: "20250720T201400Z-00000001".into(),
            job: "nightly".into(),
            host: "servidor02".into(),
            started: Some("2025-07-20T20:14:00Z".parse().expect("a moment")),
            finished: Some(moment),
            verdict: Some(Verdict::Error),
            steps: vec![
                StepSummary {
                    facts: plan[0].clone(),
                    end: StepEnd::Done { verdict: Verdict::Success, code: String::new() },
                },
                StepSummary { facts: plan[1].clone(), end: failed },
            ],
            plan,
            backups: BTreeMap::from([(0, shop), (1, BackupSummary::default())]),
            alerts: vec!["mail is slow".into()],
            ..Summary::default()
        };
        let zone = TimeZone::get("America/Porto_Velho").expect("in the database");
        let letter = Letter::write(&summary, None, Lang::PtBr, &zone);
        assert_eq!(letter.subject, "Rotina de backup servidor02 20/07/2025 16:15:23");
        let own = "[{verdict}] {job} {host}, {date} {time} {who} {";
        let letter_of = |lang| Letter::write(&summary, Some(own), lang, &zone).subject;
        let rest = "nightly servidor02, 20/07/2025 16:15:23 {who} {";
        assert_eq!(letter_of(Lang::PtBr), format!("[Erro] {rest}"));
        assert_eq!(letter_of(Lang::En), format!("[Error] {rest}"));
        let odd = Summary { job: "{host}\r\nBcc: x".into(), ..summary.clone() };
        let subject = Letter::write(&odd, Some("{job}"), Lang::En, &zone).subject;
        assert_eq!(subject, "{host}  Bcc: x", "a value is no template and ends no header");
        insta::assert_snapshot!(letter.body, @r"
        Resultado: Erro (3)
        Rotina: nightly
        Execução: 20250720T201400Z-00000001
        Hostname: servidor02
        Data e hora de início: 20/07/2025 16:14:00
        Data e hora de conclusão: 20/07/2025 16:15:23
        Duração: 1 minuto 23 segundos

        Banco de dados: shop, evil  Bcc: x@y (shop, 10.11)
        Arquivo: backup_20250720_161400.zip
        Tamanho: 3 GiB; tamanho do arquivo: 1 GiB; 7 linhas
        Status do upload: Sucesso - s3://cloud, k (lido e conferido)
        Status do upload: Erro - s3://far, k (sem cópia)
        Motivo: sem resposta (write k): 503

        Fonte: erp
        Backup: Erro: sem resposta (write k): 503

        Etapas
        nightly/dump/shop: Sucesso
        nightly/physical/erp: Erro: sem resposta (write k): 503
        Atenção: mail is slow
        ");
        let english = Letter::write(&summary, None, Lang::En, &zone);
        insta::assert_snapshot!(english.body, @r"
        Result: Error (3)
        Job: nightly
        Run: 20250720T201400Z-00000001
        Host name: servidor02
        Started: 20/07/2025 16:14:00
        Finished: 20/07/2025 16:15:23
        Duration: 1 minute 23 seconds

        Databases: shop, evil  Bcc: x@y (shop, 10.11)
        File: backup_20250720_161400.zip
        Size: 3 GiB; size of the file: 1 GiB; 7 rows
        Copy: Success - s3://cloud, k (read back and recounted)
        Copy: Error - s3://far, k (no copy)
        Reason: no answer (write k): 503

        Source: erp
        Backup: Error: no answer (write k): 503

        Steps
        nightly/dump/shop: Success
        nightly/physical/erp: Error: no answer (write k): 503
        Attention: mail is slow
        ");
    }

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
            }
        }
        let newer = Failure { code: "x".into(), message: "found".into(), ..Failure::default() };
        assert_eq!(why(&newer, Lang::En), "it failed: found");
    }
}
