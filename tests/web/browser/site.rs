//! A dashboard for one test: the estate in a SQLite catalog, users, a job that can be run, and
//! `vex serve` on a free port of 127.0.0.1.

use std::io::{BufRead, BufReader};

use rusqlite::Connection;

use crate::common::browser::Browser;
use crate::common::space::{Running, Space};
use crate::web::pages::estate;

/// The moment that vex believes in.
pub const NOW: &str = "2026-11-20T12:00:52Z";

/// The administrator, a client, and what both sign in with.
pub const ADMIN: &str = "dba.plantao";
pub const CLIENT: &str = "leitura";
pub const PASSWORD: &str = "CANARY-senha-do-teste";

/// A job that this machine can run.
const JOB: &str = r#"
sources { sqlite "vendas" path="vendas.db" }
stores { dir "disco" { path "guarda"; keep last=5; } }
job "vendas" {
    schedule "0 2 * * *"
    dump "vendas" { send "disco"; }
    verify "disco"
}
"#;

/// A running dashboard.
pub struct Site {
    pub space: Space,
    pub address: String,
    _server: Running,
}

/// A space with an empty catalog and its users.
fn peopled() -> Space {
    let space = Space::new()
        .env("VEX_TEST_NOW", NOW)
        .env("TZ", estate::ZONE)
        .env("VEX_LANG", "pt-BR")
        .job(JOB);
    space.database("vendas.db", "CREATE TABLE pedido (id INTEGER PRIMARY KEY, valor REAL)");
    let file = space.secret("senha", PASSWORD);
    for (login, name, privilege) in
        [(ADMIN, "Plantão da noite", "Administrador"), (CLIENT, "Só leitura", "Cliente")]
    {
        let file = file.to_str().unwrap();
        let add = ["user", "add", login, "--name", name, "--privilege", privilege];
        space.run(&[&add[..], &["--password-file", file]].concat()).expect(0);
    }
    space
}

impl Site {
    /// With the estate of 81 backups.
    pub fn start() -> Site {
        let space = peopled();
        fill(&space, &estate::statements());
        Site::serve(space, &[])
    }

    /// With the estate, and with a job of this machine that never ran.
    pub fn with_job() -> Site {
        let space = peopled();
        fill(&space, &estate::statements());
        Site::serve(space, &["job.kdl"])
    }

    /// With nothing but users.
    pub fn empty() -> Site {
        Site::serve(peopled(), &[])
    }

    fn serve(space: Space, files: &[&str]) -> Site {
        let arguments = [&["serve"], files, &["--listen", "127.0.0.1:0"]].concat();
        let mut server = space.start(&arguments);
        let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines
            .find_map(|line| Some(line.split_once("http://")?.1.trim_end_matches('/').to_owned()));
        let address = format!("http://{}", address.expect("the dashboard says where it is"));
        std::thread::spawn(move || lines.for_each(drop));
        Site { space, address, _server: server }
    }

    /// Does something with the catalog, past the dashboard.
    pub fn sql(&self, sql: &str) {
        fill(&self.space, &[sql.to_owned()]);
    }

    /// An address of the dashboard.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Goes to a page.
    pub fn go(&self, browser: &Browser, path: &str) {
        browser.go(&self.at(path));
    }

    /// Signs in by the form, in a language.
    #[track_caller]
    pub fn sign_in(&self, browser: &Browser, login: &str, lang: &str) {
        browser.forget();
        self.go(browser, &format!("/entrar?lang={lang}"));
        browser.fill("#u", login);
        browser.fill("#s", PASSWORD);
        browser.click("form button.main");
        browser.until("return location.pathname === '/' && document.readyState === 'complete'");
    }

    /// The path of the page that the browser shows.
    pub fn path(&self, browser: &Browser) -> String {
        browser.address().strip_prefix(&self.address).unwrap().to_owned()
    }
}

/// Runs statements on a space's catalog.
pub fn fill(space: &Space, statements: &[String]) {
    let connection = Connection::open(space.state("catalog.sqlite")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    for sql in statements {
        connection.execute_batch(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
    }
    connection.execute_batch("COMMIT").unwrap();
}
