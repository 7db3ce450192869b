//! What goes wrong while somebody looks: a job that already runs, nonsense for a schedule, the hours
//! that a day has not or has twice, a job with another name, a catalog that can't be written, and
//! who signs in by TLS or by a proxy. By plain HTTP to a real `vex serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::common::servers::Pg;
use crate::common::space::{Running, Space};
use crate::record::catalog::Home;
use crate::web::attack::{PASSWORD, encoded, field, login, say, signed_in};
use crate::web::front::served::{connect, send, status};
use crate::web::load::serve_with;

/// Longer than a catalog is waited for that is locked.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
#[track_caller]
fn wait(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Adds an administrator and a client.
fn people(space: &Space) {
    let file = space.secret("senha", PASSWORD);
    for (login, privilege) in [("chefe", "Administrador"), ("leitora", "Cliente")] {
        let add = ["user", "add", login, "--privilege", privilege, "--password-file"];
        space.run(&[&add[..], &[file.to_str().unwrap()]].concat()).expect(0);
    }
}

/// A job of one step that dumps a database, with a schedule in a zone.
fn dumps(job: &str, schedule: &str, zone: &str) -> String {
    format!(
        "sources {{ sqlite \"vendas\" path=\"vendas.db\" }}\n\
         stores {{ dir \"disco\" {{ path \"guarda\"; keep last=5; }} }}\n\
         job \"{job}\" schedule=\"{schedule}\" timezone=\"{zone}\" {{ dump \"vendas\" {{ send \"disco\"; verify \"disco\" }} }}\n"
    )
}

fn with_job(job: &str) -> Space {
    let space = Space::new().env("TZ", "UTC").env("VEX_LANG", "pt-BR").job(job);
    space.database(
        "vendas.db",
        "CREATE TABLE pedido (id INTEGER PRIMARY KEY); INSERT INTO pedido VALUES (1)",
    );
    people(&space);
    space
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from} in {text}"));
    rest.split_once(to).unwrap().0
}

/// A page as an administrator sees it, slashes as they are.
fn page(to: SocketAddr, cookie: &str, path: &str) -> String {
    say(to, &format!("GET {path}"), cookie, "").replace("&#x2f;", "/")
}

/// Posts a form with the token of its session.
fn post(to: SocketAddr, cookie: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let token = page(to, cookie, "/");
    let token = between(&token, "name=\"csrf\" value=\"", "\"");
    let mut body = format!("csrf={token}");
    for (name, value) in fields {
        body += &format!("&{name}={}", encoded(value));
    }
    let own = format!("{cookie}Sec-Fetch-Site: same-origin\r\n");
    say(to, &format!("POST {path}"), &own, &body).replace("&#x2f;", "/")
}

/// The address of what is asked of the only job.
fn asked_of_job(to: SocketAddr, cookie: &str, what: &str) -> String {
    let digest = page(to, cookie, "/execucoes");
    format!("/rotinas/{}/{what}", between(&digest, "href=\"/rotinas/", "/executar"))
}

#[test]
fn a_job_that_runs_is_not_started_again() {
    let script = "while [ ! -e pode ]; do sleep 0.05; done";
    let job =
        format!("job \"lenta\" {{ exec \"espera\" {{ command \"sh\" \"-c\" {script:?} }} }}\n");
    let space = with_job(&job);
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let cookie = signed_in(to, "chefe");
    let run = asked_of_job(to, &cookie, "executar");
    let first = post(to, &cookie, &run, &[]);
    assert_eq!((status(&first), field(&first, "location").as_deref()), (303, Some("/execucoes")));
    let second = post(to, &cookie, &run, &[]);
    assert_eq!(status(&second), 409, "{second}");
    assert!(second.contains("another run holds job lenta"), "{second}");
    std::fs::write(space.path("pode"), "").unwrap();
    let count = |sql: &str| space.catalog::<i64>(sql);
    wait("the run has ended", || {
        count("SELECT count(*) FROM run WHERE kind='job' AND finished IS NOT NULL") == 1
    });
    assert_eq!(status(&post(to, &cookie, &run, &[])), 303);
    wait("the second one has, too", || count("SELECT count(*) FROM run WHERE verdict = 1") == 2);
    // What was refused is in the audit with its reason.
    let refused = "SELECT count(*) FROM audit WHERE action = 'action-run' AND after_text <> ''";
    assert_eq!(count(refused), 1);
}

#[test]
fn nonsense_is_no_schedule() {
    let space = with_job(&dumps("vendas", "0 2 * * *", "UTC"));
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let cookie = signed_in(to, "chefe");
    let schedule = asked_of_job(to, &cookie, "agendamento");
    let long = "1,".repeat(400);
    for nonsense in [
        "",
        " ",
        "a cada lua nova",
        "61 * * * *",
        "* * * *",
        "0 25 * * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "0 0 30 2 *",
        "0 0 31 4 *",
        "0 3 * * *\r\n0 4 * * *",
        "<script>",
        "\u{202e}0 3 * * *",
        "0 3 * * * ; reboot",
        "-1 * * * *",
        "99999999999999999999 * * * *",
        &long,
    ] {
        let answer = post(to, &cookie, &schedule, &[("estado", "on"), ("horario", nonsense)]);
        assert_eq!(status(&answer), 422, "{nonsense:?}: {answer}");
        let said = ["escreva cinco campos: minuto, hora", "nenhum dia tem esse momento"];
        let told = |why: &&str| answer.contains(&format!("Não é um horário: {why}"));
        assert!(said.iter().any(told), "{nonsense:?}: {answer}");
    }
    assert_eq!(space.catalog::<i64>("SELECT count(*) FROM schedule_override"), 0);
    for sense in ["0 3 * * *", "*/5 * * * *", "0 0 29 2 *", "@daily", "0 3 * * MON-FRI"] {
        let answer = post(to, &cookie, &schedule, &[("estado", "on"), ("horario", sense)]);
        assert_eq!(status(&answer), 303, "{sense}: {answer}");
        assert_eq!(space.catalog::<String>("SELECT schedule FROM schedule_override"), sense);
    }
}

#[test]
fn a_state_that_no_schedule_has_is_refused_and_changes_nothing() {
    let space = with_job(&dumps("vendas", "0 2 * * *", "UTC"));
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let cookie = signed_in(to, "chefe");
    let schedule = asked_of_job(to, &cookie, "agendamento");
    let off = [("estado", "off"), ("horario", "")];
    assert_eq!(status(&post(to, &cookie, &schedule, &off)), 303);
    let audit = "SELECT count(*) FROM audit WHERE action = 'action-schedule'";
    for fields in [&[("estado", "nunca")][..], &[("estado", "")], &[("horario", "0 3 * * *")], &[]]
    {
        assert_eq!(status(&post(to, &cookie, &schedule, fields)), 400, "{fields:?}");
        assert_eq!(space.catalog::<String>("SELECT state FROM schedule_override"), "off");
        assert_eq!(space.catalog::<i64>(audit), 1);
    }
    let file = [("estado", "file"), ("horario", "")];
    assert_eq!(status(&post(to, &cookie, &schedule, &file)), 303);
    assert_eq!(space.catalog::<i64>("SELECT count(*) FROM schedule_override"), 0);
}

#[test]
fn the_hour_that_is_lost_and_the_one_that_comes_twice_are_shown_once() {
    for (now, shown) in [
        // The clocks go from 02:00 to 03:00 on the 29th of March, and from 03:00 to 02:00 on the 25th of October.
        ("2026-03-28T12:00:00Z", "29/03/2026 03:00:00"),
        ("2026-03-29T01:00:01Z", "30/03/2026 02:30:00"),
        ("2026-10-24T12:00:00Z", "25/10/2026 02:30:00"),
        ("2026-10-25T00:30:01Z", "26/10/2026 02:30:00"),
        ("2026-10-25T01:15:00Z", "26/10/2026 02:30:00"),
    ] {
        let space = with_job(&dumps("vendas", "30 2 * * *", "Europe/Paris"));
        let space = space.env("VEX_TEST_NOW", now).env("TZ", "Europe/Paris");
        let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
        let page = page(to, &signed_in(to, "chefe"), "/execucoes");
        assert!(page.contains(shown), "{now}: no {shown} in {page}");
    }
}

#[test]
fn a_job_with_another_name_keeps_what_it_made() {
    let space = with_job(&dumps("antiga", "0 2 * * *", "UTC"));
    space.back_up();
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let cookie = signed_in(to, "chefe");
    let old = asked_of_job(to, &cookie, "executar");
    std::fs::write(space.path("job.kdl"), dumps("nova", "0 2 * * *", "UTC")).unwrap();
    space.back_up();
    let jobs = |runs: &str| between(runs, "id=\"rotinas\"", "</table>").to_owned();
    wait("the new name is shown", || jobs(&page(to, &cookie, "/execucoes")).contains(">nova<"));
    let runs = page(to, &cookie, "/execucoes");
    let jobs = jobs(&runs);
    assert!(jobs.contains("nova") && !jobs.contains("antiga"), "{jobs}");
    assert!(runs.contains("antiga"), "its run is still listed: {runs}");
    let numbers = space.catalog::<String>("SELECT group_concat(number) FROM backup");
    assert_eq!(numbers.split(',').count(), 2, "{numbers}");
    for number in numbers.split(',') {
        let answer = page(to, &cookie, &format!("/backups/{number}"));
        assert_eq!(status(&answer), 200, "{answer}");
    }
    // What is no longer declared can't be asked for, and nothing of it runs.
    assert_eq!(status(&post(to, &cookie, &old, &[])), 404);
    assert_ne!(asked_of_job(to, &cookie, "executar"), old);
    for path in ["/", "/fontes", "/restauracoes", "/backups?q=sucesso"] {
        assert_eq!(status(&page(to, &cookie, path)), 200, "{path}");
    }
    assert_eq!(space.catalog::<i64>("SELECT count(*) FROM run"), 2);
}

#[test]
fn a_catalog_that_is_locked_at_the_start_is_waited_for() {
    let space = with_job(&dumps("vendas", "0 2 * * *", "UTC"));
    let writer = Connection::open(space.state("catalog.sqlite")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    // Whoever looks sees the login; whoever signs in is told that the catalog is away.
    assert_eq!(status(&say(to, "GET /entrar", "", "")), 200);
    let answer = login(to, "", "chefe", PASSWORD);
    assert_eq!(status(&answer), 503, "{answer}");
    writer.execute_batch("ROLLBACK").unwrap();
    wait("it can be signed in", || status(&login(to, "", "chefe", PASSWORD)) == 303);
}

#[test]
fn a_catalog_that_can_only_be_read_is_shown_to_whom_is_signed_in() {
    let server = Pg::V17.shared();
    let home = Home::postgres(server, "only_read");
    let space = Space::new().env("TZ", "UTC").env("VEX_LANG", "pt-BR").job("");
    std::fs::write(space.path("vex.kdl"), home.node("")).unwrap();
    let file = space.secret("senha", PASSWORD);
    let add = [
        "user",
        "add",
        "chefe",
        "--privilege",
        "Administrador",
        "--site",
        "vex.kdl",
        "--password-file",
    ];
    space.run(&[&add[..], &[file.to_str().unwrap()]].concat()).expect(0);
    let (_writer, to) = serve_with(&space, &["serve", "--site", "vex.kdl"]);
    let cookie = signed_in(to, "chefe");
    for sql in [
        "DROP ROLE IF EXISTS only_reads",
        "CREATE ROLE only_reads LOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads",
    ] {
        server.sql("catalog_only_read", sql);
    }
    let reads = home.node("").replace("user=\"postgres\"", "user=\"only_reads\"");
    std::fs::write(space.path("reads.kdl"), reads).unwrap();
    let (_reader, other) = serve_with(&space, &["serve", "--site", "reads.kdl"]);
    for path in ["/", "/backups", "/backups?q=nada", "/fontes", "/auditoria"] {
        assert_eq!(status(&page(other, &cookie, path)), 200, "{path}");
    }
    assert_eq!(status(&login(other, "", "chefe", PASSWORD)), 503);
    assert_eq!(status(&page(to, &cookie, "/")), 200);
    drop((_writer, _reader));
    server.sql("catalog_only_read", "DROP OWNED BY only_reads; DROP ROLE only_reads");
}

/// Writes a certificate for localhost and its key; returns what it is trusted by.
fn certificate(space: &Space) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(space.path("cert.pem"), made.cert.pem()).unwrap();
    space.secret("key.pem", &made.signing_key.serialize_pem());
    made.cert.der().clone()
}

fn secure(to: SocketAddr, root: &CertificateDer<'static>, request: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    send(StreamOwned::new(session, connect(to)), request)
}

/// A dashboard that speaks TLS, and where it is.
fn serve_tls(space: &Space) -> (Running, SocketAddr) {
    use std::io::{BufRead, BufReader};
    let arguments = ["serve", "--site", "vex.kdl", "--listen", "127.0.0.1:0"];
    let mut server = space.start(&arguments);
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told = |line: String| {
        Some(line.split_once("https://")?.1.trim_end_matches('/').parse::<SocketAddr>().unwrap())
    };
    let to = lines.find_map(told).expect("the dashboard says where it is");
    (server, to)
}

#[test]
fn with_a_certificate_of_its_own_the_cookie_never_crosses_in_the_clear() {
    let space = Space::new().env("TZ", "UTC").env("VEX_LANG", "pt-BR").job("");
    people(&space);
    let root = certificate(&space);
    std::fs::write(space.path("vex.kdl"), "web cert=\"cert.pem\" key=\"key.pem\"\n").unwrap();
    let (_server, to) = serve_tls(&space);
    let body = format!("login=chefe&senha={}", encoded(PASSWORD));
    let head = "POST /entrar HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ";
    let answer = secure(to, &root, &format!("{head}{}\r\n\r\n{body}", body.len()));
    assert_eq!(status(&answer), 303, "{answer}");
    let cookie = field(&answer, "set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-vex=") && cookie.ends_with("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let get = |cookie: &str| {
        format!("GET /usuarios HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n")
    };
    assert_eq!(status(&secure(to, &root, &get(cookie))), 200);
    // A cookie that a page in the clear could have planted is none.
    assert_eq!(status(&secure(to, &root, &get(&cookie.replace("__Host-", "")))), 303);
    // A key that is another's is told, and nothing is served.
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    space.secret("key.pem", &other.signing_key.serialize_pem());
    let ran = space.run(&["serve", "--site", "vex.kdl", "--listen", "127.0.0.1:0"]).expect(1);
    assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{ran:?}");
    assert!(Path::new(&space.path("key.pem")).is_file());
}

#[test]
fn a_proxy_signs_in_whom_it_names_and_nobody_else_does() {
    let space = Space::new().env("TZ", "UTC").env("VEX_LANG", "pt-BR").job("");
    people(&space);
    let serve = |web: &str| {
        std::fs::write(space.path("vex.kdl"), format!("web {web}\n")).unwrap();
        serve_with(&space, &["serve", "--site", "vex.kdl"])
    };
    let named = |who: &str| format!("X-Forwarded-User: {who}\r\n");
    let asked =
        |to: SocketAddr, path: &str, fields: &str| say(to, &format!("GET {path}"), fields, "");
    let (server, to) = serve("trusted-proxy=\"127.0.0.1\" proxy-user=\"X-Forwarded-User\"");
    for (who, home, users) in [("chefe", 200, 200), ("leitora", 200, 403), ("bia", 200, 403)] {
        let found = ["/", "/usuarios"].map(|path| status(&asked(to, path, &named(who))));
        assert_eq!(found, [home, users], "{who}");
    }
    assert!(asked(to, "/", &named("bia")).contains("bia"));
    // Named twice, or nobody: nobody is signed in, whatever else is said.
    assert_eq!(status(&asked(to, "/", "")), 303);
    assert_eq!(status(&asked(to, "/", &named(""))), 303);
    let twice = format!("{}{}", named("bia"), named("chefe"));
    assert_ne!(status(&asked(to, "/usuarios", &twice)), 200);
    assert_eq!(status(&asked(to, "/usuarios", "X-Vex-User: chefe\r\n")), 303);
    drop(server);
    // Another machine than the proxy names whom it likes: it is not believed.
    for web in [
        "trusted-proxy=\"127.0.0.2\" proxy-user=\"X-Forwarded-User\"",
        "trusted-proxy=\"127.0.0.1\"",
    ] {
        let (_server, to) = serve(web);
        assert_eq!(status(&asked(to, "/", &named("chefe"))), 303, "{web}");
    }
    let (_server, to) = serve(
        "trusted-proxy=\"127.0.0.1\" proxy-user=\"X-Forwarded-User\" proxy-privilege=\"Administrador\"",
    );
    for (who, users) in [("bia", 200), ("leitora", 403)] {
        assert_eq!(status(&asked(to, "/usuarios", &named(who))), users, "{who}");
    }
}

#[test]
fn two_dashboards_in_other_zones_find_what_each_shows() {
    let space =
        with_job(&dumps("vendas", "0 2 * * *", "UTC")).env("VEX_TEST_NOW", "2026-11-20T01:30:00Z");
    space.back_up();
    let begun = space.catalog::<String>("SELECT started FROM backup");
    let serve = |zone: &str| {
        let name = format!("{}.kdl", zone.len());
        std::fs::write(space.path(&name), format!("timezone \"{zone}\"\n")).unwrap();
        serve_with(&space, &["serve", "job.kdl", "--site", &name])
    };
    let (_one, to) = serve("America/Porto_Velho");
    let (_other, far) = serve("Asia/Tokyo");
    let finds = |to: SocketAddr, cookie: &str, day: &str| {
        page(to, cookie, &format!("/backups?q={}", encoded(day))).contains("href=\"/backups/1\"")
    };
    let (here, there) = (signed_in(to, "chefe"), signed_in(far, "chefe"));
    assert!(begun.starts_with("2026-11-20T01:30"), "{begun}");
    for _ in 0..2 {
        assert!(finds(to, &here, "19/11/2026 21:30") && !finds(to, &here, "20/11/2026"));
        assert!(finds(far, &there, "20/11/2026 10:30") && !finds(far, &there, "19/11/2026"));
    }
}

#[test]
fn a_refused_login_is_noted_once_the_catalog_takes_it() {
    let space = with_job(&dumps("vendas", "0 2 * * *", "UTC"));
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let writer = Connection::open(space.state("catalog.sqlite")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(status(&login(to, "", "chefe", "CANARY-errada-errada")), 401);
    let refused = "SELECT count(*) FROM audit WHERE action = 'action-refused' AND who = 'chefe'";
    assert_eq!(space.catalog::<i64>(refused), 0);
    writer.execute_batch("ROLLBACK").unwrap();
    wait("it is noted", || space.catalog::<i64>(refused) == 1);
    space.run(&["user", "audit", "--verify"]).expect(0);
}

#[test]
fn a_run_that_begins_while_the_catalog_takes_nothing_is_noted_later() {
    let script = "touch rodou";
    let job =
        format!("job \"curta\" {{ exec \"marca\" {{ command \"sh\" \"-c\" {script:?} }} }}\n");
    let space = with_job(&job);
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let cookie = signed_in(to, "chefe");
    let run = asked_of_job(to, &cookie, "executar");
    let writer = Connection::open(space.state("catalog.sqlite")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(status(&post(to, &cookie, &run, &[])), 303, "it did begin");
    let noted = "SELECT count(*) FROM audit WHERE action = 'action-run' AND who = 'chefe'";
    assert_eq!(space.catalog::<i64>(noted), 0);
    writer.execute_batch("ROLLBACK").unwrap();
    wait("it is noted", || space.catalog::<i64>(noted) == 1);
    wait("it has run", || space.path("rodou").exists());
    space.run(&["user", "audit", "--verify"]).expect(0);
}

#[test]
fn a_login_that_becomes_another_is_in_the_audit_with_both() {
    let space = with_job(&dumps("vendas", "0 2 * * *", "UTC"));
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let cookie = signed_in(to, "chefe");
    let id = space.catalog::<i64>("SELECT id FROM account WHERE login = 'leitora'");
    let fields =
        [("nome", "leitora"), ("login", "auditora"), ("privilegio", "Cliente"), ("senha", "")];
    let changed = post(to, &cookie, &format!("/usuarios/{id}/editar"), &fields);
    assert_eq!(status(&changed), 303, "{changed}");
    let row = "SELECT target || ': ' || before_text || ' -> ' || after_text FROM audit WHERE action = 'action-change-user'";
    assert_eq!(
        space.catalog::<String>(row),
        "leitora: leitora, Cliente -> leitora, Cliente, login auditora"
    );
}

#[test]
fn who_signs_in_again_leaves_no_session_behind() {
    let space = with_job(&dumps("vendas", "0 2 * * *", "UTC"));
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let old = signed_in(to, "chefe");
    assert_eq!(status(&page(to, &old, "/")), 200);
    assert_eq!(status(&login(to, &old, "chefe", "CANARY-errada-errada")), 401);
    assert_eq!(status(&page(to, &old, "/")), 200, "a login that failed ends nothing");
    assert_eq!(status(&login(to, &old, "leitora", PASSWORD)), 303);
    assert_eq!(status(&page(to, &old, "/")), 303);
    assert_eq!(space.catalog::<i64>("SELECT count(*) FROM session"), 1);
}

#[test]
fn a_page_beyond_the_last_is_the_last() {
    let space = with_job(&dumps("vendas", "0 2 * * *", "UTC"));
    space.back_up();
    let (_server, to) = serve_with(&space, &["serve", "job.kdl"]);
    let cookie = signed_in(to, "chefe");
    for (path, row) in [
        ("/backups?pagina=99", "href=\"/backups/1\""),
        ("/backups?q=sucesso&pagina=2", "href=\"/backups/1\""),
        ("/execucoes?pagina=99", "href=\"/execucoes/2"),
        ("/auditoria?pagina=18446744073709551615", "Cadastrar usuário"),
        ("/usuarios?pagina=99", "leitora"),
    ] {
        let shown = page(to, &cookie, path);
        assert!(shown.contains("Página 1 de 1") && shown.contains(row), "{path}: {shown}");
    }
    let none = page(to, &cookie, "/backups?q=nada&pagina=3");
    assert!(none.contains("Página 1 de 1") && !none.contains("href=\"/backups/1\""), "{none}");
}

#[test]
fn what_was_written_into_the_catalog_by_hand_moves_no_cursor() {
    let space = with_job(&dumps("vendas", "0 2 * * *", "UTC"));
    let writer = Connection::open(space.state("catalog.sqlite")).unwrap();
    let evil =
        "a' || char(27) || '[2Jb' || char(10) || 'falsa' || char(0x202e) || char(0x9b) || 'c";
    for sql in [
        format!("UPDATE account SET name = '{evil}', login = '{evil}' WHERE login = 'leitora'"),
        format!(
            "UPDATE audit SET who = '{evil}', peer = '{evil}', target = '{evil}', after_text = '{evil}', action = '{evil}'"
        ),
    ] {
        writer.execute_batch(&sql).unwrap();
    }
    for (what, lines) in [("list", 2), ("audit", 2)] {
        let ran = space.run(&["user", what]).expect(0);
        let odd = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!ran.stdout.contains(odd), "{:?}", ran.stdout);
        assert!(ran.stdout.contains("\\u{1b}[2Jb\\nfalsa\\u{202e}\\u{9b}c"), "{}", ran.stdout);
        assert_eq!(ran.stdout.lines().count(), lines, "{}", ran.stdout);
        let json = space.run(&["user", what, "--format", "json"]).expect(0);
        assert_eq!(json.stdout.lines().count(), lines, "{}", json.stdout);
        assert!(!json.stdout.contains('\u{1b}'), "{:?}", json.stdout);
    }
}
