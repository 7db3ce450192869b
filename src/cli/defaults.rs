//! The job files of a command that is given none: `vex.kdl` of the current folder, else every file
//! of `/etc/vex/jobs`.
//!
//! Does not know what a command does with them. Invariants: a command that takes one file is never
//! given one of several; what somebody else could have put there is not used unless it is named.

use std::ffi::OsString;
use std::fs::Metadata;
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
        // What is there and no file is named when it is read.
        if is_meant && !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// `vex.kdl` of the folder, where it is a job file: one without a job is a site file.
fn of_folder(here: &Path) -> Result<Option<PathBuf>, String> {
    // Only what is not there is passed over: another file must not be taken in its place.
    let unable = |error: std::io::Error| {
        format!("unable to read {}, the job file of this folder: {error}", here.display())
    };
    let own = match std::fs::symlink_metadata(here) {
        Ok(own) => own,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unable(error)),
    };
    let meant = std::fs::metadata(here).map_err(unable)?;
    let folder = here.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::metadata(folder.unwrap_or(Path::new("."))).map_err(unable)?;
    // Its steps run programs, which it may name beside itself: nothing that a stranger made, led here
    // by a link, or may change is taken unasked.
    for (what, metadata) in [("", &own), ("what it leads to, ", &meant), ("its folder ", &folder)] {
        is_trusted(metadata, !metadata.is_symlink()).map_err(|why| {
            format!("{}: {what}{why}, and is not taken unasked; name it to use it", here.display())
        })?;
    }
    let reading = syntax::read(here, None).map_err(unable)?;
    if !reading.broken && reading.file.jobs.is_empty() {
        return Ok(None);
    }
    Ok(Some(here.to_path_buf()))
}

/// Whether something belongs to us or to root, and others may not change it; the error says why not.
fn is_trusted(metadata: &Metadata, has_mode: bool) -> Result<(), String> {
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != own && owner != 0 {
        return Err(format!("belongs to the user {owner}, neither to you nor to root"));
    }
    // A folder such as /tmp lets everybody add files, and nobody change those of others.
    let is_sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    if has_mode && !is_sticky && metadata.mode() & 0o002 != 0 {
        return Err("may be changed by everybody".to_owned());
    }
    // A user's own group is usual; root's programs are not for a group to choose.
    if has_mode && own == 0 && metadata.mode() & 0o020 != 0 && metadata.gid() != 0 {
        return Err(format!("may be changed by the group {}", metadata.gid()));
    }
    Ok(())
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
    fn what_can_not_be_read_or_may_be_changed_by_others_is_told_and_nothing_else_is_taken() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (here, jobs) = (folder.path().join("vex.kdl"), folder.path().join("jobs"));
        std::fs::create_dir(&jobs).unwrap();
        std::fs::write(jobs.join("b.kdl"), JOB).unwrap();
        let refused = |word: &str| match found(&here, &jobs) {
            Err(why) => assert!(why.contains(word), "{why}"),
            Ok(files) => panic!("{files:?}"),
        };
        symlink(folder.path().join("gone.kdl"), &here).unwrap();
        refused("unable to read");
        std::fs::remove_file(&here).unwrap();
        std::fs::write(&here, JOB).unwrap();
        std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o666)).unwrap();
        refused("may be changed by everybody");
        std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(found(&here, &jobs), Ok(vec![here.clone()]));
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        refused("its folder may be changed by everybody");
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
