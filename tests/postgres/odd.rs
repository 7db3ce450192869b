//! Odd neighbours: a database that lets nobody in, a table whose file is gone or damaged. Each is
//! named in one run; all else is dumped and comes back.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Space, word};
use crate::postgres::end_to_end::{assert_same, back_up, dumped, job};

/// Databases that can't be read, and how each is named.
const SHUT: [(&str, &str, &str); 5] = [
    (
        "half",
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'half'",
        "its DROP was interrupted",
    ),
    ("closed", "ALTER DATABASE closed ALLOW_CONNECTIONS false", "it takes no connections"),
    (
        "broken",
        "ALTER DATABASE broken SET session_preload_libraries = 'no_such_library'",
        "it can't be opened",
    ),
    ("rights", "REVOKE CONNECT ON DATABASE rights FROM PUBLIC", "it can't be opened"),
    ("folder", "SELECT 1", "it can't be opened"),
];

const FINE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b');
    CREATE SEQUENCE s; SELECT nextval('s')";

fn file(server: &PgServer, relation: &str) -> String {
    let sql = format!("SELECT pg_relation_filepath('{relation}')");
    server.value("odd", &sql).expect("it has a file")
}

/// The lines of a run that name what is lost.
fn lost(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.split_once("not included: ")).map(|l| l.1).collect()
}

#[test]
fn databases_that_let_nobody_in_are_named_and_the_others_dumped() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.sql("postgres", "CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader");
        for (name, spoil, _) in SHUT {
            server.run("createdb", &[name]);
            server.sql("postgres", spoil);
        }
        server.run("createdb", &["--template=template0", "pattern"]);
        server.sql("postgres", "ALTER DATABASE pattern IS_TEMPLATE true");
        server.run("createdb", &["fine"]);
        server.sql("fine", FINE);
        let oid = server.value("postgres", "SELECT oid FROM pg_database WHERE datname = 'folder'");
        fs::remove_dir_all(server.data().join("base").join(oid.expect("it is there")))
            .expect("it has a folder");
        for dump in ["", "engine=\"pg_dump\""] {
            let space = Space::new().job(&job(&server, "user \"reader\"", dump));
            let ran = space.run(&["run", "job.kdl", "--strict"]).expect(2);
            let found = lost(&ran.stderr);
            for (name, _, why) in SHUT {
                let own = |line: &&&str| line.starts_with(&format!("database {name}: {why}"));
                assert_eq!(found.iter().filter(own).count(), 1, "{name}: {found:?}");
            }
            assert_eq!(found.len(), SHUT.len(), "{found:?}");
            let target = version.start(&[]);
            let args = ["restore", "job.kdl", "--into", &target.url(), "--only", "fine"];
            space.run(&args).expect(0);
            assert_same(&dumped(&target, "fine"), &dumped(&server, "fine"));
        }
        let alone = Space::new().job(&job(&server, "databases \"half\"", ""));
        let said = alone.run(&["run", "job.kdl"]).expect(1).stderr;
        assert!(said.contains("database half: its DROP was interrupted"), "{said}");
    }
}

#[test]
fn what_can_be_read_of_damaged_relations_is_dumped_and_the_rest_is_told() {
    for version in Pg::ALL {
        let mut server = version.start(&[]);
        server.run("createdb", &["odd"]);
        server.sql("odd", FINE);
        let rows = "SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g";
        server.sql(
            "odd",
            &format!(
                "CREATE SEQUENCE lost; CREATE TABLE gone AS {rows}; CREATE TABLE hurt (i int, v text); INSERT INTO hurt {rows};
                 CREATE TABLE moments AS SELECT now() AS a, now() AS b, now() AS c, g FROM generate_series(1, 20000) g"
            ),
        );
        let [gone, hurt, moments, sequence] =
            ["gone", "hurt", "moments", "lost"].map(|relation| file(&server, relation));
        let data = server.data().to_owned();
        server.stop();
        fs::remove_file(data.join(gone)).expect("it is there");
        fs::remove_file(data.join(sequence)).expect("it is there");
        for relation in [hurt, moments] {
            let path = fs::OpenOptions::new().write(true).open(data.join(relation));
            path.and_then(|f| f.write_all_at(&[0xde; 8192], 8192 * 100)).expect("it is ours");
        }
        let server = version.setup().on(&data).start();
        let space = Space::new().job(&job(&server, "databases \"odd\"", "chunk=\"64KiB\""));
        let ran = space.run(&["run", "job.kdl", "--strict"]).expect(2);
        let found = lost(&ran.stderr);
        for name in [
            "where sequence odd.public.lost stands: ",
            "rows of odd.public.gone: ",
            "rows of odd.public.hurt: ",
            "rows of odd.public.moments: ",
        ] {
            assert_eq!(found.iter().filter(|l| l.starts_with(name)).count(), 1, "{found:?}");
        }
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(word(&space.list()[0], "verdict"), "alert");
        let target = version.start(&[]);
        space.run(&["restore", "job.kdl", "--into", &target.url()]).expect(0);
        let value = |sql: &str| target.value("odd", sql).unwrap_or_default();
        assert_eq!(value("SELECT string_agg(v, '' ORDER BY id) FROM t"), "ab");
        assert_eq!(value("SELECT nextval('s')"), "2");
        assert_eq!(value("SELECT count(*) FROM gone"), "0");
        // All but the last of the hundred pages before the damage, which the server reads ahead.
        let whole = "SELECT count(*) FROM hurt WHERE v = repeat('x', 100) AND i <= 4000";
        assert_eq!(value(whole), "4000");
        assert_ne!(value("SELECT count(*) FROM moments"), "0");
    }
}

#[test]
fn a_database_that_is_whole_has_nothing_to_tell() {
    let server = Pg::V15.start(&[]);
    server.run("createdb", &["fine"]);
    server.sql("fine", FINE);
    let (_space, ran) = back_up(&server, "", "");
    assert_eq!(lost(&ran.stderr), [""; 0]);
}

#[test]
fn rows_of_tables_cut_by_a_hash_of_an_enum_come_back_through_the_table() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.run("createdb", &["odd"]);
        server.sql(
            "odd",
            "CREATE TYPE en AS ENUM ('x', 'y', 'z');
             CREATE TABLE he (v int, e en, g int GENERATED ALWAYS AS (v * 2) STORED) PARTITION BY HASH (e);
             CREATE TABLE he0 (e en, g int GENERATED ALWAYS AS (v * 2) STORED, v int);
             ALTER TABLE he ATTACH PARTITION he0 FOR VALUES WITH (MODULUS 3, REMAINDER 0);
             CREATE TABLE he1 PARTITION OF he FOR VALUES WITH (MODULUS 3, REMAINDER 1);
             CREATE TABLE he2 PARTITION OF he FOR VALUES WITH (MODULUS 3, REMAINDER 2);
             INSERT INTO he SELECT g, (ARRAY['x', 'y', 'z']::en[])[1 + g % 3] FROM generate_series(1, 3000) g;
             CREATE TABLE deep (r int, e en) PARTITION BY RANGE (r);
             CREATE TABLE deep1 PARTITION OF deep FOR VALUES FROM (0) TO (10) PARTITION BY HASH (e);
             CREATE TABLE deep10 PARTITION OF deep1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
             CREATE TABLE deep2 PARTITION OF deep DEFAULT;
             INSERT INTO deep VALUES (1, 'x'), (2, 'y'), (99, 'z');
             CREATE TABLE whole (i int) PARTITION BY HASH (i);
             CREATE TABLE whole0 PARTITION OF whole FOR VALUES WITH (MODULUS 1, REMAINDER 0);
             INSERT INTO whole VALUES (7)",
        );
        let (space, ran) = back_up(&server, "databases \"odd\"", "chunk=\"64KiB\"");
        assert_eq!(lost(&ran.stderr), [""; 0]);
        // Another database has other identifiers; so has another server.
        let args = ["restore", "job.kdl", "--as", "copy", "--into", &server.url()];
        let said = space.run(&args).expect(0).stdout;
        assert!(said.contains("copy.public.whole0") && said.contains("copy.public.he\n"), "{said}");
        let all = |database: &str, sql: &str| server.value(database, sql);
        for sql in [
            "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM (SELECT v, e, g FROM he) t",
            "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM deep t",
            "SELECT string_agg(i::text, ',') FROM whole0",
        ] {
            assert_eq!(all("copy", sql), all("odd", sql), "{sql}");
        }
    }
}
