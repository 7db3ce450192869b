//! One run: its steps as a waterfall, what each did beside what it usually takes, and its log.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalog::{HeldCopy, ListedBackup, ListedRun, ListedStep, LogLine, RunsQuery, Totals};
use crate::view::address::{Address, Base};
use crate::view::format::{NONE, class, parse, seconds, short, shorten, size, word};
use crate::view::frame::{Column, PAGE, Pager, Tab, Viewer};
use crate::view::jobs::JobLine;
use crate::view::lanes::{Lanes, Timed, lanes};
use crate::view::list::tabs;
use crate::view::log::{Log, log};
use crate::view::seek::sought;
use crate::view::svg::median;

/// A class of lanes and its name.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// The class.
    pub k: &'static str,
    /// The name.
    pub label: String,
}

/// What a step did.
#[derive(Debug, Clone, Serialize)]
pub struct StepRow {
    /// Its address without the job.
    pub name: String,
    /// When it began.
    pub started: String,
    /// How long it took.
    pub duration: String,
    /// How far that is from what it usually takes.
    pub difference: String,
    /// What it did, or why not.
    pub info: String,
}

/// The page of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunPage {
    /// The title.
    pub title: String,
    /// The job.
    pub job: String,
    /// The heading.
    pub heading: String,
    /// The class of its verdict.
    pub k: &'static str,
    /// The word of that.
    pub word: String,
    /// How long, how many sources, how much.
    pub summary: String,
    /// Its identity.
    pub id: String,
    /// The machine.
    pub host: String,
    /// The schedule of its job; empty where it has none.
    pub schedule: String,
    /// Where it is asked to run again; empty where that can't be.
    pub ask: String,
    /// The waterfall.
    pub lanes: Lanes,
    /// Its classes.
    pub key: Vec<Key>,
    /// What each step did.
    pub steps: Vec<StepRow>,
    /// The log.
    pub log: Log,
}

/// What a page of a run is made of.
pub struct RunParts<'a> {
    /// The run.
    pub run: &'a ListedRun,
    /// Its steps.
    pub steps: &'a [ListedStep],
    /// Its backups.
    pub backups: &'a [ListedBackup],
    /// Their copies.
    pub copies: &'a [HeldCopy],
    /// Its log.
    pub lines: &'a [LogLine],
    /// Address, beginning and end of the steps of earlier runs.
    pub earlier: &'a [(String, String, String)],
    /// The schedule of its job.
    pub schedule: &'a str,
    /// Where it is asked to run again; empty where that can't be.
    pub ask: String,
}

/// The verdict of a run as shown: class and word.
fn shown_verdict(viewer: &Viewer, run: &ListedRun) -> (&'static str, String) {
    match run.verdict {
        Some(verdict) => (class(verdict), word(viewer.lang(), verdict)),
        None => ("run", viewer.say("running", &[])),
    }
}

/// The page of a run.
pub fn run(viewer: &Viewer, parts: &RunParts<'_>) -> RunPage {
    let run = parts.run;
    let (k, word) = shown_verdict(viewer, run);
    let at = parse(&run.started).unwrap_or(viewer.now);
    let none = Lanes { about: String::new(), ticks: Vec::new(), groups: Vec::new() };
    let lines: Vec<&LogLine> = parts.lines.iter().collect();
    let key = |(k, key): (&'static str, &str)| Key { k, label: viewer.say(key, &[]) };
    RunPage {
        title: viewer.say("run-title", &[("job", &run.job), ("day", &viewer.reader.day(at))]),
        job: run.job.clone(),
        heading: viewer
            .say("run-heading", &[("job", &run.job), ("moment", &viewer.reader.moment(at))]),
        k,
        word,
        summary: summary(viewer, parts),
        id: run.id.clone(),
        host: run.host.clone(),
        schedule: parts.schedule.to_owned(),
        ask: parts.ask.clone(),
        lanes: lanes(viewer, &groups(parts), viewer.say("steps-about", &[])).unwrap_or(none),
        key: [
            ("g-read", "key-read"),
            ("g-send", "key-send"),
            ("g-proof", "key-proof"),
            ("g-keep", "key-keep"),
            ("g-er", "key-fail"),
        ]
        .map(key)
        .into(),
        steps: steps(viewer, parts),
        log: log(viewer, &lines, Some(run), "log"),
    }
}

fn summary(viewer: &Viewer, parts: &RunParts<'_>) -> String {
    let run = parts.run;
    let mut sources: Vec<&str> = parts.steps.iter().map(|s| s.source.as_str()).collect();
    sources.retain(|s| !s.is_empty());
    sources.sort_unstable();
    sources.dedup();
    let sources = viewer.lang().count("sources-count", sources.len(), &[]);
    let end = run.finished.clone().unwrap_or_else(|| viewer.now.to_string());
    let took = viewer.reader.spell(seconds(Some(&run.started), Some(&end)).unwrap_or(0));
    let read = size(parts.backups.iter().map(|b| b.raw_bytes).sum());
    let written = size(parts.copies.iter().filter(|c| c.message.is_empty()).map(|c| c.bytes).sum());
    let key = if run.finished.is_some() { "run-summary" } else { "run-summary-live" };
    viewer.say(
        key,
        &[("duration", &took), ("sources", &sources), ("read", &read), ("written", &written)],
    )
}

/// The steps by their source, in order; what has none stands under its own address.
fn groups(parts: &RunParts<'_>) -> Vec<(String, Vec<Timed>)> {
    let mut groups: Vec<(String, Vec<Timed>)> = Vec::new();
    for step in parts.steps {
        let name = match (step.chain.as_str(), step.source.as_str()) {
            ("", "") => step.address.clone(),
            ("", source) => source.to_owned(),
            (chain, _) => chain.to_owned(),
        };
        let empty = ListedBackup::default();
        let backup = parts.backups.iter().find(|b| b.chain == step.chain).unwrap_or(&empty);
        let mut timed: Vec<Timed> = Timed::of_step(step, backup).into_iter().collect();
        if matches!(step.verb.as_str(), "dump" | "physical" | "rman") {
            timed.extend(parts.copies.iter().filter(|c| c.chain == step.chain).map(Timed::of_copy));
        }
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, steps)) => steps.extend(timed),
            None => groups.push((name, timed)),
        }
    }
    groups
}

fn steps(viewer: &Viewer, parts: &RunParts<'_>) -> Vec<StepRow> {
    let mut usual: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (address, from, to) in parts.earlier {
        if let Some(took) = seconds(Some(from), Some(to)) {
            usual.entry(address).or_default().push(took as f64);
        }
    }
    let row = |step: &ListedStep| {
        let took = seconds(step.started.as_deref(), step.finished.as_deref());
        let middle = usual.get(step.address.as_str()).and_then(|times| median(times));
        let difference = match (took, middle) {
            (Some(took), Some(middle)) if middle >= 1.0 && step.state == "done" => {
                let percent = (took as f64 / middle - 1.0) * 100.0;
                format!("{percent:+.0} %")
                    .replace('-', "−")
                    .replace("+0 %", "0 %")
                    .replace("−0 %", "0 %")
            }
            _ => NONE.to_owned(),
        };
        let prefix = format!("{}/", parts.run.job);
        StepRow {
            name: step.address.strip_prefix(&prefix).unwrap_or(&step.address).to_owned(),
            started: step
                .started
                .as_deref()
                .and_then(parse)
                .map_or_else(|| NONE.to_owned(), |at| viewer.reader.clock(at)),
            duration: took.map_or_else(|| NONE.to_owned(), short),
            difference,
            info: info(viewer, parts, step),
        }
    };
    parts.steps.iter().map(row).collect()
}

/// What a step did: the last thing it said, for a dump what it read.
fn info(viewer: &Viewer, parts: &RunParts<'_>, step: &ListedStep) -> String {
    if !step.message.is_empty() {
        return shorten(&step.message);
    }
    let backup = parts.backups.iter().find(|b| b.chain == step.chain);
    if let Some(b) = backup.filter(|b| step.verb == "dump" && b.raw_bytes > 0) {
        let copies =
            parts.copies.iter().filter(|c| c.chain == step.chain && c.message.is_empty()).count();
        let copies = viewer.lang().count("copies-count", copies, &[]);
        return format!("{}, {copies}", size(b.raw_bytes));
    }
    let last = parts
        .lines
        .iter()
        .rev()
        .filter(|l| l.step == Some(step.number))
        .map(|l| l.text.as_str())
        // The last line of a step that ended is its verdict.
        .nth(usize::from(step.finished.is_some()));
    match last {
        Some(text) => shorten(text),
        None => match step.verdict {
            Some(verdict) => word(viewer.lang(), verdict),
            None => viewer.say("step-waits", &[]),
        },
    }
}

/// A run as a row.
#[derive(Debug, Clone, Serialize)]
pub struct RunRow {
    /// The job.
    pub job: String,
    /// Its identity.
    pub id: String,
    /// The class of its verdict.
    pub k: &'static str,
    /// The word of that.
    pub word: String,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// How long it took.
    pub duration: String,
    /// Its page; empty where it has none.
    pub href: String,
    /// What that leads to.
    pub about: String,
}

/// The list of runs.
#[derive(Debug, Clone, Serialize)]
pub struct Runs {
    /// Its tabs.
    pub tabs: Vec<Tab>,
    /// What is searched.
    pub q: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<RunRow>,
    /// Its foot.
    pub pager: Pager,
    /// The jobs that files declare.
    pub jobs: Vec<JobLine>,
    /// Whether `--due` is called.
    pub due: String,
}

/// What is asked of the list of runs.
pub fn runs_query(viewer: &Viewer, q: &str, page: u64) -> RunsQuery {
    RunsQuery {
        words: sought(viewer, q),
        offset: (page.max(1) - 1).saturating_mul(PAGE).min(1 << 40),
        limit: PAGE,
    }
}

/// A page of the list of runs; `found` match.
pub fn runs(
    viewer: &Viewer,
    (q, page): (&str, u64),
    (found, total): (&[ListedRun], u64),
    totals: &Totals,
    linked: &dyn Fn(&ListedRun) -> bool,
) -> Runs {
    let row = |run: &ListedRun| {
        let (k, word) = shown_verdict(viewer, run);
        let took = seconds(Some(&run.started), run.finished.as_deref());
        RunRow {
            job: run.job.clone(),
            id: run.id.clone(),
            k,
            word,
            host: run.host.clone(),
            started: viewer.reader.moment_of(Some(&run.started)),
            finished: viewer.reader.moment_of(run.finished.as_deref()),
            duration: took.map_or_else(|| NONE.to_owned(), short),
            href: match linked(run) {
                true => viewer.to(&Address::Run(run.id.clone())),
                false => String::new(),
            },
            about: viewer.say("see-run", &[("n", &run.id)]),
        }
    };
    let heads = ["job", "column-status", "host", "column-start", "column-end", "duration"];
    let mut columns: Vec<Column> = heads
        .iter()
        .map(|key| Column {
            label: viewer.say(key, &[]),
            class: if *key == "duration" { "num0" } else { "" },
            sort: true,
            ..Column::default()
        })
        .collect();
    columns.push(Column { label: viewer.say("action", &[]), hidden: true, ..Column::default() });
    let to = |page: u64| {
        if viewer.base != Base::Server {
            return String::new();
        }
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        if !q.is_empty() {
            form.append_pair("q", q);
        }
        form.append_pair("pagina", &page.to_string());
        format!("{}?{}", viewer.to(&Address::Runs), form.finish())
    };
    Runs {
        tabs: tabs(viewer, totals, None),
        q: q.to_owned(),
        columns,
        rows: found.iter().map(row).collect(),
        pager: Pager::new(viewer, "runs-word", (total, total), page, &to),
        jobs: Vec::new(),
        due: String::new(),
    }
}
