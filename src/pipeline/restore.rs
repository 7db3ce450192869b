//! `fetch → open → load`: *before* in order, *data* on all connections, what waited for the rows,
//! then *after* in order and what waited for that.
//!
//! Knows a target, not which server it is. Nothing counts as restored before the target recounted
//! it. A view or routine that the target refuses does not keep the rest away: it is listed at the
//! end, and the restore is incomplete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::bounded;

use crate::artifact::{Damage, EntryLine, Kind, Member, Phase, Proof};
use crate::base::Stop;
use crate::pipeline::fetch::Fetch;
use crate::pipeline::recount::Recount;
use crate::pipeline::rounds::finish;
use crate::pipeline::shares::WorkShares;
use crate::pipeline::stage::{Error, FirstFailure};
use crate::source::contract::{ErrorKind, Load, Loading, Objection, Target};

/// What is to be restored.
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

/// Restores and recounts; returns every difference from the manifest.
pub fn restore(restore: &Restore<'_>, stop: &Stop) -> Result<Vec<Damage>, Error> {
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
    restore.fetch.meter.expect(chosen.iter().map(|e| e.raw).sum());
    if restore.loading.resume {
        let mut rest = Loading { overwrite: true, ..restore.loading.clone() };
        rest.members.retain(|m| !is_kept(m));
        restore.target.prepare(&rest, stop)?;
    } else {
        restore.target.prepare(restore.loading, stop)?;
    }
    let left = Mutex::new(Vec::new());
    let mut recount = None;
    for phase in [Phase::Before, Phase::Data, Phase::After] {
        let own: Vec<&EntryLine> =
            chosen.iter().copied().filter(|e| manifest.members[e.member].phase == phase).collect();
        load_phase(
            restore,
            &own,
            if phase == Phase::Data { restore.target.workers() } else { 1 },
            &left,
            stop,
        )?;
        if phase == Phase::Before {
            continue;
        }
        if phase == Phase::After && restore.target.counts_early() {
            recount = Some(Recount::new(manifest, restore.target, counted(restore, &kept), stop)?);
        }
        // Indexes and archives of a program are the server's work, however long it takes.
        restore.fetch.meter.wait();
        finish(restore.target, restore.target.later(), recount.as_ref(), &left, stop)?;
        restore.fetch.meter.go_on();
    }
    restore.target.settle(stop)?;
    restore.fetch.meter.wait();
    let recount = match recount {
        Some(recount) => recount,
        None => {
            let recount = Recount::new(manifest, restore.target, counted(restore, &kept), stop)?;
            finish(restore.target, Vec::new(), Some(&recount), &left, stop)?;
            recount
        }
    };
    let mut damage = left.into_inner().expect("no panic while locked");
    damage.extend(recount.differences());
    let refused = restore.target.release(stop)?;
    damage.extend(refused.into_iter().map(|r| Damage::Left { what: r.what, why: r.why }));
    for member in restore.target.missing(&restore.loading.members, stop)? {
        let what = what(&member);
        if !damage.iter().any(|d| matches!(d, Damage::Left { what: own, .. } if *own == what)) {
            damage.push(Damage::Left { what, why: "it is not there".into() });
        }
    }
    if damage.is_empty() {
        restore.target.adopt(restore.loading, stop)?;
    }
    Ok(damage)
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
        restore.fetch.group(&group, stop, &mut |entry, bytes| {
            let load = Load { member: &manifest.members[entry.member], offset: 0, bytes: &bytes };
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
                        restore.fetch.group(group, &failure.stop, &mut |entry, bytes| {
                            let member = &manifest.members[entry.member];
                            let is_rows = |m: &Member| {
                                m.kind == Kind::Rows
                                    && (&m.unit, &m.schema, &m.name)
                                        == (&member.unit, &member.schema, &member.name)
                            };
                            let rows = proofs.iter().find(|(i, _)| is_rows(&manifest.members[**i]));
                            let Some((rows, expected)) = rows else { return Ok(()) };
                            let load = Load { member, offset: 0, bytes: &bytes };
                            if restore.target.keeps(worker, load, *expected, &failure.stop)? {
                                kept.lock()
                                    .expect("no panic while locked")
                                    .extend([entry.member, *rows]);
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
/// the restore began.
fn counted(restore: &Restore<'_>, kept: &BTreeSet<usize>) -> Vec<(usize, Proof)> {
    let proofs = restore.fetch.manifest.proofs().into_iter();
    proofs
        .filter(|(i, _)| recounts(restore.loading, restore.chosen, *i) && !kept.contains(i))
        .collect()
}

/// Whether the rows of a member, by its index, are recounted in the target: a restored file brings
/// its tables along, so they are whether or not their SQL was loaded.
pub fn recounts(loading: &Loading, chosen: &[bool], index: usize) -> bool {
    chosen[index] || loading.members.iter().any(|m| m.kind == Kind::File)
}

fn what(member: &Member) -> String {
    format!("{} {}", member.kind.word(), member.title())
}

fn load_phase(
    restore: &Restore<'_>,
    entries: &[&EntryLine],
    workers: usize,
    left: &Mutex<Vec<Damage>>,
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
                            |entry, bytes| ready.send((entry, bytes)).map_err(|_| Error::Stopped);
                        restore.fetch.group(&groups[number], &failure.stop, &mut hand_on)?;
                    }
                    Ok(())
                });
                drop(ready);
            });
            scope.spawn(move || {
                failure.run(|| {
                    for (entry, bytes) in &opened {
                        failure.stop.check()?;
                        let member = &restore.fetch.manifest.members[entry.member];
                        let offset = offsets.get(&entry.offset).copied().unwrap_or(0);
                        match restore.target.load(
                            worker,
                            Load { member, offset, bytes: &bytes },
                            &failure.stop,
                        ) {
                            Err(error)
                                if member.phase == Phase::After
                                    && matches!(
                                        error.kind,
                                        ErrorKind::Failed | ErrorKind::Denied
                                    ) =>
                            {
                                let line = Damage::Left { what: what(member), why: error.found };
                                left.lock().expect("no panic while locked").push(line);
                            }
                            other => other?,
                        }
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
