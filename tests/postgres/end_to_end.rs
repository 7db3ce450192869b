//! PostgreSQL, end to end: the binary dumps a real server and restores it; pg_dump says whether all
//! came back.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space, files};

/// Roles of the zoo.
pub const ROLES: &str =
    "CREATE ROLE zoo_reader; CREATE ROLE zoo_writer; CREATE ROLE \"zoo odd\"\"role\"";

/// A server with the zoo.
pub fn zoo(version: Pg) -> PgServer {
    let server = version.start(&["wal_level=logical"]);
    server.sql("postgres", ROLES);
    server.run("createdb", &["zoo"]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/zoo.sql");
    server.run("psql", &["-q", "-v", "ON_ERROR_STOP=1", "-d", "zoo", "-f", file]);
    server
}

/// All of a database as pg_dump writes it, but for what differs from call to call.
pub fn dumped(server: &PgServer, database: &str) -> Vec<String> {
    let text = server.run("pg_dump", &[database]);
    let differs = |l: &&str| !l.starts_with("\\restrict ") && !l.starts_with("\\unrestrict ");
    let mut lines: Vec<String> = text.lines().filter(differs).map(str::to_owned).collect();
    // Tables have no order.
    let mut end = 0;
    while let Some(from) =
        lines[end..].iter().position(|l| l.starts_with("COPY ") && l.ends_with(" FROM stdin;"))
    {
        let at = end + from + 1;
        end = at + lines[at..].iter().position(|l| l == "\\.").expect("rows have an end");
        lines[at..end].sort();
    }
    lines
}

/// Compares without printing megabytes.
pub fn assert_same(found: &[String], expected: &[String]) {
    let place = found.iter().zip(expected).position(|(a, b)| a != b);
    if let Some(at) =
        place.or_else(|| (found.len() != expected.len()).then(|| found.len().min(expected.len())))
    {
        let show = |lines: &[String]| {
            let near = lines.iter().skip(at.saturating_sub(8)).take(16);
            near.map(|l| l.chars().take(200).collect::<String>()).collect::<Vec<_>>().join("\n")
        };
        panic!("they differ at line {at}:\n{}\n--- expected:\n{}", show(found), show(expected));
    }
}

pub fn job(server: &PgServer, source: &str, dump: &str) -> String {
    format!(
        "sources {{ postgres \"db\" host=\"127.0.0.1\" port={} {{ {source} }} }}\nstores {{ dir \"disk\" path=\"disk\" {{ keep \
         last=3 }} }}\ntools {{ postgres \"{}\" }}\njob \"j\" {{ dump \"db\" {dump} {{ send \"disk\"; verify \"disk\" }} }}\n",
        server.port,
        server.version.programs().display()
    )
}

pub fn back_up(server: &PgServer, source: &str, dump: &str) -> (Space, Ran) {
    let space = Space::new().job(&job(server, source, dump));
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    (space, ran)
}

#[test]
fn the_zoo_comes_back_as_pg_dump_sees_it() {
    for version in Pg::ALL {
        let source = zoo(version);
        let expected = dumped(&source, "zoo");
        let (space, _) = back_up(&source, "databases \"zoo\"", "chunk=\"256KiB\"");
        let target = version.start(&["wal_level=logical"]);
        target.sql("postgres", ROLES);
        let ran = space.run(&["restore", "job.kdl", "--into", &target.url()]).expect(0);
        assert_same(&dumped(&target, "zoo"), &expected);
        assert_same(&dumped(&source, "zoo"), &expected);
        let said = ran
            .stdout
            .lines()
            .filter(|l| l.starts_with("kept") || l.starts_with("left out"))
            .count();
        assert_eq!(said, 0, "{}", ran.stdout);
        // The database's own settings, rights and comment.
        let own = |server: &PgServer| {
            let text = server.run("pg_dump", &["--create", "--schema-only", "zoo"]);
            let about = |l: &&str| l.contains("DATABASE");
            text.lines().filter(about).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(own(&target), own(&source));
    }
}

#[test]
fn seven_zip_and_psql_bring_the_zoo_back_without_vex() {
    for version in Pg::ALL {
        let source = zoo(version);
        let (space, _) = back_up(&source, "databases \"zoo\"", "");
        let zip = files(&space.path("disk"))
            .into_iter()
            .find(|p| p.extension().is_some_and(|e| e == "zip"))
            .unwrap();
        let target = version.start(&["wal_level=logical"]);
        target.sql("postgres", ROLES);
        target.run("createdb", &["zoo"]);
        let script =
            Command::new("7zz").args(["x", "-so", "-r"]).arg(zip).arg("*.sql").output().unwrap();
        assert!(script.status.success());
        let mut psql = target.command("psql");
        psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", "zoo"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut psql = psql.spawn().unwrap();
        psql.stdin.take().unwrap().write_all(&script.stdout).unwrap();
        assert!(psql.wait().unwrap().success());
        assert_same(&dumped(&target, "zoo"), &dumped(&source, "zoo"));
    }
}
