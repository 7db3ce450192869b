//! The way back without vex: 7-Zip, unzip, and the shell of SQLite.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::space::{Space, contents, word};

/// The 7-Zip of this machine; Debian calls it so.
const SEVEN: &str = "7zz";

fn job(archive: &str) -> String {
    format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\nstores {{ dir \"d\" path=\"d\" {{ keep last=9 }} }}\n\
         job \"j\" {{ dump \"app\" chunk=\"64KiB\" {{ archive {archive}; send \"d\"; verify \"d\" }} }}\n"
    )
}

/// A database of several chunks, with text that a shell could take for its own.
const SQL: &str = r#"
PRAGMA user_version=42; PRAGMA application_id=7;
CREATE TABLE big (id INTEGER PRIMARY KEY AUTOINCREMENT, v, w REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000)
INSERT INTO big SELECT i, hex(randomblob(40)), i / 8.0 FROM n;
DELETE FROM big WHERE id > 2990;
CREATE TABLE odd (v);
INSERT INTO odd VALUES (NULL), (''), (x''), (x'00ff'), (0), (-9223372036854775808), (9223372036854775807), (1.0), (0.5),
  (9e999), (-9e999), (1e300), ('it''s'), (CAST(x'ff00fe' AS TEXT)), (CAST(x'610062' AS TEXT)), ('a
.shell touch pwned
.quit
go
/
;
'), ('\'), ('é 📚'), ('-- no comment'), ('/* no comment');
CREATE TABLE "we""ird; näme" ("col ""x" INT, "select" TEXT) STRICT; INSERT INTO "we""ird; näme" VALUES (1, 'x');
CREATE TABLE made (a INT, v INT AS (a * 2), s TEXT AS ('n' || a) STORED, z INT); INSERT INTO made (a, z) VALUES (1, 2);
CREATE TABLE pair (a TEXT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO pair VALUES ('x', 1), ('x', 2);
CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p REFERENCES parent(id));
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);
CREATE INDEX plain ON big (v); CREATE VIEW seen AS SELECT a FROM made;
CREATE TRIGGER t AFTER INSERT ON made BEGIN INSERT INTO big (v) VALUES ('fired'); DELETE FROM odd; END;
"#;

/// A backup of it; the container.
fn backed_up(archive: &str) -> (Space, PathBuf) {
    let space = Space::new().job(&job(archive)).env("ZIP_PASSWORD", "CANARY-ZIP");
    space.database("app.db", SQL);
    space.back_up();
    let key = space.path("d").join(word(&space.list()[0], "key"));
    (space, key)
}

/// Pipes what one program prints into another; both must be well.
fn pipe(mut from: Command, mut to: Command) {
    let mut first = from
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{from:?}: {e}: run tests/run.sh"));
    let output = to.stdin(first.stdout.take().unwrap()).output().unwrap();
    assert!(first.wait().unwrap().success(), "{from:?}");
    assert!(output.status.success() && output.stderr.is_empty(), "{to:?}: {output:?}");
}

fn seven(arguments: &[&str], zip: &Path, pattern: &str) -> Command {
    let mut command = Command::new(SEVEN);
    command.args(arguments).arg("--").arg(zip).arg(pattern);
    command
}

fn shell(space: &Space, name: &str) -> (Command, PathBuf) {
    let path = space.path(name);
    let mut command = Command::new("sqlite3");
    command.arg("-bail").arg(&path).current_dir(space.path(""));
    (command, path)
}

#[test]
fn seven_zip_and_the_shell_rebuild_the_database() {
    for archive in ["compression=\"zstd\"", "compression=\"deflate\"", "compression=\"store\""] {
        let (space, zip) = backed_up(archive);
        let (to, path) = shell(&space, "new.db");
        pipe(seven(&["x", "-so", "-r"], &zip, "*.sql"), to);
        assert_eq!(contents(&path), contents(&space.path("app.db")), "{archive}");
        assert!(!space.path("pwned").exists());
    }
}

#[test]
fn unzip_and_the_shell_rebuild_the_database() {
    let (space, zip) = backed_up("compression=\"deflate\"");
    let (to, path) = shell(&space, "new.db");
    let mut from = Command::new("unzip");
    from.arg("-p").arg(zip).arg("*.sql");
    pipe(from, to);
    assert_eq!(contents(&path), contents(&space.path("app.db")));
}

#[test]
fn the_chunks_of_the_file_make_the_file() {
    let (space, zip) = backed_up("compression=\"zstd\"");
    let output = seven(&["x", "-so", "-r"], &zip, "*.sqlite").output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.len() > 3 * 65_536, "several chunks");
    let path = space.path("file.sqlite");
    std::fs::write(&path, output.stdout).unwrap();
    assert_eq!(contents(&path), contents(&space.path("app.db")));
    space.run(&["restore", "job.kdl", "--into", "sqlite:restored.db"]).expect(0);
    assert!(
        std::fs::read(path).unwrap() == std::fs::read(space.path("restored.db")).unwrap(),
        "not what vex restores"
    );
}

#[test]
fn the_archive_is_sound_with_and_without_a_password() {
    let test = |zip: &Path, password: &str| -> Output {
        seven(&["t", password], zip, "*").output().unwrap()
    };
    for archive in ["compression=\"zstd\"", "compression=\"deflate\""] {
        let (_space, zip) = backed_up(archive);
        let output = test(&zip, "-p");
        assert!(
            output.status.success()
                && String::from_utf8_lossy(&output.stdout).contains("Everything is Ok"),
            "{output:?}"
        );
        let sealed = format!("{archive} {{ password (env)\"ZIP_PASSWORD\" }}");
        let (space, zip) = backed_up(&sealed);
        let output = test(&zip, "-pCANARY-ZIP");
        assert!(
            output.status.success()
                && String::from_utf8_lossy(&output.stdout).contains("Everything is Ok"),
            "{output:?}"
        );
        assert!(
            !test(&zip, "-pwrong").status.success(),
            "a wrong password opened {}",
            zip.display()
        );
        let (to, path) = shell(&space, "new.db");
        pipe(seven(&["x", "-so", "-r", "-pCANARY-ZIP"], &zip, "*.sql"), to);
        assert_eq!(contents(&path), contents(&space.path("app.db")), "{sealed}");
    }
}

#[test]
fn a_lone_container_is_enough_for_vex() {
    let (space, zip) = backed_up("{ password (env)\"ZIP_PASSWORD\" }");
    let lone = Space::new().env("PASS", "CANARY-ZIP").env("WRONG", "CANARY-WRONG");
    std::fs::copy(zip, lone.path("found.zip")).unwrap();
    let restore = |password: &str| {
        lone.run(&[
            "restore",
            "--from",
            "found.zip",
            "--archive-password-env",
            password,
            "--into",
            "sqlite:new.db",
        ])
    };
    let wrong = restore("WRONG").expect(1);
    assert!(wrong.stderr.contains("the password does not open it"), "{}", wrong.stderr);
    assert!(!lone.path("new.db").exists());
    restore("PASS").expect(0);
    assert_eq!(contents(&lone.path("new.db")), contents(&space.path("app.db")));
}

/// The archive says itself how it comes back; its words are run as they stand there.
#[test]
fn the_commands_in_the_archive_bring_it_back() {
    for archive in ["compression=\"zstd\"", "compression=\"deflate\""] {
        let (space, zip) = backed_up(archive);
        let whole = String::from_utf8_lossy(&std::fs::read(&zip).unwrap()).into_owned();
        for plain in ["This archive is a backup made by vex.", "Este arquivo é um backup"] {
            assert!(whole.contains(plain), "any program shows it");
        }
        let lone = Space::new();
        std::fs::copy(&zip, lone.path(zip.file_name().unwrap().to_str().unwrap())).unwrap();
        std::os::unix::fs::symlink("/usr/bin/7zz", lone.path("7z")).unwrap();
        let mut ran = 0;
        for text in ["README.txt", "LEIA-ME.txt"] {
            let output = seven(&["x", "-so", "-spd"], &zip, text).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let commands = text.lines().filter_map(|line| line.strip_prefix("    "));
            for command in commands.filter(|command| !command.starts_with("vex ")) {
                for made in ["new.sqlite", "other.sqlite"] {
                    drop(std::fs::remove_file(lone.path(made)));
                }
                let mut shell = Command::new("sh");
                let path =
                    format!("{}:{}", lone.path("").display(), std::env::var("PATH").unwrap());
                shell.args(["-ec", command]).current_dir(lone.path("")).env("PATH", path);
                let output = shell.output().unwrap();
                assert!(output.status.success(), "{command}: {output:?}");
                let made = ["new.sqlite", "other.sqlite"].map(|name| lone.path(name));
                let made = made.into_iter().find(|path| path.exists()).expect(command);
                assert_eq!(contents(&made), contents(&space.path("app.db")), "{command}");
                ran += 1;
            }
        }
        assert_eq!(ran, 4, "{archive}");
    }
}
