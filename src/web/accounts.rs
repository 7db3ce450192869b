//! Users: listed, added, changed and removed, by administrators; and the audit of it.
//!
//! Invariants: each change is in the audit, without a password or its hash; the server checks every
//! field itself, whatever the browser did.

use crate::base::Secret;
use crate::catalog::{Account, AuditRow, CLIENT, Catalog, Changed};
use crate::view::{self, Ask, Done, Typed, Viewer, pages};
use crate::web::dashboard::{Page, Trouble};
use crate::web::exchange::{Method, Request, Response};
use crate::web::password::{self, LONGEST, SHORTEST};
use crate::web::session::Asker;
use crate::web::show::export;
use crate::web::state::{State, lock};

/// Rows of a page.
const PAGE: u64 = 10;

/// Rows of an export at most.
const EXPORT: u64 = 1_000_000;

/// What a form of a user was sent with.
struct Sent {
    account: Account,
    password: Secret,
    repeated: Secret,
}

impl Sent {
    fn of(request: &Request, id: Option<i64>, created: String) -> Sent {
        let field = |name: &str| request.form().get(name).unwrap_or_default();
        let short = |text: &str, most: usize| -> String {
            text.trim().chars().filter(|c| !c.is_control()).take(most).collect()
        };
        Sent {
            account: Account {
                id: id.unwrap_or_default(),
                name: short(field("nome"), 100),
                login: short(field("login"), 50),
                privilege: field("privilegio").to_owned(),
                created,
                ..Account::default()
            },
            password: Secret::new(field("senha").to_owned()),
            repeated: Secret::new(field("repetir").to_owned()),
        }
    }
}

impl State {
    pub(super) fn users(
        &self,
        request: &Request,
        viewer: &Viewer,
        ask: Option<Ask>,
        done: Option<Done>,
    ) -> Page {
        let q: String = request.query.get("q").unwrap_or_default().chars().take(200).collect();
        let page = request.query.get("pagina").and_then(|p| p.parse().ok()).unwrap_or(1);
        let accounts = self.with(Catalog::accounts)?;
        let mut shown = view::users(viewer, &accounts, (&q, page));
        let told = |key: &str, about: &str| Done {
            k: "ok",
            title: viewer.say(key, &[]),
            text: if about.is_empty() { String::new() } else { viewer.say(about, &[]) },
        };
        shown.ask = ask;
        shown.done = done.or_else(|| match request.query.get("feito") {
            Some("cadastrado") => Some(told("user-added", "user-added-about")),
            Some("alterado") => Some(told("user-changed", "")),
            Some("excluido") => Some(told("user-removed", "")),
            _ => None,
        });
        Ok(Response::html(pages::user_list(viewer, &shown)))
    }

    /// The form of a user, and what it sends; without a number, of a new one.
    pub(super) fn user(
        &self,
        request: &Request,
        asker: &Asker,
        viewer: &Viewer,
        id: Option<i64>,
    ) -> Page {
        let privileges = self.with(Catalog::privileges)?;
        let old = match id {
            Some(id) => Some(self.with(|c| c.account(id))?.ok_or(Trouble::Missing)?),
            None => None,
        };
        let created = old.as_ref().map_or_else(|| self.moment(), |a| a.created.clone());
        if request.method == Method::Get {
            let typed = Typed {
                id,
                name: old.as_ref().map(|a| a.name.clone()).unwrap_or_default(),
                login: old.as_ref().map(|a| a.login.clone()).unwrap_or_default(),
                privilege: old.map_or_else(|| CLIENT.to_owned(), |a| a.privilege),
                created,
                ..Typed::default()
            };
            let page = view::user_form(viewer, &typed, &privileges);
            return Ok(Response::html(pages::user(viewer, &page)));
        }
        let sent = Sent::of(request, id, created);
        match self.save(request, asker, viewer, (old.as_ref(), &sent))? {
            Ok(to) => Ok(Response::redirect(to)),
            Err(typed) => {
                let page = view::user_form(viewer, &typed, &privileges);
                Ok(Response::html(pages::user(viewer, &page)).with_status(422))
            }
        }
    }

    /// Saves what was sent; where it can't be, the form again with what is wrong.
    fn save(
        &self,
        request: &Request,
        asker: &Asker,
        viewer: &Viewer,
        (old, sent): (Option<&Account>, &Sent),
    ) -> Result<Result<&'static str, Typed>, Trouble> {
        let mut typed = check(viewer, old, sent);
        if !typed.errors.is_empty() {
            return Ok(Err(typed));
        }
        let mut account = sent.account.clone();
        if !sent.password.reveal().is_empty() {
            // Too many hash at once: as if the catalog were away, so that it is tried again.
            account.password = password::hash(&sent.password).ok_or(Trouble::Away)?;
        }
        let at = self.moment();
        let changed = match old {
            None => self.with(|c| c.add_account(&account))?,
            Some(_) => self.with(|c| c.change_account(&account, &asker.token, &at))?,
        };
        let about = |key: &str| viewer.say(key, &[]);
        match changed {
            Changed::Done => {}
            Changed::Taken => {
                typed.errors.push(("login", about("user-taken")));
                typed.wrong = about("user-taken");
                return Ok(Err(typed));
            }
            Changed::LastAdmin => {
                typed.wrong = about("user-last-admin");
                return Ok(Err(typed));
            }
            Changed::Missing => return Err(Trouble::Missing),
        }
        self.sessions.forget_all();
        let action = if old.is_some() { "action-change-user" } else { "action-add-user" };
        let before = old.map(|o| told(o, false)).unwrap_or_default();
        let mut after = told(&account, old.is_some() && !account.password.is_empty());
        let target = old.map_or(&account.login, |o| &o.login);
        if *target != account.login {
            after += &format!(", login {}", account.login);
        }
        self.note(request, asker, action, target, (&before, &after));
        Ok(Ok(match old {
            None => "/usuarios?feito=cadastrado",
            Some(_) => "/usuarios?feito=alterado",
        }))
    }

    pub(super) fn remove_user(
        &self,
        request: &Request,
        asker: &Asker,
        viewer: &Viewer,
        id: i64,
    ) -> Page {
        let account = self.with(|c| c.account(id))?.ok_or(Trouble::Missing)?;
        let action = request.path.clone();
        if request.method == Method::Get {
            let ask = Ask { action, login: account.login };
            return self.users(request, viewer, Some(ask), None);
        }
        let refused = |key: &str| {
            let done = Done { k: "er", title: viewer.say(key, &[]), text: String::new() };
            self.users(request, viewer, None, Some(done)).map(|r| r.with_status(409))
        };
        if account.login == asker.session.account.login {
            return refused("user-self");
        }
        match self.with(|c| c.remove_account(id))? {
            Changed::LastAdmin => return refused("user-last-admin"),
            Changed::Missing => return Err(Trouble::Missing),
            Changed::Taken | Changed::Done => {}
        }
        self.sessions.forget_all();
        let before = told(&account, false);
        self.note(request, asker, "action-remove-user", &account.login, (&before, ""));
        Ok(Response::redirect("/usuarios?feito=excluido"))
    }

    /// Adds a row to the audit of what was done; while the catalog is away, once it is there.
    pub(super) fn note(
        &self,
        request: &Request,
        asker: &Asker,
        action: &str,
        target: &str,
        (before, after): (&str, &str),
    ) {
        let row = AuditRow {
            number: 0,
            at: self.moment(),
            who: asker.session.account.login.clone(),
            peer: request.peer.to_string(),
            action: action.to_owned(),
            target: target.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        self.note_when_it_is_there(row);
    }

    pub(super) fn audit_page(&self, request: &Request, viewer: &Viewer) -> Page {
        let q: String = request.query.get("q").unwrap_or_default().chars().take(200).collect();
        let page: u64 = request
            .query
            .get("pagina")
            .and_then(|p| p.parse().ok())
            .unwrap_or(1_u64)
            .clamp(1, 1 << 30);
        let words = view::sought(viewer, &q);
        let after = lock(&self.audited).clone();
        let ((page, found), checked) = self.with(|catalog| {
            let of =
                |catalog: &mut Catalog, page: u64| catalog.audit(&words, ((page - 1) * PAGE, PAGE));
            let found = of(catalog, page)?;
            let last = view::pages_of(found.1).min(page);
            let found = if last < page { of(catalog, last)? } else { found };
            Ok(((last, found), catalog.check_audit(after)?))
        })?;
        let broken = match checked {
            Ok(up_to) => {
                *lock(&self.audited) = up_to;
                None
            }
            Err(number) => Some(number),
        };
        let page = view::audit(viewer, (&q, page), (&found.0, found.1), broken);
        Ok(Response::html(pages::audit_page(viewer, &page)))
    }

    pub(super) fn audit_as(&self, request: &Request, viewer: &Viewer, kind: &str) -> Page {
        let words = view::sought(viewer, request.query.get("q").unwrap_or_default());
        let (rows, _) = self.with(|catalog| catalog.audit(&words, (0, EXPORT)))?;
        let heads: Vec<String> = view::audit_heads(viewer).into_iter().map(|c| c.label).collect();
        let cells: Vec<[String; 6]> = rows
            .iter()
            .map(|row| {
                let l = view::audit_line(viewer, row);
                [l.at, format!("{} {}", l.who, l.peer), l.action, l.target, l.before, l.after]
            })
            .collect();
        Ok(export("auditoria", kind, &heads, cells.iter().map(|row| row.as_slice())))
    }
}

/// What the audit says of an account.
fn told(account: &Account, with_password: bool) -> String {
    let password = if with_password { ", senha alterada" } else { "" };
    format!("{}, {}{password}", account.name, account.privilege)
}

/// What is wrong with what was sent.
fn check(viewer: &Viewer, old: Option<&Account>, sent: &Sent) -> Typed {
    let mut typed = Typed {
        id: old.map(|a| a.id),
        name: sent.account.name.clone(),
        login: sent.account.login.clone(),
        privilege: sent.account.privilege.clone(),
        created: sent.account.created.clone(),
        ..Typed::default()
    };
    let (password, repeated) = (sent.password.reveal(), sent.repeated.reveal());
    let needs_password = old.is_none() || !password.is_empty() || !repeated.is_empty();
    let empty = [
        ("nome", sent.account.name.is_empty()),
        ("login", sent.account.login.is_empty()),
        ("senha", needs_password && password.is_empty()),
        ("repetir", needs_password && repeated.is_empty()),
        ("privilegio", sent.account.privilege.is_empty()),
    ];
    for (name, _) in empty.iter().filter(|(_, empty)| *empty) {
        typed.errors.push((name, viewer.say("user-fill", &[])));
        typed.wrong = viewer.say("user-empty", &[]);
    }
    if !typed.errors.is_empty() || !needs_password {
        return typed;
    }
    if password != repeated {
        typed.wrong = viewer.say("user-differ", &[]);
        typed.errors.push(("repetir", typed.wrong.clone()));
    } else if password.chars().count() < SHORTEST || password.len() > LONGEST {
        typed.wrong = viewer.say("user-short", &[("n", &SHORTEST.to_string())]);
        typed.errors.push(("senha", typed.wrong.clone()));
    }
    typed
}
