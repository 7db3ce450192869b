//! What `--into` names: a source of the job file, or a URL.

use std::path::PathBuf;

use crate::base::{SecretRef, Stop, holds_login, show_address};
use crate::job::{
    HostRole, Inconsistent, JobFile, MysqlSpec, PostgresSpec, SourceSpec, SqliteSpec, Tls,
};
use crate::source::{self, contract::Source};
use crate::world::World;

use crate::cli::args::Restore;
use crate::cli::exit::Exit;
use crate::cli::wiring::{complain, equip, fail};

/// Where a restore goes.
pub struct Into {
    /// The server or file.
    pub source: Box<dyn Source>,
    /// The database that a URL names, for the one database of the backup.
    pub database: Option<String>,
}

/// Opens what `--into` names.
pub fn target(
    args: &Restore,
    file: Option<&JobFile>,
    unit: &str,
    world: &World,
    stop: &Stop,
) -> Result<Into, Exit> {
    let password = match (&args.password_env, &args.password_file) {
        (Some(name), _) => Some(SecretRef::Env(name.clone())),
        (None, Some(path)) => Some(SecretRef::File(path.clone())),
        (None, None) => None,
    };
    let named = file.and_then(|f| f.sources.iter().find(|s| s.name.value == args.into));
    let (mut spec, database) = match named {
        Some(source) => (source.spec.clone(), None),
        None => parse(&args.into, password).map_err(|why| {
            let known: Vec<&str> =
                file.iter().flat_map(|f| &f.sources).map(|s| s.name.value.as_str()).collect();
            complain(&format!(
                "--into {}: {why}; sources of the file: {}",
                show_address(&args.into),
                known.join(", ")
            ));
            Exit::Usage
        })?,
    };
    if let Some(file) = file {
        equip(&mut spec, &file.site);
    }
    let source = source::open(&spec, unit, world, stop).map_err(|e| fail(&e.into()))?;
    Ok(Into { source, database })
}

/// Reads `sqlite:path`, `mysql://user@host:3306[?socket=…&ca=…]` or
/// `postgres://user@host:5432[/database][?…]`.
fn parse(text: &str, password: Option<SecretRef>) -> Result<(SourceSpec, Option<String>), String> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return if path.is_empty() {
            Err("there is no path after sqlite:".into())
        } else {
            Ok((SourceSpec::Sqlite(SqliteSpec { identity: None, path: PathBuf::from(path) }), None))
        };
    }
    let known = ["mysql", "mariadb", "postgres", "postgresql"];
    let scheme = text.split_once("://").map(|(scheme, _)| scheme).filter(|s| known.contains(s));
    let Some(scheme) = scheme else {
        return Err(
            "neither a source nor a URL such as mysql://user@host:3306, postgres://user@host:5432 or sqlite:path"
                .into(),
        );
    };
    if holds_login(text) {
        return Err("a password does not belong into a URL; use --password-env or --password-file. An `@` that is part of \
                    a name is written %40"
            .into());
    }
    let url = url::Url::parse(text).map_err(|e| e.to_string())?;
    if url.fragment().is_some() {
        return Err("a `#` that is part of a name is written %23".into());
    }
    if scheme.starts_with("postgres") {
        postgres(&url, password)
    } else {
        Ok((mysql(&url, password)?, None))
    }
}

fn postgres(
    url: &url::Url,
    password: Option<SecretRef>,
) -> Result<(SourceSpec, Option<String>), String> {
    let host =
        url.host_str().filter(|h| !h.is_empty()).map(|h| h.trim_matches(['[', ']']).to_owned());
    let mut spec = PostgresSpec {
        identity: None,
        hosts: host.into_iter().collect(),
        port: url.port(),
        socket: None,
        service: None,
        session: HostRole::Any,
        user: user(url)?,
        password,
        databases: Vec::new(),
        schemas: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        lock_wait: std::time::Duration::from_secs(5),
        globals: false,
        tools: Vec::new(),
    };
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "socket" => spec.socket = Some(PathBuf::from(value.into_owned())),
            "ca" => spec.tls.ca = Some(PathBuf::from(value.into_owned())),
            "service" => spec.service = Some(value.into_owned()),
            other => {
                return Err(unknown_part(other, "such a URL: socket, ca, service"));
            }
        }
    }
    let path = url.path().trim_matches('/');
    let plain = percent_decode(path).ok_or("the name of the database is not UTF-8")?;
    Ok((SourceSpec::Postgres(spec), Some(plain).filter(|p| !p.is_empty())))
}

fn user(url: &url::Url) -> Result<Option<String>, String> {
    let user = percent_decode(url.username()).ok_or("the name of the user is not UTF-8")?;
    Ok(Some(user).filter(|u| !u.is_empty()))
}

/// A parameter that means nothing; what is no word may be a piece of a password.
pub fn unknown_part(name: &str, of: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name = if name.chars().all(word) { name } else { "what stands behind the `?`" };
    format!("{name} is not a part of {of}")
}

/// `%XX` as the byte it stands for; `None` if that is no text.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [a, b, after @ ..]) => {
                let digit = |d: &u8| char::from(*d).to_digit(16);
                bytes.push((digit(a)? * 16 + digit(b)?) as u8);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, tail) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn mysql(url: &url::Url, password: Option<SecretRef>) -> Result<SourceSpec, String> {
    let mut spec = MysqlSpec {
        identity: None,
        host: url.host_str().unwrap_or("localhost").trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(3306),
        socket: None,
        user: user(url)?.unwrap_or_else(|| "root".into()),
        password,
        databases: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        lock_wait: std::time::Duration::from_secs(1),
        ddl_wait: std::time::Duration::from_secs(10),
        inconsistent: Inconsistent::Refuse,
        accounts: false,
    };
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "socket" => spec.socket = Some(PathBuf::from(value.into_owned())),
            "ca" => spec.tls.ca = Some(PathBuf::from(value.into_owned())),
            other => return Err(unknown_part(other, "such a URL: socket, ca")),
        }
    }
    if url.path().trim_matches('/').is_empty() {
        Ok(SourceSpec::Mysql(spec))
    } else {
        Err("a database does not belong into the URL; use --only DB and --as NEWNAME".into())
    }
}
