//! `vex list`: the stores tell what there is.

use jiff::Timestamp;
use serde::Serialize;

use crate::base::{Size, show_address};
use crate::lang::Lang;
use crate::record::{ArtifactFacts, Verdict};
use crate::recover::open_to_read;
use crate::shelf::{Listing, Notes, Shelved, part_anywhere, survey};
use crate::store::contract::{Object, Result as StoreResult};
use crate::syntax::{is_store_address, store_address};
use crate::view::{Reader, age, level as level_word, word};

use crate::cli::args::{Format, List};
use crate::cli::exit::Exit;
use crate::cli::report::{sites, zone};
use crate::cli::shelves::{exit_of, shelves};
use crate::cli::strangers::flag;
use crate::cli::table;
use crate::cli::wiring::{App, Loaded, complain, fail, tell};

/// One backup in one store, version 2 of the listing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line {
    version: u32,
    id: String,
    job: String,
    source: String,
    origin: Option<String>,
    store: String,
    key: String,
    bytes: u64,
    started: String,
    finished: String,
    raw: u64,
    rows: u64,
    host: String,
    age_seconds: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<u64>,
    /// The moment of the data of a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    moment: Option<String>,
    verdict: Verdict,
    proof: &'static str,
    proven_at: Option<String>,
    pinned_until: Option<String>,
}

impl Line {
    fn of(store: &str, shelved: &Shelved, notes: &Notes, now: Timestamp) -> Line {
        let head = &shelved.head;
        Line {
            version: 2,
            id: head.id.to_string(),
            job: head.job.clone(),
            source: head.source.clone(),
            origin: head.origin.as_ref().map(ToString::to_string),
            store: store.to_owned(),
            key: head.key.clone(),
            bytes: head.bytes(),
            started: head.started.to_string(),
            finished: head.finished.to_string(),
            raw: head.totals.raw,
            rows: head.totals.rows,
            host: head.host.clone(),
            age_seconds: now.duration_since(head.started).as_secs().max(0),
            lag_seconds: head.lag,
            moment: head.lag.map(|_| ArtifactFacts::of(head, &[]).moment().to_string()),
            verdict: match (shelved.is_damaged(), head.must_be_looked_at()) {
                (true, _) => Verdict::Error,
                (false, true) => Verdict::Alert,
                (false, false) => Verdict::Success,
            },
            proof: if shelved.is_damaged() { "damaged" } else { shelved.level().word() },
            proven_at: shelved.proven_at().map(|t| t.to_string()),
            pinned_until: notes.pin_of(head).map(|pin| pin.until.to_string()),
        }
    }
}

impl Line {
    /// The database it is of; of formats 1 to 3 nobody knows.
    fn origin(&self) -> &str {
        self.origin.as_deref().unwrap_or("-")
    }
}

/// Lists backups.
pub fn list(args: &List, app: &App) -> Exit {
    match try_list(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_list(args: &List, app: &App) -> Result<Exit, Exit> {
    let mut exit = Exit::Success;
    let reader;
    let mut lines: Vec<Line> = Vec::new();
    let (mut unreadable, mut headless, mut flagged) = (Vec::new(), Vec::new(), None);
    let now = app.world.clock.now();
    let mut take = |store: &str, listing: StoreResult<Listing>, exit: &mut Exit| match listing {
        Ok(listing) => {
            lines.extend(listing.artifacts.iter().map(|a| Line::of(store, a, &listing.notes, now)));
            unreadable.extend(listing.unreadable);
            headless.extend(listing.headless);
        }
        Err(error) => *exit = exit.worse(fail(&error.into())),
    };
    match &args.from {
        Some(url) if is_store_address(url) => {
            let (spec, under) = store_address(url).map_err(|why| {
                complain(&why);
                Exit::Usage
            })?;
            let site = sites(&[], args.site.as_deref())?.0;
            reader = Reader { lang: app.language(&site), zone: zone(&site) };
            let listing = open_to_read(&spec, &site.site.trust, &app.world, &app.stop)
                .and_then(|store| survey(store.as_ref(), &under, &part_anywhere, &app.stop));
            take(url, listing, &mut exit);
        }
        from => {
            let file = args.file.as_deref().ok_or_else(|| {
                complain(&nothing_to_list(from.as_deref()));
                Exit::Usage
            })?;
            let loaded = Loaded::open(file, args.site.as_deref(), false)?;
            reader = Reader { lang: app.language(&loaded.file), zone: zone(&loaded.file) };
            let all = shelves(&loaded, from.as_deref(), &app.world, &app.stop);
            if args.all {
                flagged = Some(flag(&loaded, &all, app));
            }
            all.into_iter().for_each(|found| take(&found.store, found.listing, &mut exit));
        }
    }
    lines.retain(|l| args.sources.is_empty() || args.sources.contains(&l.source));
    lines.sort_by(|a, b| (&a.finished, &a.store).cmp(&(&b.finished, &b.store)));
    lines.dedup_by(|a, b| (&a.key, &a.store) == (&b.key, &b.store));
    print(&lines, args.format, &reader);
    for (key, damage) in unreadable {
        complain(&format!("! {key}: {damage}"));
        exit = exit.worse(exit_of(&damage));
    }
    headless.sort_by(|a, b| a.0.key.cmp(&b.0.key));
    headless.dedup();
    for (object, begun) in headless {
        complain_of(&object, begun, reader.lang);
    }
    if let Some(flagged) = flagged {
        exit = exit.worse(flagged.print(args.format));
    }
    Ok(exit)
}

/// Says that an object is no backup.
fn complain_of(object: &Object, begun: bool, lang: Lang) {
    let why = lang.say(if begun { "list-begun" } else { "list-headless" }, &[]);
    let size = Size(object.bytes).to_string();
    let parts = [("key", &*object.key), ("size", &*size), ("why", &*why)];
    complain(&format!("! {}", lang.say("list-no-backup", &parts)));
}

/// What to do where neither a job file nor a store is named.
fn nothing_to_list(from: Option<&str>) -> String {
    let ask = "name a job file, or a store by its address (file:/mnt/backups, s3://bucket/prefix)";
    match from {
        Some(from) => {
            let from = show_address(from);
            format!("{from} is no store: {ask}; `vex verify --from {from}` reads one archive")
        }
        None => ask.to_owned(),
    }
}

/// What a pin without an end says.
const NEVER: &str = "never";

/// The columns of the table.
const HEADS: [&str; 14] = [
    "id", "job", "source", "origin", "host", "store", "raw", "size", "rows", "finished", "age",
    "verdict", "proof", "pinned",
];

fn print(lines: &[Line], format: Format, reader: &Reader) {
    let lang = reader.lang;
    if format == Format::Json {
        for line in lines {
            tell(&serde_json::to_string(line).expect("BUG: a listing that is not JSON"));
        }
        return;
    }
    let mut origins: Vec<&str> = lines.iter().map(Line::origin).collect();
    origins.sort_unstable();
    origins.dedup();
    let several = origins.len() > 1;
    let head = HEADS.map(|key| lang.say(&format!("list-{key}"), &[]));
    let second = |moment: &str| reader.moment_of(Some(moment));
    let until = |until: &str| match until {
        NEVER => lang.say("list-never", &[]),
        moment => second(moment),
    };
    let mut rows: Vec<Vec<String>> = vec![head.to_vec()];
    rows.extend(lines.iter().map(|l| {
        let (finished, pinned) = (second(&l.finished), l.pinned_until.as_deref().map(until));
        let words = [&l.id, &l.job, &l.source, l.origin(), &l.host, &l.store].map(str::to_owned);
        let sizes = [Size(l.raw).to_string(), Size(l.bytes).to_string(), l.rows.to_string()];
        let rest = [finished, age(l.age_seconds), word(l.verdict, lang), level_word(l.proof, lang)];
        words.into_iter().chain(sizes).chain(rest).chain([pinned.unwrap_or_default()]).collect()
    }));
    if lines.iter().all(|l| l.pinned_until.is_none()) {
        rows.iter_mut().for_each(|row| drop(row.pop()));
    }
    if !several {
        rows.iter_mut().for_each(|row| drop(row.remove(3)));
    }
    table::print(&rows);
}
