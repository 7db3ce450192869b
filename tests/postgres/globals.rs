//! Roles, memberships, tablespaces and settings of PostgreSQL: restored when asked for, and a login
//! works afterwards.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use postgres::{Config, NoTls};

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Space, files};
use crate::postgres::end_to_end::job;

const LOGIN: &str = "CANARY-role-login";

const ROLES: &str = "CREATE ROLE team NOLOGIN; CREATE ROLE \"Odd \"\"TO x\" LOGIN CONNECTION LIMIT 7 VALID UNTIL '2031-01-01'; \
    CREATE ROLE app LOGIN PASSWORD 'CANARY-role-login'; COMMENT ON ROLE app IS 'it''s; an app'; GRANT team TO app WITH ADMIN OPTION; \
    GRANT team TO \"Odd \"\"TO x\" GRANTED BY app; GRANT pg_monitor TO team; ALTER ROLE app SET work_mem = '7MB'; \
    ALTER ROLE \"Odd \"\"TO x\" SET search_path = 'a', \"b c\"; GRANT SET ON PARAMETER log_duration TO team";

const TABLE: &str =
    "CREATE TABLE t AS SELECT 1 AS a; ALTER TABLE t OWNER TO app; GRANT SELECT ON t TO team";

/// A server with roles, and a database `shop`.
fn furnished(version: Pg) -> PgServer {
    let server = version.setup().scram("CANARY-postgres").start();
    server.sql("postgres", ROLES);
    server.run("createdb", &["shop"]);
    server.sql("shop", TABLE);
    server
}

fn space(server: &PgServer, source: &str, dump: &str) -> Space {
    let source = format!("databases \"shop\"; globals #true; {source}");
    let text =
        job(server, &source, dump).replace("{ send", "{ archive { password (env)\"SEAL\" }; send");
    Space::new()
        .job(&text)
        .env("SEAL", "CANARY-seal")
        .env("PW", "CANARY-postgres")
        .env("APP", LOGIN)
}

/// All globals as pg_dumpall shows them, hashes included.
fn globals(server: &PgServer) -> Vec<String> {
    let text = server.run("pg_dumpall", &["--globals-only"]);
    let own = |l: &&str| {
        !l.starts_with("--")
            && !l.contains("restrict ")
            && !l.contains(" postgres;")
            && !l.contains(" postgres WITH")
    };
    text.lines().filter(own).map(str::to_owned).collect()
}

fn logs_in(server: &PgServer) -> bool {
    let mut config = Config::new();
    config.host("127.0.0.1").port(server.port).user("app").password(LOGIN).dbname("shop");
    let Ok(mut client) = config.connect(NoTls) else { return false };
    let setting: String =
        client.query_one("SELECT current_setting('work_mem')", &[]).unwrap().get(0);
    setting == "7MB" && client.query_one("SELECT a FROM t", &[]).is_ok()
}

/// Restores into another server; nothing that is said holds a secret.
fn restore(space: &Space, target: &PgServer, arguments: &[&str], code: i32) -> String {
    let url = target.url();
    let all = [&["restore", "job.kdl", "--into", &url, "--password-env", "PW"], arguments].concat();
    let ran = space.run(&all).expect(code);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!told.contains("CANARY") && !told.contains("SCRAM-SHA"), "{told}");
    told
}

#[test]
fn roles_come_back_as_they_were_with_either_engine_and_only_when_asked_for() {
    for version in Pg::ALL {
        let source = furnished(version);
        let before = globals(&source);
        for dump in ["", "engine=\"pg_dump\""] {
            let space = space(&source, "password (env)\"PW\"", dump);
            space.run(&["check", "job.kdl", "--strict"]).expect(0);
            let ran = space.run(&["run", "job.kdl", "--strict"]).expect(0);
            let logs: String = files(&space.state("logs"))
                .iter()
                .map(|p| fs::read_to_string(p).unwrap())
                .collect();
            assert!(!format!("{logs}{}{}", ran.stdout, ran.stderr).contains("SCRAM-SHA"));
            let target = version.setup().scram("CANARY-postgres").start();
            let told = restore(&space, &target, &["--as", "plain", "--definer", "current"], 65);
            assert!(
                told.contains("! leaves out") && told.contains("role \"team\" does not exist"),
                "{told}"
            );
            target.run("dropdb", &["plain"]);
            restore(&space, &target, &["--accounts"], 0);
            assert_eq!(globals(&target), before, "{dump}");
            assert!(logs_in(&target), "{dump}");
        }
    }
}

#[test]
fn a_role_that_exists_is_kept_or_replaced_as_it_was_said_and_the_connected_one_is_always_kept() {
    let source = furnished(Pg::V17);
    let before = globals(&source);
    let space = space(&source, "password (env)\"PW\"", "");
    space.run(&["run", "job.kdl", "--strict"]).expect(0);
    let target = Pg::V17.setup().scram("CANARY-postgres").start();
    target.sql(
        "postgres",
        "CREATE ROLE app NOLOGIN CREATEDB PASSWORD 'other'; ALTER ROLE app SET enable_sort = off",
    );
    let own = "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'";
    let mine = target.value("postgres", own);
    assert_ne!(mine, source.value("postgres", own), "a hash has salt");
    // What the kept role gave to others it never had here.
    let told = restore(&space, &target, &["--accounts"], 65);
    assert!(told.contains("The grantor must have the ADMIN option on role \"team\""), "{told}");
    let kept = globals(&target);
    assert!(
        kept.iter().any(|l| l.starts_with("ALTER ROLE app WITH") && l.contains(" NOLOGIN ")),
        "{kept:?}"
    );
    assert!(!kept.iter().any(|l| l.starts_with("GRANT team TO app")), "what is kept gets nothing");
    restore(&space, &target, &["--accounts", "--overwrite"], 0);
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(globals(&target)), sorted(before));
    assert_eq!(target.value("postgres", own), mine);
}

#[test]
fn a_tablespace_comes_back_where_its_folder_is_and_is_told_where_not() {
    let source = Pg::V17.start(&[]);
    let folder = tempfile::Builder::new().prefix("vex-space-").tempdir().unwrap();
    let place = folder.path().join("data");
    let make = |owner: &PgServer| {
        fs::remove_dir_all(&place).unwrap_or_default();
        fs::create_dir(&place).unwrap();
        let data = fs::metadata(owner.data()).unwrap();
        chown(folder.path(), Some(data.uid()), Some(data.gid())).unwrap();
        chown(&place, Some(data.uid()), Some(data.gid())).unwrap();
    };
    make(&source);
    source.sql("postgres", "CREATE ROLE keeper");
    source.sql(
        "postgres",
        &format!("CREATE TABLESPACE \"fast disk\" OWNER keeper LOCATION '{}'", place.display()),
    );
    source.sql(
        "postgres",
        "COMMENT ON TABLESPACE \"fast disk\" IS 'x'; GRANT CREATE ON TABLESPACE \"fast disk\" TO PUBLIC",
    );
    source.run("createdb", &["shop"]);
    source.sql("shop", "CREATE TABLE there TABLESPACE \"fast disk\" AS SELECT 1 AS a");
    let space = space(&source, "", "");
    space.run(&["run", "job.kdl", "--strict"]).expect(0);
    let before = globals(&source);
    drop(source);
    let target = Pg::V17.start(&[]);
    make(&target);
    restore(&space, &target, &["--accounts"], 0);
    assert_eq!(globals(&target), before);
    drop(target);
    fs::remove_dir_all(&place).unwrap();
    let target = Pg::V17.start(&[]);
    let told = restore(&space, &target, &["--accounts", "--definer", "current"], 65);
    assert!(told.contains("tablespace"), "{told}");
    assert_eq!(target.value("shop", "SELECT a FROM there").as_deref(), Some("1"), "{told}");
}

#[test]
fn without_the_right_to_read_passwords_they_are_missing_and_that_is_an_alert() {
    let source = furnished(Pg::V17);
    let space = space(&source, "user \"app\"; password (env)\"APP\"", "");
    let ran = space.run(&["run", "job.kdl", "--strict"]).expect(2);
    assert!(ran.stderr.contains("passwords of roles"), "{}", ran.stderr);
    let target = Pg::V17.setup().scram("CANARY-postgres").start();
    let told = restore(&space, &target, &["--accounts"], 0);
    assert!(told.contains("! not included: passwords of roles"), "{told}");
    assert_eq!(
        target.value("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'"),
        None
    );
}
