//! The programs of PostgreSQL that vex runs: which one fits a server, and where it is.
//!
//! Asks each candidate for its version and nothing else; no server is asked, no shell is used. A
//! program may be newer than the server, never older; the oldest that fits is taken, for it knows
//! the server best. Debian's `pg_wrapper` is passed over: which version it starts depends on the
//! machine's own clusters.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::world::Child;

/// Where packages put the programs of each version: what stands before the number, and after it.
const KNOWN: [(&str, &str, &str); 2] =
    [("/usr/lib/postgresql", "", "bin"), ("/usr", "pgsql-", "bin")];

/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Its name and version: `pg_dump 17.5`.
    pub title: String,
    /// Its major version.
    pub major: u32,
}

/// Which versions will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The server's or a newer one.
    NotOlder,
    /// The server's only.
    Same,
}

/// The oldest program called `name` that is not older than a server of this `server_version_num`.
pub fn find(
    tools: &[PathBuf],
    name: &str,
    server_version_num: u32,
    stop: &Stop,
) -> Result<Program> {
    choose(tools, name, server_version_num / 10_000, Fit::NotOlder, stop)
}

/// The program called `name` of exactly this major version: what works on the server's own files
/// must be of its kind.
pub fn find_same(tools: &[PathBuf], name: &str, major: u32, stop: &Stop) -> Result<Program> {
    choose(tools, name, major, Fit::Same, stop)
}

fn choose(tools: &[PathBuf], name: &str, major: u32, fit: Fit, stop: &Stop) -> Result<Program> {
    let mut others = Vec::new();
    for folders in [tools.to_vec(), folders()] {
        let mut best: Option<Program> = None;
        for path in candidates(&folders, name) {
            let Some(program) = ask(path, name, stop)? else { continue };
            let fits = match fit {
                Fit::NotOlder => program.major >= major,
                Fit::Same => program.major == major,
            };
            if !fits {
                others.push(format!("{} is {}", program.path.display(), program.title));
            } else if best.as_ref().is_none_or(|b| program.major < b.major) {
                best = Some(program);
            }
        }
        if let Some(best) = best {
            return Ok(best);
        }
    }
    let found = match (others.is_empty(), fit) {
        (true, _) => {
            "there is none in `tools`, PATH or the folders of PostgreSQL's packages".to_owned()
        }
        (false, Fit::NotOlder) => {
            format!("the server is PostgreSQL {major}, and {}", others.join("; "))
        }
        (false, Fit::Same) => format!("it takes PostgreSQL {major}, and {}", others.join("; ")),
    };
    let hint = format!(
        "Install the package of PostgreSQL {major} that holds {name}, or name its folder in the site file: `tools {{ postgres \"DIR\" }}`."
    );
    Err(Error::new(ErrorKind::Refused, format!("find the program {name}"), found).hint(hint))
}

/// Folders that may hold programs: those of PATH, then those of the packages, in the order of their
/// names.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path).filter(|p| p.is_absolute()).collect();
    for (parent, prefix, bin) in KNOWN {
        // A folder that is not there, or may not be seen, holds no program for us.
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        let names = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
        let mut own: Vec<PathBuf> = names
            .filter(|n| is_version(n, prefix))
            .map(|n| Path::new(parent).join(n).join(bin))
            .collect();
        own.sort();
        all.append(&mut own);
    }
    all
}

/// Whether a folder is called `17`, or `pgsql-17`, or `9.6`.
fn is_version(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix).unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Every file of this name that may be run, each once.
fn candidates(folders: &[PathBuf], name: &str) -> Vec<PathBuf> {
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for path in folders.iter().map(|f| f.join(name)) {
        let runs = std::fs::metadata(&path)
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let wrapper = real.file_name().is_some_and(|n| n == "pg_wrapper");
        if runs && !wrapper && !seen.contains(&real) {
            seen.push(real);
            all.push(path);
        }
    }
    all
}

/// A program as it names itself; `None` for a file of the same name that is none of PostgreSQL's.
fn ask(path: PathBuf, name: &str, stop: &Stop) -> Result<Option<Program>> {
    let words = [path.display().to_string(), "--version".to_owned()];
    let output = Child::new(&words).stall(PATIENCE).output(4096, stop).map_err(|e| {
        let cause = std::error::Error::source(&e).map_or_else(String::new, |s| format!(": {s}"));
        Error::new(ErrorKind::Refused, format!("ask {} for its version", path.display()), format!("{e}{cause}"))
            .hint("Repair or remove it, or name the folder of another in the site file: `tools { postgres \"DIR\" }`.")
    })?;
    let text = String::from_utf8_lossy(&output);
    Ok(version(&text).map(|(version, major)| Program {
        path,
        title: format!("{name} {version}"),
        major,
    }))
}

/// Version and major version of `pg_dump (PostgreSQL) 17.5 (Debian 17.5-1)`.
fn version(text: &str) -> Option<(String, u32)> {
    let (_, rest) = text.lines().next()?.split_once("(PostgreSQL) ")?;
    let version = rest.split_whitespace().next()?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((version.to_owned(), digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script that names itself as a program of PostgreSQL would.
    fn plant(folder: &Path, name: &str, says: &str) {
        std::fs::create_dir_all(folder).expect("made");
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))
            .expect("may be run");
    }

    #[test]
    fn versions_are_read_from_every_form() {
        for (text, expected) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(("15.18", 15))),
            ("pg_basebackup (PostgreSQL) 18beta1", Some(("18beta1", 18))),
            ("pg_dump (PostgreSQL) 9.6.24", Some(("9.6.24", 9))),
            ("another pg_dump 3", None),
            ("", None),
        ] {
            assert_eq!(version(text), expected.map(|(v, n)| (v.to_owned(), n)), "{text}");
        }
        assert!(is_version("17", "") && is_version("pgsql-17", "pgsql-") && is_version("9.6", ""));
        assert!(
            !is_version("pgsql-", "pgsql-")
                && !is_version("local", "")
                && !is_version("17", "pgsql-")
        );
    }

    #[test]
    fn the_oldest_program_that_is_not_older_than_the_server_is_taken() {
        let place = tempfile::tempdir().expect("a folder");
        let tools: Vec<PathBuf> =
            ["18", "a", "16", "other"].iter().map(|n| place.path().join(n)).collect();
        for (folder, says) in tools.iter().zip([
            "pg_vex (PostgreSQL) 18.1",
            "pg_vex (PostgreSQL) 14.2",
            "pg_vex (PostgreSQL) 16.9 (Debian)",
            "a program of the same name",
        ]) {
            plant(folder, "pg_vex", says);
        }
        let stop = Stop::new();
        let found = |version: u32| find(&tools, "pg_vex", version, &stop).map(|p| p.title);
        assert_eq!(found(150_018).expect("one fits"), "pg_vex 16.9");
        assert_eq!(found(160_001).expect("one fits"), "pg_vex 16.9");
        assert_eq!(found(170_005).expect("one fits"), "pg_vex 18.1");
        let error = found(190_000).expect_err("all are older");
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(
            error.found.contains("the server is PostgreSQL 19") && error.found.contains("14.2"),
            "{error}"
        );
        assert_eq!(find_same(&tools, "pg_vex", 14, &stop).expect("one is").major, 14);
        assert!(find_same(&tools, "pg_vex", 15, &stop).is_err());
        assert!(
            find(&[], "pg_vex", 150_000, &stop).expect_err("none").found.contains("there is none")
        );
    }
}
