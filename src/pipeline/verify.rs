//! `fetch → open → digest`: reads an artifact back and recounts its rows; loads nothing.
//!
//! All damage is collected, so that one bad entry does not hide another; only a store that can't be
//! read, or a stop, ends it early.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::artifact::{
    Damage, Dialect, EntryLine, Kind, Proof, RowDigest, SqlError, copy_proof, read_rows,
};
use crate::base::Stop;
use crate::pipeline::fetch::Fetch;
use crate::pipeline::stage::{Error, FirstFailure};
use crate::store::contract::ErrorKind;

/// Verifies all of an artifact with so many threads; returns what is damaged.
pub fn verify(
    fetch: &Fetch<'_>,
    dialect: Dialect,
    threads: usize,
    stop: &Stop,
) -> Result<Vec<Damage>, Error> {
    let all = vec![true; fetch.manifest.members.len()];
    let mut damage = read_back(fetch, &all, dialect, threads, stop)?;
    match fetch.tail(stop) {
        Ok(found) => damage.extend(found),
        Err(Error::Store(error)) if error.kind == ErrorKind::Damaged => {
            damage.push(Damage::Object(error.to_string()))
        }
        Err(other) => return Err(other),
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
    fetch.meter.expect(entries.iter().map(|e| e.raw).sum());
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
    let whole = fetch.group(group, stop, &mut |entry, raw| {
        check_rows(fetch, entry, &raw, dialect)?;
        done += 1;
        Ok(())
    });
    match whole {
        Ok(()) => Ok(()),
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
    let show = |p: Proof| format!("{} rows with digest {}", p.rows, p.digest);
    Err(Damage::Rows {
        title: format!("{} ({})", member.title(), entry.name),
        expected: show(expected),
        found: show(found),
    })
}

/// Rows and digest of the `INSERT`s or the `COPY` of an entry.
fn digest(dialect: Dialect, raw: &[u8]) -> Result<Proof, SqlError> {
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
