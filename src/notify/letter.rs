//! A summary as a letter: subject, text and HTML in the reader's language.
//!
//! Names that came from servers lose their control characters, so that none of them can become a
//! header or another line. Every chain has a block, those that failed first.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{Timestamp, tz::TimeZone};

use crate::base::Size;
use crate::lang::Lang;
use crate::record::{Failure, StepEnd, Verdict};
use crate::report::{BackupSummary, CopySummary, Summary};
use crate::view::{LetterBlock, LetterModel, color, ended, hint, one_line, why, word};

/// Lines of damage that a letter quotes of one copy.
const DAMAGE: usize = 5;

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Lines.
    pub text: String,
    /// The same as a page.
    pub html: String,
    /// The same in short: how it ended, and what failed.
    pub short: String,
    /// The address of a page; empty where there is none.
    pub page: String,
    /// The words that open it.
    pub open: String,
}

/// What a letter tells.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The run so far.
    pub summary: &'a Summary,
    /// The log of the run.
    pub log: Option<&'a Path>,
    /// When each chain had its last good backup before this run.
    pub last: &'a BTreeMap<String, Timestamp>,
    /// Whether the run goes on.
    pub early: bool,
}

/// In which words.
struct Words<'a> {
    told: Told<'a>,
    lang: Lang,
    zone: &'a TimeZone,
}

impl Letter {
    /// Writes the letter of a run.
    pub fn write(told: Told<'_>, subject: Option<&str>, lang: Lang, zone: &TimeZone) -> Letter {
        let words = Words { told, lang, zone };
        let subject = one_line(&words.subject(subject));
        let verdict = words.verdict();
        let page = Some(&told.summary.page).filter(|page| is_address(page));
        let page = page.cloned().unwrap_or_default();
        let blocks = words.blocks();
        let model = LetterModel {
            lang: lang.code(),
            subject: subject.clone(),
            color: color(verdict),
            lead: words.lead(),
            page: page.clone(),
            blocks: blocks.clone(),
            steps: words.steps(),
            alerts: words.alerts(),
        };
        let short = words.short(&model.lead, &blocks);
        let (text, html) = model.write(lang);
        Letter { subject, text: text + "\n", html, short, page, open: lang.say("letter-open", &[]) }
    }
}

impl Words<'_> {
    fn say(&self, key: &str, parts: &[(&str, &str)]) -> String {
        self.lang.say(key, parts)
    }

    fn local(&self, at: Timestamp, form: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(form).to_string()
    }

    fn moment(&self, at: Timestamp) -> String {
        self.local(at, "%d/%m/%Y %H:%M:%S")
    }

    fn finished(&self) -> Timestamp {
        self.told.summary.finished.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn verdict(&self) -> Verdict {
        self.told.summary.verdict.unwrap_or(Verdict::Error)
    }

    /// The subject: the usual one, or the one that is asked for.
    fn subject(&self, asked: Option<&str>) -> String {
        let finished = self.finished();
        let parts = [
            ("verdict", word(self.verdict(), self.lang)),
            ("job", self.told.summary.job.clone()),
            ("host", self.told.summary.host.clone()),
            ("date", self.local(finished, "%d/%m/%Y")),
            ("time", self.local(finished, "%H:%M:%S")),
        ];
        let usual = || {
            let parts: Vec<(&str, &str)> = parts.iter().map(|(n, v)| (*n, v.as_str())).collect();
            self.say("letter-subject", &parts)
        };
        asked.map_or_else(usual, |text| filled(text, &parts))
    }

    fn lead(&self) -> Vec<String> {
        let (summary, verdict) = (self.told.summary, self.verdict());
        let started = summary.started.unwrap_or_else(|| self.finished());
        let code = verdict.code().to_string();
        let shown = word(verdict, self.lang);
        let mut lines = vec![self.say("letter-verdict", &[("word", &shown), ("code", &code)])];
        if self.told.early {
            lines.push(self.say("letter-early", &[]));
        }
        if let Some(refused) = &summary.refused {
            lines.push(self.reason(refused));
            lines.push(self.advice(refused));
        }
        if !summary.job.is_empty() {
            lines.push(self.say("letter-job", &[("job", &summary.job)]));
        }
        if !summary.file.is_empty() {
            lines.push(self.say("letter-file-of-job", &[("file", &summary.file)]));
        }
        if !summary.id.is_empty() {
            lines.push(self.say("letter-run", &[("run", &summary.id)]));
        }
        lines.push(self.say("letter-host", &[("host", &summary.host)]));
        lines.push(self.say("letter-started", &[("moment", &self.moment(started))]));
        if !self.told.early {
            let finished = self.finished();
            let took = self.lang.duration(finished.as_second() - started.as_second());
            lines.push(self.say("letter-finished", &[("moment", &self.moment(finished))]));
            lines.push(self.say("letter-duration", &[("duration", &took)]));
        }
        if let Some(log) = self.told.log {
            lines.push(self.say("letter-log", &[("log", &log.display().to_string())]));
        }
        if !summary.page.is_empty() {
            lines.push(self.say("letter-page", &[("page", &summary.page)]));
        }
        lines
    }

    /// What a chat shows: how it ended, why nothing ran, and each chain, those that failed in full.
    fn short(&self, lead: &[String], blocks: &[LetterBlock]) -> String {
        let first = 1 + 2 * usize::from(self.told.summary.refused.is_some());
        let first = first + usize::from(self.told.early);
        let mut lines: Vec<String> = lead.iter().take(first).map(|line| one_line(line)).collect();
        lines.push(self.say("letter-job", &[("job", &self.told.summary.job)]));
        let good = color(Verdict::Success);
        for block in blocks {
            let shown = if block.color == good { 1 } else { block.lines.len() };
            lines.extend(block.lines.iter().take(shown).map(|line| one_line(line)));
        }
        lines.join("\n")
    }

    fn reason(&self, failure: &Failure) -> String {
        self.say("letter-why", &[("text", &why(failure, self.lang))])
    }

    fn advice(&self, failure: &Failure) -> String {
        self.say("letter-hint", &[("text", &hint(failure, self.lang))])
    }

    /// A block for every chain and for whatever else failed, the worst first.
    fn blocks(&self) -> Vec<LetterBlock> {
        let summary = self.told.summary;
        let mut blocks: Vec<(Verdict, Vec<String>)> =
            summary.backups.iter().map(|(step, backup)| self.backup(*step, backup)).collect();
        for (number, facts) in summary.plan.iter().enumerate().filter(|(_, f)| !f.verb.backs_up()) {
            let Some(end) = summary.end(number) else { continue };
            let Some(failure) = failure_of(end) else { continue };
            let text = ended(end, self.lang);
            let line = self.say("letter-step", &[("address", &facts.address), ("text", &text)]);
            blocks.push((end.verdict(), vec![line, self.advice(failure), self.look()]));
        }
        blocks.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
        let block = |(verdict, lines)| LetterBlock { color: color(verdict), lines };
        blocks.into_iter().map(block).collect()
    }

    /// Where to look further.
    fn look(&self) -> String {
        let log = self.told.log.map_or_else(|| "-".to_owned(), |log| log.display().to_string());
        self.say("letter-look", &[("run", &self.told.summary.id), ("log", &log)])
    }

    /// The lines of one backup: what it is of, how large it is, and every copy with its own failure.
    /// One that made nothing has lines too.
    fn backup(&self, step: usize, backup: &BackupSummary) -> (Verdict, Vec<String>) {
        let summary = self.told.summary;
        let facts = summary.plan.get(step);
        let source = facts.and_then(|f| f.chain.as_deref()).unwrap_or_default();
        let mut lines = Vec::new();
        match (&backup.artifact, &backup.dump) {
            (Some(artifact), _) => {
                lines.push(self.named(&artifact.units, source, &artifact.server));
                lines.push(self.say("letter-file", &[("name", &artifact.name)]));
                let (raw, bytes) =
                    (Size(artifact.raw).to_string(), Size(artifact.bytes).to_string());
                let rows = artifact.rows.to_string();
                lines.push(
                    self.say("letter-size", &[("raw", &raw), ("bytes", &bytes), ("rows", &rows)]),
                );
            }
            (None, Some(dump)) => {
                lines.push(self.named(&dump.units, source, &dump.server));
                lines.push(self.say("letter-file", &[("name", &dump.name)]));
            }
            (None, None) => lines.push(self.say("letter-source", &[("source", source)])),
        }
        let end = summary.end(step);
        let mut worst = end.map_or(Verdict::Success, StepEnd::verdict);
        if let Some(end) = end.filter(|end| !matches!(end, StepEnd::Done { .. })) {
            lines.push(self.say("letter-backup-failed", &[("text", &ended(end, self.lang))]));
            lines.extend(failure_of(end).map(|failure| self.advice(failure)));
            worst = worst.max(Verdict::Alert);
        }
        for copy in &backup.copies {
            lines.extend(self.copy(copy));
            worst = worst.max(copy.copy.verdict);
        }
        if worst > Verdict::Success {
            let last = self.told.last.get(source).map(|at| self.moment(*at));
            lines.push(match last {
                Some(moment) => self.say("letter-last", &[("moment", &moment)]),
                None => self.say("letter-last-none", &[]),
            });
            lines.push(self.look());
        }
        (worst, lines)
    }

    fn copy(&self, copy: &CopySummary) -> Vec<String> {
        let facts = &copy.copy;
        let proof = self.say(&format!("proof-{}", copy.proof_word()), &[]);
        let word = word(facts.verdict, self.lang);
        let parts = [
            ("word", word.as_str()),
            ("place", &facts.place),
            ("key", &facts.key),
            ("proof", &proof),
        ];
        let mut lines = vec![self.say("letter-copy", &parts)];
        if let Some(failure) = &facts.failure {
            lines.extend([self.reason(failure), self.advice(failure)]);
        }
        let damage = copy.proof.iter().filter(|p| !p.good).flat_map(|p| &p.damage);
        let quoted = damage.take(DAMAGE).map(|text| self.say("letter-why", &[("text", text)]));
        lines.extend(quoted);
        lines
    }

    fn named(&self, units: &[String], source: &str, server: &str) -> String {
        let units = units.join(", ");
        self.say("letter-artifact", &[("units", &units), ("source", source), ("server", server)])
    }

    fn steps(&self) -> Vec<String> {
        let line = |(address, text): (&str, String)| {
            self.say("letter-step", &[("address", address), ("text", &text)])
        };
        let steps = self.told.summary.steps.iter();
        steps.map(|s| line((&s.facts.address, ended(&s.end, self.lang)))).collect()
    }

    fn alerts(&self) -> Vec<String> {
        let alerts = self.told.summary.alerts.iter();
        alerts.map(|text| self.say("letter-alert", &[("text", text)])).collect()
    }
}

/// Why a step failed, if it did.
fn failure_of(end: &StepEnd) -> Option<&Failure> {
    match end {
        StepEnd::Failed { failure, .. } => Some(failure),
        StepEnd::Done { .. } | StepEnd::Skipped { .. } | StepEnd::Interrupted => None,
    }
}

/// Whether a browser opens it from a letter.
fn is_address(page: &str) -> bool {
    url::Url::parse(page).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Level;
    use crate::base::Id;
    use crate::record::{ArtifactFacts, CopyFacts, ProofFacts, StepFacts, Verb};
    use crate::report::StepSummary;

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
        let last = BTreeMap::from([("erp".to_owned(), moment)]);
        let log = Path::new("/logs/backup_script.log");
        let told = |summary| Told { summary, log: Some(log), last: &last, early: false };
        let letter = Letter::write(told(&summary), None, Lang::PtBr, &zone);
        assert_eq!(letter.subject, "Rotina de backup servidor02 20/07/2025 16:15:23");
        let own = "[{verdict}] {job} {host}, {date} {time} {who} {";
        let letter_of = |lang| Letter::write(told(&summary), Some(own), lang, &zone).subject;
        let rest = "nightly servidor02, 20/07/2025 16:15:23 {who} {";
        assert_eq!(letter_of(Lang::PtBr), format!("[Erro] {rest}"));
        assert_eq!(letter_of(Lang::En), format!("[Error] {rest}"));
        let odd = Summary { job: "{host}\r\nBcc: x".into(), ..summary.clone() };
        let subject = Letter::write(told(&odd), Some("{job}"), Lang::En, &zone).subject;
        assert_eq!(subject, "{host}  Bcc: x", "a value is no template and ends no header");
        insta::assert_snapshot!(letter.text, @r"
        Resultado: Erro (3)
        Rotina: nightly
        Execução: 20250720T201400Z-00000001
        Hostname: servidor02
        Data e hora de início: 20/07/2025 16:14:00
        Data e hora de conclusão: 20/07/2025 16:15:23
        Duração: 1 minuto 23 segundos
        Log: /logs/backup_script.log

        Banco de dados: shop, evil  Bcc: x@y (shop, 10.11)
        Arquivo: backup_20250720_161400.zip
        Tamanho: 3 GiB; tamanho do arquivo: 1 GiB; 7 linhas
        Status do upload: Sucesso - s3://cloud, k (lido e conferido)
        Status do upload: Erro - s3://far, k (sem cópia)
        Motivo: sem resposta (write k): 503
        O que fazer: Confira se o servidor está no ar e se este host o alcança; vex doctor testa.
        Último backup bom antes desta execução: nenhum conhecido
        Execução 20250720T201400Z-00000001; log: /logs/backup_script.log

        Fonte: erp
        Backup: Erro: sem resposta (write k): 503
        O que fazer: Confira se o servidor está no ar e se este host o alcança; vex doctor testa.
        Último backup bom antes desta execução: 20/07/2025 16:15:23
        Execução 20250720T201400Z-00000001; log: /logs/backup_script.log

        Etapas
        nightly/dump/shop: Sucesso
        nightly/physical/erp: Erro: sem resposta (write k): 503
        Atenção: mail is slow
        ");
        let english = Letter::write(told(&summary), None, Lang::En, &zone);
        insta::assert_snapshot!(english.text, @r"
        Result: Error (3)
        Job: nightly
        Run: 20250720T201400Z-00000001
        Host name: servidor02
        Started: 20/07/2025 16:14:00
        Finished: 20/07/2025 16:15:23
        Duration: 1 minute 23 seconds
        Log: /logs/backup_script.log

        Databases: shop, evil  Bcc: x@y (shop, 10.11)
        File: backup_20250720_161400.zip
        Size: 3 GiB; size of the file: 1 GiB; 7 rows
        Copy: Success - s3://cloud, k (read back and recounted)
        Copy: Error - s3://far, k (no copy)
        Reason: no answer (write k): 503
        What to do: Check that the server runs and that this host reaches it; vex doctor knocks.
        Last good backup before this run: none is known
        Run 20250720T201400Z-00000001; log: /logs/backup_script.log

        Source: erp
        Backup: Error: no answer (write k): 503
        What to do: Check that the server runs and that this host reaches it; vex doctor knocks.
        Last good backup before this run: 20/07/2025 16:15:23
        Run 20250720T201400Z-00000001; log: /logs/backup_script.log

        Steps
        nightly/dump/shop: Success
        nightly/physical/erp: Error: no answer (write k): 503
        Attention: mail is slow
        ");
    }
}
