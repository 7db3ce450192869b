//! `archive`, `keep` and `notify`.

use std::sync::Arc;

use crate::base::{Complaint, SecretRef, Spanned, Text};
use crate::job::{ArchiveSpec, Compression, KeepSpec, NotifyKind, NotifyOn, NotifySpec, Shape};
use crate::syntax::node::{Node, name_span};
use crate::syntax::{fault, problem, value};

/// Reads an `archive` node.
pub fn read_archive(node: &Node, complaints: &mut Vec<Complaint>) -> ArchiveSpec {
    let compression = node.text("compression").map(|word| match word.as_str() {
        "deflate" => Compression::Deflate,
        "store" => Compression::Store,
        _ => Compression::Zstd,
    });
    let level: Option<i32> = node.number("level");
    if let (Some(level), Some(span)) = (level, node.place("level")) {
        let fault = match compression {
            Some(Compression::Store) => Some("`store` has no level"),
            Some(Compression::Deflate) if !(0..=9).contains(&level) => {
                Some("deflate has the levels 0 to 9")
            }
            Some(Compression::Zstd | Compression::Deflate) | None => None,
        };
        if let Some(fault) = fault {
            complaints.push(problem::conflict(
                fault,
                span,
                None,
                "Change `level`, or leave it out.",
            ));
        }
    }
    let password = node.secret("password");
    let recipients = read_age(node, compression, password.is_some(), complaints);
    let previous = read_previous(node, complaints);
    ArchiveSpec { compression, level, password, previous, recipients }
}

/// Reads the `previous` blocks of an archive: passwords of what was sealed before.
fn read_previous(parent: &Node, complaints: &mut Vec<Complaint>) -> Vec<SecretRef> {
    let mut found = Vec::new();
    for block in parent.blocks.iter().filter(|b| b.kind.name == "previous") {
        let node = Node::decode(&block.text, &block.raw, block.kind, complaints);
        node.require(complaints);
        found.extend(node.secret("password"));
    }
    found
}

/// Reads the `age` block of an archive: all recipients, those of recovery among them.
fn read_age(
    parent: &Node,
    compression: Option<Compression>,
    password: bool,
    complaints: &mut Vec<Complaint>,
) -> Vec<String> {
    let mut blocks = parent.blocks.iter().filter(|b| b.kind.name == "age");
    let Some(first) = blocks.next() else { return Vec::new() };
    let span = name_span(&first.text, &first.raw);
    for second in blocks {
        complaints.push(problem::field_twice("age", &span, &name_span(&second.text, &second.raw)));
    }
    let node = Node::decode(&first.text, &first.raw, first.kind, complaints);
    node.require(complaints);
    for (wrong, what, help) in [
        (password, "`age` and `password` both seal", "Keep one of them."),
        (
            compression == Some(Compression::Deflate),
            "what is sealed by `age` is compressed by zstd or not at all",
            "Leave `compression` out.",
        ),
    ] {
        if wrong {
            complaints.push(problem::conflict(what, &span, None, help));
        }
    }
    let mut seen: Vec<Spanned<String>> = Vec::new();
    for word in node.list("recipient").into_iter().chain(node.list("recovery")) {
        if word.value.to_uppercase().starts_with("AGE-SECRET-KEY-") {
            complaints.push(fault::private_key(&word.span));
        } else if word.value.parse::<age::x25519::Recipient>().is_err() {
            let wanted = "an X25519 recipient of age, `age1…`, as `age-keygen -y` prints it";
            complaints.push(fault::form("recipient", wanted, "this text", &word.span));
        } else if let Some(first) = seen.iter().find(|s| s.value == word.value) {
            complaints.push(problem::field_twice("recipient", &first.span, &word.span));
        } else {
            seen.push(word);
        }
    }
    seen.into_iter().map(|word| word.value).collect()
}

/// Reads the `keep` block of a store or a send.
pub fn read_keep(parent: &Node, complaints: &mut Vec<Complaint>) -> Option<KeepSpec> {
    let mut blocks = parent.blocks.iter().filter(|b| b.kind.name == "keep");
    let first = blocks.next()?;
    for second in blocks {
        let (first, second) =
            (name_span(&first.text, &first.raw), name_span(&second.text, &second.raw));
        complaints.push(problem::field_twice("keep", &first, &second));
    }
    let node = Node::decode(&first.text, &first.raw, first.kind, complaints);
    let keep = KeepSpec {
        last: node.number("last"),
        within: node.duration("within"),
        hourly: node.number("hourly"),
        daily: node.number("daily"),
        weekly: node.number("weekly"),
        monthly: node.number("monthly"),
        yearly: node.number("yearly"),
        max_size: node.size("max-size"),
    };
    let said = node.kind.fields.iter().any(|f| node.place(f.name).is_some());
    if keep == KeepSpec::default()
        && !said
        && first.raw.entries().is_empty()
        && first.raw.iter_children().count() == 0
    {
        complaints.push(problem::empty_keep(&node.span));
    }
    Some(keep)
}

/// Reads one line of a `notify` block.
pub fn read_notify(
    text: &Arc<Text>,
    raw: &kdl::KdlNode,
    node: &Node,
    complaints: &mut Vec<Complaint>,
) -> Option<NotifySpec> {
    node.require(complaints);
    let kind = match node.kind.name {
        "email" => {
            let words = |name: &str| node.list(name).into_iter().map(|w| w.value).collect();
            for (name, word) in ["to", "escalate"]
                .iter()
                .flat_map(|n| node.list(n).into_iter().map(move |w| (n, w)))
            {
                if word.value.split_once('@').is_none_or(|(a, b)| a.is_empty() || b.is_empty())
                    || word.value.contains(['\n', '\r'])
                {
                    complaints.push(fault::form(
                        name,
                        "a mail address such as `dba@example.com`",
                        "this text",
                        &word.span,
                    ));
                }
            }
            NotifyKind::Email {
                to: words("to"),
                escalate: words("escalate"),
                subject: node.text("subject"),
                lang: node.text("lang"),
            }
        }
        "webhook" => NotifyKind::Webhook {
            url: url(text, raw, node, complaints)?,
            shape: shape(node.text("shape").as_deref()),
            secret: node.secret("secret"),
            lang: node.text("lang"),
        },
        "ping" => NotifyKind::Ping {
            url: url(text, raw, node, complaints)?,
            start: node.switch("start").unwrap_or(false),
            log: node.size("log"),
        },
        other => unreachable!("BUG: no decoder for notify kind {other}"),
    };
    let on = match node.text("on").as_deref() {
        Some("alert") => NotifyOn::Alert,
        Some("error") => NotifyOn::Error,
        Some("change") => NotifyOn::Change,
        Some("late") => NotifyOn::Late,
        _ => NotifyOn::Always,
    };
    Some(NotifySpec { kind, on, enabled: node.enabled(), span: node.span.clone() })
}

fn shape(word: Option<&str>) -> Shape {
    match word {
        Some("ntfy") => Shape::Ntfy,
        Some("slack") => Shape::Slack,
        Some("discord") => Shape::Discord,
        Some("teams") => Shape::Teams,
        Some("telegram") => Shape::Telegram,
        Some("gotify") => Shape::Gotify,
        _ => Shape::Vex,
    }
}

/// An address: a reference, since such addresses are often secrets. A plain one is a secret in
/// clear.
fn url(
    text: &Arc<Text>,
    raw: &kdl::KdlNode,
    node: &Node,
    complaints: &mut Vec<Complaint>,
) -> Option<SecretRef> {
    let entries: Vec<&kdl::KdlEntry> =
        raw.entries().iter().filter(|e| e.name().is_none()).collect();
    // `url=` was complained about as a field; that it is missing besides would be noise.
    let named = raw.get("url").is_some() || raw.iter_children().any(|c| c.name().value() == "url");
    if entries.is_empty() && named {
        return None;
    }
    value::secret(text, node.kind.name, &entries, &node.span, complaints)
}
