//! The records of the seed: `backup_log` and `upload_s3_log`, column by column, after runs of every
//! end.

use mysql::prelude::Queryable;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::common::artifact::entries;
use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::servers::{Brand, Server};
use crate::common::space::{Space, word};

const BACKUP: &str = "id hostname nome_database nome_arquivo tamanho_arquivo status_backup versao_servidor observacao data_inicio \
                      data_encerramento data_criacao tamanho_compactado";
const UPLOAD: &str = "id backup_id nome_arquivo tamanho_arquivo caminho_arquivo bucket status_upload data_inicio \
                      data_encerramento data_criacao";

fn space(server: &Server, s3: &S3Server, source: &str, sends: &str) -> Space {
    Space::new().job(&format!(
        "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ {source} }} }}\n\
         stores {{ s3 \"cloud\" bucket=\"{}\" endpoint=\"{}\" {{ access-key (file)\"{}\"; secret-key (file)\"{}\"; keep last=9 }}\n\
         dir \"nas\" path=\"store\" {{ keep last=9 }} }}\n\
         job \"j\" {{ dump \"db\" {{ {sends} }} }}\n",
        server.port,
        s3.bucket,
        s3.endpoint,
        s3.access_file.display(),
        s3.secret_file.display()
    ))
}

/// All rows of a view as objects, oldest first.
fn rows(space: &Space, view: &str, columns: &str) -> Vec<Value> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let catalog = Connection::open_with_flags(space.state("catalog.sqlite"), flags).unwrap();
    let mut statement = catalog.prepare(&format!("SELECT * FROM {view} ORDER BY id")).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    assert_eq!(
        names,
        columns.split_whitespace().collect::<Vec<_>>(),
        "the documented columns, no other"
    );
    let found = statement.query_map([], |row| {
        let cell = |i: usize| {
            Ok::<Value, rusqlite::Error>(match row.get_ref(i)? {
                rusqlite::types::ValueRef::Null => Value::Null,
                rusqlite::types::ValueRef::Integer(n) => n.into(),
                rusqlite::types::ValueRef::Real(r) => r.into(),
                other => String::from_utf8_lossy(other.as_bytes().unwrap()).into_owned().into(),
            })
        };
        let pairs: rusqlite::Result<serde_json::Map<String, Value>> =
            names.iter().enumerate().map(|(i, n)| Ok((n.clone(), cell(i)?))).collect();
        Ok(Value::Object(pairs?))
    });
    found.unwrap().map(Result::unwrap).collect()
}

fn backups(space: &Space) -> Vec<Value> {
    rows(space, "backup_log", BACKUP)
}

fn uploads(space: &Space) -> Vec<Value> {
    rows(space, "upload_s3_log", UPLOAD)
}

fn shop() -> Server {
    let server = Brand::Mariadb.start(&[]);
    for sql in [
        "CREATE DATABASE shop",
        "CREATE TABLE shop.t (id INT PRIMARY KEY, v LONGTEXT)",
        "INSERT INTO shop.t VALUES (1, REPEAT(MD5(1), 50000)), (2, REPEAT('a', 1000000))",
        "CREATE DATABASE crm",
        "CREATE TABLE crm.c (id INT)",
    ] {
        server.exec(sql);
    }
    server
}

#[track_caller]
fn is_moment(value: &Value, field: &str) -> String {
    let text = word(value, field);
    let parsed = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text);
    assert!(parsed.is_ok() && text.len() == 19, "{field} {text}");
    text.to_owned()
}

fn megabytes(bytes: u64) -> f64 {
    (bytes as f64 / 1_048_576.0 * 100.0).round() / 100.0
}

#[test]
fn every_column_of_a_good_backup_and_its_upload_is_as_the_seed_says() {
    let (server, s3) = (shop(), S3Server::start());
    let space = space(&server, &s3, "", "send \"cloud\" \"nas\"; verify \"cloud\" \"nas\"");
    let version: String = server.conn().query_first("SELECT VERSION()").unwrap().unwrap();
    space.back_up();
    space.back_up();
    let listed = space.list();
    let (backups, uploads) = (backups(&space), uploads(&space));
    assert_eq!(
        (backups.len(), uploads.len()),
        (2, 2),
        "one row a backup, one an upload into a bucket"
    );
    for (backup, upload) in backups.iter().zip(&uploads) {
        let name = word(backup, "nome_arquivo");
        assert!(name.len() == 26 && name.starts_with("backup_"), "{name}");
        let line = listed
            .iter()
            .find(|l| word(l, "key").ends_with(name) && word(l, "store") == "cloud")
            .unwrap();
        let sidecar = std::fs::read_to_string(
            space.path("store").join(word(line, "key").to_owned() + ".manifest.json"),
        );
        let manifest: Value = serde_json::from_str(&sidecar.unwrap()).unwrap();
        let container = space.path("store").join(word(line, "key"));
        let own = entries(&container).into_iter().filter(|e| e["contents"].is_null());
        let raw: u64 = own.map(|e| e["raw"].as_u64().unwrap()).sum();
        assert_eq!(manifest["totals"]["raw"], raw);
        let bytes = line["bytes"].as_u64().unwrap();
        assert_eq!(word(backup, "hostname"), rustix::system::uname().nodename().to_str().unwrap());
        assert_eq!(word(backup, "nome_database"), "crm,shop");
        assert_eq!(backup["tamanho_arquivo"].as_f64(), Some(megabytes(raw)));
        assert!(megabytes(raw) > 2.0 && megabytes(bytes) < megabytes(raw));
        assert_eq!(backup["tamanho_compactado"].as_f64(), Some(megabytes(bytes)));
        assert_eq!(backup["status_backup"], 1);
        assert_eq!(word(backup, "versao_servidor"), version);
        assert_eq!(backup["observacao"], Value::Null);
        assert!(is_moment(backup, "data_inicio") <= is_moment(backup, "data_encerramento"));
        assert!(is_moment(backup, "data_criacao") >= is_moment(backup, "data_inicio"));
        let utc = |field: &str| word(&manifest, field)[..19].replace('T', " ");
        assert_eq!(is_moment(backup, "data_inicio"), utc("started"));
        assert_eq!(is_moment(backup, "data_encerramento"), utc("finished"));

        assert_eq!(upload["backup_id"], backup["id"]);
        assert_eq!(word(upload, "nome_arquivo"), name);
        assert_eq!(upload["tamanho_arquivo"].as_f64(), Some(megabytes(bytes)));
        assert_eq!(word(upload, "caminho_arquivo"), word(line, "key"));
        assert_eq!(word(upload, "bucket"), "vault");
        assert_eq!(upload["status_upload"], 1);
        assert!(is_moment(upload, "data_inicio") <= is_moment(upload, "data_encerramento"));
        is_moment(upload, "data_criacao");
    }
    assert_ne!(backups[0]["id"], backups[1]["id"]);
    assert_ne!(uploads[0]["id"], uploads[1]["id"]);
    // The stores know less than was noted: nothing is forgotten, and no number changes.
    space.run(&["catalog", "rebuild", "job.kdl"]).expect(0);
    assert_eq!(self::backups(&space), backups);
    let numbers = |rows: &[Value]| {
        rows.iter().map(|r| (r["id"].clone(), r["bucket"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&self::uploads(&space)), numbers(&uploads));
    std::fs::remove_file(space.state("catalog.sqlite")).unwrap();
    space.run(&["catalog", "rebuild", "job.kdl"]).expect(0);
    let again = self::backups(&space);
    for field in [
        "hostname",
        "nome_database",
        "tamanho_arquivo",
        "versao_servidor",
        "data_inicio",
        "data_encerramento",
    ] {
        assert_eq!(again[1][field], backups[1][field], "{field}");
    }
    assert_eq!(word(&self::uploads(&space)[1], "bucket"), "vault");
}

#[test]
fn a_dump_that_fails_has_its_row_and_no_upload() {
    let s3 = S3Server::start();
    let server = shop();
    let broken = space(&server, &s3, "databases \"nowhere\"", "send \"cloud\"; verify \"cloud\"");
    broken.run(&["run", "job.kdl"]).expect(1);
    let found = backups(&broken);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["status_backup"], 3);
    assert_eq!(
        word(&found[0], "nome_database"),
        "db",
        "which databases was never known; which source is"
    );
    assert!(word(&found[0], "observacao").contains("there is no database nowhere"), "{found:?}");
    assert_eq!(word(&found[0], "hostname"), rustix::system::uname().nodename().to_str().unwrap());
    assert!(is_moment(&found[0], "data_inicio") <= is_moment(&found[0], "data_encerramento"));
    assert_eq!(uploads(&broken), Vec::<Value>::new());
    // Down altogether, at a second run: the first row keeps its number.
    let mut job = std::fs::read_to_string(broken.path("job.kdl")).unwrap();
    job = job.replace(&format!("port={}", server.port), "port=1");
    std::fs::write(broken.path("job.kdl"), job).unwrap();
    broken.run(&["run", "job.kdl"]).expect(1);
    let both = backups(&broken);
    assert_eq!((both.len(), &both[0]), (2, &found[0]));
    assert!(
        both[1]["status_backup"] == 3 && word(&both[1], "observacao").contains("127.0.0.1:1"),
        "{both:?}"
    );
}

#[test]
fn a_dump_that_is_not_one_moment_is_an_alert_with_its_reason() {
    let (server, s3) = (shop(), S3Server::start());
    server.exec("CREATE TABLE crm.m (i INT) ENGINE=MyISAM");
    let space = space(&server, &s3, "inconsistent \"alert\"", "send \"cloud\"; verify \"cloud\"");
    space.run(&["run", "job.kdl"]).expect(0);
    let (backups, uploads) = (backups(&space), uploads(&space));
    assert_eq!(backups[0]["status_backup"], 2);
    assert_eq!(
        word(&backups[0], "observacao"),
        "crm.m is a MyISAM table, which no snapshot covers"
    );
    assert_eq!(uploads[0]["status_upload"], 1, "an alert is sent all the same");
}

#[test]
fn an_upload_that_fails_has_its_row_whether_or_not_another_copy_was_made() {
    for kind in [Kind::Initiate, Kind::Part] {
        for sends in ["send \"cloud\" \"nas\"", "send \"cloud\""] {
            let (server, s3) = (shop(), S3Server::start());
            let space = space(&server, &s3, "", sends);
            s3.fault(Fault { times: 9, ..Fault::new(kind, What::Answer(403, "AccessDenied")) });
            space.run(&["run", "job.kdl"]).expect(1);
            let (backups, uploads) = (backups(&space), uploads(&space));
            assert_eq!((backups.len(), uploads.len()), (1, 1), "{kind:?} {sends}");
            let (backup, upload) = (&backups[0], &uploads[0]);
            assert_eq!(upload["status_upload"], 3);
            assert_eq!(upload["backup_id"], backup["id"]);
            assert_eq!(word(upload, "bucket"), "vault");
            let name = word(backup, "nome_arquivo");
            assert_eq!(word(upload, "caminho_arquivo"), format!("j/db/{name}"));
            assert!(is_moment(upload, "data_inicio") <= is_moment(upload, "data_encerramento"));
            assert_eq!(word(backup, "nome_database"), "crm,shop");
            // With a copy on the NAS there is a backup; with none there is nothing.
            let made = sends.contains("nas");
            assert_eq!(backup["status_backup"], if made { 1 } else { 3 }, "{kind:?} {sends}");
            let note = backup["observacao"].as_str().unwrap_or_default();
            assert_eq!(note.contains("403 AccessDenied"), !made, "{note}");
        }
    }
}

/// What a person proves is history too: pages show it beside the copy.
#[test]
fn a_proof_by_hand_is_in_the_catalog() {
    let space = Space::new().job(
        r#"sources { sqlite "app" path="app.db" }
           stores { dir "disk" path="disk" { keep last=3 } }
           job "j" { dump "app" { send "disk" } }"#,
    );
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1)");
    space.back_up();
    let proofs = || {
        let connection = rusqlite::Connection::open(space.state("catalog.sqlite")).unwrap();
        let sql = "SELECT source || ' ' || store || ' ' || level || ' ' || good FROM proof";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(proofs(), Vec::<String>::new());
    space.run(&["verify", "job.kdl", "app", "--from", "disk"]).expect(0);
    assert_eq!(proofs(), ["app disk read 1"]);
    let page = space.run(&["report", "--out", "out"]).expect(0);
    let backup = std::fs::read_to_string(space.path("out/b/1.html")).unwrap();
    assert!(backup.contains(">lido</span>"), "{} {backup}", page.stdout);
}
