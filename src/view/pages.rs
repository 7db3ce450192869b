//! Pages: each a function from who looks and a model to text.

use serde::Serialize;

use crate::catalog::{Estate, Growth, ListedBackup, ListedRun, Totals};
use crate::view::dashboard::Dashboard;
use crate::view::details::Details;
use crate::view::drills::Sheet;
use crate::view::estate::Source;
use crate::view::frame::{Frame, Viewer};
use crate::view::list::{Asked, List, list};
use crate::view::people::{Audit, Login, Lost, Question, UserForm, Users};
use crate::view::run::{RunPage, Runs};
use crate::view::sources::page as sources_page;
use crate::view::template::render;

/// The overview; `page` was made of the estate for the same language and zone.
pub fn overview(viewer: &Viewer, estate: &Estate, page: &Dashboard, file: &str) -> String {
    if estate.totals.all() == 0 && estate.running.is_empty() {
        return empty(viewer, file);
    }
    render(viewer.lang(), "dashboard.html", &viewer.live("dashboard"), page)
}

/// What stands there before the first backup; `file` is the job file that it names.
fn empty(viewer: &Viewer, file: &str) -> String {
    #[derive(Serialize)]
    struct Empty<'a> {
        file: &'a str,
    }
    render(viewer.lang(), "empty.html", &viewer.live("dashboard"), &Empty { file })
}

/// A page of the list of backups.
pub fn backups(
    viewer: &Viewer,
    asked: &Asked,
    found: (&[ListedBackup], u64),
    totals: &Totals,
) -> String {
    let page: List = list(viewer, asked, found, totals);
    render(viewer.lang(), "backups.html", &viewer.live("backups"), &page)
}

/// One backup.
pub fn backup(viewer: &Viewer, page: &Details) -> String {
    let frame = match page.live {
        Some(_) => Frame { poll: 10, ..viewer.live("backups") },
        None => viewer.frame("backups"),
    };
    render(viewer.lang(), "backup.html", &frame, page)
}

/// The list of runs.
pub fn run_list(viewer: &Viewer, page: &Runs) -> String {
    render(viewer.lang(), "runs.html", &viewer.live("backups"), page)
}

/// One run.
pub fn one_run(viewer: &Viewer, page: &RunPage, run: &ListedRun) -> String {
    let frame = match run.finished {
        None => Frame { poll: 10, ..viewer.live("backups") },
        Some(_) => viewer.frame("backups"),
    };
    render(viewer.lang(), "run.html", &frame, page)
}

/// Sources and stores.
pub fn source_page(viewer: &Viewer, sources: &[Source], growth: &[Growth]) -> String {
    let page = sources_page(viewer, sources, growth);
    render(viewer.lang(), "sources.html", &viewer.live("dashboard"), &page)
}

/// The sheet of evidence.
pub fn drill_page(viewer: &Viewer, page: &Sheet) -> String {
    render(viewer.lang(), "drills.html", &viewer.frame("dashboard"), page)
}

/// The login.
pub fn login(viewer: &Viewer, page: &Login) -> String {
    let frame = Frame { alone: true, ..viewer.frame("") };
    render(viewer.lang(), "login.html", &frame, page)
}

/// The list of users.
pub fn user_list(viewer: &Viewer, page: &Users) -> String {
    render(viewer.lang(), "users.html", &viewer.frame("users"), page)
}

/// The form of a user.
pub fn user(viewer: &Viewer, page: &UserForm) -> String {
    render(viewer.lang(), "user.html", &viewer.frame("users"), page)
}

/// The audit.
pub fn audit_page(viewer: &Viewer, page: &Audit) -> String {
    render(viewer.lang(), "audit.html", &viewer.frame("users"), page)
}

/// A question before something is done.
pub fn question(viewer: &Viewer, page: &Question) -> String {
    render(viewer.lang(), "ask.html", &viewer.frame("backups"), page)
}

/// Nothing is here, or it may not be seen.
pub fn lost(viewer: &Viewer, page: &Lost) -> String {
    render(viewer.lang(), "404.html", &viewer.frame(""), page)
}
