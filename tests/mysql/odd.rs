//! Odd neighbours: what a server holds and can't read is named in one run, and left out; all else is
//! dumped and comes back.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::common::binary::{good, run, text};
use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Server};

/// A database without anything odd, for comparison.
const FINE: &str = "CREATE DATABASE fine; USE fine;
CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), KEY (name));
INSERT INTO t VALUES (1, 'one'), (2, 'two');
CREATE VIEW v AS SELECT name FROM t;
CREATE VIEW fails AS SELECT (SELECT id FROM t) AS id;
CREATE VIEW overflows AS SELECT 18446744073709551615 + COUNT(*) AS n FROM t;
CREATE PROCEDURE p() SELECT 1;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.name = UPPER(NEW.name);";

/// Sends statements, one by one.
fn load(connection: &mut Conn, sql: &str) {
    for statement in sql.split(';').map(str::trim).filter(|s| !s.is_empty()) {
        connection.query_drop(statement).unwrap_or_else(|e| panic!("{e}: {statement}"));
    }
}

fn job(home: &Path, server: &Server, extra: &str, dump: &str) {
    let file = format!(
        "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ {extra} }} }}\nstores {{ dir \"local\" path=\"store\" {{ keep \
         last=3 }} }}\njob \"nightly\" {{ dump \"db\" {dump} {{ send \"local\"; verify \"local\" }} }}\n",
        server.port
    );
    fs::write(home.join("job.kdl"), file).expect("written");
}

/// Dumps it; the run must be an Alerta.
fn alert(home: &Path, server: &Server, extra: &str, dump: &str) -> String {
    job(home, server, extra, dump);
    let output = run(home, &["run", "job.kdl", "--strict"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{:?}: {said}", server.brand);
    said
}

fn restore(home: &Path, target: &Server) -> Output {
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    run(home, &["restore", "job.kdl", "--into", &url])
}

/// Restores into a new server, and wants `fine` to be what it was.
fn comes_back(home: &Path, source: &Server) -> Server {
    let target = source.brand.start(&[]);
    good(&restore(home, &target));
    let state = |server: &Server| State::of(&mut server.conn(), &["fine"]);
    state(&target).assert_same(&state(source));
    target
}

#[test]
fn all_that_can_not_be_opened_is_named_in_one_run_and_the_rest_is_dumped() {
    for brand in Brand::ALL {
        let first = brand.start(&[]);
        load(&mut first.conn(), FINE);
        load(
            &mut first.conn(),
            "CREATE DATABASE odd; USE odd;
CREATE TABLE gone (a INT PRIMARY KEY); CREATE TABLE discarded (a INT PRIMARY KEY);
CREATE TABLE file (a INT) ENGINE=MyISAM; CREATE TABLE junk (a INT PRIMARY KEY) ENGINE=MyISAM;
CREATE TABLE part (a INT) ENGINE=MyISAM; CREATE TABLE merged (a INT) ENGINE=MERGE UNION=(part);
CREATE TABLE dropped (a INT);
CREATE TRIGGER tr BEFORE INSERT ON gone FOR EACH ROW SET NEW.a = 1;
CREATE VIEW of_gone AS SELECT a FROM gone; CREATE VIEW of_merged AS SELECT a FROM merged;
CREATE VIEW of_dropped AS SELECT a FROM dropped; CREATE VIEW of_view AS SELECT a FROM of_dropped;
DROP TABLE dropped; DROP TABLE part; ALTER TABLE discarded DISCARD TABLESPACE;",
        );
        let server = first.reopened(|data| {
            fs::remove_file(data.join("odd/gone.ibd")).expect("it is there");
            fs::remove_file(data.join("odd/file.MYD")).expect("it is there");
            fs::write(data.join("odd/junk.MYI"), "junk").expect("it is there");
            for folder in ["lost+found", ".snapshot", "notes and more"] {
                fs::create_dir(data.join(folder)).expect("there is none");
            }
        });
        // It is opened all the same; its rows are not.
        let mut odd = vec![
            "rows of odd.discarded",
            "table odd.file",
            "table odd.gone",
            "table odd.junk",
            "table odd.merged",
            "view odd.of_dropped",
            "view odd.of_gone",
            "view odd.of_merged",
            "view odd.of_view",
        ];
        if brand.is_mariadb() {
            // MySQL keeps its list of databases elsewhere.
            odd.extend([
                "database #mysql50#.snapshot",
                "database #mysql50#lost+found",
                "database #mysql50#notes and more",
            ]);
        }
        for dump in ["", "engine=\"mysqldump\""] {
            if brand == Brand::Mysql9 && !dump.is_empty() {
                continue;
            }
            let home = tempfile::tempdir().expect("a folder");
            let said = alert(home.path(), &server, "inconsistent \"alert\"", dump);
            for name in &odd {
                let lines = said.matches(&format!("not included: {name}")).count();
                assert_eq!(lines, 1, "{brand:?}: {name}: {said}");
            }
            let lines = said.matches("not included: ").count();
            assert_eq!(lines, odd.len(), "{brand:?}: and nothing else: {said}");
            let target = comes_back(home.path(), &server);
            if dump.is_empty() {
                // MariaDB's program does not get past it.
                server.exec("DROP TABLE odd.discarded");
                odd.remove(0);
            }
            let sql = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'odd' AND TABLE_NAME <> 'discarded'";
            assert_eq!(target.conn().query_first::<u64, _>(sql).expect("it answers"), Some(0));
        }
    }
}

#[test]
fn tables_of_engines_without_savepoints_are_dumped_as_others_that_no_snapshot_covers() {
    for brand in [Brand::Mariadb, Brand::Mariadb11] {
        let server = brand.start(&[]);
        load(&mut server.conn(), FINE);
        load(
            &mut server.conn(),
            "USE fine; CREATE TABLE a_large (i INT PRIMARY KEY, t TEXT) ENGINE=Aria; \
             INSERT INTO a_large SELECT seq, REPEAT('x', 1000) FROM seq_1_to_500; \
             CREATE TABLE b (i INT) ENGINE=Aria; CREATE TABLE c (i INT PRIMARY KEY) ENGINE=Aria TRANSACTIONAL=0; \
             CREATE TABLE d (i INT) ENGINE=MyISAM; INSERT INTO b VALUES (1); INSERT INTO d VALUES (2);",
        );
        let home = tempfile::tempdir().expect("a folder");
        job(home.path(), &server, "", "");
        let refused = run(home.path(), &["run", "job.kdl"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused).contains("fine.a_large is a Aria table"), "{}", text(&refused));
        let said = alert(home.path(), &server, "inconsistent \"alert\"", "threads=3");
        for name in ["a_large", "b", "c", "d"] {
            assert!(said.contains(&format!("not one point in time: fine.{name} is a")), "{said}");
        }
        comes_back(home.path(), &server);
    }
}

#[test]
fn what_can_be_read_of_a_damaged_table_is_dumped_and_the_rest_is_told() {
    for brand in Brand::ALL {
        let first = brand.start(&[]);
        load(&mut first.conn(), FINE);
        load(
            &mut first.conn(),
            "CREATE DATABASE odd; USE odd;
CREATE TABLE bytes (id INT PRIMARY KEY, t VARCHAR(20) CHARACTER SET utf8mb4) ENGINE=MyISAM;
INSERT INTO bytes VALUES (1, 'first'), (2, 'second'), (3, 'third');
CREATE TABLE cut (id INT PRIMARY KEY, t VARCHAR(900) CHARACTER SET latin1) ENGINE=MyISAM ROW_FORMAT=DYNAMIC;
INSERT INTO cut VALUES (1, REPEAT('a', 900)), (2, REPEAT('b', 900)), (3, REPEAT('c', 900)), (4, REPEAT('d', 900));",
        );
        let server = first.reopened(|data| {
            let path = data.join("odd/bytes.MYD");
            let rows = fs::read(&path).expect("it is there");
            let at = rows.windows(6).position(|word| word == b"second").expect("it is stored");
            let file = fs::OpenOptions::new().write(true).open(&path).expect("it is ours");
            file.write_all_at(b"\xff", at as u64).expect("written");
            let file = fs::OpenOptions::new().write(true).open(data.join("odd/cut.MYD"));
            file.and_then(|file| file.set_len(2000)).expect("it is ours");
        });
        let home = tempfile::tempdir().expect("a folder");
        let said = alert(home.path(), &server, "inconsistent \"alert\"", "");
        assert!(said.contains("not included: 1 rows of odd.bytes: column t holds"), "{said}");
        assert!(said.contains("not included: rows of odd.cut: the server can't read"), "{said}");
        assert_eq!(said.matches("not included: ").count(), 2, "{said}");
        let target = comes_back(home.path(), &server);
        let rows = |sql: &str| target.conn().query::<u64, _>(sql).expect("it answers");
        assert_eq!(rows("SELECT id FROM odd.bytes ORDER BY id"), [1, 3], "{brand:?}");
        assert_eq!(rows("SELECT id FROM odd.cut ORDER BY id"), [1, 2], "{brand:?}");
    }
}
