//! What a hostile user tries: names that are markup, a login from many places at once, a report with
//! links that lead out, addresses and methods that are nearly right.

pub mod html;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;

use crate::common::space::{Ran, Space, until};
use crate::web::attack::html::{active, strings};
use crate::web::front::served::{connect, send, status};
use crate::web::load::serve_with;
use crate::web::pages::report;

/// What everybody here signs in with.
pub const PASSWORD: &str = "CANARY-senha-do-ataque";

/// A filled catalog with an administrator and a client.
pub fn peopled() -> Space {
    let space = report::filled();
    let file = space.secret("senha", PASSWORD);
    for (login, privilege) in [("chefe", "Administrador"), ("leitora", "Cliente")] {
        let file = file.to_str().unwrap();
        let add = ["user", "add", login, "--privilege", privilege, "--password-file", file];
        space.run(&add).expect(0);
    }
    space
}

pub fn field(answer: &str, name: &str) -> Option<String> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let same = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
    head.lines().find(same).map(|line| line[name.len() + 2..].to_owned())
}

/// A request line with some fields and a body, to the end.
pub fn say(to: SocketAddr, line: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ";
    let form = if body.is_empty() { String::new() } else { format!("{form}{length}\r\n") };
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}{form}\r\n{body}");
    send(connect(to), request)
}

pub fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// Tries to sign in.
pub fn login(to: SocketAddr, fields: &str, login: &str, password: &str) -> String {
    let body = format!("login={}&senha={}&para=%2F", encoded(login), encoded(password));
    let fields = format!("Sec-Fetch-Site: same-origin\r\n{fields}");
    say(to, "POST /entrar", &fields, &body)
}

/// The cookie of a session.
pub fn signed_in(to: SocketAddr, who: &str) -> String {
    let answer = login(to, "", who, PASSWORD);
    assert_eq!(status(&answer), 303, "{answer}");
    let cookie = field(&answer, "set-cookie").unwrap();
    format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
}

/// Every address that a page is at.
const PLACES: [&str; 16] = [
    "/",
    "/entrar",
    "/backups",
    "/backups/81",
    "/backups/40",
    "/execucoes",
    "/fontes",
    "/restauracoes",
    "/usuarios",
    "/usuarios/novo",
    "/usuarios/1/editar",
    "/usuarios/2/excluir",
    "/auditoria",
    "/nada-aqui",
    "/backups/999999",
    "/usuarios/77/editar",
];

/// Writes hostile strings wherever the catalog has a text that people chose.
fn poison(space: &Space) {
    let strings = strings();
    let mut sql = Vec::new();
    for (n, evil) in strings.iter().enumerate() {
        let evil = format!("'{}'", evil.replace('\'', "''"));
        let rows = format!("number % {} = {n}", strings.len());
        sql.push(format!(
            "UPDATE backup SET host = {evil}, units = {evil}, note = {evil}, server = {evil}, name = {evil}, \
             job = {evil}, chain = {evil}, shown = '' WHERE {rows}"
        ));
        sql.push(format!("UPDATE run_log SET line = {evil} WHERE {rows}"));
        let rows = format!("rowid % {} = {n}", strings.len());
        sql.push(format!("UPDATE run SET host = {evil}, job = {evil}, note = {evil} WHERE {rows}"));
        sql.push(format!(
            "UPDATE step SET address = {evil}, message = {evil}, store = {evil} WHERE {rows}"
        ));
        sql.push(format!(
            "UPDATE copy SET place = {evil}, object_key = {evil}, bucket = {evil}, message = {evil} WHERE {rows}"
        ));
        sql.push(format!(
            "UPDATE drill SET target = {evil}, message = {evil}, who = {evil} WHERE {rows}"
        ));
        sql.push(format!(
            "INSERT INTO account (name, login, password, created) VALUES ({evil}, {evil}, '', '2026-01-01T00:00:00.000000Z')"
        ));
        sql.push(format!(
            "INSERT INTO declared_job (host, file, job, schedule, zone, within_s, parallel_chains, enabled, seen) \
             VALUES ({evil}, {evil}, {evil}, {evil}, 'UTC', 60, 1, 1, '2026-11-20T00:00:00.000000Z')"
        ));
        sql.push(format!(
            "INSERT INTO declared_chain (host, file, job, verb, source, chain, sealed, number, seen) \
             VALUES ({evil}, {evil}, {evil}, 'dump', {evil}, {evil}, 1, 1, '2026-11-20T00:00:00.000000Z')"
        ));
        sql.push(format!(
            "INSERT INTO schedule_override (host, file, job, state, schedule, who, at) \
             VALUES ({evil}, {evil}, {evil}, 'on', {evil}, {evil}, '2026-11-20T00:00:00.000000Z')"
        ));
        sql.push(format!(
            "INSERT INTO remark (at, who, kind, drill, source, body, owner, open) \
             VALUES ('2026-11-20T00:00:00.000000Z', {evil}, 'exception', '', {evil}, {evil}, {evil}, 1)"
        ));
    }
    report::run_sql(space, &sql);
}

#[track_caller]
pub fn is_harmless(what: &str, answer: &str) {
    let policy = field(answer, "content-security-policy");
    assert!(policy.is_some_and(|p| p.starts_with("default-src 'none'")), "{what}: {answer}");
    let kind = field(answer, "content-type").unwrap_or_default();
    if kind.starts_with("text/html") {
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(active(body), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn markup_in_any_text_stays_text_on_every_page() {
    let space = peopled();
    poison(&space);
    let (_server, to) = serve_with(&space, &["serve"]);
    let cookie = signed_in(to, "chefe");
    let asked = |place: &str, fields: &str| say(to, &format!("GET {place}"), fields, "");
    let is_whole = std::env::var_os("VEX_WEB").is_some();
    let mut pages: Vec<String> = PLACES.iter().map(|p| (*p).to_owned()).collect();
    let most = if is_whole { 80 } else { 20 };
    pages.extend((1..=most).map(|n| format!("/backups/{n}")));
    pages.extend((1..=10).map(|n| format!("/usuarios?pagina={n}")));
    let runs =
        space.catalog::<String>("SELECT group_concat(id) FROM (SELECT id FROM run LIMIT 20)");
    pages.extend(runs.split(',').map(|id| format!("/execucoes/{id}")));
    for page in &pages {
        is_harmless(page, &asked(page, &cookie));
    }
    for (n, evil) in strings().into_iter().enumerate() {
        let text = encoded(&evil);
        let places = [
            "/backups?q=",
            "/execucoes?q=",
            "/auditoria?q=",
            "/usuarios?q=",
            "/entrar?para=",
            "/?lang=",
            "/backups?status=",
            "/backups?ordem=",
            "/usuarios?feito=",
            "/tema?theme=",
        ];
        for (place, _) in places.iter().zip(0..).filter(|(_, at)| is_whole || at % 10 == n % 10) {
            let page = format!("{place}{text}");
            is_harmless(&page, &asked(&page, &cookie));
        }
        let plain: String =
            evil.chars().filter(char::is_ascii_graphic).filter(|c| *c != ';').collect();
        is_harmless(
            "a cookie",
            &asked("/entrar", &format!("Cookie: vex-theme={plain}; vex-lang={plain}\r\n")),
        );
        let path = format!("/{}", encoded(&evil.replace(['/', '\\'], "")));
        is_harmless(&path, &asked(&path, &cookie));
    }
    // Of the forms each string comes back as well; an empty password is no try.
    for evil in strings().iter().step_by(7) {
        is_harmless("a login", &login(to, "", evil, ""));
    }
}

#[test]
fn who_hammers_an_account_locks_nobody_out() {
    let space = peopled().job("");
    std::fs::write(space.path("vex.kdl"), "web trusted-proxy=\"127.0.0.1\"\n").unwrap();
    let (_server, to) = serve_with(&space, &["serve", "--site", "vex.kdl"]);
    let from = |n: usize| format!("X-Forwarded-For: 203.0.113.{n}\r\n");
    for n in 0..12 {
        let answer = login(to, &from(n % 3), "chefe", "CANARY-errada-errada");
        assert!([401, 429].contains(&status(&answer)), "{answer}");
    }
    assert_eq!(status(&login(to, &from(1), "chefe", PASSWORD)), 429, "who hammers has to wait");
    // The dashboard was just started: it knows no address of the administrator yet.
    assert_eq!(status(&login(to, &from(200), "chefe", PASSWORD)), 303);
}

#[test]
fn tries_at_once_are_no_more_than_tries_in_turn() {
    let space = peopled();
    let (_server, to) = serve_with(&space, &["serve"]);
    let try_it = || status(&login(to, "", "chefe", "CANARY-errada-errada"));
    let found: Vec<u16> = std::thread::scope(|threads| {
        let all: Vec<_> = (0..24).map(|_| threads.spawn(try_it)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let tried = found.iter().filter(|s| **s == 401).count();
    assert!(tried <= 6, "{tried} passwords were looked at: {found:?}");
}

#[test]
fn a_session_is_new_at_each_login_and_what_was_planted_is_not_taken() {
    let space = peopled();
    let (_server, to) = serve_with(&space, &["serve"]);
    let planted = format!("Cookie: vex={}\r\n", "a".repeat(64));
    let answer = login(to, &planted, "leitora", PASSWORD);
    let cookie = field(&answer, "set-cookie").unwrap();
    assert!(
        !cookie.contains(&"a".repeat(64)) && cookie.contains("HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert_eq!(status(&say(to, "GET /", &planted, "")), 303);
    assert_ne!(signed_in(to, "leitora"), signed_in(to, "leitora"));
}

#[test]
fn only_a_page_of_the_session_changes_anything() {
    let space = peopled();
    let (_server, to) = serve_with(&space, &["serve"]);
    let cookie = signed_in(to, "chefe");
    let page = say(to, "GET /usuarios/2/excluir", &cookie, "");
    let token = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let own = "Sec-Fetch-Site: same-origin\r\n";
    let origins = [
        "",
        "Origin: null\r\n",
        "Origin: http://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: none\r\n",
        own,
    ];
    for origin in origins {
        for given in ["", "csrf=", "csrf=x", "token=x", &format!("csrf={}", &token[1..])] {
            let answer = say(to, "POST /usuarios/2/excluir", &format!("{cookie}{origin}"), given);
            assert_eq!(status(&answer), 403, "{origin} {given}");
        }
        if origin != own {
            let fields = format!("{cookie}{origin}");
            let answer = say(to, "POST /usuarios/2/excluir", &fields, &format!("csrf={token}"));
            assert_eq!(status(&answer), 403, "{origin}");
        }
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "post", "FOO"] {
        let answer = say(
            to,
            &format!("{method} /usuarios/2/excluir?csrf={token}"),
            &format!("{cookie}{own}"),
            "",
        );
        assert!((400..=501).contains(&status(&answer)), "{method}: {answer}");
    }
    // A GET and a HEAD only ask.
    for method in ["GET", "HEAD"] {
        let line = format!("{method} /usuarios/2/excluir?csrf={token}");
        assert_eq!(status(&say(to, &line, &format!("{cookie}{own}"), "")), 200);
    }
    assert_eq!(space.catalog::<i64>("SELECT count(*) FROM account"), 2);
}

#[test]
fn an_address_that_is_nearly_right_opens_nothing() {
    let space = peopled();
    let (_server, to) = serve_with(&space, &["serve"]);
    let client = signed_in(to, "leitora");
    let places =
        ["/usuarios", "/auditoria", "/auditoria.csv", "/usuarios/novo", "/usuarios/1/editar"];
    let ways: [&dyn Fn(&str) -> String; 9] = [
        &str::to_owned,
        &|p| format!("{p}/"),
        &|p| format!("/{p}"),
        &|p| format!("/.{p}"),
        &|p| format!("/%2e{p}"),
        &|p| format!("{p}%00"),
        &str::to_uppercase,
        &|p| format!("{p};a"),
        &|p| p.replace('u', "%75"),
    ];
    for (place, way) in places.iter().flat_map(|p| ways.iter().map(move |w| (p, w))) {
        for method in ["GET", "HEAD"] {
            let line = format!("{method} {}", way(place));
            let answer = say(to, &line, &client, "");
            assert!([400, 403, 404].contains(&status(&answer)), "{line}: {answer}");
            let answer = say(to, &line, "", "");
            assert!([303, 400].contains(&status(&answer)), "{line}: {answer}");
        }
    }
}

#[test]
fn a_login_leads_nowhere_else() {
    let space = peopled();
    let (_server, to) = serve_with(&space, &["serve"]);
    for para in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/backups\r\nSet-Cookie: a=b",
        "///evil.example",
        "/%2f/evil.example",
        "/sair",
        "\u{0}",
        "/execucoes/\r\nX: y",
    ] {
        let body = format!("login=leitora&senha={}&para={}", encoded(PASSWORD), encoded(para));
        let answer = say(to, "POST /entrar", "Sec-Fetch-Site: same-origin\r\n", &body);
        if status(&answer) == 415 {
            continue;
        }
        let location = field(&answer, "location").unwrap();
        assert!(
            location == "/" || location.starts_with("/execucoes/%0D%0A"),
            "{para:?}: {location}"
        );
        let head = answer.split("\r\n\r\n").next().unwrap();
        let cookies =
            head.lines().filter(|l| l.to_ascii_lowercase().starts_with("set-cookie")).count();
        assert_eq!(cookies, 1, "{head}");
    }
}

#[test]
fn a_served_report_follows_no_link_out_of_its_folder() {
    let space = report::filled();
    space.run(&["report", "--out", "out"]).expect(0);
    let out = space.path("out");
    let outside = space.path("outside");
    std::fs::create_dir(&outside).unwrap();
    for name in ["81.html", "secret.html"] {
        std::fs::write(outside.join(name), "CANARY-outside").unwrap();
    }
    // The folder of the details, and a page, become links.
    std::fs::rename(out.join("b"), space.path("old")).unwrap();
    symlink(&outside, out.join("b")).unwrap();
    std::fs::remove_file(out.join("fontes.html")).ok();
    symlink(outside.join("secret.html"), out.join("fontes.html")).unwrap();
    let (_server, to) = serve_with(&space, &["serve", "--report", "out"]);
    assert_eq!(status(&say(to, "GET /", "", "")), 200);
    for place in ["/b/81.html", "/b/secret.html", "/fontes.html", "/b", "/b/", "/.vex-report.json"]
    {
        let answer = say(to, &format!("GET {place}"), "", "");
        assert_eq!(status(&answer), 404, "{place}: {answer}");
        assert!(!answer.contains("CANARY"), "{place}");
    }
}

#[test]
fn an_open_stream_does_not_hold_the_end() {
    let space = peopled();
    let (server, to) = serve_with(&space, &["serve"]);
    let cookie = signed_in(to, "leitora");
    let mut stream = connect(to);
    write!(stream, "GET /eventos HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.signal(rustix::process::Signal::INT);
    let code = server.ends_soon();
    assert!(code == 0 || code == 130, "{code}");
}

#[test]
fn a_catalog_that_goes_away_is_told_and_comes_back() {
    let space = peopled();
    let (_server, to) = serve_with(&space, &["serve"]);
    let cookie = signed_in(to, "leitora");
    assert_eq!(status(&say(to, "GET /", &cookie, "")), 200);
    let (file, kept) = (space.state("catalog.sqlite"), space.path("kept"));
    let write = rusqlite::Connection::open(&file).unwrap();
    drop(write.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
    drop(write);
    std::fs::rename(space.path("state/vex"), &kept).unwrap();
    // A file is where its folder was: no catalog can be made there.
    std::fs::write(space.path("state/vex"), "").unwrap();
    let answer = until("the catalog is away", || {
        let answer = say(to, "GET /backups", &cookie, "");
        (status(&answer) == 503).then_some(answer)
    });
    assert!(answer.contains("O catálogo não responde desde"), "{answer}");
    is_harmless("away", &answer);
    std::fs::remove_file(space.path("state/vex")).unwrap();
    std::fs::rename(&kept, space.path("state/vex")).unwrap();
    until("the catalog is back", || {
        (status(&say(to, "GET /backups", &cookie, "")) == 200).then_some(())
    });
}

#[test]
fn a_user_is_added_only_with_what_can_be_signed_in_with() {
    let space = Space::new();
    let add = |login: &str, password: &str| -> Ran {
        let file = space.secret("senha", password);
        space.run(&[
            "user",
            "add",
            login,
            "--privilege",
            "Cliente",
            "--password-file",
            file.to_str().unwrap(),
        ])
    };
    add("josé.açaí", "CANARY-longa\r\nmais").expect(0);
    add("josé.açaí", "CANARY-longa").expect(1);
    for (login, password) in [
        ("vazia", ""),
        ("curta", "abc\n"),
        ("linha\nfalsa", "CANARY-longa"),
        ("", "CANARY-longa"),
        ("esc\u{1b}[2J", "CANARY-longa"),
        (&"x".repeat(51), "CANARY-longa"),
    ] {
        let ran = add(login, password);
        assert_ne!(ran.code, 0, "{login:?}");
        assert!(!ran.stderr.contains("CANARY"), "{}", ran.stderr);
    }
    let missing = ["user", "add", "a", "--privilege", "Cliente", "--password-file", "nenhum"];
    assert_ne!(space.run(&missing).code, 0);
    // Without a terminal nobody is asked.
    assert_ne!(space.run(&["user", "add", "b", "--privilege", "Cliente"]).code, 0);
    let name = [
        "user",
        "add",
        "c",
        "--name",
        "a\u{1b}[2Jb\nc",
        "--privilege",
        "Cliente",
        "--password-file",
    ];
    let file = space.secret("senha", "CANARY-longa");
    space.run(&[&name[..], &[file.to_str().unwrap()]].concat()).expect(64);
    let list = space.run(&["user", "list"]).expect(0).stdout;
    assert!(!list.contains('\u{1b}'), "{list:?}");
    let (_server, to) = serve_with(&space, &["serve"]);
    assert_eq!(status(&login(to, "", "josé.açaí", "CANARY-longa")), 303);
}

#[test]
fn a_port_that_is_taken_and_a_network_without_tls_are_refused() {
    let space = Space::new();
    let (_server, to) = serve_with(&space, &["serve"]);
    let taken = space.run(&["serve", "--listen", &to.to_string()]).expect(1);
    assert!(taken.stderr.contains("unable to listen on"), "{}", taken.stderr);
    let open = space.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(open.code != 0 && open.stderr.contains("in the clear"), "{}", open.stderr);
    // Two on one catalog are fine.
    let (_second, other) = serve_with(&space, &["serve"]);
    assert_eq!(
        (status(&say(to, "GET /entrar", "", "")), status(&say(other, "GET /entrar", "", ""))),
        (200, 200)
    );
}
