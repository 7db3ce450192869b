//! `job NAME { … }`: its fields, its steps, and the chains of its dumps.
//!
//! Does not resolve names: a step holds the words and their places.

use std::sync::Arc;

use kdl::KdlNode;

use crate::base::{Complaint, Span, Text};
use crate::job::{ArchiveSpec, Dump, EnvValue, Exec, Job, NotifySpec, Send, Step, StepDecl, Verify};
use crate::syntax::node::{Node, Variable, name_span};
use crate::syntax::table::Kind;
use crate::syntax::{policy, problem};

/// Smallest and largest chunk.
const CHUNKS: std::ops::RangeInclusive<u64> = 64 << 10..=256 << 20;

/// Reads a `job` node.
pub fn read_job(text: &Arc<Text>, node: &Node, complaints: &mut Vec<Complaint>) -> Option<Job> {
    let (mut steps, mut notify) = (Vec::new(), Vec::new());
    let mut archive = ArchiveSpec::default();
    let mut first_archive: Option<Span> = None;
    for (kind, raw) in &node.blocks {
        if off(raw) && !kind.ready {
            continue;
        }
        if !kind.ready {
            complaints.push(problem::later(kind, &name_span(text, raw)));
            continue;
        }
        match kind.name {
            "archive" => {
                one_only(&mut first_archive, "archive", name_span(text, raw), complaints);
                archive = archive_of(text, kind, raw, complaints);
            }
            "notify" => notify.extend(read_notify_block(text, kind, raw, complaints)),
            _ => steps.push(read_step(text, kind, raw, complaints)),
        }
    }
    Some(Job {
        name: node.name.clone()?,
        schedule: node.schedule("schedule"),
        timezone: node.text("timezone"),
        threads: node.number("threads").unwrap_or(4),
        parallel: node.number("parallel").unwrap_or(2),
        within: node.duration("within"),
        logs: node.path("logs"),
        archive,
        steps,
        notify,
        enabled: node.enabled(),
        span: node.name.as_ref().map_or(node.span.clone(), |n| n.span.clone()),
    })
}

/// Reads a `notify` block.
pub fn read_notify_block(
    text: &Arc<Text>,
    kind: &'static Kind,
    raw: &KdlNode,
    complaints: &mut Vec<Complaint>,
) -> Vec<NotifySpec> {
    let block = Node::decode(text, raw, kind, complaints);
    let mut all = Vec::new();
    for (kind, raw) in &block.blocks {
        let node = decode_url(text, kind, raw, complaints);
        all.extend(policy::read_notify(text, raw, &node, complaints));
    }
    all
}

/// The address of a ping or webhook is read as a secret by `policy`; here its arguments are not names.
fn decode_url(text: &Arc<Text>, kind: &'static Kind, raw: &KdlNode, complaints: &mut Vec<Complaint>) -> Node {
    if kind.name == "email" {
        return Node::decode(text, raw, kind, complaints);
    }
    let mut own = Vec::new();
    let node = Node::decode(text, raw, kind, &mut own);
    complaints.extend(own.into_iter().filter(|c| !matches!(c.code, "vex::node::argument" | "vex::name::missing")));
    node
}

fn one_only(first: &mut Option<Span>, name: &str, span: Span, complaints: &mut Vec<Complaint>) {
    match first {
        Some(first) => complaints.push(problem::field_twice(name, first, &span)),
        None => *first = Some(span),
    }
}

/// Whether a node says `enabled=#false`, whatever else it says.
pub fn off(raw: &KdlNode) -> bool {
    raw.get("enabled").and_then(|v| v.as_bool()) == Some(false)
        || raw
            .iter_children()
            .any(|c| c.name().value() == "enabled" && c.get(0).and_then(|v| v.as_bool()) == Some(false))
}

fn archive_of(text: &Arc<Text>, kind: &'static Kind, raw: &KdlNode, complaints: &mut Vec<Complaint>) -> ArchiveSpec {
    let node = Node::decode(text, raw, kind, complaints);
    for (kind, raw) in node.blocks.iter().filter(|(kind, raw)| !kind.ready && !off(raw)) {
        complaints.push(problem::later(kind, &name_span(text, raw)));
    }
    policy::read_archive(&node, complaints)
}

fn read_step(text: &Arc<Text>, kind: &'static Kind, raw: &KdlNode, complaints: &mut Vec<Complaint>) -> Step {
    let node = Node::decode(text, raw, kind, complaints);
    node.require(complaints);
    let decl = match kind.name {
        "dump" => StepDecl::Dump(read_dump(text, &node, complaints)),
        "verify" => StepDecl::Verify(read_verify(&node)),
        "exec" => StepDecl::Exec(read_exec(&node, complaints)),
        other => unreachable!("BUG: no decoder for step {other}"),
    };
    Step {
        kind: decl,
        after: node.list("after"),
        optional: node.switch("optional").unwrap_or(false),
        enabled: node.enabled(),
        span: node.span.clone(),
    }
}

fn read_dump(text: &Arc<Text>, node: &Node, complaints: &mut Vec<Complaint>) -> Dump {
    let chunk = node.size("chunk");
    if let (Some(bytes), Some(span)) = (chunk, node.place("chunk"))
        && !CHUNKS.contains(&bytes)
    {
        complaints.push(problem::value_form("chunk", "a size from 64KiB to 256MiB", "that", span));
    }
    let mut dump = Dump {
        sources: node.names.clone(),
        threads: node.number("threads"),
        chunk,
        archive: ArchiveSpec::default(),
        sends: Vec::new(),
        verifies: Vec::new(),
    };
    let mut first_archive = None;
    for (kind, raw) in &node.blocks {
        match kind.name {
            "archive" => {
                one_only(&mut first_archive, "archive", name_span(text, raw), complaints);
                dump.archive = archive_of(text, kind, raw, complaints);
            }
            "send" => {
                let send = Node::decode(text, raw, kind, complaints);
                let keep = policy::read_keep(text, &send, complaints);
                let optional = send.switch("optional").unwrap_or(false);
                if send.enabled() {
                    dump.sends.push(Send { stores: send.names, optional, keep });
                }
            }
            "verify" => {
                let verify = Node::decode(text, raw, kind, complaints);
                if verify.enabled() {
                    dump.verifies.push(read_verify(&verify));
                }
            }
            other => unreachable!("BUG: no decoder for {other} in a chain"),
        }
    }
    dump
}

fn read_verify(node: &Node) -> Verify {
    Verify {
        names: node.names.clone(),
        from: node.word("from"),
        into: node.word("into"),
        optional: node.switch("optional").unwrap_or(false),
        span: node.span.clone(),
    }
}

fn read_exec(node: &Node, complaints: &mut Vec<Complaint>) -> Exec {
    let command: Vec<String> = node.list("command").into_iter().map(|w| w.value).collect();
    if let (Some(program), Some(span)) = (command.first(), node.place("command"))
        && command.len() == 1
        && program.contains(char::is_whitespace)
        && !std::path::Path::new(program).exists()
    {
        complaints.push(problem::conflict(
            "the command is one word with spaces in it",
            span,
            None,
            "There is no shell: write each word by itself, `command \"prog\" \"arg\"`.",
        ));
    }
    let env = node.variables.iter().map(|(name, value)| {
        let value = match value {
            Variable::Plain(text) => EnvValue::Plain(text.clone()),
            Variable::Secret(reference) => EnvValue::Secret(reference.clone()),
        };
        (name.value.clone(), value)
    });
    Exec {
        name: node.name.clone().unwrap_or_else(|| crate::base::Spanned::new("exec".into(), node.span.clone())),
        command,
        env: env.collect(),
        stall: node.duration("stall"),
    }
}
