//! Pages that show what is, and change nothing.

use std::sync::Arc;

use crate::catalog::{Estate, HeldCopy, KnownJob, ListQuery};
use crate::view::{self, Asked, Parts, RunParts, Viewer, pages};
use crate::web::dashboard::{Page, Trouble};
use crate::web::exchange::{Request, Response};
use crate::web::state::{Known, State, digest, pick};

/// Runs before one that its steps are compared with.
const EARLIER: u64 = 14;

/// Rows of an export at most.
const EXPORT: u64 = 1_000_000;

impl State {
    /// A page, with 503 while what it shows is what was known before the catalog went away.
    fn shown(&self, page: String) -> Page {
        let response = Response::html(page);
        Ok(if self.away().is_some() { response.with_status(503) } else { response })
    }

    /// What overviews know, and who looks at it: the page says when it was read.
    fn look(&self, viewer: &Viewer) -> Result<(Arc<Known>, Viewer), Trouble> {
        let known = self.known()?;
        let viewer = Viewer { now: known.at, away: self.away(), ..viewer.clone() };
        Ok((known, viewer))
    }

    pub(super) fn home(&self, viewer: &Viewer) -> Page {
        let (known, viewer) = self.look(viewer)?;
        let file = &self.settings.file;
        let page = known.overview(&viewer);
        self.shown(pages::overview(&viewer, &known.estate, &page, file))
    }

    pub(super) fn source_page(&self, viewer: &Viewer) -> Page {
        let (known, viewer) = self.look(viewer)?;
        let growth = self.growth(&known)?;
        self.shown(pages::source_page(&viewer, &known.sources, &growth))
    }

    pub(super) fn drill_page(&self, viewer: &Viewer) -> Page {
        let (known, viewer) = self.look(viewer)?;
        let page = view::sheet(&viewer, &known.estate, &known.sources, "/evidencia.json");
        self.shown(pages::drill_page(&viewer, &page))
    }

    pub(super) fn evidence(&self, viewer: &Viewer) -> Page {
        let (known, viewer) = self.look(viewer)?;
        let page = view::sheet(&viewer, &known.estate, &known.sources, "");
        let record = view::evidence(&page);
        Ok(Response::download("application/json", "evidencia.json", record.into_bytes()))
    }

    pub(super) fn backup_list(&self, request: &Request, viewer: &Viewer) -> Page {
        let mut asked = Asked::of(&pick(&request.query));
        let totals = self.known()?.estate.totals;
        let (mut found, mut total) = self.found(&asked.query(), &asked.words(), totals)?;
        let last = view::pages_of(total);
        if asked.page > last {
            asked.page = last;
            (found, total) = self.found(&asked.query(), &asked.words(), totals)?;
        }
        self.shown(pages::backups(viewer, &asked, (&found, total), &totals))
    }

    pub(super) fn backups_as(&self, request: &Request, viewer: &Viewer, kind: &str) -> Page {
        let asked = Asked::of(&pick(&request.query));
        let query = ListQuery { offset: 0, limit: EXPORT, ..asked.query() };
        let totals = self.known()?.estate.totals;
        let (found, _) = self.found(&query, &asked.words(), totals)?;
        let heads: Vec<String> = view::columns(viewer, None)
            .into_iter()
            .filter(|c| !c.hidden)
            .map(|c| c.label)
            .collect();
        let rows: Vec<[String; 7]> = found
            .iter()
            .zip(1..)
            .map(|(b, n)| view::cells(&view::row(viewer, n, b, false)))
            .collect();
        Ok(export("backups", kind, &heads, rows.iter().map(|row| row.as_slice())))
    }

    pub(super) fn one_backup(&self, viewer: &Viewer, number: i64) -> Page {
        let (known, viewer) = self.look(viewer)?;
        let found = self.with(|catalog| {
            let Some(backup) = catalog.backup(number)? else { return Ok(None) };
            let copies = catalog.copies_of(&backup.id, Some(&backup.chain))?;
            let run = catalog.run(&backup.id)?;
            let steps = catalog.steps_of(&backup.id)?;
            let lines = catalog.log_of(&backup.id)?;
            Ok(Some((backup, copies, run, steps, lines)))
        })?;
        let (backup, copies, run, steps, lines) = found.ok_or(Trouble::Missing)?;
        let is_own = |s: &&view::Source| {
            s.file == backup.file && s.job == backup.job && s.name == backup.chain
        };
        let mut page = view::details(
            &viewer,
            &Parts {
                backup: &backup,
                copies: &copies,
                run: run.as_ref(),
                steps: &steps,
                lines: &lines,
                source: known.sources.iter().find(is_own),
            },
        );
        if viewer.admin
            && job_of(&known.estate, (self.desk.host(), &backup.file, &backup.job))
                .is_some_and(|j| j.host == self.desk.host())
            && copies.iter().any(HeldCopy::is_there)
        {
            page.drill = format!("/backups/{number}/testar");
        }
        self.shown(pages::backup(&viewer, &page))
    }

    pub(super) fn run_list(&self, request: &Request, viewer: &Viewer) -> Page {
        let (known, viewer) = self.look(viewer)?;
        let q: String = request.query.get("q").unwrap_or_default().chars().take(200).collect();
        let page = request.query.get("pagina").and_then(|p| p.parse().ok()).unwrap_or(1_u64).max(1);
        let of = |page: u64| {
            let query = view::runs_query(&viewer, &q, page);
            self.with(|catalog| catalog.list_runs(&query, known.estate.runs))
        };
        let (mut found, mut total) = of(page)?;
        let last = view::pages_of(total).min(page);
        if last < page {
            (found, total) = of(last)?;
        }
        let page = last;
        let totals = known.estate.totals;
        let mut shown = view::runs(&viewer, (&q, page), (&found, total), &totals, &|_| true);
        let to = |what: &str, job: &KnownJob| {
            let what = if what == "run" { "executar" } else { "agendamento" };
            format!("/rotinas/{}/{what}", digest(job))
        };
        shown.jobs = view::jobs(&viewer, &known.estate, &to);
        shown.due = view::due(&viewer, &known.estate);
        self.shown(pages::run_list(&viewer, &shown))
    }

    pub(super) fn one_run(&self, viewer: &Viewer, id: &str) -> Page {
        let (known, viewer) = self.look(viewer)?;
        let found = self.with(|catalog| {
            let Some(run) = catalog.run(id)? else { return Ok(None) };
            let steps = catalog.steps_of(id)?;
            let backups = catalog.backups_of(id)?;
            let copies = catalog.copies_of(id, None)?;
            let lines = catalog.log_of(id)?;
            let earlier = catalog.step_times((&run.file, &run.job), &run.started, EARLIER)?;
            Ok(Some((run, steps, backups, copies, lines, earlier)))
        })?;
        let (run, steps, backups, copies, lines, earlier) = found.ok_or(Trouble::Missing)?;
        let job = job_of(&known.estate, (&run.host, &run.file, &run.job));
        let ask = match job.filter(|_| viewer.admin && run.finished.is_some()) {
            Some(job) => format!("/rotinas/{}/executar", digest(job)),
            None => String::new(),
        };
        let page = view::run(
            &viewer,
            &RunParts {
                run: &run,
                steps: &steps,
                backups: &backups,
                copies: &copies,
                lines: &lines,
                earlier: &earlier,
                schedule: job.map(|j| j.schedule.as_str()).unwrap_or_default(),
                ask,
            },
        );
        self.shown(pages::one_run(&viewer, &page, &run))
    }
}

/// The job that a run is of, as its file declares it.
pub fn job_of<'a>(
    estate: &'a Estate,
    (host, file, job): (&str, &str, &str),
) -> Option<&'a KnownJob> {
    let same = |j: &&KnownJob| j.file == file && j.job == job;
    let own = estate.jobs.iter().find(|j| j.host == host && same(j));
    own.or_else(|| estate.jobs.iter().find(same))
}

/// Rows as a file that a browser saves.
pub fn export<'a>(
    name: &str,
    kind: &str,
    heads: &[String],
    rows: impl Iterator<Item = &'a [String]>,
) -> Response {
    let (mime, text) = match kind {
        "csv" => ("text/csv; charset=utf-8", view::csv(heads, rows)),
        _ => ("application/json", view::json(heads, rows)),
    };
    Response::download(mime, &format!("{name}.{kind}"), text.into_bytes())
}
