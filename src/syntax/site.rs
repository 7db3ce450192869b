//! What belongs to the machine: `catalog`, `mail`, `web`, `report`, `metrics`, `language`, `timezone`, `tools`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::{Complaint, Spanned, beside};
use crate::job::{
    CatalogFamily, CatalogHome, CatalogServer, CatalogSpec, Exclusive, MailSpec, MailTls, Site,
    ToolFolder, WebSpec,
};
use crate::syntax::node::Node;
use crate::syntax::value::near_zone;
use crate::syntax::{fault, problem, source};

/// Takes one node of the site into `site`; what is said later wins, so that a job file may say it
/// better.
pub fn read(node: &Node, site: &mut Site, complaints: &mut Vec<Complaint>) {
    node.require(complaints);
    match node.kind.name {
        "catalog" => catalog(node, &mut site.catalog, complaints),
        "mail" => site.mail = Some(mail(node, complaints)),
        "language" => match node.name.as_ref() {
            Some(word) if ["pt-BR", "en"].contains(&word.value.as_str()) => {
                site.language = Some(word.value.clone())
            }
            Some(word) => {
                complaints.push(fault::choice(
                    "language",
                    &word.value,
                    &["pt-BR", "en"],
                    &word.span,
                ));
            }
            None => {}
        },
        "timezone" => match node.name.as_ref() {
            Some(Spanned { value, .. }) if jiff::tz::TimeZone::get(value).is_ok() => {
                site.timezone = Some(value.clone())
            }
            Some(Spanned { value, span }) => {
                complaints.push(fault::zone(value, near_zone(value).as_deref(), span))
            }
            None => {}
        },
        "web" => site.web = web(node, complaints),
        "metrics" => site.metrics = node.path("path").or(site.metrics.take()),
        "report" => site.report = node.path("out").or(site.report.take()),
        "tools" => tools(node, site),
        "state" => site.state = node.path("path").or(site.state.take()),
        "staging" => site.staging = node.path("path").or(site.staging.take()),
        "env-file" => site
            .env_files
            .extend(node.name.as_ref().map(|word| beside(node.span.text.folder(), &word.value))),
        "review" => {
            let word = node.word("by");
            let day = word.and_then(|w| Some(Spanned::new(w.value.parse().ok()?, w.span)));
            site.review = day.or(site.review.take());
        }
        "sign" => site.trust.sign = node.secret("key").or(site.trust.sign.take()),
        "verify-key" => site.trust.verify = verify_keys(node, complaints),
        other => unreachable!("BUG: no decoder for site node {other}"),
    }
}

fn tools(node: &Node, site: &mut Site) {
    for of in ["postgres", "mysql", "mydumper", "oracle"] {
        let folder = |Spanned { value, span }: Spanned<String>| ToolFolder {
            of,
            path: Spanned::new(beside(span.text.folder(), value), span),
        };
        site.tools.extend(node.list(of).into_iter().map(folder));
    }
}

fn verify_keys(node: &Node, complaints: &mut Vec<Complaint>) -> Vec<String> {
    for word in node.names.iter().filter(|word| !is_public_key(&word.value)) {
        let wanted = "`ed25519:` and 32 bytes in Base64, as `vex doctor` prints it of a `sign`";
        complaints.push(fault::form("verify-key", wanted, "this text", &word.span));
    }
    node.names.iter().map(|word| word.value.clone()).collect()
}

fn is_public_key(text: &str) -> bool {
    let encoded = text.strip_prefix("ed25519:");
    encoded.is_some_and(|e| STANDARD.decode(e).is_ok_and(|bytes| bytes.len() == 32))
}

fn web(node: &Node, complaints: &mut Vec<Complaint>) -> WebSpec {
    let words = |name: &str| node.list(name).into_iter().map(|w| w.value).collect::<Vec<_>>();
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        if let (Some(label), None) = (node.label(one), node.place(other)) {
            complaints.push(problem::conflict(
                "a certificate and its key belong together",
                label,
                None,
                "Name both `cert` and `key`.",
            ));
        }
    }
    if let Some(word) = node.word("listen").filter(|w| !is_listen(&w.value)) {
        let wanted = "an address and a port, such as `127.0.0.1:8787`";
        complaints.push(fault::form("listen", wanted, "this text", &word.span));
    }
    for word in node.list("trusted-proxy") {
        if word.value.parse::<std::net::IpAddr>().is_err() {
            let wanted = "IP addresses, such as `10.0.0.5`";
            complaints.push(fault::form("trusted-proxy", wanted, "this text", &word.span));
        }
    }
    WebSpec {
        listen: node.text("listen"),
        hosts: words("hosts"),
        cert: node.path("cert"),
        key: node.path("key"),
        public_url: node.text("public-url"),
        trusted_proxy: words("trusted-proxy"),
        proxy_user: node.text("proxy-user"),
        proxy_admin: node.text("proxy-privilege").is_some_and(|p| p == "Administrador"),
        session: node.duration("session"),
    }
}

/// Whether a text is an address and a port.
fn is_listen(text: &str) -> bool {
    text.parse::<std::net::SocketAddr>().is_ok()
        || text
            .rsplit_once(':')
            .is_some_and(|(host, port)| host == "localhost" && port.parse::<u16>().is_ok())
}

/// What a node does not say stays as it was.
fn catalog(node: &Node, spec: &mut CatalogSpec, complaints: &mut Vec<Complaint>) {
    match node.text("exclusive").as_deref() {
        Some("host") => spec.exclusive = Exclusive::Host,
        Some("required") => spec.exclusive = Exclusive::Required,
        _ => {}
    }
    let mut said = node.label("path").cloned();
    if let Some(path) = node.path("path") {
        spec.home = CatalogHome::File(Some(path));
    }
    for block in &node.blocks {
        let inner = Node::decode(&block.text, &block.raw, block.kind, complaints);
        if let Some(first) = &said {
            complaints.push(problem::conflict(
                "history is kept in one place",
                &inner.span,
                Some(first),
                "Keep one of the two.",
            ));
        }
        said = Some(inner.span.clone());
        spec.home = CatalogHome::Server(server(&inner, complaints));
    }
}

fn server(node: &Node, complaints: &mut Vec<Complaint>) -> CatalogServer {
    node.require(complaints);
    source::conflicts(node, complaints);
    let (family, port) = match node.kind.name {
        "mysql" => (CatalogFamily::Mysql, 3306),
        "postgres" => (CatalogFamily::Postgres, 5432),
        other => unreachable!("BUG: no decoder for the catalog {other}"),
    };
    let host = node.text("host").unwrap_or_else(|| "localhost".into());
    let near = node.place("socket").is_some() || source::is_near(&host);
    CatalogServer {
        family,
        host,
        port: node.number("port").unwrap_or(port),
        socket: node.path("socket"),
        user: node.text("user").unwrap_or_else(|| "vex".into()),
        password: node.secret("password"),
        database: node.text("database").unwrap_or_else(|| "vex".into()),
        tls: source::tls(node, near, complaints),
    }
}

fn mail(node: &Node, complaints: &mut Vec<Complaint>) -> MailSpec {
    let host = node.text("host").unwrap_or_default();
    let port = node.number("port").unwrap_or(587);
    let usual = if port == 465 { MailTls::Implicit } else { MailTls::StartTls };
    let tls = match (node.switch("tls"), node.text("tls").as_deref()) {
        (Some(false), _) => MailTls::Off,
        (_, Some("starttls")) => MailTls::StartTls,
        (_, Some("implicit")) => MailTls::Implicit,
        _ => usual,
    };
    let loopback = ["localhost", "127.0.0.1", "::1"].contains(&host.as_str());
    if let (MailTls::Off, false, Some(span)) = (tls, loopback, node.place("tls")) {
        complaints.push(problem::conflict(
            "mail in the clear",
            span,
            None,
            "`tls=#false` is for a server on this machine only.",
        ));
    }
    if let (Some(user), None) = (node.label("user"), node.place("password")) {
        complaints.push(problem::conflict(
            "`user` needs its `password`",
            user,
            None,
            "Add `password (env)\"…\"`.",
        ));
    }
    MailSpec {
        host,
        port,
        user: node.text("user"),
        password: node.secret("password"),
        from: node.text("from").unwrap_or_default(),
        tls,
        ca: node.path("ca"),
    }
}
