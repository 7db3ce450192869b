//! `vex doctor` against real PostgreSQL servers: what it says is needed is enough, and what would
//! go wrong is named.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Space, word};

const PASSWORD: &str = "CANARY-doctor";

/// One of everything that takes a privilege to read.
fn furnish(server: &PgServer) {
    server.sql("postgres", &format!("CREATE ROLE \"exact one\" LOGIN PASSWORD '{PASSWORD}'"));
    server.sql("postgres", "CREATE DATABASE erp");
    server.sql(
        "erp",
        "CREATE SCHEMA closed; CREATE TABLE closed.t (id serial PRIMARY KEY, v text); INSERT INTO closed.t (v) VALUES ('a'), ('b');
         CREATE TABLE guarded (id int); INSERT INTO guarded VALUES (1), (2); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON guarded USING (id = 1); CREATE VIEW v AS SELECT 1; CREATE SEQUENCE closed.s;
         SELECT lo_from_bytea(4711, 'large')",
    );
}

fn space(server: &PgServer, user: &str, fields: &str, steps: &str) -> Space {
    let space = Space::new();
    let password = space.secret("pw", PASSWORD);
    let tools = format!("tools {{ postgres \"{}\" }}\n", server.version.programs().display());
    std::fs::write(space.path("vex.kdl"), tools).unwrap();
    let stores = if steps.contains("send") {
        "stores { dir \"local\" path=\"store\" { keep last=3 } }"
    } else {
        ""
    };
    let job = format!(
        "sources {{ postgres \"db\" host=\"127.0.0.1\" port={} user=\"{user}\" {{ password (file)\"{}\"; databases \"erp\"; {fields} }} }}\n\
         {stores}\njob \"j\" {{ {steps} }}\n",
        server.port,
        password.display(),
    );
    space.job(&job)
}

const DUMP: &str = "dump \"db\" { send \"local\"; verify \"local\" }";

/// The findings; no secret is in any.
#[track_caller]
fn doctor(space: &Space, code: i32) -> Vec<Value> {
    let ran = space.run(&["doctor", "job.kdl", "--format", "json"]).expect(code);
    assert!(
        !ran.stdout.contains("CANARY") && !ran.stderr.contains("CANARY"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    ran.json()
}

/// The statements that doctor says to run.
fn grants(lines: &[Value]) -> BTreeSet<String> {
    let own = lines.iter().filter(|l| l["looked"] == "privileges" && l["grade"] != "ok");
    let advice = own.map(|l| word(l, "advice").to_owned());
    advice.filter(|advice| advice.ends_with(';')).collect()
}

/// Grade and text of what was found of a thing.
#[track_caller]
fn said(lines: &[Value], looked: &str) -> String {
    let found: Vec<String> = lines
        .iter()
        .filter(|l| l["name"] == "db" && l["looked"] == looked)
        .map(|l| {
            format!(
                "{} {} {}",
                word(l, "grade"),
                word(l, "found"),
                l["advice"].as_str().unwrap_or_default()
            )
        })
        .collect();
    assert!(!found.is_empty(), "nothing of {looked} in {lines:?}");
    found.join("\n")
}

#[test]
fn a_user_with_exactly_what_doctor_says_makes_a_whole_dump_and_each_privilege_that_is_taken_is_named()
 {
    for version in Pg::ALL {
        let server = version.setup().scram(PASSWORD).start();
        furnish(&server);
        let space = space(&server, "exact one", "", DUMP);
        let needed = grants(&doctor(&space, 1));
        let expected = [
            "ALTER ROLE \"exact one\" BYPASSRLS;",
            "GRANT SELECT ON LARGE OBJECT 4711 TO \"exact one\";",
            "GRANT pg_read_all_data TO \"exact one\";",
        ];
        assert_eq!(needed, expected.map(str::to_owned).into());
        needed.iter().for_each(|sql| server.sql("erp", sql));
        let lines = doctor(&space, 0);
        assert_eq!(grants(&lines), BTreeSet::new());
        assert_eq!(said(&lines, "privileges").trim(), "ok \"exact one\" has all that is needed");
        space.run(&["run", "job.kdl", "--strict"]).expect(0);
        for (one, back) in [
            (expected[0], "ALTER ROLE \"exact one\" NOBYPASSRLS"),
            (expected[1], "REVOKE SELECT ON LARGE OBJECT 4711 FROM \"exact one\""),
            (expected[2], "REVOKE pg_read_all_data FROM \"exact one\""),
        ] {
            server.sql("erp", back);
            assert_eq!(grants(&doctor(&space, 1)), BTreeSet::from([one.to_owned()]), "{version:?}");
            space.run(&["run", "job.kdl"]).expect(1);
            server.sql("erp", one);
        }
    }
}

#[test]
fn a_healthy_server_has_one_line_for_each_thing_and_nothing_to_repair() {
    for (version, title) in [(Pg::V15, "ok PostgreSQL 15."), (Pg::V17, "ok PostgreSQL 17.")] {
        let server = version.start(&[]);
        furnish(&server);
        let lines = doctor(&space(&server, "postgres", "", DUMP), 0);
        assert!(said(&lines, "version").starts_with(title));
        assert_eq!(said(&lines, "privileges").trim(), "ok \"postgres\" is a superuser");
        assert!(said(&lines, "TLS").starts_with("ok not in use"));
        assert!(said(&lines, "clock").starts_with("ok 0.0 s"));
        assert!(said(&lines, "databases").starts_with("ok erp (2 tables, about"));
        let major = if version == Pg::V15 { "ok pg_dump 15" } else { "ok pg_dump 17" };
        assert!(said(&lines, "pg_dump").starts_with(major));
        assert!(
            said(&lines, "connections").ends_with("the dump takes 7 "),
            "{}",
            said(&lines, "connections")
        );
        assert!(
            said(&lines, "locks")
                .starts_with("ok a dump takes 4, the server has room for about 6400")
        );
        assert!(said(&lines, "transactions").starts_with("ok none is open"));
        assert!(
            said(&lines, "WAL")
                .starts_with("ok wal_level replica, archive_mode off, full_page_writes on")
        );
        assert!(said(&lines, "replication").starts_with("ok a primary"));
    }
}

#[test]
fn too_few_connections_and_locks_are_named_with_the_setting() {
    let server = Pg::V15.start(&[
        "max_connections=8",
        "max_locks_per_transaction=10",
        "wal_level=minimal",
        "max_wal_senders=0",
    ]);
    server.sql("postgres", "CREATE DATABASE erp");
    let tables: String = (0..60).map(|n| format!("CREATE UNLOGGED TABLE t{n} (a int);")).collect();
    for part in tables.split_inclusive(';') {
        server.sql("erp", part);
    }
    let lines = doctor(&space(&server, "postgres", "", DUMP), 0);
    // A session that has just been closed may be counted still.
    let connections = said(&lines, "connections");
    let told = " of 8 are in use, 3 are kept for superusers; the dump takes 7";
    assert!(connections.starts_with("alert ") && connections.contains(told), "{connections}");
    let locks = said(&lines, "locks");
    assert!(
        locks.starts_with("alert a dump takes 120, the server has room for about 80"),
        "{locks}"
    );
    assert!(locks.contains("max_locks_per_transaction=19 or more"), "{locks}");
    assert!(said(&lines, "WAL").starts_with("alert wal_level minimal"));
    assert!(said(&lines, "tables").starts_with("ok erp.public.t0 and 59 more: unlogged"));
}

#[test]
fn a_table_that_somebody_keeps_everybody_off_is_named() {
    for version in Pg::ALL {
        let server = version.start(&["max_prepared_transactions=5"]);
        furnish(&server);
        let mut holder = server.client("erp");
        let mut held = holder.transaction().unwrap();
        held.batch_execute("LOCK TABLE guarded IN ACCESS EXCLUSIVE MODE").unwrap();
        let found = said(&doctor(&space(&server, "postgres", "", DUMP), 0), "locks held");
        assert!(
            found.starts_with("alert connection ")
                && found.contains("keeps everybody off erp.public.guarded"),
            "{found}"
        );
    }
}

#[test]
fn a_standby_is_told_from_a_primary_and_can_not_be_written_to() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        furnish(&server);
        server.sql("erp", "CREATE UNLOGGED TABLE quick (a int)");
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        server.run("pg_basebackup", &["-D", data.to_str().unwrap(), "-R", "-c", "fast"]);
        let standby = version.setup().on(&data).start();
        let lines = doctor(&space(&standby, "postgres", "", DUMP), 0);
        let found = said(&lines, "replication");
        assert!(
            found.starts_with(
                "alert a standby, hot_standby_feedback off, max_standby_streaming_delay 30s"
            ),
            "{found}"
        );
        assert!(
            said(&lines, "tables")
                .starts_with("alert erp.public.quick: unlogged; a standby can't read it")
        );
        let found =
            said(&doctor(&space(&standby, "postgres", "", "vacuum \"db\""), 1), "replication");
        assert!(
            found.starts_with("error a standby: nothing can be written to it Name the primary"),
            "{found}"
        );
    }
}

#[test]
fn what_a_vacuum_needs_is_asked_for_and_is_enough() {
    for version in Pg::ALL {
        let server = version.setup().scram(PASSWORD).start();
        furnish(&server);
        let space = space(&server, "exact one", "", "vacuum \"db\"");
        let needed = grants(&doctor(&space, 1));
        // Before PostgreSQL 17 only the owner may, here a superuser: nobody is advised to be one.
        let (role, code): (&[&str], i32) =
            if version == Pg::V15 { (&[], 2) } else { (&["pg_maintain"], 0) };
        let expected = ["CREATE ON SCHEMA public", "USAGE ON SCHEMA closed"];
        let expected = expected.iter().chain(role);
        let expected = expected.map(|what| format!("GRANT {what} TO \"exact one\";"));
        assert_eq!(needed, expected.collect());
        let printed = space.run(&["doctor", "job.kdl", "--sql"]).expect(1).stdout;
        let printed = printed.lines().filter(|line| !line.starts_with("-- "));
        assert_eq!(printed.map(str::to_owned).collect::<BTreeSet<_>>(), needed);
        needed.iter().for_each(|sql| server.sql("erp", sql));
        assert_eq!(grants(&doctor(&space, 0)), BTreeSet::new());
        let problems = space.run(&["doctor", "job.kdl", "--problems"]).expect(0).stdout;
        assert!(!problems.lines().any(|line| line.starts_with("ok ")), "{problems}");
        space.run(&["run", "job.kdl", "--strict"]).expect(code);
    }
}

#[test]
fn a_server_that_is_down_and_a_database_that_is_closed_are_lines_of_their_own() {
    let server = Pg::V17.setup().scram(PASSWORD).hba("host erp all all reject").start();
    furnish(&server);
    let lines = doctor(&space(&server, "exact one", "", DUMP), 1);
    assert!(
        said(&lines, "database erp").starts_with("error pg_hba.conf rejects connection"),
        "{lines:?}"
    );
    assert!(said(&lines, "version").starts_with("ok PostgreSQL 17."));
    let mut server = server;
    server.stop();
    let lines = doctor(&space(&server, "exact one", "", DUMP), 1);
    assert!(said(&lines, "connection").starts_with("error unable to"), "{lines:?}");
}
