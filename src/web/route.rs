//! Every address of the dashboard, its methods, and who may.
//!
//! The one table: what is not in it does not exist. Invariant: an address that changes something
//! has the method POST.

use crate::web::exchange::Method;

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Everybody.
    Anybody,
    /// Whoever is signed in.
    SignedIn,
    /// Administrators.
    Administrator,
}

/// A place, with what its address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The style or the script.
    Asset(String),
    /// The login.
    Login,
    /// The way out.
    Logout,
    /// Sets the theme.
    Theme,
    /// The overview.
    Home,
    /// Announces changes.
    Events,
    /// The list of backups.
    Backups,
    /// The list as a file: `csv` or `json`.
    BackupsAs(String),
    /// One backup.
    Backup(i64),
    /// The question whether to prove a backup now, and the answer.
    Prove(i64),
    /// The list of runs.
    Runs,
    /// One run.
    Run(String),
    /// Sources.
    Sources,
    /// Restore drills.
    Drills,
    /// The record of evidence.
    Evidence,
    /// The question whether to run a job, and the answer; by the job's digest.
    RunNow(String),
    /// The question how to schedule a job, and the answer.
    Schedule(String),
    /// The list of users.
    Users,
    /// The form of a new user.
    UserNew,
    /// The form of a user.
    User(i64),
    /// The question whether to remove a user, and the answer.
    UserRemove(i64),
    /// The audit.
    Audit,
    /// The audit as a file.
    AuditAs(String),
}

impl Route {
    /// The place at a path; `None` where nothing is.
    pub fn at(path: &str) -> Option<Route> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse::<i64>().ok()).flatten()
        };
        Some(match parts.as_slice() {
            [""] => Route::Home,
            ["entrar"] => Route::Login,
            ["sair"] => Route::Logout,
            ["tema"] => Route::Theme,
            ["eventos"] => Route::Events,
            ["backups"] => Route::Backups,
            ["backups.csv"] => Route::BackupsAs("csv".into()),
            ["backups.json"] => Route::BackupsAs("json".into()),
            ["backups", n] => Route::Backup(number(n)?),
            ["backups", n, "testar"] => Route::Prove(number(n)?),
            ["execucoes"] => Route::Runs,
            ["execucoes", id] => Route::Run((*id).to_owned()),
            ["fontes"] => Route::Sources,
            ["restauracoes"] => Route::Drills,
            ["evidencia.json"] => Route::Evidence,
            ["rotinas", job, "executar"] => Route::RunNow((*job).to_owned()),
            ["rotinas", job, "agendamento"] => Route::Schedule((*job).to_owned()),
            ["usuarios"] => Route::Users,
            ["usuarios", "novo"] => Route::UserNew,
            ["usuarios", n, "editar"] => Route::User(number(n)?),
            ["usuarios", n, "excluir"] => Route::UserRemove(number(n)?),
            ["auditoria"] => Route::Audit,
            ["auditoria.csv"] => Route::AuditAs("csv".into()),
            ["auditoria.json"] => Route::AuditAs("json".into()),
            [file] if file.strip_prefix("vex-").is_some() => Route::Asset((*file).to_owned()),
            _ => return None,
        })
    }

    /// The methods it has.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            Route::Logout => &[Method::Post],
            Route::Login
            | Route::Prove(_)
            | Route::RunNow(_)
            | Route::Schedule(_)
            | Route::UserNew
            | Route::User(_)
            | Route::UserRemove(_) => &[Method::Get, Method::Post],
            Route::Asset(_)
            | Route::Theme
            | Route::Home
            | Route::Events
            | Route::Backups
            | Route::BackupsAs(_)
            | Route::Backup(_)
            | Route::Runs
            | Route::Run(_)
            | Route::Sources
            | Route::Drills
            | Route::Evidence
            | Route::Users
            | Route::Audit
            | Route::AuditAs(_) => &[Method::Get],
        }
    }

    /// Who may.
    pub fn who(&self) -> Who {
        match self {
            Route::Asset(_) | Route::Login | Route::Theme => Who::Anybody,
            Route::Logout
            | Route::Home
            | Route::Events
            | Route::Backups
            | Route::BackupsAs(_)
            | Route::Backup(_)
            | Route::Runs
            | Route::Run(_)
            | Route::Sources
            | Route::Drills
            | Route::Evidence => Who::SignedIn,
            Route::Prove(_)
            | Route::RunNow(_)
            | Route::Schedule(_)
            | Route::Users
            | Route::UserNew
            | Route::User(_)
            | Route::UserRemove(_)
            | Route::Audit
            | Route::AuditAs(_) => Who::Administrator,
        }
    }
}
