//! Heads are signed, and where the site names whom it believes, nothing else is a backup: not what an
//! attacker made consistent in itself, not what lost its signature.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::space::{Space, contents, files, names, word};

const JOB: &str = r#"
sources { sqlite "app" path="app.db" identity="the app" }
stores { dir "disk" path="disk" { keep last=1 } }
job "j" { dump "app" { send "disk"; verify "disk" } }
"#;

/// A new private key; by the reference program.
fn genpkey(space: &Space, name: &str) {
    let mut program = Command::new("openssl");
    program.args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(space.path(name));
    let ran = program.output().unwrap_or_else(|e| panic!("openssl: {e}: run tests/run.sh"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// The site: who signs, and whom it believes.
fn site(space: &Space, sign: Option<&str>, verify: &[&str]) {
    let mut text = sign.map_or(String::new(), |name| format!("sign key=(file)\"{name}\"\n"));
    if !verify.is_empty() {
        let keys: Vec<String> = verify.iter().map(|key| format!("\"{key}\"")).collect();
        text += &format!("verify-key {}\n", keys.join(" "));
    }
    fs::write(space.path("vex.kdl"), text).unwrap();
}

/// The public key as `doctor` prints it.
fn public(space: &Space, name: &str) -> String {
    site(space, Some(name), &[]);
    let lines = space.run(&["doctor", "job.kdl", "--format", "json"]).json();
    let line = lines.iter().find(|l| l["looked"] == "signature").unwrap();
    word(line, "found").rsplit(' ').next().unwrap().to_owned()
}

/// A space with a key, its public one, and a database.
fn space() -> (Space, String) {
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(JOB);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES ('ours')");
    genpkey(&space, "sign.pem");
    let key = public(&space, "sign.pem");
    site(&space, Some("sign.pem"), &[&key]);
    (space, key)
}

fn ending(space: &Space, end: &str) -> Vec<PathBuf> {
    let all = files(&space.path("disk")).into_iter();
    all.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

/// Nothing that stands in the store is a backup, and why is said.
#[track_caller]
fn refused(space: &Space, why: &str) {
    let ran = space.run(&["list", "job.kdl", "--format", "json"]);
    assert!(ran.code == 1 && ran.stdout.is_empty(), "{why}: {} {}", ran.code, ran.stdout);
    assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
    let target = format!("sqlite:{}", space.path("back.db").display());
    for command in [
        &["restore", "job.kdl", "app", "--into", &target][..],
        &["restore", "--from", "file:disk", "--site", "vex.kdl", "--into", &target],
        &["verify", "job.kdl", "app"],
    ] {
        let ran = space.run(command);
        assert!(ran.code != 0, "{why}: {command:?}: {}", ran.stdout);
    }
    assert!(!space.path("back.db").exists(), "{why}");
}

#[test]
fn what_is_signed_is_a_backup_and_its_reader_needs_no_private_key() {
    let (space, key) = space();
    (0..2).for_each(|_| drop(space.back_up()));
    // Retention takes the signature with it.
    assert_eq!((ending(&space, ".zip").len(), ending(&space, ".manifest.sig").len()), (1, 1));
    let signature = fs::read_to_string(&ending(&space, ".manifest.sig")[0]).unwrap();
    assert!(signature.contains(&key), "{signature}");
    fs::rename(space.path("sign.pem"), space.path("away.pem")).unwrap();
    let line = &space.list()[0];
    assert_eq!(word(line, "proof"), "read");
    assert_eq!(contents(&space.restore(line, "back.db")), contents(&space.path("app.db")));
    space.run(&["verify", "job.kdl", "app"]).expect(0);
    // Who writes needs it.
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(ran.stderr.contains("sign.pem"), "{}", ran.stderr);
    fs::write(space.path("sign.pem"), "CANARY").unwrap();
    Command::new("chmod").arg("600").arg(space.path("sign.pem")).status().unwrap();
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(
        ran.stderr.contains("no Ed25519 key") && !ran.stderr.contains("CANARY"),
        "{}",
        ran.stderr
    );
    assert_eq!(space.list().len(), 1);
}

#[test]
fn nothing_else_is_believed_where_the_site_names_whom() {
    let (space, key) = space();
    space.back_up();
    let head = ending(&space, ".manifest.json").pop().unwrap();
    let signature = ending(&space, ".manifest.sig").pop().unwrap();
    let (good, signed) = (fs::read(&head).unwrap(), fs::read(&signature).unwrap());
    let put = |path: &Path, bytes: &[u8]| fs::write(path, bytes).unwrap();
    // A byte that changes nothing, and a word that does.
    let spaced = [&b" "[..], &good].concat();
    let renamed = String::from_utf8(good.clone())
        .unwrap()
        .replace("\"lost\": 1", "")
        .replace("sqlite", "sqlitf");
    for other in [&spaced[..], renamed.as_bytes()] {
        put(&head, other);
        refused(&space, "it is not what was signed");
    }
    put(&head, &good);
    fs::remove_file(&signature).unwrap();
    refused(&space, "it is not signed");
    put(&signature, b"{}");
    refused(&space, "its signature can't be read");
    put(&signature, &signed);
    assert_eq!(space.list().len(), 1);
    // A whole backup of the attacker under the same name, consistent in itself, signed by his own key.
    let attacker = Space::new().env("VEX_TEST_HASTE", "1").job(JOB);
    attacker.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES ('theirs')");
    genpkey(&attacker, "sign.pem");
    site(&attacker, Some("sign.pem"), &[]);
    attacker.back_up();
    let theirs = word(&attacker.list()[0], "key").to_owned();
    let ours = word(&space.list()[0], "key").to_owned();
    for file in files(&space.path("disk")) {
        fs::remove_file(file).unwrap();
    }
    for name in names(&attacker.path("disk")) {
        let mut bytes = fs::read(attacker.path("disk").join(&name)).unwrap();
        if name.ends_with(".manifest.json") {
            let text = String::from_utf8(bytes).unwrap().replace(&theirs, &ours);
            bytes = text.into_bytes();
        }
        put(&space.path("disk").join(name.replace(&theirs, &ours)), &bytes);
    }
    refused(&space, "which is no `verify-key`");
    put(&signature, &signed);
    refused(&space, "it is not what was signed");
    let zip = ending(&space, ".zip").pop().unwrap();
    let target = format!("sqlite:{}", space.path("back.db").display());
    let lone = ["restore", "--from", zip.to_str().unwrap(), "--site", "vex.kdl", "--into", &target];
    let ran = space.run(&lone).expect(64);
    assert!(ran.stderr.contains("bears no signature"), "{}", ran.stderr);
    // Who believes anybody is shown it; a second key is believed beside the first.
    site(&space, None, &[]);
    assert_eq!(space.run(&["list", "job.kdl", "--format", "json"]).expect(0).json().len(), 1);
    genpkey(&space, "next.pem");
    let next = public(&space, "next.pem");
    site(&space, Some("next.pem"), &[&key, &next]);
    space.run(&["run", "job.kdl"]);
    assert_eq!(space.run(&["list", "job.kdl", "--format", "json"]).json().len(), 1);
    site(&space, Some("next.pem"), &[&key]);
    let lines = space.run(&["doctor", "job.kdl", "--format", "json"]).json();
    let line = lines.iter().find(|l| l["looked"] == "signature").unwrap();
    assert_eq!(word(line, "grade"), "error");
}
