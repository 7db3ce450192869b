//! `fetch → open → digest`: reads an artifact back and recounts its rows; loads nothing.
//!
//! All damage is collected, so that one bad entry does not hide another; only a store that can't be
//! read, a password that does not fit, or a stop, ends it early.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::artifact::{
    Damage, Dialect, EntryLine, Kind, Manifest, ObjectLine, Proof, RowDigest, SqlError, copy_proof,
    follows, read_rows,
};
use crate::base::Stop;
use crate::pipeline::fetch::Fetch;
use crate::pipeline::stage::{Error, FirstFailure};
use crate::store::contract::ErrorKind;

/// The entries of an artifact, stretch after stretch, so that memory does not grow with it.
pub trait Windows: Sync {
    /// The manifest without entries.
    fn bare(&self) -> &Manifest;

    /// How many stretches there are.
    fn count(&self) -> usize;

    /// The manifest with the entries of stretch `number`, which follow each other without gaps.
    fn window(&self, number: usize, stop: &Stop) -> Result<Manifest, Error>;
}

/// Verifies all of an artifact with so many threads; `fetch` is of its manifest without entries.
/// Returns what is damaged.
pub fn verify(
    fetch: &Fetch<'_>,
    windows: &dyn Windows,
    dialect: Dialect,
    threads: usize,
    stop: &Stop,
) -> Result<Vec<Damage>, Error> {
    let all = vec![true; fetch.manifest.members.len()];
    let mut sums = vec![Proof::default(); all.len()];
    // Where the next stretch begins; unknown after one whose lines are lost.
    let (mut damage, mut end, mut lost) = (Vec::new(), Some(0), false);
    let is_listed = !fetch.manifest.head.objects.is_empty();
    fetch.meter.expect(fetch.manifest.head.totals.raw);
    for number in 0..windows.count() {
        let manifest = match found(windows.window(number, stop))? {
            Ok(manifest) => manifest,
            Err(found) => {
                damage.push(found);
                (end, lost) = (None, true);
                continue;
            }
        };
        let own = Fetch { manifest: &manifest, ..*fetch };
        // A lone container tells where its entries are by its directory, which has no gaps to hide.
        if is_listed {
            let from = end.unwrap_or_else(|| manifest.entries.first().map_or(0, |e| e.offset));
            match follows(&manifest.entries, &manifest.contents, from) {
                Ok(after) => end = Some(after),
                Err(found) => {
                    damage.push(Damage::Manifest(found));
                    return Ok(damage);
                }
            }
        }
        for entry in &manifest.entries {
            sums[entry.member] += entry.rows.unwrap_or_default();
        }
        damage.extend(read_back(&own, &all, dialect, threads, stop)?);
        damage.extend(contents(&own, stop)?);
    }
    for (index, proof) in fetch.manifest.proofs() {
        if !lost && proof != sums[index] {
            let title = fetch.manifest.members[index].title();
            let (expected, found) = (show(proof), format!("entries with {}", show(sums[index])));
            damage.push(Damage::Rows { title, expected, found });
        }
    }
    let is_tail = |o: &ObjectLine| end.is_none_or(|end| o.tail_from == end);
    if !fetch.manifest.head.objects.iter().all(is_tail) {
        damage.push(Damage::Manifest("its tail does not follow the last entry".into()));
    }
    match found(fetch.tail(stop))? {
        Ok(found) => damage.extend(found),
        Err(found) => damage.push(found),
    }
    Ok(damage)
}

/// Tells damage, which is a finding, from what ends a verification.
fn found<T>(result: Result<T, Error>) -> Result<Result<T, Damage>, Error> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(sealed @ Error::Damage(Damage::Sealed { .. })) => Err(sealed),
        Err(Error::Damage(found)) => Ok(Err(found)),
        Err(Error::Store(error)) if error.kind == ErrorKind::Damaged => {
            Ok(Err(Damage::Object(error.to_string())))
        }
        Err(other) => Err(other),
    }
}

/// Checks the entries that hold lines of the index: they say what the index beside them says.
fn contents(fetch: &Fetch<'_>, stop: &Stop) -> Result<Vec<Damage>, Error> {
    let mut damage = Vec::new();
    let mut entries = fetch.manifest.entries.as_slice();
    for line in &fetch.manifest.contents {
        stop.check()?;
        let before = entries.partition_point(|e| e.offset < line.offset);
        let (own, later) = entries.split_at(before);
        entries = later;
        match found(fetch.contents(line, stop))? {
            Ok(told) => {
                let plain = |e: &EntryLine| EntryLine { keys: None, ..e.clone() };
                if !told.iter().map(plain).eq(own.iter().map(plain)) {
                    let found = "it is not what the index says";
                    damage.push(Damage::entry(&line.contents, found));
                }
            }
            Err(found) => damage.push(found),
        }
    }
    Ok(damage)
}

/// Verifies the entries of the chosen members, by their index; returns what is damaged.
pub fn read_back(
    fetch: &Fetch<'_>,
    chosen: &[bool],
    dialect: Dialect,
    threads: usize,
    stop: &Stop,
) -> Result<Vec<Damage>, Error> {
    let failure = FirstFailure::new(stop);
    let entries: Vec<&EntryLine> =
        fetch.manifest.entries.iter().filter(|e| chosen[e.member]).collect();
    let groups = fetch.groups(&entries);
    let (next, damage) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, groups.len().max(1)) {
            scope.spawn(|| {
                failure.run(|| {
                    while let Some(group) = groups.get(next.fetch_add(1, Ordering::SeqCst)) {
                        failure.stop.check()?;
                        verify_group(fetch, group, dialect, &damage, &failure.stop)?;
                    }
                    Ok(())
                });
            });
        }
    });
    failure.result()?;
    Ok(damage.into_inner().expect("no panic while locked"))
}

/// A damaged entry ends its request; the entries after it are then fetched one by one.
fn verify_group(
    fetch: &Fetch<'_>,
    group: &[&EntryLine],
    dialect: Dialect,
    damage: &Mutex<Vec<Damage>>,
    stop: &Stop,
) -> Result<(), Error> {
    let mut done = 0;
    let is_rows = |entry: &EntryLine| fetch.manifest.members[entry.member].kind == Kind::Rows;
    let whole = fetch.group_needing(group, &is_rows, stop, &mut |entry, opened| {
        check_rows(fetch, entry, &opened.bytes, dialect)?;
        done += 1;
        Ok(())
    });
    match whole {
        Ok(()) => Ok(()),
        // What the password does not open says nothing of what is sealed.
        Err(sealed @ Error::Damage(Damage::Sealed { .. })) => Err(sealed),
        Err(Error::Damage(found)) => {
            damage.lock().expect("no panic while locked").push(found);
            verify_group(fetch, &group[done + 1..], dialect, damage, stop)
        }
        Err(Error::Store(error)) if error.kind == ErrorKind::Damaged => {
            damage.lock().expect("no panic while locked").push(Damage::Object(error.to_string()));
            Ok(())
        }
        Err(other) => Err(other),
    }
}

fn check_rows(
    fetch: &Fetch<'_>,
    entry: &EntryLine,
    raw: &[u8],
    dialect: Dialect,
) -> Result<(), Damage> {
    let member = &fetch.manifest.members[entry.member];
    if member.kind != Kind::Rows {
        return Ok(());
    }
    let expected = entry
        .rows
        .ok_or_else(|| Damage::entry(&entry.name, "the manifest does not count its rows"))?;
    let found = rayon::scope(|_| digest(dialect, raw))
        .map_err(|e| Damage::entry(&entry.name, e.to_string()))?;
    if found == expected {
        return Ok(());
    }
    Err(Damage::Rows {
        title: format!("{} ({})", member.title(), entry.name),
        expected: show(expected),
        found: show(found),
    })
}

fn show(proof: Proof) -> String {
    format!("{} rows with digest {}", proof.rows, proof.digest)
}

/// Rows and digest of the `INSERT`s or the `COPY` of an entry.
pub fn digest(dialect: Dialect, raw: &[u8]) -> Result<Proof, SqlError> {
    if dialect == Dialect::Postgres {
        return copy_proof(raw);
    }
    let mut digest = RowDigest::new();
    read_rows(dialect, raw, &mut |_, values| {
        for value in values {
            let (tag, bytes) = value.parts();
            digest.value(tag, bytes);
        }
        digest.end_row();
        Ok::<(), SqlError>(())
    })?;
    Ok(digest.take())
}
