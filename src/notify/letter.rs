//! A summary as a letter: subject and body in the reader's language.
//!
//! Plain text only. Names that came from servers lose their control characters, so that none of
//! them can become a header or another line.

use jiff::{Timestamp, tz::TimeZone};

use crate::base::Size;
use crate::lang::Lang;
use crate::report::Summary;
use crate::run::Verdict;

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
                &[("word", verdict.word()), ("code", &verdict.code().to_string())],
            ),
            lang.say("letter-job", &[("job", &summary.job)]),
            lang.say("letter-run", &[("run", &summary.id)]),
            lang.say("letter-host", &[("host", &summary.host)]),
            lang.say("letter-started", &[("moment", &moment(started))]),
            lang.say("letter-finished", &[("moment", &moment(finished))]),
            lang.say("letter-duration", &[("duration", &lang.duration(seconds))]),
        ];
        for artifact in &summary.artifacts {
            let units = artifact.units.join(", ");
            lines.push(String::new());
            lines.push(lang.say(
                "letter-artifact",
                &[("units", &units), ("source", &artifact.source), ("server", &artifact.server)],
            ));
            let (raw, bytes) = (Size(artifact.raw).to_string(), Size(artifact.bytes).to_string());
            let rows = artifact.rows.to_string();
            lines.push(
                lang.say("letter-size", &[("raw", &raw), ("bytes", &bytes), ("rows", &rows)]),
            );
            for copy in summary.copies.iter().filter(|c| c.source == artifact.source) {
                let proof = lang.say(&format!("proof-{}", copy.proof), &[]);
                lines.push(lang.say(
                    "letter-copy",
                    &[
                        ("word", copy.verdict.word()),
                        ("place", &copy.place),
                        ("key", &copy.key),
                        ("proof", &proof),
                    ],
                ));
            }
        }
        lines.push(String::new());
        lines.push(lang.say("letter-steps", &[]));
        lines.extend(
            summary
                .steps
                .iter()
                .map(|s| lang.say("letter-step", &[("address", &s.address), ("text", &s.text)])),
        );
        lines.extend(summary.alerts.iter().map(|text| lang.say("letter-alert", &[("text", text)])));
        let clean = |line: &String| {
            line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>()
        };
        let body = lines.iter().map(clean).collect::<Vec<_>>().join("\n") + "\n";
        Letter { subject: clean(&subject.map_or_else(usual, str::to_owned)), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{CopySummary, StepSummary};
    use crate::run::ArtifactFacts;

    #[test]
    fn a_letter_says_what_the_seed_asks_for() {
        let moment: Timestamp = "2025-07-20T20:15:23Z".parse().expect("a moment");
        let summary = Summary {
            id: "20250720T201400Z-00000001".into(),
            job: "nightly".into(),
            host: "servidor02".into(),
            started: Some("2025-07-20T20:14:00Z".parse().expect("a moment")),
            finished: Some(moment),
            verdict: Some(Verdict::Alert),
            steps: vec![StepSummary {
                address: "nightly/dump/shop".into(),
                text: "Sucesso".into(),
                verdict: Verdict::Success,
            }],
            artifacts: vec![ArtifactFacts {
                id: crate::base::Id::new(moment, 1),
                source: "shop".into(),
                kind: "mysql".into(),
                server: "10.11".into(),
                units: vec!["shop".into(), "evil\r\nBcc: x@y".into()],
                name: "x".into(),
                raw: 3 << 30,
                bytes: 1 << 30,
                rows: 7,
                started: moment,
                finished: moment,
                position: None,
                inconsistent: Vec::new(),
                lost: Vec::new(),
            }],
            copies: vec![CopySummary {
                source: "shop".into(),
                store: "cloud".into(),
                place: "s3://vex".into(),
                key: "k".into(),
                bytes: 1 << 30,
                verdict: Verdict::Success,
                proof: "read".into(),
            }],
            alerts: vec!["mail is slow".into()],
            ..Summary::default()
        };
        let zone = TimeZone::get("America/Porto_Velho").expect("in the database");
        let letter = Letter::write(&summary, None, Lang::PtBr, &zone);
        assert_eq!(letter.subject, "Rotina de backup servidor02 20/07/2025 16:15:23");
        let expected = "Resultado: Alerta (2)\nRotina: nightly\nExecução: 20250720T201400Z-00000001\nHostname: servidor02\nData e \
                        hora de início: 20/07/2025 16:14:00\nData e hora de conclusão: 20/07/2025 16:15:23\nDuração: 1 minuto 23 \
                        segundos\n\nBanco de dados: shop, evil  Bcc: x@y (shop, 10.11)\nTamanho: 3 GiB; tamanho do arquivo: 1 GiB; 7 \
                        linhas\nStatus do upload: Sucesso - s3://vex, k (lido e conferido)\n\nEtapas\nnightly/dump/shop: \
                        Sucesso\nAtenção: mail is slow\n";
        assert_eq!(letter.body, expected);
    }
}
