//! The commit of a folder of sources: of git, or of the note of `cargo package`.
//!
//! Knows nothing of vex. Invariant: a folder that only lies inside the repository of something else
//! has no commit, and one with changes that are not committed says so.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program is made of, as paths in the folder.
const MADE_OF: [&str; 6] = ["src", "templates", "schema", "build.rs", "Cargo.toml", "Cargo.lock"];

/// The commit of the repository whose top the folder is, `-dirty` where what the program is made of
/// was changed since.
pub fn of_git(folder: &Path) -> Option<String> {
    let top = PathBuf::from(git(folder, &["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != folder.canonicalize().ok()? {
        return None;
    }
    let commit = git(folder, &["rev-parse", "--short=12", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(MADE_OF);
    let changed = git(folder, &status)?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// The commit that `cargo package` noted.
pub fn of_package(folder: &Path) -> Option<String> {
    let note = std::fs::read_to_string(folder.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = note.split_once("\"sha1\"")?;
    let commit = rest.split('"').nth(1)?;
    let is_commit = commit.len() >= 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| commit[..12].to_owned())
}

/// What changes when the commit does.
pub fn watched(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = MADE_OF.iter().map(|path| folder.join(path)).collect();
    for name in ["HEAD", "logs/HEAD"] {
        paths.extend(git(folder, &["rev-parse", "--git-path", name]).map(|path| folder.join(path)));
    }
    // Cargo takes a path that is not there for one that changed.
    paths.retain(|path| path.exists());
    paths
}

/// What git says; nothing where there is no git, or no repository.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    let asked = command.arg("-C").arg(folder).args(arguments).output().ok()?;
    let said = asked.status.success().then(|| String::from_utf8(asked.stdout).ok())??;
    Some(said.trim().to_owned())
}
