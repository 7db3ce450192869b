//! `sources { … }`: the kinds of sources and the defaults of a kind.
//!
//! Does not know stores or jobs.

use std::time::Duration;

use crate::base::{Complaint, Glob, SecretRef};
use crate::job::{
    HostRole, Inconsistent, MysqlSpec, OracleSpec, PostgresSpec, Source, SourceSpec, SqliteSpec,
    Tls, TlsMode,
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
        "oracle" => SourceSpec::Oracle(OracleSpec {
            identity: identity(node, complaints),
            sid: sid(node, complaints),
            home: node.path("home"),
            staging: node.path("staging"),
            channels: node.number("channels"),
            tools: Vec::new(),
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

/// The name of an Oracle instance, which becomes a word of RMAN's environment.
fn sid(node: &Node, complaints: &mut Vec<Complaint>) -> Option<String> {
    let word = node.word("sid")?;
    let good = |c: char| c.is_ascii_alphanumeric() || "_$#".contains(c);
    if !word.value.is_empty() && word.value.len() <= 30 && word.value.chars().all(good) {
        return Some(word.value);
    }
    let wanted = "1 to 30 letters, digits, `_`, `$`, `#`";
    complaints.push(fault::form("sid", wanted, "another text", &word.span));
    None
}

/// Complains about two ways to one server, and a certificate without key.
pub(super) fn conflicts(node: &Node, complaints: &mut Vec<Complaint>) {
    port(node, complaints);
    nothing_left(node, complaints);
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

/// A port behind a host.
fn port(node: &Node, complaints: &mut Vec<Complaint>) {
    for word in node.list("host").iter().chain(&node.word("host")) {
        let Some((host, port)) = word.value.rsplit_once(':') else { continue };
        // More colons are an IPv6 address.
        let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let is_one = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        if is_port && is_one && node.kind.field("port").is_some() {
            let message = "`host` is a name or an address, without a port";
            let host = host.trim_start_matches('[').trim_end_matches(']').escape_debug();
            complaints.push(
                Complaint::error("vex::value::host", message)
                    .label(&word.span, "the port is a field of its own")
                    .help(format!("Write `host=\"{host}\" port={port}`.")),
            );
        }
    }
}

/// Databases that are named and excluded again, each and all.
fn nothing_left(node: &Node, complaints: &mut Vec<Complaint>) {
    let (wanted, excluded) = (node.globs("databases"), node.globs("exclude"));
    let literals: Option<Vec<String>> = wanted.iter().map(Glob::literal).collect();
    let Some(names) = literals.filter(|names| !names.is_empty()) else { return };
    let is_out = |name: &String| excluded.iter().any(|glob| glob.matches(name));
    if names.iter().all(is_out)
        && let Some(span) = node.label("exclude")
    {
        complaints.push(
            Complaint::error("vex::source::nothing", "`exclude` leaves nothing of `databases`")
                .label(span, "wins over `databases`")
                .help("Name what is to be left out inside them: `exclude \"shop.sessions\"`."),
        );
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
        tools: Vec::new(),
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
