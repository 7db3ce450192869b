//! The folder of a report: each page is written beside and renamed, so that a reader sees the old
//! one or the new one, never half of one.
//!
//! Knows no page's content. Invariants: what vex did not write is neither replaced nor removed; a
//! list of its own (`.vex-report.json`) says what it wrote and of what, and is written last; an empty
//! one before the first page says whose folder it is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::view::Sink;

/// The list of what vex wrote.
const LIST: &str = ".vex-report.json";

/// The folder of a report, open.
pub struct ReportFolder {
    path: PathBuf,
    /// What earlier reports wrote, and of what.
    before: BTreeMap<String, String>,
    /// What this one holds.
    now: BTreeMap<String, String>,
}

impl ReportFolder {
    /// Opens the folder at `path`, makes it if there is none. The error says why it can't be used.
    pub fn open(path: &Path) -> std::io::Result<ReportFolder> {
        std::fs::create_dir_all(path)?;
        let mut is_new = false;
        let before = match std::fs::read_to_string(path.join(LIST)) {
            // A list that can't be read says nothing: every page is made anew.
            Ok(text) => serde_json::from_str(&text).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if let Some(name) = foreign(path)? {
                    return Err(std::io::Error::new(
                        std::io::ErrorKind::AlreadyExists,
                        format!("it holds {name}, which vex did not write; name another folder"),
                    ));
                }
                is_new = true;
                BTreeMap::new()
            }
            Err(error) => return Err(error),
        };
        let folder = ReportFolder { path: path.to_owned(), before, now: BTreeMap::new() };
        if is_new {
            folder.write(LIST, "{}")?;
        }
        Ok(folder)
    }

    /// Removes what earlier reports wrote and this one does not hold, and writes the list.
    pub fn finish(self) -> std::io::Result<()> {
        let gone: Vec<&String> =
            self.before.keys().filter(|name| !self.now.contains_key(*name)).collect();
        let list = serde_json::to_string(&self.now).unwrap_or_default();
        let known: BTreeMap<&String, &String> = self.before.iter().chain(&self.now).collect();
        if !gone.is_empty() {
            // Should this end here, the next report still knows what to remove.
            self.write(LIST, &serde_json::to_string(&known).unwrap_or_default())?;
        }
        for name in gone.into_iter().filter(|name| is_own(name)) {
            match std::fs::remove_file(self.path.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.write(LIST, &list)
    }

    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        let path = self.path.join(name);
        let folder = path.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::Builder::new().prefix(".vex-report-").tempfile_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.persist(&path).map_err(|e| e.error)?;
        Ok(())
    }
}

/// What a folder without a list holds under a name that a report writes.
fn foreign(path: &Path) -> std::io::Result<Option<String>> {
    let is_page = |name: &str| {
        let plain = ["index.html", "execucoes.html", "fontes.html", "restauracoes.html"];
        let folders = ["b", "r", "evidencia.json"];
        let several = ["backups", "rows", "vex-"];
        plain.contains(&name)
            || folders.contains(&name)
            || several.iter().any(|start| name.starts_with(start))
    };
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_page(&name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether a name of the list is one that a report writes: a list that was edited must not lead
/// out of the folder.
fn is_own(name: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let parts: Vec<&str> = Path::new(name).iter().filter_map(|p| p.to_str()).collect();
    let is_below = match parts.as_slice() {
        [_] => true,
        [folder, _] => ["b", "r"].contains(folder),
        _ => false,
    };
    is_below && parts.iter().all(|part| is_plain(part))
}

impl Sink for ReportFolder {
    fn is_current(&mut self, path: &str, content: &str) -> bool {
        let is = self.before.get(path).is_some_and(|known| known == content)
            && self.path.join(path).exists();
        if is {
            self.now.insert(path.to_owned(), content.to_owned());
        }
        is
    }

    fn put(&mut self, path: &str, text: &str, content: &str) -> std::io::Result<()> {
        self.write(path, text)?;
        self.now.insert(path.to_owned(), content.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_list_leads_nowhere_else() {
        let own = ["index.html", "b/9.html", "r/20261120T050004Z-69a02005.html", "vex-0a.css"];
        assert!(own.iter().all(|name| is_own(name)));
        for name in
            ["../x", "/etc/passwd", "b/../../x", "c/9.html", ".ssh", "b/.x", "", "b/9/x.html"]
        {
            assert!(!is_own(name), "{name}");
        }
    }

    #[test]
    fn a_first_report_that_was_cut_off_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut cut = ReportFolder::open(folder.path()).expect("opens");
        cut.put("index.html", "half", "1").expect("written");
        cut.put("b/1.html", "half", "1").expect("written");
        drop(cut);
        let mut report = ReportFolder::open(folder.path()).expect("opens again");
        assert!(!report.is_current("b/1.html", "1"), "nobody knows what it holds");
        report.put("index.html", "whole", "1").expect("written");
        report.finish().expect("finished");
        let text = std::fs::read_to_string(folder.path().join("index.html")).expect("read");
        assert_eq!(text, "whole");
    }

    #[test]
    fn what_is_not_ours_stays_and_what_is_ours_goes_when_its_page_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        std::fs::write(path.join("notes.txt"), "mine").expect("written");
        let mut report = ReportFolder::open(path).expect("opens");
        report.put("index.html", "one", "1").expect("written");
        report.put("b/1.html", "old", "1").expect("written");
        report.finish().expect("finished");
        let mut report = ReportFolder::open(path).expect("opens");
        assert!(report.is_current("index.html", "1") && !report.is_current("index.html", "2"));
        report.put("index.html", "two", "2").expect("written");
        report.finish().expect("finished");
        assert!(!path.join("b/1.html").exists() && path.join("notes.txt").exists());
        assert_eq!(std::fs::read_to_string(path.join("index.html")).expect("read"), "two");
        std::fs::remove_file(path.join(LIST)).expect("removed");
        let refused = ReportFolder::open(path).map(drop).expect_err("a foreign index.html");
        assert!(refused.to_string().contains("vex did not write"), "{refused}");
    }
}
