//! `vex export`: one plain file that the client program of each database restores, or no file.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::artifact::entries;
use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Pg};
use crate::common::shop::{DATABASES, fill, open_shop};
use crate::common::space::{Space, contents, files, names, number};
use crate::postgres::end_to_end::{ROLES, assert_same, dumped, job, zoo};

const JOB: &str = "sources { sqlite \"app\" path=\"app.db\" }\nstores { dir \"d\" path=\"d\" { keep last=9 } }\n\
                   job \"j\" { dump \"app\" chunk=\"64KiB\" { archive { password (env)\"ZIP_PASSWORD\" }; send \"d\" } }\n";

/// A backup of a SQLite database of several chunks, sealed.
fn backed_up() -> Space {
    let space = Space::new().job(JOB).env("ZIP_PASSWORD", "CANARY-ZIP");
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE INDEX i ON t (v); WITH RECURSIVE n(i) AS (SELECT 1 \
               UNION ALL SELECT i+1 FROM n WHERE i < 4000) INSERT INTO t SELECT i, hex(randomblob(40)) FROM n;";
    space.database("app.db", sql);
    space.back_up();
    space
}

/// Feeds a file to a client program, which must be well.
fn feed(mut client: Command, file: &Path) {
    let output = client.stdin(Stdio::from(File::open(file).unwrap())).output().unwrap();
    assert!(output.status.success(), "{client:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_file_comes_back_by_exactly_the_documented_command() {
    for version in Pg::ALL {
        let source = zoo(version);
        source.run("createdb", &["other"]);
        let space =
            Space::new().job(&job(&source, "databases \"zoo\" \"other\"", "chunk=\"256KiB\""));
        space.back_up();
        let several = space.run(&["export", "job.kdl", "--sql", "out.sql"]).expect(1);
        assert!(
            several.stderr.contains("--only DB") && !space.path("out.sql").exists(),
            "{}",
            several.stderr
        );
        space
            .run(&["export", "job.kdl", "--only", "zoo", "--sql", "caminho_do_arquivo.sql"])
            .expect(0);
        let file = space.path("caminho_do_arquivo.sql");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let target = version.start(&["wal_level=logical"]);
        target.sql("postgres", ROLES);
        target.run("createdb", &["projeto_pratico_1"]);
        let file = file.to_str().unwrap();
        let documented =
            ["-U", "postgres", "-h", "localhost", "-d", "projeto_pratico_1", "-f", file];
        target.run("psql", &[&documented[..], &["-v", "ON_ERROR_STOP=1", "-q"]].concat());
        assert_same(&dumped(&target, "projeto_pratico_1"), &dumped(&source, "zoo"));
    }
}

#[test]
fn a_file_of_several_databases_comes_back_by_the_client_of_mariadb() {
    let source = open_shop(Brand::Mariadb);
    fill(&mut source.conn(), 700);
    let before = State::of(&mut source.conn(), &DATABASES);
    let text = format!(
        "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ inconsistent \"alert\"; databases \"shop\" \
         \"crm\" \"void\" }} }}\nstores {{ dir \"d\" path=\"d\" {{ keep last=9 }} }}\njob \"j\" {{ dump \"db\" \
         chunk=\"64KiB\" {{ send \"d\" }} }}\n",
        source.port
    );
    let space = Space::new().job(&text);
    space.back_up();
    space.run(&["export", "job.kdl", "db", "--sql", "all.sql"]).expect(0);
    let target = Brand::Mariadb.start(&[]);
    target.exec("CREATE USER 'shop keeper'@'localhost'");
    target.exec("GRANT ALL ON *.* TO 'shop keeper'@'localhost'");
    let mut client = Command::new(Brand::Mariadb.client());
    client.args([
        "--no-defaults",
        "--comments",
        "--protocol=tcp",
        "--host=127.0.0.1",
        "--user=root",
    ]);
    client.arg(format!("--port={}", target.port));
    feed(client, &space.path("all.sql"));
    State::of(&mut target.conn(), &DATABASES).assert_same(&before);
}

#[test]
fn the_shell_of_sqlite_makes_the_database_again_from_a_file_or_a_pipe() {
    let space = backed_up();
    space.run(&["export", "job.kdl", "--sql", "out.sql"]).expect(0);
    let written = fs::read(space.path("out.sql")).unwrap();
    let mut shell = Command::new("sqlite3");
    shell.arg("-bail").arg(space.path("new.db"));
    feed(shell, &space.path("out.sql"));
    assert_eq!(contents(&space.path("new.db")), contents(&space.path("app.db")));
    assert!(
        space.run(&["export", "job.kdl", "--sql", "-"]).expect(0).stdout.as_bytes() == written,
        "the same bytes"
    );
}

#[test]
fn what_is_there_is_replaced_only_with_overwrite_and_nothing_but_files() {
    let space = backed_up();
    fs::write(space.path("out.sql"), "mine").unwrap();
    let refused = space.run(&["export", "job.kdl", "--sql", "out.sql"]).expect(1);
    assert_eq!(
        refused.stderr,
        "unable to write out.sql: it exists. Name another, or replace it with --overwrite.\n",
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read(space.path("out.sql")).unwrap(), b"mine");
    space.run(&["export", "job.kdl", "--sql", "out.sql", "--overwrite"]).expect(0);
    assert!(fs::read(space.path("out.sql")).unwrap().len() > 100_000);
    space.run(&["export", "job.kdl", "--sql", "d", "--overwrite"]).expect(1);
    space.run(&["export", "job.kdl", "--sql", "nowhere/out.sql"]).expect(1);
}

#[test]
fn a_damaged_entry_is_named_and_leaves_no_file() {
    let space = backed_up();
    let zip = files(&space.path("d"))
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "zip"))
        .unwrap();
    let last = entries(&zip).into_iter().rfind(|e| e["rows"].is_object()).unwrap();
    let mut bytes = fs::read(&zip).unwrap();
    bytes[number(&last, "offset") + number(&last, "stored") / 2] ^= 1;
    fs::write(&zip, bytes).unwrap();
    let before = names(&space.path(""));
    let ran = space.run(&["export", "job.kdl", "--sql", "out.sql"]).expect(65);
    assert!(ran.stderr.contains(last["name"].as_str().unwrap()), "{}", ran.stderr);
    assert_eq!(names(&space.path("")), before);
}
