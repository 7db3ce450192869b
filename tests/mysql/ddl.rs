//! DDL while a dump runs: it waits for tables still to be read, not for the dump; what it changes
//! is never read in silence.
//!
//! Drives a snapshot by hand, piece by piece, so that nothing depends on time but the waiting
//! itself.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use vex::testing::artifact::Proof;
use vex::testing::base::{Glob, Stop};
use vex::testing::job::{Engine, Inconsistent, MysqlSpec, SourceSpec, Tls};
use vex::testing::source::contract::{ErrorKind, Out, Piece, Reading, Result, Snapshot};
use vex::testing::source::open;
use vex::testing::world::World;

use crate::common::servers::{Brand, Server};

/// Keeps nothing but what was handed back.
#[derive(Default)]
struct Sink {
    more: Vec<Piece>,
}

impl Out for Sink {
    fn buffer(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn chunk(&mut self, _: Vec<u8>, _: Proof) -> Result<()> {
        Ok(())
    }

    fn waiting(&mut self, _: &str) {}

    fn more(&mut self, piece: Piece) {
        self.more.push(piece);
    }
}

/// Three tables: `little`, `middle`, `large`, by their sizes.
fn open_server(brand: Brand) -> Server {
    let server = brand.start(&[]);
    server.exec("CREATE DATABASE d");
    for (name, rows) in [("little", 10), ("middle", 2000), ("large", 20_000)] {
        server.exec(&format!(
            "CREATE TABLE d.{name} (id INT PRIMARY KEY, pad VARCHAR(100) NOT NULL, gone INT DEFAULT 7)"
        ));
        for block in (0..rows).collect::<Vec<i32>>().chunks(1000) {
            let values: Vec<String> =
                block.iter().map(|i| format!("({i}, REPEAT('x', 90), {i})")).collect();
            server.exec(&format!("INSERT INTO d.{name} VALUES {}", values.join(",")));
        }
        server.exec(&format!("ANALYZE TABLE d.{name}"));
    }
    server
}

fn snapshot(server: &Server, ddl_wait: u64) -> Result<Box<dyn Snapshot>> {
    snapshot_of(server, ddl_wait, &[])
}

/// Of some databases; of all where none is named.
fn snapshot_of(server: &Server, ddl_wait: u64, databases: &[&str]) -> Result<Box<dyn Snapshot>> {
    let spec = MysqlSpec {
        identity: None,
        host: "127.0.0.1".into(),
        port: server.port,
        socket: None,
        user: "root".into(),
        password: None,
        databases: databases.iter().map(|name| Glob::parse(name).unwrap()).collect(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        lock_wait: Duration::from_secs(1),
        ddl_wait: Duration::from_secs(ddl_wait),
        max_lag: None,
        inconsistent: Inconsistent::Refuse,
        accounts: false,
        tools: Vec::new(),
    };
    let source = open(&SourceSpec::Mysql(spec), "d", &World::real(), &Stop::new())?;
    let reading = Reading {
        threads: 2,
        chunk: 64 << 10,
        engine: Engine::Native,
        hear: Arc::new(|_: &str| {}),
        parent: None,
    };
    source.snapshot(reading, &Stop::new())
}

/// Reads all pieces of a table, with both workers in turn.
fn read(snapshot: &dyn Snapshot, table: &str) -> Result<u64> {
    let of = |piece: &Piece| {
        let member = &snapshot.members()[piece.member];
        member.name == table && member.kind == vex::testing::artifact::Kind::Rows
    };
    let mut pieces: Vec<Piece> = snapshot.pieces().into_iter().filter(of).collect();
    let (mut rows, mut turn) = (0, 0);
    while let Some(piece) = pieces.pop() {
        let mut out = Sink::default();
        rows += snapshot.read(turn % 2, &piece, &mut out, &Stop::new())?.rows;
        pieces.append(&mut out.more);
        turn += 1;
        assert!(turn < 10_000, "{table} is handed back for ever");
    }
    Ok(rows)
}

/// Runs DDL on a thread of its own; the receiver hears when it is through.
fn alter(server: &Server, sql: &'static str) -> mpsc::Receiver<()> {
    let (send, receive) = mpsc::channel();
    let mut connection = server.conn();
    std::thread::spawn(move || {
        use mysql::prelude::Queryable;
        connection.query_drop(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        send.send(()).unwrap_or(());
    });
    receive
}

/// Long enough for any DDL here, short of the patience of nobody.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_table_that_was_read_is_free_while_others_are_not() {
    for brand in Brand::ALL {
        let server = open_server(brand);
        let snapshot = snapshot(&server, 3600).expect("a snapshot");
        assert_eq!(read(&*snapshot, "little").expect("read"), 10);
        // Both workers have been at a piece since.
        assert_eq!(read(&*snapshot, "middle").expect("read"), 2000);
        let waiting = alter(&server, "ALTER TABLE d.large DROP COLUMN gone");
        alter(&server, "ALTER TABLE d.little DROP COLUMN gone")
            .recv_timeout(SOON)
            .expect("what was read is free");
        assert!(
            waiting.recv_timeout(Duration::from_millis(500)).is_err(),
            "{brand:?}: what is not read is not"
        );
        assert_eq!(read(&*snapshot, "large").expect("read"), 20_000);
        snapshot.finish(&Stop::new()).expect("one moment");
        drop(snapshot);
        waiting.recv_timeout(SOON).expect("and is free at the end");
    }
}

#[test]
fn the_guard_gives_way_and_what_changed_unread_is_an_error_in_words() {
    for brand in Brand::ALL {
        let server = open_server(brand);
        let one = snapshot(&server, 1).expect("a snapshot");
        assert_eq!(read(&*one, "little").expect("read"), 10);
        // The workers let go at their next piece, which is when they get one; the guard at once.
        let through = alter(&server, "ALTER TABLE d.large ADD COLUMN new INT DEFAULT 1");
        let mut pause = 0;
        while one.about().afterwards.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
            pause += 1;
            assert!(pause < 600, "{brand:?}: the guard never gave way");
        }
        assert_eq!(read(&*one, "middle").expect("read"), 2000);
        through.recv_timeout(SOON).expect("DDL went first");
        let error = read(&*one, "large")
            .map(|_| ())
            .and_then(|()| one.finish(&Stop::new()))
            .expect_err("it changed");
        assert!(
            error.kind == ErrorKind::Busy || error.to_string().contains("large"),
            "{brand:?}: {error}"
        );
        // Nothing changed: to give way alone is no error.
        let other = snapshot(&server, 1).expect("a snapshot");
        let through = alter(&server, "CREATE OR REPLACE VIEW d.v AS SELECT 1 AS one");
        through.recv_timeout(SOON).expect("nothing waits");
        let error = other.finish(&Stop::new()).expect_err("a view came");
        assert!(error.to_string().contains("view d.v"), "{brand:?}: {error}");
    }
}

#[test]
fn a_ddl_that_waits_for_somebody_else_is_not_given_way_to() {
    use mysql::prelude::Queryable;
    for brand in Brand::ALL {
        let server = open_server(brand);
        server.exec("CREATE DATABASE other");
        server.exec("CREATE TABLE other.t (a INT)");
        let snapshot = snapshot_of(&server, 1, &["d"]).expect("a snapshot");
        let mut holder = server.conn();
        holder.query_drop("START TRANSACTION").unwrap();
        holder.query_drop("SELECT * FROM other.t").unwrap();
        let through = alter(&server, "ALTER TABLE other.t ADD COLUMN b INT");
        // Several looks beyond its patience: this is the claim, not how long anything takes.
        assert!(through.recv_timeout(Duration::from_secs(6)).is_err(), "{brand:?}: it waits");
        assert!(snapshot.about().afterwards.is_empty(), "{brand:?}: the locks are still held");
        // The same dump gives way to one that waits for it.
        let ours = alter(&server, "ALTER TABLE d.large ADD COLUMN new INT DEFAULT 1");
        let mut pause = 0;
        while snapshot.about().afterwards.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
            pause += 1;
            assert!(pause < 600, "{brand:?}: the guard never gave way");
        }
        holder.query_drop("COMMIT").unwrap();
        through.recv_timeout(SOON).expect("nothing waits");
        drop(snapshot);
        ours.recv_timeout(SOON).expect("free at the end");
    }
}

/// More tables than one session locks by itself: each worker holds a share, and what DDL waits for is
/// handed back until the one that holds it comes by.
#[test]
fn of_many_tables_too_what_is_not_read_waits_and_what_was_read_is_free() {
    // Two thousand tables take their time; MariaDB is the one that needs the shares.
    for brand in [Brand::Mariadb] {
        let server = open_server(brand);
        server.exec("CREATE DATABASE many");
        let mut connection = server.conn();
        for n in 0..2100 {
            let sql = format!("CREATE TABLE many.t{n} (id INT PRIMARY KEY, gone INT)");
            mysql::prelude::Queryable::query_drop(&mut connection, sql).expect("a table");
        }
        server.exec("INSERT INTO many.t7 VALUES (1, 2)");
        let snapshot = snapshot(&server, 3600).expect("a snapshot");
        let definitions = snapshot.members().iter().filter(|m| m.unit == "many").count();
        assert_eq!(definitions, 1 + 2100 * 2, "{brand:?}: the database, definitions and rows");
        let waiting = alter(&server, "ALTER TABLE d.large DROP COLUMN gone");
        let small = alter(&server, "ALTER TABLE many.t7 DROP COLUMN gone");
        // Both workers hold half: what is handed back by one is read by the other.
        let of_many = |piece: &Piece| snapshot.members()[piece.member].unit == "many";
        let mut pieces: Vec<Piece> = snapshot.pieces().into_iter().filter(of_many).collect();
        let (mut rows, mut turn) = (0, 0);
        while let Some(piece) = pieces.pop() {
            let mut out = Sink::default();
            rows += snapshot.read(turn % 2, &piece, &mut out, &Stop::new()).expect("read").rows;
            pieces.append(&mut out.more);
            turn += 1;
            assert!(turn < 10_000, "{brand:?}: a table is handed back for ever");
        }
        assert_eq!(rows, 1, "{brand:?}");
        assert_eq!(read(&*snapshot, "little").expect("read"), 10);
        assert_eq!(read(&*snapshot, "middle").expect("read"), 2000);
        small.recv_timeout(SOON).expect("what was read is free");
        assert!(
            waiting.recv_timeout(Duration::from_millis(500)).is_err(),
            "{brand:?}: what is not read is not"
        );
        assert_eq!(read(&*snapshot, "large").expect("read"), 20_000);
        snapshot.finish(&Stop::new()).expect("one moment");
        drop(snapshot);
        waiting.recv_timeout(SOON).expect("and is free at the end");
    }
}
