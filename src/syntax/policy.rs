//! `archive`, `keep` and `notify`.

use std::sync::Arc;

use crate::base::{Complaint, SecretRef, Text};
use crate::job::{ArchiveSpec, Compression, KeepSpec, NotifyKind, NotifyOn, NotifySpec};
use crate::syntax::node::{Node, name_span};
use crate::syntax::{problem, value};

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
            Some(Compression::Deflate) if !(0..=9).contains(&level) => Some("deflate has the levels 0 to 9"),
            Some(Compression::Zstd | Compression::Deflate) | None => None,
        };
        if let Some(fault) = fault {
            complaints.push(problem::conflict(fault, span, None, "Change `level`, or leave it out."));
        }
    }
    ArchiveSpec { compression, level, password: node.secret("password") }
}

/// Reads the `keep` block of a store or a send.
pub fn read_keep(text: &Arc<Text>, parent: &Node, complaints: &mut Vec<Complaint>) -> Option<KeepSpec> {
    let mut blocks = parent.blocks.iter().filter(|(kind, _)| kind.name == "keep");
    let (kind, raw) = blocks.next()?;
    for (_, second) in blocks {
        complaints.push(problem::field_twice("keep", &name_span(text, raw), &name_span(text, second)));
    }
    let node = Node::decode(text, raw, kind, complaints);
    let keep = KeepSpec {
        last: node.number("last"),
        within: node.duration("within"),
        hourly: node.number("hourly"),
        daily: node.number("daily"),
        weekly: node.number("weekly"),
        monthly: node.number("monthly"),
        yearly: node.number("yearly"),
    };
    let complained = node.kind.fields.iter().any(|f| node.place(f.name).is_some());
    if keep == KeepSpec::default() && !complained {
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
            let to: Vec<String> = node.list("to").into_iter().map(|w| w.value).collect();
            for word in node.list("to") {
                if word.value.split_once('@').is_none_or(|(a, b)| a.is_empty() || b.is_empty())
                    || word.value.contains(['\n', '\r'])
                {
                    complaints.push(problem::value_form("to", "a mail address", "that", &word.span));
                }
            }
            NotifyKind::Email { to, subject: node.text("subject"), lang: node.text("lang") }
        }
        "webhook" => NotifyKind::Webhook { url: url(text, raw, node, complaints)? },
        "ping" => NotifyKind::Ping { url: url(text, raw, node, complaints)? },
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

/// An address: a reference, since such addresses are often secrets. A plain one is a secret in clear.
fn url(text: &Arc<Text>, raw: &kdl::KdlNode, node: &Node, complaints: &mut Vec<Complaint>) -> Option<SecretRef> {
    let entries: Vec<&kdl::KdlEntry> = raw.entries().iter().filter(|e| e.name().is_none()).collect();
    value::secret(text, node.kind.name, &entries, &node.span, complaints)
}
