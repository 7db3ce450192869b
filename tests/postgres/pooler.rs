//! A connection pooler before PostgreSQL: one that shares sessions is refused before anything is
//! set in them, one that lends them is used and clears them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use postgres::{Client, SimpleQueryMessage};
use rustix::process::Signal;

use crate::common::servers::{Pg, PgBouncer, PgServer};
use crate::common::space::{Space, files, until, word};

/// Sessions of a pool at most.
const POOL: usize = 12;

/// What a session is asked for: settings that a client made in it, and what it was to remember.
/// The pooler itself carries the other settings from client to client.
const LEFT: &str = "SELECT name || '=' || setting FROM pg_catalog.pg_settings WHERE source = 'session' \
    AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings') \
    UNION ALL SELECT 'prepared ' || name FROM pg_catalog.pg_prepared_statements \
    UNION ALL SELECT 'lock ' || locktype FROM pg_catalog.pg_locks \
    WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'advisory'";

fn server(version: Pg) -> PgServer {
    let server = version.start(&[]);
    for database in ["d", "e"] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
        server.sql(
            database,
            "CREATE TABLE t (id int PRIMARY KEY, v text);
             INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i",
        );
    }
    server
}

fn pooler(server: &PgServer, settings: &[&str]) -> PgBouncer {
    let size = format!("default_pool_size={POOL}");
    PgBouncer::start(server, &[], &[settings, &[size.as_str()]].concat())
}

/// A job that dumps databases through the pooler.
fn space(server: &PgServer, pooler: &PgBouncer, databases: &str) -> Space {
    let space = Space::new().job(&format!(
        "sources {{ postgres \"db\" host=\"127.0.0.1\" port={} {{ databases {databases} }} }}\n\
         stores {{ dir \"st\" path=\"st\" {{ keep last=9 }} }}\n\
         job \"j\" threads=2 {{ dump \"db\" {{ send \"st\"; verify \"st\" }} }}\n",
        pooler.port
    ));
    let tools = format!("tools {{ postgres \"{}\" }}\n", server.version.programs().display());
    std::fs::write(space.path("vex.kdl"), tools).unwrap();
    space
}

fn values(client: &mut Client, sql: &str) -> Vec<String> {
    let found = client.simple_query(sql).unwrap();
    let value = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().to_owned()),
        _ => None,
    };
    found.into_iter().filter_map(value).collect()
}

/// What clients left in the sessions of a pool. As many clients as it has sessions keep a
/// transaction open at once, so that each is seen.
#[track_caller]
fn left(pooler: &PgBouncer, database: &str) -> BTreeSet<String> {
    let mut clients: Vec<Client> = (0..POOL).map(|_| pooler.client(database)).collect();
    let (mut sessions, mut found) = (BTreeSet::new(), BTreeSet::new());
    for client in &mut clients {
        client.simple_query("BEGIN").unwrap();
        sessions.extend(values(client, "SELECT pg_catalog.pg_backend_pid()"));
        found.extend(values(client, LEFT));
    }
    assert_eq!(sessions.len(), POOL);
    found
}

/// Sessions that are there and have nothing to do.
fn idle(pooler: &PgBouncer, database: &str) {
    drop(left(pooler, database));
}

/// Runs `work` while others are busy in the pool, each with `turn` again and again.
fn among<T>(clients: usize, turn: &(dyn Fn() + Sync), work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    turn();
                }
            });
        }
        // Also when the work fails.
        let _over = Over(&over);
        work()
    })
}

/// Ends what others do.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs vex, which is refused.
#[track_caller]
fn fails(space: &Space, arguments: &[&str]) -> String {
    let ran = space.run(arguments).expect(1);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("a connection pooler stands before the server"), "{said}");
    said
}

/// What doctor says of the connection.
#[track_caller]
fn doctor(space: &Space, code: i32, looked: &str) -> String {
    let lines = space.run(&["doctor", "job.kdl", "--format", "json"]).expect(code).json();
    let line = lines.iter().find(|l| l["looked"] == looked).expect("a finding");
    format!("{} {}", word(line, "found"), line["advice"].as_str().unwrap_or_default())
}

/// Every command that would set something is refused, and nothing is set or kept.
#[track_caller]
fn refused(space: &Space, pooler: &PgBouncer, words: &str) {
    for command in [&["run", "job.kdl"][..], &["plan", "job.kdl"]] {
        let said = fails(space, command);
        assert!(said.contains(words) && said.contains("Name the server itself"), "{said}");
    }
    let said = doctor(space, 1, "connection");
    assert!(said.contains(words) && said.contains("Name the server itself"), "{said}");
    assert!(files(&space.path("st")).iter().all(|f| f.extension().is_none_or(|e| e != "zip")));
    assert_eq!(left(pooler, "d"), BTreeSet::new());
    assert_eq!(left(pooler, "postgres"), BTreeSet::new());
}

#[test]
fn a_pooler_that_shares_sessions_is_refused_before_anything_is_set() {
    for (version, mode) in
        [(Pg::V15, "transaction"), (Pg::V17, "transaction"), (Pg::V17, "statement")]
    {
        let server = server(version);
        let pooler = pooler(&server, &[&format!("pool_mode={mode}")]);
        let space = space(&server, &pooler, "\"d\"");
        let shares = "lends a session for a transaction only";
        if mode == "statement" {
            // Nobody may open a transaction there.
            let said = doctor(&space, 1, "connection");
            assert!(said.contains(shares), "{said}");
            space.run(&["run", "job.kdl"]).expect(1);
            for database in ["d", "postgres"] {
                assert_eq!(values(&mut pooler.client(database), LEFT), [""; 0]);
            }
            continue;
        }
        // Of an empty pool, of one whose sessions wait, and of one that is busy.
        refused(&space, &pooler, shares);
        idle(&pooler, "d");
        refused(&space, &pooler, shares);
        let turn = || {
            for _ in 0..20 {
                let mut client = pooler.client("d");
                client.batch_execute("BEGIN; SELECT pg_sleep(0.002); COMMIT").unwrap();
                client.batch_execute("SELECT 1").unwrap();
            }
        };
        among(4, &turn, || {
            for _ in 0..5 {
                fails(&space, &["run", "job.kdl"]);
            }
            doctor(&space, 1, "connection");
        });
        assert_eq!(left(&pooler, "d"), BTreeSet::new());
    }
}

#[test]
fn a_pool_that_lends_its_sessions_in_a_circle_or_clears_them_always_is_refused_too() {
    let server = server(Pg::V15);
    for settings in [
        &["pool_mode=transaction", "server_round_robin=1"][..],
        &["pool_mode=transaction", "server_reset_query_always=1"],
        &["pool_mode=transaction", "server_reset_query_always=1", "server_round_robin=1"],
    ] {
        let pooler = pooler(&server, settings);
        let space = space(&server, &pooler, "\"d\"");
        refused(&space, &pooler, "lends a session for a transaction only");
        idle(&pooler, "d");
        refused(&space, &pooler, "lends a session for a transaction only");
    }
}

#[test]
fn a_pooler_that_lends_sessions_and_clears_them_is_used_and_keeps_nothing_of_vex() {
    for version in Pg::ALL {
        let server = server(version);
        let pooler = pooler(&server, &["pool_mode=session"]);
        let space = space(&server, &pooler, "\"d\" \"e\"");
        assert!(doctor(&space, 0, "pooler").starts_with("one stands before the server"));
        space.run(&["run", "job.kdl", "--strict"]).expect(0);
        // Others come and go, and each gets a session that another just left.
        let turn = || pooler.client("d").batch_execute("SELECT pg_sleep(0.001)").unwrap();
        among(3, &turn, || {
            for _ in 0..3 {
                space.run(&["run", "job.kdl", "--strict"]).expect(0);
            }
        });
        for database in ["d", "e", "postgres"] {
            assert_eq!(left(&pooler, database), BTreeSet::new(), "{database}");
        }
    }
}

#[test]
fn a_run_that_is_killed_leaves_nothing_in_the_sessions_it_was_lent() {
    let server = server(Pg::V17);
    let pooler = pooler(&server, &["pool_mode=session"]);
    let space = space(&server, &pooler, "\"d\"");
    let mut holder = server.client("d");
    holder.batch_execute("BEGIN; LOCK TABLE t").unwrap();
    let running = space.start(&["run", "job.kdl"]);
    until("vex waits for the lock", || {
        let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        (server.value("d", sql).as_deref() != Some("0")).then_some(())
    });
    running.signal(Signal::KILL);
    running.ends_soon();
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(left(&pooler, "d"), BTreeSet::new());
}

#[test]
fn a_pooler_that_was_not_seen_to_clear_a_session_is_refused() {
    let server = server(Pg::V15);
    let unseen = "was not seen to clear a session";
    let silent = pooler(&server, &["pool_mode=session", "server_reset_query="]);
    refused(&space(&server, &silent, "\"d\""), &silent, unseen);
    // Something else is done there, which clears nothing.
    let other = pooler(&server, &["pool_mode=session", "server_reset_query=SELECT 1"]);
    let said = doctor(&space(&server, &other, "\"d\""), 1, "connection");
    assert!(said.contains(unseen), "{said}");
    assert_eq!(left(&other, "d"), BTreeSet::new());
}

#[test]
fn each_database_is_looked_at_by_itself() {
    let server = server(Pg::V17);
    let size = format!("default_pool_size={POOL}");
    for (shared, lent) in [("d", "e"), ("e", "d")] {
        let pooler = PgBouncer::start(
            &server,
            &[(shared, "pool_mode=transaction"), (lent, "pool_mode=session")],
            &["pool_mode=session", &size],
        );
        space(&server, &pooler, &format!("\"{lent}\"")).run(&["run", "job.kdl"]).expect(0);
        let both = space(&server, &pooler, "\"d\" \"e\"");
        fails(&both, &["run", "job.kdl"]);
        for database in ["d", "e", "postgres"] {
            assert_eq!(left(&pooler, database), BTreeSet::new(), "{database}");
        }
    }
}

#[test]
fn files_a_vacuum_and_a_restore_are_refused_as_well() {
    let server = server(Pg::V17);
    let direct = Space::new().job(&format!(
        "sources {{ postgres \"db\" host=\"127.0.0.1\" port={} {{ databases \"d\" }} }}\n\
         stores {{ dir \"st\" path=\"st\" {{ keep last=9 }} }}\n\
         job \"j\" {{ dump \"db\" {{ send \"st\" }} }}\n",
        server.port
    ));
    let tools = format!("tools {{ postgres \"{}\" }}\n", server.version.programs().display());
    std::fs::write(direct.path("vex.kdl"), &tools).unwrap();
    direct.back_up();
    for mode in ["transaction", "session"] {
        let pooler = pooler(&server, &[&format!("pool_mode={mode}")]);
        let of = |steps: &str| {
            let space = Space::new().job(&format!(
                "sources {{ postgres \"db\" host=\"127.0.0.1\" port={} {{ databases \"d\" }} }}\n\
                 stores {{ dir \"st\" path=\"st\" {{ keep last=9 }} }}\njob \"j\" {{ {steps} }}\n",
                pooler.port
            ));
            std::fs::write(space.path("vex.kdl"), &tools).unwrap();
            space
        };
        fails(&of("physical \"db\" { send \"st\" }"), &["run", "job.kdl"]);
        if mode == "transaction" {
            fails(&of("vacuum \"db\""), &["run", "job.kdl"]);
            let into = format!("postgres://postgres@127.0.0.1:{}/new", pooler.port);
            fails(&direct, &["restore", "job.kdl", "--only", "d", "--into", &into]);
        }
        for database in ["d", "postgres"] {
            assert_eq!(left(&pooler, database), BTreeSet::new(), "{mode} {database}");
        }
        assert_eq!(
            server.value("postgres", "SELECT count(*) FROM pg_replication_slots").as_deref(),
            Some("0")
        );
    }
}
