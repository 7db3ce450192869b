//! Which commit the program is made of, for `vex --version`.
//!
//! Asks `VEX_COMMIT`, then git, then the note that `cargo package` leaves. A tree that none of them
//! knows has no commit, and still builds. Git is asked for a release only: another commit is no
//! reason to build everything anew while one works on the program.

#[path = "build/commit.rs"]
mod commit;

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=VEX_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/commit.rs");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let folder = Path::new(&folder);
    let given = std::env::var("VEX_COMMIT").ok().filter(|commit| !commit.is_empty());
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = given.or_else(|| {
        if !release {
            return None;
        }
        for path in commit::watched(folder) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        commit::of_git(folder).or_else(|| commit::of_package(folder))
    });
    let suffix = commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo::rustc-env=VEX_COMMIT_SUFFIX={suffix}");
}
