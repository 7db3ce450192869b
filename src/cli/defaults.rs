//! The job files of a command that is given none: `vex.kdl` of the current folder, else every file
//! of `/etc/vex/jobs`.
//!
//! Does not know what a command does with them. Invariants: a command that takes one file is never
//! given one of several; what somebody else could have put there is not used unless it is named.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::args::{Args, Command, Drill};
use crate::cli::exit::Exit;
use crate::cli::wiring::complain;
use crate::syntax;

/// The job file of a folder, where it has a job.
const HERE: &str = "vex.kdl";

/// The job files of a machine.
const JOBS: &str = "/etc/vex/jobs";

/// Why there are no arguments.
pub enum Refused {
    /// They are not what the command takes.
    Arguments(clap::Error),
    /// The file that is meant can't be told; it was said.
    Told(Exit),
}

/// The arguments, with the job files that nobody named.
pub fn parse(words: Vec<OsString>) -> Result<Args, Refused> {
    parse_in(words, Path::new(HERE), Path::new(JOBS))
}

fn parse_in(mut words: Vec<OsString>, here: &Path, jobs: &Path) -> Result<Args, Refused> {
    let error = match Args::try_parse_from(&words) {
        Ok(args) => return with_file_of_folder(args, here),
        Err(error) => error,
    };
    let Some(takes) = lacks(&error) else { return Err(Refused::Arguments(error)) };
    let found = found(here, jobs).map_err(told)?;
    match (found.as_slice(), takes) {
        ([], _) => {
            drop(error.print());
            let why = format!(
                "There is no {} with a job in the current folder, and no job file in {}.",
                here.display(),
                jobs.display()
            );
            return Err(told(why));
        }
        ([_], _) | (_, Takes::Several) => words.extend(found.into_iter().map(OsString::from)),
        (several, Takes::One) => return Err(told(ambiguous(several, jobs))),
    }
    Args::try_parse_from(&words).map_err(Refused::Arguments)
}

fn told(why: String) -> Refused {
    complain(&why);
    Refused::Told(Exit::Usage)
}

fn ambiguous(several: &[PathBuf], jobs: &Path) -> String {
    let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
    let (names, jobs) = (names.join(", "), jobs.display());
    format!("the command works with one job file, and {jobs} has several; name one: {names}")
}

/// How many job files a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    One,
    Several,
}

/// How many job files a command takes, when they are all it lacks.
fn lacks(error: &clap::Error) -> Option<Takes> {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    match missing.as_slice() {
        [one] if one == "<FILE>" => Some(Takes::One),
        [one] if one == "<FILES>..." => Some(Takes::Several),
        _ => None,
    }
}

/// A command that answers for all that the catalog knows is given the job file of the folder, whose
/// site may have a catalog of its own.
fn with_file_of_folder(mut args: Args, here: &Path) -> Result<Args, Refused> {
    let (file, site) = match &mut args.command {
        Command::Status(a) => (&mut a.file, &a.site),
        Command::History(a) => (&mut a.file, &a.site),
        Command::Drill(Drill::List(a)) => (&mut a.file, &a.site),
        _ => return Ok(args),
    };
    if file.is_none() && site.is_none() {
        *file = of_folder(here).map_err(told)?;
    }
    Ok(args)
}

/// The job files that are meant when none is named.
fn found(here: &Path, jobs: &Path) -> Result<Vec<PathBuf>, String> {
    if let Some(path) = of_folder(here)? {
        return Ok(vec![path]);
    }
    of_machine(jobs)
}

/// The job files of this machine, sorted; those that are nobody's are left out with a word.
pub fn of_this_machine() -> Vec<PathBuf> {
    of_machine(Path::new(JOBS)).unwrap_or_else(|why| {
        complain(&why);
        Vec::new()
    })
}

fn of_machine(jobs: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match std::fs::read_dir(jobs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(format!("unable to look for job files in {}: {error}", jobs.display()));
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| {
                format!("unable to look for job files in {}: {error}", jobs.display())
            })?
            .path();
        let is_meant = path.extension().is_some_and(|end| end == "kdl")
            && path.file_name().is_none_or(|name| name != HERE);
        if is_meant && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// `vex.kdl` of the folder, where it is a job file: one without a job is a site file.
fn of_folder(here: &Path) -> Result<Option<PathBuf>, String> {
    let Ok(metadata) = std::fs::metadata(here) else { return Ok(None) };
    if !metadata.is_file() {
        return Ok(None);
    }
    let Ok(reading) = syntax::read(here, None) else { return Ok(None) };
    if !reading.broken && reading.file.jobs.is_empty() {
        return Ok(None);
    }
    // Its steps run programs: a stranger's file in a folder such as /tmp is not taken unasked.
    let (owner, own) = (metadata.uid(), rustix::process::geteuid());
    if owner != own.as_raw() && owner != 0 {
        return Err(format!(
            "{} belongs to the user {owner}, neither to you nor to root, and is not taken unasked; name it to use it",
            here.display()
        ));
    }
    Ok(Some(here.to_path_buf()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "sources { sqlite \"app\" path=\"app.db\" }\nstores { dir \"d\" path=\"s\" }\n\
                       job \"j\" { dump \"app\" { send \"d\" } }\n";

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn files(args: Result<Args, Refused>) -> Vec<PathBuf> {
        match args.ok().map(|args| args.command) {
            Some(Command::Run(args)) => vec![args.file],
            Some(Command::List(args)) => args.file.into_iter().collect(),
            Some(Command::Restore(args)) => args.which.file.into_iter().collect(),
            Some(Command::Jobs(args)) => args.files,
            Some(Command::Check(args)) => args.files,
            Some(Command::Status(args)) => args.file.into_iter().collect(),
            Some(other) => panic!("{other:?}"),
            None => Vec::new(),
        }
    }

    #[test]
    fn the_file_of_the_folder_comes_first_and_then_those_of_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let (here, jobs) = (folder.path().join("vex.kdl"), folder.path().join("jobs"));
        let asked = |line: &str| files(parse_in(words(line), &here, &jobs));
        assert!(asked("vex run").is_empty(), "there is none");
        std::fs::create_dir(&jobs).unwrap();
        let (a, b) = (jobs.join("a.kdl"), jobs.join("b.kdl"));
        std::fs::write(&b, JOB).unwrap();
        std::fs::write(jobs.join("notes.txt"), JOB).unwrap();
        std::fs::write(jobs.join("vex.kdl"), "language \"en\"\n").unwrap();
        for line in ["vex run", "vex run --quiet", "vex list", "vex restore --into lab"] {
            assert_eq!(asked(line), std::slice::from_ref(&b), "{line}");
        }
        assert!(asked("vex status").is_empty(), "it answers for all of the catalog");
        std::fs::write(&a, JOB).unwrap();
        assert!(asked("vex run").is_empty(), "never one of several");
        assert_eq!(asked("vex jobs"), [a.clone(), b.clone()]);
        assert_eq!(asked("vex check --strict"), [a, b]);
        // A site file is no job file.
        std::fs::write(&here, "language \"en\"\n").unwrap();
        assert!(asked("vex run").is_empty());
        std::fs::write(&here, JOB).unwrap();
        for line in ["vex run", "vex jobs", "vex check", "vex status", "vex restore --into lab"] {
            assert_eq!(asked(line), std::slice::from_ref(&here), "{line}");
        }
        // One that can't be read is told as what it is, not passed over.
        std::fs::write(&here, "job {").unwrap();
        assert_eq!(asked("vex run"), std::slice::from_ref(&here));
        let named = parse_in(words("vex run other.kdl"), &here, &jobs);
        assert_eq!(files(named), [PathBuf::from("other.kdl")]);
    }

    #[test]
    fn what_lacks_more_than_a_file_is_refused_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("vex.kdl");
        std::fs::write(&here, JOB).unwrap();
        for line in ["vex info", "vex wal push", "vex keep"] {
            let parsed = parse_in(words(line), &here, &folder.path().join("jobs"));
            assert!(matches!(parsed, Err(Refused::Arguments(_))), "{line}");
        }
    }

    #[test]
    fn the_file_of_a_stranger_is_not_taken_unasked() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("vex.kdl");
        std::fs::write(&here, JOB).unwrap();
        std::os::unix::fs::chown(&here, Some(65_534), None).unwrap();
        let parsed = parse_in(words("vex run"), &here, &folder.path().join("jobs"));
        assert!(matches!(parsed, Err(Refused::Told(Exit::Usage))));
    }
}
