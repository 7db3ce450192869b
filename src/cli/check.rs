//! `vex check` and `vex schema`: every complaint of every file at once; nothing is contacted.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::{Complaint, Severity};
use crate::syntax;

use crate::cli::args::{Check, Format};
use crate::cli::exit::Exit;
use crate::cli::wiring::{Loaded, complain, render, tell};

/// Checks files and folders.
pub fn check(args: &Check) -> Exit {
    let files = match collect(&args.paths) {
        Ok(files) => files,
        Err((path, error)) => {
            complain(&format!("unable to read {}: {error}", path.display()));
            return Exit::Usage;
        }
    };
    let mut exit = Exit::Success;
    for path in &files {
        exit = exit.worse(check_file(path, args));
    }
    exit
}

/// The files to check: as given, and every `.kdl` of a folder, sorted.
fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, (PathBuf, std::io::Error)> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let fail = |e| (path.clone(), e);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?.path();
            if entry.extension().is_some_and(|e| e == "kdl") && entry.is_file() {
                found.push(entry);
            }
        }
        if found.is_empty() {
            return Err((path.clone(), std::io::Error::other("there is no .kdl file in it")));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn check_file(path: &Path, args: &Check) -> Exit {
    let loaded = match Loaded::read(path, args.site.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error.to_string());
            return if error.kind() == std::io::ErrorKind::NotFound {
                Exit::Usage
            } else {
                Exit::Invalid
            };
        }
    };
    for complaint in &loaded.complaints {
        tell(&match args.format {
            Format::Human => render(complaint, std::io::stdout().is_terminal()),
            Format::Json => serde_json::to_string(&Line::of(path, complaint))
                .expect("BUG: a complaint that is not JSON"),
        });
    }
    let count = |severity| loaded.complaints.iter().filter(|c| c.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if args.format == Format::Human {
        let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        tell(&match (errors, warnings) {
            (0, 0) => format!("{}: ok, {}", path.display(), many(loaded.file.jobs.len(), "job")),
            _ => format!(
                "{}: {}, {}",
                path.display(),
                many(errors, "error"),
                many(warnings, "warning")
            ),
        });
    }
    if errors > 0 || (args.strict && warnings > 0) { Exit::Invalid } else { Exit::Success }
}

/// A complaint as JSON, version 1.
#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    file: String,
    code: &'a str,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    labels: Vec<Label<'a>>,
}

#[derive(Serialize)]
struct Label<'a> {
    file: String,
    line: usize,
    column: usize,
    offset: usize,
    length: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn of(path: &Path, complaint: &'a Complaint) -> Line<'a> {
        let labels = complaint.places().map(|(span, text)| {
            let (line, column) = span.text.position(span.start);
            let file = span.text.path().display().to_string();
            Label { file, line, column, offset: span.start, length: span.len, text }
        });
        Line {
            version: 1,
            file: path.display().to_string(),
            code: complaint.code,
            severity: match complaint.severity {
                Severity::Warning => "warning",
                Severity::Error => "error",
            },
            message: &complaint.message,
            help: complaint.help.as_deref(),
            labels: labels.collect(),
        }
    }
}

/// Prints the reference of the language.
pub fn schema() -> Exit {
    tell(syntax::reference().trim_end());
    Exit::Success
}
