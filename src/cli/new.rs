//! `vex new`: a first job file, of a kind of database or of the configuration of another program.
//! What is printed passes `check` and is laid out; a file that is there is never written over.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::base::{Severity, Text};
use crate::cli::args::{Kind, New};
use crate::cli::check::report;
use crate::cli::exit::Exit;
use crate::cli::wiring::{Loaded, complain, tell};
use crate::convert::{Origin, convert};
use crate::syntax;

/// Prints or writes a first job file.
pub fn new(args: &New) -> Exit {
    let made = match (args.kind, args.from.as_slice()) {
        (Some(kind), _) => Ok(starter(kind).to_owned()),
        (None, [origin, file]) => converted(origin, Path::new(file)),
        (None, _) => {
            complain("name a kind of database, or --from and a configuration");
            Err(Exit::Usage)
        }
    };
    let text = match made {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    let text = match syntax::format(&Text::new("job.kdl", text)) {
        Ok(text) => text,
        Err(why) => {
            complain(&format!("BUG: the job file that was made is none: {why:?}"));
            return Exit::Bug;
        }
    };
    let exit = checked(text.contents());
    match &args.out {
        None => {
            tell(text.contents().trim_end());
            exit
        }
        Some(path) => exit.worse(write(path, text.contents())),
    }
}

fn starter(kind: Kind) -> &'static str {
    match kind {
        Kind::Mysql => include_str!("../../templates/new/mysql.kdl"),
        Kind::Mariadb => include_str!("../../templates/new/mariadb.kdl"),
        Kind::Postgres => include_str!("../../templates/new/postgres.kdl"),
        Kind::Sqlite => include_str!("../../templates/new/sqlite.kdl"),
        Kind::Oracle => include_str!("../../templates/new/oracle.kdl"),
    }
}

fn converted(name: &str, file: &Path) -> Result<String, Exit> {
    let Some(origin) = Origin::of(name) else {
        let known = Origin::ALL.map(Origin::name).join(", ");
        complain(&format!("vex reads no configuration of {name}; it reads those of {known}"));
        return Err(Exit::Usage);
    };
    let text = std::fs::read_to_string(file).map_err(|error| {
        complain(&format!("unable to read {}: {error}", file.display()));
        Exit::Usage
    })?;
    let made = convert(origin, &text).map_err(|why| {
        complain(&format!("no job file can be made of {}: {why}", file.display()));
        Exit::Invalid
    })?;
    made.notes.iter().for_each(|note| complain(&format!("{}: {note}", file.display())));
    Ok(made.text)
}

/// Checks what was made as `vex check` does, from a folder of its own.
fn checked(text: &str) -> Exit {
    let looked = tempfile::tempdir().and_then(|folder| {
        let path = folder.path().join("job.kdl");
        std::fs::write(&path, text)?;
        Loaded::read(&path, None)
    });
    match looked {
        Ok(loaded) => {
            // Warnings are for `vex check`, which knows the file by its name.
            let mut wrong = loaded.complaints;
            wrong.retain(|complaint| complaint.severity >= Severity::Error);
            report(&wrong);
            if wrong.is_empty() { Exit::Success } else { Exit::Invalid }
        }
        Err(error) => {
            complain(&format!("unable to check what was made: {error}"));
            Exit::Error
        }
    }
}

fn write(path: &Path, text: &str) -> Exit {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all())) {
        Ok(()) => {
            tell(&format!("{}: written; `vex doctor {0}` says what is missing", path.display()));
            Exit::Success
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            complain(&format!("{} is there already and was left as it is", path.display()));
            Exit::Usage
        }
        Err(error) => {
            complain(&format!("unable to write {}: {error}", path.display()));
            Exit::Error
        }
    }
}
