//! A dump and the binary log behind it, replayed up to a transaction: what comes back is what the
//! source held just before it, by states that were read at the source meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::common::binary::{good, run, text, vex};
use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Server};
use crate::common::space::{files, until};

/// The databases that are compared.
const DATABASES: [&str; 3] = ["a", "b", "c"];

fn job(home: &Path, server: &Server, more: &str) {
    let job = format!(
        "sources {{ mysql \"shop\" host=\"127.0.0.1\" port={} user=\"root\" {more} }}\n\
         stores {{ dir \"s\" path=\"store\" {{ keep last=3 }} }}\n\
         job \"nightly\" {{ dump \"shop\" {{ send \"s\"; verify \"s\" }} }}\n\
         job \"log\" {{ binlog \"shop\" {{ send \"s\" }} }}\n",
        server.port
    );
    fs::write(home.join("job.kdl"), job).expect("written");
}

/// A server that keeps GTIDs.
fn start(brand: Brand, id: u32, more: &[&str]) -> Server {
    let id = format!("--server-id={id}");
    let mut arguments = vec![id.as_str()];
    if !brand.is_mariadb() {
        arguments.extend(["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]);
    }
    arguments.extend(more);
    brand.start(&arguments)
}

/// What happens to the source; `\n` between the statements of one transaction.
fn work(brand: Brand) -> Vec<String> {
    let compressed =
        if brand.is_mariadb() { "" } else { "SET SESSION binlog_transaction_compression=ON\n" };
    let text = "y".repeat(500);
    [
        "INSERT INTO a.t (v) VALUES ('one'), ('two')",
        "BEGIN\nUPDATE a.t SET v = CONCAT(v, '!') WHERE id < 3\nINSERT INTO b.log VALUES (1, 'x')\nCOMMIT",
        "CREATE TABLE b.late (id INT PRIMARY KEY, f INT GENERATED ALWAYS AS (id * 2) VIRTUAL, j LONGTEXT)",
        "BEGIN\nINSERT INTO b.late (id, j) VALUES (1, 'é'), (2, NULL)\nSAVEPOINT s\nDELETE FROM b.late\nROLLBACK TO s\nCOMMIT",
        "CREATE TABLE b.plain (id INT) ENGINE=MyISAM",
        "BEGIN\nINSERT INTO b.plain VALUES (1)\nINSERT INTO b.log VALUES (3, 'gone')\nROLLBACK",
        "ALTER TABLE a.t ADD COLUMN w VARCHAR(20) NOT NULL DEFAULT 'w', ADD KEY (w)",
        "CREATE DATABASE c CHARACTER SET latin1",
        "CREATE PROCEDURE c.p() MODIFIES SQL DATA INSERT INTO b.log VALUES (9, 'p')",
        "CREATE TRIGGER a.tr AFTER INSERT ON a.t FOR EACH ROW INSERT INTO b.log VALUES (NEW.id + 100, NEW.v)",
        "SET SESSION binlog_format='STATEMENT', time_zone='+05:00', sql_mode='ANSI_QUOTES'\nSET @x = 'a value'\n\
         INSERT INTO a.t (v, made) VALUES (@x, NOW()), (\"v\", CURRENT_TIMESTAMP)",
        "CREATE OR REPLACE VIEW c.w AS SELECT id, v FROM a.t WHERE id > 1",
        "TRUNCATE TABLE b.log",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("{compressed}BEGIN\nINSERT INTO a.t (v) VALUES ('{text}'), ('{text}2')\nUPDATE a.t SET v = 'c' WHERE id = 1\nCOMMIT"),
        "DROP TABLE a.t".into(),
        "CREATE TABLE a.t (other INT)".into(),
        "INSERT INTO a.t VALUES (7)".into(),
    ])
    .collect()
}

/// Where the log of a server ends: file, byte, and its last GTID.
fn end(server: &Server) -> (String, u64, String) {
    let mut connection = server.conn();
    let sql =
        if server.brand.is_mariadb() { "SHOW MASTER STATUS" } else { "SHOW BINARY LOG STATUS" };
    let row: mysql::Row = connection.query_first(sql).expect("it answers").expect("a row");
    let gtid = if server.brand.is_mariadb() {
        "SELECT @@GLOBAL.gtid_binlog_pos"
    } else {
        "SELECT @@GLOBAL.gtid_executed"
    };
    let gtid: Option<String> = connection.query_first(gtid).expect("it answers");
    let gtid = gtid.unwrap_or_default();
    let last = match gtid.rsplit_once(':') {
        Some((server, numbers)) => {
            format!("{server}:{}", numbers.rsplit_once('-').map_or(numbers, |(_, last)| last))
        }
        None => gtid,
    };
    (row.get(0).expect("a file"), row.get(1).expect("a byte"), last)
}

/// A source with a dump, and what it held before each of the transactions that came later.
struct Past {
    home: tempfile::TempDir,
    source: Server,
    /// Of each: what it is, the state before it, where it begins, and its GTID.
    steps: Vec<(String, State, String, String)>,
    last: State,
}

fn past(brand: Brand, more: &[&str]) -> Past {
    let source = start(brand, 7, more);
    let home = tempfile::tempdir().expect("a folder");
    job(home.path(), &source, "");
    for sql in [
        "CREATE DATABASE a",
        "CREATE DATABASE b",
        "CREATE TABLE a.t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT, made DATETIME)",
        "CREATE TABLE b.log (id INT, v VARCHAR(600))",
        "INSERT INTO a.t (v) VALUES ('zero')",
    ] {
        source.exec(sql);
    }
    good(&run(home.path(), &["run", "job.kdl", "nightly"]));
    let mut steps = Vec::new();
    for (n, own) in work(brand).into_iter().enumerate() {
        let before = State::of(&mut source.conn(), &DATABASES);
        let (file, at, _) = end(&source);
        let mut connection = source.conn();
        for sql in own.split('\n') {
            connection.query_drop(sql).unwrap_or_else(|e| panic!("{brand:?}: {e}: {sql}"));
        }
        steps.push((own, before, format!("{file}:{at}"), end(&source).2));
        if n % 4 == 2 {
            source.exec("FLUSH BINARY LOGS");
        }
        if n % 5 == 3 {
            good(&run(home.path(), &["run", "job.kdl", "log"]));
        }
    }
    good(&run(home.path(), &["run", "job.kdl", "log"]));
    let last = State::of(&mut source.conn(), &DATABASES);
    Past { home, source, steps, last }
}

impl Past {
    fn restore(&self, target: &Server, words: &[&str]) -> Output {
        let into = format!("mysql://root@127.0.0.1:{}", target.port);
        let mut all = vec!["restore", "job.kdl", "shop", "--into", &into];
        all.extend(words);
        run(self.home.path(), &all)
    }

    /// Restores into an empty server, and compares.
    fn comes_back(&self, target: &Server, words: &[&str], expected: &State) {
        for database in DATABASES {
            target.exec(&format!("DROP DATABASE IF EXISTS {database}"));
        }
        let before = variables(target);
        let restored = self.restore(target, words);
        good(&restored);
        let found = State::of(&mut target.conn(), &DATABASES);
        let differences = found.differences(expected);
        assert!(
            differences.is_empty(),
            "{:?} {words:?}:\n{}\n{}",
            target.brand,
            differences.join("\n"),
            text(&restored)
        );
        assert_eq!(variables(target), before, "what was set for the replay stays");
    }
}

/// What a replay must leave as it was.
fn variables(server: &Server) -> Vec<String> {
    let mut connection = server.conn();
    let (channels, own): (_, &[&str]) = match server.brand.is_mariadb() {
        true => ("SHOW ALL SLAVES STATUS", &["event_scheduler", "gtid_slave_pos", "read_only"]),
        false => ("SHOW REPLICA STATUS", &["event_scheduler", "gtid_mode", "read_only"]),
    };
    let channels: Vec<mysql::Row> = connection.query(channels).expect("it answers");
    let mut all = vec![format!("{} channels", channels.len())];
    for name in own {
        let value: Option<Option<String>> =
            connection.query_first(format!("SELECT @@GLOBAL.{name}")).expect("it answers");
        all.push(format!("{name}={value:?}"));
    }
    all
}

fn returns(brand: Brand) {
    let more: &[&str] = if brand.is_mariadb() { &["--log-bin-compress=ON"] } else { &[] };
    let past = past(brand, more);
    let target = start(brand, 8, &[]);
    for (n, (own, before, position, gtid)) in past.steps.iter().enumerate() {
        // Nothing of it is in the log but what can't be taken back.
        let words: [&str; 2] = match n % 2 {
            0 => ["--until-gtid", gtid],
            _ => ["--until-position", position],
        };
        if n % 3 == 0 || own.starts_with("DROP") {
            past.comes_back(&target, &words, before);
        }
    }
    past.comes_back(&target, &["--until", "latest"], &past.last);
}

#[test]
fn a_log_of_mysql_comes_back_up_to_each_transaction() {
    returns(Brand::Mysql9);
}

#[test]
fn a_log_of_mariadb_comes_back_up_to_each_transaction() {
    returns(Brand::Mariadb);
}

#[test]
fn a_log_of_mariadb_11_comes_back_up_to_each_transaction() {
    returns(Brand::Mariadb11);
}

/// A source with a table, a dump, and room for what happens then.
fn small(brand: Brand, more: &str) -> Past {
    let source = start(brand, 7, &[]);
    let home = tempfile::tempdir().expect("a folder");
    job(home.path(), &source, more);
    source.exec("CREATE DATABASE a");
    source.exec("CREATE TABLE a.t (id INT PRIMARY KEY, v INT)");
    source.exec("INSERT INTO a.t VALUES (1, 0)");
    good(&run(home.path(), &["run", "job.kdl", "log"]));
    good(&run(home.path(), &["run", "job.kdl", "nightly"]));
    let last = State::of(&mut source.conn(), &DATABASES);
    Past { home, source, steps: Vec::new(), last }
}

impl Past {
    /// Does something at the source; the state before it, where it begins, and its GTID.
    fn act(&mut self, sql: &str) -> (State, String, String) {
        let before = State::of(&mut self.source.conn(), &DATABASES);
        let (file, at, _) = end(&self.source);
        let mut connection = self.source.conn();
        for sql in sql.split('\n') {
            connection.query_drop(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
        }
        (before, format!("{file}:{at}"), end(&self.source).2)
    }

    fn log(&self) -> Output {
        run(self.home.path(), &["run", "job.kdl", "log"])
    }
}

fn a_moment(brand: Brand) {
    let mut past = small(brand, "");
    past.act("UPDATE a.t SET v = 1");
    past.act("UPDATE a.t SET v = 2");
    sleep(Duration::from_millis(1100));
    // The server's clock, to the second: what is behind it is of a later second.
    let clock = "SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')";
    sleep(Duration::from_millis(1100));
    let moment: Option<String> = past.source.conn().query_first(clock).expect("it answers");
    let moment = moment.expect("a moment");
    let (before, position, gtid) = past.act("UPDATE a.t SET v = 3");
    let harm = past.act("DROP TABLE a.t");
    good(&past.log());
    let target = start(brand, 8, &[]);
    past.comes_back(&target, &["--until", &moment], &before);
    past.comes_back(&target, &["--until-gtid", &harm.2], &harm.0);

    // Whoever looks for the harm finds it, with the words that end before it.
    let shown =
        run(past.home.path(), &["log", "show", "job.kdl", "--around", &moment, "--count", "3"]);
    good(&shown);
    let all = text(&shown);
    let line =
        all.lines().find(|line| line.contains("DROP TABLE")).unwrap_or_else(|| panic!("{all}"));
    assert!(line.contains(&harm.1) && line.contains(&harm.2), "{all}");
    assert!(
        (all.contains("update a.t") || all.contains("UPDATE a.t"))
            && all.contains(&position)
            && all.contains(&gtid),
        "{all}"
    );

    // A dry run says both neighbours, and changes nothing.
    let state = State::of(&mut target.conn(), &DATABASES);
    target.exec("DROP DATABASE a");
    let dry = past.restore(&target, &["--until-gtid", &harm.2, "--dry-run"]);
    good(&dry);
    let all = text(&dry);
    assert!(all.contains("the last that comes back is") && all.contains("ends before"), "{all}");
    assert!(all.contains(&harm.1) && all.contains(&position), "{all}");
    assert!(State::of(&mut target.conn(), &DATABASES).differences(&state).len() > 1, "{all}");

    // What nothing reaches is said with what is there, and nothing is written.
    for words in [
        ["--until", "2099-01-01T00:00:00Z"],
        ["--until", "2001-01-01T00:00:00Z"],
        ["--until-gtid", "9-9-9"],
    ] {
        let none = past.restore(&target, &words);
        assert_eq!(none.status.code(), Some(66), "{words:?} {}", text(&none));
        assert!(State::of(&mut target.conn(), &DATABASES).differences(&state).len() > 1);
    }
    let status = run(past.home.path(), &["log", "status", "job.kdl"]);
    good(&status);
    assert!(
        text(&status).contains(": from ") && text(&status).contains(" to "),
        "{}",
        text(&status)
    );
}

#[test]
fn a_moment_of_mysql_is_found_and_what_nothing_reaches_is_told() {
    a_moment(Brand::Mysql9);
}

#[test]
fn a_moment_of_mariadb_is_found_and_what_nothing_reaches_is_told() {
    a_moment(Brand::Mariadb);
}

/// What a server that takes a log passes over in silence is refused, or made such that it takes it.
fn silent(brand: Brand) {
    let mut past = small(brand, "");
    past.act("UPDATE a.t SET v = 1");
    let harm = past.act("DELETE FROM a.t");
    good(&past.log());
    // The source itself: it made all of these events, and has executed their GTIDs.
    let into = past.restore(&past.source, &["--until-gtid", &harm.2, "--overwrite", "--yes"]);
    good(&into);
    let found = State::of(&mut past.source.conn(), &DATABASES);
    found.assert_same(&harm.0);
    // A target with a filter.
    let filter =
        if brand.is_mariadb() { "--replicate-do-db=other" } else { "--replicate-ignore-table=a.t" };
    let target = start(brand, 9, &[filter]);
    let refused = past.restore(&target, &["--until", "latest"]);
    let all = text(&refused);
    assert_eq!(refused.status.code(), Some(1), "{all}");
    assert!(all.contains("filter") || all.contains("replicate_do_db"), "{all}");
    assert!(all.contains("nothing was written"), "{all}");
    let there: Vec<String> = target.conn().query("SHOW DATABASES LIKE 'a'").expect("it answers");
    assert!(there.is_empty(), "{all}");
}

#[test]
fn what_mysql_would_pass_over_in_silence_comes_back_or_is_refused() {
    silent(Brand::Mysql9);
}

#[test]
fn what_mariadb_would_pass_over_in_silence_comes_back_or_is_refused() {
    silent(Brand::Mariadb);
}

/// XA transactions, accounts and events.
fn odd(brand: Brand) {
    let mut past = small(brand, "{ accounts #true }");
    past.act("XA START 'done'\nINSERT INTO a.t VALUES (2, 2)\nXA END 'done'\nXA PREPARE 'done'\nXA COMMIT 'done'");
    past.act("XA START 'back'\nINSERT INTO a.t VALUES (3, 3)\nXA END 'back'\nXA PREPARE 'back'\nXA ROLLBACK 'back'");
    past.act("CREATE USER somebody@localhost IDENTIFIED BY 'CANARY-somebody'");
    past.act("CREATE EVENT a.daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM a.t WHERE id > 100");
    past.act("UPDATE a.t SET v = 7 WHERE id = 1");
    let last = State::of(&mut past.source.conn(), &DATABASES);
    past.act("XA START 'open'\nINSERT INTO a.t VALUES (4, 4)\nXA END 'open'\nXA PREPARE 'open'");
    good(&past.log());
    let target = start(brand, 8, &[]);
    target.exec("SET GLOBAL event_scheduler=ON");
    let restored = past.restore(&target, &["--until", "latest"]);
    good(&restored);
    let all = text(&restored);
    let found = State::of(&mut target.conn(), &DATABASES).differences(&last);
    let others: Vec<&String> = found.iter().filter(|line| !line.contains("event")).collect();
    assert!(others.is_empty(), "{others:?}\n{all}");
    assert!(all.contains("the XA transaction x'6f70656e'") && all.contains("a.daily"), "{all}");
    assert!(
        all.contains("leaves out 1 statements about accounts") && !all.contains("CANARY"),
        "{all}"
    );
    let waits: Vec<mysql::Row> = target.conn().query("XA RECOVER").expect("it answers");
    assert_eq!(waits.len(), 1, "{all}");
    let users = "SELECT COUNT(*) FROM mysql.user WHERE User='somebody'";
    assert_eq!(target.conn().query_first::<u32, _>(users).expect("it answers"), Some(0));
    let on: Option<String> =
        target.conn().query_first("SELECT @@GLOBAL.event_scheduler").expect("it answers");
    assert_eq!(on.as_deref(), Some("ON"));
    target.exec("XA ROLLBACK 'open'");
    target.exec("DROP DATABASE a");
    good(&past.restore(&target, &["--until", "latest", "--accounts"]));
    assert_eq!(target.conn().query_first::<u32, _>(users).expect("it answers"), Some(1));
}

#[test]
fn xa_accounts_and_events_of_mysql_are_named() {
    odd(Brand::Mysql9);
}

#[test]
fn xa_accounts_and_events_of_mariadb_are_named() {
    odd(Brand::Mariadb11);
}

/// How many segments the store has.
fn kept(past: &Past) -> usize {
    files(&past.home.path().join("store/logs")).len()
}

fn needless(brand: Brand) {
    let mut past = small(brand, "");
    let job = fs::read_to_string(past.home.path().join("job.kdl")).expect("a job");
    let job = job.replace("keep last=3", "keep last=1");
    fs::write(past.home.path().join("job.kdl"), job).expect("written");
    for n in 1..5 {
        past.act(&format!("UPDATE a.t SET v = {n}"));
        past.source.exec("FLUSH BINARY LOGS");
        good(&past.log());
    }
    let before = kept(&past);
    good(&run(past.home.path(), &["run", "job.kdl", "nightly"]));
    past.act("UPDATE a.t SET v = 9");
    good(&past.log());
    assert!(kept(&past) < before, "{before}");
    let last = State::of(&mut past.source.conn(), &DATABASES);
    let target = start(brand, 8, &[]);
    past.comes_back(&target, &["--until", "latest"], &last);

    // What the server removes before it was kept is a gap until there is a newer dump.
    past.act("UPDATE a.t SET v = 10");
    for _ in 0..2 {
        past.source.exec("FLUSH BINARY LOGS");
    }
    let newest: Vec<mysql::Row> = past.source.conn().query("SHOW BINARY LOGS").expect("its files");
    let newest: String = newest.last().and_then(|row| row.get(0)).expect("a file");
    until("the files go", || {
        past.source.exec(&format!("PURGE BINARY LOGS TO '{newest}'"));
        let left: Vec<mysql::Row> =
            past.source.conn().query("SHOW BINARY LOGS").expect("its files");
        (left.len() == 1).then_some(())
    });
    past.act("UPDATE a.t SET v = 11");
    for _ in 0..2 {
        let told = run(past.home.path(), &["run", "job.kdl", "log", "--strict"]);
        assert_eq!(told.status.code(), Some(2), "{}", text(&told));
        assert!(text(&told).contains("is broken behind the newest dump"), "{}", text(&told));
    }
    let gap = past.restore(&target, &["--until", "latest", "--overwrite", "--yes"]);
    assert_eq!(gap.status.code(), Some(66), "{}", text(&gap));
    good(&run(past.home.path(), &["run", "job.kdl", "nightly"]));
    // The dump stands where the log ends.
    good(&run(past.home.path(), &["run", "job.kdl", "log", "--strict"]));
    past.act("UPDATE a.t SET v = 12");
    good(&run(past.home.path(), &["run", "job.kdl", "log", "--strict"]));
    let last = State::of(&mut past.source.conn(), &DATABASES);
    past.comes_back(&target, &["--until", "latest"], &last);
}

#[test]
fn what_no_dump_needs_goes_and_a_gap_of_mysql_stays_told() {
    needless(Brand::Mysql9);
}

#[test]
fn what_no_dump_needs_goes_and_a_gap_of_mariadb_stays_told() {
    needless(Brand::Mariadb11);
}

/// The channels that a server has.
fn channels(server: &Server) -> usize {
    let sql =
        if server.brand.is_mariadb() { "SHOW ALL SLAVES STATUS" } else { "SHOW REPLICA STATUS" };
    let all: Vec<mysql::Row> = server.conn().query(sql).expect("it answers");
    all.len()
}

fn stopped(brand: Brand) {
    let mut past = small(brand, "");
    // As a statement it takes its time at the target too.
    past.act("SET SESSION binlog_format='STATEMENT'\nINSERT INTO a.t VALUES (50, SLEEP(6))");
    let last = State::of(&mut past.source.conn(), &DATABASES);
    good(&past.log());
    let target = start(brand, 8, &[]);
    let into = format!("mysql://root@127.0.0.1:{}", target.port);
    let words = [
        "restore",
        "job.kdl",
        "shop",
        "--into",
        &into,
        "--until",
        "latest",
        "--overwrite",
        "--yes",
    ];
    for (signal, code, left) in [("-INT", Some(130), 0), ("-KILL", None, 1)] {
        let mut child =
            vex(past.home.path(), &words).stderr(Stdio::piped()).spawn().expect("it starts");
        until("a channel is there", || (channels(&target) > 0).then_some(()));
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
        let ended = child.wait().expect("it ends");
        assert_eq!((ended.code(), channels(&target)), (code, left), "{signal}");
    }
    // The next one removes what was left.
    good(&run(past.home.path(), &words));
    State::of(&mut target.conn(), &DATABASES).assert_same(&last);
    assert_eq!(channels(&target), 0);
}

#[test]
fn a_replay_into_mysql_that_is_stopped_leaves_no_channel_and_begins_again() {
    stopped(Brand::Mysql9);
}

#[test]
fn a_replay_into_mariadb_that_is_stopped_leaves_no_channel_and_begins_again() {
    stopped(Brand::Mariadb);
}

fn rights(brand: Brand) {
    let mut past = small(brand, "");
    past.act("UPDATE a.t SET v = 1");
    let last = State::of(&mut past.source.conn(), &DATABASES);
    good(&past.log());
    let target = start(brand, 8, &[]);
    target.exec("CREATE USER poor@'%' IDENTIFIED BY 'CANARY-poor'");
    target.exec("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW, TRIGGER, \
                 CREATE ROUTINE, ALTER ROUTINE, EVENT, PROCESS, LOCK TABLES ON *.* TO poor@'%'");
    let secret = past.home.path().join("p");
    fs::write(&secret, "CANARY-poor").expect("written");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let into = format!("mysql://poor@127.0.0.1:{}", target.port);
    let words = [
        "restore",
        "job.kdl",
        "shop",
        "--into",
        &into,
        "--password-file",
        "p",
        "--until",
        "latest",
    ];
    let refused = run(past.home.path(), &words);
    let all = text(&refused);
    assert_eq!(refused.status.code(), Some(1), "{all}");
    let grants = if brand.is_mariadb() {
        "REPLICATION SLAVE ADMIN, SLAVE MONITOR, RELOAD"
    } else {
        "REPLICATION_SLAVE_ADMIN, REPLICATION CLIENT, RELOAD"
    };
    assert!(all.contains(&format!("GRANT {grants} ON *.*")) && !all.contains("CANARY"), "{all}");
    target.exec(&format!("GRANT {grants} ON *.* TO poor@'%'"));
    good(&run(past.home.path(), &words));
    State::of(&mut target.conn(), &DATABASES).assert_same(&last);
    assert_eq!(channels(&target), 0);
}

#[test]
fn the_rights_that_a_replay_into_mysql_needs_are_named_and_are_enough() {
    rights(Brand::Mysql9);
}

#[test]
fn the_rights_that_a_replay_into_mariadb_needs_are_named_and_are_enough() {
    rights(Brand::Mariadb11);
}

#[test]
fn a_transaction_with_a_tagged_gtid_comes_back() {
    let mut past = small(Brand::Mysql9, "");
    past.act("SET SESSION gtid_next='AUTOMATIC:ours'\nINSERT INTO a.t VALUES (2, 2)");
    past.act("SET SESSION gtid_next='AUTOMATIC:ours'\nCREATE TABLE a.tagged (id INT)");
    past.act("UPDATE a.t SET v = 1");
    let harm = past.act("DROP TABLE a.t");
    good(&past.log());
    let target = start(Brand::Mysql9, 8, &[]);
    past.comes_back(&target, &["--until-position", &harm.1], &harm.0);
}
