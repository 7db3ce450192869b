//! `job NAME { … }`: its fields, its steps, and the chains of its dumps.
//!
//! Does not resolve names: a step holds the words and their places.

use std::sync::Arc;

use kdl::KdlNode;

use crate::base::{Complaint, Span, Spanned, Text};
use crate::job::{
    ArchiveSpec, Dump, DumpForm, Engine, EnvValue, Exec, ExecOn, ExpectSpec, Job, LogsSpec,
    NotifySpec, Physical, Retry, Rman, RmanLevel, Send, Step, StepDecl, TableExpect, Vacuum,
    VacuumRule, Verify, Wal,
};
use crate::job::{Assert, Pick};
use crate::syntax::mask::is_secret;
use crate::syntax::node::{Block, Node, Variable, name_span};
use crate::syntax::table::Kind;
use crate::syntax::value::clock_time;
use crate::syntax::{fault, policy, problem};

/// Smallest and largest chunk.
const CHUNKS: std::ops::RangeInclusive<u64> = 64 << 10..=256 << 20;

/// Least and most bytes a second that `pg_basebackup` knows.
const RATES: std::ops::RangeInclusive<u64> = 32 << 10..=1 << 30;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Reads a `job` node.
pub fn read_job(text: &Arc<Text>, node: &Node, complaints: &mut Vec<Complaint>) -> Job {
    let (mut steps, mut notify) = (Vec::new(), Vec::new());
    let mut archive = ArchiveSpec::default();
    let mut first_archive: Option<Span> = None;
    let mut logs = LogsSpec { path: node.path("logs"), keep: None };
    let mut first_logs: Option<Span> = node.label("logs").cloned();
    for Block { kind, raw, .. } in &node.blocks {
        match kind.name {
            "archive" => {
                one_only(&mut first_archive, "archive", name_span(text, raw), complaints);
                archive = archive_of(text, kind, raw, complaints);
            }
            "logs" => {
                one_only(&mut first_logs, "logs", name_span(text, raw), complaints);
                let block = Node::decode(text, raw, kind, complaints);
                logs = LogsSpec { path: block.path("path"), keep: block.duration("keep") };
            }
            "notify" => notify.extend(read_notify_block(text, kind, raw, complaints)),
            _ => steps.push(read_step(text, kind, raw, complaints)),
        }
    }
    Job {
        // Complained about; its steps are checked all the same.
        name: node.name.clone().unwrap_or_else(|| Spanned::new(String::new(), node.span.clone())),
        schedule: node.schedule("schedule"),
        timezone: node.text("timezone"),
        threads: node.number("threads").unwrap_or(4),
        parallel: node.number("parallel").unwrap_or(2),
        within: node.duration("within"),
        not_after: node.text("not-after").and_then(|text| clock_time(&text)),
        logs,
        archive,
        steps,
        notify,
        enabled: node.enabled(),
        span: node.name.as_ref().map_or(node.span.clone(), |n| n.span.clone()),
    }
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
    for Block { kind, raw, .. } in &block.blocks {
        let node = decode_url(text, kind, raw, complaints);
        all.extend(policy::read_notify(text, raw, &node, complaints));
    }
    all
}

/// The address of a ping or webhook is read as a secret by `policy`; here its arguments are not
/// names.
fn decode_url(
    text: &Arc<Text>,
    kind: &'static Kind,
    raw: &KdlNode,
    complaints: &mut Vec<Complaint>,
) -> Node {
    if kind.name == "email" {
        return Node::decode(text, raw, kind, complaints);
    }
    let mut own = Vec::new();
    let node = Node::decode(text, raw, kind, &mut own);
    complaints.extend(
        own.into_iter().filter(|c| !matches!(c.code, "vex::node::argument" | "vex::name::missing")),
    );
    node
}

fn one_only(first: &mut Option<Span>, name: &str, span: Span, complaints: &mut Vec<Complaint>) {
    match first {
        Some(first) => complaints.push(problem::field_twice(name, first, &span)),
        None => *first = Some(span),
    }
}

fn archive_of(
    text: &Arc<Text>,
    kind: &'static Kind,
    raw: &KdlNode,
    complaints: &mut Vec<Complaint>,
) -> ArchiveSpec {
    let node = Node::decode(text, raw, kind, complaints);
    policy::read_archive(&node, complaints)
}

fn read_step(
    text: &Arc<Text>,
    kind: &'static Kind,
    raw: &KdlNode,
    complaints: &mut Vec<Complaint>,
) -> Step {
    let node = Node::decode(text, raw, kind, complaints);
    node.require(complaints);
    let decl = match kind.name {
        "dump" | "physical" | "rman" => StepDecl::Dump(read_dump(text, &node, kind, complaints)),
        "vacuum" => StepDecl::Vacuum(read_vacuum(&node, complaints)),
        "verify" => StepDecl::Verify(read_verify(&node, complaints)),
        "wal" => StepDecl::Wal(read_wal(text, &node, complaints)),
        "binlog" => StepDecl::Binlog(read_wal(text, &node, complaints)),
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

fn read_dump(text: &Arc<Text>, node: &Node, kind: &Kind, complaints: &mut Vec<Complaint>) -> Dump {
    let chunk = node.size("chunk");
    if let (Some(bytes), Some(span)) = (chunk, node.place("chunk"))
        && !CHUNKS.contains(&bytes)
    {
        complaints.push(fault::form("chunk", "a size from 64KiB to 256MiB", "of this size", span));
    }
    let rate = read_rate(node, complaints);
    let mut dump = Dump {
        sources: node.names.clone(),
        physical: read_physical(node),
        engine: read_engine(node, kind, complaints),
        threads: node.number("threads"),
        chunk,
        retry: read_retry(node, complaints),
        // That of files is told to what reads them.
        rate: rate.filter(|_| kind.name == "dump"),
        archive: ArchiveSpec::default(),
        sends: Vec::new(),
        verifies: Vec::new(),
        expect: ExpectSpec { enabled: kind.name == "dump", ..ExpectSpec::default() },
    };
    let (mut first_archive, mut first_expect) = (None, None);
    for Block { kind, raw, .. } in &node.blocks {
        match kind.name {
            "archive" => {
                one_only(&mut first_archive, "archive", name_span(text, raw), complaints);
                dump.archive = archive_of(text, kind, raw, complaints);
            }
            "send" => {
                let send = Node::decode(text, raw, kind, complaints);
                let keep = policy::read_keep(&send, complaints);
                let optional = send.switch("optional").unwrap_or(false);
                let catch_up = send.switch("catch-up").unwrap_or(false);
                let rate = read_rate(&send, complaints);
                if send.enabled() {
                    dump.sends.push(Send { stores: send.names, optional, catch_up, rate, keep });
                }
            }
            "verify" => {
                let verify = Node::decode(text, raw, kind, complaints);
                if verify.enabled() {
                    dump.verifies.push(read_verify(&verify, complaints));
                }
            }
            "expect" => {
                one_only(&mut first_expect, "expect", name_span(text, raw), complaints);
                dump.expect = read_expect(text, kind, raw, complaints);
            }
            other => unreachable!("BUG: no decoder for {other} in a chain"),
        }
    }
    dump
}

fn read_retry(node: &Node, complaints: &mut Vec<Complaint>) -> Retry {
    let usual = Retry::default();
    if let (Some(delay), None) = (node.label("delay"), node.place("retry")) {
        complaints.push(problem::conflict(
            "`delay` is the time between two tries",
            delay,
            None,
            "Say how often beside it: `retry=3`.",
        ));
    }
    Retry {
        times: node.number("retry").unwrap_or(usual.times),
        delay: node.duration("delay").unwrap_or(usual.delay),
    }
}

/// Bytes a second.
fn read_rate(node: &Node, complaints: &mut Vec<Complaint>) -> Option<u64> {
    let rate = node.size("rate");
    if let (Some(bytes), Some(span)) = (rate, node.place("rate"))
        && !RATES.contains(&bytes)
    {
        complaints.push(fault::form("rate", "a size from 32KiB to 1GiB", "of this size", span));
    }
    rate
}

/// Reads an `expect` block.
fn read_expect(
    text: &Arc<Text>,
    kind: &'static Kind,
    raw: &KdlNode,
    complaints: &mut Vec<Complaint>,
) -> ExpectSpec {
    let node = Node::decode(text, raw, kind, complaints);
    let mut tables = Vec::new();
    for Block { kind, raw, .. } in &node.blocks {
        let table = Node::decode(text, raw, kind, complaints);
        let max_drop = share(&table, complaints);
        if let Some(name) = &table.name {
            let (name, min_rows) = (name.value.clone(), table.number("min-rows"));
            tables.push(TableExpect { name, min_rows, max_drop });
        }
    }
    let usual = ExpectSpec::default();
    ExpectSpec {
        enabled: node.enabled(),
        max_drop: share(&node, complaints).unwrap_or(usual.max_drop),
        min_rows: node.number("min-rows"),
        tables,
    }
}

/// Reads `max-drop`.
fn share(node: &Node, complaints: &mut Vec<Complaint>) -> Option<u8> {
    let word = node.word("max-drop")?;
    let share = word.value.strip_suffix('%').and_then(|number| number.trim().parse::<u8>().ok());
    let share = share.filter(|share| *share <= 100);
    if share.is_none() {
        let wanted = "a share from `0%` to `100%`";
        complaints.push(fault::form("max-drop", wanted, "this text", &word.span));
    }
    share
}

/// What reads the rows or files of a `dump` or `physical`.
fn read_engine(node: &Node, kind: &Kind, complaints: &mut Vec<Complaint>) -> Spanned<Engine> {
    let own = match kind.name {
        "physical" => Engine::Basebackup,
        "rman" => Engine::Rman(read_rman(node, complaints)),
        _ => Engine::default(),
    };
    let mut engine = node.word("engine").map_or_else(
        || Spanned::new(own, node.span.clone()),
        |w| Spanned::new(Engine::of(&w.value).unwrap_or_default(), w.span),
    );
    if let Some(word) = node.word("format") {
        match engine.value {
            Engine::PgDump(_) => {
                engine.value = Engine::PgDump(DumpForm::of(&word.value).unwrap_or_default())
            }
            Engine::Native
            | Engine::Mydumper
            | Engine::Mysqldump
            | Engine::Basebackup
            | Engine::Rman(_) => complaints.push(problem::conflict(
                &format!("the engine {} has no `format`", engine.value.word()),
                &word.span,
                None,
                "Write `engine=\"pg_dump\"` beside it, or leave it out.",
            )),
        }
    }
    engine
}

/// The fields of an `rman`.
fn read_rman(node: &Node, complaints: &mut Vec<Complaint>) -> Rman {
    let section_size = node.size("section-size");
    if let (Some(bytes), Some(span)) = (section_size, node.place("section-size"))
        && (bytes == 0 || !bytes.is_multiple_of(1 << 20))
    {
        complaints.push(fault::form("section-size", "whole MiB", "of this size", span));
    }
    Rman {
        level: match node.number::<u8>("level") {
            Some(1) => RmanLevel::Incremental,
            _ => RmanLevel::Full,
        },
        cumulative: node.switch("cumulative").unwrap_or(false),
        section_size,
        compressed: node.switch("compressed").unwrap_or(false),
    }
}

/// The fields of a `physical`; a `dump` has none of them.
fn read_physical(node: &Node) -> Physical {
    let plain = Physical::default();
    Physical {
        incremental: node.switch("incremental").unwrap_or(plain.incremental),
        full_every: node.duration("full-every").unwrap_or(plain.full_every),
        fast: node.text("checkpoint").map_or(plain.fast, |word| word == "fast"),
        rate: node.size("rate"),
    }
}

fn read_vacuum(node: &Node, complaints: &mut Vec<Complaint>) -> Vacuum {
    let mut days = |name: &str, default: u64| match (
        node.duration(name).map(|d| d.as_secs()),
        node.place(name),
    ) {
        (Some(seconds), Some(span)) if !seconds.is_multiple_of(DAY) => {
            complaints.push(fault::form(name, "whole days such as `5d`", "a part of a day", span));
            default
        }
        (given, _) => given.map_or(default, |seconds| seconds / DAY),
    };
    let usual = VacuumRule::default();
    let rule = VacuumRule {
        full: node.switch("full").unwrap_or(usual.full),
        skip_below: days("skip-below", usual.skip_below),
        full_above: days("full-above", usual.full_above),
        lock_timeout: node.duration("lock-timeout").unwrap_or(usual.lock_timeout),
    };
    let (low, high) = (node.place("skip-below"), node.place("full-above"));
    if let Some(first) = low.or(high)
        && rule.full_above < rule.skip_below
    {
        complaints.push(problem::conflict(
            "`full-above` is below `skip-below`",
            first,
            low.and(high),
            "Below `skip-below` nothing is done, so `full-above` is the greater one, or the same.",
        ));
    }
    Vacuum { sources: node.names.clone(), rule }
}

/// Reads a `wal` or a `binlog`.
fn read_wal(text: &Arc<Text>, node: &Node, complaints: &mut Vec<Complaint>) -> Wal {
    let sources = node.names.clone();
    let mut wal = Wal { sources, archive: ArchiveSpec::default(), sends: Vec::new() };
    let mut first_archive = None;
    for Block { kind, raw, .. } in &node.blocks {
        match kind.name {
            "archive" => {
                one_only(&mut first_archive, "archive", name_span(text, raw), complaints);
                wal.archive = archive_of(text, kind, raw, complaints);
            }
            "send" => {
                let send = Node::decode(text, raw, kind, complaints);
                let optional = send.switch("optional").unwrap_or(false);
                if send.enabled() {
                    let stores = send.names;
                    wal.sends.push(Send {
                        stores,
                        optional,
                        catch_up: false,
                        rate: None,
                        keep: None,
                    });
                }
            }
            other => unreachable!("BUG: no decoder for {other} in a wal"),
        }
    }
    wal
}

fn read_verify(node: &Node, complaints: &mut Vec<Complaint>) -> Verify {
    let mut asserts = Vec::new();
    for Block { kind, raw, text } in &node.blocks {
        let assert = Node::decode(text, raw, kind, complaints);
        assert.require(complaints);
        if let (Some(sql), Some(equals)) = (assert.name.clone(), assert.word("equals")) {
            let unit = assert.word("in").map(|word| word.value);
            asserts.push(Assert { sql: sql.value, equals: equals.value, unit });
        }
    }
    if let (Some(first), None) = (node.blocks.first(), node.word("into")) {
        complaints.push(problem::conflict(
            "`assert` asks what was restored",
            &name_span(&first.text, &first.raw),
            None,
            "Name a scratch source to restore into: `into=\"…\"`.",
        ));
    }
    let random = node.word("pick").is_some_and(|pick| pick.value == "random");
    Verify {
        pick: if random { Pick::Random } else { Pick::Newest },
        asserts,
        names: node.names.clone(),
        from: node.word("from"),
        into: node.word("into"),
        unpack: node.switch("unpack").unwrap_or(false),
        identity: node.secret("identity"),
        optional: node.switch("optional").unwrap_or(false),
        span: node.span.clone(),
    }
}

fn read_exec(node: &Node, complaints: &mut Vec<Complaint>) -> Exec {
    let words = node.list("command");
    for (index, word) in words.iter().enumerate() {
        let (flag, value) = word.value.split_once('=').unwrap_or((&word.value, ""));
        let next = words.get(index + 1).is_some_and(|w| !w.value.starts_with('-'));
        if flag.starts_with('-')
            && is_secret(flag.trim_start_matches('-'))
            && (next || !value.is_empty())
        {
            complaints.push(fault::secret_in_command(&word.span));
        }
    }
    let command: Vec<String> = words.into_iter().map(|w| w.value).collect();
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
        name: node.name.clone().unwrap_or_else(|| Spanned::new("exec".into(), node.span.clone())),
        command,
        env: env.collect(),
        stall: node.duration("stall"),
        on: node.text("on").and_then(|word| ExecOn::of(&word)),
    }
}
