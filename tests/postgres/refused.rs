//! One thing that PostgreSQL refuses never ends the rest of a restore: it is named, counted, and
//! everything else is there.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space};
use crate::postgres::end_to_end::back_up;

/// What every one of these databases holds besides: nothing of it may be missing.
const INNOCENT: &str = "CREATE TABLE z_parent (id int PRIMARY KEY);
    CREATE TABLE z_innocent (id int PRIMARY KEY, p int REFERENCES z_parent, v text);
    INSERT INTO z_parent VALUES (1), (2); INSERT INTO z_innocent SELECT g, 1 + g % 2, 'x' || g FROM generate_series(1, 1000) g;
    CREATE INDEX z_index ON z_innocent (v); CREATE VIEW z_view AS SELECT v FROM z_innocent;
    CREATE FUNCTION z_function() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v = upper(NEW.v); RETURN NEW; END $$;
    CREATE TRIGGER z_trigger BEFORE INSERT ON z_innocent FOR EACH ROW EXECUTE FUNCTION z_function()";

fn filled(version: Pg, own: &str) -> PgServer {
    let server = version.start(&[]);
    server.run("createdb", &["a"]);
    server.sql("a", own);
    server.sql("a", INNOCENT);
    server
}

#[track_caller]
fn one(server: &PgServer, database: &str, sql: &str, expected: &str) {
    assert_eq!(server.value(database, sql).as_deref(), Some(expected), "{sql}");
}

#[track_caller]
fn innocent(server: &PgServer, database: &str) {
    one(server, database, "SELECT count(*) || ' ' || min(v) FROM z_view", "1000 x1");
    let keys = "SELECT count(*) FROM pg_constraint WHERE conrelid IN ('z_innocent'::regclass, 'z_parent'::regclass) AND contype IN ('p', 'f')";
    one(server, database, keys, "3");
    one(server, database, "SELECT count(*) FROM pg_class WHERE relname = 'z_index'", "1");
    one(server, database, "SELECT count(*) FROM pg_trigger WHERE tgname = 'z_trigger'", "1");
}

fn restore(space: &Space, target: &PgServer) -> Ran {
    space.run(&["restore", "job.kdl", "--into", &target.url(), "--as", "b"])
}

#[track_caller]
fn incomplete(ran: Ran, told: &[&str]) -> Ran {
    let ran = ran.expect(65);
    for line in told {
        assert_eq!(ran.stdout.matches(line).count(), 1, "named once: {line}\n{}", ran.stdout);
    }
    ran
}

#[test]
fn rows_that_a_check_refuses_are_counted_and_all_else_comes_back() {
    for version in Pg::ALL {
        // It finds its table by a path that no restore has.
        let server = filled(
            version,
            "CREATE TABLE rates (code text PRIMARY KEY); INSERT INTO rates VALUES ('a');
             CREATE FUNCTION known(c text) RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN IF c IS NULL THEN RETURN true; END IF; RETURN EXISTS (SELECT 1 FROM rates WHERE code = c); END $$;
             CREATE TABLE prices (id int PRIMARY KEY, code text CHECK (known(code)));
             INSERT INTO prices VALUES (1, 'a'), (2, NULL), (3, NULL), (4, 'a'), (5, NULL)",
        );
        let (space, _) = back_up(&server, "databases \"a\"", "");
        let ran = incomplete(
            restore(&space, &server),
            &[
                "rows of a.public.prices was not restored: relation \"rates\" does not exist",
                "(2 rows)",
            ],
        );
        assert_eq!(ran.stdout.matches("differs: ").count(), 1, "{}", ran.stdout);
        one(&server, "b", "SELECT string_agg(id::text, ',' ORDER BY id) FROM prices", "2,3,5");
        one(&server, "b", "SELECT count(*) FROM pg_constraint WHERE conname = 'prices_pkey'", "1");
        innocent(&server, "b");
    }
}

#[test]
fn a_table_that_a_newer_server_refuses_is_named_with_what_hangs_on_it() {
    let server = filled(
        Pg::V15,
        "CREATE TABLE a_parent (a int); CREATE TABLE b_child (a int, b int GENERATED ALWAYS AS (a * 2) STORED);
         INSERT INTO b_child VALUES (1), (2), (3); CREATE INDEX of_child ON b_child (a);
         CREATE VIEW view_of_child AS SELECT a FROM b_child;
         ALTER TABLE a_parent ADD COLUMN b int; ALTER TABLE b_child INHERIT a_parent",
    );
    let (space, _) = back_up(&server, "databases \"a\"", "");
    let target = Pg::V17.start(&[]);
    let ran = incomplete(
        restore(&space, &target),
        &[
            "table a.public.b_child was not restored: ",
            "(3 rows)",
            "index a.public.of_child was not restored: its table was refused",
            "view a.public.view_of_child was not restored: ",
        ],
    );
    assert!(!ran.stdout.contains("rows of a.public.b_child"), "{}", ran.stdout);
    innocent(&target, "b");
    one(&target, "b", "SELECT count(*) FROM a_parent", "0");
}

#[test]
fn a_row_that_its_partition_refuses_goes_in_through_the_root() {
    for version in Pg::ALL {
        let server = filled(
            version,
            "CREATE TYPE en AS ENUM ('x', 'y', 'z', 'u', 'v', 'w'); CREATE TABLE he (e en, v int) PARTITION BY HASH (e);
             CREATE TABLE he0 PARTITION OF he FOR VALUES WITH (MODULUS 3, REMAINDER 0);
             CREATE TABLE he1 PARTITION OF he FOR VALUES WITH (MODULUS 3, REMAINDER 1);
             CREATE TABLE he2 PARTITION OF he FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY LIST (v);
             CREATE TABLE he2a PARTITION OF he2 DEFAULT;
             INSERT INTO he SELECT e, g FROM unnest(enum_range(NULL::en)) e, generate_series(1, 50) g",
        );
        let (space, _) = back_up(&server, "databases \"a\"", "");
        restore(&space, &server).expect(0);
        one(&server, "b", "SELECT count(*) || ' ' || sum(v) FROM he", "300 7650");
        innocent(&server, "b");
    }
}

#[test]
fn columns_that_come_back_in_another_order_are_the_same_rows() {
    for version in Pg::ALL {
        let server = filled(
            version,
            "CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);
             ALTER TABLE parent ADD COLUMN c text; INSERT INTO child VALUES (1, 2, 'x'), (3, 4, NULL)",
        );
        let (space, _) = back_up(&server, "databases \"a\"", "");
        restore(&space, &server).expect(0);
        one(&server, "b", "SELECT a || ' ' || b || ' ' || c FROM child WHERE a = 1", "1 2 x");
    }
}

const GUARD: &str = "CREATE FUNCTION no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no DDL here'; END $$;
    COMMENT ON FUNCTION no_ddl() IS 'a guard'";

#[test]
fn after_an_event_trigger_nothing_is_defined_any_more() {
    for version in Pg::ALL {
        let server = filled(version, GUARD);
        server.sql(
            "a",
            "CREATE EVENT TRIGGER a_guard ON ddl_command_end EXECUTE FUNCTION no_ddl();
             CREATE EVENT TRIGGER b_guard ON sql_drop EXECUTE FUNCTION no_ddl();
             COMMENT ON EVENT TRIGGER a_guard IS 'of all'; ALTER EVENT TRIGGER b_guard DISABLE",
        );
        let (space, _) = back_up(&server, "databases \"a\"", "");
        let ran = restore(&space, &server).expect(0);
        assert!(ran.stdout.contains("every row count and digest"), "{}", ran.stdout);
        innocent(&server, "b");
        let guards =
            "SELECT string_agg(evtname || evtenabled::text, ' ' ORDER BY 1) FROM pg_event_trigger";
        one(&server, "b", guards, "a_guardO b_guardD");
        let mark = "SELECT count(*) FROM pg_db_role_setting";
        one(&server, "b", mark, "0");
    }
}

#[test]
fn a_database_that_can_not_be_made_is_named_and_the_others_come_back() {
    let server = Pg::V15.start(&[]);
    let folder = server.home().join("space");
    std::fs::create_dir(&folder).unwrap();
    let owner = std::fs::metadata(server.data()).unwrap();
    std::os::unix::fs::chown(&folder, Some(owner.uid()), Some(owner.gid())).unwrap();
    server.sql("postgres", &format!("CREATE TABLESPACE fast LOCATION '{}'", folder.display()));
    server.sql("postgres", "CREATE DATABASE a TABLESPACE fast");
    server.sql("a", INNOCENT);
    server.run("createdb", &["c"]);
    server.sql("c", "CREATE TABLE t (i int); INSERT INTO t VALUES (1)");
    let (space, _) = back_up(&server, "databases \"a\" \"c\"", "");
    let target = Pg::V15.start(&[]);
    let ran = incomplete(
        space.run(&["restore", "job.kdl", "--into", &target.url()]),
        &[
            "database a was not restored: tablespace \"fast\" does not exist",
            "table a.public.z_innocent was not restored: its database was refused (1000 rows)",
        ],
    );
    assert!(!ran.stdout.contains("it is not there"), "{}", ran.stdout);
    one(&target, "c", "SELECT count(*) FROM t", "1");
}

/// Waits until a query on a database, which may not be there yet, has this answer.
fn until(server: &PgServer, database: &str, sql: &str, expected: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while server.asked(database, sql).as_deref() != Some(expected) {
        assert!(Instant::now() < end, "waited in vain: {sql}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_restore_goes_on_past_what_is_refused_and_ends_with_the_same_rows() {
    for version in Pg::ALL {
        // Whoever asks waits, in the rows or in an index.
        let server = filled(
            version,
            "CREATE FUNCTION wait(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
                 $$ BEGIN IF current_database() = 'b' THEN PERFORM pg_sleep(120); END IF; RETURN i; END $$;
             CREATE TABLE keyed (i int PRIMARY KEY, j int); INSERT INTO keyed VALUES (1, 1);
             CREATE TABLE searched (j int); INSERT INTO searched VALUES (1); CREATE INDEX slow_index ON searched (wait(j));
             CREATE TABLE rates (code text PRIMARY KEY); INSERT INTO rates VALUES ('a');
             CREATE FUNCTION known(c text) RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN RETURN EXISTS (SELECT 1 FROM rates WHERE code = c); END $$;
             CREATE TABLE prices (code text CHECK (known(code))); INSERT INTO prices VALUES ('a');
             SELECT lo_from_bytea(4711, 'x')",
        );
        let last =
            "CREATE TABLE zz_slow (i int CHECK (wait(i) = i)); INSERT INTO zz_slow VALUES (1), (2)";
        server.sql("a", last);
        let (space, _) = back_up(&server, "databases \"a\"", "");
        let into = server.url();
        let first = ["restore", "job.kdl", "--into", &into, "--as", "b"];
        let again: Vec<&str> = first.iter().copied().chain(["--resume"]).collect();
        space.run(&again).expect(1);
        let waits = |name: &str| {
            format!(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%{name}%'"
            )
        };
        let replace = |body: &str| {
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'b' AND pid <> pg_backend_pid()";
            server.sql("b", end);
            let sql = format!(
                "CREATE OR REPLACE FUNCTION wait(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN {body} RETURN i; END $$"
            );
            server.sql("b", &sql);
        };
        let running = space.start(&first);
        until(&server, "b", &waits("zz_slow"), "1");
        drop(running);
        // Tables that were filled by then stay as they are; which, is for the order of the rows.
        let place = |table: &str| {
            let sql = format!(
                "SELECT '{table}'::regclass::oid || ' ' || pg_relation_filenode('{table}')"
            );
            server.value("b", &sql)
        };
        let filled = |(table, rows): &(&'static str, &str)| {
            server.value("b", &format!("SELECT count(*) FROM {table}")).as_deref() == Some(*rows)
        };
        let tables = [("z_innocent", "1000"), ("z_parent", "2"), ("keyed", "1"), ("rates", "1")];
        let kept: Vec<(&str, Option<String>)> =
            tables.iter().filter(|t| filled(t)).map(|(table, _)| (*table, place(table))).collect();
        // The rows come, and an index waits.
        replace(
            "IF i = 1 AND (SELECT count(*) FROM public.zz_slow) = 2 THEN PERFORM pg_sleep(120); END IF;",
        );
        let running = space.start(&again);
        until(&server, "b", &waits("slow_index"), "1");
        until(&server, "b", "SELECT count(*) FROM pg_constraint WHERE conname = 'keyed_pkey'", "1");
        drop(running);
        replace("");
        let ran = incomplete(
            space.run(&again),
            &[
                "rows of a.public.prices was not restored: relation \"rates\" does not exist",
                // It was replaced while the restore ran.
                "function a.public.wait(integer) is not what was dumped: ",
            ],
        );
        assert_eq!(ran.stdout.matches("differs: ").count(), 2, "{}", ran.stdout);
        innocent(&server, "b");
        for (table, before) in kept {
            assert_eq!(place(table), before, "{table} was proven: it stays as it is");
        }
        one(&server, "b", "SELECT count(*) FROM zz_slow", "2");
        one(&server, "b", "SELECT count(*) FROM pg_class WHERE relname = 'slow_index'", "1");
        one(&server, "b", "SELECT convert_from(lo_get(4711), 'UTF8')", "x");
        one(&server, "b", "SELECT count(*) FROM pg_db_role_setting", "0");
        space.run(&again).expect(1);
    }
}
