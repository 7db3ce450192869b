//! Logs that are large, written by many at once, or damaged, replayed.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::common::binary::{good, run, text};
use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Server};
use crate::common::space::files;

const DATABASES: [&str; 1] = ["a"];

fn begin(brand: Brand, more: &[&str]) -> (Server, tempfile::TempDir) {
    let source = brand.start(&[&["--server-id=7"], more].concat());
    let home = tempfile::tempdir().expect("a folder");
    let job = format!(
        "sources {{ mysql \"shop\" host=\"127.0.0.1\" port={} user=\"root\" }}\n\
         stores {{ dir \"s\" path=\"store\" {{ keep last=3 }} }}\n\
         job \"nightly\" {{ dump \"shop\" {{ send \"s\"; verify \"s\" }} }}\n\
         job \"log\" {{ binlog \"shop\" {{ send \"s\" }} }}\n",
        source.port
    );
    fs::write(home.path().join("job.kdl"), job).expect("written");
    source.exec("CREATE DATABASE a");
    source.exec("CREATE TABLE a.large (id INT PRIMARY KEY, v LONGTEXT)");
    for n in 0..4 {
        source.exec(&format!("CREATE TABLE a.t{n} (id INT PRIMARY KEY, v INT, w INT, KEY (v))"));
        source.exec(&format!("INSERT INTO a.t{n} VALUES (1, 0, 0), (2, 0, 0), (3, 0, 0)"));
    }
    (source, home)
}

fn restore(home: &tempfile::TempDir, target: &Server, words: &[&str]) -> std::process::Output {
    let into = format!("mysql://root@127.0.0.1:{}", target.port);
    run(home.path(), &[&["restore", "job.kdl", "shop", "--into", &into], words].concat())
}

/// Writers and definitions at once, and a dump in the midst of them; then one row that is larger than
/// a packet.
fn loaded(brand: Brand, more: &[&str]) {
    let room = ["--max-allowed-packet=128M"];
    let (source, home) = begin(brand, &[&room, more].concat());
    let ends = AtomicBool::new(false);
    let round = |worker: usize, n: u32| {
        let mut connection = source.conn();
        let mut act = |sql: String| match connection.query_drop(&sql) {
            // Whoever loses a deadlock has done nothing.
            Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1213 | 1205) => {}
            other => other.unwrap_or_else(|e| panic!("{e}: {sql}")),
        };
        let other = (worker + 1) % 4;
        act("BEGIN".into());
        act(format!("UPDATE a.t{worker} SET v = v + {n}, w = w + 1 WHERE id = {}", n % 3 + 1));
        act(format!("INSERT INTO a.t{other} (id, v) VALUES ({}, {n})", 10 + n * 4 + worker as u32));
        act(if n.is_multiple_of(5) { "ROLLBACK".into() } else { "COMMIT".into() });
        // A dump that definitions race with for ever would be a test of something else.
        if n % 7 == 3 && n < 20 {
            act(format!(
                "CREATE TABLE a.made_{worker}_{n} AS SELECT id FROM a.t{worker} WHERE id < 3"
            ));
        }
    };
    thread::scope(|scope| {
        for worker in 0..4 {
            let (ends, round) = (&ends, &round);
            scope.spawn(move || {
                let mut n = 0;
                while !ends.load(Ordering::Relaxed) || n < 20 {
                    n += 1;
                    thread::sleep(Duration::from_millis(10));
                    round(worker, n);
                }
            });
        }
        thread::sleep(Duration::from_millis(100));
        good(&run(home.path(), &["run", "job.kdl", "nightly"]));
        good(&run(home.path(), &["run", "job.kdl", "log"]));
        ends.store(true, Ordering::Relaxed);
    });
    source.exec(
        "INSERT INTO a.large VALUES (1, REPEAT('x', 16777216 * 2 - 50)), (2, REPEAT('é', 100))",
    );
    source.exec("INSERT INTO a.large VALUES (3, REPEAT('z', 16777215 - 60))");
    good(&run(home.path(), &["run", "job.kdl", "log"]));
    let expected = State::of(&mut source.conn(), &DATABASES);
    let target = brand.start(&["--server-id=8", room[0]]);
    let restored = restore(&home, &target, &["--until", "latest"]);
    good(&restored);
    let found = State::of(&mut target.conn(), &DATABASES).differences(&expected);
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), text(&restored));
}

#[test]
fn what_many_wrote_at_once_into_mysql_comes_back() {
    loaded(Brand::Mysql9, &["--binlog-checksum=NONE"]);
}

#[test]
fn what_many_wrote_at_once_into_mariadb_comes_back() {
    loaded(Brand::Mariadb, &["--binlog-format=ROW"]);
}

#[test]
fn what_many_wrote_at_once_into_mariadb_11_comes_back() {
    loaded(Brand::Mariadb11, &["--binlog-format=ROW", "--binlog-checksum=NONE"]);
}

/// A segment that is damaged, or gone, is told before anything is written.
#[test]
fn a_segment_that_is_damaged_or_missing_keeps_everything_from_being_written() {
    let (source, home) = begin(Brand::Mariadb, &[]);
    good(&run(home.path(), &["run", "job.kdl", "nightly"]));
    for n in 0..3 {
        source.exec(&format!("UPDATE a.t0 SET v = {n}"));
        source.exec("FLUSH BINARY LOGS");
        good(&run(home.path(), &["run", "job.kdl", "log"]));
    }
    let target = Brand::Mariadb.start(&["--server-id=8"]);
    let mut segments = files(&home.path().join("store/logs"));
    segments.sort();
    let second = &segments[1];
    let whole = fs::read(second).expect("it reads");
    let mut bad = whole.clone();
    let middle = bad.len() * 2 / 3;
    bad[middle] ^= 1;
    let refused = |what: &str| {
        let refused = restore(&home, &target, &["--until", "latest"]);
        let all = text(&refused);
        assert!(!refused.status.success(), "{what}: {all}");
        let there: Vec<String> =
            target.conn().query("SHOW DATABASES LIKE 'a'").expect("it answers");
        assert!(there.is_empty(), "{what}: {all}");
        refused.status.code()
    };
    fs::write(second, &bad).expect("written");
    assert_eq!(refused("a flipped bit"), Some(65));
    fs::write(second, &whole[..whole.len() / 2]).expect("written");
    refused("half of it");
    fs::remove_file(second).expect("removed");
    assert_eq!(refused("gone"), Some(66));
    fs::write(second, &whole).expect("written");
    good(&restore(&home, &target, &["--until", "latest"]));
    State::of(&mut target.conn(), &DATABASES)
        .assert_same(&State::of(&mut source.conn(), &DATABASES));
}
