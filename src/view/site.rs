//! The report: the same pages as files of a folder, readable without a server.
//!
//! Knows no file system: pages go to a [`Sink`]. Invariants: no page has a form, a cookie or an
//! address outside of the folder; a page whose content did not change is not made again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::catalog::{
    Catalog, CatalogError, Estate, HeldCopy, ListQuery, ListedBackup, ListedRun, RunsQuery,
};
use crate::view::address::{Address, Base, SCRIPT, STYLE};
use crate::view::dashboard::dashboard;
use crate::view::details::{Parts, details};
use crate::view::drills::{evidence, sheet};
use crate::view::estate::{Source, since, sources};
use crate::view::format::parse;
use crate::view::frame::{Pager, Viewer};
use crate::view::list::{List, Month, Row, cells, columns, csv, json, row, tabs};
use crate::view::run::{RunParts, run, runs};
use crate::view::sources::page as sources_page;
use crate::view::template::render;

/// Rows up to which all stand in the page.
const WHOLE: usize = 500;

/// Rows that stand in the page where there are more.
const NEWEST: usize = 100;

/// Rows of one script.
const BULK: usize = 50_000;

/// Days for which every backup has a page; older ones have one while a copy exists.
const LINKED_DAYS: i64 = 400;

/// Runs that the list of a report holds.
const RUNS: u64 = 500;

/// Where the pages of a report go.
pub trait Sink {
    /// Whether the page at `path` was made of the same `content`.
    fn is_current(&mut self, path: &str, content: &str) -> bool;

    /// Takes a page; `content` says what it was made of.
    fn put(&mut self, path: &str, text: &str, content: &str) -> std::io::Result<()>;
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A page.
    #[error("unable to write the report's {path}: {source}")]
    Page {
        /// The page.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

/// What a report holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// Backups that it lists.
    pub backups: usize,
    /// Pages that were made anew.
    pub pages: usize,
    /// Pages that were as they are.
    pub kept: usize,
}

struct Site<'a> {
    viewer: &'a Viewer,
    sink: &'a mut dyn Sink,
    /// What every page depends on: language, zone, templates.
    common: String,
    made: Made,
}

/// Makes the whole report of a catalog. `file` is the job file that an empty one names.
pub fn report(
    viewer: &Viewer,
    catalog: &mut Catalog,
    file: &str,
    sink: &mut dyn Sink,
) -> Result<Made, SiteError> {
    let zone = &viewer.reader.zone;
    let estate = catalog.estate(&since(viewer.now, zone).to_string())?;
    let all = sources(&estate, viewer.now, zone);
    let common = format!(
        "{} {} {} {}",
        env!("CARGO_PKG_VERSION"),
        viewer.reader.lang.code(),
        viewer.reader.zone_name(),
        viewer.to(&Address::Style)
    );
    let mut site = Site { viewer, sink, common, made: Made::default() };
    site.asset(&Address::Style, STYLE)?;
    site.asset(&Address::Script, SCRIPT)?;
    let query = ListQuery { limit: u64::from(u32::MAX), ..ListQuery::default() };
    let backups = catalog.list(&query)?;
    site.made.backups = backups.len();
    if backups.is_empty() && estate.running.is_empty() {
        #[derive(Serialize)]
        struct Empty<'a> {
            file: &'a str,
        }
        let frame = viewer.frame("dashboard");
        let text = render(viewer.lang(), "empty.html", &frame, &Empty { file });
        site.page(&Address::Home, &text)?;
    } else {
        let page = dashboard(viewer, &estate, &all);
        let text = render(viewer.lang(), "dashboard.html", &viewer.frame("dashboard"), &page);
        site.page(&Address::Home, &text)?;
    }
    site.sources(catalog, &all)?;
    site.drills(&estate, &all)?;
    let linked = linked(viewer, catalog, &backups)?;
    site.list(&estate, &backups, &linked)?;
    site.singles(catalog, &all, &estate, &backups, &linked)?;
    Ok(site.made)
}

/// Numbers of backups that have a page.
fn linked(
    viewer: &Viewer,
    catalog: &mut Catalog,
    backups: &[ListedBackup],
) -> Result<BTreeSet<i64>, CatalogError> {
    let floor = viewer.now - jiff::SignedDuration::from_hours(LINKED_DAYS * 24);
    let mut linked: BTreeSet<i64> = catalog.held_numbers()?.into_iter().collect();
    let young = |b: &&ListedBackup| parse(&b.started).is_some_and(|at| at >= floor);
    linked.extend(backups.iter().filter(young).map(|b| b.number));
    Ok(linked)
}

/// A digest of what a page is made of.
fn content(parts: &[&dyn std::fmt::Debug]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(format!("{part:?}\n").as_bytes());
    }
    hash.finalize()[..12].iter().map(|b| format!("{b:02x}")).collect()
}

impl Site<'_> {
    fn put(&mut self, path: &str, text: &str, content: &str) -> Result<(), SiteError> {
        let fail = |source| SiteError::Page { path: path.to_owned(), source };
        self.sink.put(path, text, content).map_err(fail)?;
        self.made.pages += 1;
        Ok(())
    }

    fn page(&mut self, address: &Address, text: &str) -> Result<(), SiteError> {
        let content = content(&[&text]);
        self.put(&address.file(), text, &content)
    }

    fn asset(&mut self, address: &Address, text: &str) -> Result<(), SiteError> {
        if self.sink.is_current(&address.file(), "asset") {
            self.made.kept += 1;
            return Ok(());
        }
        self.put(&address.file(), text, "asset")
    }

    fn sources(&mut self, catalog: &mut Catalog, all: &[Source]) -> Result<(), SiteError> {
        let viewer = self.viewer;
        let growth = catalog.growth(&since(viewer.now, &viewer.reader.zone).to_string())?;
        let page = sources_page(viewer, all, &growth);
        let text = render(viewer.lang(), "sources.html", &viewer.frame("dashboard"), &page);
        self.page(&Address::Sources, &text)
    }

    fn drills(&mut self, estate: &Estate, all: &[Source]) -> Result<(), SiteError> {
        let viewer = self.viewer;
        let page = sheet(viewer, estate, all, "evidencia.json");
        let text = render(viewer.lang(), "drills.html", &viewer.frame("dashboard"), &page);
        let record = evidence(&page);
        self.put("evidencia.json", &record, &content(&[&record]))?;
        self.page(&Address::Drills, &text)
    }

    fn list(
        &mut self,
        estate: &Estate,
        backups: &[ListedBackup],
        linked: &BTreeSet<i64>,
    ) -> Result<(), SiteError> {
        let viewer = self.viewer;
        let rows: Vec<Row> = backups
            .iter()
            .zip(1..)
            .map(|(b, n)| row(viewer, n, b, linked.contains(&b.number)))
            .collect();
        let heads: Vec<String> =
            columns(viewer, None).into_iter().filter(|c| !c.hidden).map(|c| c.label).collect();
        let all: Vec<[String; 7]> = rows.iter().map(cells).collect();
        let text = csv(&heads, all.iter().map(|row| row.as_slice()));
        self.put("backups.csv", &text, &content(&[&text]))?;
        let text = json(&heads, all.iter().map(|row| row.as_slice()));
        self.put("backups.json", &text, &content(&[&text]))?;
        let is_whole = rows.len() <= WHOLE;
        let (bulk, months) = match is_whole {
            true => (Vec::new(), Vec::new()),
            false => (self.bulk(backups, &rows)?, self.months(backups, &rows)?),
        };
        let shown = if is_whole { rows.len() } else { NEWEST };
        let total = rows.len() as u64;
        let page = List {
            tabs: tabs(viewer, &estate.totals, Some("")),
            q: String::new(),
            hidden: Vec::new(),
            columns: columns(viewer, None),
            rows: rows.into_iter().take(shown).collect(),
            pager: Pager::new(viewer, "backups-word", (total, total), 1, &|_| String::new()),
            csv: "backups.csv".into(),
            json: "backups.json".into(),
            bulk,
            months,
        };
        let text = render(viewer.lang(), "backups.html", &viewer.frame("backups"), &page);
        self.page(&Address::Backups, &text)
    }

    /// All rows as scripts, the newest first: one, or one a year where they are many.
    fn bulk(&mut self, backups: &[ListedBackup], rows: &[Row]) -> Result<Vec<String>, SiteError> {
        let year = |b: &ListedBackup| self.viewer.reader.zone_year(&b.started);
        let mut files: Vec<(String, Vec<String>)> = Vec::new();
        let many = rows.len() > BULK;
        for (backup, row) in backups.iter().zip(rows) {
            let name = match many {
                true => format!("rows-{}.js", year(backup)),
                false => "rows.js".to_owned(),
            };
            if files.last().is_none_or(|(known, _)| *known != name) {
                files.push((name, Vec::new()));
            }
            if let Some((_, lines)) = files.last_mut() {
                lines.push(bulk_line(row));
            }
        }
        for (name, lines) in &files {
            let list = serde_json::to_string(lines).unwrap_or_default().replace("\",\"", "\",\n\"");
            let text = format!("window.vexRows = (window.vexRows || []).concat({list});\n");
            let content = content(&[&text]);
            match self.sink.is_current(name, &content) {
                true => self.made.kept += 1,
                false => self.put(name, &text, &content)?,
            }
        }
        Ok(files.into_iter().map(|(name, _)| name).collect())
    }

    /// A plain table for each month that the page does not hold whole.
    fn months(&mut self, backups: &[ListedBackup], rows: &[Row]) -> Result<Vec<Month>, SiteError> {
        #[derive(Serialize)]
        struct Page<'a> {
            month: &'a str,
            about: String,
            columns: Vec<crate::view::frame::Column>,
            rows: Vec<&'a Row>,
        }
        let viewer = self.viewer;
        let mut months: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for backup in backups.iter().skip(NEWEST) {
            months.entry(viewer.reader.month(&backup.started)).or_default();
        }
        for (backup, row) in backups.iter().zip(rows) {
            if let Some(of_month) = months.get_mut(&viewer.reader.month(&backup.started)) {
                of_month.push(row);
            }
        }
        let mut links = Vec::new();
        for (month, rows) in months.iter().rev() {
            let path = format!("backups-{month}.html");
            let n = rows.len().to_string();
            let page = Page {
                month,
                about: viewer.say("month-about", &[("n", &n)]),
                columns: columns(viewer, None),
                rows: rows.clone(),
            };
            let content = content(&[&self.common, &page.rows]);
            match self.sink.is_current(&path, &content) {
                true => self.made.kept += 1,
                false => {
                    let frame = viewer.frame("backups");
                    let text = render(viewer.lang(), "month.html", &frame, &page);
                    self.put(&path, &text, &content)?;
                }
            }
            links.push(Month { href: path, label: month.clone() });
        }
        Ok(links)
    }

    /// The pages of single backups and runs.
    fn singles(
        &mut self,
        catalog: &mut Catalog,
        all: &[Source],
        estate: &Estate,
        backups: &[ListedBackup],
        linked: &BTreeSet<i64>,
    ) -> Result<(), SiteError> {
        let inner = Viewer { base: Base::Folder(1), ..self.viewer.clone() };
        let mut copies: BTreeMap<String, Vec<HeldCopy>> = BTreeMap::new();
        for copy in catalog.all_copies()? {
            copies.entry(copy.id.clone()).or_default().push(copy);
        }
        let query = RunsQuery { limit: u64::from(u32::MAX), ..RunsQuery::default() };
        let (all_runs, _) = catalog.list_runs(&query, 0)?;
        let mut by_run: BTreeMap<&str, Vec<&ListedBackup>> = BTreeMap::new();
        for backup in backups.iter().filter(|b| linked.contains(&b.number)) {
            by_run.entry(&backup.id).or_default().push(backup);
        }
        let newest: BTreeSet<&str> =
            all_runs.iter().take(RUNS as usize).map(|r| r.id.as_str()).collect();
        let has_page =
            |r: &ListedRun| by_run.contains_key(r.id.as_str()) || newest.contains(r.id.as_str());
        let none = Vec::new();
        for run in all_runs.iter().filter(|r| has_page(r)) {
            let own = by_run.get(run.id.as_str()).cloned().unwrap_or_default();
            let held = copies.get(&run.id).unwrap_or(&none);
            self.single_run(catalog, &inner, run, &own, held)?;
            for backup in own {
                self.single_backup(catalog, &inner, all, (backup, run), held)?;
            }
        }
        // A backup that a store holds and no run of this catalog made has a page, too.
        let known: BTreeSet<&str> = all_runs.iter().map(|r| r.id.as_str()).collect();
        for backup in by_run.iter().filter(|(id, _)| !known.contains(*id)).flat_map(|(_, b)| b) {
            let held = copies.get(&backup.id).unwrap_or(&none);
            self.single_backup(catalog, &inner, all, (backup, &ListedRun::default()), held)?;
        }
        let shown: Vec<ListedRun> = all_runs.iter().take(RUNS as usize).cloned().collect();
        let total = shown.len() as u64;
        let viewer = self.viewer;
        let page = runs(viewer, ("", 1), (&shown, total), &estate.totals, &|_| true);
        let text = render(viewer.lang(), "runs.html", &viewer.frame("backups"), &page);
        self.page(&Address::Runs, &text)
    }

    fn single_run(
        &mut self,
        catalog: &mut Catalog,
        inner: &Viewer,
        listed: &ListedRun,
        backups: &[&ListedBackup],
        copies: &[HeldCopy],
    ) -> Result<(), SiteError> {
        let path = Address::Run(listed.id.clone()).file();
        let content = content(&[&self.common, listed, &backups, &copies]);
        if listed.finished.is_some() && self.sink.is_current(&path, &content) {
            self.made.kept += 1;
            return Ok(());
        }
        let steps = catalog.steps_of(&listed.id)?;
        let lines = catalog.log_of(&listed.id)?;
        let earlier = catalog.step_times((&listed.file, &listed.job), &listed.started, 14)?;
        let backups: Vec<ListedBackup> = backups.iter().map(|b| (*b).clone()).collect();
        let page = run(
            inner,
            &RunParts {
                run: listed,
                steps: &steps,
                backups: &backups,
                copies,
                lines: &lines,
                earlier: &earlier,
                schedule: "",
                ask: String::new(),
            },
        );
        let text = render(inner.lang(), "run.html", &inner.frame("backups"), &page);
        self.put(&path, &text, &content)
    }

    fn single_backup(
        &mut self,
        catalog: &mut Catalog,
        inner: &Viewer,
        all: &[Source],
        (backup, run): (&ListedBackup, &ListedRun),
        copies: &[HeldCopy],
    ) -> Result<(), SiteError> {
        let path = Address::Backup(backup.number).file();
        let own: Vec<HeldCopy> =
            copies.iter().filter(|c| c.chain == backup.chain).cloned().collect();
        let content = content(&[&self.common, backup, run, &own]);
        if self.sink.is_current(&path, &content) {
            self.made.kept += 1;
            return Ok(());
        }
        let steps = catalog.steps_of(&backup.id)?;
        let lines = catalog.log_of(&backup.id)?;
        let source = all
            .iter()
            .find(|s| s.file == backup.file && s.job == backup.job && s.name == backup.chain);
        let page = details(
            inner,
            &Parts {
                backup,
                copies: &own,
                run: (!run.id.is_empty()).then_some(run),
                steps: &steps,
                lines: &lines,
                source,
            },
        );
        let text = render(inner.lang(), "backup.html", &inner.frame("backups"), &page);
        self.put(&path, &text, &content)
    }
}

/// A row of a script: its cells between tabs, as `vex.js` reads them.
fn bulk_line(row: &Row) -> String {
    let cells = [
        row.host.as_str(),
        &row.verdict.to_string(),
        &row.mb,
        &row.size,
        &row.started,
        &row.finished,
        &row.upload.to_string(),
        &row.href,
    ];
    cells.map(|cell| cell.replace(['\t', '\n', '\r'], " ")).join("\t")
}
