//! A restore into a server or a file: its plan, and its work.

use std::collections::HashSet;

use crate::artifact::{Damage, EntryLine, Kind};
use crate::pipeline::{self, Fetch, Meter};
use crate::plan::{BackupWish, RestoreSpec, SourceRef};
use crate::record::{Event, RestoreFacts};
use crate::recover::archive::choose_from;
use crate::recover::binlog::LogAim;
use crate::recover::candidates::Picked;
use crate::recover::choice::{Choice, Names, with_accounts};
use crate::recover::fault::Fault;
use crate::recover::lock::TargetLock;
use crate::recover::marker::Marker;
use crate::recover::operator::Work;
use crate::recover::prove::{Setback, prove};
use crate::recover::refused;
use crate::recover::restore_plan::RestorePlan;
use crate::recover::target::{Restored, open_target, restore_into};
use crate::source;
use crate::source::contract::{ErrorKind, Terms};
use crate::world::around;

/// The word for the map that vex has.
const READY: &str = "ready";

pub(super) fn fetch<'a>(picked: &'a Picked, meter: &'a Meter) -> Fetch<'a> {
    Fetch {
        store: picked.store.as_ref(),
        manifest: &picked.manifest,
        key: picked.key.as_ref(),
        meter,
    }
}

/// Refuses a backup of another kind than the target takes, before anybody is asked.
fn same_kind(picked: &Picked, source: &SourceRef, into: &str) -> Result<(), Fault> {
    let (backup, target) = (picked.manifest.head.kind.as_str(), source.spec.kind());
    if backup == target || source::dialect(backup).is_none() {
        return Ok(());
    }
    Err(Fault::usage(
        format!(
            "{} is a backup of {backup}, and {into} is of {target}; nothing was written",
            picked.manifest.head.id
        ),
        "Name a target of the same kind with --into.",
    ))
}

/// Makes the plan.
pub fn plan(
    spec: &RestoreSpec,
    (source, database): (&SourceRef, Option<&str>),
    (picked, log): (&Picked, Option<&LogAim>),
    work: Work<'_>,
) -> Result<RestorePlan, Fault> {
    same_kind(picked, source, &spec.into)?;
    let stop = work.stop;
    let name = &picked.manifest.head.source;
    let target = source::open(&source.spec, name, work.world, stop)?;
    let rename = spec.rename.as_deref().or(database);
    let meter = Meter::default();
    let names = Names { only: &spec.only, except: &spec.except };
    let mut choice = choose_from(&fetch(picked, &meter), names, rename, spec.overwrite, stop)?;
    choice.loading.resume = spec.resume;
    choice.loading.terms = terms(spec);
    choice.loading.map_collation = collations(spec)?;
    if spec.accounts {
        with_accounts(&picked.manifest, &mut choice)?;
    }
    let opened = target.target(1, stop)?;
    opened.agree(&choice.loading, stop)?;
    let mut existing = opened.existing(&choice.loading, stop)?;
    // One thing that is made in two steps exists once.
    let mut seen = HashSet::new();
    existing.retain(|title| seen.insert(title.clone()));
    let restore = pipeline::Restore {
        fetch: &fetch(picked, &meter),
        target: opened.as_ref(),
        loading: &choice.loading,
        chosen: &choice.chosen,
    };
    let objections = pipeline::preflight(&restore, stop)?;
    drop(opened);
    let rights = target.rights(&choice.loading, stop)?;
    let into = (&source.spec, spec.accounts, choice.loading.members.as_slice());
    let recovery = match log {
        Some(aim) => Some(aim.recovery(&picked.manifest.head, into, stop)?),
        None => None,
    };
    let manifest = &picked.manifest;
    let own = manifest.entries.iter().filter(|e: &&EntryLine| choice.chosen[e.member]);
    let bytes = own.fold((0, 0), |(s, r), e| (s + e.stored, r + e.raw));
    Ok(RestorePlan {
        head: manifest.head.clone(),
        place: picked.store.place().to_owned(),
        bytes,
        rows: choice.recounted(manifest).iter().map(|(_, proof)| proof.rows).sum(),
        renamed: renamed(&choice, rename),
        target,
        accounts: manifest.members.iter().filter(|m| m.kind == Kind::Account).count(),
        existing,
        objections,
        rights,
        recovery,
        seconds: work.operator.pace().map(|pace| bytes.1.div_ceil(pace.max(1))),
        choice,
    })
}

/// The database that gets another name.
fn renamed(choice: &Choice, rename: Option<&str>) -> Option<(String, String)> {
    let from = choice.loading.members.first().map(|m| m.unit.clone())?;
    rename.filter(|to| *to != from).map(|to| (from, to.to_owned()))
}

/// How the target is treated.
fn terms(spec: &RestoreSpec) -> Terms {
    Terms { current_definer: spec.current_definer, gtid: spec.gtid, skip_binlog: spec.skip_binlog }
}

/// The collations that become others.
fn collations(spec: &RestoreSpec) -> Result<Vec<(String, String)>, Fault> {
    // What was typed wins over the ready map.
    let mut all = match spec.map_collation.iter().any(|word| word == READY) {
        true => source::ready_collations(),
        false => Vec::new(),
    };
    for word in &spec.map_collation {
        match word.split_once('=') {
            Some((old, new)) if !old.is_empty() && !new.is_empty() => {
                all.push((old.to_owned(), new.to_owned()));
            }
            None if word == READY => {}
            _ => {
                let found = format!("--map-collation {word} is neither OLD=NEW nor {READY}");
                return Err(Fault::Usage { found, hint: None });
            }
        }
    }
    Ok(all)
}

fn marker(spec: &RestoreSpec, plan: &RestorePlan, work: Work<'_>) -> Marker {
    let rename = plan.choice.loading.rename.as_deref();
    Marker::new(work.world, &plan.head.id, plan.target.place(), &names(spec), rename)
}

/// What is chosen by name, as the mark of a restore keeps it.
fn names(spec: &RestoreSpec) -> Vec<String> {
    let except = spec.except.iter().map(|name| format!("-{name}"));
    spec.only.iter().cloned().chain(except).collect()
}

/// Why the plan may not begin.
pub fn refusal(spec: &RestoreSpec, plan: &RestorePlan, work: Work<'_>) -> Result<(), Fault> {
    if spec.resume && !marker(spec, plan, work).is_open() {
        return Err(Fault::Nothing {
            doing: "resume".into(),
            found: format!(
                "no restore of {} into {} with this choice was interrupted on this machine",
                plan.head.id,
                plan.target.place()
            ),
            hint: Some("Start it without --resume.".into()),
        });
    }
    plan.refusal().map_err(|fault| match fault {
        Fault::Source(error)
            if error.kind == ErrorKind::Exists && marker(spec, plan, work).is_open() =>
        {
            let hint = "This restore was interrupted here: --resume goes on with it. --overwrite replaces exactly these.";
            Fault::Source(error.hint(hint))
        }
        other => other,
    })
}

/// Reads what is restored before anything is written, where the wish says so.
pub fn read_first(
    spec: &RestoreSpec,
    plan: &RestorePlan,
    picked: &Picked,
    work: Work<'_>,
) -> Result<(), Setback> {
    if !plan.reads_first(spec) {
        return Ok(());
    }
    let own = std::slice::from_ref(&picked.manifest);
    prove(spec, picked, own, Some(&plan.choice.chosen), work)
}

/// What the history and programs are told of the restore.
fn facts(plan: &RestorePlan, differences: Vec<String>) -> RestoreFacts {
    RestoreFacts {
        id: plan.head.id.clone(),
        source: plan.head.source.clone(),
        place: plan.place.clone(),
        key: plan.head.key.clone(),
        target: plan.target.place().to_owned(),
        tables: plan.choice.count(Kind::Table),
        rows: plan.rows,
        raw: plan.bytes.1,
        replaced: plan.existing.clone(),
        differences,
    }
}

/// Performs the plan.
pub fn perform(
    spec: &RestoreSpec,
    plan: &RestorePlan,
    picked: &Picked,
    work: Work<'_>,
) -> Result<Restored, Setback> {
    let lock =
        TargetLock::take(work, plan.target.as_ref(), &plan.head.kind).map_err(Setback::of)?;
    read_first(spec, plan, picked, work)?;
    let choice = &plan.choice;
    let opened = open_target(plan.target.as_ref(), choice, spec.threads, work.stop)
        .map_err(|fault| Setback::of(fault.before_writing()))?;
    let marker = marker(spec, plan, work);
    let resumes = source::resumes(&plan.head.kind);
    if resumes
        && (plan.existing.is_empty() || spec.overwrite)
        && let Err(error) = around("mark", || marker.begin())
    {
        work.warn(format_args!(
            "the state folder can't be written: {error}; this restore could not be resumed"
        ));
    }
    if let Some(say) = work.say {
        say.event(Event::Restoring { step: say.step(), restore: facts(plan, Vec::new()) });
    }
    let meter = Meter::default();
    let fetch = fetch(picked, &meter);
    let rest = plan.recovery.as_ref().map(|own| own.rest(work)).transpose();
    let rest = rest.map_err(|fault| Setback::of(fault.before_writing()))?;
    let done = restore_into(&fetch, opened.as_ref(), choice, &meter, work.say, work.stop);
    drop(opened);
    let done = done.map_err(|fault| {
        // What is wrong in the backup is there the next time too.
        let hint = if marker.is_open() && !fault.condemns() {
            let again = RestoreSpec { resume: true, fallback: false, ..spec.clone() };
            let which = BackupWish { backup: plan.head.id.to_string(), ..spec.which.clone() };
            let again = RestoreSpec { which, overwrite: false, ..again };
            format!("; `{}` goes on", again.command())
        } else {
            String::new()
        };
        work.warn(format_args!("INCOMPLETE: what was restored so far is not the backup{hint}"));
        Setback::late(fault)
    })?;
    if let Err(error) = around("unmark", || marker.end()) {
        work.warn(format_args!(
            "the mark of this restore could not be removed from the state folder: {error}"
        ));
    }
    replayed(spec, plan, &done, work).map_err(Setback::late)?;
    if let Some(rest) = rest {
        rest.end().map_err(Setback::late)?;
    }
    // Last: the mark of whoever comes next is not ours to remove.
    drop(lock);
    Ok(done)
}

/// Replays the log, where that is asked for and the dump came back as it is.
fn replayed(
    spec: &RestoreSpec,
    plan: &RestorePlan,
    done: &Restored,
    work: Work<'_>,
) -> Result<(), Fault> {
    let Some(recovery) = &plan.recovery else { return Ok(()) };
    if !done.outcome.differences().is_empty() {
        work.warn("the log is not replayed, since what came back is not what the backup holds");
        return Ok(());
    }
    recovery.perform(spec.which.keys.identity.clone(), work).inspect_err(|_| {
        work.warn(format_args!(
            "INCOMPLETE: {} came back whole, and the log was not replayed to its end; --overwrite begins again",
            plan.head.id
        ));
    })
}

/// Says what came back; the error is that it is not what the backup holds.
pub fn judge(
    spec: &RestoreSpec,
    plan: &RestorePlan,
    picked: &Picked,
    done: &Restored,
    work: Work<'_>,
) -> Result<(), Fault> {
    done.remarks.iter().for_each(|remark| work.tell(remark));
    done.outcome.noted.iter().for_each(|line| work.warn(line));
    let damage = done.outcome.differences();
    damage.iter().for_each(|line: &Damage| work.differs(format_args!("differs: {line}")));
    let path = spec.refused.as_deref().or(spec.beside_log.as_deref());
    refused::keep(path, &done.outcome.refused, work);
    if let Some(say) = work.say {
        let differences = damage.iter().map(ToString::to_string).collect();
        say.event(Event::Restored { step: say.step(), restore: facts(plan, differences) });
    }
    let recounted = plan.choice.recounted(&picked.manifest);
    for (index, proof) in &recounted {
        let mut member = picked.manifest.members[*index].clone();
        if let Some((_, name)) = &plan.renamed {
            member.unit.clone_from(name);
        }
        let title = member.title();
        let refused = |what: &str| {
            let all = &done.outcome.refused;
            all.iter().find(|r| r.what.strip_prefix(what).is_some_and(|rest| rest == title))
        };
        match (refused("table "), refused("rows of ")) {
            // What is not there has no rows.
            (Some(_), _) => {}
            (None, Some(rows)) => {
                let came = proof.rows.saturating_sub(rows.rows);
                work.tell(format_args!("{came:>12} rows, {} were refused  {title}", rows.rows));
            }
            (None, None) => {
                work.tell(format_args!("{:>12} rows  {}  {title}", proof.rows, proof.digest));
            }
        }
    }
    if !damage.is_empty() {
        let gtid = if spec.gtid { "; the GTID state was not taken over" } else { "" };
        let found = format!("{} differences from the manifest{gtid}", damage.len());
        return Err(Fault::Differs { found, hint: None });
    }
    let proof = match recounted.is_empty() {
        false => "every row count and digest is as the manifest says",
        true => "it holds no row count or digest that could be compared",
    };
    work.tell(format_args!("restored {} into {}: {proof}", plan.head.id, plan.target.place()));
    Ok(())
}
