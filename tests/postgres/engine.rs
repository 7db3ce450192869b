//! `pg_dump` in vex's place: each of its forms on real servers, and what it must not get away with.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space, files};
use crate::postgres::end_to_end::{ROLES, assert_same, dumped, job, zoo};

const FORMS: [&str; 3] = ["custom", "directory", "plain"];

fn engine(form: &str) -> String {
    format!("engine=\"pg_dump\" format=\"{form}\" chunk=\"256KiB\"")
}

fn back_up(server: &PgServer, source: &str, form: &str) -> Space {
    let space = Space::new().job(&job(server, source, &engine(form)));
    space.back_up();
    space
}

fn zip(space: &Space) -> PathBuf {
    files(&space.path("disk"))
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "zip"))
        .unwrap()
}

fn restore(space: &Space, target: &PgServer, arguments: &[&str], code: i32) -> Ran {
    space.run(&[&["restore", "job.kdl", "--into", &target.url()], arguments].concat()).expect(code)
}

/// Whether nothing is left where programs stage.
fn is_swept(space: &Space) -> bool {
    files(&space.state("staging")).is_empty()
}

#[test]
fn each_form_comes_back_as_pg_dump_sees_it() {
    for version in Pg::ALL {
        let source = zoo(version);
        let expected = dumped(&source, "zoo");
        for form in FORMS {
            let space = back_up(&source, "databases \"zoo\"", form);
            let target = version.start(&["wal_level=logical"]);
            target.sql("postgres", ROLES);
            restore(&space, &target, &[], 0);
            assert_same(&dumped(&target, "zoo"), &expected);
            let own = "SELECT datcollate || pg_catalog.shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'zoo'";
            assert_eq!(target.value("postgres", own), source.value("postgres", own), "{form}");
            assert!(is_swept(&space), "{form}");
            let again = restore(&space, &target, &[], 1);
            assert!(
                again.stderr.contains("table zoo.zoo."),
                "what exists is not replaced: {}",
                again.stderr
            );
            restore(&space, &target, &["--as", "other"], 0);
            assert_same(&dumped(&target, "other"), &expected);
        }
    }
}

#[test]
fn what_a_newer_server_wrote_comes_back_to_an_older_one_and_what_it_does_not_know_is_told() {
    let source = Pg::V17.start(&[]);
    source.sql(
        "postgres",
        "CREATE TABLE t AS SELECT g AS id, 'x' AS v FROM generate_series(1, 1000) g",
    );
    for form in FORMS {
        let space = back_up(&source, "databases \"postgres\"", form);
        let target = Pg::V15.start(&[]);
        let ran = restore(&space, &target, &["--as", "older"], 0);
        assert!(
            ran.stdout.contains("passed over: SET transaction_timeout"),
            "{form}: {}",
            ran.stdout
        );
        assert_eq!(target.value("older", "SELECT count(*) FROM t").as_deref(), Some("1000"));
    }
}

#[test]
fn plain_sql_comes_back_without_vex_and_by_export() {
    for version in Pg::ALL {
        let source = zoo(version);
        let space = back_up(&source, "databases \"zoo\"", "plain");
        let target = version.start(&["wal_level=logical"]);
        target.sql("postgres", ROLES);
        let script = Command::new("7zz")
            .args(["x", "-so", "-r"])
            .arg(zip(&space))
            .arg("*.sql")
            .output()
            .unwrap()
            .stdout;
        space.run(&["export", "job.kdl", "--sql", "out.sql"]).expect(0);
        assert!(fs::read(space.path("out.sql")).unwrap() == script);
        for name in ["piped", "exported"] {
            target.run("createdb", &[name]);
        }
        let file = space.path("out.sql");
        target.run(
            "psql",
            &["-q", "-v", "ON_ERROR_STOP=1", "-d", "exported", "-f", file.to_str().unwrap()],
        );
        let mut psql = target.command("psql");
        psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", "piped"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut psql = psql.spawn().unwrap();
        psql.stdin.take().unwrap().write_all(&script).unwrap();
        assert!(psql.wait().unwrap().success());
        let expected = dumped(&source, "zoo");
        assert_same(&dumped(&target, "piped"), &expected);
        assert_same(&dumped(&target, "exported"), &expected);
    }
}

#[test]
fn an_archive_in_the_zip_is_the_one_that_pg_restore_reads() {
    let source = zoo(Pg::V17);
    let space = back_up(&source, "databases \"zoo\"", "custom");
    let archive = Command::new("7zz")
        .args(["x", "-so", "-r"])
        .arg(zip(&space))
        .arg("zoo/zoo.dump.*")
        .output()
        .unwrap();
    let manifest = crate::common::artifact::manifest(&zip(&space));
    assert_eq!(manifest["format"], 4);
    assert!(
        manifest["not_included"].to_string().contains("content proof"),
        "{}",
        manifest["not_included"]
    );
    assert!(archive.stdout.starts_with(b"PGDMP"));
    let refused = space.run(&["export", "job.kdl", "--sql", "out.sql"]).expect(1);
    assert!(refused.stderr.contains("vex restore"), "{}", refused.stderr);
}

/// What `README.txt` says must be done, one database after the other, by somebody who has no vex.
#[test]
fn the_commands_in_an_archive_bring_its_databases_back() {
    let source = Pg::V15.start(&[]);
    let filled = "CREATE TABLE t AS SELECT g AS id, md5(g::text) || md5(random()::text) AS v FROM generate_series(1, 20000) g;
        CREATE INDEX ON t (v); SELECT lo_from_bytea(4711, 'large')";
    let all = "SELECT md5(string_agg(id || v, ',' ORDER BY id)) || (SELECT lo_get(4711)) FROM t";
    for name in ["one", "two"] {
        source.run("createdb", &[name]);
        source.sql(name, filled);
    }
    for names in [&["one"][..], &["one", "two"]] {
        for how in ["", &engine("custom"), &engine("directory"), &engine("plain")] {
            let databases = format!("databases \"{}\"", names.join("\" \""));
            let space = Space::new().job(&job(&source, &databases, how));
            space.back_up();
            let (zip, alone) = (zip(&space), Space::new());
            fs::copy(&zip, alone.path(zip.file_name().unwrap().to_str().unwrap())).unwrap();
            std::os::unix::fs::symlink("/usr/bin/7zz", alone.path("7z")).unwrap();
            let text =
                Command::new("7zz").args(["x", "-so", "-spd"]).arg(&zip).arg("README.txt").output();
            let text = String::from_utf8(text.unwrap().stdout).unwrap();
            let commands = text.lines().filter_map(|line| line.strip_prefix("    "));
            let commands: Vec<&str> = commands.filter(|c| !c.starts_with("vex ")).collect();
            let target = Pg::V15.start(&[]);
            for name in names {
                target.run("createdb", &[name]);
                let script = commands.join("\n").replace("DATABASE", name).replace("NEW", name);
                let mut shell = Command::new("sh");
                shell.env("PGHOST", &target.socket).env("PGPORT", target.port.to_string());
                shell.env("PGUSER", "postgres").stdin(Stdio::null());
                let path = std::env::var("PATH").unwrap();
                let programs = source.version.programs();
                let path = format!("{}:{}:{path}", alone.path("").display(), programs.display());
                shell.args(["-ec", &script]).current_dir(alone.path("")).env("PATH", path);
                let output = shell.output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success() && !said.contains("ERROR"), "{script}: {said}");
                assert_eq!(target.value(name, all), source.value(name, all), "{how} {script}");
            }
        }
    }
}

#[test]
fn what_the_job_leaves_out_is_left_out_whatever_it_is_called() {
    let source = Pg::V17.start(&[]);
    source.sql(
        "postgres",
        "CREATE TABLE kept (a int); INSERT INTO kept VALUES (1); CREATE TABLE \"k*\" (a int); CREATE TABLE \"K.\"\"x\" (a int); \
         CREATE TABLE bare (a int); INSERT INTO bare VALUES (1); CREATE SCHEMA \"s|?\"; CREATE TABLE \"s|?\".t (a int); \
         CREATE SCHEMA s; CREATE TABLE s.t (a int); INSERT INTO s.t VALUES (1)",
    );
    let filter = "databases \"postgres\"; exclude \"postgres.public.k\\\\*\" \"postgres.public.K.*\" \"postgres.s|\\\\?\"; \
                  tables \"postgres.public.kept\" \"postgres.s.*\"";
    for form in FORMS {
        let space = back_up(&source, filter, form);
        let target = Pg::V17.start(&[]);
        restore(&space, &target, &["--as", "some"], 0);
        let names = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text !~ '^(pg_|information)'";
        assert_eq!(target.value("some", names).as_deref(), Some("bare kept t"), "{form}");
        let count = "SELECT (SELECT count(*) FROM kept) || ' ' || (SELECT count(*) FROM bare) || ' ' || (SELECT count(*) FROM s.t)";
        assert_eq!(target.value("some", count).as_deref(), Some("1 0 1"), "{form}");
    }
}

#[test]
fn a_role_that_is_not_there_is_a_difference_and_everything_else_comes_back() {
    let source = Pg::V15.start(&[]);
    source.sql(
        "postgres",
        "CREATE ROLE gone; CREATE TABLE t (a int); ALTER TABLE t OWNER TO gone; INSERT INTO t VALUES (7)",
    );
    for form in FORMS {
        let space = back_up(&source, "databases \"postgres\"", form);
        let target = Pg::V15.start(&[]);
        let ran = restore(&space, &target, &["--as", "without"], 65);
        assert!(ran.stdout.contains("role \"gone\" does not exist"), "{form}: {}", ran.stdout);
        assert_eq!(target.value("without", "SELECT a FROM t").as_deref(), Some("7"), "{form}");
        restore(&space, &target, &["--as", "mine", "--definer", "current"], 0);
        assert_eq!(target.value("mine", "SELECT a FROM t").as_deref(), Some("7"), "{form}");
    }
}

/// A folder with a `pg_dump` that is a script; in it `real` runs the real one.
fn before(space: &Space, version: Pg, script: &str) -> PathBuf {
    let folder = space.path("tools");
    fs::create_dir_all(&folder).unwrap();
    let real = version.bin("pg_dump");
    let text = format!(
        "#!/bin/bash\nreal() {{ '{}' \"$@\"; }}\n[ \"$1\" = --version ] && {{ real --version; exit; }}\n{script}\n",
        real.display()
    );
    fs::write(folder.join("pg_dump"), text).unwrap();
    std::os::unix::fs::symlink(version.bin("pg_restore"), folder.join("pg_restore")).unwrap();
    fs::set_permissions(folder.join("pg_dump"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn with_tools(server: &PgServer, form: &str, script: &str) -> Space {
    let space = Space::new();
    let folder = before(&space, server.version, script);
    let own = server.version.programs().display().to_string();
    let text = job(server, "databases \"postgres\"", &engine(form))
        .replace(&own, &folder.display().to_string());
    space.job(&text)
}

#[test]
fn a_program_that_fails_or_warns_or_stops_short_is_no_success() {
    let server = Pg::V17.start(&[]);
    server.sql("postgres", "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g");
    for form in FORMS {
        for (script, code, said) in [
            (
                "real \"$@\"; echo 'pg_dump: warning: x y' >&2",
                2,
                "pg_dump warned: pg_dump: warning: x y",
            ),
            ("real \"$@\"; echo 'pg_dump: error: all is lost' >&2", 1, "all is lost"),
            ("real \"$@\"; exit 3", 1, "ended with code 3"),
        ] {
            let space = with_tools(&server, form, script);
            let ran = space.run(&["run", "job.kdl", "--strict"]).expect(code);
            assert!(ran.stderr.contains(said), "{form} {script}: {}", ran.stderr);
            assert_eq!(files(&space.path("disk")).is_empty(), code == 1, "{form} {script}");
            assert!(is_swept(&space));
        }
    }
    let space = with_tools(
        &server,
        "plain",
        "case \"$*\" in *plain*) real \"$@\" | head -c 2000;; *) real \"$@\";; esac",
    );
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(ran.stderr.contains("ends inside of a statement"), "{}", ran.stderr);
}

#[test]
fn a_table_that_is_emptied_before_the_lock_is_never_an_empty_table() {
    let server = Pg::V17.start(&[]);
    server.sql("postgres", "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g");
    for form in FORMS {
        // pg_dump itself would take its snapshot here, and find nothing.
        let psql = server.version.bin("psql");
        let script = format!(
            "PGOPTIONS='-c lock_timeout=200' PGHOST=127.0.0.1 PGPORT={} '{}' -U postgres -XAtqc 'TRUNCATE t' >&2 2>/dev/null\nreal \"$@\"",
            server.port,
            psql.display()
        );
        let space = with_tools(&server, form, &script);
        space.run(&["run", "job.kdl"]);
        let target = Pg::V17.start(&[]);
        restore(&space, &target, &["--as", "back"], 0);
        assert_eq!(
            target.value("back", "SELECT count(*) FROM t").as_deref(),
            Some("1000"),
            "{form}"
        );
    }
}

#[test]
fn the_password_stands_in_no_argument_and_no_log() {
    let server = Pg::V17.setup().scram("CANARY-engine").start();
    server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS a");
    for form in FORMS {
        let space = with_tools(
            &server,
            form,
            "echo \"$@\" >&2; echo \"pass $PGPASSWORD\" >&2; real \"$@\"",
        );
        let text = fs::read_to_string(space.path("job.kdl")).unwrap();
        let text =
            text.replace("databases \"postgres\"", "databases \"postgres\"; password (env)\"PW\"");
        let space = space.job(&text).env("PW", "CANARY-engine");
        let ran = space.run(&["run", "job.kdl"]).expect(0);
        let all: String =
            files(&space.state("logs")).iter().map(|p| fs::read_to_string(p).unwrap()).collect();
        assert!(all.contains("pass ***") && all.contains("--no-password"), "{all}");
        for text in [&all, &ran.stdout, &ran.stderr] {
            assert!(!text.contains("CANARY-engine"), "{form}");
        }
        space.run(&["restore", "job.kdl", "--into", "db", "--as", form]).expect(0);
    }
}

#[test]
fn a_missing_or_older_program_is_named_before_any_work() {
    let server = Pg::V17.start(&[]);
    let text = job(&server, "databases \"postgres\"", &engine("custom"));
    let older = Pg::V15.programs().display().to_string();
    let without = text.replace(&server.version.programs().display().to_string(), &older);
    let space = Space::new().job(&without);
    for command in [&["run", "job.kdl"][..], &["doctor", "job.kdl"], &["plan", "job.kdl"]] {
        let ran = space.run(command).expect(1);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            told.contains("the server is PostgreSQL 17") && told.contains("pg_dump 15."),
            "{told}"
        );
    }
    assert!(!Path::new(&space.path("disk")).exists() || files(&space.path("disk")).is_empty());
    let space = Space::new().job(&text);
    let ran = space.run(&["doctor", "job.kdl"]);
    assert!(
        ran.stdout.contains("engine pg_dump") && ran.stdout.contains("pg_dump 17."),
        "{}",
        ran.stdout
    );
}

#[test]
fn several_databases_come_back_together_or_alone_and_a_drill_proves_them() {
    let server = Pg::V15.start(&[]);
    for name in ["one", "it's = two"] {
        server.run("createdb", &[name]);
        server.sql(name, "CREATE TABLE t AS SELECT 7 AS a");
    }
    for form in FORMS {
        let text = job(&server, "databases \"one\" \"it's*\"", &engine(form));
        let target = Pg::V15.setup().alone().start();
        let scratch = format!(
            "}}\n postgres \"scratch\" host=\"127.0.0.1\" port={} scratch=#true\n}}",
            target.port
        );
        let text = text
            .replacen("} }", &scratch, 1)
            .replace("verify \"disk\"", "verify \"disk\" into=\"scratch\"");
        let space = Space::new().job(&text);
        space.back_up();
        // Twice: what a drill left is replaced by the next one.
        space.back_up();
        let back = |name: &str| target.value(name, "SELECT a FROM t");
        assert_eq!(
            [back("one"), back("it's = two")],
            [Some("7".into()), Some("7".into())],
            "{form}"
        );
        restore(&space, &server, &["--only", "it's = two", "--as", &format!("new {form}")], 0);
        assert_eq!(server.value(&format!("new {form}"), "SELECT a FROM t").as_deref(), Some("7"));
        assert!(is_swept(&space));
    }
}
