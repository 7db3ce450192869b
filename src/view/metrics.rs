//! Numbers for a monitor: what a job and its sources stand at, as gauges of the OpenMetrics text
//! format, which node_exporter reads from a folder.
//!
//! Writes no file. Invariants: every name is in `METRICS`; a label can't end its value; what is
//! unknown has no line, so that no age is ever counted from zero.

use std::collections::BTreeMap;

use crate::catalog::{HeldCopy, ListedRun};
use crate::record::Verdict;
use crate::view::estate::Source;
use crate::view::format::{parse, seconds};
use crate::view::status::Standing;

/// Every metric: its name and what it is.
pub const METRICS: [(&str, &str); 18] = [
    ("vex_job_last_attempt_timestamp_seconds", "When the job was last asked to run."),
    (
        "vex_job_last_attempt_exit_code",
        "How that ended; 75 is refused by a lock, 78 an invalid file.",
    ),
    ("vex_job_last_run_timestamp_seconds", "When the last run began."),
    ("vex_job_last_run_duration_seconds", "How long the last run took."),
    ("vex_job_last_run_verdict", "How the last run ended: 1 Sucesso, 2 Alerta, 3 Erro."),
    (
        "vex_job_last_success_timestamp_seconds",
        "When the last run began that ended in Sucesso or Alerta.",
    ),
    ("vex_job_next_run_timestamp_seconds", "When the job is to run next."),
    ("vex_source_proven_timestamp_seconds", "When the newest proven backup began."),
    ("vex_source_age_limit_seconds", "How old the newest proven backup may be."),
    ("vex_source_overdue", "1 where somebody must look: late, missed or killed."),
    ("vex_source_bytes", "Bytes of the newest backup."),
    ("vex_source_raw_bytes", "Bytes of the newest backup before compression."),
    ("vex_source_rows", "Rows of the newest backup."),
    ("vex_source_drill_timestamp_seconds", "When a restore was last proven, or failed."),
    ("vex_source_drill_verdict", "How that ended: 1 Sucesso, 2 Alerta, 3 Erro."),
    ("vex_source_drill_restore_seconds", "How long that restore took."),
    ("vex_copy_timestamp_seconds", "When the backup of the newest copy in a store began."),
    ("vex_copy_bytes", "Bytes of the newest copy in a store."),
];

/// A label and its value.
type Label<'a> = (&'static str, &'a str);

/// Gauges, by their metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges(BTreeMap<&'static str, Vec<String>>);

/// A job of a file, on this machine.
#[derive(Debug, Clone, Copy)]
pub struct MeasuredJob<'a> {
    /// Its file.
    pub file: &'a str,
    /// Its name.
    pub job: &'a str,
}

impl<'a> MeasuredJob<'a> {
    fn labels(self) -> [Label<'a>; 2] {
        [("file", self.file), ("job", self.job)]
    }

    /// The attempt that is over.
    pub fn attempt(self, gauges: &mut Gauges, at: i64, code: u8) {
        gauges.set("vex_job_last_attempt_timestamp_seconds", &self.labels(), at);
        gauges.set("vex_job_last_attempt_exit_code", &self.labels(), i64::from(code));
    }

    /// Its newest runs, newest first, and when it is to run next.
    pub fn runs(self, gauges: &mut Gauges, runs: &[ListedRun], next: Option<i64>) {
        let labels = self.labels();
        let began = |run: &ListedRun| parse(&run.started).map(|at| at.as_second());
        if let Some(last) = runs.first() {
            gauges.know("vex_job_last_run_timestamp_seconds", &labels, began(last));
            let took = seconds(Some(&last.started), last.finished.as_deref());
            gauges.know("vex_job_last_run_duration_seconds", &labels, took);
            let ended = last.verdict.map(i64::from);
            gauges.know("vex_job_last_run_verdict", &labels, ended);
        }
        let good = |run: &&ListedRun| matches!(run.verdict, Some(1 | 2));
        let good = runs.iter().find(good).and_then(began);
        gauges.know("vex_job_last_success_timestamp_seconds", &labels, good);
        gauges.know("vex_job_next_run_timestamp_seconds", &labels, next);
    }

    /// One of its sources; `rows` are those of its newest backup.
    pub fn source(
        self,
        gauges: &mut Gauges,
        (source, standing): (&Source, &Standing),
        rows: Option<u64>,
    ) {
        let [file, job] = self.labels();
        let labels = [file, job, ("source", source.name.as_str())];
        let at = |text: &str| parse(text).map(|at| at.as_second());
        let proven = standing.proven.as_ref().and_then(|b| at(&b.started));
        gauges.know("vex_source_proven_timestamp_seconds", &labels, proven);
        gauges.know("vex_source_age_limit_seconds", &labels, standing.limit_seconds);
        gauges.set("vex_source_overdue", &labels, i64::from(standing.is_overdue()));
        if let Some((newest, _)) = source.newest.first() {
            let number = |bytes: u64| i64::try_from(bytes).ok();
            gauges.know("vex_source_bytes", &labels, number(newest.bytes));
            gauges.know("vex_source_raw_bytes", &labels, number(newest.raw_bytes));
            gauges.know("vex_source_rows", &labels, rows.and_then(number));
        }
        if let Some(drill) = &standing.drill {
            gauges.know("vex_source_drill_timestamp_seconds", &labels, at(&drill.at));
            let ended = drill.verdict.map(Verdict::code).map(i64::from);
            gauges.know("vex_source_drill_verdict", &labels, ended);
            gauges.know("vex_source_drill_restore_seconds", &labels, drill.rto_seconds);
        }
        self.copies(gauges, source);
    }

    /// The newest copy in every store.
    fn copies(self, gauges: &mut Gauges, source: &Source) {
        let mut newest: BTreeMap<&str, (i64, &HeldCopy)> = BTreeMap::new();
        for (backup, copies) in &source.newest {
            let Some(at) = parse(&backup.started).map(|at| at.as_second()) else { continue };
            for copy in copies.iter().filter(|copy| copy.is_there()) {
                newest.entry(&copy.store).or_insert((at, copy));
            }
        }
        let [file, job] = self.labels();
        for (store, (at, copy)) in newest {
            let labels = [file, job, ("source", source.name.as_str()), ("store", store)];
            gauges.set("vex_copy_timestamp_seconds", &labels, at);
            gauges.know("vex_copy_bytes", &labels, i64::try_from(copy.bytes).ok());
        }
    }
}

impl Gauges {
    fn know(&mut self, name: &'static str, labels: &[Label<'_>], value: Option<i64>) {
        if let Some(value) = value {
            self.set(name, labels, value);
        }
    }

    fn set(&mut self, name: &'static str, labels: &[Label<'_>], value: i64) {
        let labels: Vec<String> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let line = format!("{name}{{{}}} {value}", labels.join(","));
        self.0.entry(name).or_default().push(line);
    }

    /// The text; of an earlier one the metrics that these don't have.
    pub fn write(&self, earlier: Option<&str>) -> String {
        let mut text = String::new();
        for (name, help) in METRICS {
            let own = self.0.get(name);
            let is_own = |line: &&str| line.split_once('{').is_some_and(|(first, _)| first == name);
            let earlier = earlier.filter(|_| own.is_none()).into_iter().flat_map(str::lines);
            let kept = earlier.filter(is_own).map(str::to_owned);
            let lines: Vec<String> = own.into_iter().flatten().cloned().chain(kept).collect();
            if !lines.is_empty() {
                let lines = lines.join("\n");
                text += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n{lines}\n");
            }
        }
        text + "# EOF\n"
    }
}

/// A value of a label, as the format writes it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_ends_no_line_and_what_is_not_known_stays_as_it_was() {
        let job = MeasuredJob { file: "/a\"b\\c\nd", job: "j" };
        let mut gauges = Gauges::default();
        job.attempt(&mut gauges, 7, 1);
        job.runs(&mut gauges, &[], Some(9));
        let first = gauges.write(None);
        assert_eq!(first.lines().filter(|l| !l.starts_with('#')).count(), 3, "{first}");
        assert!(first.contains(r#"exit_code{file="/a\"b\\c\nd",job="j"} 1"#), "{first}");
        let mut later = Gauges::default();
        job.attempt(&mut later, 8, 75);
        let second = later.write(Some(&first));
        assert!(second.contains("exit_code{file=\"/a\\\"b\\\\c\\nd\",job=\"j\"} 75"), "{second}");
        assert!(second.contains("next_run_timestamp_seconds{") && second.ends_with("# EOF\n"));
        assert_eq!(second.matches("exit_code{").count(), 1);
    }

    #[test]
    fn dashboard_and_alerts_name_metrics_that_are_written() {
        let own: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();
        let texts = [
            include_str!("../../templates/monitoring/grafana.json"),
            include_str!("../../templates/monitoring/alerts.yml"),
        ];
        for text in texts {
            let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let words = text.split(|c| !part(c)).filter(|word| word.starts_with("vex_"));
            let unknown: Vec<&str> = words.filter(|word| !own.contains(word)).collect();
            assert_eq!(unknown, [""; 0]);
        }
        let json: serde_json::Value = serde_json::from_str(texts[0]).expect("JSON");
        assert!(json["panels"].as_array().is_some_and(|panels| panels.len() >= 4));
    }
}
