//! A table, a schema, a partitioned table out of an archive of `pg_dump`: what the native engine
//! would bring back.

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space, files};
use crate::postgres::end_to_end::{assert_same, dumped, job};

const ARCHIVES: [&str; 2] = ["custom", "directory"];

/// A table with all that can hang on one, and what it needs.
const SHOP: &str = "CREATE ROLE clerk; CREATE SCHEMA sales; CREATE TYPE sales.state AS ENUM ('new', 'paid');
    CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TABLE sales.customer (id serial PRIMARY KEY, name text);
    CREATE TABLE sales.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number serial UNIQUE, customer int REFERENCES sales.customer,
        state sales.state DEFAULT 'new', CHECK (number > 0));
    CREATE INDEX orders_state ON sales.orders (state); CREATE STATISTICS sales.orders_both ON customer, state FROM sales.orders;
    CREATE TRIGGER orders_touch BEFORE UPDATE ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.touch();
    CREATE RULE orders_keep AS ON DELETE TO sales.orders WHERE old.state = 'paid' DO INSTEAD NOTHING;
    ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY; CREATE POLICY orders_all ON sales.orders USING (true);
    COMMENT ON TABLE sales.orders IS 'o'; COMMENT ON COLUMN sales.orders.state IS 's'; COMMENT ON INDEX sales.orders_state IS 'i';
    COMMENT ON TRIGGER orders_touch ON sales.orders IS 't'; COMMENT ON CONSTRAINT orders_pkey ON sales.orders IS 'k';
    GRANT SELECT ON sales.orders TO clerk; GRANT UPDATE (state) ON sales.orders TO clerk; ALTER TABLE sales.orders OWNER TO clerk;
    CREATE VIEW sales.paid AS SELECT * FROM sales.orders WHERE state = 'paid'; GRANT SELECT ON sales.paid TO clerk; COMMENT ON VIEW sales.paid IS 'v';
    CREATE MATERIALIZED VIEW sales.heap AS SELECT customer, count(*) FROM sales.orders GROUP BY 1; CREATE INDEX heap_customer ON sales.heap (customer);
    CREATE TABLE public.note (t text); INSERT INTO note SELECT repeat(g::text, 40) FROM generate_series(1, 40000) g; SELECT lo_create(4711);
    INSERT INTO sales.customer (name) SELECT 'c' || g FROM generate_series(1, 100) g;
    INSERT INTO sales.orders (customer, state) SELECT 1 + g % 100, 'paid' FROM generate_series(1, 5000) g; REFRESH MATERIALIZED VIEW sales.heap";

fn shop(version: Pg) -> PgServer {
    let server = version.start(&[]);
    server.run("createdb", &["shop"]);
    server.sql("shop", SHOP);
    server
}

fn back_up(server: &PgServer, dump: &str) -> Space {
    let space = Space::new().job(&job(server, "databases \"shop\"", dump));
    space.back_up();
    space
}

fn archive(server: &PgServer, form: &str) -> Space {
    back_up(server, &format!("engine=\"pg_dump\" format=\"{form}\" chunk=\"256KiB\""))
}

/// Restores what `only` names, with further words.
#[track_caller]
fn restore(space: &Space, target: &PgServer, only: &[&str], more: &[&str], code: i32) -> Ran {
    let url = target.url();
    let chosen = only.iter().flat_map(|name| ["--only", name]);
    let words: Vec<&str> = ["restore", "job.kdl", "--into", &url]
        .into_iter()
        .chain(chosen)
        .chain(more.iter().copied())
        .collect();
    let ran = space.run(&words).expect(code);
    assert!(files(&space.state("staging")).is_empty(), "nothing is left where archives are staged");
    ran
}

#[test]
fn a_table_comes_out_of_an_archive_with_all_that_hangs_on_it() {
    let only = ["shop.sales.orders", "shop.sales.paid", "shop.sales.heap"];
    for version in Pg::ALL {
        for form in ARCHIVES {
            let server = shop(version);
            let space = archive(&server, form);
            let whole = dumped(&server, "shop");
            server.sql(
                "shop",
                "DROP TABLE sales.orders CASCADE; UPDATE sales.customer SET name = 'later'",
            );
            server.sql("shop", "UPDATE sales.customer SET name = 'c' || id");
            let ran = restore(&space, &server, &only, &[], 0);
            assert!(ran.stdout.contains("kept: object shop.sales.type state"), "{}", ran.stdout);
            assert_same(&dumped(&server, "shop"), &whole);
            // It is there now: it is not overwritten unless that is said, and what hangs on it is
            // named.
            let ran = restore(&space, &server, &only, &[], 1);
            assert!(ran.stderr.contains("table shop.sales.orders"), "{}", ran.stderr);
            server.sql("shop", "UPDATE sales.orders SET state = 'new'");
            let ran = restore(&space, &server, &only[..1], &["--overwrite"], 1);
            assert!(
                ran.stderr.contains("view sales.paid depends on table sales.orders"),
                "{}",
                ran.stderr
            );
            restore(&space, &server, &only, &["--overwrite"], 0);
            assert_same(&dumped(&server, "shop"), &whole);
            server.sql("shop", "DROP VIEW sales.paid");
            restore(&space, &server, &only[1..2], &[], 0);
            assert_same(&dumped(&server, "shop"), &whole);
        }
    }
}

#[test]
fn an_archive_gives_what_the_native_engine_gives() {
    for version in Pg::ALL {
        let server = shop(version);
        let native = back_up(&server, "");
        for (index, only) in [
            &["shop.sales"][..],
            &["shop.sales.orders", "shop.sales.customer"],
            &["shop.public.note"],
        ]
        .into_iter()
        .enumerate()
        {
            let expected = format!("native{index}");
            restore(&native, &server, only, &["--as", &expected], if index == 1 { 65 } else { 0 });
            // Native makes the large objects of a database whatever is chosen of it, and fills them
            // with nothing.
            server.sql(&expected, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata");
            for form in ARCHIVES {
                let name = format!("{form}{index}");
                restore(
                    &archive(&server, form),
                    &server,
                    only,
                    &["--as", &name],
                    if index == 1 { 65 } else { 0 },
                );
                assert_same(&dumped(&server, &name), &dumped(&server, &expected));
            }
        }
    }
}

#[test]
fn a_partitioned_table_brings_its_partitions_and_their_rows() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.run("createdb", &["shop"]);
        server.sql(
            "shop",
            "CREATE SCHEMA old; CREATE TABLE log (a int PRIMARY KEY, b text) PARTITION BY RANGE (a); CREATE INDEX log_b ON log (b);
             CREATE TABLE z_first PARTITION OF log FOR VALUES FROM (0) TO (10); CREATE TABLE old.rest PARTITION OF log FOR VALUES FROM (10) TO (99) PARTITION BY RANGE (a);
             CREATE TABLE a_last PARTITION OF old.rest FOR VALUES FROM (10) TO (99); INSERT INTO log SELECT g, g FROM generate_series(0, 98) g",
        );
        let whole = dumped(&server, "shop");
        for form in ["custom", "directory", "native"] {
            let space =
                if form == "native" { back_up(&server, "") } else { archive(&server, form) };
            restore(&space, &server, &["shop.public.log"], &["--as", form], 0);
            assert_same(&dumped(&server, form), &whole);
            server.sql(form, "DELETE FROM log");
            restore(&space, &server, &["shop.public.log"], &["--as", form, "--overwrite"], 0);
            assert_same(&dumped(&server, form), &whole);
            server.sql(form, "DROP TABLE a_last");
            restore(&space, &server, &["shop.public.a_last"], &["--as", form], 0);
            assert_same(&dumped(&server, form), &whole);
        }
    }
}

#[test]
fn what_an_archive_does_not_hold_is_an_error_before_anything_is_written() {
    let server = shop(Pg::V17);
    for (form, only, found) in [
        ("custom", &["shop.sales.order"][..], "Did you mean shop.sales.orders?"),
        ("directory", &["shop.sales.pai"], "Did you mean shop.sales.paid?"),
        ("custom", &["shop.sales.orders", "shop.nothing"], "shop.nothing is not in the backup"),
        ("custom", &["shop", "shop.sales.orders"], "Restore them one after another."),
        ("plain", &["shop.sales.orders"], "as one script or archive"),
    ] {
        let ran = restore(&archive(&server, form), &server, only, &["--as", "fresh"], 1);
        assert!(ran.stderr.contains(found), "{form}: {}", ran.stderr);
        let made = "SELECT count(*) FROM pg_database WHERE datname = 'fresh'";
        assert_eq!(server.value("postgres", made).as_deref(), Some("0"), "{form}");
    }
}

#[test]
fn a_foreign_key_to_a_table_that_is_not_there_is_told_and_the_rows_are_there() {
    let server = shop(Pg::V15);
    for form in ARCHIVES {
        let space = archive(&server, form);
        let ran = restore(&space, &server, &["shop.sales.orders"], &["--as", form], 65);
        assert!(ran.stdout.contains("fk constraint orders_customer_fkey"), "{}", ran.stdout);
        assert_eq!(
            server.value(form, "SELECT count(*) FROM sales.orders").as_deref(),
            Some("5000")
        );
    }
}

#[test]
fn of_a_directory_only_the_files_of_the_chosen_are_read() {
    let server = shop(Pg::V17);
    let space = archive(&server, "directory");
    let reads = |only: &[&str], name: &str| {
        let ran = restore(&space, &server, only, &["--as", name, "--definer", "current"], 0);
        ran.stdout.lines().find(|l| l.starts_with("reads ")).unwrap().to_owned()
    };
    assert!(reads(&["shop.sales.customer"], "little").contains("KiB unpacked"));
    assert!(reads(&["shop"], "all").contains("MiB unpacked"));
}
