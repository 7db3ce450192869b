//! Frozen artifacts of PostgreSQL: dumps, archives of `pg_dump`, and the files of clusters.

use std::process::Command;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::word;
use crate::format::frozen::thaw::{Frozen, answers, feed, same};
use crate::postgres::physical::{Restored, bring_to, open_folder, site};

/// Roles that a dump names and does not hold.
const ROLES: &str = "CREATE ROLE clerk LOGIN; CREATE ROLE office";

/// How a database is made that `vex export` does not make.
const EMPTY: [(&str, &str); 2] =
    [("erp", ""), ("hr", "TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'")];

/// `psql`, as the questions were asked.
fn psql(mut command: Command) -> Command {
    command.args(["-XAq", "-v", "ON_ERROR_STOP=1"]);
    command
}

/// Restores a dump into a new server, with roles of its own or with these.
#[track_caller]
fn dump(folder: &'static str) -> (Frozen, PgServer) {
    let frozen = Frozen::thaw(folder);
    frozen.lists_and_verifies();
    let server = Pg::V15.start(&[]);
    let url = server.url();
    if frozen.has("accounts.sql") {
        frozen.restores(&["--accounts", "--into", &url]);
        let said = answers(psql(server.command("psql")), &frozen, "accounts.sql");
        same(&said, &frozen, "accounts.txt");
    } else {
        server.sql("postgres", ROLES);
        frozen.restores(&["--into", &url]);
    }
    same(&answers(psql(server.command("psql")), &frozen, "ask.sql"), &frozen, "rows.txt");
    (frozen, server)
}

/// Replaces databases by their SQL, which the client program reads.
#[track_caller]
fn export(frozen: &Frozen, server: &PgServer, databases: &[(&str, &str)]) {
    for (name, how) in databases {
        server.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
        server.sql("postgres", &format!("CREATE DATABASE {name} {how}"));
        let mut client = psql(server.command("psql"));
        client.args(["-d", name]);
        feed(client, &frozen.exports(&["--only", name]));
    }
    same(&answers(psql(server.command("psql")), frozen, "ask.sql"), frozen, "rows.txt");
}

#[test]
fn format_3_of_postgresql_comes_back() {
    let (frozen, server) = dump("v3-postgres");
    export(&frozen, &server, &EMPTY);
}

#[test]
fn format_4_of_postgresql_comes_back() {
    let (frozen, server) = dump("v4-postgres");
    export(&frozen, &server, &EMPTY);
}

#[test]
fn format_3_of_pg_dump_comes_back() {
    let (frozen, server) = dump("v3-pg-plain");
    export(&frozen, &server, &EMPTY[..1]);
    for folder in ["v3-pg-custom", "v3-pg-directory"] {
        let (frozen, _) = dump(folder);
        // An archive is no SQL.
        frozen.space.run(&["export", "job.kdl", "--sql", "out.sql"]).expect(1);
        assert!(!frozen.has("out.sql"));
    }
}

/// What a restored cluster answers.
#[track_caller]
fn asked(restored: &Restored, version: Pg, frozen: &Frozen) -> String {
    let mut client = Command::new(version.bin("psql"));
    client.env("PGHOST", &restored.socket).env("PGPORT", restored.port.to_string());
    client.env("PGUSER", "postgres");
    answers(psql(client), frozen, "ask.sql")
}

#[test]
fn clusters_come_back_with_their_tablespaces_and_configuration() {
    cluster("v3-physical");
    cluster("v4-physical");
}

#[track_caller]
fn cluster(frozen: &'static str) {
    let frozen = Frozen::thaw(frozen);
    site(&frozen.space, &Pg::V15.programs());
    frozen.lists_and_verifies();
    let folder = open_folder();
    let map = format!("/var/lib/postgresql/fast={}", folder.path().join("fast").display());
    let data = folder.path().join("data");
    let (restored, _) = bring_to(&frozen.space, Pg::V15, &data, &["--tablespace", &map]);
    same(&asked(&restored, Pg::V15, &frozen), &frozen, "rows.txt");
    restored.amcheck();
}

#[test]
fn format_3_of_a_cluster_and_an_increment_comes_back() {
    let frozen = Frozen::thaw("v3-physical-chain");
    site(&frozen.space, &Pg::V17.programs());
    let listed = frozen.lists_and_verifies();
    let folder = open_folder();
    for (number, expected) in [(1, "rows.txt"), (0, "older.txt")] {
        let data = folder.path().join(format!("data{number}"));
        let more = ["--backup", word(&listed[number], "id")];
        let more = if number == 1 { &[][..] } else { &more[..] };
        let (restored, _) = bring_to(&frozen.space, Pg::V17, &data, more);
        same(&asked(&restored, Pg::V17, &frozen), &frozen, expected);
        restored.amcheck();
    }
}
