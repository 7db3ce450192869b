//! `vex info`, `vex diff` and `vex peek`: what a backup is, what changed since another one, and
//! rows out of it, without any server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde::Serialize;

use crate::artifact::{Cell, EntryLine, Kind, Manifest, show_rows};
use crate::base::{Id, Size};
use crate::cli::args::{Diff, Format, HistoryFormat, Info, Peek, Which};
use crate::cli::exit::Exit;
use crate::cli::operator::Terminal;
use crate::cli::report::zone;
use crate::cli::shelves::copies;
use crate::cli::table;
use crate::cli::wiring::{App, Loaded, complain, fail, tell};
use crate::cli::wish::wish;
use crate::lang::Lang;
use crate::pipeline::{Fetch, Meter};
use crate::plan::LATEST;
use crate::recover::{Fault, Picked, pick, selects};
use crate::shelf::Shelved;
use crate::source;
use crate::view::{Difference, Inventory, Reader, csv, differences};

/// Cells of a table are cut here, in characters; JSON and CSV have all of them.
const WIDE: usize = 60;

/// Which backup a command asks for.
fn which(
    file: &std::path::Path,
    source: &str,
    backup: &str,
    from: Option<&str>,
    site: Option<&std::path::Path>,
) -> Which {
    Which {
        file: Some(file.to_path_buf()),
        source: Some(source.to_owned()),
        from: from.map(str::to_owned),
        backup: backup.to_owned(),
        origin: None,
        site: site.map(std::path::Path::to_path_buf),
        archive_password_env: None,
        archive_password_file: None,
        identity: None,
    }
}

/// A backup with its members.
fn opened(which: &Which, app: &App) -> Result<Picked, Exit> {
    let wish = wish(which)?;
    let picked = pick(&wish.backup, &app.world, &Terminal, &app.stop);
    let mut picked = picked.map_err(|fault| fail(&fault))?;
    picked.open(&app.stop).map_err(|fault| fail(&fault))?;
    Ok(picked)
}

/// One copy of a backup, version 1.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct InfoLine {
    version: u32,
    id: String,
    job: String,
    source: String,
    kind: String,
    server: String,
    host: String,
    origin: Option<String>,
    vex: String,
    started: String,
    finished: String,
    seconds: i64,
    raw: u64,
    bytes: u64,
    rows: u64,
    tables: u64,
    databases: Vec<String>,
    sealed: bool,
    position: Option<String>,
    parent: Option<String>,
    inconsistent: Vec<String>,
    not_included: Vec<String>,
    store: String,
    key: String,
    sha256: Vec<String>,
    proof: &'static str,
    proven_at: Option<String>,
}

impl InfoLine {
    fn of(store: &str, shelved: &Shelved) -> InfoLine {
        let head = &shelved.head;
        InfoLine {
            version: 1,
            id: head.id.to_string(),
            job: head.job.clone(),
            source: head.source.clone(),
            kind: head.kind.clone(),
            server: head.server.clone(),
            host: head.host.clone(),
            origin: head.origin.as_ref().map(ToString::to_string),
            vex: head.vex.clone(),
            started: head.started.to_string(),
            finished: head.finished.to_string(),
            seconds: head.finished.as_second() - head.started.as_second(),
            raw: head.totals.raw,
            bytes: head.bytes(),
            rows: head.totals.rows,
            tables: head.totals.tables,
            databases: head.unit_names(),
            sealed: head.sealed(),
            position: head.position.as_ref().map(ToString::to_string),
            parent: head.parent.as_ref().map(ToString::to_string),
            inconsistent: head.inconsistent.clone(),
            not_included: head.not_included.clone(),
            store: store.to_owned(),
            key: head.key.clone(),
            sha256: head.objects.iter().map(|object| object.sha256.clone()).collect(),
            proof: if shelved.is_damaged() { "damaged" } else { shelved.level().word() },
            proven_at: shelved.proven_at().map(|at| at.to_string()),
        }
    }

    fn rows(&self, reader: &Reader) -> Vec<Vec<String>> {
        let lang = reader.lang;
        let moment = |text: &str| reader.moment_of(Some(text));
        let ratio = self.raw.checked_div(self.bytes.max(1)).filter(|ratio| *ratio > 1);
        let ratio = ratio.map_or_else(String::new, |ratio| format!(" (1:{ratio})"));
        let proven = self.proven_at.as_deref().map(moment).unwrap_or_default();
        let word = lang.known(&format!("proof-{}", self.proof));
        let word = word.unwrap_or_else(|| self.proof.to_owned());
        let own = [
            ("id", self.id.clone()),
            ("job", self.job.clone()),
            ("source", format!("{} ({} {})", self.source, self.kind, self.server)),
            ("host", self.host.clone()),
            ("origin", self.origin.clone().unwrap_or_default()),
            ("databases", self.databases.join(", ")),
            ("started", moment(&self.started)),
            ("finished", moment(&self.finished)),
            ("took", lang.duration(self.seconds)),
            ("raw", Size(self.raw).to_string()),
            ("bytes", format!("{}{ratio}", Size(self.bytes))),
            ("rows", self.rows.to_string()),
            ("tables", self.tables.to_string()),
            ("position", self.position.clone().unwrap_or_default()),
            ("parent", self.parent.clone().unwrap_or_default()),
            ("inconsistent", self.inconsistent.join("; ")),
            ("missing", self.not_included.join("; ")),
            ("store", self.store.clone()),
            ("key", self.key.clone()),
            ("sha256", self.sha256.join(" ")),
            ("proof", format!("{word} {proven}").trim().to_owned()),
        ];
        let shown = own.into_iter().filter(|(_, value)| !value.is_empty());
        shown.map(|(key, value)| vec![lang.say(&format!("info-{key}"), &[]), value]).collect()
    }
}

/// Shows what a backup is, copy by copy.
pub fn info(args: &Info, app: &App) -> Exit {
    let loaded = match Loaded::open(&args.file, args.site.as_deref(), false) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let reader = Reader { lang: app.language(&loaded.file), zone: zone(&loaded.file) };
    let (found, exit) = copies(&loaded, app);
    let newest = newest(&found);
    let is_meant = |shelved: &Shelved| {
        args.source.as_ref().is_none_or(|source| shelved.head.source == *source)
            && match args.id.as_str() {
                LATEST => newest.get(shelved.head.source.as_str()) == Some(&&shelved.head.id),
                name => is_named(name, shelved, &reader),
            }
    };
    let meant: Vec<&(String, Shelved)> = found.iter().filter(|(_, own)| is_meant(own)).collect();
    let ids: BTreeSet<&str> = meant.iter().map(|(_, own)| own.head.id.as_str()).collect();
    if ids.len() > 1 && args.id != LATEST {
        let ids: Vec<&str> = ids.into_iter().collect();
        complain(&format!("{} may be {}; name one", args.id, ids.join(", ")));
        return Exit::Usage;
    }
    if meant.is_empty() {
        complain(&format!("no store holds a backup {}; `vex list` shows what there is", args.id));
        return exit.worse(Exit::Usage);
    }
    for (store, shelved) in meant {
        let line = InfoLine::of(store, shelved);
        match args.format {
            Format::Json => tell(&serde_json::to_string(&line).expect("BUG: not JSON")),
            Format::Human => {
                table::print(&line.rows(&reader));
                tell("");
            }
        }
    }
    exit
}

/// The newest backup of each source.
fn newest(found: &[(String, Shelved)]) -> BTreeMap<&str, &Id> {
    let mut newest: BTreeMap<&str, &Shelved> = BTreeMap::new();
    for (_, shelved) in found.iter().filter(|(_, shelved)| !shelved.is_damaged()) {
        let known = newest.entry(&shelved.head.source).or_insert(shelved);
        if shelved.moment() > known.moment() {
            *known = shelved;
        }
    }
    newest.into_iter().map(|(source, shelved)| (source, &shelved.head.id)).collect()
}

/// Whether a backup is called so: by its ID or the beginning of it, its day, or its file's name.
fn is_named(name: &str, shelved: &Shelved, reader: &Reader) -> bool {
    let head = &shelved.head;
    let day = head.finished.to_zoned(reader.zone.clone()).date().to_string();
    head.id.as_str().starts_with(name) || head.name() == name || day == name
}

/// Shows what changed between two backups.
pub fn diff(args: &Diff, app: &App) -> Exit {
    match try_diff(args, app) {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

fn try_diff(args: &Diff, app: &App) -> Result<(), Exit> {
    let site = args.site.as_deref();
    let of = |backup: &str| opened(&which(&args.file, &args.source, backup, None, site), app);
    let after = of(args.after.as_deref().unwrap_or("latest"))?;
    let before = match &args.before {
        Some(id) => id.clone(),
        None => before(args, &after, app)?,
    };
    let before = of(&before)?;
    let loaded = Loaded::open(&args.file, site, false)?;
    let lang = app.language(&loaded.file);
    let found = differences(&inventory(&before.manifest), &inventory(&after.manifest));
    match args.format {
        Format::Json => found.iter().for_each(|difference| {
            tell(&serde_json::to_string(difference).expect("BUG: a difference that is not JSON"));
        }),
        Format::Human => {
            let reader = Reader { lang, zone: zone(&loaded.file) };
            let name = |picked: &Picked| {
                let head = &picked.manifest.head;
                format!("{} ({})", head.id, reader.moment(head.started))
            };
            let (from, to) = (name(&before), name(&after));
            tell(&lang.say("diff-of", &[("before", &from), ("after", &to)]));
            if found.is_empty() {
                tell(&lang.say("diff-nothing", &[]));
                return Ok(());
            }
            let cells = found.iter().map(|difference| difference.cells(lang));
            let rows: Vec<Vec<String>> =
                [Difference::heads(lang)].into_iter().chain(cells).collect();
            table::print(&rows);
        }
    }
    Ok(())
}

/// The backup before another one, of the same source, kind and origin.
fn before(args: &Diff, after: &Picked, app: &App) -> Result<String, Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let head = &after.manifest.head;
    let (found, _) = copies(&loaded, app);
    let own = found.iter().map(|(_, shelved)| &shelved.head).filter(|h| {
        (&h.source, &h.kind, &h.origin) == (&head.source, &head.kind, &head.origin)
            && h.id != head.id
            && h.finished <= head.finished
    });
    let newest = own.max_by_key(|h| (h.finished, &h.id));
    newest.map(|h| h.id.to_string()).ok_or_else(|| {
        complain(&format!("there is no backup of {} before {}", args.source, head.id));
        Exit::Usage
    })
}

/// What a backup holds; the rows of a table stand with the table.
fn inventory(manifest: &Manifest) -> Inventory {
    let mut all = Inventory::new();
    for (member, sum) in manifest.members.iter().zip(&manifest.sums) {
        let kind = match (member.kind, member.class.as_deref()) {
            (Kind::Rows, _) => Kind::Table.word(),
            (_, Some(class)) => class,
            (kind, None) => kind.word(),
        };
        let seen = all.entry((kind.to_owned(), member.title())).or_default();
        seen.raw += sum.raw;
        if let Some(proof) = &sum.proof {
            seen.rows = Some((proof.rows, proof.digest.to_string()));
        }
        if member.kind != Kind::Rows {
            seen.definition.clone_from(&sum.definition);
        }
    }
    all
}

/// Shows rows out of a backup.
pub fn peek(args: &Peek, app: &App) -> Exit {
    match try_peek(args, app) {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

/// Rows that were found.
#[derive(Default)]
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// A column that was asked for and is none.
    unknown: Option<String>,
}

fn try_peek(args: &Peek, app: &App) -> Result<(), Exit> {
    let wanted = args.wanted().map_err(|text| {
        complain(&format!("--where {text} is none; say COLUMN=VALUE"));
        Exit::Usage
    })?;
    let site = args.site.as_deref();
    let asked = which(&args.file, &args.source, &args.backup, args.from.as_deref(), site);
    let mut picked = opened(&asked, app)?;
    let only = [args.table.clone()];
    picked.load(&only, &app.stop).map_err(|fault| fail(&fault))?;
    let found = read(&picked, args, &wanted, app)?;
    if let Some(column) = found.unknown {
        complain(&format!(
            "{} has no column {column}; it has {}",
            args.table,
            found.columns.join(", ")
        ));
        return Err(Exit::Usage);
    }
    let loaded = Loaded::open(&args.file, site, false)?;
    print(&found, args.format, app.language(&loaded.file))
}

/// Reads entry by entry until there are enough rows.
fn read(
    picked: &Picked,
    args: &Peek,
    wanted: &[(String, String)],
    app: &App,
) -> Result<Rows, Exit> {
    let manifest = &picked.manifest;
    let rows_of = |member: &crate::artifact::Member| {
        member.kind == Kind::Rows && selects(&args.table, member)
    };
    let entries: Vec<&EntryLine> = manifest
        .entries
        .iter()
        .filter(|e| manifest.members.get(e.member).is_some_and(rows_of))
        .collect();
    let dialect = source::dialect(&manifest.head.kind).filter(|_| !entries.is_empty());
    let Some(dialect) = dialect else {
        let (id, table) = (&manifest.head.id, &args.table);
        complain(&format!("backup {id} holds no rows of {table} that can be shown"));
        return Err(Exit::Usage);
    };
    let (key, meter) = (picked.key.as_ref(), Meter::default());
    let fetch = Fetch { store: picked.store.as_ref(), manifest, key, meter: &meter };
    let mut found = Rows::default();
    for entry in entries {
        let mut more = Ok(true);
        let read = fetch.group(&[entry], &app.stop, &mut |_, opened| {
            more = show_rows(dialect, &opened.bytes, &mut |columns, cells| {
                found.take(columns, cells, wanted, args.limit as usize)
            });
            Ok(())
        });
        read.map_err(|error| fail(&Fault::from(error)))?;
        let more = more.map_err(|error| {
            complain(&format!("unable to read {} of {}: {error}", entry.name, manifest.head.key));
            Exit::Damage
        })?;
        if !more {
            break;
        }
    }
    Ok(found)
}

impl Rows {
    /// Takes a row if it is wanted; says whether another one is.
    fn take(
        &mut self,
        columns: &[String],
        cells: Vec<Cell>,
        wanted: &[(String, String)],
        limit: usize,
    ) -> bool {
        if self.columns.is_empty() {
            self.columns = columns.to_vec();
            let unknown = wanted.iter().find(|(column, _)| !columns.contains(column));
            self.unknown = unknown.map(|(column, _)| column.clone());
        }
        let is = |(column, value): &(String, String)| {
            let at = columns.iter().position(|own| own == column);
            at.and_then(|at| cells.get(at)).is_some_and(|c| c.as_ref() == Some(value))
        };
        if self.unknown.is_none() && wanted.iter().all(is) {
            self.rows.push(cells);
        }
        self.unknown.is_none() && self.rows.len() < limit
    }
}

fn print(found: &Rows, format: HistoryFormat, lang: Lang) -> Result<(), Exit> {
    let text = |cell: &Cell| cell.clone().unwrap_or_else(|| "NULL".to_owned());
    match format {
        HistoryFormat::Json => {
            for row in &found.rows {
                let pairs = found.columns.iter().cloned().zip(row.iter().cloned().map(Into::into));
                let object: serde_json::Map<String, serde_json::Value> = pairs.collect();
                tell(&serde_json::Value::Object(object).to_string());
            }
        }
        HistoryFormat::Csv => {
            let own = |cell: &Cell| cell.clone().unwrap_or_default();
            let rows: Vec<Vec<String>> =
                found.rows.iter().map(|row| row.iter().map(own).collect()).collect();
            let text = csv(&found.columns, rows.iter().map(Vec::as_slice));
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
                complain(&format!("unable to write rows to standard output: {error}"));
                Exit::Error
            })?;
        }
        HistoryFormat::Human if found.rows.is_empty() => tell(&lang.say("peek-nothing", &[])),
        HistoryFormat::Human => {
            let cut = |cell: &Cell| {
                let text = text(cell);
                match text.char_indices().nth(WIDE) {
                    Some((end, _)) => format!("{}…", &text[..end]),
                    None => text,
                }
            };
            let rows = found.rows.iter().map(|row| row.iter().map(cut).collect());
            let rows: Vec<Vec<String>> = [found.columns.clone()].into_iter().chain(rows).collect();
            table::print(&rows);
        }
    }
    Ok(())
}
