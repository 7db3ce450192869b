//! What libpq keeps outside of a job file: the password file and the service file.
//!
//! Formats: chapters 34.16 (*The Password File*) and 34.17 (*The Connection Service File*) of the
//! PostgreSQL manual. Pure but for the reading. A password file that others can read is refused,
//! where libpq only passes over it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::base::Secret;

/// Whom a line of the password file is for.
#[derive(Debug, Clone, Copy)]
pub struct Whom<'a> {
    /// Host, or the folder of a socket.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: &'a str,
    /// User.
    pub user: &'a str,
}

/// The password of the first line that fits, from `PGPASSFILE` or `~/.pgpass`.
pub fn password(whom: Whom<'_>) -> Result<Option<Secret>, String> {
    let path = std::env::var_os("PGPASSFILE").map(PathBuf::from).or_else(|| home(".pgpass"));
    let Some(path) = path.filter(|p| p.is_file()) else { return Ok(None) };
    let shown = path.display();
    let mode = std::fs::metadata(&path).map_err(|e| format!("{shown}: {e}"))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} can be read by others (mode {:o}); it must be 0600",
            mode & 0o777
        ));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{shown}: {e}"))?;
    Ok(text.lines().find_map(|line| fits(line, whom)).map(Secret::new))
}

/// The password of a line, if it is for `whom`.
fn fits(line: &str, whom: Whom<'_>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let fields = split(line);
    let [host, port, database, user, password] = fields.as_slice() else { return None };
    // A socket is `localhost` in this file.
    let local = whom.host.starts_with('/') && host == "localhost";
    let is = |field: &str, value: &str| field == "*" || field == value;
    let fits = (is(host, whom.host) || local)
        && is(port, &whom.port.to_string())
        && is(database, whom.database)
        && is(user, whom.user);
    fits.then(|| password.clone())
}

/// The five fields of a line; a backslash takes `:` and itself literally.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().expect("one at least").extend(letters.next()),
            other => fields.last_mut().expect("one at least").push(other),
        }
    }
    fields
}

/// The values of a service, from `PGSERVICEFILE` or `~/.pg_service.conf`, else from `PGSYSCONFDIR`.
pub fn service(name: &str) -> Result<BTreeMap<String, String>, String> {
    let own =
        std::env::var_os("PGSERVICEFILE").map(PathBuf::from).or_else(|| home(".pg_service.conf"));
    let system = std::env::var_os("PGSYSCONFDIR")
        .map_or_else(|| PathBuf::from("/etc/postgresql-common"), PathBuf::from);
    let files: Vec<PathBuf> =
        own.into_iter().chain([system.join("pg_service.conf")]).filter(|p| p.is_file()).collect();
    for path in &files {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        if let Some(found) = section(&text, name) {
            return check(found, path);
        }
    }
    let looked: Vec<String> = files.iter().map(|p| p.display().to_string()).collect();
    let looked =
        if looked.is_empty() { "there is no service file".to_owned() } else { looked.join(", ") };
    Err(format!("the service {name} is not defined ({looked})"))
}

/// The values of a section of a service file.
fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.find(|l| l.strip_prefix('[').and_then(|l| l.strip_suffix(']')) == Some(name))?;
    let own = lines.take_while(|l| !l.starts_with('['));
    Some(
        own.filter_map(|l| l.split_once('='))
            .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
            .collect(),
    )
}

/// What a service may say here; anything else would be left out in silence.
fn check(found: BTreeMap<String, String>, path: &Path) -> Result<BTreeMap<String, String>, String> {
    const KNOWN: [&str; 11] = [
        "host",
        "port",
        "user",
        "dbname",
        "password",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "target_session_attrs",
        "application_name",
    ];
    match found.keys().find(|k| !KNOWN.contains(&k.as_str())) {
        None => Ok(found),
        Some(other) => Err(format!(
            "{}: vex does not know the option {other} of a service: {}",
            path.display(),
            KNOWN.join(", ")
        )),
    }
}

fn home(name: &str) -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| Path::new(&home).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let whom = Whom { host: "db.internal", port: 5432, database: "erp", user: "vex" };
        for (line, expected) in [
            ("db.internal:5432:erp:vex:pa:ss", Some("pa:ss")),
            ("*:*:*:vex:a\\:b\\\\c", Some("a:b\\c")),
            ("#*:*:*:vex:a", None),
            ("db.internal:5433:erp:vex:a", None),
            ("localhost:5432:erp:vex:a", None),
            ("*:*:*:*", None),
        ] {
            assert_eq!(fits(line, whom).as_deref(), expected, "{line}");
        }
        let socket = Whom { host: "/run/postgresql", ..whom };
        assert_eq!(fits("localhost:*:*:vex:a", socket).as_deref(), Some("a"));
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let text = "# x\n[a]\nhost = h1\n\n[b]\nhost=h2\nport=5\n[c]\nport=6\n";
        let found = section(text, "b").expect("there is one");
        assert_eq!(
            found.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
            ["host=h2", "port=5"]
        );
        assert!(section(text, "d").is_none());
    }
}
