//! `sources { … }`: the kinds of sources and the defaults of a kind.
//!
//! Does not know stores or jobs.

use std::time::Duration;

use crate::base::{Complaint, SecretRef};
use crate::job::{
    HostRole, Inconsistent, MysqlSpec, PostgresSpec, Source, SourceSpec, SqliteSpec, Tls, TlsMode,
};
use crate::syntax::node::Node;
use crate::syntax::{fault, problem};

/// The longest `identity`, in characters.
const LONGEST: usize = 255;

/// Reads one named source whose defaults are filled in.
pub fn read(node: &Node, complaints: &mut Vec<Complaint>) -> Option<Source> {
    node.require(complaints);
    let name = node.name.clone()?;
    let spec = match node.kind.name {
        "mysql" => SourceSpec::Mysql(mysql(node, complaints)),
        "postgres" => SourceSpec::Postgres(postgres(node, complaints)),
        "sqlite" => SourceSpec::Sqlite(SqliteSpec {
            identity: identity(node, complaints),
            path: node.path("path").unwrap_or_default(),
        }),
        other => unreachable!("BUG: no decoder for source kind {other}"),
    };
    Some(Source {
        name,
        spec,
        enabled: node.enabled(),
        scratch: node.switch("scratch").unwrap_or(false),
        site: node.text("site").unwrap_or_default(),
        restore_within: node.duration("restore-within"),
        span: node.span.clone(),
    })
}

/// Complains about what the defaults of a kind may not hold: one identity would make one database
/// of all its sources.
pub fn check_defaults(node: &Node, complaints: &mut Vec<Complaint>) {
    if let Some(label) = node.label("identity") {
        complaints.push(problem::conflict(
            "`identity` says which database one source is, and no default can",
            label,
            None,
            "Write it in the source that it is of.",
        ));
    }
}

fn identity(node: &Node, complaints: &mut Vec<Complaint>) -> Option<String> {
    let word = node.word("identity")?;
    let text = &word.value;
    let good = (1..=LONGEST).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if good {
        return Some(word.value);
    }
    let wanted = format!("1 to {LONGEST} characters, no control character, no space at either end");
    let found = if text.is_empty() { "an empty text" } else { "this text" };
    complaints.push(fault::form("identity", &wanted, found, &word.span));
    None
}

/// Complains about two ways to one server, and a certificate without key.
pub(super) fn conflicts(node: &Node, complaints: &mut Vec<Complaint>) {
    if let (Some(socket), Some(host)) = (node.label("socket"), node.label("host")) {
        complaints.push(problem::conflict(
            "`socket` and `host` name two ways to one server",
            host,
            Some(socket),
            "Keep one of the two.",
        ));
    }
    if let (Some(cert), None) = (node.label("cert"), node.label("key")) {
        complaints.push(problem::conflict(
            "`cert` needs its `key`",
            cert,
            None,
            "Add `key=\"…\"`.",
        ));
    }
}

fn postgres(node: &Node, complaints: &mut Vec<Complaint>) -> PostgresSpec {
    conflicts(node, complaints);
    let hosts: Vec<String> = node.list("host").into_iter().map(|w| w.value).collect();
    let near = node.place("socket").is_some() || hosts.iter().all(|h| is_near(h));
    PostgresSpec {
        identity: identity(node, complaints),
        port: node.number("port"),
        socket: node.path("socket"),
        service: node.text("service"),
        session: match node.text("session").as_deref() {
            Some("primary") => HostRole::Primary,
            Some("standby") => HostRole::Standby,
            _ => HostRole::Any,
        },
        user: node.text("user"),
        password: node.secret("password"),
        databases: node.globs("databases"),
        schemas: node.globs("schemas"),
        exclude: node.globs("exclude"),
        tables: node.globs("tables"),
        tls: tls(node, near, complaints),
        lock_wait: node.duration("lock-wait").unwrap_or(Duration::from_secs(5)),
        max_lag: node.duration("max-lag"),
        globals: node.switch("globals").unwrap_or(false),
        tools: Vec::new(),
        hosts,
    }
}

/// Whether a host is this machine.
pub(super) fn is_near(host: &str) -> bool {
    host.starts_with('/') || ["localhost", "127.0.0.1", "::1"].contains(&host)
}

fn mysql(node: &Node, complaints: &mut Vec<Complaint>) -> MysqlSpec {
    conflicts(node, complaints);
    let near = node.place("socket").is_some() || node.text("host").is_none_or(|h| is_near(&h));
    let password: Option<SecretRef> = node.secret("password");
    MysqlSpec {
        identity: identity(node, complaints),
        host: node.text("host").unwrap_or_else(|| "localhost".into()),
        port: node.number("port").unwrap_or(3306),
        socket: node.path("socket"),
        user: node.text("user").unwrap_or_else(|| "root".into()),
        password,
        databases: node.globs("databases"),
        exclude: node.globs("exclude"),
        tables: node.globs("tables"),
        tls: tls(node, near, complaints),
        lock_wait: node.duration("lock-wait").unwrap_or(Duration::from_secs(1)),
        ddl_wait: node.duration("ddl-wait").unwrap_or(Duration::from_secs(10)),
        max_lag: node.duration("max-lag"),
        inconsistent: match node.text("inconsistent").as_deref() {
            Some("alert") => Inconsistent::Alert,
            _ => Inconsistent::Refuse,
        },
        accounts: node.switch("accounts").unwrap_or(false),
    }
}

/// How a connection is protected; what is weak is complained about.
pub(super) fn tls(node: &Node, near: bool, complaints: &mut Vec<Complaint>) -> Tls {
    let mode = node.word("tls").map(|word| match word.value.as_str() {
        "verify-full" => TlsMode::VerifyFull,
        weak => {
            if !(near && weak == "off") {
                complaints.push(problem::weak_tls(weak, &word.span));
            }
            match weak {
                "verify-ca" => TlsMode::VerifyCa,
                "require" => TlsMode::Require,
                _ => TlsMode::Off,
            }
        }
    });
    Tls { mode, ca: node.path("ca"), cert: node.path("cert"), key: node.path("key") }
}
