//! One backup: what was read, where it is, what went wrong, what each step took, and how it is
//! restored.

use serde::Serialize;

use crate::catalog::{HeldCopy, ListedBackup, ListedRun, ListedStep, LogLine};
use crate::view::address::Address;
use crate::view::estate::Source;
use crate::view::format::{NONE, age, class, parse, seconds, short, shorten, size, word};
use crate::view::frame::Viewer;
use crate::view::lanes::{Lanes, Timed, lanes};
use crate::view::live::{Live, live, progress};
use crate::view::log::{Log, log};

/// A label and what stands beside it.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// The label.
    pub label: String,
    /// What stands beside it.
    pub text: String,
    /// The class of a verdict; empty for plain text.
    pub k: &'static str,
    /// Whether it is text of a machine.
    pub mono: bool,
}

/// A copy as a row.
#[derive(Debug, Clone, Serialize)]
pub struct Copy {
    /// The store.
    pub store: String,
    /// Whether its failure is only an Alerta.
    pub optional: bool,
    /// Where it is.
    pub place: String,
    /// Bytes of the container.
    pub size: String,
    /// How long sending took.
    pub duration: String,
    /// 0 no copy, 1 written, 2 read, 3 restored.
    pub level: u8,
    /// The word of that.
    pub proof: String,
    /// When it was proven.
    pub proven: String,
    /// The class of its verdict.
    pub k: &'static str,
    /// The word of that.
    pub word: String,
    /// Its own failure, or when it was removed.
    pub text: String,
}

/// What is to be said first.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// `al` or `er`.
    pub k: &'static str,
    /// What happened.
    pub title: String,
    /// What it means for restoring.
    pub text: String,
}

/// The page of a backup.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    /// Its number.
    pub number: i64,
    /// Its source.
    pub source: String,
    /// When it began.
    pub started: String,
    /// The page of its run; empty where it has none.
    pub run_href: String,
    /// Its run.
    pub run_text: String,
    /// Its job and the version of the server.
    pub job_text: String,
    /// How far it is, while it runs.
    pub live: Option<Live>,
    /// What is to be said first.
    pub note: Option<Note>,
    /// The card of the backup.
    pub left: Vec<Fact>,
    /// Where its first copy is.
    pub place: String,
    /// The card of the upload.
    pub right: Vec<Fact>,
    /// The log, where something went wrong.
    pub errors: Option<Log>,
    /// Its copies.
    pub copies: Vec<Copy>,
    /// What each step took.
    pub lanes: Option<Lanes>,
    /// The command that restores it.
    pub restore: String,
    /// Where a drill of it is asked for; empty where it can't be.
    pub drill: String,
}

/// What a page of a backup is made of.
pub struct Parts<'a> {
    /// The backup.
    pub backup: &'a ListedBackup,
    /// Its copies.
    pub copies: &'a [HeldCopy],
    /// Its run.
    pub run: Option<&'a ListedRun>,
    /// The steps of its run.
    pub steps: &'a [ListedStep],
    /// The log of its run.
    pub lines: &'a [LogLine],
    /// Its source, as overviews know it.
    pub source: Option<&'a Source>,
}

/// The page of a backup.
pub fn details(viewer: &Viewer, parts: &Parts<'_>) -> Details {
    let b = parts.backup;
    let shown: Vec<Copy> = parts.copies.iter().map(|c| copy(viewer, parts, c)).collect();
    let running = b.verdict.is_none();
    let moved = parts.run.filter(|_| running).map(progress).unwrap_or_default();
    let counters = moved.values().max_by_key(|p| p.raw);
    let job_key = if b.server.is_empty() { "job-text-short" } else { "job-text" };
    let own: Vec<&ListedStep> = parts.steps.iter().filter(|s| s.chain == b.chain).collect();
    let numbers: Vec<i64> = own.iter().map(|s| s.number).collect();
    let of_own = |l: &&LogLine| l.step.is_none_or(|step| numbers.contains(&step));
    let lines: Vec<&LogLine> = parts.lines.iter().filter(of_own).collect();
    let failed = b.verdict.is_some_and(|v| v > 1) || b.upload.is_some_and(|v| v > 1);
    let first = parts.copies.iter().find(|c| c.is_there()).or(parts.copies.first());
    Details {
        number: b.number,
        source: b.chain.clone(),
        started: viewer.reader.moment_of(Some(&b.started)),
        run_href: parts.run.map(|r| viewer.to(&Address::Run(r.id.clone()))).unwrap_or_default(),
        run_text: viewer.say("run-text", &[("run", &b.id)]),
        job_text: viewer.say(job_key, &[("job", &b.job), ("server", &b.server)]),
        live: running.then(|| live(viewer, &b.chain, &b.started, counters, String::new())),
        note: note(viewer, parts),
        left: left(viewer, b, counters.map(|p| p.raw)),
        place: first.map(|c| format!("{}, {}", c.store, c.place)).unwrap_or_default(),
        right: right(viewer, b, first),
        errors: (failed && !lines.is_empty()).then(|| {
            let mut shown = log(viewer, &lines, parts.run, "err");
            shown.title = viewer.say("errors-title", &[]);
            shown.name = viewer.say("log-name-backup", &[]);
            shown.only = shown.alerts > 0;
            shown
        }),
        lanes: of_steps(viewer, parts, &own),
        restore: restore(b, parts.copies),
        copies: shown,
        drill: String::new(),
    }
}

fn fact(viewer: &Viewer, key: &str, text: String) -> Fact {
    let text = if text.is_empty() { NONE.to_owned() } else { text };
    Fact { label: viewer.say(key, &[]), text, k: "", mono: false }
}

fn verdict(viewer: &Viewer, key: &str, verdict: Option<u8>, running: bool) -> Fact {
    let (k, text) = match verdict {
        Some(verdict) => (class(verdict), word(viewer.lang(), verdict)),
        None if running => ("run", viewer.say("running", &[])),
        None => ("", NONE.to_owned()),
    };
    Fact { label: viewer.say(key, &[]), text, k, mono: false }
}

fn lasted(viewer: &Viewer, from: Option<&str>, to: Option<&str>) -> String {
    seconds(from, to).map_or_else(|| NONE.to_owned(), |s| viewer.reader.spell(s))
}

/// The card of the backup: S119, left.
fn left(viewer: &Viewer, b: &ListedBackup, moved: Option<u64>) -> Vec<Fact> {
    let units = if b.units.is_empty() { b.source.clone() } else { b.units.replace(',', ", ") };
    let read = match moved {
        Some(raw) => viewer.say("live-so-far", &[("size", &size(raw))]),
        None => size(b.raw_bytes),
    };
    let finished = b.finished.as_deref();
    vec![
        fact(viewer, "fact-host", b.host.clone()),
        fact(viewer, "fact-database", units),
        fact(viewer, "fact-size", read),
        fact(viewer, "fact-start", viewer.reader.moment_of(Some(&b.started))),
        fact(viewer, "fact-end", viewer.reader.moment_of(finished)),
        fact(viewer, "fact-duration", lasted(viewer, Some(&b.started), finished)),
        verdict(viewer, "fact-status", b.verdict, true),
    ]
}

/// The card of the upload: S119, right. It is of the first copy that exists.
fn right(viewer: &Viewer, b: &ListedBackup, copy: Option<&HeldCopy>) -> Vec<Fact> {
    let mono = |fact: Fact| Fact { mono: true, ..fact };
    let started = copy.map(|c| c.started.as_str());
    let finished = copy.and_then(|c| c.finished.as_deref());
    let bucket = copy.map(|c| c.bucket.clone()).unwrap_or_default();
    vec![
        mono(fact(viewer, "fact-file", b.name.clone())),
        fact(viewer, "fact-file-size", size(copy.map_or(b.bytes, |c| c.bytes))),
        mono(fact(viewer, "fact-path", copy.map(|c| c.key.clone()).unwrap_or_default())),
        fact(viewer, "fact-bucket", bucket),
        fact(viewer, "fact-start", viewer.reader.moment_of(started)),
        fact(viewer, "fact-end", viewer.reader.moment_of(finished)),
        fact(viewer, "fact-duration", lasted(viewer, started, finished)),
        verdict(viewer, "fact-upload", b.upload, b.verdict.is_none()),
    ]
}

/// How deep a copy was proven, and the word of that.
pub fn proof(viewer: &Viewer, copy: &HeldCopy) -> (u8, String) {
    let (level, key) = if !copy.damage.is_empty() {
        (0, "proof-short-bad")
    } else if !copy.is_there() {
        (0, "proof-short-none")
    } else {
        match copy.level.as_str() {
            "restored" => (3, "proof-short-restored"),
            "validated" => (2, "proof-short-validated"),
            "read" => (2, "proof-short-read"),
            "hashed" => (1, "proof-short-hashed"),
            _ => (1, "proof-short-written"),
        }
    };
    (level, viewer.say(key, &[]))
}

fn copy(viewer: &Viewer, parts: &Parts<'_>, c: &HeldCopy) -> Copy {
    let (level, proof) = proof(viewer, c);
    let stores = parts.source.map(Source::stores).unwrap_or_default();
    let text = match (&c.removed, c.message.is_empty(), c.damage.is_empty()) {
        (_, false, _) => shorten(&c.message),
        (_, true, false) => shorten(&c.damage),
        (Some(at), true, true) => {
            viewer.say("copy-removed", &[("moment", &viewer.reader.moment_of(Some(at)))])
        }
        (None, true, true) => String::new(),
    };
    let folder = c.key.rsplit_once('/').map_or("", |(folder, _)| folder);
    let took = seconds(Some(&c.started), c.finished.as_deref());
    let bad = if c.damage.is_empty() { c.verdict } else { 3 };
    Copy {
        optional: stores.iter().any(|s| s.store == c.store && s.optional),
        store: c.store.clone(),
        place: format!("{} {folder}", c.place).trim_end().to_owned(),
        size: if c.message.is_empty() { size(c.bytes) } else { NONE.to_owned() },
        duration: took.map_or_else(|| NONE.to_owned(), short),
        level,
        proof,
        proven: match &c.proven {
            Some(at) => viewer.reader.moment_of(Some(at)),
            None => String::new(),
        },
        k: class(bad),
        word: word(viewer.lang(), bad),
        text,
    }
}

/// Why it is an Alerta or an Erro, and what that means for restoring.
fn note(viewer: &Viewer, parts: &Parts<'_>) -> Option<Note> {
    let b = parts.backup;
    let failed = parts.copies.iter().find(|c| !c.message.is_empty());
    let there: Vec<&str> =
        parts.copies.iter().filter(|c| c.is_there()).map(|c| c.store.as_str()).collect();
    let verdict = b.verdict?.max(b.upload.unwrap_or(1));
    if verdict < 2 {
        return None;
    }
    if there.is_empty() {
        let why = failed.map_or(&b.note, |c| &c.message);
        let before = parts
            .source
            .and_then(|s| s.proven.as_ref())
            .and_then(|b| parse(&b.started))
            .map(|at| age(viewer.now.duration_since(at).as_secs()));
        let text = match before {
            Some(age) => viewer.say("note-before", &[("age", &age)]),
            None => viewer.say("note-before-none", &[]),
        };
        let title = viewer.say("note-none", &[("why", &shorten(why))]);
        return Some(Note { k: "er", title, text });
    }
    let stores = there.join(", ");
    match failed {
        Some(copy) => {
            let why = shorten(&copy.message);
            let title = viewer.say("note-copy", &[("store", &copy.store), ("why", &why)]);
            let text = viewer.say("note-alert-copies", &[("stores", &stores)]);
            Some(Note { k: class(verdict), title, text })
        }
        None => Some(Note { k: class(verdict), title: shorten(&b.note), text: String::new() })
            .filter(|note| !note.title.is_empty()),
    }
}

fn of_steps(viewer: &Viewer, parts: &Parts<'_>, own: &[&ListedStep]) -> Option<Lanes> {
    let b = parts.backup;
    let mut timed: Vec<Timed> = Vec::new();
    for step in own {
        timed.extend(Timed::of_step(step, b));
        if matches!(step.verb.as_str(), "dump" | "physical" | "rman") {
            timed.extend(parts.copies.iter().map(Timed::of_copy));
        }
    }
    let key = if b.verdict.is_none() { "lanes-live" } else { "lanes-about" };
    let mut shown = lanes(viewer, &[(String::new(), timed)], viewer.say(key, &[]))?;
    shown.groups.retain(|g| !g.steps.is_empty());
    Some(shown)
}

/// The command that shows how this backup is restored.
fn restore(b: &ListedBackup, copies: &[HeldCopy]) -> String {
    let Some(copy) = copies.iter().find(|c| c.is_there()) else { return String::new() };
    let source = if b.source.is_empty() { &b.chain } else { &b.source };
    format!(
        "vex restore {} {} --from {} --backup {} --into {} --dry-run",
        quoted(&b.file),
        quoted(source),
        quoted(&copy.store),
        quoted(&b.id),
        quoted(source)
    )
}

/// A word of a command line, as a shell needs it.
pub fn quoted(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '@');
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
