//! The catalog in every database it may be in: one suite, each claim on SQLite, MySQL, both
//! MariaDBs and both PostgreSQLs.

mod hosts;

use mysql::prelude::Queryable;
use postgres::SimpleQueryMessage;
use rusqlite::types::ValueRef;
use tempfile::TempDir;
use vex::testing::base::Stop;
use vex::testing::catalog::{
    ArtifactRow, BackupRow, Catalog, CopyRow, Declaration, DeclaredChain, DeclaredCopy,
    DeclaredJob, DeclaredSource, ProofRow, RunRow, StepRow, Taken,
};
use vex::testing::job::{CatalogFamily, CatalogServer, Tls};

use crate::common::servers::{Brand, Pg, PgServer, Server};

/// A database for a catalog, empty.
pub enum Home {
    File(TempDir),
    Mysql(&'static Server, String),
    Postgres(&'static PgServer, String),
}

impl Home {
    /// An empty one of each kind; `name` is that of the test.
    pub fn all(name: &str) -> Vec<Home> {
        let mut all = vec![Home::File(tempfile::tempdir().unwrap())];
        all.extend(Brand::ALL.map(|brand| Home::mysql(brand.shared(), name)));
        all.extend(Pg::ALL.map(|version| Home::postgres(version.shared(), name)));
        all
    }

    pub fn mysql(server: &'static Server, name: &str) -> Home {
        let name = format!("catalog_{name}");
        server.exec(&format!("DROP DATABASE IF EXISTS {name}"));
        server.exec(&format!("CREATE DATABASE {name}"));
        Home::Mysql(server, name)
    }

    pub fn postgres(server: &'static PgServer, name: &str) -> Home {
        let name = format!("catalog_{name}");
        server.sql("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        Home::Postgres(server, name)
    }

    /// The `catalog` node of a site that keeps its history there.
    pub fn node(&self, more: &str) -> String {
        match self {
            Home::File(folder) => {
                format!("catalog path=\"{}\" {more}\n", folder.path().join("c.sqlite").display())
            }
            Home::Mysql(server, database) => {
                let port = server.port;
                let inner = format!("host=\"127.0.0.1\" port={port} user=\"root\"");
                format!("catalog {more} {{ mysql {inner} database=\"{database}\" }}\n")
            }
            Home::Postgres(server, database) => {
                let port = server.port;
                let inner = format!("host=\"127.0.0.1\" port={port} user=\"postgres\"");
                format!("catalog {more} {{ postgres {inner} database=\"{database}\" }}\n")
            }
        }
    }

    /// What messages call it.
    fn label(&self) -> String {
        match self {
            Home::File(_) => "sqlite".into(),
            Home::Mysql(server, _) => format!("{:?}", server.brand),
            Home::Postgres(server, _) => format!("{:?}", server.version),
        }
    }

    pub fn open(&self) -> Result<Catalog, String> {
        let opened = match self {
            Home::File(folder) => Catalog::open(&folder.path().join("c.sqlite")),
            Home::Mysql(server, database) => {
                let spec = spec(CatalogFamily::Mysql, server.port, "root", database);
                Catalog::connect(&spec, &Stop::new())
            }
            Home::Postgres(server, database) => {
                let spec = spec(CatalogFamily::Postgres, server.port, "postgres", database);
                Catalog::connect(&spec, &Stop::new())
            }
        };
        opened.map_err(|e| e.to_string())
    }

    /// The rows of a query by a client of its own, columns joined by `|`.
    pub fn ask(&self, sql: &str) -> Vec<String> {
        match self {
            Home::File(folder) => {
                let file = rusqlite::Connection::open(folder.path().join("c.sqlite")).unwrap();
                let mut statement = file.prepare(sql).unwrap();
                let columns = statement.column_count();
                let cell = |value: ValueRef<'_>| match value {
                    ValueRef::Null => "NULL".to_owned(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Real(number) => format!("{number:?}"),
                    ValueRef::Text(text) | ValueRef::Blob(text) => {
                        String::from_utf8(text.to_vec()).unwrap()
                    }
                };
                let rows = statement.query_map([], |row| {
                    let cells = (0..columns).map(|c| cell(row.get_ref(c).unwrap()));
                    Ok(cells.collect::<Vec<_>>().join("|"))
                });
                rows.unwrap().map(Result::unwrap).collect()
            }
            Home::Mysql(server, database) => {
                let mut client = server.conn();
                client.query_drop(format!("USE {database}")).unwrap();
                let rows: Vec<mysql::Row> = client.query(sql).unwrap();
                let text = |value: mysql::Value| match value {
                    mysql::Value::NULL => "NULL".to_owned(),
                    mysql::Value::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
                    other => other.as_sql(true),
                };
                let line = |row: mysql::Row| row.unwrap().into_iter().map(text).collect::<Vec<_>>();
                rows.into_iter().map(|row| line(row).join("|")).collect()
            }
            Home::Postgres(server, database) => {
                let found = server.client(database).simple_query(sql).unwrap();
                let line = |message| match message {
                    SimpleQueryMessage::Row(row) => {
                        let cell = |column| row.get(column).unwrap_or("NULL").to_owned();
                        Some((0..row.len()).map(cell).collect::<Vec<_>>())
                    }
                    _ => None,
                };
                found.into_iter().filter_map(line).map(|cells| cells.join("|")).collect()
            }
        }
    }

    /// Runs one statement by a client of its own.
    pub fn exec(&self, sql: &str) {
        match self {
            Home::File(folder) => {
                let file = rusqlite::Connection::open(folder.path().join("c.sqlite")).unwrap();
                file.execute_batch(sql).unwrap();
            }
            Home::Mysql(server, database) => {
                let mut client = server.conn();
                client.query_drop(format!("USE {database}")).unwrap();
                client.query_drop(sql).unwrap();
            }
            Home::Postgres(server, database) => server.sql(database, sql),
        }
    }
}

fn spec(family: CatalogFamily, port: u16, user: &str, database: &str) -> CatalogServer {
    CatalogServer {
        family,
        host: "127.0.0.1".into(),
        port,
        socket: None,
        user: user.into(),
        password: None,
        database: database.into(),
        tls: Tls::default(),
    }
}

fn run(id: &str, host: &str) -> RunRow {
    RunRow {
        id: id.into(),
        kind: "job".into(),
        job: "j".into(),
        file: "/f".into(),
        host: host.into(),
        pid: 7,
        started: "2026-01-01T00:00:00.000000Z".into(),
        finished: None,
        verdict: None,
    }
}

fn dump(number: usize) -> StepRow {
    StepRow {
        number,
        address: "j/dump/s".into(),
        verb: "dump".into(),
        source: "s".into(),
        chain: "s".into(),
        state: "waiting".into(),
        ..StepRow::default()
    }
}

fn backup(id: &str) -> BackupRow {
    BackupRow {
        id: id.into(),
        source: "s".into(),
        chain: "s".into(),
        job: "j".into(),
        file: "/f".into(),
        host: "h".into(),
        server: "10.11".into(),
        units: "a,b".into(),
        name: "x.zip".into(),
        raw_bytes: 3 << 20,
        bytes: 1 << 20,
        started: "2026-01-01T00:00:01.000000Z".into(),
        finished: "2026-01-01T00:00:05.000000Z".into(),
        verdict: 1,
        note: "it's \"so\" ção 🦆".into(),
    }
}

fn artifact(id: &str) -> ArtifactRow {
    ArtifactRow {
        id: id.into(),
        source: "s".into(),
        job: "j".into(),
        file: "/f".into(),
        origin: "o".into(),
        sign: String::new(),
        parent: None,
        kind: "mysql".into(),
        server: "10.11".into(),
        units: "a,b".into(),
        name: "x.zip".into(),
        raw_bytes: 3 << 20,
        bytes: 1 << 20,
        rows: u64::MAX,
        started: "2026-01-01T00:00:01.000000Z".into(),
        finished: "2026-01-01T00:00:05.000000Z".into(),
        position: None,
        inconsistent: String::new(),
    }
}

fn copy(id: &str, store: &str, verdict: u8) -> CopyRow {
    CopyRow {
        id: id.into(),
        source: "s".into(),
        store: store.into(),
        place: format!("s3://vault at {store}"),
        bucket: "vault".into(),
        key: "p/x.zip".into(),
        bytes: 1 << 20,
        started: "2026-01-01T00:00:02.000000Z".into(),
        finished: "2026-01-01T00:00:08.000000Z".into(),
        verdict,
        code: String::new(),
        message: String::new(),
    }
}

/// A whole run; done twice, as a replay does.
fn history(catalog: &mut Catalog) {
    for _ in 0..2 {
        catalog.run_started(&run("r1", "h"), &[dump(0)]).unwrap();
        catalog.run_beats("r1").unwrap();
        catalog.backup_started(&backup("r1")).unwrap();
        catalog.step_started("r1", 0, "2026-01-01T00:00:01.000000Z").unwrap();
        catalog.backup_named(&backup("r1")).unwrap();
        catalog.run_moves("r1", "{\"0\":{\"raw\":5}}").unwrap();
        catalog.artifact(&artifact("r1")).unwrap();
        catalog.backup_read(&backup("r1")).unwrap();
        catalog.copy(&copy("r1", "c", 1)).unwrap();
        catalog.copy(&copy("r1", "d", 3)).unwrap();
        let proof = ProofRow {
            id: "r1".into(),
            source: "s".into(),
            store: "c".into(),
            level: "read".into(),
            at: "2026-01-01T00:00:09.000000Z".into(),
            good: true,
            damage: String::new(),
        };
        catalog.proof(&proof).unwrap();
        let ended = StepRow { state: "done".into(), verdict: Some(1), ..dump(0) };
        catalog.step_finished("r1", &ended, "2026-01-01T00:00:06.000000Z").unwrap();
        catalog.run_finished("r1", "2026-01-01T00:01:00.000000Z", 2, "").unwrap();
    }
}

#[test]
fn one_history_is_the_same_in_every_database_and_a_replay_changes_nothing() {
    let mut all = Vec::new();
    for home in Home::all("history") {
        let mut catalog = home.open().unwrap();
        history(&mut catalog);
        catalog.backup_failed("r1", "s", "now", "late news").unwrap();
        assert_eq!(catalog.counts().unwrap(), [1, 1, 2, 1], "{}", home.label());
        assert_eq!(catalog.last_verdict(("/f", "j"), "x").unwrap(), Some(2));
        assert_eq!(catalog.last_verdict(("/f", "j"), "r1").unwrap(), None);
        let place =
            |catalog: &mut Catalog, id: &str| catalog.place_seen("s3://v", id, "t").unwrap();
        assert_eq!(place(&mut catalog, "one"), None);
        assert_eq!(place(&mut catalog, "two").as_deref(), Some("one"));
        catalog.backup_found(&BackupRow { note: "of a store".into(), ..backup("r1") }).unwrap();
        let rows = catalog.runs().unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].pid, rows[0].verdict), (7, Some(2)));
        let sql = [
            "SELECT id, kind, job, file, host, pid, started, finished, verdict, note, progress FROM run",
            "SELECT run, number, verb, source, chain, store, started, finished, state, verdict, code FROM step",
            "SELECT id, source, chain, job, host, units, raw_bytes, started, finished, verdict, note, shown, upload FROM backup",
            "SELECT id, store, object_key, bytes, verdict, removed FROM copy ORDER BY store",
            "SELECT id, row_count, position FROM artifact",
            "SELECT id, store, level, at, good FROM proof",
            "SELECT id, source, store FROM upload ORDER BY number",
        ];
        all.push((home.label(), sql.map(|sql| home.ask(sql))));
        let beat = &home.ask("SELECT beat FROM run")[0];
        let shape: String =
            beat.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000000Z");
        catalog.mark_absent(("/f", "j"), &[["r1", "s", "x"]], &[], "gone").unwrap();
        assert_eq!(home.ask("SELECT removed FROM copy ORDER BY store"), ["gone", "NULL"]);
        catalog.copy(&copy("r1", "c", 1)).unwrap();
        assert_eq!(home.ask("SELECT removed FROM copy ORDER BY store"), ["NULL", "NULL"]);
    }
    for (label, rows) in &all[1..] {
        assert_eq!(*rows, all[0].1, "{label}");
    }
    let lines: Vec<String> = all[0].1.iter().flatten().cloned().collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    r1|job|j|/f|h|7|2026-01-01T00:00:00.000000Z|2026-01-01T00:01:00.000000Z|2||{"0":{"raw":5}}
    r1|0|dump|s|s||2026-01-01T00:00:01.000000Z|2026-01-01T00:00:06.000000Z|done|1|
    r1|s|s|j|h|a,b|3145728|2026-01-01T00:00:01.000000Z|2026-01-01T00:00:05.000000Z|1|it's "so" ção 🦆||3
    r1|c|p/x.zip|1048576|1|NULL
    r1|d|p/x.zip|1048576|3|NULL
    r1|9223372036854775807|NULL
    r1|c|read|2026-01-01T00:00:09.000000Z|1
    r1|s|c
    r1|s|d
    "#);
}

#[test]
fn the_tables_of_the_seed_are_views_with_its_columns_in_every_database() {
    let backups = "SELECT id, hostname, nome_database, nome_arquivo, tamanho_arquivo, status_backup, versao_servidor, \
                   data_inicio, data_encerramento, tamanho_compactado FROM backup_log";
    let uploads = "SELECT id, backup_id, nome_arquivo, tamanho_arquivo, caminho_arquivo, bucket, status_upload, data_inicio, \
                   data_encerramento FROM upload_s3_log ORDER BY id";
    let times = "'2026-01-02T03:04:05.000000Z'";
    for home in Home::all("views") {
        history(&mut home.open().unwrap());
        // SQLite's numbers have no digits to fill up with, MySQL's moments are quoted here.
        let plain = |row: String| row.replace(".00|", ".0|").replace('\'', "");
        let ask = |sql: &str| -> Vec<String> {
            let rows = home.ask(sql).into_iter();
            rows.map(|row| plain(row + "|").trim_end_matches('|').to_owned()).collect()
        };
        let label = home.label();
        assert_eq!(
            ask(backups),
            ["1|h|a,b|x.zip|3.0|1|10.11|2026-01-01 00:00:01|2026-01-01 00:00:05|1.0"],
            "{label}"
        );
        let rest = "2026-01-01 00:00:02|2026-01-01 00:00:08";
        assert_eq!(
            ask(uploads),
            [1, 3].map(|v| format!(
                "{}|1|x.zip|1.0|p/x.zip|vault|{v}|{rest}",
                if v == 1 { 1 } else { 2 }
            )),
            "{label}"
        );
        assert_eq!(ask("SELECT nome FROM privilegio ORDER BY id"), ["Administrador", "Cliente"]);
        home.exec(&format!(
            "INSERT INTO account (name, login, password, created, last_seen, language) \
             VALUES ('Ana', 'ana', '$argon2id$x', {times}, NULL, 'pt-BR')"
        ));
        home.exec(&format!(
            "INSERT INTO account_privilege (account, privilege, created) SELECT id, 1, {times} FROM account"
        ));
        assert_eq!(
            ask("SELECT nome, login, senha, ultimo_acesso, data_criacao FROM usuario"),
            ["Ana|ana|$argon2id$x|NULL|2026-01-02 03:04:05"],
            "{label}"
        );
        let both = "SELECT u.login, p.nome FROM usuario_privilegio up JOIN usuario u ON u.id = up.usuario_id \
                    JOIN privilegio p ON p.id = up.privilegio_id";
        assert_eq!(ask(both), ["ana|Administrador"], "{label}");
    }
}

#[test]
fn what_a_file_declares_replaces_what_it_declared() {
    for home in Home::all("declare") {
        let mut catalog = home.open().unwrap();
        let job = |name: &str| DeclaredJob {
            job: name.into(),
            schedule: "0 1 * * *".into(),
            zone: "UTC".into(),
            within_s: Some(5),
            parallel: 2,
            enabled: true,
        };
        let first = Declaration {
            host: "h".into(),
            file: "/f".into(),
            seen: "t".into(),
            jobs: vec![job("a"), job("b")],
            sources: vec![DeclaredSource { source: "s".into(), ..DeclaredSource::default() }],
            chains: vec![DeclaredChain { job: "a".into(), ..DeclaredChain::default() }],
            copies: vec![DeclaredCopy { job: "a".into(), ..DeclaredCopy::default() }],
        };
        catalog.declare(&first).unwrap();
        catalog.declare(&Declaration { file: "/g".into(), ..first.clone() }).unwrap();
        let next = Declaration { jobs: vec![job("c")], sources: Vec::new(), ..first };
        catalog.declare(&next).unwrap();
        let jobs = "SELECT file, job, within_s, parallel_chains, enabled FROM declared_job ORDER BY file, job";
        assert_eq!(home.ask(jobs), ["/f|c|5|2|1", "/g|a|5|2|1", "/g|b|5|2|1"], "{}", home.label());
        assert_eq!(home.ask("SELECT file FROM declared_source"), ["/g"]);
        let both = "SELECT count(*) FROM declared_chain c JOIN declared_copy d ON d.file = c.file";
        assert_eq!(home.ask(both), ["2"]);
    }
}

#[test]
fn a_run_of_another_host_is_closed_once_it_gave_no_sign_for_long() {
    for home in Home::all("silent") {
        let mut catalog = home.open().unwrap();
        for id in ["r1", "r2", "r3"] {
            catalog.run_started(&run(id, "elsewhere"), &[dump(0)]).unwrap();
            catalog.backup_started(&backup(id)).unwrap();
            catalog.step_started(id, 0, "t").unwrap();
        }
        catalog.run_beats("r1").unwrap();
        home.exec("UPDATE run SET beat='2026-01-01T00:00:00.000000Z' WHERE id='r2'");
        assert_eq!(catalog.close_silent(("/f", "j"), "elsewhere", "now").unwrap(), []);
        assert_eq!(
            catalog.close_silent(("/f", "j"), "h", "now").unwrap().len(),
            1,
            "{}",
            home.label()
        );
        assert_eq!(home.ask("SELECT id FROM run WHERE finished IS NULL ORDER BY id"), ["r1", "r3"]);
        assert_eq!(home.ask("SELECT id, verdict FROM backup WHERE finished='now'"), ["r2|3"]);
        assert_eq!(catalog.close_orphans(("/f", "j"), "elsewhere", "now").unwrap().len(), 2);
    }
}

#[test]
fn a_lease_has_one_holder_and_ends_by_itself() {
    for home in Home::all("lease") {
        let mut catalog = home.open().unwrap();
        let label = home.label();
        assert_eq!(catalog.lease_take("j", "one", "p").unwrap(), Taken::Ours(1), "{label}");
        let Taken::Other { holder, expires, process, token } =
            catalog.lease_take("j", "two", "p").unwrap()
        else {
            panic!("{label}: two holders")
        };
        assert_eq!((holder.as_str(), process.as_str(), token), ("one", "p", 1));
        assert_eq!(catalog.lease_of("j").unwrap(), Some(("one".into(), expires)));
        assert!(catalog.lease_keep("j", "one", 1).unwrap());
        home.exec("UPDATE lease SET expires='2026-01-01T00:00:00.000000Z'");
        assert_eq!(catalog.lease_take("j", "two", "p").unwrap(), Taken::Ours(2), "{label}");
        assert!(!catalog.lease_keep("j", "one", 1).unwrap());
        catalog.lease_free("j", "one", 1).unwrap();
        assert!(matches!(catalog.lease_take("j", "one", "p").unwrap(), Taken::Other { .. }));
        catalog.lease_free("j", "two", 2).unwrap();
        assert_eq!(catalog.lease_take("j", "one", "p").unwrap(), Taken::Ours(3), "{label}");
        race(&home);
    }
}

/// Many at once want the leases of several jobs: each has one winner.
fn race(home: &Home) {
    let won = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for racer in 0..6 {
            let won = &won;
            scope.spawn(move || {
                let mut catalog = home.open().unwrap();
                for job in 0..5 {
                    let (job, holder) = (format!("race {job}"), format!("racer {racer}"));
                    if let Taken::Ours(_) = catalog.lease_take(&job, &holder, "p").unwrap() {
                        won.lock().unwrap().push(job);
                    }
                }
            });
        }
    });
    let mut won = won.into_inner().unwrap();
    won.sort();
    assert_eq!(won, [0, 1, 2, 3, 4].map(|job| format!("race {job}")), "{}", home.label());
}

#[test]
fn many_hosts_make_the_tables_at_once_and_a_migration_cut_short_goes_on() {
    for home in Home::all("migrate") {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| drop(home.open().unwrap()));
            }
        });
        if let Home::File(_) = home {
            continue;
        }
        assert_eq!(home.ask("SELECT value_text FROM meta WHERE name='version'"), ["4"]);
        home.exec("DROP VIEW usuario_privilegio");
        home.exec("DROP TABLE lease");
        home.exec("UPDATE meta SET value_text='0' WHERE name='version'");
        home.exec("UPDATE meta SET value_text='15' WHERE name='statements'");
        let mut catalog = home.open().unwrap();
        assert_eq!(
            catalog.lease_take("j", "one", "p").unwrap(),
            Taken::Ours(1),
            "{}",
            home.label()
        );
        assert_eq!(home.ask("SELECT count(*) FROM usuario_privilegio"), ["0"]);
        assert_eq!(home.ask("SELECT count(*) FROM privilege"), ["2"]);
    }
}

#[test]
fn two_versions_of_vex_share_a_catalog_as_long_as_the_older_can_read_it() {
    for home in Home::all("versions") {
        drop(home.open().unwrap());
        match &home {
            Home::File(_) => home.exec("PRAGMA user_version=9"),
            _ => home.exec("UPDATE meta SET value_text='9' WHERE name='version'"),
        }
        history(&mut home.open().unwrap());
        home.exec("UPDATE meta SET value_text='5' WHERE name='reads_from'");
        let why = home.open().map(drop).unwrap_err();
        let told = why.ends_with("it has version 9, this vex knows 4; use a newer vex");
        assert!(told, "{}: {why}", home.label());
        assert_eq!(home.ask("SELECT id FROM run"), ["r1"]);
    }
}

#[test]
fn accounts_and_their_audit_are_the_same_in_every_database() {
    use vex::testing::catalog::{ADMINISTRATOR, Account, AuditRow, CLIENT, Changed, Session};
    for home in Home::all("accounts") {
        let label = home.label();
        let mut catalog = home.open().unwrap();
        let new = |login: &str, privilege: &str| Account {
            name: format!("Nome de {login}"),
            login: login.to_owned(),
            password: "a hash".into(),
            privilege: privilege.to_owned(),
            created: "2026-11-20T00:00:00.000000Z".into(),
            ..Account::default()
        };
        assert_eq!(
            catalog.add_account(&new("ana", ADMINISTRATOR)).unwrap(),
            Changed::Done,
            "{label}"
        );
        assert_eq!(catalog.add_account(&new("ana", CLIENT)).unwrap(), Changed::Taken, "{label}");
        assert_eq!(catalog.add_account(&new("bia", CLIENT)).unwrap(), Changed::Done, "{label}");
        let ana = catalog.account_named("ana").unwrap().unwrap();
        let session = Session {
            account: ana.clone(),
            csrf: "c".into(),
            created: "2026-11-20T01:00:00.000000Z".into(),
            seen: "2026-11-20T01:00:00.000000Z".into(),
        };
        catalog.begin_session("t", &session, "10.0.0.1").unwrap();
        let found = catalog.session("t").unwrap().unwrap();
        assert_eq!(found.account.last_seen.as_deref(), Some(session.seen.as_str()), "{label}");
        assert_eq!(catalog.remove_account(ana.id).unwrap(), Changed::LastAdmin, "{label}");
        let less = Account { privilege: CLIENT.into(), ..ana.clone() };
        assert_eq!(
            catalog.change_account(&less, "", "now").unwrap(),
            Changed::LastAdmin,
            "{label}"
        );
        let other = Account { password: "another".into(), ..ana };
        assert_eq!(catalog.change_account(&other, "", "now").unwrap(), Changed::Done, "{label}");
        assert!(catalog.session("t").unwrap().is_none(), "{label}");
        for target in ["one", "two"] {
            let row = AuditRow { who: "ana".into(), target: target.into(), ..AuditRow::default() };
            catalog.note(&row).unwrap();
        }
        assert_eq!(catalog.check_audit(None).unwrap().unwrap().unwrap().0, 2, "{label}");
        assert_eq!(catalog.audit(&[], (0, 10)).unwrap().1, 2, "{label}");
    }
}
