//! A folder that is a mount point: while nothing is mounted there, nothing is written or read.

use crate::common::servers::with_little_room;
use crate::common::space::{Ran, Space, contents, names};

fn space(path: &str, prefix: &str) -> Space {
    let space = Space::new().job(&format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ dir \"nas\" path=\"{path}\" mount=#true prefix=\"{prefix}\" }}\n\
         job \"j\" {{ dump \"app\" {{ send \"nas\"; verify \"nas\" }} }}\n"
    ));
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES ('x')");
    space
}

#[test]
fn a_folder_on_which_nothing_is_mounted_is_refused_and_stays_empty() {
    for made in [true, false] {
        let space = space("nas", "p");
        if made {
            std::fs::create_dir(space.path("nas")).unwrap();
        }
        for words in [&["run", "job.kdl"][..], &["doctor", "job.kdl"], &["list", "job.kdl"]] {
            let ran = space.run(words);
            let said = ran.stdout.clone() + &ran.stderr;
            assert_ne!(ran.code, 0, "{words:?}: {said}");
            assert!(said.contains("nothing is mounted there"), "{words:?}: {said}");
        }
        assert_eq!(space.path("nas").exists(), made);
        assert_eq!(names(&space.path("nas")), [""; 0]);
    }
}

#[test]
fn a_folder_on_which_something_is_mounted_is_one_like_any_other() {
    // The one place of every Linux on which anybody may write and something is mounted.
    let prefix = format!("vex-test-{}", std::process::id());
    let space = space("/dev/shm", &prefix);
    space.run(&["doctor", "job.kdl"]).expect(0);
    space.back_up();
    let line = space.list().remove(0);
    assert_eq!(contents(&space.restore(&line, "back.db")), contents(&space.path("app.db")));
    std::fs::remove_dir_all(std::path::Path::new("/dev/shm").join(prefix)).unwrap();
}

#[test]
fn a_backup_that_will_not_fit_by_history_is_told_before_it_begins() {
    let space = Space::new().job(
        "sources { sqlite \"app\" path=\"app.db\" }\n\
         stores { dir \"near\" path=\"near\" { keep last=9 }; dir \"small\" path=\"small\" { keep last=9 } }\n\
         job \"j\" { dump \"app\" { send \"near\"; send \"small\" optional=#true; verify \"near\" } }\n",
    );
    let fill = "CREATE TABLE t (v); INSERT INTO t VALUES (randomblob(3000000))";
    space.database("app.db", fill);
    let first = space.run(&["run", "job.kdl"]).expect(0);
    assert!(!first.stderr.contains("will not fit"), "{}", first.stderr);
    let run = with_little_room(space.vex(&["run", "job.kdl"]), &space.path("small"));
    let ran = Ran::from({ run }.output().unwrap()).expect(0);
    let said = ran.stdout + &ran.stderr;
    let told = said.find("this one will not fit").unwrap_or_else(|| panic!("{said}"));
    assert!(said[..told].contains("small has "), "{said}");
    assert!(told < said.find(".zip in dir near").expect("the other copy is made"), "{said}");
    assert!(said.trim_end().ends_with("(2)"), "{said}");
}
