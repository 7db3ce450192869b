//! Parts of a backup, other names, databases that are there already, roles that are not: what a
//! restore into PostgreSQL does and what it refuses.

use crate::common::servers::{Pg, PgServer};
use crate::common::space::Space;
use crate::postgres::end_to_end::{assert_same, back_up, dumped, job};

const SHOP: &str = "CREATE SCHEMA sales; CREATE TYPE sales.state AS ENUM ('new', 'paid');
    CREATE TABLE sales.customer (id serial PRIMARY KEY, name text);
    CREATE TABLE sales.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int REFERENCES sales.customer, state sales.state DEFAULT 'new');
    CREATE INDEX orders_state ON sales.orders (state); CREATE TABLE public.note (t text);
    CREATE VIEW sales.paid AS SELECT * FROM sales.orders WHERE state = 'paid';
    INSERT INTO sales.customer (name) SELECT 'c' || g FROM generate_series(1, 100) g;
    INSERT INTO sales.orders (customer, state) SELECT 1 + g % 100, 'paid' FROM generate_series(1, 5000) g; INSERT INTO note VALUES ('x')";

fn shop(version: Pg) -> PgServer {
    let server = version.start(&[]);
    server.run("createdb", &["shop"]);
    server.sql("shop", SHOP);
    server
}

#[test]
fn one_table_comes_back_with_all_that_hangs_on_it() {
    for version in Pg::ALL {
        let server = shop(version);
        let (space, _) = back_up(&server, "databases \"shop\"", "");
        let whole = dumped(&server, "shop");
        server.sql("shop", "DROP TABLE sales.orders CASCADE");
        let only = [
            "restore",
            "job.kdl",
            "--into",
            &server.url(),
            "--only",
            "shop.sales.orders",
            "--only",
            "shop.sales.paid",
        ];
        let ran = space.run(&only).expect(0);
        assert!(ran.stdout.contains("kept: object shop.sales.type state"), "{}", ran.stdout);
        assert_same(&dumped(&server, "shop"), &whole);
        // It is there now: it is not overwritten unless that is said, and what hangs on it is
        // named.
        let ran = space.run(&only).expect(1);
        assert!(ran.stderr.contains("table shop.sales.orders"), "{}", ran.stderr);
        server.sql("shop", "DELETE FROM sales.orders");
        let one = [
            "restore",
            "job.kdl",
            "--into",
            &server.url(),
            "--only",
            "shop.sales.orders",
            "--overwrite",
        ];
        let ran = space.run(&one).expect(1);
        assert!(
            ran.stderr
                .contains("view sales.paid depends on table sales.orders; nothing was written"),
            "{}",
            ran.stderr
        );
        let both: Vec<&str> = only.iter().copied().chain(["--overwrite"]).collect();
        space.run(&both).expect(0);
        assert_same(&dumped(&server, "shop"), &whole);
    }
}

#[test]
fn a_schema_comes_back_into_an_empty_database() {
    let server = shop(Pg::V15);
    server.sql("shop", "SELECT lo_create(4711)");
    let (space, _) = back_up(&server, "databases \"shop\"", "");
    let into = format!("{}/other", server.url());
    space.run(&["restore", "job.kdl", "--into", &into, "--only", "shop.sales"]).expect(0);
    let tables = "SELECT string_agg(schemaname || '.' || tablename, ',' ORDER BY 1) FROM pg_tables WHERE schemaname IN ('sales', 'public')";
    assert_eq!(server.value("other", tables).as_deref(), Some("sales.customer,sales.orders"));
    assert_eq!(server.value("other", "SELECT count(*) FROM sales.paid").as_deref(), Some("5000"));
    let large = "SELECT count(*) FROM pg_largeobject_metadata";
    assert_eq!(
        server.value("other", large).as_deref(),
        Some("0"),
        "large objects belong to no schema"
    );
}

#[test]
fn a_database_that_is_replaced_is_put_aside_and_not_lost() {
    for version in Pg::ALL {
        let server = shop(version);
        let (space, _) = back_up(&server, "databases \"shop\"", "");
        let whole = dumped(&server, "shop");
        server.sql(
            "shop",
            "DROP TABLE note; CREATE TABLE later (a int); INSERT INTO later VALUES (1)",
        );
        let changed = dumped(&server, "shop");
        let ran = space.run(&["restore", "job.kdl", "--into", &server.url()]).expect(1);
        assert!(ran.stderr.contains("--overwrite"), "{}", ran.stderr);
        assert_same(&dumped(&server, "shop"), &changed);
        assert!(!ran.stderr.contains("--resume"), "{}", ran.stderr);
        // Somebody who is in it keeps it where it is.
        let holder = server.client("shop");
        let overwrite = ["restore", "job.kdl", "--into", &server.url(), "--overwrite"];
        let ran = space.run(&overwrite).expect(1);
        assert!(ran.stderr.contains("being accessed by other users"), "{}", ran.stderr);
        assert_same(&dumped(&server, "shop"), &changed);
        drop(holder);
        let ran = space.run(&overwrite).expect(0);
        assert_same(&dumped(&server, "shop"), &whole);
        let line = ran.stdout.lines().find(|l| l.contains("that was there is now")).unwrap();
        let aside = line.split("is now ").nth(1).unwrap().split(';').next().unwrap();
        assert_same(&dumped(&server, aside), &changed);
    }
}

#[test]
fn a_drill_restores_into_scratch_again_and_again() {
    let (server, scratch) = (shop(Pg::V17), Pg::V17.setup().alone().start());
    let text = job(&server, "databases \"shop\"", "")
        .replace("verify \"disk\"", "verify \"disk\" into=\"lab\"")
        .replace(
            "sources {",
            &format!(
                "sources {{ postgres \"lab\" host=\"127.0.0.1\" port={} scratch=#true;",
                scratch.port
            ),
        );
    let space = Space::new().job(&text);
    for _ in 0..2 {
        space.run(&["run", "job.kdl"]).expect(0);
    }
    assert_same(&dumped(&scratch, "shop"), &dumped(&server, "shop"));
    assert_eq!(
        scratch
            .value("postgres", "SELECT count(*) FROM pg_database WHERE NOT datistemplate")
            .as_deref(),
        Some("2")
    );
    assert!(space.list().iter().all(|l| l["proof"] == "restored"));
}

#[test]
fn a_role_that_is_missing_is_told_before_and_after_and_everything_else_comes() {
    let server = shop(Pg::V15);
    server.sql(
        "shop",
        "CREATE ROLE clerk; ALTER TABLE sales.orders OWNER TO clerk; GRANT SELECT ON note TO clerk",
    );
    let (space, _) = back_up(&server, "databases \"shop\"", "");
    let target = Pg::V15.start(&[]);
    // The dry run ends as the restore does.
    let dry = space.run(&["restore", "job.kdl", "--into", &target.url(), "--dry-run"]).expect(65);
    assert!(dry.stderr.contains("role clerk would not be restored"), "{dry:?}");
    let ran = space.run(&["restore", "job.kdl", "--into", &target.url()]).expect(65);
    assert!(ran.stdout.contains("! will not fit: role clerk"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("owner of table shop.sales.orders")
            && ran.stderr.contains("INCOMPLETE"),
        "{}",
        ran.stdout
    );
    assert_eq!(target.value("shop", "SELECT count(*) FROM sales.orders").as_deref(), Some("5000"));
    let other = Pg::V15.start(&[]);
    let ran = space
        .run(&["restore", "job.kdl", "--into", &other.url(), "--definer", "current"])
        .expect(65);
    assert!(!ran.stdout.contains("owner of"), "{}", ran.stdout);
}

#[test]
fn a_backup_of_15_goes_into_17() {
    let server = shop(Pg::V15);
    let (space, _) = back_up(&server, "databases \"shop\"", "");
    let target = Pg::V17.start(&[]);
    space.run(&["restore", "job.kdl", "--into", &target.url()]).expect(0);
    assert_eq!(target.value("shop", "SELECT count(*) FROM sales.paid").as_deref(), Some("5000"));
}

#[test]
fn what_the_job_leaves_out_is_out_and_told() {
    let server = shop(Pg::V15);
    let source = "databases \"shop\"; exclude \"shop.sales.customer\"; tables \"shop.sales.*\"";
    let (space, _) = back_up(&server, source, "");
    let ran = space.run(&["restore", "job.kdl", "--into", &server.url(), "--as", "part"]).expect(0);
    assert!(
        ran.stdout.contains(
            "fk constraint orders orders_customer_fkey (it needs what the job leaves out)"
        ),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("rows of shop.public.note"), "{}", ran.stdout);
    let tables = "SELECT string_agg(tablename, ',' ORDER BY 1) FROM pg_tables WHERE schemaname IN ('sales', 'public')";
    assert_eq!(server.value("part", tables).as_deref(), Some("note,orders"));
    assert_eq!(server.value("part", "SELECT count(*) FROM note").as_deref(), Some("0"));
}

#[test]
fn a_pg_dump_that_is_too_old_is_named_before_any_work() {
    let server = shop(Pg::V17);
    let older = Pg::V15.programs().display().to_string();
    let text = job(&server, "databases \"shop\"", "")
        .replace(&Pg::V17.programs().display().to_string(), &older);
    let space = Space::new().job(&text);
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(ran.stderr.contains("pg_dump") && ran.stderr.contains("17"), "{}", ran.stderr);
    assert!(space.list().is_empty());
}

#[test]
fn what_would_be_in_the_way_is_found_before_the_first_byte() {
    let server = shop(Pg::ALL[0]);
    let (space, _) = back_up(&server, "databases \"shop\"", "");
    server.run("createdb", &["other"]);
    server.sql(
        "other",
        "CREATE SCHEMA sales; CREATE VIEW sales.customer AS SELECT 1 AS id; CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA sales TO clerk",
    );
    // Names that something of another kind has.
    let into = server.url();
    let part = ["restore", "job.kdl", "--only", "shop.sales", "--as", "other", "--into", &into];
    let dry: Vec<&str> = part.iter().copied().chain(["--dry-run"]).collect();
    let ran = space.run(&dry).expect(65);
    let line = "! will not fit: table shop.sales.customer: a view of this name is there";
    assert_eq!(ran.stdout.matches(line).count(), 1, "{}", ran.stdout);
    server.sql("other", "DROP VIEW sales.customer");

    // A schema that takes nothing from whoever restores.
    let clerk = server.url().replacen("postgres://postgres@", "postgres://clerk@", 1);
    let as_clerk =
        ["restore", "job.kdl", "--only", "shop.sales", "--as", "other", "--into", &clerk];
    let ran = space.run(&as_clerk).expect(1);
    assert!(
        ran.stderr
            .contains("may not make anything in the schema sales of other; nothing was written"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("GRANT USAGE, CREATE ON SCHEMA \"sales\" TO \"clerk\";"),
        "{}",
        ran.stderr
    );
}
