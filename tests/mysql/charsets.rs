//! Views, routines, triggers and events that clients of other character sets made, and literals that
//! are in none of the client's: every byte comes back.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use mysql::prelude::Queryable;

use crate::common::binary::{good, run};
use crate::common::servers::{Brand, Server};

/// A client, and `é` or what it has in its place, as it writes it.
const CLIENTS: [(&str, &[u8]); 5] = [
    ("utf8mb4", "é".as_bytes()),
    ("utf8mb3", "é".as_bytes()),
    ("latin1", b"\xe9"),
    ("koi8r", b"\xc5"),
    ("cp1251", b"\xe9"),
];

/// What each client makes: `E` stands for its letter, `K` for bytes that are no text to it.
const OBJECTS: [&str; 6] = [
    "CREATE VIEW v_N AS SELECT _koi8r'K' AS k, 'E' AS e, _koi8r x'D4C5' AS x, _utf8mb4'?' AS q, _sjis x'835C' AS s",
    "CREATE FUNCTION f_N() RETURNS VARBINARY(200) DETERMINISTIC BEGIN -- it's E\n/* ' */ RETURN CONCAT_WS(',', HEX(_koi8r'K'), HEX('E'), \
     '?'); END",
    "CREATE FUNCTION g_N() RETURNS VARBINARY(200) DETERMINISTIC RETURN HEX('E')",
    "CREATE PROCEDURE p_N() COMMENT 'E?' SELECT HEX(_latin1'K')",
    "CREATE TRIGGER tr_N BEFORE INSERT ON t_N FOR EACH ROW SET NEW.h = HEX(_koi8r'K')",
    "CREATE EVENT e_N ON SCHEDULE EVERY 1 YEAR STARTS '2036-01-01 00:00:00' COMMENT 'E' DO SET @a = _latin1'K', @b = 'E'",
];

fn replaced(sql: &str, name: &str, letter: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in sql.replace("_N", &format!("_{name}")).bytes() {
        match byte {
            b'E' if out.ends_with(b"'") => out.extend_from_slice(letter),
            b'K' if out.ends_with(b"'") => out.extend_from_slice(b"\xd4\xc5"),
            other => out.push(other),
        }
    }
    out
}

/// Has the server's own client send a statement as it is; returns whether the server took it.
fn send(server: &Server, names: &str, statement: &[u8]) -> bool {
    let mut client = Command::new(server.brand.client());
    client.args([
        "--no-defaults",
        "--protocol=tcp",
        "--host=127.0.0.1",
        "--user=root",
        "--comments",
    ]);
    client.args([&format!("--port={}", server.port), "--default-character-set=latin1", "d"]);
    client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = client.spawn().expect("it starts");
    let script =
        [format!("SET NAMES {names};\nDELIMITER |\n").as_bytes(), statement, b"|\n"].concat();
    client.stdin.take().expect("it is piped").write_all(&script).expect("it reads");
    client.wait().expect("it ends").success()
}

/// All that the objects answer, and what the server keeps of them.
fn answers(server: &Server) -> Vec<(String, Option<String>)> {
    let mut connection = server.conn();
    let mut found = Vec::new();
    for (name, _) in CLIENTS {
        for sql in [
            format!("SELECT CONCAT_WS(',', HEX(k), HEX(e), HEX(x), HEX(q), HEX(s)) FROM v_{name}"),
            format!("SELECT f_{name}()"),
            format!("SELECT g_{name}()"),
            format!("CALL p_{name}()"),
            format!("INSERT INTO t_{name} (a) VALUES (1)"),
            format!("SELECT GROUP_CONCAT(h) FROM t_{name}"),
            format!(
                "SELECT HEX(ROUTINE_COMMENT) FROM information_schema.ROUTINES WHERE ROUTINE_NAME='p_{name}'"
            ),
            format!(
                "SELECT HEX(EVENT_COMMENT) FROM information_schema.EVENTS WHERE EVENT_NAME='e_{name}'"
            ),
        ] {
            connection.query_drop("USE d").expect("it is there");
            let answer = connection.query_first::<Option<String>, _>(&sql);
            let answer = answer.unwrap_or_else(|e| panic!("{:?}: {e}: {sql}", server.brand));
            found.push((sql, answer.flatten()));
        }
        connection.query_drop(format!("DELETE FROM t_{name}")).expect("it is there");
    }
    found
}

#[test]
fn literals_and_texts_of_every_client_come_back_byte_for_byte() {
    for brand in Brand::ALL {
        let source = brand.start(&[]);
        let mut connection = source.conn();
        for sql in ["CREATE DATABASE d", "USE d"] {
            connection.query_drop(sql).expect("it does");
        }
        for (name, letter) in CLIENTS {
            connection.query_drop("SET NAMES utf8mb4").expect("it does");
            let table = format!(
                "CREATE TABLE t_{name} (a INT, h VARCHAR(20), `é` INT COMMENT 'é?') COMMENT 'é ?'"
            );
            connection.query_drop(table).expect("it does");
            for object in OBJECTS {
                // A client of UTF-8 may not write what is no UTF-8: MySQL says so.
                let made = send(&source, name, &replaced(object, name, letter))
                    || send(&source, name, &replaced(&object.replace('K', "k"), name, letter));
                assert!(made, "{brand:?} {name}: {object}");
            }
        }
        drop(connection);
        let home = tempfile::tempdir().expect("a folder");
        let file = format!(
            "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" }}\nstores {{ dir \"local\" path=\"store\" {{ keep \
             last=3 }} }}\njob \"nightly\" {{ dump \"db\" {{ send \"local\"; verify \"local\" }} }}\n",
            source.port
        );
        fs::write(home.path().join("job.kdl"), file).expect("written");
        good(&run(home.path(), &["run", "job.kdl", "--strict"]));
        let target = brand.start(&[]);
        let url = format!("mysql://root@127.0.0.1:{}", target.port);
        good(&run(home.path(), &["restore", "job.kdl", "--into", &url]));
        for (found, expected) in answers(&target).into_iter().zip(answers(&source)) {
            assert_eq!(found, expected, "{brand:?}");
        }
        let comments = "SELECT TABLE_NAME, HEX(TABLE_COMMENT), HEX(COLUMN_NAME), HEX(COLUMN_COMMENT) FROM information_schema.TABLES \
                        JOIN information_schema.COLUMNS USING (TABLE_SCHEMA, TABLE_NAME) WHERE TABLE_SCHEMA='d' ORDER BY 1, 3";
        type Comment = (String, String, String, String);
        let of = |server: &Server| -> Vec<Comment> {
            server.conn().query(comments).expect("it answers")
        };
        assert_eq!(of(&target), of(&source), "{brand:?}");
    }
}
