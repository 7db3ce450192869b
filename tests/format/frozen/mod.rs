//! Artifacts of every format that vex ever wrote: made by the binary of their time, kept for ever.
//!
//! Each folder beside this file is one; `README.md` says how it was made. Tests work on copies, and
//! compare with what the database's own client said when it was made. What is frozen is never
//! edited: `SHA256SUMS` holds every file.

mod catalog;
mod postgres;
mod thaw;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::common::servers::{Brand, Server};
use crate::common::space::{Space, files, names, word};
use crate::format::frozen::thaw::{Frozen, SEAL, answers, feed, same};
use crate::oracle::bench::ctl;

/// The folder of all of them.
fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen")
}

/// SQLite's shell, on a file.
fn shell(file: &Path) -> Command {
    let mut command = Command::new("sqlite3");
    command.args(["-bail", "-batch", "-csv", "-header"]).arg(file);
    command
}

/// The client program of a server.
fn client(server: &Server) -> Command {
    let mut command = Command::new(server.brand.client());
    command.args(["--no-defaults", "--binary-mode", "--comments", "--batch", "--protocol=tcp"]);
    command.args(["--host=127.0.0.1", "--user=root"]).arg(format!("--port={}", server.port));
    command
}

/// A SQLite database comes back as its file and as its SQL.
#[track_caller]
fn sqlite(folder: &'static str) {
    let frozen = Frozen::thaw(folder);
    let listed = frozen.lists_and_verifies();
    for (number, line) in listed.iter().enumerate() {
        let file = frozen.space.path(&format!("{number}.db"));
        let into = format!("sqlite:{}", file.display());
        frozen.restores(&["--backup", word(line, "id"), "--into", &into]);
        let expected = if number + 1 == listed.len() { "rows.txt" } else { "older.txt" };
        same(&answers(shell(&file), &frozen, "ask.sql"), &frozen, expected);
    }
    frozen.restores(&["--into", "sqlite:latest.db"]);
    same(&answers(shell(&frozen.space.path("latest.db")), &frozen, "ask.sql"), &frozen, "rows.txt");
    let made = frozen.space.path("sql.db");
    feed(shell(&made), &frozen.exports(&[]));
    same(&answers(shell(&made), &frozen, "ask.sql"), &frozen, "rows.txt");
}

/// Databases of a MySQL or MariaDB server come back over the wire, and by the client program.
#[track_caller]
fn mysql(folder: &'static str, brand: Brand, databases: &[&str]) {
    let frozen = Frozen::thaw(folder);
    frozen.lists_and_verifies();
    let server = brand.start(&[]);
    let accounts = frozen.has("accounts.sql");
    let into = format!("mysql://root@127.0.0.1:{}", server.port);
    let more: &[&str] = if accounts { &["--accounts"] } else { &[] };
    frozen.restores(&[&["--into", &into], more].concat());
    same(&answers(client(&server), &frozen, "ask.sql"), &frozen, "rows.txt");
    if accounts {
        same(&answers(client(&server), &frozen, "accounts.sql"), &frozen, "accounts.txt");
    }
    databases.iter().for_each(|name| server.exec(&format!("DROP DATABASE {name}")));
    feed(client(&server), &frozen.exports(&[]));
    same(&answers(client(&server), &frozen, "ask.sql"), &frozen, "rows.txt");
}

#[test]
fn format_1_of_sqlite_comes_back() {
    sqlite("v1-sqlite");
    sqlite("v1-sqlite-sealed");
    sqlite("v1-sqlite-deflate");
    sqlite("v1-sqlite-dated");
}

#[test]
fn format_1_of_mysql_comes_back() {
    mysql("v1-mysql", Brand::Mysql9, &["shop", "crm"]);
}

#[test]
fn format_1_of_mariadb_comes_back() {
    mysql("v1-mariadb", Brand::Mariadb, &["shop", "crm"]);
}

#[test]
fn format_1_of_dump_programs_comes_back() {
    mysql("v1-mydumper", Brand::Mariadb, &["shop", "crm"]);
    mysql("v1-mysqldump", Brand::Mysql9, &["shop", "crm"]);
}

#[test]
fn format_2_comes_back_with_its_accounts() {
    mysql("v2-mysql-accounts", Brand::Mysql9, &["shop"]);
    mysql("v2-mariadb-accounts", Brand::Mariadb, &["shop"]);
}

#[test]
fn format_4_comes_back_of_every_source() {
    sqlite("v4-sqlite");
    sqlite("v4-sqlite-sealed");
    mysql("v4-mysql-accounts", Brand::Mysql9, &["shop"]);
    mysql("v4-mariadb-accounts", Brand::Mariadb, &["shop"]);
}

#[test]
fn format_4_of_rman_comes_back_in_both_modes() {
    let frozen = Frozen::thaw("v4-rman");
    frozen.lists_and_verifies();
    let home = frozen.space.path("oh");
    fs::create_dir_all(&home).unwrap();
    ctl(&home, &["create", "1234567890", "1754100000"]);
    for mode in ["FULL", "INCREMENTAL"] {
        ctl(&home, &["lose"]);
        frozen.restores(&["--mode", mode]);
        assert_eq!(ctl(&home, &["rows"]), frozen.text("rows.txt"), "{mode}");
    }
}

#[test]
fn a_bad_proof_of_format_1_counts_and_the_older_backup_comes_back() {
    let frozen = Frozen::thaw("v1-damaged");
    let (space, listed) = (&frozen.space, frozen.lists());
    let proofs: Vec<&str> = listed.iter().map(|line| word(line, "proof")).collect();
    assert_eq!(proofs, ["read", "damaged"]);
    let [older, newest] = [0, 1].map(|number| word(&listed[number], "id"));
    space.run(&["verify", "job.kdl", "--backup", older]).expect(0);
    space.run(&["verify", "job.kdl", "--backup", newest]).expect(65);
    let words = ["restore", "job.kdl", "--into", "sqlite:back.db"];
    let ran = space.run(&[&words[..], &["--backup", newest]].concat()).expect(65);
    assert!(ran.stderr.contains(older), "{}", ran.stderr);
    let ran = space.run(&words).expect(0);
    assert!(ran.stderr.contains("it was found damaged"), "{}", ran.stderr);
    let back = space.path("back.db");
    same(&answers(shell(&back), &frozen, "ask.sql"), &frozen, "older.txt");
}

#[test]
fn a_lone_container_of_format_1_is_enough() {
    let frozen = Frozen::thaw("v1-lone");
    let space = &frozen.space;
    space.run(&["verify", "--from", "moved.zip"]).expect(0);
    space.run(&["restore", "--from", "moved.zip", "--into", "sqlite:back.db"]).expect(0);
    same(&answers(shell(&space.path("back.db")), &frozen, "ask.sql"), &frozen, "rows.txt");
    space.run(&["export", "--from", "moved.zip", "--sql", "out.sql"]).expect(0);
    feed(shell(&space.path("sql.db")), &space.path("out.sql"));
    same(&answers(shell(&space.path("sql.db")), &frozen, "ask.sql"), &frozen, "rows.txt");
}

#[test]
fn a_container_of_any_format_gives_the_same_alone_as_in_its_store() {
    for (folder, only) in [
        ("v1-sqlite-sealed", &[][..]),
        ("v1-mysql", &[]),
        ("v1-mydumper", &[]),
        ("v2-mysql-accounts", &[]),
        ("v3-postgres", &["--only", "erp"]),
        ("v3-pg-plain", &[]),
        ("v4-sqlite-sealed", &[]),
        ("v4-mysql-accounts", &[]),
        ("v4-postgres", &["--only", "erp"]),
    ] {
        let frozen = Frozen::thaw(folder);
        let alone = Space::new().env("SEAL", SEAL);
        fs::copy(frozen.container(), alone.path("alone.zip")).unwrap();
        let words = ["export", "--from", "alone.zip", "--sql", "out.sql"];
        let sealed = ["--archive-password-env", "SEAL"];
        let seal = if frozen.text("job.kdl").contains("FROZEN_SEAL") { &sealed[..] } else { &[] };
        alone.run(&[&words[..], only, seal].concat()).expect(0);
        let expected = fs::read(frozen.exports(only)).unwrap();
        assert!(fs::read(alone.path("out.sql")).unwrap() == expected, "{folder}: other bytes");
    }
}

/// No code of vex: `schema/artifact.md` is enough for every source, sealed or not.
#[test]
fn a_stranger_reads_every_artifact_of_format_4() {
    let reader = home().with_file_name("independent_reader.py");
    let of_format_4 = |path: &PathBuf| path.to_str().unwrap().contains("/frozen/v4-");
    let all: Vec<PathBuf> = files(&home()).into_iter().filter(of_format_4).collect();
    let mut read = 0;
    for container in all.iter().filter(|path| path.extension().is_some_and(|e| e == "zip")) {
        let mut python = Command::new("python3");
        let output = python.arg(&reader).arg(container).env("SEAL", SEAL).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}", container.display());
        read += 1;
    }
    assert!(read >= 7, "{read}");
}

#[test]
fn what_is_frozen_is_tested() {
    let code =
        concat!(include_str!("mod.rs"), include_str!("catalog.rs"), include_str!("postgres.rs"));
    for entry in fs::read_dir(home()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let tested = code.contains(&format!("\"{name}\""));
        assert!(tested || !entry.path().is_dir(), "no test names {name}");
    }
}

#[test]
fn what_is_frozen_is_never_edited() {
    let sums = fs::read_to_string(home().join("SHA256SUMS")).unwrap();
    let listed: BTreeSet<(&str, &str)> =
        sums.lines().map(|line| line.split_once("  ").expect("a sum and a name")).collect();
    let ours = |name: &String| name.contains('/');
    let found: Vec<(String, String)> = names(&home())
        .into_iter()
        .filter(ours)
        .map(|name| {
            let digest = Sha256::digest(fs::read(home().join(&name)).unwrap());
            (digest.iter().map(|byte| format!("{byte:02x}")).collect(), name)
        })
        .collect();
    let found: BTreeSet<(&str, &str)> =
        found.iter().map(|(sum, name)| (sum.as_str(), name.as_str())).collect();
    assert_eq!(
        found.symmetric_difference(&listed).collect::<Vec<_>>(),
        Vec::<&(&str, &str)>::new()
    );
}
