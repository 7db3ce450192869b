//! A password that was replaced: every backup is read with the one that its head names, and what
//! is missing is told.

use crate::common::space::{Space, contents, word};

fn job(archive: &str) -> String {
    format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ dir \"disk\" path=\"disk\" {{ keep last=9 }} }}\n\
         job \"j\" {{\n archive {{ {archive} }}\n dump \"app\" {{ send \"disk\"; verify \"disk\" }}\n}}\n"
    )
}

/// Backups under three passwords, oldest first: their IDs.
fn rotated() -> (Space, Vec<String>) {
    let mut space = Space::new();
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        space = space.job(&job(&format!("password (file)\"{name}\"")));
        space.secret(name, &format!("CANARY-{name}"));
        space.database(
            "app.db",
            &format!("DROP TABLE IF EXISTS t; CREATE TABLE t (v); INSERT INTO t VALUES ('{name}')"),
        );
        space.back_up();
        ids.push(word(space.list().last().unwrap(), "id").to_owned());
    }
    (space, ids)
}

#[test]
fn each_backup_is_opened_with_the_password_that_its_head_names() {
    let (space, ids) = rotated();
    let archive = "password (file)\"three\"; previous { password (file)\"two\" }; previous { password (file)\"one\" }";
    let space = space.job(&job(archive));
    for (id, name) in ids.iter().zip(["one", "two", "three"]) {
        let back = format!("{name}.db");
        space
            .run(&["restore", "job.kdl", "--backup", id, "--into", &format!("sqlite:{back}")])
            .expect(0);
        let told = contents(&space.path(&back));
        assert!(told.contains(name), "{told}");
        space.run(&["verify", "job.kdl", "app", "--backup", id]).expect(0);
    }
    // The new seal is that of `password`, and doctor looks at all of them.
    let said = space.run(&["doctor", "job.kdl"]).expect(0).stdout;
    for name in ["one", "two", "three"] {
        assert!(said.contains(&format!("(file)\"{name}\" gives one")), "{said}");
    }
}

#[test]
fn a_password_that_is_missing_is_told_by_its_fingerprint() {
    let (space, ids) = rotated();
    std::fs::remove_file(space.path("two")).unwrap();
    let archive = "password (file)\"three\"; previous { password (file)\"two\" }";
    let space = space.job(&job(archive));
    let restore = |id: &str, more: &[&str]| {
        let words = [&["restore", "job.kdl", "--backup", id, "--into", "sqlite:back.db"][..], more]
            .concat();
        space.run(&words)
    };
    let ran = restore(&ids[0], &[]);
    assert_ne!(ran.code, 0);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("is sealed with the password of fingerprint"), "{said}");
    assert!(said.contains("(file)\"three\" is another, (file)\"two\" can't be read"), "{said}");
    assert!(said.contains("`previous` block") && !said.contains("CANARY"), "{said}");
    // What is typed is what is meant; the others are opened all the same.
    restore(&ids[0], &["--archive-password-file", "one"]).expect(0);
    std::fs::remove_file(space.path("back.db")).unwrap();
    restore(&ids[2], &[]).expect(0);
}
