//! Which machine this is, and paths as they were written.
//!
//! Knows nothing of what is told apart by it.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Where a machine keeps its identity; the second is that of D-Bus, which is older.
const IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// The identity of this machine; `None` where it has none that can be read.
pub fn id() -> Option<String> {
    IDS.iter().find_map(|path| valid(&std::fs::read_to_string(path).ok()?))
}

/// A machine that never started has an empty file, or the word `uninitialized`.
fn valid(text: &str) -> Option<String> {
    let id = text.trim();
    let good = id.len() == 32
        && id.bytes().all(|b| b.is_ascii_hexdigit())
        && id.bytes().any(|b| b != b'0');
    good.then(|| id.to_ascii_lowercase())
}

/// A path made absolute against the working directory; `.` and `..` are removed by their text, and
/// links are not resolved.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    let mut whole = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::CurDir => {}
            // The root has no parent.
            Component::ParentDir => drop(whole.pop()),
            Component::RootDir | Component::Prefix(_) | Component::Normal(_) => whole.push(part),
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_that_a_machine_was_given_counts() {
        let good = "0123456789ABCDEF0123456789abcdef\n";
        assert_eq!(valid(good).as_deref(), Some("0123456789abcdef0123456789abcdef"));
        for bad in ["", "\n", "uninitialized\n", "0123", &"0".repeat(32), &"g".repeat(32)] {
            assert_eq!(valid(bad), None, "{bad}");
        }
    }

    #[test]
    fn dots_are_removed_by_their_text() {
        let here = std::env::current_dir().expect("a working directory");
        for (written, whole) in [
            ("/srv/./app/../app.db", PathBuf::from("/srv/app.db")),
            ("/../../x//y/", PathBuf::from("/x/y")),
            ("a.db", here.join("a.db")),
            ("jobs/../data/a.db", here.join("data/a.db")),
            ("../a.db", here.parent().expect("not the root").join("a.db")),
        ] {
            assert_eq!(absolute(Path::new(written)).expect("absolute"), whole, "{written}");
        }
        // A link stays the link it was written as.
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).expect("a link");
        let through = link.join("../x");
        assert_eq!(absolute(&through).expect("absolute"), folder.path().join("x"));
    }
}
