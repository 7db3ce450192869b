//! A folder that is a mount point: while nothing is mounted there, nothing is written or read.

use crate::common::space::{Space, contents, names};

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
