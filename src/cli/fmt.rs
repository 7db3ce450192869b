//! `vex fmt`: job files in one layout. A file is replaced as a whole or not at all, and keeps its
//! mode; what can't be laid out safely stays as it is.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use similar::TextDiff;

use crate::base::{Complaint, Text};
use crate::cli::args::Fmt;
use crate::cli::check::{collect, report};
use crate::cli::exit::Exit;
use crate::cli::wiring::{complain, tell};
use crate::syntax::{self, Unformatted};

/// Lays out files and folders; with `check` only says which are not laid out.
pub fn fmt(args: &Fmt) -> Exit {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        return match args.paths.len() {
            1 => standard_input(args),
            _ => {
                complain("`-` is standard input: it is laid out by itself, without other files");
                Exit::Usage
            }
        };
    }
    let files = match collect(&args.paths) {
        Ok(files) => files,
        Err((path, error)) => {
            complain(&format!("unable to read {}: {error}", path.display()));
            return Exit::Usage;
        }
    };
    files.iter().fold(Exit::Success, |exit, path| exit.worse(one(path, args.check)))
}

fn standard_input(args: &Fmt) -> Exit {
    let mut source = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut source) {
        complain(&format!("unable to read standard input: {error}"));
        return Exit::Usage;
    }
    let text = Text::new("<stdin>", source);
    match laid_out(&text) {
        Ok(out) if args.check => compared(Path::new("<stdin>"), &text, &out),
        Ok(out) => match std::io::stdout().write_all(out.contents().as_bytes()) {
            Ok(()) => Exit::Success,
            Err(error) => {
                complain(&format!("unable to write to standard output: {error}"));
                Exit::Error
            }
        },
        Err(exit) => exit,
    }
}

fn one(path: &Path, check: bool) -> Exit {
    let text = match syntax::load(path) {
        Ok(Ok(text)) => text,
        Ok(Err(complaint)) => return refused(&[complaint]),
        Err(error) => {
            complain(&format!("unable to read {}: {error}", path.display()));
            return Exit::Usage;
        }
    };
    let out = match laid_out(&text) {
        Ok(out) if out.contents() == text.contents() => return Exit::Success,
        Ok(out) => out,
        Err(exit) => return exit,
    };
    if check {
        return compared(path, &text, &out);
    }
    match replace(path, &text, out.contents()) {
        Ok(()) => {
            tell(&format!("{}: formatted", path.display()));
            Exit::Success
        }
        Err(error) => {
            complain(&format!(
                "unable to write {}: {error}; the file was left as it is",
                path.display()
            ));
            Exit::Error
        }
    }
}

fn laid_out(text: &Arc<Text>) -> Result<Arc<Text>, Exit> {
    syntax::format(text).map_err(|why| match why {
        Unformatted::Syntax(complaints) => refused(&complaints),
        Unformatted::Unsafe { what, line } => {
            complain(&format!(
                "BUG: the layout of {} would change {what}, line {line}; the file was left as it is",
                text.path().display()
            ));
            Exit::Bug
        }
    })
}

fn refused(complaints: &[Complaint]) -> Exit {
    report(complaints);
    Exit::Invalid
}

/// Says what would change.
fn compared(path: &Path, text: &Text, out: &Text) -> Exit {
    if out.contents() == text.contents() {
        return Exit::Success;
    }
    let name = path.display().to_string();
    let diff = TextDiff::from_lines(text.shown(), out.shown());
    tell(diff.unified_diff().context_radius(1).header(&name, "vex fmt").to_string().trim_end());
    Exit::Error
}

/// Puts the result in the place of the file that was read, and of no other that came since.
fn replace(path: &Path, text: &Text, out: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mode = std::fs::metadata(&path)?.permissions();
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(out.as_bytes())?;
    new.as_file().set_permissions(mode)?;
    new.as_file().sync_all()?;
    if std::fs::read(&path)? != text.contents().as_bytes() {
        return Err(std::io::Error::other("somebody changed it meanwhile"));
    }
    new.persist(&path).map_err(|e| e.error)?;
    Ok(())
}
