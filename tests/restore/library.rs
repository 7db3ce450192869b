//! The library: one database into a `.sql` or a `.zip` and back, on real servers; and a `.sql` that
//! somebody else wrote is taken for nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use mysql::prelude::Queryable;
use serde_json::Value;
use sha2::{Digest, Sha256};
use vex::{BackupRestorer, Driver};

use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Pg, Server};

/// A database with a row of every trouble, a view, a routine and a trigger.
const LOJA: &str = r"
CREATE DATABASE loja;
CREATE TABLE loja.itens (id INT PRIMARY KEY, nome VARCHAR(80), preço FLOAT, foto BLOB, quando DATETIME(6));
INSERT INTO loja.itens VALUES (1, 'a;b''c -- d', 16777216, x'00ff27', '2026-01-02 03:04:05.000001'), (2, NULL, -0.1, NULL, NULL);
CREATE TABLE loja.`log; DROP` (n BIGINT UNSIGNED, KEY (n));
INSERT INTO loja.`log; DROP` VALUES (18446744073709551615), (1), (1);
CREATE VIEW loja.caros AS SELECT id FROM loja.itens WHERE preço > 10;
CREATE TRIGGER loja.t BEFORE INSERT ON loja.itens FOR EACH ROW SET NEW.nome = UPPER(NEW.nome);
CREATE PROCEDURE loja.p() SELECT 1;
CREATE DATABASE vizinho;
CREATE TABLE vizinho.t (a INT);
INSERT INTO vizinho.t VALUES (7);
";

fn loja(server: &Server) -> BackupRestorer {
    of(server, "loja")
}

fn of(server: &Server, name: &str) -> BackupRestorer {
    BackupRestorer::new(Driver::Mysql, &format!("127.0.0.1:{}", server.port), "root", "", name)
}

fn run(server: &Server, sql: &str) {
    let mut conn = server.conn();
    for statement in sql.split(";\n").filter(|s| !s.trim().is_empty()) {
        conn.query_drop(statement).unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

#[test]
fn a_database_goes_into_one_file_and_comes_back_with_the_words_of_the_seed() {
    for brand in [Brand::Mysql9, Brand::Mariadb] {
        let server = brand.start(&[]);
        run(&server, LOJA);
        let folder = tempfile::tempdir().unwrap();
        let both = ["loja", "vizinho"];
        let before = State::of(&mut server.conn(), &both);
        for name in ["loja.sql", "loja.zip", "sem nome"] {
            let file = folder.path().join(name);
            let mut own = loja(&server);
            let told = own.create_backup(&file);
            assert_eq!(
                told.as_deref(),
                Ok("Backup do banco de dados criado com sucesso!"),
                "{told:?}"
            );
            assert_eq!(own.get_status(), "Sucesso");
            // What changed since is as it was; what is no part of the file stays.
            run(
                &server,
                "DELETE FROM loja.itens;\nDROP VIEW loja.caros;\nALTER TABLE loja.`log; DROP` ADD x INT;\n",
            );
            let told = own.restore_backup(&file);
            assert_eq!(told.as_deref(), Ok("Banco de dados restaurado com sucesso!"), "{told:?}");
            assert_eq!(own.get_status(), "Sucesso");
            assert_eq!(State::of(&mut server.conn(), &both), before, "{name}");
            // Into another name too; a trigger whose text names the first one is told, and nothing else.
            let mut copy = of(&server, "cópia");
            if let Err(told) = copy.restore_backup(&file) {
                // One server keeps the name in the text of the trigger, another leaves it out.
                assert!(
                    told.contains("1 differences") && told.contains("trigger loja.t"),
                    "{told}"
                );
            }
            let rows: Vec<(u64,)> =
                server.conn().query("SELECT n FROM `cópia`.`log; DROP` ORDER BY n").unwrap();
            assert_eq!(rows, [(1,), (1,), (u64::MAX,)]);
            run(&server, "DROP DATABASE `cópia`;\n");
            // A file that exists stays as it is.
            let held = fs::read(&file).unwrap();
            let told = own.create_backup(&file).unwrap_err();
            assert!(
                told.starts_with("Falha na criação do backup do banco de dados:unable to write"),
                "{told}"
            );
            assert!(told.ends_with(own.get_status()) && fs::read(&file).unwrap() == held, "{told}");
        }
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["loja.sql", "loja.zip", "sem nome"], "nothing is left beside them");
        // The client of the server takes the plain file as well.
        run(&server, "DROP DATABASE loja;\n");
        client(&server, brand, &folder.path().join("loja.sql"));
        assert_eq!(State::of(&mut server.conn(), &both), before);
    }
}

fn client(server: &Server, brand: Brand, file: &Path) {
    let mut client = Command::new(brand.client());
    client.args([
        "--no-defaults",
        "--comments",
        "--protocol=tcp",
        "--host=127.0.0.1",
        "--user=root",
    ]);
    let output = client
        .arg(format!("--port={}", server.port))
        .stdin(Stdio::from(fs::File::open(file).unwrap()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_database_of_postgresql_goes_into_one_file_and_comes_back() {
    let server = Pg::V15.start(&[]);
    server.run("createdb", &["loja"]);
    server.sql(
        "loja",
        "CREATE TABLE itens (id int PRIMARY KEY, nome text, d numeric(9,2));
         INSERT INTO itens SELECT n, 'x;''' || n, n / 3.0 FROM generate_series(1, 500) n;
         CREATE VIEW caros AS SELECT * FROM itens WHERE d > 10;
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2';",
    );
    let folder = tempfile::tempdir().unwrap();
    let sum = "SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM itens i";
    let before = server.value("loja", sum);
    let url = server.url();
    let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().to_owned();
    let host = format!("127.0.0.1:{port}");
    let mut own = BackupRestorer::new(Driver::Postgres, &host, "postgres", "", "loja");
    for name in ["loja.sql", "loja.zip"] {
        let file = folder.path().join(name);
        let told = own.create_backup(&file);
        assert_eq!(told.as_deref(), Ok("Backup do banco de dados criado com sucesso!"), "{told:?}");
        server.sql("loja", "DELETE FROM itens WHERE id > 3; DROP FUNCTION f()");
        let told = own.restore_backup(&file);
        assert_eq!(told.as_deref(), Ok("Banco de dados restaurado com sucesso!"), "{told:?}");
        assert_eq!(server.value("loja", sum), before, "{name}");
        assert_eq!(server.value("loja", "SELECT f()").as_deref(), Some("2"));
    }
    // The client takes it too.
    server.run("createdb", &["lado"]);
    let file = folder.path().join("loja.sql");
    server
        .run("psql", &["-d", "lado", "-v", "ON_ERROR_STOP=1", "-q", "-f", file.to_str().unwrap()]);
    assert_eq!(server.value("lado", sum), before);
}

/// What becomes of an entry, by what the head says of it.
type Change<'a> = &'a dyn Fn(&Value, &[u8]) -> Option<Vec<u8>>;

/// The same file with other entries: lengths and hashes are right, as whoever forges it makes them.
fn forged(file: &[u8], change: Change<'_>) -> Vec<u8> {
    let line = file.iter().position(|b| *b == b'\n').unwrap();
    let begin = b"-- vex-sql 1 ".len();
    let mut head: Value = serde_json::from_slice(&file[begin..line]).unwrap();
    let (mut at, mut body) = (line + 1, Vec::new());
    let members = head["members"].clone();
    for entry in head["entries"].as_array_mut().unwrap() {
        let length = entry["raw"].as_u64().unwrap() as usize;
        let own = &file[at..at + length];
        let member = &members[entry["member"].as_u64().unwrap() as usize];
        let bytes = change(member, own).unwrap_or_else(|| own.to_vec());
        entry["raw"] = bytes.len().into();
        let hash = Sha256::digest(&bytes);
        entry["sha256"] = hash.iter().map(|b| format!("{b:02x}")).collect::<String>().into();
        at += length;
        body.extend(bytes);
    }
    [format!("-- vex-sql 1 {head}\n").into_bytes(), body].concat()
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    text.contains(from).then(|| text.replacen(from, to, 1).into_bytes())
}

#[test]
fn a_plain_file_that_does_more_than_its_head_says_touches_nothing() {
    for brand in [Brand::Mysql9, Brand::Mariadb] {
        let server = brand.start(&[]);
        run(&server, LOJA);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("loja.sql");
        loja(&server).create_backup(&file).unwrap();
        run(&server, "INSERT INTO loja.itens (id) VALUES (99);\n");
        let before = State::of(&mut server.conn(), &["loja", "vizinho"]);
        let good = fs::read(&file).unwrap();
        let is = |member: &Value, kind: &str| member["kind"] == kind;
        let also = |kind: &'static str, more: &'static str| {
            move |member: &Value, bytes: &[u8]| {
                is(member, kind).then(|| [bytes, more.as_bytes()].concat())
            }
        };
        let rows = "INSERT INTO ";
        let dumped = Command::new(brand.dumper())
            .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user=root", "vizinho"])
            .arg(format!("--port={}", server.port))
            .output()
            .unwrap()
            .stdout;
        let mut flipped = good.clone();
        let last = flipped.len() - 5;
        flipped[last] ^= 1;
        let hostile: Vec<(&str, Vec<u8>)> = vec![
            ("another program's", dumped),
            ("nothing", Vec::new()),
            ("a script", b"DROP DATABASE vizinho;\n".to_vec()),
            ("cut off", good[..good.len() - 9].to_vec()),
            ("more behind it", [&good[..], b"DROP DATABASE vizinho;\n"].concat()),
            ("a flipped byte", flipped),
            ("a statement behind rows", forged(&good, &also("rows", "\nDROP DATABASE vizinho;\n"))),
            (
                "a statement behind a table",
                forged(&good, &also("table", ";\nDELETE FROM vizinho.t;\n")),
            ),
            (
                "rows of another database",
                forged(&good, &|member, bytes| {
                    is(member, "rows")
                        .then(|| replaced(bytes, rows, "INSERT INTO vizinho."))
                        .flatten()
                }),
            ),
            (
                "a query instead of rows",
                forged(&good, &|member, bytes| {
                    is(member, "rows")
                        .then(|| replaced(bytes, "VALUES", "SELECT * FROM mysql.user -- "))
                        .flatten()
                }),
            ),
            (
                "a table that is another",
                forged(&good, &|member, bytes| {
                    is(member, "table")
                        .then(|| replaced(bytes, "CREATE TABLE `", "CREATE TABLE vizinho.`"))
                        .flatten()
                }),
            ),
            ("an account", forged(&good, &also("table", ";\nCREATE USER mallory;\n"))),
            (
                "a file that is read",
                forged(
                    &good,
                    &also("rows", "\nLOAD DATA INFILE '/etc/passwd' INTO TABLE loja.itens;\n"),
                ),
            ),
            (
                "rows that nobody counted",
                forged(&good, &|member, bytes| {
                    (member["name"] == "itens" && is(member, "rows"))
                        .then(|| replaced(bytes, "(2,", "(3,"))
                        .flatten()
                }),
            ),
        ];
        for (what, bytes) in hostile {
            assert_ne!(bytes, good, "{what}");
            let path = folder.path().join("hostil.sql");
            fs::write(&path, bytes).unwrap();
            let mut own = loja(&server);
            let told = own.restore_backup(&path).expect_err(what);
            assert!(told.starts_with("Falha na restauração do banco de dados:"), "{what}: {told}");
            assert_eq!(
                told,
                format!("Falha na restauração do banco de dados:{}", own.get_status())
            );
            assert_eq!(
                State::of(&mut server.conn(), &["loja", "vizinho"]),
                before,
                "{what}: {told}"
            );
        }
        // A head that says what it may not.
        let text =
            String::from_utf8(good[..good.iter().position(|b| *b == b'\n').unwrap()].to_vec());
        let head = text.unwrap().replacen("\"kind\":\"view\"", "\"kind\":\"account\"", 1);
        let path = folder.path().join("conta.sql");
        fs::write(&path, format!("{head}\n")).unwrap();
        assert!(loja(&server).restore_backup(&path).is_err());
        // The good one is still good.
        loja(&server).restore_backup(&file).unwrap();
        let left: Option<i64> =
            server.conn().query_first("SELECT count(*) FROM loja.itens").unwrap();
        assert_eq!(left, Some(2));
    }
}

#[test]
fn what_can_not_be_done_is_said_and_leaves_nothing() {
    let server = Brand::Mariadb.shared();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sql");
    // A server that is not there, a password that is wrong, a database that is not there.
    let nobody = format!("127.0.0.1:{}", crate::common::servers::free_port());
    let own = format!("127.0.0.1:{}", server.port);
    for (host, password, name) in
        [(&nobody, "", "loja"), (&own, "CANARY-PW", "mysql"), (&own, "", "there-is-none")]
    {
        let mut own = BackupRestorer::new(Driver::Mysql, host, "root", password, name);
        let told = own.create_backup(&path).unwrap_err();
        let rest = told.strip_prefix("Falha na criação do backup do banco de dados:").unwrap();
        assert!(rest.len() > 10 && rest == own.get_status(), "{told}");
        assert!(!told.contains("CANARY"), "{told}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{told}");
        let told = own.restore_backup(folder.path().join("none.zip")).unwrap_err();
        assert!(told.contains("there is no such file"), "{told}");
    }
}

#[test]
fn a_bare_name_is_a_file_of_the_current_directory() {
    // Where tests share a process, they share its directory.
    if std::env::var_os("NEXTEST").is_none() {
        return;
    }
    let server = Brand::Mariadb.start(&[]);
    run(&server, LOJA);
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    for name in ["loja.sql", "loja.zip"] {
        loja(&server).create_backup(name).unwrap();
        assert!(folder.path().join(name).is_file());
        loja(&server).restore_backup(name).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    std::env::set_current_dir("/").unwrap();
}
