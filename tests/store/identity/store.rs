//! A store has an ID of its own: one that was replaced is noticed, two of one name are not mistaken.

use std::fs;
use std::path::Path;

use crate::common::space::Space;

const JOB: &str = "sources { sqlite \"app\" path=\"app.db\" }\nstores { dir \"nas\" path=\"nas\" { keep last=9 } }\n\
    job \"j\" { dump \"app\" { send \"nas\"; verify \"nas\" } }\n";

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("it is there")
}

/// Two job files, each with a folder of its own and equal words in it.
fn two() -> Space {
    let space = Space::new();
    for folder in ["a", "b"] {
        fs::create_dir(space.path(folder)).expect("a folder");
        fs::write(space.path(&format!("{folder}/job.kdl")), JOB).expect("written");
        space.database(&format!("{folder}/app.db"), "CREATE TABLE t (x)");
    }
    space
}

#[test]
fn a_store_that_was_replaced_is_an_alert_once_and_two_of_one_name_are_none() {
    let space = two();
    let run = |folder: &str, code: i32| {
        space.run(&["run", &format!("{folder}/job.kdl"), "--strict"]).expect(code)
    };
    for folder in ["a", "b", "a", "b"] {
        run(folder, 0);
    }
    let id = read(&space.path("a/nas/vex.json"));
    assert_ne!(id, read(&space.path("b/nas/vex.json")));
    // An empty mount point where the store was.
    fs::rename(space.path("a/nas"), space.path("unmounted")).expect("moved");
    let told = run("a", 2).stderr;
    let nas = space.path("a/nas").display().to_string();
    assert!(told.contains(&format!("dir {nas} is another store than before")), "{told}");
    run("a", 0);
    // It is only read, never written anew.
    assert_eq!(read(&space.path("unmounted/vex.json")), id);
}
