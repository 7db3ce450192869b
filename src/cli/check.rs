//! `vex check` and `vex schema`: every complaint of every file at once; nothing is contacted.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::base::{Complaint, Severity};
use crate::syntax;

use crate::cli::annotate;
use crate::cli::args::{Check, CheckFormat, Format};
use crate::cli::exit::Exit;
use crate::cli::wiring::{Loaded, complain, render, tell};

/// Checks files and folders.
pub fn check(args: &Check) -> Exit {
    let files = match collect(&args.files) {
        Ok(files) => files,
        Err((path, error)) => {
            complain(&format!("unable to read {}: {error}", path.display()));
            return Exit::Usage;
        }
    };
    let (mut exit, mut found) = (Exit::Success, Vec::new());
    for path in &files {
        match check_file(path, args) {
            Ok(loaded) => {
                exit = exit.worse(weighed(&loaded.complaints, args.strict));
                found.extend(loaded.complaints);
            }
            Err(unread) => exit = exit.worse(unread),
        }
    }
    if args.format == CheckFormat::Sarif {
        tell(&annotate::sarif(&found));
    }
    exit
}

fn weighed(complaints: &[Complaint], strict: bool) -> Exit {
    let floor = if strict { Severity::Warning } else { Severity::Error };
    match complaints.iter().any(|c| c.severity >= floor) {
        true => Exit::Invalid,
        false => Exit::Success,
    }
}

/// The files to check: as given, and every `.kdl` of a folder, sorted.
pub fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, (PathBuf, std::io::Error)> {
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

fn check_file(path: &Path, args: &Check) -> Result<Loaded, Exit> {
    let loaded = Loaded::read(path, args.site.as_deref()).map_err(|error| {
        complain(&error.to_string());
        if error.kind() == std::io::ErrorKind::NotFound { Exit::Usage } else { Exit::Invalid }
    })?;
    for complaint in &loaded.complaints {
        match args.format {
            CheckFormat::Human => tell(&render(complaint, std::io::stdout().is_terminal())),
            CheckFormat::Json => tell(&annotate::json(path, complaint)),
            CheckFormat::Github => tell(&annotate::github(complaint)),
            CheckFormat::Sarif => {}
        }
    }
    if args.format == CheckFormat::Human {
        tell(&summary(path, &loaded));
    }
    Ok(loaded)
}

fn summary(path: &Path, loaded: &Loaded) -> String {
    let count = |severity| loaded.complaints.iter().filter(|c| c.severity == severity).count();
    let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => format!("{}: ok, {}", path.display(), many(loaded.file.jobs.len(), "job")),
        (errors, warnings) => {
            format!("{}: {}, {}", path.display(), many(errors, "error"), many(warnings, "warning"))
        }
    }
}

/// Says on standard error what is wrong with a text.
pub fn report(complaints: &[Complaint]) {
    for complaint in complaints {
        complain(&render(complaint, std::io::stderr().is_terminal()));
    }
}

/// Prints the reference of the language.
pub fn schema(format: Format) -> Exit {
    match format {
        Format::Human => tell(syntax::reference().trim_end()),
        Format::Json => tell(&syntax::reference_json()),
    }
    Exit::Success
}
