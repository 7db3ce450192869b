//! Who may do what: a table over every address, every method and every role; sessions, tokens, and
//! the ends of both. By plain HTTP to a real `vex serve`.

use std::collections::BTreeMap;

use crate::web::browser::site::{ADMIN, CLIENT, PASSWORD, Site};

/// Somebody with cookies and a token for forms.
struct Visitor<'a> {
    site: &'a Site,
    agent: ureq::Agent,
    cookie: String,
    csrf: String,
}

/// An answer: its status, where it leads, its text.
struct Answer {
    status: u16,
    location: String,
    cookie: String,
    text: String,
}

impl<'a> Visitor<'a> {
    fn anonymous(site: &'a Site) -> Visitor<'a> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent = config.build().into();
        Visitor { site, agent, cookie: String::new(), csrf: String::new() }
    }

    fn signed_in(site: &'a Site, login: &str) -> Visitor<'a> {
        let mut visitor = Visitor::anonymous(site);
        let answer = visitor.log_in(login, PASSWORD);
        assert_eq!((answer.status, answer.location.as_str()), (303, "/"), "{}", answer.text);
        visitor.cookie = cookie_of(&answer);
        let home = visitor.get("/");
        visitor.csrf = between(&home.text, "name=\"csrf\" value=\"", "\"").to_owned();
        assert_eq!(visitor.csrf.len(), 64);
        visitor
    }

    fn log_in(&self, login: &str, password: &str) -> Answer {
        self.send("POST", "/entrar", &[("login", login), ("senha", password)])
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[])
    }

    /// Posts with the session's token.
    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("POST", path, &[&[("csrf", self.csrf.as_str())], fields].concat())
    }

    fn send(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let address = self.site.at(path);
        let cookie = ("cookie", self.cookie.as_str());
        let sent = match method {
            "GET" => self.agent.get(&address).header(cookie.0, cookie.1).call(),
            "POST" => self
                .agent
                .post(&address)
                .header(cookie.0, cookie.1)
                .header("sec-fetch-site", "same-origin")
                .send_form(fields.iter().copied()),
            other => {
                let request = ureq::http::Request::builder().method(other).uri(&address);
                self.agent.run(request.header(cookie.0, cookie.1).body(()).unwrap())
            }
        };
        let mut answer = sent.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let field = |name: &str| {
            answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let (location, cookie) = (field("location"), field("set-cookie"));
        // As templates write a slash.
        let text = answer.body_mut().read_to_string().unwrap().replace("&#x2f;", "/");
        Answer { status: answer.status().as_u16(), location, cookie, text }
    }
}

fn cookie_of(answer: &Answer) -> String {
    answer.cookie.split(';').next().unwrap().to_owned()
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).unwrap().0
}

/// Everything that the dashboard may change, as text.
fn state(site: &Site) -> String {
    let tables = [
        "SELECT group_concat(login || name || password || created, '|') FROM account",
        "SELECT group_concat(account || privilege, '|') FROM account_privilege",
        "SELECT group_concat(job || state || schedule, '|') FROM schedule_override",
        "SELECT group_concat(job || who, '|') FROM run_request",
        "SELECT count(*) || 'runs' FROM run",
        "SELECT group_concat(action || target, '|') FROM audit WHERE action NOT IN ('action-login', 'action-logout', 'action-refused')",
    ];
    let text = |sql: &&str| site.space.catalog::<Option<String>>(sql).unwrap_or_default();
    tables.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// Who may, as the requirements say it.
#[derive(Clone, Copy, PartialEq)]
enum May {
    Anybody,
    SignedIn,
    Administrator,
}

/// Every address: whether it can be posted to, and who may.
const ROUTES: [(&str, bool, bool, May); 25] = [
    // path, GET, POST, who
    ("/entrar", true, true, May::Anybody),
    ("/sair", false, true, May::SignedIn),
    ("/tema?theme=dark", true, false, May::Anybody),
    ("/", true, false, May::SignedIn),
    ("/backups", true, false, May::SignedIn),
    ("/backups.csv", true, false, May::SignedIn),
    ("/backups.json", true, false, May::SignedIn),
    ("/backups/81", true, false, May::SignedIn),
    ("/backups/999999", true, false, May::SignedIn),
    ("/execucoes", true, false, May::SignedIn),
    ("/execucoes/{run}", true, false, May::SignedIn),
    ("/fontes", true, false, May::SignedIn),
    ("/restauracoes", true, false, May::SignedIn),
    ("/evidencia.json", true, false, May::SignedIn),
    ("/nada-aqui", true, false, May::SignedIn),
    ("/backups/81/testar", true, true, May::Administrator),
    ("/rotinas/{job}/executar", true, true, May::Administrator),
    ("/rotinas/{job}/agendamento", true, true, May::Administrator),
    ("/usuarios", true, false, May::Administrator),
    ("/usuarios/novo", true, true, May::Administrator),
    ("/usuarios/2/editar", true, true, May::Administrator),
    ("/usuarios/2/excluir", true, true, May::Administrator),
    ("/auditoria", true, false, May::Administrator),
    ("/auditoria.csv", true, false, May::Administrator),
    ("/auditoria.json", true, false, May::Administrator),
];

fn filled(path: &str, admin: &Visitor<'_>) -> String {
    let runs = admin.get("/execucoes").text;
    let run = between(&runs, "href=\"/execucoes/2", "\"");
    path.replace("{run}", &format!("2{run}"))
        .replace("{job}", between(&runs, "href=\"/rotinas/", "/executar"))
}

#[test]
fn every_address_asks_who_it_is() {
    let site = Site::start();
    let (admin, client) = (Visitor::signed_in(&site, ADMIN), Visitor::signed_in(&site, CLIENT));
    let nobody = Visitor::anonymous(&site);
    let before = state(&site);
    let mut wrong = Vec::new();
    for (path, has_get, has_post, who) in ROUTES {
        let path = filled(path, &admin);
        for (name, visitor) in [("nobody", &nobody), ("client", &client), ("administrator", &admin)]
        {
            let mut check = |method: &str, got: &Answer, expected: u16| {
                let leads = expected != 303 || got.location.starts_with("/entrar");
                if got.status != expected || !leads {
                    let found = format!("{} {}", got.status, got.location);
                    wrong.push(format!("{method} {path} by {name}: {found}, not {expected}"));
                }
            };
            let allowed = match who {
                May::Anybody => true,
                May::SignedIn => name != "nobody",
                May::Administrator => name == "administrator",
            };
            let refused = if name == "nobody" { 303 } else { 403 };
            // A backup of another host can't be tested here.
            let missing = ["nada", "999999", "testar"].iter().any(|part| path.contains(part));
            // GET: what may be seen is seen; the rest leads to the login, or says so.
            let got = visitor.get(&path);
            match (has_get, allowed) {
                (false, _) => check("GET", &got, 405),
                (true, true) if path.starts_with("/tema") => assert_eq!(got.status, 303),
                (true, true) => check("GET", &got, if missing { 404 } else { 200 }),
                (true, false) => check("GET", &got, refused),
            }
            // POST without the token of the session, with a wrong one, and with another's.
            let post = |token: Option<&str>| {
                let fields: Vec<(&str, &str)> = token.map(|t| ("csrf", t)).into_iter().collect();
                visitor.send("POST", &path, &fields)
            };
            let other = if name == "client" { &admin.csrf } else { &client.csrf };
            for token in [None, Some(""), Some("0"), Some(other.as_str())] {
                let got = post(token);
                match (has_post, who) {
                    (false, _) if path == "/nada-aqui" && name == "nobody" => {
                        check("POST", &got, 303)
                    }
                    (false, _) if path == "/nada-aqui" => check("POST", &got, 404),
                    (false, _) => check("POST", &got, 405),
                    (true, May::Anybody) => check("POST", &got, 422),
                    (true, _) => check("POST", &got, refused),
                }
            }
            for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
                check(method, &visitor.send(method, &path, &[]), 405);
            }
        }
    }
    assert_eq!(nobody.get("/eventos").status, 401, "nobody hears what changes");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(state(&site), before, "nothing of it changed anything");
    // A client's own token opens nothing of an administrator.
    for (path, _, has_post, who) in ROUTES {
        if has_post && who == May::Administrator {
            assert_eq!(
                client.post(&filled(path, &admin), &[("estado", "off")]).status,
                403,
                "{path}"
            );
        }
    }
    assert_eq!(state(&site), before);
    // A form of another site is refused before anybody looks at its token.
    let foreign = admin
        .agent
        .post(site.at("/usuarios/2/excluir"))
        .header("cookie", &admin.cookie)
        .header("sec-fetch-site", "cross-site")
        .send_form([("csrf", admin.csrf.as_str())]);
    assert_eq!(foreign.unwrap().status().as_u16(), 403);
    assert_eq!(state(&site), before);
    // Neither is one whose body is no form.
    let text = admin
        .agent
        .post(site.at("/usuarios/2/excluir"))
        .header("cookie", &admin.cookie)
        .header("sec-fetch-site", "same-origin")
        .content_type("text/plain")
        .send(format!("csrf={}", admin.csrf));
    assert_eq!(text.unwrap().status().as_u16(), 415);
    assert_eq!(state(&site), before);
    // With the token, the same is done; and the client, removed, is out at once.
    assert_eq!(client.get("/backups").status, 200);
    assert_eq!(admin.post("/usuarios/2/excluir", &[]).location, "/usuarios?feito=excluido");
    assert_ne!(state(&site), before);
    let out = client.get("/backups");
    assert_eq!((out.status, out.location.as_str()), (303, "/entrar?para=%2Fbackups"));
    assert_eq!(site.space.catalog::<i64>("SELECT count(*) FROM session WHERE account = 2"), 0);
}

#[test]
fn every_page_keeps_to_itself() {
    let site = Site::start();
    let admin = Visitor::signed_in(&site, ADMIN);
    for (path, has_get, ..) in ROUTES {
        let path = filled(path, &admin);
        if !has_get {
            continue;
        }
        let answer =
            admin.agent.get(site.at(&path)).header("cookie", &admin.cookie).call().unwrap();
        let field = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let policy = field("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(field("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(field("x-frame-options").as_deref(), Some("DENY"), "{path}");
        assert_eq!(field("referrer-policy").as_deref(), Some("no-referrer"), "{path}");
        assert_eq!(field("cache-control").as_deref(), Some("no-store"), "{path}");
    }
}

#[test]
fn the_last_administrator_stays() {
    let site = Site::start();
    let admin = Visitor::signed_in(&site, ADMIN);
    let before = state(&site);
    // Neither removed by oneself, nor made a client.
    let own = admin.post("/usuarios/1/excluir", &[]);
    assert_eq!(own.status, 409);
    assert!(own.text.contains("Você não pode excluir o próprio acesso."));
    let client = [("nome", "X"), ("login", ADMIN), ("privilegio", "Cliente")];
    let demoted = admin.post("/usuarios/1/editar", &client);
    assert_eq!(demoted.status, 422);
    assert!(
        demoted
            .text
            .contains("O último administrador não pode ser excluído nem perder o privilégio.")
    );
    assert_eq!(state(&site), before);
    // With a second one it can be given up; whoever was changed signs in anew.
    let second = [
        ("nome", "Dois"),
        ("login", "dois"),
        ("senha", PASSWORD),
        ("repetir", PASSWORD),
        ("privilegio", "Administrador"),
    ];
    assert_eq!(admin.post("/usuarios/novo", &second).location, "/usuarios?feito=cadastrado");
    let two = Visitor::signed_in(&site, "dois");
    assert_eq!(two.post("/usuarios/1/editar", &client).location, "/usuarios?feito=alterado");
    assert_eq!(admin.get("/usuarios").status, 303, "its session ended with the change");
    assert_eq!(two.post("/usuarios/3/excluir", &[]).status, 409);
    // A privilege that the catalog has not is not given.
    let made_up = [
        ("nome", "X"),
        ("login", "x"),
        ("senha", PASSWORD),
        ("repetir", PASSWORD),
        ("privilegio", "root"),
    ];
    assert_ne!(two.post("/usuarios/novo", &made_up).status, 303);
    assert_eq!(site.space.catalog::<i64>("SELECT count(*) FROM account WHERE login = 'x'"), 0);
    // The date of the form is not the server's.
    let dated = [
        ("nome", "Tres"),
        ("login", "tres"),
        ("senha", PASSWORD),
        ("repetir", PASSWORD),
        ("privilegio", "Cliente"),
        ("data_cadastro", "01/01/1999"),
        ("criado", "1999-01-01"),
    ];
    assert_eq!(two.post("/usuarios/novo", &dated).status, 303);
    let created = "SELECT substr(created, 1, 10) FROM account WHERE login = 'tres'";
    assert_eq!(site.space.catalog::<String>(created), "2026-11-20");
}

#[test]
fn sessions_begin_and_end() {
    let site = Site::start();
    // A token that was planted before the login is not the one after it.
    let mut visitor = Visitor::anonymous(&site);
    visitor.cookie = "vex=planted".into();
    let first = visitor.log_in(CLIENT, PASSWORD);
    assert!(!cookie_of(&first).contains("planted"));
    visitor.cookie = cookie_of(&first);
    let second = visitor.log_in(CLIENT, PASSWORD);
    assert_ne!(cookie_of(&first), cookie_of(&second), "each login has a token of its own");
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(second.cookie.contains(flag), "{}", second.cookie);
    }
    // Out: the token is worth nothing afterwards.
    let client = Visitor::signed_in(&site, CLIENT);
    assert_eq!(client.get("/backups").status, 200);
    let out = client.post("/sair", &[]);
    assert_eq!((out.status, out.location.as_str()), (303, "/entrar"));
    assert!(out.cookie.contains("Max-Age=0"), "{}", out.cookie);
    assert_eq!(client.get("/backups").status, 303);
    // Idle for half an hour, and older than twelve: set back in the catalog.
    let mut aged = Vec::new();
    for (column, kept, gone) in [
        ("seen", "2026-11-20T11:31:00.000000Z", "2026-11-20T11:30:00.000000Z"),
        ("created", "2026-11-20T00:01:00.000000Z", "2026-11-20T00:00:00.000000Z"),
    ] {
        for (at, status) in [(kept, 200), (gone, 303)] {
            site.sql("UPDATE session SET peer = 'older'");
            let client = Visitor::signed_in(&site, CLIENT);
            site.sql(&format!("UPDATE session SET {column} = '{at}' WHERE peer != 'older'"));
            aged.push((client, column, at, status));
        }
    }
    // What was seen a moment ago is believed for three seconds.
    std::thread::sleep(std::time::Duration::from_millis(3200));
    for (client, column, at, status) in aged {
        assert_eq!(client.get("/backups").status, status, "{column} {at}");
    }
    // A changed password ends all sessions of its user but the own.
    let admin = Visitor::signed_in(&site, ADMIN);
    let (client, other) = (Visitor::signed_in(&site, CLIENT), Visitor::signed_in(&site, ADMIN));
    let fields = |login, privilege| {
        [
            ("nome", "X"),
            ("login", login),
            ("senha", "CANARY-nova-senha"),
            ("repetir", "CANARY-nova-senha"),
            ("privilegio", privilege),
        ]
    };
    assert_eq!(admin.post("/usuarios/2/editar", &fields(CLIENT, "Cliente")).status, 303);
    assert_eq!(client.get("/").status, 303);
    assert_eq!(other.get("/").status, 200);
    assert_eq!(admin.post("/usuarios/1/editar", &fields(ADMIN, "Administrador")).status, 303);
    assert_eq!((other.get("/").status, admin.get("/").status), (303, 200));
}

#[test]
fn guesses_are_slow_and_tell_nothing() {
    let site = Site::start();
    let visitor = Visitor::anonymous(&site);
    for (login, password) in [("", ""), (ADMIN, ""), ("", "x"), ("   ", "x")] {
        assert_eq!(visitor.log_in(login, password).status, 422);
    }
    // The same of an unknown login and of a wrong password, but for the login that was typed.
    let mut texts = BTreeMap::new();
    for login in [ADMIN, "ninguem"] {
        let answer = visitor.log_in(login, "CANARY-errada");
        assert_eq!(answer.status, 401);
        assert!(answer.cookie.is_empty());
        texts.insert(answer.text.replace(login, "LOGIN"), login);
    }
    assert_eq!(texts.len(), 1);
    for _ in 0..2 {
        assert_eq!(visitor.log_in("ninguem", "CANARY-errada").status, 401);
    }
    let slow = visitor.log_in("ninguem", "CANARY-errada");
    assert_eq!(slow.status, 429);
    assert!(slow.text.contains("Muitas tentativas. Tente novamente em"), "{}", slow.text);
    // What was refused is in the audit, without what was typed as a password.
    let refused = "SELECT group_concat(who || peer || before_text || after_text, '|') FROM audit WHERE action = 'action-refused'";
    let refused: String = site.space.catalog(refused);
    assert!(refused.contains(ADMIN) && !refused.contains("CANARY"), "{refused}");
}
