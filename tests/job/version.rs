//! `vex --version` names the commit it is made of, where that is known.

use std::path::Path;
use std::process::Command;

use crate::common::binary::{good, text};
use crate::common::space::Space;

#[path = "../../build/commit.rs"]
mod commit;

fn git(folder: &Path, words: &[&str]) -> String {
    let ran = Command::new("git")
        .args(["-c", "user.name=vex", "-c", "user.email=vex@localhost", "-C"])
        .arg(folder)
        .args(words)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    good(&ran);
    text(&ran).trim().to_owned()
}

#[test]
fn a_commit_is_that_of_the_folder_and_says_what_was_changed_since() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    std::fs::create_dir_all(own.join("src")).unwrap();
    std::fs::write(own.join("src/main.rs"), "fn main() {}").unwrap();
    assert_eq!(commit::of_git(&own), None, "no repository");
    git(&own, &["init", "-q", "."]);
    git(&own, &["add", "src"]);
    git(&own, &["commit", "-q", "-m", "one"]);
    let head = git(&own, &["rev-parse", "--short=12", "HEAD"]);
    assert_eq!(commit::of_git(&own), Some(head.clone()));
    // What the program is not made of changes nothing.
    std::fs::write(own.join("notes.txt"), "x").unwrap();
    assert_eq!(commit::of_git(&own), Some(head.clone()));
    std::fs::write(own.join("src/main.rs"), "fn main() { }").unwrap();
    assert_eq!(commit::of_git(&own), Some(format!("{head}-dirty")));
    // Another commit is noticed by cargo.
    let watched = commit::watched(&own);
    assert!(watched.contains(&own.join("src")), "{watched:?}");
    assert!(watched.iter().any(|path| path.ends_with(".git/logs/HEAD")), "{watched:?}");
}

#[test]
fn a_tarball_inside_the_repository_of_something_else_has_no_commit_but_the_one_it_brings() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("vendor/vex");
    std::fs::create_dir_all(tree.join("src")).unwrap();
    std::fs::write(tree.join("src/main.rs"), "fn main() {}").unwrap();
    git(folder.path(), &["init", "-q", "."]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "-q", "-m", "one"]);
    assert_eq!(commit::of_git(&tree), None);
    assert_eq!(commit::of_package(&tree), None);
    let note = |sha: &str| {
        let note = format!("{{\n  \"git\": {{\n    \"sha1\": \"{sha}\"\n  }}\n}}");
        std::fs::write(tree.join(".cargo_vcs_info.json"), note).unwrap();
        commit::of_package(&tree)
    };
    let sha = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(note(sha), Some("0123456789ab".to_owned()));
    assert_eq!(note("not a commit"), None);
}

#[test]
fn the_program_tells_its_version_and_its_commit_where_it_was_built_with_one() {
    let told = Space::new().run(&["--version"]).expect(0).stdout;
    let version = env!("CARGO_PKG_VERSION");
    let expected = match option_env!("VEX_COMMIT") {
        Some(commit) if !commit.is_empty() => format!("vex {version} ({commit})\n"),
        // Nothing is asked of git while one works on the program.
        _ if cfg!(debug_assertions) => format!("vex {version}\n"),
        _ => return assert!(told.starts_with(&format!("vex {version}")), "{told}"),
    };
    assert_eq!(told, expected);
}
