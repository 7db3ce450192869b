//! `vex new`: what it prints is a job file that passes, is laid out, and backs something up.

use std::path::Path;
use std::process::Output;

use crate::common::binary::{self, text};

const KINDS: [&str; 5] = ["mysql", "mariadb", "postgres", "sqlite", "oracle"];

fn vex(folder: &Path, words: &[&str]) -> Output {
    let state = tempfile::tempdir().unwrap();
    binary::vex(state.path(), words).current_dir(folder).output().unwrap()
}

#[test]
fn every_starter_passes_the_strict_check_and_is_laid_out() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let printed = vex(folder.path(), &["new", kind]);
        assert_eq!(printed.status.code(), Some(0), "{kind}: {}", text(&printed));
        let file = format!("{kind}.kdl");
        let made = vex(folder.path(), &["new", kind, "--out", &file]);
        assert_eq!(made.status.code(), Some(0), "{kind}: {}", text(&made));
        assert!(text(&made).contains(&format!("vex check {file}")), "{kind}: {}", text(&made));
        let written = std::fs::read(folder.path().join(&file)).unwrap();
        assert_eq!(written, printed.stdout, "{kind}: printed and written are the same");
        let checked = vex(folder.path(), &["check", "--strict", &file]);
        assert_eq!(checked.status.code(), Some(0), "{kind}: {}", text(&checked));
        let laid_out = vex(folder.path(), &["fmt", "--check", &file]);
        assert_eq!(laid_out.status.code(), Some(0), "{kind}: {}", text(&laid_out));
        let planned = vex(folder.path(), &["jobs", &file]);
        let job = if kind == "oracle" { "FULL" } else { "nightly" };
        assert!(text(&planned).contains(&format!("{job}  0 1 * * ")), "{kind}: {}", text(&planned));
    }
}

/// Comments are advice, and advice that does not pass is worse than none.
#[test]
fn what_is_commented_out_passes_too() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let printed = vex(folder.path(), &["new", kind]);
        let words = [
            "timezone",
            "databases",
            "exclude",
            "accounts",
            "globals",
            "archive",
            "mail",
            "notify",
        ];
        let (mut opened, mut lines) = (0, Vec::new());
        for line in text(&printed).lines() {
            let bare = line.trim_start().strip_prefix("// ");
            match bare.filter(|bare| words.iter().any(|w| bare.starts_with(&format!("{w} ")))) {
                Some(bare) => {
                    opened += 1;
                    lines.push(bare.to_owned());
                }
                None => lines.push(line.to_owned()),
            }
        }
        assert!(opened >= 3, "{kind}: {opened} lines are commented out");
        std::fs::write(folder.path().join("open.kdl"), lines.join("\n") + "\n").unwrap();
        let checked = vex(folder.path(), &["check", "--strict", "open.kdl"]);
        assert_eq!(checked.status.code(), Some(0), "{kind}: {}", text(&checked));
    }
}

#[test]
fn a_file_that_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.kdl"), "// mine\n").unwrap();
    let refused = vex(folder.path(), &["new", "mysql", "--out", "shop.kdl"]);
    assert_eq!(refused.status.code(), Some(64), "{}", text(&refused));
    assert!(text(&refused).contains("shop.kdl is there already"), "{}", text(&refused));
    assert_eq!(std::fs::read_to_string(folder.path().join("shop.kdl")).unwrap(), "// mine\n");
    let nowhere = vex(folder.path(), &["new", "mysql", "--out", "none/shop.kdl"]);
    assert_eq!(nowhere.status.code(), Some(1), "{}", text(&nowhere));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing is left beside the file that was there");
}

#[test]
fn the_starter_of_sqlite_runs_green_once_its_paths_are_changed() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app.db");
    let base = rusqlite::Connection::open(&app).unwrap();
    base.execute_batch("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2)").unwrap();
    let printed = text(&vex(folder.path(), &["new", "sqlite"]));
    let changed = printed
        .replace("/srv/app/app.db", app.to_str().unwrap())
        .replace("/var/backups/vex", folder.path().join("kept").to_str().unwrap());
    std::fs::write(folder.path().join("app.kdl"), changed).unwrap();
    let ran = vex(folder.path(), &["run", "app.kdl"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran));
    assert!(text(&ran).contains("proven in local"), "{}", text(&ran));
}
