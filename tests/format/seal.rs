//! A sealed archive is opened by 7-Zip too, so a password that it can't be given does not seal.

use std::path::Path;
use std::process::Command;

use crate::common::space::{Space, contents, files, word};

const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=9 } }
job "j" {
    archive { password (file)"zip" }
    dump "app" { send "disk"; verify "disk" }
}
"#;

fn space(password: &str) -> Space {
    let space = Space::new().job(JOB);
    space.secret("zip", password);
    space.database("app.db", "CREATE TABLE t(v); INSERT INTO t VALUES ('a'), ('b');");
    space
}

/// What `doctor` says of the password: grade and finding.
fn examined(space: &Space) -> (String, String) {
    let lines = space.run(&["doctor", "job.kdl", "--format", "json"]).json();
    let line = lines.iter().find(|l| l["looked"] == "archive password").unwrap();
    (word(line, "grade").to_owned(), word(line, "found").to_owned())
}

fn seven_zip_opens(password: &str, archive: &Path) -> bool {
    let mut program = Command::new("7zz");
    program.arg("t").arg(format!("-p{password}")).arg(archive);
    let output = program.output().unwrap_or_else(|e| panic!("7zz: {e}: run tests/run.sh"));
    output.status.success()
}

#[test]
fn a_password_seals_what_seven_zip_opens_with_it() {
    let good = [
        ("a".repeat(99), "ok"),
        ("two words".to_owned(), "ok"),
        (format!("{}a", "é".repeat(49)), "alert"),
    ];
    for (password, grade) in good {
        let space = space(&password);
        assert_eq!(examined(&space).0, grade, "{password}");
        space.back_up();
        let archive =
            files(&space.path("disk")).into_iter().find(|p| p.extension().unwrap() == "zip");
        assert!(seven_zip_opens(&password, &archive.unwrap()), "{password}");
    }
}

#[test]
fn a_password_that_seven_zip_can_not_be_given_does_not_seal() {
    let (long, control) = (
        "it has more than 99 bytes, and 7-Zip takes no more",
        "it holds a control \
        character, which can't be typed",
    );
    let bad = [
        ("CANARY".repeat(17), long),
        ("é".repeat(50), long),
        ("CANARY\tCANARY".to_owned(), control),
        ("CANARY\u{85}".to_owned(), control),
    ];
    for (password, why) in bad {
        let space = space(&password);
        assert_eq!(examined(&space), ("error".into(), format!("(file)\"zip\" can't seal: {why}")));
        let ran = space.run(&["run", "job.kdl"]).expect(1);
        let told = format!("unable to seal an archive with the password of (file)\"zip\": {why}");
        assert!(ran.stderr.contains(&told) && !ran.stderr.contains("CANARY"), "{}", ran.stderr);
        assert_eq!(files(&space.path("disk")).len(), 0, "nothing was written");
    }
    let space = space("");
    assert_eq!(examined(&space).0, "error");
    space.run(&["run", "job.kdl"]).expect(1);
    assert_eq!(files(&space.path("disk")).len(), 0);
}

/// The fixture was made by the vex that still sealed with 128 characters.
#[test]
fn what_was_sealed_with_a_long_password_is_opened_with_it() {
    let space = space(&"a".repeat(128));
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/long-seal");
    for path in files(&fixture) {
        let to = space.path("disk").join(path.strip_prefix(&fixture).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(path, to).unwrap();
    }
    space.run(&["verify", "job.kdl", "app"]).expect(0);
    space.run(&["export", "job.kdl", "app", "--sql", "app.sql"]).expect(0);
    space.run(&["restore", "job.kdl", "app", "--into", "sqlite:new.db"]).expect(0);
    assert_eq!(contents(&space.path("new.db")), contents(&space.path("app.db")));
    // A job that only verifies seals nothing: its password is none to refuse.
    let job = JOB
        .replace("dump \"app\" { send \"disk\"; verify \"disk\" }", r#"verify "app" from="disk""#);
    std::fs::write(space.path("job.kdl"), job).unwrap();
    assert_eq!(examined(&space).0, "ok");
    space.run(&["run", "job.kdl"]).expect(0);
}
