//! `fetch → open → load`: *before* in order, *data* on all connections, what waited for the rows,
//! then *after* in order and what waited for that.
//!
//! Knows a target, not which server it is. Nothing counts as restored before the target recounted
//! it. What the target refuses, whatever it is, does not keep the rest away: it is listed at the
//! end, and the restore is incomplete.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::bounded;

use crate::artifact::{Damage, EntryLine, Kind, Member, Phase, Proof};
use crate::base::Stop;
use crate::pipeline::definitions::{self, Comparison, Defined};
use crate::pipeline::fetch::{Fetch, Opened};
use crate::pipeline::loader::Loader;
use crate::pipeline::recount::{Compared, Recount};
use crate::pipeline::refusals::{Refusals, what};
use crate::pipeline::rounds::finish;
use crate::pipeline::shares::WorkShares;
use crate::pipeline::stage::{Error, FirstFailure};
use crate::source::contract::{Load, Loading, Objection, Refused, Target, is_refusal};

/// What is to be restored.
#[derive(Clone, Copy)]
pub struct Restore<'a> {
    /// Where entries come from.
    pub fetch: &'a Fetch<'a>,
    /// Where they go.
    pub target: &'a dyn Target,
    /// What is loaded and how.
    pub loading: &'a Loading,
    /// Whether a member is chosen, by its index.
    pub chosen: &'a [bool],
}

/// What a restore came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What came back and is not what the manifest says.
    pub damage: Vec<Damage>,
    /// What did not come back: the target refused it.
    pub refused: Vec<Refused>,
    /// What somebody should know of what came back.
    pub noted: Vec<String>,
}

impl Outcome {
    /// Every difference from the manifest: what was refused, then what differs.
    pub fn differences(&self) -> Vec<Damage> {
        let left = |refused: &Refused| Damage::Left {
            what: refused.what.clone(),
            why: match refused.rows {
                0 => refused.why.clone(),
                1 => format!("{} (1 row)", refused.why),
                rows => format!("{} ({rows} rows)", refused.why),
            },
        };
        self.refused.iter().map(left).chain(self.damage.iter().cloned()).collect()
    }
}

/// Restores and recounts. What the target refuses keeps nothing else away; an error is what leaves
/// nobody to ask for the rest.
pub fn restore(restore: &Restore<'_>, stop: &Stop) -> Result<Outcome, Error> {
    let manifest = restore.fetch.manifest;
    // What is not known is not restored, and nobody would miss it.
    manifest.holds(restore.chosen).map_err(Error::Panic)?;
    let kept = if restore.loading.resume { kept(restore, stop)? } else { BTreeSet::new() };
    let is_kept = |member: &Member| kept.iter().any(|i| manifest.members[*i] == *member);
    let chosen: Vec<&EntryLine> = manifest
        .entries
        .iter()
        .filter(|e| restore.chosen[e.member] && !kept.contains(&e.member))
        .collect();
    if restore.loading.resume
        && restore.target.has_finished(restore.loading, stop)?
        && is_whole(restore, &kept, stop)?
    {
        restore.target.finish(stop)?;
        return Ok(Outcome::default());
    }
    restore.fetch.meter.expect(chosen.iter().map(|e| e.raw).sum());
    if restore.loading.resume {
        let mut rest = Loading { overwrite: true, ..restore.loading.clone() };
        rest.members.retain(|m| !is_kept(m));
        restore.target.prepare(&rest, stop)?;
    } else {
        restore.target.prepare(restore.loading, stop)?;
    }
    let refusals = Refusals::new(manifest, restore.target);
    let recount = load(restore, &chosen, &kept, &refusals, stop)?;
    settle(restore, recount.compare(&refusals), refusals, stop)
}

/// Whether all that is wanted is there: every table was kept, and what else can be counted or
/// looked for is as it should be.
fn is_whole(restore: &Restore<'_>, kept: &BTreeSet<usize>, stop: &Stop) -> Result<bool, Error> {
    let (manifest, target) = (restore.fetch.manifest, restore.target);
    if !missing(target, &restore.loading.members, stop)?.is_empty() {
        return Ok(false);
    }
    let refusals = Refusals::new(manifest, target);
    let left = counted(restore, kept, &refusals);
    let recount = Recount::new(manifest, target, left, stop)?;
    finish(target, Vec::new(), Some(&recount), &refusals, stop)?;
    Ok(recount.compare(&refusals).proven(true).is_some())
}

/// Loads all phases and what waits for them; returns what was counted.
fn load<'a>(
    restore: &Restore<'a>,
    chosen: &[&EntryLine],
    kept: &BTreeSet<usize>,
    refusals: &Refusals<'_>,
    stop: &Stop,
) -> Result<Recount<'a>, Error> {
    let (manifest, target, meter) = (restore.fetch.manifest, restore.target, restore.fetch.meter);
    let mut recount = None;
    for phase in [Phase::Before, Phase::Data, Phase::After] {
        let own: Vec<&EntryLine> = chosen
            .iter()
            .copied()
            .filter(|e| manifest.members[e.member].phase == phase && !refusals.passes_rows(e))
            .collect();
        let workers = if phase == Phase::Data { target.workers() } else { 1 };
        load_phase(restore, &own, workers, refusals, stop)?;
        if phase == Phase::Before {
            continue;
        }
        if phase == Phase::After && target.counts_early() {
            recount = Some(Recount::new(manifest, target, counted(restore, kept, refusals), stop)?);
        }
        // Indexes and archives of a program are the server's work, however long it takes.
        let _wait = meter.wait("indexes and keys that the server makes");
        finish(target, target.later(), recount.as_ref(), refusals, stop)?;
    }
    target.settle(stop)?;
    let _wait = meter.wait("the rows that the server counts again");
    if let Some(recount) = recount {
        return Ok(recount);
    }
    let recount = Recount::new(manifest, target, counted(restore, kept, refusals), stop)?;
    finish(target, Vec::new(), Some(&recount), refusals, stop)?;
    Ok(recount)
}

/// What follows the recount: nothing that runs by itself is let loose before it, and never where
/// something differs.
fn settle(
    restore: &Restore<'_>,
    compared: Compared,
    refusals: Refusals<'_>,
    stop: &Stop,
) -> Result<Outcome, Error> {
    let target = restore.target;
    refusals.extend(target.refused());
    let wanted: HashSet<&Member> = restore.loading.members.iter().collect();
    let members = restore.fetch.manifest.members.iter().enumerate();
    let (events, others): (Vec<Member>, Vec<Member>) = members
        .filter(|(index, member)| wanted.contains(member) && !refusals.has(*index))
        .map(|(_, member)| member.clone())
        .partition(|member| member.kind == Kind::Event);
    refusals.extend(missing(target, &others, stop)?);
    let Restore { fetch, loading, chosen, .. } = *restore;
    let comparison = Comparison { fetch, target, loading, chosen };
    let Defined { damage, mut noted } =
        definitions::compare(comparison, &refusals, &|m| !runs_by_itself(m), stop)?;
    let mut proven = compared.proven(refusals.is_empty()).filter(|_| damage.is_empty());
    let mut damage = [compared.damage, damage].concat();
    match &proven {
        Some(proven) => {
            refusals.extend(target.release(proven, stop)?);
            refusals.extend(target.refused());
            let there: Vec<Member> =
                events.into_iter().filter(|m| !refusals.names(&what(m))).collect();
            refusals.extend(missing(target, &there, stop)?);
            let own = definitions::compare(comparison, &refusals, &runs_by_itself, stop)?;
            noted.extend(own.noted);
            damage.extend(own.damage);
        }
        None => refusals.extend(target.withhold()),
    }
    proven = proven.filter(|_| damage.is_empty());
    let outcome = Outcome { damage, refused: refusals.into_list(), noted };
    if let Some(proven) = proven.filter(|_| outcome.refused.is_empty()) {
        target.adopt(restore.loading, &proven, stop)?;
    }
    target.finish(stop)?;
    Ok(outcome)
}

/// Whether a member is made last of all, when all is proven.
fn runs_by_itself(member: &Member) -> bool {
    member.kind == Kind::Event || member.class.as_deref() == Some("event trigger")
}

/// Those of the members that are not there, and nobody said why.
fn missing(target: &dyn Target, members: &[Member], stop: &Stop) -> Result<Vec<Refused>, Error> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let missing = target.missing(members, stop)?;
    Ok(missing.iter().map(|member| Refused::new(what(member), "it is not there")).collect())
}

/// What of the choice would not fit the target; reads the definitions, writes nothing.
pub fn preflight(restore: &Restore<'_>, stop: &Stop) -> Result<Vec<Objection>, Error> {
    let manifest = restore.fetch.manifest;
    let mut objections = Vec::new();
    if !restore.target.objects() {
        return Ok(objections);
    }
    let defines = |e: &&EntryLine| {
        restore.chosen[e.member]
            && !matches!(manifest.members[e.member].kind, Kind::Rows | Kind::File | Kind::Settings)
    };
    let definitions: Vec<&EntryLine> = manifest.entries.iter().filter(defines).collect();
    for group in restore.fetch.groups(&definitions) {
        restore.fetch.group(&group, stop, &mut |entry, opened| {
            let load =
                Load { member: &manifest.members[entry.member], offset: 0, bytes: &opened.bytes };
            objections.extend(restore.target.objections(restore.loading, load, stop)?);
            Ok(())
        })?;
    }
    Ok(objections)
}

/// The members, by index, of tables that an interrupted restore had finished: each is recounted
/// now.
fn kept(restore: &Restore<'_>, stop: &Stop) -> Result<BTreeSet<usize>, Error> {
    let manifest = restore.fetch.manifest;
    let proofs: BTreeMap<usize, Proof> = manifest.proofs().into_iter().collect();
    let is_table =
        |e: &&EntryLine| restore.chosen[e.member] && manifest.members[e.member].kind == Kind::Table;
    let definitions: Vec<&EntryLine> = manifest.entries.iter().filter(is_table).collect();
    let groups: Vec<Vec<&EntryLine>> = restore
        .fetch
        .groups(&definitions)
        .iter()
        .flat_map(|g| g.chunks(1).map(<[_]>::to_vec))
        .collect();
    let kept = Mutex::new(BTreeSet::new());
    let failure = FirstFailure::new(stop);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..restore.target.workers().clamp(1, groups.len().max(1)) {
            let (failure, groups, next, kept, proofs) = (&failure, &groups, &next, &kept, &proofs);
            scope.spawn(move || {
                failure.run(|| {
                    while let Some(group) = groups.get(next.fetch_add(1, Ordering::SeqCst)) {
                        restore.fetch.group(group, &failure.stop, &mut |entry, opened| {
                            let member = &manifest.members[entry.member];
                            let is_rows = |m: &Member| {
                                m.kind == Kind::Rows
                                    && (&m.unit, &m.schema, &m.name)
                                        == (&member.unit, &member.schema, &member.name)
                            };
                            let rows = proofs.iter().find(|(i, _)| is_rows(&manifest.members[**i]));
                            let Some((rows, expected)) = rows else { return Ok(()) };
                            let load = Load { member, offset: 0, bytes: &opened.bytes };
                            match restore.target.keeps(worker, load, *expected, &failure.stop) {
                                Ok(false) => {}
                                Ok(true) => kept
                                    .lock()
                                    .expect("no panic while locked")
                                    .extend([entry.member, *rows]),
                                // What can't be looked at is made again.
                                Err(error) if is_refusal(error.kind) => {}
                                Err(error) => return Err(error.into()),
                            }
                            Ok(())
                        })?;
                    }
                    Ok(())
                });
            });
        }
    });
    failure.result()?;
    Ok(kept.into_inner().expect("no panic while locked"))
}

/// The tables that are recounted, and what they should have; those that were kept were counted when
/// the restore began, and those that could not be made have nothing to count.
fn counted(
    restore: &Restore<'_>,
    kept: &BTreeSet<usize>,
    refusals: &Refusals<'_>,
) -> Vec<(usize, Proof)> {
    let mut proofs = restore.fetch.manifest.proofs();
    proofs.retain(|(i, _)| {
        recounts(restore.loading, restore.chosen, *i) && !kept.contains(i) && !refusals.is_lost(*i)
    });
    proofs
}

/// Whether the rows of a member, by its index, are recounted in the target: a restored file brings
/// its tables along, so they are whether or not their SQL was loaded.
pub fn recounts(loading: &Loading, chosen: &[bool], index: usize) -> bool {
    chosen[index] || loading.members.iter().any(|m| m.kind == Kind::File)
}

fn load_phase(
    restore: &Restore<'_>,
    entries: &[&EntryLine],
    workers: usize,
    refusals: &Refusals<'_>,
    stop: &Stop,
) -> Result<(), Error> {
    let failure = FirstFailure::new(stop);
    let groups = restore.fetch.groups(entries);
    let offsets = file_offsets(restore, entries);
    let weights: Vec<u64> = groups.iter().map(|group| group.iter().map(|e| e.raw).sum()).collect();
    let count = workers.clamp(1, groups.len().max(1));
    let shares = WorkShares::new(&weights, count);
    std::thread::scope(|scope| {
        for worker in 0..count {
            let (failure, groups, shares, offsets) = (&failure, &groups, &shares, &offsets);
            // The next entry is fetched and opened while the target takes this one.
            let (ready, opened) = bounded(1);
            scope.spawn(move || {
                failure.run(|| {
                    while let Some(number) = shares.take(worker) {
                        failure.stop.check()?;
                        let mut hand_on =
                            |entry, opened| ready.send((entry, opened)).map_err(|_| Error::Stopped);
                        restore.fetch.group(&groups[number], &failure.stop, &mut hand_on)?;
                    }
                    Ok(())
                });
                drop(ready);
            });
            let (manifest, target) = (restore.fetch.manifest, restore.target);
            let loader = Loader { manifest, target, refusals, worker, stop: &failure.stop };
            scope.spawn(move || {
                failure.run(|| {
                    for (entry, Opened { bytes, huge }) in &opened {
                        let offset = offsets.get(&entry.offset).copied().unwrap_or(0);
                        loader.take(entry, offset, bytes)?;
                        drop(huge);
                    }
                    Ok(())
                });
                // Only now: who hands on to nobody is an echo of the failure that has been noted.
                drop(opened);
            });
        }
    });
    failure.result()
}

/// Where each chunk of a file stands in the file, by the chunk's offset in the container.
fn file_offsets(restore: &Restore<'_>, entries: &[&EntryLine]) -> BTreeMap<u64, u64> {
    let members = &restore.fetch.manifest.members;
    let mut chunks: Vec<&EntryLine> =
        entries.iter().copied().filter(|e| members[e.member].kind == Kind::File).collect();
    chunks.sort_by_key(|e| (e.member, e.number));
    let (mut offsets, mut at, mut member) = (BTreeMap::new(), 0, usize::MAX);
    for chunk in chunks {
        if chunk.member != member {
            (member, at) = (chunk.member, 0);
        }
        offsets.insert(chunk.offset, at);
        at += chunk.raw;
    }
    offsets
}
