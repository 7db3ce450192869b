//! `vex bench`: two tables of what was measured on a real server, and nothing of it stays: no
//! database, no object, no line in the binary log.

use std::path::Path;

use mysql::prelude::Queryable;
use rustix::process::Signal;

use crate::common::servers::{Brand, Server};
use crate::common::space::{Space, files, until};

fn space(server: &Server) -> Space {
    let job = format!(
        "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ databases \"own\" }}; sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ dir \"d\" path=\"d\" prefix=\"site a\" {{ keep last=2 }} }}\n\
         job \"j\" {{ dump \"db\" {{ send \"d\" }} }}\n",
        server.port
    );
    Space::new().job(&job).env("VEX_LANG", "pt-BR")
}

fn databases(server: &Server) -> Vec<String> {
    server.conn().query("SHOW DATABASES").unwrap()
}

/// Where the binary log stands: in which file, and at which byte.
fn logged(server: &Server) -> (String, u64) {
    let rows: Vec<(String, u64)> = server
        .conn()
        .query_map("SHOW BINARY LOGS", |row: mysql::Row| (row.get(0).unwrap(), row.get(1).unwrap()))
        .unwrap();
    rows.last().unwrap().clone()
}

fn left(folder: &Path) -> Vec<String> {
    let all = files(folder).into_iter().map(|path| path.display().to_string());
    all.filter(|path| path.contains("vex_bench")).collect()
}

#[test]
fn what_was_measured_is_two_tables_and_nothing_of_it_stays() {
    for brand in [Brand::Mysql9, Brand::Mariadb] {
        let server = brand.start(&["--log-bin=log", "--server-id=7"]);
        server.exec("CREATE DATABASE own");
        server.exec("CREATE TABLE own.t (a INT)");
        let (before, log) = (databases(&server), logged(&server));
        let space = space(&server);
        let own = ["bench", "job.kdl", "db", "--to", "d", "--sizes", "4MiB,9MiB", "--runs", "2"];
        let ran = space.run(&own).expect(0);
        for line in ["Tempos médios", "Desvios padrão", "Volume  Programa"] {
            assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
        }
        let rows = |volume: &str, program: &str| {
            let own = ran.stdout.lines().filter(|line| {
                let words: Vec<&str> = line.split_whitespace().take(2).collect();
                words == [volume, program]
            });
            own.map(|line| line.split_whitespace().rev().take(4).map(str::to_owned).collect())
                .collect::<Vec<Vec<String>>>()
        };
        for volume in ["4MiB", "9MiB"] {
            // Total, upload, compaction, dump.
            for row in rows(volume, "vex") {
                assert_eq!((row.len(), row[2].as_str()), (4, "—"), "{}", ran.stdout);
                assert!(row[0].contains(','), "{row:?}");
            }
            assert_eq!(rows(volume, "vex").len(), 2, "{}", ran.stdout);
            let beside = rows(volume, "mydumper");
            assert_eq!(beside.len(), 2, "mydumper and 7zz: run tests/run.sh\n{}", ran.stdout);
            assert!(beside.iter().flatten().all(|cell| cell.contains(',')), "{beside:?}");
            assert!(ran.stdout.contains(&format!("{volume}: vex levou ")), "{}", ran.stdout);
        }
        assert_eq!(databases(&server), before);
        assert_eq!(logged(&server), log, "replicas get nothing of it");
        assert_eq!(left(&space.path("")), [] as [&str; 0]);
        let json = ["bench", "job.kdl", "db", "--to", "d", "--sizes", "1MiB", "--format", "json"];
        let json = space.run(&[&json[..], &["--runs", "3"]].concat()).expect(0).json();
        let shown: Vec<(&str, usize)> = json
            .iter()
            .map(|line| (line["volume"].as_str().unwrap(), line["runs"].as_array().unwrap().len()))
            .collect();
        assert_eq!(shown, [("1MiB", 3), ("1MiB", 3)]);
        assert!(json[0]["runs"][0]["dump"].as_f64().unwrap() > 0.0, "{json:?}");
    }
}

#[test]
fn a_measurement_that_is_interrupted_leaves_nothing_either() {
    let server = Brand::Mariadb.start(&[]);
    let before = databases(&server);
    let space = space(&server);
    let rows =
        "SELECT count(*) FROM information_schema.tables WHERE table_schema LIKE 'vex\\_bench%'";
    // While it is filled, and while it is read: its first backup is in the store then.
    let filled = || server.conn().query_first::<u64, _>(rows).unwrap().filter(|n| *n > 0);
    let begun = || {
        files(&space.path("d"))
            .into_iter()
            .find(|path| path.display().to_string().contains("vex_bench"))
    };
    for when in [&(|| filled().map(drop)) as &dyn Fn() -> Option<()>, &|| begun().map(drop)] {
        let own = ["bench", "job.kdl", "db", "--to", "d", "--sizes", "64MiB", "--runs", "50"];
        let running = space.start(&own);
        until("it is at work", when);
        running.signal(Signal::INT);
        assert_eq!(running.ends_soon(), 130);
        assert_eq!(databases(&server), before);
        assert_eq!(left(&space.path("")), [] as [&str; 0]);
    }
}

#[test]
fn what_can_not_be_measured_is_said_before_anything_is_made() {
    let server = Brand::Mariadb.shared();
    let space = space(server);
    space.database("app.db", "CREATE TABLE t (a)");
    for (words, said) in [
        (["app", "--to", "d", "--sizes", "1MiB"], "no source of MySQL or MariaDB"),
        (["none", "--to", "d", "--sizes", "1MiB"], "no source of MySQL or MariaDB"),
        (["db", "--to", "none", "--sizes", "1MiB"], "no store none"),
        (["db", "--to", "d", "--sizes", "1KiB"], "1MiB or more"),
    ] {
        let refused = space.run(&[&["bench", "job.kdl"], &words[..]].concat()).expect(64);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    // Without the right to keep it out of the binary log nothing is made.
    let server = Brand::Mariadb.start(&["--log-bin=log", "--server-id=7"]);
    server.exec("CREATE USER weak@'127.0.0.1' IDENTIFIED BY ''");
    server.exec("GRANT CREATE, DROP, INSERT, SELECT ON *.* TO weak@'127.0.0.1'");
    let before = databases(&server);
    let text = std::fs::read_to_string(self::space(&server).path("job.kdl")).unwrap();
    let space = Space::new().job(&text.replace("user=\"root\"", "user=\"weak\""));
    let refused = space.run(&["bench", "job.kdl", "db", "--to", "d", "--sizes", "1MiB"]).expect(1);
    assert!(refused.stderr.contains("binary log"), "{}", refused.stderr);
    assert_eq!(databases(&server), before);
}
