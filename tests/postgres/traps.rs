//! What goes wrong in PostgreSQL dumpers, on real servers: TRUNCATE between snapshot and lock, an
//! ALTER that waits, policies that hide rows, settings of a role, databases of no encoding, writers
//! that never rest.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use vex::testing::artifact::{Kind, Proof};
use vex::testing::base::Stop;
use vex::testing::job::{Engine, HostRole, PostgresSpec, SourceSpec, Tls};
use vex::testing::source::contract::{Out, Piece, Reading, Result, Snapshot};
use vex::testing::source::open;
use vex::testing::world::World;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::Space;
use crate::postgres::end_to_end::{assert_same, back_up, dumped, job};

/// Keeps every chunk.
#[derive(Default)]
struct Sink {
    chunks: Vec<Vec<u8>>,
}

impl Out for Sink {
    fn buffer(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn chunk(&mut self, bytes: Vec<u8>, _: Proof) -> Result<()> {
        self.chunks.push(bytes);
        Ok(())
    }

    fn waiting(&mut self, _: &str) {}

    fn more(&mut self, _: Piece) {
        panic!("no piece is handed back");
    }
}

fn snapshot(server: &PgServer, lock_wait: u64) -> Result<Box<dyn Snapshot>> {
    let spec = PostgresSpec {
        identity: None,
        hosts: vec!["127.0.0.1".into()],
        port: Some(server.port),
        socket: None,
        service: None,
        session: HostRole::Any,
        user: None,
        password: None,
        databases: vec![vex::testing::base::Glob::parse("d").unwrap()],
        schemas: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        lock_wait: Duration::from_secs(lock_wait),
        max_lag: None,
        globals: false,
        tools: vec![server.version.programs()],
    };
    let source = open(&SourceSpec::Postgres(spec), "d", &World::real(), &Stop::new())?;
    let reading = Reading {
        threads: 2,
        chunk: 64 << 10,
        engine: Engine::Native,
        hear: Arc::new(|_: &str| {}),
        parent: None,
    };
    source.snapshot(reading, &Stop::new())
}

/// Rows and the first chunk of every table, each piece read by another worker.
fn read(snapshot: &dyn Snapshot) -> BTreeMap<String, (u64, String)> {
    let mut found = BTreeMap::new();
    for (turn, piece) in snapshot.pieces().iter().enumerate() {
        let member = &snapshot.members()[piece.member];
        if member.kind == Kind::Rows {
            let mut out = Sink::default();
            let rows =
                snapshot.read(turn % 2, piece, &mut out, &Stop::new()).expect("it is read").rows;
            let text =
                String::from_utf8_lossy(out.chunks.first().map_or(&[][..], |c| c)).into_owned();
            let entry = found.entry(member.name.clone()).or_insert((0, text));
            entry.0 += rows;
        }
    }
    found
}

/// Sets the flag when it goes out of scope.
struct Rest<'a>(&'a AtomicBool);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits until somebody waits for a lock.
fn until_somebody_waits(server: &PgServer) {
    let end = Instant::now() + Duration::from_secs(30);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while server.value("postgres", waits).as_deref() == Some("0") {
        assert!(Instant::now() < end, "nobody waits for a lock");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is done to `zzz` in the moment between snapshot and lock; `kept` must hold what it held.
fn meddled(version: Pg, meddle: &str) -> BTreeMap<String, (u64, String)> {
    let server = version.start(&[]);
    server.run("createdb", &["d"]);
    server.sql(
        "d",
        "CREATE TABLE aaa (a int); CREATE TABLE kept (id int, gone int); CREATE TABLE zzz (id int, gone int);
         INSERT INTO zzz SELECT g, g FROM generate_series(1, 1000) g",
    );
    let mut holder = server.client("d");
    holder.batch_execute("BEGIN; LOCK TABLE aaa IN ACCESS EXCLUSIVE MODE").unwrap();
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| snapshot(&server, 60).expect("it is taken in the end"));
        until_somebody_waits(&server);
        // The tables are locked in the order of their names: this one is still free.
        server.sql("d", meddle);
        holder.batch_execute("COMMIT").unwrap();
        let snapshot = taken.join().unwrap();
        let found = read(snapshot.as_ref());
        snapshot.finish(&Stop::new()).unwrap();
        found
    })
}

#[test]
fn rows_that_were_truncated_away_between_snapshot_and_lock_are_where_they_went() {
    for version in Pg::ALL {
        let found =
            meddled(version, "BEGIN; INSERT INTO kept SELECT * FROM zzz; TRUNCATE zzz; COMMIT");
        assert_eq!((found["kept"].0, found["zzz"].0), (1000, 0));
        let found = meddled(version, "ALTER TABLE zzz ALTER id TYPE bigint");
        assert_eq!(found["zzz"].0, 1000);
        let found = meddled(
            version,
            "BEGIN; INSERT INTO kept SELECT * FROM zzz; ALTER TABLE zzz DROP gone; COMMIT",
        );
        assert_eq!((found["kept"].0, found["zzz"].0), (1000, 1000));
        assert!(
            found["zzz"].1.contains("COPY \"public\".\"zzz\" (\"id\") FROM stdin;"),
            "{}",
            &found["zzz"].1[..500]
        );
        let found =
            meddled(version, "BEGIN; INSERT INTO kept SELECT * FROM zzz; DROP TABLE zzz; COMMIT");
        assert_eq!((found["kept"].0, found.contains_key("zzz")), (1000, false));
    }
}

#[test]
fn an_alter_that_waits_keeps_no_worker_from_reading() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.run("createdb", &["d"]);
        server.sql("d", "CREATE TABLE t (id int, pad text); INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 50000) g");
        let snapshot = snapshot(&server, 5).unwrap();
        let (send, done) = mpsc::channel();
        std::thread::scope(|scope| {
            let (server, send) = (&server, send);
            scope.spawn(move || {
                server.sql("d", "ALTER TABLE t ADD COLUMN late int");
                send.send(()).unwrap();
            });
            until_somebody_waits(server);
            let found = read(snapshot.as_ref());
            assert_eq!(found["t"].0, 50_000);
            assert!(done.try_recv().is_err(), "the ALTER waits for the dump");
            snapshot.finish(&Stop::new()).unwrap();
            drop(snapshot);
            done.recv_timeout(Duration::from_secs(30)).expect("then it is free");
        });
    }
}

/// Reads another piece, as the other worker, while the first is half read.
struct Meanwhile<'a> {
    snapshot: &'a dyn Snapshot,
    other: Piece,
    rows: u64,
}

impl Out for Meanwhile<'_> {
    fn buffer(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn chunk(&mut self, _: Vec<u8>, _: Proof) -> Result<()> {
        if self.rows == 0 {
            let read = self.snapshot.read(1, &self.other, &mut Sink::default(), &Stop::new());
            self.rows = read?.rows;
        }
        Ok(())
    }

    fn waiting(&mut self, _: &str) {}

    fn more(&mut self, _: Piece) {
        panic!("no piece is handed back");
    }
}

#[test]
fn a_table_that_an_alter_waits_for_keeps_no_other_from_being_read() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.run("createdb", &["d"]);
        server.sql("d", "CREATE TABLE other (id int); INSERT INTO other VALUES (1), (2)");
        server.sql("d", "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 50000)");
        let snapshot = snapshot(&server, 5).unwrap();
        let piece = |name: &str| {
            let of = |p: &Piece| {
                let member = &snapshot.members()[p.member];
                member.kind == Kind::Rows && member.name == name
            };
            snapshot.pieces().into_iter().find(of).unwrap()
        };
        let (first, other) = (piece("t"), piece("other"));
        std::thread::scope(|scope| {
            scope.spawn(|| server.sql("d", "ALTER TABLE t ADD COLUMN late int"));
            until_somebody_waits(&server);
            let mut out = Meanwhile { snapshot: snapshot.as_ref(), other, rows: 0 };
            let read = snapshot.read(0, &first, &mut out, &Stop::new()).unwrap();
            assert_eq!((read.rows, out.rows), (50_000, 2));
            snapshot.finish(&Stop::new()).unwrap();
            drop(snapshot);
        });
    }
}

#[test]
fn a_table_that_is_locked_for_too_long_is_named() {
    let server = Pg::V15.start(&[]);
    server.run("createdb", &["d"]);
    server.sql("d", "CREATE TABLE t (id int)");
    let mut holder = server.client("d");
    holder.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").unwrap();
    let error = snapshot(&server, 0).err().expect("it can't be locked");
    let text = format!("{error} {}", error.hint.clone().unwrap_or_default());
    assert!(
        text.contains("lock the tables of d")
            && text.contains("lock timeout")
            && text.contains("lock-wait"),
        "{text}"
    );
}

#[test]
fn rows_that_a_policy_hides_are_an_error() {
    let server = Pg::V15.start(&[]);
    server.run("createdb", &["d"]);
    server.sql(
        "d",
        "CREATE ROLE plain LOGIN; CREATE TABLE r (id int); INSERT INTO r VALUES (1), (2);
         ALTER TABLE r ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON r USING (id = 1); GRANT SELECT ON r TO plain",
    );
    let space = Space::new().job(&job(&server, "user \"plain\"; databases \"d\"", ""));
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(
        ran.stderr.contains("row-level security") || ran.stderr.contains("row security"),
        "{}",
        ran.stderr
    );
    assert!(space.list().is_empty());
}

#[test]
fn settings_of_a_role_change_nothing() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.run("createdb", &["d"]);
        server.sql(
            "d",
            "CREATE TABLE t (f float8, d date, i interval, b bytea, m money, z timestamptz, x xml);
             INSERT INTO t VALUES (0.1::float8 + 0.2, '2026-02-03', '1 year 2 days -3 hours', '\\x00ff', '1234.5', '2026-02-03 04:05:06.789+00', '<a/>');
             CREATE TABLE many AS SELECT g, repeat('y', 300) FROM generate_series(1, 30000) g;
             CREATE ROLE odd SUPERUSER LOGIN;
             ALTER ROLE odd SET statement_timeout = '20ms'; ALTER ROLE odd SET idle_in_transaction_session_timeout = '1ms';
             ALTER ROLE odd SET datestyle = 'SQL, DMY'; ALTER ROLE odd SET intervalstyle = 'sql_standard';
             ALTER ROLE odd SET extra_float_digits = -10; ALTER ROLE odd SET bytea_output = 'escape';
             ALTER ROLE odd SET timezone = 'Asia/Kathmandu'; ALTER ROLE odd SET default_transaction_read_only = on;
             ALTER ROLE odd SET search_path = 'nowhere'; ALTER ROLE odd SET lock_timeout = '1ms';
             ALTER ROLE odd SET standard_conforming_strings = off; ALTER ROLE odd SET xmlbinary = 'hex';
             ALTER ROLE odd SET client_encoding = 'LATIN1'",
        );
        let expected = dumped(&server, "d");
        let (space, _) = back_up(&server, "user \"odd\"; databases \"d\"", "");
        let url = format!("postgres://odd@127.0.0.1:{}/again", server.port);
        space.run(&["restore", "job.kdl", "--into", &url]).expect(0);
        assert_same(&dumped(&server, "again"), &expected);
    }
}

#[test]
fn databases_of_any_encoding_come_back() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        for (name, encoding) in [("ascii", "SQL_ASCII"), ("latin", "LATIN1"), ("japan", "EUC_JP")] {
            server.run("createdb", &["-T", "template0", "-E", encoding, "--locale=C", name]);
        }
        let bytes = "CREATE TABLE t (id int, t text); INSERT INTO t VALUES (1, 'plain'), (2, E'tab\\tand \\\\ slash')";
        server.sql("ascii", bytes);
        server.sql("ascii", "INSERT INTO t VALUES (3, convert_from('\\xff80fe', 'SQL_ASCII'))");
        server.sql("latin", bytes);
        server.sql(
            "latin",
            "CREATE TABLE \"é\" (\"ç\" text); INSERT INTO \"é\" VALUES ('ÀÿÆ'); INSERT INTO t VALUES (3, 'é')",
        );
        server.sql("japan", bytes);
        server.sql("japan", "INSERT INTO t VALUES (3, '日本語')");
        let (space, _) = back_up(&server, "databases \"ascii\" \"latin\" \"japan\"", "");
        let target = version.start(&[]);
        space.run(&["restore", "job.kdl", "--into", &target.url()]).expect(0);
        let sum = "SELECT string_agg(encode(convert_to(t, getdatabaseencoding()), 'hex'), ',' ORDER BY id) || getdatabaseencoding() FROM t";
        for name in ["ascii", "latin", "japan"] {
            let found = target.value(name, sum);
            assert!(found.is_some());
            assert_eq!(found, server.value(name, sum), "{name}");
        }
        let odd = "SELECT encode(convert_to(\"ç\", 'LATIN1'), 'hex') FROM \"é\"";
        assert_eq!(target.value("latin", odd).as_deref(), Some("c0ffc6"));
    }
}

#[test]
fn a_table_that_is_nine_tenths_is_read_by_all_connections() {
    for version in Pg::ALL {
        let server = version.start(&["log_statement=all", "log_line_prefix=%p "]);
        server.run("createdb", &["d"]);
        server.sql(
            "d",
            "CREATE TABLE small (a int); INSERT INTO small SELECT generate_series(1, 100);
             CREATE TABLE large (id int, pad text); INSERT INTO large SELECT g, repeat('z', 1000) FROM generate_series(1, 120000) g",
        );
        let (space, _) = back_up(&server, "databases \"d\"", "threads=4");
        let readers: std::collections::BTreeSet<String> = server
            .log()
            .lines()
            .filter(|l| l.contains("FROM ONLY \"public\".\"large\" WHERE ctid"))
            .filter_map(|l| l.split(' ').next().map(str::to_owned))
            .collect();
        assert_eq!(readers.len(), 4, "connections that read it");
        space.run(&["restore", "job.kdl", "--into", &server.url(), "--as", "again"]).expect(0);
        assert_eq!(
            server.value("again", "SELECT count(DISTINCT id) FROM large").as_deref(),
            Some("120000")
        );
    }
}

#[test]
fn no_sum_is_wrong_while_writers_never_rest() {
    let dumps: usize = std::env::var("VEX_TEST_DUMPS").ok().map_or(4, |n| n.parse().unwrap());
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.run("createdb", &["d"]);
        for bank in ["left", "middle", "right"] {
            server.sql("d", &format!("CREATE TABLE {bank}_bank (id int PRIMARY KEY, money bigint NOT NULL); INSERT INTO {bank}_bank SELECT g, 1000 FROM generate_series(0, 1999) g"));
        }
        let (stop, transfers) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for writer in 0..4_u64 {
                let (server, stop, transfers) = (&server, &stop, &transfers);
                scope.spawn(move || {
                    let mut client = server.client("d");
                    let mut number = writer * 7919 + 1;
                    while !stop.load(Ordering::SeqCst) {
                        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let (a, b) = ((number >> 33) % 3, (number >> 40) % 3);
                        let (x, y) = ((number >> 20) % 2000, (number >> 45) % 2000);
                        let banks = ["left_bank", "middle_bank", "right_bank"];
                        let (from, to) = (banks[a as usize], banks[b as usize]);
                        let sql = format!("BEGIN; UPDATE {from} SET money=money-7 WHERE id={x}; UPDATE {to} SET money=money+7 WHERE id={y}; COMMIT");
                        match client.batch_execute(&sql) {
                            Ok(()) => {
                                transfers.fetch_add(1, Ordering::SeqCst);
                            }
                            // Two writers may wait for each other; the server ends one.
                            Err(e) if e.code() == Some(&postgres::error::SqlState::T_R_DEADLOCK_DETECTED) => {
                                client.batch_execute("ROLLBACK").unwrap();
                            }
                            Err(e) => panic!("{e:?}"),
                        }
                    }
                });
            }
            // Writers rest as well when a dump panics.
            let _rest = Rest(&stop);
            for number in 0..dumps {
                let (space, _) = back_up(&server, "databases \"d\"", "");
                let name = format!("copy_{number}");
                space
                    .run(&["restore", "job.kdl", "--into", &server.url(), "--as", &name])
                    .expect(0);
                let sum = "SELECT (SELECT sum(money) FROM left_bank) + (SELECT sum(money) FROM middle_bank) + (SELECT sum(money) FROM right_bank)";
                assert_eq!(server.value(&name, sum).as_deref(), Some("6000000"), "dump {number}");
                server.run("dropdb", &[&name]);
            }
        });
        let made = transfers.load(Ordering::SeqCst);
        let line = format!("{version:?}: {dumps} dumps under {made} transfers, 0 wrong\n");
        std::io::stderr().write_all(line.as_bytes()).expect("it is heard");
        assert!(made > 100, "writers did rest: {made}");
    }
}
