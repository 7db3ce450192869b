//! The sheet of evidence (S156): scope and policy, what ran in the period, restore drills, what is
//! still open, and a digest of it all.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::catalog::{Drill, Estate, ListedBackup};
use crate::view::dashboard::tabs;
use crate::view::estate::{Source, since};
use crate::view::format::{NONE, age, class, limit, number, parse, short, word};
use crate::view::frame::{Tab, Viewer};
use crate::view::todo::reasons;

/// What is to be backed up, how often, and what is kept.
#[derive(Debug, Clone, Serialize)]
pub struct Scope {
    /// The source.
    pub source: String,
    /// How often.
    pub frequency: String,
    /// How old a copy may be.
    pub within: String,
    /// What is kept.
    pub keep: String,
    /// Where.
    pub places: String,
    /// How it is sealed.
    pub sealed: String,
}

/// What ran in the period.
#[derive(Debug, Clone, Serialize)]
pub struct Execution {
    /// The source.
    pub source: String,
    /// How often it was due.
    pub planned: String,
    /// Sucesso.
    pub ok: usize,
    /// Alerta.
    pub alert: usize,
    /// Erro.
    pub error: usize,
    /// How often it did not run.
    pub missed: String,
    /// The longest time without a proven copy.
    pub gap: String,
    /// Whether that time still runs, beyond its limit.
    pub open: bool,
}

/// A restore drill.
#[derive(Debug, Clone, Serialize)]
pub struct DrillRow {
    /// Its day.
    pub day: String,
    /// The source.
    pub source: String,
    /// The backup.
    pub backup: String,
    /// What it was restored into.
    pub target: String,
    /// The store.
    pub place: String,
    /// The class of its verdict.
    pub k: &'static str,
    /// The word of that.
    pub word: String,
    /// Tables compared.
    pub tables: String,
    /// Rows compared.
    pub rows: String,
    /// How long it took.
    pub rto: String,
    /// What was corrected, or why it failed.
    pub correction: String,
}

/// What is still open.
#[derive(Debug, Clone, Serialize)]
pub struct Open {
    /// `er` or `al`.
    pub k: &'static str,
    /// Its shape.
    pub icon: &'static str,
    /// What.
    pub title: String,
    /// Why, and who takes care.
    pub text: String,
}

/// The sheet.
#[derive(Debug, Clone, Serialize)]
pub struct Sheet {
    /// Its tabs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tabs: Vec<Tab>,
    /// Of which time.
    pub about: String,
    /// The record for programs; empty where it has no address.
    pub json: String,
    /// The statement.
    pub claim: String,
    /// When, by whom.
    pub issued: String,
    /// Scope and policy.
    pub scope: Vec<Scope>,
    /// How many backups.
    pub backups: String,
    /// What ran.
    pub execution: Vec<Execution>,
    /// Drills.
    pub drills: Vec<DrillRow>,
    /// What is open.
    pub open: Vec<Open>,
    /// The digest of the record.
    pub digest: String,
}

/// The sheet of an estate; `json` is the address of its record.
pub fn sheet(viewer: &Viewer, estate: &Estate, sources: &[Source], json: &str) -> Sheet {
    let from = since(viewer.now, &viewer.reader.zone);
    let (first, last) = (viewer.reader.day(from), viewer.reader.day(viewer.now));
    let who = if viewer.who.is_empty() { "vex report" } else { &viewer.who };
    let ended = estate.recent.iter().filter(|b| b.verdict.is_some()).count();
    let mut sheet = Sheet {
        tabs: Vec::new(),
        about: viewer.say("drills-about", &[("from", &first), ("to", &last)]),
        json: String::new(),
        claim: claim(viewer, sources),
        issued: viewer.say(
            "issued-text",
            &[
                ("moment", &viewer.reader.moment(viewer.now)),
                ("who", who),
                ("version", env!("CARGO_PKG_VERSION")),
                ("host", &viewer.host),
            ],
        ),
        scope: sources.iter().map(|s| scope(viewer, s)).collect(),
        backups: format!("{ended} {}", viewer.say("backups-word", &[])),
        execution: sources.iter().map(|s| execution(viewer, s)).collect(),
        drills: estate.drills.iter().take(60).map(|d| drill(viewer, estate, d)).collect(),
        open: open(viewer, estate, sources),
        digest: String::new(),
    };
    sheet.digest = digest(&record(&sheet));
    sheet.tabs = tabs(viewer, sources.len(), "tab-drills");
    sheet.json = json.to_owned();
    sheet
}

/// The record of a sheet as canonical JSON: sorted names, no blanks, without its own digest.
pub fn record(sheet: &Sheet) -> String {
    let mut value = serde_json::to_value(sheet).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        for name in ["digest", "json", "tabs"] {
            fields.remove(name);
        }
    }
    // serde_json keeps objects sorted by name.
    value.to_string()
}

/// The record with its digest, as it is handed out: `vex verify --evidence` checks the one against
/// the other.
pub fn evidence(sheet: &Sheet) -> String {
    let record = record(sheet);
    format!("{{\"digest\":\"{}\",\"record\":{record}}}\n", digest(&record))
}

/// The digest of a record.
pub fn digest(record: &str) -> String {
    Sha256::digest(record.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn claim(viewer: &Viewer, sources: &[Source]) -> String {
    let overdue = sources.iter().filter(|s| s.drill_overdue(viewer.now).is_some()).count();
    let never = sources.iter().filter(|s| s.drill.is_none()).count();
    let good = sources.len() - overdue - never;
    let parts = [("good", good), ("all", sources.len()), ("overdue", overdue), ("never", never)];
    let parts = parts.map(|(name, n)| (name, n.to_string()));
    let parts: Vec<(&str, &str)> = parts.iter().map(|(name, n)| (*name, n.as_str())).collect();
    viewer.say("claim-text", &parts)
}

fn scope(viewer: &Viewer, source: &Source) -> Scope {
    let stores = source.stores();
    let joined =
        |parts: Vec<String>| if parts.is_empty() { NONE.to_owned() } else { parts.join("; ") };
    let keeps = stores.iter().filter(|s| !s.keep.is_empty());
    Scope {
        source: source.name.clone(),
        frequency: source
            .schedule
            .as_ref()
            .map_or_else(|| NONE.to_owned(), |(s, _)| s.text().to_owned()),
        within: source.limit.map_or_else(|| NONE.to_owned(), limit),
        keep: joined(keeps.map(|s| format!("{}: {}", s.store, s.keep)).collect()),
        places: joined(stores.iter().map(|s| s.store.clone()).collect()),
        sealed: match source.declared.as_ref().map(|d| d.sealed) {
            Some(true) => "AES-256".to_owned(),
            Some(false) => viewer.say("sealed-no", &[]),
            None => NONE.to_owned(),
        },
    }
}

fn execution(viewer: &Viewer, source: &Source) -> Execution {
    let zone = &viewer.reader.zone;
    let from = since(viewer.now, zone);
    let planned = source.planned(from, viewer.now);
    let count = |verdict: u8| source.recent.iter().filter(|b| b.verdict == Some(verdict)).count();
    let next = planned.last().and_then(|last| {
        let (schedule, zone) = source.schedule.as_ref()?;
        schedule.next(*last, zone)
    });
    let ends = planned.iter().skip(1).copied().chain([next.unwrap_or(viewer.now)]);
    let spans = planned.iter().copied().zip(ends);
    let missed = spans.filter(|span| was_missed(source, *span, viewer)).count();
    let (gap, open) = gap(viewer, source);
    let known = !planned.is_empty();
    Execution {
        source: source.name.clone(),
        planned: if known { planned.len().to_string() } else { NONE.to_owned() },
        ok: count(1),
        alert: count(2),
        error: count(3),
        missed: if known { missed.to_string() } else { NONE.to_owned() },
        gap,
        open,
    }
}

/// Whether nothing of a source began between a planned moment and the next one.
fn was_missed(
    source: &Source,
    (at, until): (jiff::Timestamp, jiff::Timestamp),
    viewer: &Viewer,
) -> bool {
    let born = source.newest.iter().map(|(b, _)| b).chain(&source.recent);
    let is_born = born.filter_map(|b| parse(&b.started)).any(|began| began <= at);
    let began =
        |b: &ListedBackup| parse(&b.started).is_some_and(|began| at <= began && began < until);
    is_born && until <= viewer.now && !source.recent.iter().any(began)
}

/// The longest time between two proven copies of the period, the last one and now included.
fn gap(viewer: &Viewer, source: &Source) -> (String, bool) {
    let mut proven: Vec<jiff::Timestamp> = source
        .newest
        .iter()
        .filter(|(_, copies)| copies.iter().any(|c| source.counts(c)))
        .filter_map(|(b, _)| parse(&b.started))
        .collect();
    proven.sort_unstable();
    let Some(last) = proven.last().copied() else { return (NONE.to_owned(), true) };
    let open = viewer.now.duration_since(last).as_secs();
    let closed = proven.windows(2).map(|w| w[1].duration_since(w[0]).as_secs()).max().unwrap_or(0);
    let late = source.is_late();
    match open >= closed || late {
        true if late => (viewer.say("gap-open", &[("age", &age(open))]), true),
        true => (age(open), false),
        false => (age(closed), false),
    }
}

fn drill(viewer: &Viewer, estate: &Estate, drill: &Drill) -> DrillRow {
    let correction = estate
        .remarks
        .iter()
        .find(|r| r.kind == "correction" && r.drill == drill.id)
        .map(|r| r.body.clone())
        .or_else(|| (!drill.message.is_empty()).then(|| drill.message.clone()));
    let count = |n: Option<u64>| n.filter(|n| *n > 0).map_or_else(|| NONE.to_owned(), number);
    DrillRow {
        day: parse(&drill.at).map(|at| viewer.reader.day(at)).unwrap_or_default(),
        source: drill.source.clone(),
        backup: drill.backup.clone(),
        target: drill.target.clone(),
        place: viewer.say("target-from", &[("store", &drill.store)]),
        k: class(drill.verdict),
        word: word(viewer.lang(), drill.verdict),
        tables: count(drill.tables),
        rows: count(drill.rows),
        rto: drill.rto.map_or_else(|| NONE.to_owned(), short),
        correction: correction.unwrap_or_else(|| NONE.to_owned()),
    }
}

/// What is open: exceptions that somebody wrote down with an owner, then what the catalog shows.
fn open(viewer: &Viewer, estate: &Estate, sources: &[Source]) -> Vec<Open> {
    let written = estate.remarks.iter().filter(|r| r.open && r.kind == "exception").map(|r| Open {
        k: "al",
        icon: "al",
        title: format!("{}: {}", r.source, r.body),
        text: if r.owner.is_empty() { r.who.clone() } else { r.owner.clone() },
    });
    let seen = reasons(viewer, sources).into_iter().map(|r| Open {
        k: r.k,
        icon: r.icon,
        title: r.title,
        text: r.text,
    });
    written.chain(seen).take(8).collect()
}
