//! An archive that is sealed for recipients of age: opened with vex and without, by each of its keys
//! and by no other, and proven by its bytes where nobody has one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::space::{Ran, Space, contents, files, names, word};

/// A new identity in a file, and its recipient; by the reference program.
fn keygen(space: &Space, name: &str) -> String {
    let path = space.path(name);
    let ran = Command::new("age-keygen").arg("-o").arg(&path).output();
    let ran = ran.unwrap_or_else(|e| panic!("age-keygen: {e}: run tests/run.sh"));
    assert!(ran.status.success());
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("# public key: "));
    line.unwrap().to_owned()
}

fn job(keys: (&str, &str), verify: &str, rest: &str) -> String {
    format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ dir \"disk\" path=\"disk\" {{ keep last=1 }} }}\n\
         job \"j\" {{\n archive {rest} {{ age {{ recipient \"{}\"; recovery \"{}\" }} }}\n \
         dump \"app\" chunk=\"64KiB\" {{ send \"disk\"; verify \"disk\" {verify} }}\n}}\n",
        keys.0, keys.1
    )
}

/// A database of two tables, sealed for `own` and `recovery`.
fn space(verify: &str, rest: &str) -> Space {
    let space = Space::new().env("VEX_TEST_HASTE", "1");
    let (own, recovery) = (keygen(&space, "own"), keygen(&space, "recovery"));
    keygen(&space, "other");
    let space = space.job(&job((&own, &recovery), verify, rest));
    space.database(
        "app.db",
        "CREATE TABLE small (v); INSERT INTO small VALUES ('x'), (1);
         CREATE TABLE large (v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 900)
         INSERT INTO large SELECT hex(randomblob(200)) FROM n",
    );
    space
}

fn container(space: &Space) -> PathBuf {
    let all = files(&space.path("disk"));
    all.into_iter().find(|p| p.extension().is_some_and(|e| e == "zip")).unwrap()
}

/// Restores into a new file with one more argument or none.
fn restore(space: &Space, into: &str, more: &[&str]) -> Ran {
    let into = format!("sqlite:{}", space.path(into).display());
    space.run(&[&["restore", "job.kdl", "app", "--into", &into], more].concat())
}

#[test]
fn every_key_that_it_is_sealed_for_opens_it_and_no_other() {
    for rest in ["", "compression=\"store\""] {
        let space = space("identity=(file)\"own\"", rest);
        space.run(&["check", "job.kdl", "--strict"]).expect(0);
        space.back_up();
        assert_eq!(word(&space.list()[0], "proof"), "read");
        let before = contents(&space.path("app.db"));
        for (number, key) in ["own", "recovery"].into_iter().enumerate() {
            let into = format!("{number}.db");
            restore(&space, &into, &["--identity", key]).expect(0);
            assert_eq!(contents(&space.path(&into)), before, "{key}");
        }
        let ran = restore(&space, "none.db", &[]).expect(1);
        assert!(ran.stderr.contains("no identity of age was given"), "{}", ran.stderr);
        assert!(ran.stderr.contains("--identity FILE"), "{}", ran.stderr);
        let ran = restore(&space, "none.db", &["--identity", "other"]).expect(1);
        assert!(ran.stderr.contains("for other recipients of age"), "{}", ran.stderr);
        space.secret("nothing", "CANARY");
        let ran = restore(&space, "none.db", &["--identity", "nothing"]);
        assert!(!ran.stderr.contains("CANARY"), "{}", ran.stderr);
        assert!(ran.code != 0 && ran.stderr.contains("identity of age"), "{}", ran.stderr);
        assert!(!space.path("none.db").exists());
        restore(&space, "small.db", &["--identity", "own", "--only", "app.small"]).expect(0);
        // The container by itself, and what a verification of today says of it.
        let zip = container(&space);
        let lone = ["restore", "--from", zip.to_str().unwrap(), "--into"];
        let into = format!("sqlite:{}", space.path("lone.db").display());
        space.run(&[&lone[..], &[&into, "--identity", "recovery"]].concat()).expect(0);
        assert_eq!(contents(&space.path("lone.db")), before);
        let ran = space.run(&["verify", "job.kdl", "app", "--identity", "own"]).expect(0);
        assert!(ran.stdout.contains("proven"), "{}", ran.stdout);
        let ran = space.run(&["verify", "job.kdl", "app"]).expect(0);
        assert!(ran.stdout.contains("nobody read its rows"), "{}", ran.stdout);
        let head = fs::read_to_string(format!("{}.manifest.json", zip.display())).unwrap();
        assert!(head.contains("\"age\"") && !head.contains("age1"), "{head}");
        let all: String = names(&space.path("state")).join("\n") + &space.logs();
        assert!(!all.contains("AGE-SECRET-KEY"), "{all}");
    }
}

#[test]
fn it_is_opened_without_vex_by_the_commands_that_stand_in_it() {
    for rest in ["", "compression=\"store\""] {
        let space = space("identity=(file)\"own\"", rest);
        space.back_up();
        let zip = container(&space);
        let folder = zip.parent().unwrap();
        let text = Command::new("7zz").args(["x", "-so"]).arg(&zip).arg("README.txt").output();
        let text = String::from_utf8(text.unwrap().stdout).unwrap();
        // Debian calls the program 7zz.
        let commands: Vec<String> = text
            .split("\n\n")
            .flat_map(|block| block.lines())
            .filter(|line| line.starts_with("    ") && !line.contains("vex restore"))
            .map(|line| {
                line.replace("7z ", "7zz ")
                    .replace("KEY.txt", space.path("recovery").to_str().unwrap())
            })
            .collect();
        let script = commands.join("\n");
        let ran = Command::new("sh").args(["-ec", &script]).current_dir(folder).output().unwrap();
        assert!(ran.status.success(), "{script}\n{}", String::from_utf8_lossy(&ran.stderr));
        let before = contents(&space.path("app.db"));
        for made in ["new.sqlite", "other.sqlite"] {
            assert_eq!(contents(&folder.join(made)), before, "{made} by\n{script}");
        }
    }
}

#[test]
fn without_an_identity_its_bytes_are_proven_and_that_counts() {
    let space = space("", "");
    let ran = space.run(&["check", "job.kdl", "--strict"]).expect(78);
    assert!(
        ran.stdout.contains("proves bytes and no rows")
            || ran.stderr.contains("proves bytes and no rows")
    );
    (0..2).for_each(|_| drop(space.back_up()));
    let lines = space.list();
    assert_eq!((lines.len(), word(&lines[0], "proof")), (1, "hashed"), "the older one went");
    let zip = container(&space);
    let mut bytes = fs::read(&zip).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&zip, bytes).unwrap();
    let ran = space.run(&["verify", "job.kdl", "app"]).expect(65);
    assert!(
        ran.stdout.contains("has SHA-256") || ran.stderr.contains("has SHA-256"),
        "{}",
        ran.stdout
    );
    space.run(&["verify", "job.kdl", "app", "--identity", "own"]).expect(65);
    let ran = restore(&space, "none.db", &["--identity", "own"]);
    assert!(ran.code == 65 || ran.code == 1, "{} {}", ran.code, ran.stderr);
}
