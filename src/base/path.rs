//! A path that is written relative to a folder, without the `..` that nobody wants to read.
//!
//! Looks at links and changes nothing. Invariant: the path leads where the written one does; a `..`
//! after a link stays, since it leads to the folder that the link means.

use std::path::{Component, Path, PathBuf};

/// `word` as seen from `folder`; an absolute one is itself.
pub fn beside(folder: &Path, word: impl AsRef<Path>) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in folder.join(word).components() {
        match (part, clean.components().next_back()) {
            (Component::CurDir, _) => {}
            // The root has no parent.
            (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) if !clean.is_symlink() => {
                clean.pop();
            }
            (part, _) => clean.push(part),
        }
    }
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_loses_its_dots_and_leads_where_it_led() {
        for (folder, word, clean) in [
            ("jobs", "../target/quickstart", "target/quickstart"),
            ("jobs", "nas", "jobs/nas"),
            ("", "../nas", "../nas"),
            ("jobs", "../../nas", "../nas"),
            ("jobs", "..", "."),
            ("jobs", "/srv/../mnt/./nas/", "/mnt/nas"),
            ("/", "../../nas", "/nas"),
        ] {
            assert_eq!(beside(Path::new(folder), word), Path::new(clean), "{folder} {word}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/usr/lib", &link).expect("linked");
        assert_eq!(beside(&link, "../bin"), link.join("../bin"));
    }
}
