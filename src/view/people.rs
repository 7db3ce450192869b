//! Pages about people: the login, users, their form, the audit, and questions before something is
//! done.

use serde::Serialize;

use crate::catalog::{ADMINISTRATOR, Account, AuditRow, CLIENT};
use crate::view::address::Address;
use crate::view::format::{NONE, parse, plain};
use crate::view::frame::{Choice, Column, PAGE, Pager, Tab, Viewer};

/// The login.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Login {
    /// Where it leads.
    pub to: String,
    /// The login that was typed.
    pub login: String,
    /// Whether something was wrong.
    pub wrong: bool,
    /// What to say; empty for nothing.
    pub title: String,
    /// The same at length.
    pub text: String,
    /// Whether there is a second way to close it (C2).
    pub close: bool,
}

/// A user as a row.
#[derive(Debug, Clone, Serialize)]
pub struct UserRow {
    /// Its place in the list.
    pub n: u64,
    /// The name.
    pub name: String,
    /// The login.
    pub login: String,
    /// The privilege.
    pub privilege: String,
    /// When it was last seen.
    pub seen: String,
    /// When it was made.
    pub created: String,
    /// Its form.
    pub edit: String,
    /// The question whether to remove it.
    pub remove: String,
}

/// The question whether to remove a user.
#[derive(Debug, Clone, Serialize)]
pub struct Ask {
    /// Where the answer goes.
    pub action: String,
    /// The login.
    pub login: String,
}

/// What was done.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    /// `ok` or `er`.
    pub k: &'static str,
    /// What it was.
    pub title: String,
    /// The same at length.
    pub text: String,
}

/// The list of users.
#[derive(Debug, Clone, Serialize)]
pub struct Users {
    /// Its tabs.
    pub tabs: Vec<Tab>,
    /// What is searched.
    pub q: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<UserRow>,
    /// Its foot.
    pub pager: Pager,
    /// A question.
    pub ask: Option<Ask>,
    /// What was done.
    pub done: Option<Done>,
}

/// The name of a privilege: those that vex knows in the reader's language, others as they are.
pub fn privilege(viewer: &Viewer, name: &str) -> String {
    match name {
        ADMINISTRATOR => viewer.say("privilege-admin", &[]),
        CLIENT => viewer.say("privilege-client", &[]),
        other => other.to_owned(),
    }
}

fn tabs(viewer: &Viewer, users: Option<u64>, here: &str) -> Vec<Tab> {
    let tab = |address: Address, key: &str, count| Tab {
        href: viewer.to(&address),
        label: viewer.say(key, &[]),
        count,
        here: key == here,
    };
    vec![tab(Address::Users, "menu-users", users), tab(Address::Audit, "audit", None)]
}

fn columns(viewer: &Viewer, keys: &[&str]) -> Vec<Column> {
    let column = |key: &&str| Column { label: viewer.say(key, &[]), ..Column::default() };
    keys.iter().map(column).collect()
}

/// The address of a page of a list that is searched for `q`.
fn page_of(base: &str, q: &str, page: u64) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    if !q.is_empty() {
        form.append_pair("q", q);
    }
    form.append_pair("pagina", &page.to_string());
    format!("{base}?{}", form.finish())
}

/// The list of users, searched for `q`.
pub fn users(viewer: &Viewer, accounts: &[Account], (q, page): (&str, u64)) -> Users {
    let words: Vec<String> = plain(q).split_whitespace().map(str::to_owned).collect();
    let fits = |a: &&Account| {
        let text = plain(&format!("{} {}", a.login, a.name));
        words.iter().all(|word| text.contains(word.as_str()))
    };
    let found: Vec<&Account> = accounts.iter().filter(fits).collect();
    let total = accounts.len() as u64;
    let pages = (found.len() as u64).div_ceil(PAGE).max(1);
    let page = page.clamp(1, pages);
    let first = (page - 1) * PAGE;
    let day = |text: Option<&str>| {
        text.and_then(parse).map_or_else(|| NONE.to_owned(), |at| viewer.reader.day(at))
    };
    let row = |(a, n): (&&Account, u64)| UserRow {
        n,
        name: a.name.clone(),
        login: a.login.clone(),
        privilege: privilege(viewer, &a.privilege),
        seen: day(a.last_seen.as_deref()),
        created: day(Some(&a.created)),
        edit: viewer.to(&Address::User(a.id, "editar")),
        remove: viewer.to(&Address::User(a.id, "excluir")),
    };
    let mut heads = vec![Column { label: "#".into(), class: "seq", ..Column::default() }];
    heads.extend(columns(
        viewer,
        &["column-login", "column-privilege", "column-seen", "column-created"],
    ));
    heads.push(Column { label: viewer.say("action", &[]), hidden: true, ..Column::default() });
    let base = viewer.to(&Address::Users);
    Users {
        tabs: tabs(viewer, Some(total), "menu-users"),
        q: q.to_owned(),
        columns: heads,
        rows: found
            .iter()
            .zip(1..)
            .skip(usize::try_from(first).unwrap_or(0))
            .take(PAGE as usize)
            .map(row)
            .collect(),
        pager: Pager::new(viewer, "users-word", (found.len() as u64, total), page, &|page| {
            page_of(&base, q, page)
        }),
        ask: None,
        done: None,
    }
}

/// A field of the form.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Field {
    /// Its element.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// `text`, `password`, `select`, `disabled`.
    pub kind: &'static str,
    /// What it is called.
    pub label: String,
    /// Its value.
    pub value: String,
    /// What can be chosen.
    pub options: Vec<Choice>,
    /// What is to be known of it.
    pub hint: String,
    /// What is wrong with it.
    pub error: String,
}

/// The form of a user.
#[derive(Debug, Clone, Serialize)]
pub struct UserForm {
    /// The title.
    pub title: String,
    /// The heading.
    pub heading: String,
    /// What stands below it.
    pub about: String,
    /// Where it is sent.
    pub action: String,
    /// Whether the user is new.
    pub new: bool,
    /// Its fields.
    pub fields: Vec<Field>,
    /// What was wrong; empty for nothing.
    pub wrong: String,
}

/// What was typed into the form, and what is wrong with each field.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// The number of the account; `None` of a new one.
    pub id: Option<i64>,
    /// The name.
    pub name: String,
    /// The login.
    pub login: String,
    /// The privilege.
    pub privilege: String,
    /// When the account was made; now for a new one.
    pub created: String,
    /// Fields by their name, and what is wrong with them.
    pub errors: Vec<(&'static str, String)>,
    /// What is wrong with the whole.
    pub wrong: String,
}

/// The form of a user; `privileges` are those of the catalog.
pub fn user_form(viewer: &Viewer, typed: &Typed, privileges: &[String]) -> UserForm {
    let error = |name: &str| {
        typed.errors.iter().find(|(n, _)| *n == name).map(|(_, e)| e.clone()).unwrap_or_default()
    };
    let field = |id, name, kind, key: &str, value: &str| Field {
        id,
        name,
        kind,
        label: viewer.say(key, &[]),
        value: value.to_owned(),
        error: error(name),
        ..Field::default()
    };
    let option = |name: &String| Choice {
        value: name.clone(),
        label: privilege(viewer, name),
        on: *name == typed.privilege,
    };
    let keep = match typed.id {
        Some(_) => viewer.say("user-keep-password", &[]),
        None => String::new(),
    };
    let day = parse(&typed.created).map(|at| viewer.reader.day(at)).unwrap_or_default();
    let fields = vec![
        field("n", "nome", "text", "user-name", &typed.name),
        field("l", "login", "text", "user-login", &typed.login),
        Field { hint: keep.clone(), ..field("s1", "senha", "password", "user-password", "") },
        field("s2", "repetir", "password", "user-repeat", ""),
        Field {
            options: privileges.iter().map(option).collect(),
            ..field("p", "privilegio", "select", "user-permission", "")
        },
        Field {
            hint: viewer.say("user-created-hint", &[]),
            ..field("d", "", "disabled", "user-created", &day)
        },
    ];
    let new = typed.id.is_none();
    let (heading, about, title) = match typed.id {
        None => ("user-heading", "user-about", "user-title"),
        Some(_) => ("user-heading-change", "user-change-about", "user-change"),
    };
    UserForm {
        title: viewer.say(title, &[]),
        heading: viewer.say(heading, &[("login", &typed.login)]),
        about: viewer.say(about, &[]),
        action: match typed.id {
            None => viewer.to(&Address::UserNew),
            Some(id) => viewer.to(&Address::User(id, "editar")),
        },
        new,
        fields,
        wrong: typed.wrong.clone(),
    }
}

/// A row of the audit as shown.
#[derive(Debug, Clone, Serialize)]
pub struct AuditLine {
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// From which address.
    pub peer: String,
    /// What was done.
    pub action: String,
    /// Whether that is a reason to look.
    pub alert: bool,
    /// To what.
    pub target: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// The audit.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// Its tabs.
    pub tabs: Vec<Tab>,
    /// What is searched.
    pub q: String,
    /// Where the chain is broken; empty where it is not.
    pub broken: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<AuditLine>,
    /// Its foot.
    pub pager: Pager,
    /// The export, as CSV.
    pub csv: String,
    /// The export, as JSON.
    pub json: String,
}

/// A row of the audit as shown.
pub fn audit_line(viewer: &Viewer, row: &AuditRow) -> AuditLine {
    let shown = |text: &str| if text.is_empty() { NONE.to_owned() } else { text.to_owned() };
    AuditLine {
        at: viewer.reader.moment_of(Some(&row.at)),
        who: row.who.clone(),
        peer: row.peer.clone(),
        action: viewer.lang().known(&row.action).unwrap_or_else(|| row.action.clone()),
        alert: row.action == "action-refused",
        target: shown(&row.target),
        before: shown(&row.before),
        after: shown(&row.after),
    }
}

/// The heads of the audit.
pub fn audit_heads(viewer: &Viewer) -> Vec<Column> {
    columns(
        viewer,
        &["date", "audit-user", "audit-action", "audit-target", "audit-before", "audit-after"],
    )
}

/// A page of the audit: `found` of a search, `broken` where the chain is.
pub fn audit(
    viewer: &Viewer,
    (q, page): (&str, u64),
    (rows, found): (&[AuditRow], u64),
    broken: Option<i64>,
) -> Audit {
    let base = viewer.to(&Address::Audit);
    let export = |kind: &str| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        if !q.is_empty() {
            form.append_pair("q", q);
        }
        let query = form.finish();
        format!("{base}.{kind}{}{query}", if query.is_empty() { "" } else { "?" })
    };
    Audit {
        tabs: tabs(viewer, None, "audit"),
        q: q.to_owned(),
        broken: broken
            .map(|n| viewer.say("audit-broken", &[("n", &n.to_string())]))
            .unwrap_or_default(),
        columns: audit_heads(viewer),
        rows: rows.iter().map(|row| audit_line(viewer, row)).collect(),
        pager: Pager::new(viewer, "records-word", (found, found), page, &|page| {
            page_of(&base, q, page)
        }),
        csv: export("csv"),
        json: export("json"),
    }
}

/// A question before something is done.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// What it asks.
    pub title: String,
    /// What stands below the heading.
    pub about: String,
    /// What will happen.
    pub text: String,
    /// `ok`, `al`, `er`.
    pub k: &'static str,
    /// Where the answer goes.
    pub action: String,
    /// Where a no leads.
    pub back: String,
    /// The word of a yes.
    pub yes: String,
    /// What is asked for.
    pub fields: Vec<Field>,
}

/// A page that says that nothing is here, or that it may not be seen.
#[derive(Debug, Clone, Serialize)]
pub struct Lost {
    /// The status.
    pub status: u16,
    /// The title.
    pub title: String,
    /// The heading.
    pub heading: String,
    /// What to do.
    pub text: String,
}

impl Lost {
    /// Nothing is at `path`.
    pub fn missing(viewer: &Viewer, path: &str) -> Lost {
        let heading = viewer.say("not-found", &[]);
        let path: String = path.chars().take(120).collect();
        Lost {
            status: 404,
            title: heading.clone(),
            heading,
            text: viewer.say("not-found-about", &[("path", &path)]),
        }
    }

    /// The catalog is away.
    pub fn away(viewer: &Viewer) -> Lost {
        let time = viewer.reader.clock(viewer.away.unwrap_or(viewer.now));
        let heading = viewer.say("catalog-away", &[("time", &time)]);
        Lost { status: 503, title: heading.clone(), heading, text: String::new() }
    }

    /// Who asks may not see it.
    pub fn forbidden(viewer: &Viewer) -> Lost {
        let heading = viewer.say("forbidden", &[]);
        let text = viewer.say("forbidden-about", &[]);
        Lost { status: 403, title: heading.clone(), heading, text }
    }
}
