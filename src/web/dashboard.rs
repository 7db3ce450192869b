//! The dashboard: a request becomes a page, for who may see it.
//!
//! Opens no file. Invariants: what the table of routes does not have does not exist; what changes
//! something has a session's token; nobody learns whether a page exists that they may not see.

use crate::base::Secret;
use crate::lang::Lang;
use crate::view::{self, Base, Login, Lost, Reader, Viewer, pages};
use crate::web::exchange::{Handler, Method, Request, Response};
use crate::web::route::{Route, Who};
use crate::web::session::{Asker, COOKIE, Refusal, same};
use crate::web::state::State;

/// The cookie of the language.
const LANGUAGE: &str = "vex-lang";

/// The cookie of the theme.
const THEME: &str = "vex-theme";

/// How long a choice of language or theme is kept, in seconds: a year.
const CHOICE: std::time::Duration = std::time::Duration::from_secs(31_536_000);

/// The answerer of all requests.
pub struct Dashboard(pub std::sync::Arc<State>);

impl Handler for Dashboard {
    fn answer(&self, request: &Request) -> Response {
        let response = match (Route::at(&request.path), request.method) {
            (Some(Route::Events), Method::Get) => self.events(request),
            _ => self.0.answer(request),
        };
        match request.query.get("lang").and_then(language) {
            Some(lang) => response.with_cookie(request, LANGUAGE, lang.code(), Some(CHOICE)),
            None => response,
        }
    }
}

impl Dashboard {
    /// A stream that says when something changed, to who is signed in.
    fn events(&self, request: &Request) -> Response {
        if self.0.asker(request).is_none() {
            return Response::plain(401);
        }
        let state = std::sync::Arc::clone(&self.0);
        Response::events(move |out, stop| state.announce(out, stop))
    }
}

fn language(text: &str) -> Option<Lang> {
    [Lang::PtBr, Lang::En].into_iter().find(|lang| lang.code() == text)
}

/// Why there is no page.
pub enum Trouble {
    /// Nothing is here.
    Missing,
    /// The catalog is away.
    Away,
}

impl From<String> for Trouble {
    fn from(_: String) -> Trouble {
        Trouble::Away
    }
}

/// A page, or why there is none.
pub type Page = Result<Response, Trouble>;

impl State {
    /// Who looks, as pages need it.
    pub fn viewer(&self, request: &Request, asker: Option<&Asker>) -> Viewer {
        let chosen = request.query.get("lang").or_else(|| request.cookie(LANGUAGE));
        let lang = chosen.and_then(language).unwrap_or(self.settings.lang);
        let theme = request.cookie(THEME).filter(|t| ["light", "dark"].contains(t));
        let account = asker.map(|a| &a.session.account);
        Viewer {
            reader: Reader { lang, zone: self.settings.zone.clone() },
            base: Base::Server,
            now: self.now(),
            host: self.desk.host().to_owned(),
            who: account.map(|a| a.login.clone()).unwrap_or_default(),
            admin: asker.is_some_and(Asker::is_admin),
            csrf: asker.map(|a| a.session.csrf.clone()).unwrap_or_default(),
            theme: theme.unwrap_or_default().to_owned(),
            path: request.path.clone(),
            away: self.away(),
        }
    }

    fn answer(&self, request: &Request) -> Response {
        let Some(route) = Route::at(&request.path) else {
            return self.nothing(request);
        };
        if !route.methods().contains(&request.method) {
            let names: Vec<&str> = route.methods().iter().map(|m| m.name()).collect();
            return Response::wrong_method(&names.join(", "));
        }
        match route {
            Route::Asset(name) => return asset(&name),
            Route::Theme => return theme(request),
            Route::Login => return self.login(request),
            _ => {}
        }
        let Some(asker) = self.asker(request) else { return login_first(request) };
        let viewer = self.viewer(request, Some(&asker));
        if route.who() == Who::Administrator && !asker.is_admin() {
            let page = pages::lost(&viewer, &Lost::forbidden(&viewer));
            return Response::html(page).with_status(403);
        }
        if request.method == Method::Post {
            let token = request.form().get("csrf").unwrap_or_default();
            if !request.has_form() || !same(token, &asker.session.csrf) {
                let page = pages::lost(&viewer, &Lost::forbidden(&viewer));
                return Response::html(page).with_status(403);
            }
        }
        match self.page(request, &route, &asker, &viewer) {
            Ok(response) => response,
            Err(Trouble::Missing) => {
                let page = pages::lost(&viewer, &Lost::missing(&viewer, &request.path));
                Response::html(page).with_status(404)
            }
            Err(Trouble::Away) => {
                let viewer = self.viewer(request, Some(&asker));
                let page = pages::lost(&viewer, &Lost::away(&viewer));
                Response::html(page).with_status(503)
            }
        }
    }

    /// Nothing is here; who is not signed in is sent to the login all the same.
    fn nothing(&self, request: &Request) -> Response {
        let Some(asker) = self.asker(request) else { return login_first(request) };
        let viewer = self.viewer(request, Some(&asker));
        let page = pages::lost(&viewer, &Lost::missing(&viewer, &request.path));
        Response::html(page).with_status(404)
    }

    fn page(&self, request: &Request, route: &Route, asker: &Asker, viewer: &Viewer) -> Page {
        match route {
            Route::Asset(_) | Route::Theme | Route::Login => Err(Trouble::Missing),
            Route::Logout => {
                self.sign_out(asker, request.peer)?;
                Ok(Response::redirect("/entrar").with_cookie(
                    request,
                    COOKIE,
                    "",
                    Some(std::time::Duration::ZERO),
                ))
            }
            Route::Home => self.home(viewer),
            Route::Events => Err(Trouble::Missing),
            Route::Backups => self.backup_list(request, viewer),
            Route::BackupsAs(kind) => self.backups_as(request, viewer, kind),
            Route::Backup(number) => self.one_backup(viewer, *number),
            Route::Prove(number) => self.prove(request, asker, viewer, *number),
            Route::Runs => self.run_list(request, viewer),
            Route::Run(id) => self.one_run(viewer, id),
            Route::Sources => self.source_page(viewer),
            Route::Drills => self.drill_page(viewer),
            Route::Evidence => self.evidence(viewer),
            Route::RunNow(job) => self.run_now(request, asker, viewer, job),
            Route::Schedule(job) => self.schedule(request, asker, viewer, job),
            Route::Users => self.users(request, viewer, None, None),
            Route::UserNew => self.user(request, asker, viewer, None),
            Route::User(id) => self.user(request, asker, viewer, Some(*id)),
            Route::UserRemove(id) => self.remove_user(request, asker, viewer, *id),
            Route::Audit => self.audit_page(request, viewer),
            Route::AuditAs(kind) => self.audit_as(request, viewer, kind),
        }
    }

    fn login(&self, request: &Request) -> Response {
        let viewer = self.viewer(request, None);
        let given = |name: &str| match request.method {
            Method::Get => request.query.get(name).unwrap_or_default().to_owned(),
            Method::Post => request.form().get(name).unwrap_or_default().to_owned(),
        };
        let mut page = Login { to: given("para"), ..Login::default() };
        if request.method == Method::Get {
            return Response::html(pages::login(&viewer, &page));
        }
        page.login = given("login").chars().take(100).collect();
        let password = Secret::new(given("senha"));
        let status = match self.sign_in(request.peer, &page.login, &password) {
            Ok(token) => {
                self.leave_behind(request);
                // Session cookies end with the browser; their age is the server's to keep.
                return Response::redirect(own_path(&page.to))
                    .with_cookie(request, COOKIE, &token, None);
            }
            Err(Refusal::Empty) => {
                page.title = viewer.say("login-empty", &[]);
                422
            }
            Err(Refusal::Wrong) => {
                page.title = viewer.say("login-wrong", &[]);
                page.text = viewer.say("login-wrong-about", &[]);
                page.close = true;
                401
            }
            Err(Refusal::Slow(wait)) => {
                let n = (wait.as_secs() + 1).to_string();
                page.title = viewer.say("login-slow", &[("n", &n)]);
                429
            }
            Err(Refusal::Away(_)) => {
                let since = self.away().unwrap_or(viewer.now);
                let time = viewer.reader.clock(since);
                page.title = viewer.say("catalog-away", &[("time", &time)]);
                503
            }
        };
        page.wrong = true;
        Response::html(pages::login(&viewer, &page)).with_status(status)
    }
}

/// Leads to the login, and from there back.
fn login_first(request: &Request) -> Response {
    if request.method == Method::Post || request.path == "/" {
        return Response::redirect("/entrar");
    }
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("para", &request.path);
    Response::redirect(&format!("/entrar?{}", form.finish()))
}

/// A path of the dashboard, or the overview.
fn own_path(to: &str) -> &str {
    let known =
        Route::at(to).is_some_and(|r| !matches!(r, Route::Logout | Route::Login | Route::Events));
    if known { to } else { "/" }
}

fn asset(name: &str) -> Response {
    let is = |address: view::Address| Base::Server.to(&address).trim_start_matches('/') == name;
    if is(view::Address::Style) {
        Response::asset("text/css; charset=utf-8", view::STYLE.as_bytes())
    } else if is(view::Address::Script) {
        Response::asset("text/javascript; charset=utf-8", view::SCRIPT.as_bytes())
    } else {
        Response::not_found()
    }
}

fn theme(request: &Request) -> Response {
    let theme = request.query.get("theme").filter(|t| ["light", "dark"].contains(t));
    Response::redirect("/").with_cookie(request, THEME, theme.unwrap_or("auto"), Some(CHOICE))
}
