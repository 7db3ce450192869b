//! Every kind of object that a server of PostgreSQL knows: dumped, or named.

use vex::testing::source::is_postgres_catalogue;

use crate::common::servers::Pg;
use crate::common::space::Space;
use crate::postgres::end_to_end::job;

#[test]
fn every_catalogue_of_a_server_is_decided_on() {
    for version in Pg::ALL {
        let sql = "SELECT string_agg(relname::text, ' ') FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'";
        let all = version.shared().value("postgres", sql).expect("it has some");
        let open: Vec<&str> = all.split(' ').filter(|name| !is_postgres_catalogue(name)).collect();
        assert!(all.len() > 600 && open.is_empty(), "{version:?}: {open:?}");
    }
    assert!(!is_postgres_catalogue("pg_module"));
}

#[test]
fn what_pg_dump_does_not_write_is_named() {
    for version in Pg::ALL {
        let server = version.start(&["wal_level=logical", "allow_system_table_mods=on"]);
        server.run("createdb", &["fine"]);
        server.sql("fine", "CREATE TABLE t (id int)");
        let space = Space::new().job(&job(&server, "databases \"fine\"", ""));
        let said = space.run(&["run", "job.kdl", "--strict"]).expect(0).stderr;
        assert!(!said.contains("not included"), "{said}");
        server.sql(
            "fine",
            "SELECT pg_create_physical_replication_slot('behind'); SELECT pg_replication_origin_create('far');
             CREATE FUNCTION pg_catalog.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
             CREATE TABLE pg_catalog.own (id int)",
        );
        let said = space.run(&["run", "job.kdl", "--strict"]).expect(2).stderr;
        for line in ["routine pg_catalog.mine", "relation pg_catalog.own"] {
            assert!(said.contains(&format!("not included: fine: {line}, which stands")), "{said}");
        }
        assert_eq!(said.matches("not included: ").count(), 2, "{said}");
        let shown = space.run(&["restore", "job.kdl", "--into", &server.url(), "--dry-run"]).stdout;
        for line in ["replication slots: behind", "replication origins: far"] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
    }
}
