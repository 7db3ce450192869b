//! Addresses on a command line: a store (`file:/path`, `s3://bucket/prefix`) or a target of a restore
//! (`mysql://user@host:3306`), as the specs that a job file would declare.
//!
//! Opens nothing. A password in an address is refused and never repeated.

use std::path::PathBuf;

use crate::base::{SecretRef, holds_login, show_address};
use crate::job::{
    DirSpec, HostRole, Inconsistent, MysqlSpec, PostgresSpec, S3Spec, SourceSpec, SqliteSpec,
    StoreSpec, Tls,
};

/// Whether a text is meant as the address of a store.
pub fn is_store_address(text: &str) -> bool {
    text.starts_with("file:") || text.starts_with("s3://")
}

/// Reads `file:/path` or `s3://bucket/prefix?endpoint=…&region=…&profile=…&path-style=…`.
pub fn store_address(text: &str) -> Result<(StoreSpec, String), String> {
    if let Some(path) = text.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err("there is no path after file:".into());
        }
        return Ok((
            StoreSpec::Dir(DirSpec { path: PathBuf::from(path), mount: false }),
            String::new(),
        ));
    }
    s3_address(text).map_err(|why| format!("{}: {why}", show_address(text)))
}

fn s3_address(text: &str) -> Result<(StoreSpec, String), String> {
    const KEYS: &str =
        "keys do not belong into a URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    if holds_login(text) {
        return Err(KEYS.into());
    }
    let url = url::Url::parse(text).map_err(|e| e.to_string())?;
    if url.port().is_some() {
        return Err("a bucket has no port; the service is named by endpoint=".into());
    }
    if url.fragment().is_some() {
        return Err("a `#` that is part of a prefix is written %23".into());
    }
    let mut spec = S3Spec {
        bucket: url.host_str().unwrap_or_default().to_owned(),
        region: std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".into()),
        endpoint: None,
        path_style: false,
        access_key: None,
        secret_key: None,
        session_token: None,
        profile: None,
        ca: None,
        storage_class: None,
        sse: None,
        kms_key: None,
        tags: Vec::new(),
    };
    for (name, value) in url.query_pairs() {
        let value = value.into_owned();
        match name.as_ref() {
            "endpoint" if holds_login(&value) => return Err(KEYS.into()),
            "endpoint" => {
                spec.path_style = true;
                spec.endpoint = Some(value.trim_end_matches('/').to_owned());
            }
            "region" => spec.region = value,
            "profile" => spec.profile = Some(value),
            "path-style" => spec.path_style = value == "true",
            "ca" => spec.ca = Some(PathBuf::from(value)),
            other => {
                return Err(unknown_part(
                    other,
                    "a store URL: endpoint, region, profile, path-style, ca",
                ));
            }
        }
    }
    let prefix = percent_decode(url.path().trim_matches('/')).ok_or("the prefix is not UTF-8")?;
    let under = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    Ok((StoreSpec::S3(spec), under))
}

/// Reads `sqlite:path`, `mysql://user@host:3306[?socket=…&ca=…]` or
/// `postgres://user@host:5432[/database][?…]`.
pub fn target_address(
    text: &str,
    password: Option<SecretRef>,
) -> Result<(SourceSpec, Option<String>), String> {
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
        max_lag: None,
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
fn unknown_part(name: &str, of: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name = if name.chars().all(word) { name } else { "what stands behind the `?`" };
    format!("{name} is not a part of {of}")
}

/// `%XX` as the byte it stands for; `None` if that is no text.
fn percent_decode(text: &str) -> Option<String> {
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
        max_lag: None,
        inconsistent: Inconsistent::Refuse,
        accounts: false,
        tools: Vec::new(),
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
