//! A plan as text: chains, order, what matches, memory, locks, parts, and what retention would
//! remove and why.
//!
//! Pure: what servers and stores said comes in as an [`Outlook`].

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::artifact::Method;
use crate::base::Size;
use crate::job::{Engine, ExecOn, KeepSpec, Rman, RmanLevel, SourceSpec};
use crate::plan::graph::{Backup, Needs, Plan, Sent, Step, StepKind, Transfer, Verify, Which};
use crate::plan::wal::{LogCopy, Wal};

/// What servers and stores said, or why they could not be asked.
#[derive(Debug, Default)]
pub struct Outlook {
    /// Of each source: lines about it.
    pub sources: BTreeMap<String, Vec<String>>,
    /// Of each Backup step, by address: memory and parts.
    pub sizes: BTreeMap<String, Vec<String>>,
    /// Of each Vacuum step, by address: what each table is due for.
    pub vacuum: BTreeMap<String, Vec<String>>,
    /// Of each Prune step, by address: what would go and why.
    pub retention: BTreeMap<String, Vec<String>>,
}

/// Shows a plan.
pub fn show(plan: &Plan, outlook: &Outlook) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let mut line = |text: String| writeln!(out, "{text}").unwrap_or_default();
    let zone = plan.zone.as_deref().unwrap_or("the machine's zone");
    line(format!(
        "job {} ({} steps, {} at once, {zone})",
        plan.job,
        plan.steps.len(),
        plan.parallel
    ));
    if let Some(time) = plan.not_after {
        line(format!("begins to read no source after {}", time.strftime("%H:%M")));
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let optional = if step.optional { " (optional)" } else { "" };
        line(format!("\n{}. {}{optional}", index + 1, step.address));
        let waits = waits(plan, index);
        if !waits.is_empty() {
            line(format!("   waits for {}", waits.join(", ")));
        }
        for text in step_lines(step, outlook) {
            line(format!("   {text}"));
        }
    }
    for address in &plan.off {
        line(format!("\n-  {address}: off"));
    }
    out
}

/// What a step waits for, by the numbers of the steps.
fn waits(plan: &Plan, index: usize) -> Vec<String> {
    let before = plan.edges.iter().filter(|e| e.to == index);
    let words = before.map(|e| {
        let from = e.from + 1;
        match &e.needs {
            Needs::End => format!("the end of {from}"),
            Needs::Success => format!("the success of {from}"),
            Needs::Copy(store) => format!("the copy of {from} in {store}"),
        }
    });
    words.collect()
}

/// What a step does, and what is known of it.
fn step_lines(step: &Step, outlook: &Outlook) -> Vec<String> {
    let known = |lines: Option<&Vec<String>>| lines.cloned().unwrap_or_default();
    match &step.kind {
        StepKind::Backup(backup) => {
            let mut lines = backup_lines(backup);
            lines.extend(known(outlook.sources.get(&backup.source.name)));
            lines.extend(known(outlook.sizes.get(&step.address)));
            lines
        }
        StepKind::Vacuum(vacuum) => {
            let mut lines = vec![vacuum.rule.to_string()];
            lines.extend(known(outlook.vacuum.get(&step.address)));
            lines
        }
        StepKind::Verify(verify) => verify_lines(verify),
        StepKind::Prune(prune) => {
            let counts = if prune.verified { "verified" } else { "committed" };
            let mut lines = vec![format!(
                "keeps in {}: {}; only {counts} copies count",
                prune.store.name,
                rules(&prune.keep)
            )];
            lines.extend(known(outlook.retention.get(&step.address)));
            lines
        }
        StepKind::Copy(transfer) => vec![transfer_line(transfer)],
        StepKind::Wal(wal) => wal_lines(wal),
        StepKind::Binlog(log) => binlog_lines(log),
        StepKind::ReadBack(which) => which.source.iter().cloned().collect(),
        StepKind::Restore(restore) => vec![format!("  {}", restore.command())],
        StepKind::Exec(exec) => {
            let arguments = exec.command.len().saturating_sub(1);
            let program = exec.command.first().map_or("", String::as_str);
            let plural = if arguments == 1 { "" } else { "s" };
            let mut lines = vec![format!("runs {program} with {arguments} argument{plural}")];
            lines
                .extend(exec.on.map(|on| format!("only where what it waits for is {}", meant(on))));
            lines
        }
    }
}

/// The verdicts that a program is meant for.
fn meant(on: ExecOn) -> &'static str {
    match on {
        ExecOn::Always => "over, whatever the verdict, and also when the run is stopped",
        ExecOn::Success => "Sucesso",
        ExecOn::Alert => "Alerta or Erro",
        ExecOn::Error => "Erro",
    }
}

/// Where the log of a server goes, and what the step does.
fn wal_lines(wal: &Wal) -> Vec<String> {
    let mut lines = log_lines(wal);
    lines.push("looks for gaps from the oldest base backup on; removes what none needs".into());
    lines
}

/// The same of a binary log.
fn binlog_lines(log: &Wal) -> Vec<String> {
    let mut lines = log_lines(log);
    lines.push("sends what came to the binary log since the last run; removes nothing".into());
    lines
}

fn log_lines(log: &Wal) -> Vec<String> {
    let line = |copy: &LogCopy| {
        let optional = if copy.optional { " (optional)" } else { "" };
        let (kind, name, root) = (copy.store.spec.kind(), &copy.store.name, &copy.root);
        let source = &log.source.name;
        format!("log of {source} in {kind} {name}, below {root}logs/{source}/{optional}")
    };
    log.copies.iter().map(line).collect()
}

fn transfer_line(transfer: &Transfer) -> String {
    let from: Vec<&str> = transfer.from.iter().map(|(store, _)| store.name.as_str()).collect();
    let what = match &transfer.which {
        Sent::Ids(ids) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Sent::Missing => "what is not there".to_owned(),
        Sent::Kept(_) => "what failed to come and would be kept".to_owned(),
    };
    format!(
        "sends {what} from {} to {} and proves it there",
        from.join(" or "),
        transfer.to.store.name
    )
}

fn verify_lines(verify: &Verify) -> Vec<String> {
    let which = match verify.which {
        Which::ThisRun => "the new copy",
        Which::Latest => "the latest copy",
        Which::Random => "any kept copy",
    };
    let what = match &verify.source.spec {
        SourceSpec::Oracle(_) => "hashes every piece",
        _ => "recounts every row that its manifest counts",
    };
    let mut lines = vec![format!("reads {which} in {} back and {what}", verify.store.name)];
    if verify.unpack {
        lines.push(
            "unpacks it in the state folder, and all it adds to, and runs pg_verifybackup".into(),
        );
    }
    if let Some(into) = verify.into.as_ref().filter(|i| matches!(i.spec, SourceSpec::Oracle(_))) {
        lines.push(format!(
            "has RMAN validate it in {}, which must hold no database: RESTORE … VALIDATE",
            into.name
        ));
    } else if let Some(into) = &verify.into {
        lines.push(format!(
            "restores it into {}, whose objects of the same names are replaced",
            into.name
        ));
    }
    if verify.scratch {
        lines.push(format!(
            "restores it into a {} that vex makes for it in a private folder, and removes",
            if matches!(verify.source.spec, SourceSpec::Sqlite(_)) { "file" } else { "server" }
        ));
    }
    lines.extend(verify.asserts.iter().map(|a| format!("asks `{}`: {}", a.sql, a.equals)));
    lines
}

/// What RMAN takes, and where each piece goes.
fn rman_lines(backup: &Backup, rman: &Rman) -> Vec<String> {
    let cumulative = if rman.cumulative { ", cumulative" } else { "" };
    let packed = if rman.compressed { "compressed by RMAN" } else { "not compressed" };
    let mut lines = vec![format!(
        "oracle {}: rman, level {}{cumulative}, {} channels, {packed}, {}",
        backup.source.name,
        rman.level.number(),
        channels(backup),
        sealed(backup),
    )];
    if rman.level == RmanLevel::Incremental {
        lines
            .push("adds to the newest backup that is whole in every store, else a full one".into());
    }
    let ending = match (&backup.archive.password, backup.archive.recipients.is_empty()) {
        (_, false) => ".age",
        (Some(_), true) => ".zip",
        (None, true) => "",
    };
    for copy in &backup.copies {
        let optional = if copy.optional { " (optional)" } else { "" };
        lines.push(format!(
            "to {} {} as {}backups/YYYY/MM/DD/<piece>{ending}, listed by {}{optional}",
            copy.store.spec.kind(),
            copy.store.name,
            copy.root,
            copy.naming.shown("backup_….rman.manifest.json")
        ));
    }
    lines.push("then deletes archived logs older than a day that are backed up".into());
    lines
}

/// How what is written is sealed.
fn sealed(backup: &Backup) -> String {
    match (&backup.archive.password, backup.archive.recipients.len()) {
        (_, 1) => "sealed for a recipient of age".to_owned(),
        (_, n) if n > 1 => format!("sealed for {n} recipients of age"),
        (Some(_), _) => "sealed with AES-256".to_owned(),
        (None, _) => "not sealed".to_owned(),
    }
}

/// How many channels RMAN reads with.
fn channels(backup: &Backup) -> usize {
    match &backup.source.spec {
        SourceSpec::Oracle(spec) => spec.channels.unwrap_or(backup.threads),
        _ => backup.threads,
    }
}

fn backup_lines(backup: &Backup) -> Vec<String> {
    if let Engine::Rman(rman) = &backup.engine {
        return rman_lines(backup, rman);
    }
    let method = match backup.archive.method {
        Method::Zstd(level) => format!("zstd level {level}"),
        Method::Deflate(level) => format!("deflate level {level}"),
        Method::Store => "not compressed".into(),
    };
    let sealed = sealed(backup);
    let mut lines = vec![format!(
        "{} {}: engine {}, {} connections, chunks of {}, {method}, {sealed}",
        backup.source.spec.kind(),
        backup.source.name,
        backup.engine.word(),
        backup.threads,
        Size(backup.chunk as u64),
    )];
    if let SourceSpec::Cluster(spec) = &backup.source.spec
        && spec.physical.incremental
    {
        let hours = spec.physical.full_every.as_secs() / 3600;
        lines.push(format!(
            "adds to the newest backup that is whole in every store; a full one after {hours} h"
        ));
    }
    if backup.retry.times > 0 {
        let minutes = backup.retry.delay.as_secs_f64() / 60.0;
        let times = backup.retry.times;
        lines.push(format!("begun anew up to {times} times where it fails, {minutes} min apart"));
    }
    for copy in &backup.copies {
        let optional = if copy.optional { " (optional)" } else { "" };
        lines.push(format!(
            "to {} {} as {}{optional}",
            copy.store.spec.kind(),
            copy.store.name,
            copy.naming.shown("backup_….zip")
        ));
    }
    lines
}

fn rules(keep: &KeepSpec) -> String {
    let mut rules = Vec::new();
    let counts = [
        ("last", keep.last),
        ("hourly", keep.hourly),
        ("daily", keep.daily),
        ("weekly", keep.weekly),
        ("monthly", keep.monthly),
        ("yearly", keep.yearly),
    ];
    rules.extend(counts.iter().filter_map(|(name, n)| n.map(|n| format!("{name} {n}"))));
    let within = |seconds: u64| match seconds {
        s if s.is_multiple_of(86_400) => format!("within {} d", s / 86_400),
        s if s.is_multiple_of(3600) => format!("within {} h", s / 3600),
        s => format!("within {s} s"),
    };
    rules.extend(keep.within.map(|d| within(d.as_secs())));
    rules.extend(keep.max_size.map(|bytes| format!("at most {}", Size(bytes))));
    rules.join(", ")
}
