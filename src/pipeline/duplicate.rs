//! An artifact goes from one store to another, byte for byte.
//!
//! Knows heads and uploads, nothing of jobs. Invariant: what was sent has the sizes and hashes that
//! the head says, or there is no copy: damage of one store is never carried into another. Memory:
//! the parts that are on their way.

use sha2::{Digest, Sha256};

use crate::artifact::{Damage, Head, INDEX, hex};
use crate::base::Stop;
use crate::pipeline::join::Part;
use crate::pipeline::meter::Meter;
use crate::pipeline::permits::{BufferPool, Permits};
use crate::pipeline::send::{Copies, Copy, Made};
use crate::pipeline::shape::{DEPTH, PART, first_part, part_size};
use crate::pipeline::stage::{Error, FirstFailure};
use crate::store::contract::{self as store, Store};

/// Reads container and index of an artifact, and sends both; they are handed back unfinished, so
/// that only the shelf commits.
pub fn duplicate(
    from: &dyn Store,
    head: &Head,
    copy: Copy,
    meter: &Meter,
    stop: &Stop,
) -> Result<Result<Made, store::Error>, Error> {
    let failure = FirstFailure::new(stop);
    let permits = Permits::new(copy.lanes.max(1) + DEPTH + 1);
    let (copies, outlets, mut index_out) = Copies::new(vec![copy]);
    let mut indexes = None;
    std::thread::scope(|scope| {
        copies.start(scope, meter, &failure);
        failure.run(|| {
            let buffers = BufferPool::new(permits.size(), 0);
            let mut number = 0;
            let mut take = |at, bytes: Vec<u8>| {
                number += 1;
                let permit = permits.take(&failure.stop)?;
                let part = Part::new((number, at), bytes, buffers.clone(), permit);
                outlets.send(part, &failure.stop)
            };
            container(from, head, meter, &mut take, &failure.stop)?;
            let mut take = |_, bytes: Vec<u8>| {
                index_out.write(&bytes, &failure.stop);
                Ok(())
            };
            index(from, head, meter, &mut take, &failure.stop)?;
            indexes = Some(index_out.finish(&failure.stop));
            Ok(())
        });
        // The lanes end when the last part is theirs.
        drop(outlets);
    });
    if let Err(error) = failure.result() {
        let lost = copies.abort();
        return Err(match error {
            Error::NoStore(_) => Error::NoStore(lost.into_iter().flatten().collect()),
            error => error,
        });
    }
    let indexes = indexes.ok_or_else(|| Error::Panic("a copy ended without its index".into()))?;
    let made = copies.finish(indexes).pop();
    made.ok_or_else(|| Error::Panic("a copy ended without its upload".into()))
}

/// Reads container and index of an artifact and compares their hashes with its head: all that can be
/// proven of what nobody here can open.
pub fn hashed(
    from: &dyn Store,
    head: &Head,
    meter: &Meter,
    stop: &Stop,
) -> Result<Vec<Damage>, Error> {
    let mut drop_it = |_, _| Ok(());
    let mut damage = Vec::new();
    for part in [container, index] {
        match part(from, head, meter, &mut drop_it, stop) {
            Ok(()) => {}
            // Twice the same: it is so in the store, and not of the way.
            Err(Error::Damage(_)) => match part(from, head, meter, &mut drop_it, stop) {
                Err(Error::Damage(found)) => damage.push(found),
                again => again?,
            },
            Err(error) => return Err(error),
        }
    }
    Ok(damage)
}

/// What takes the bytes of an object, by where they stand in it.
type Take<'a> = dyn FnMut(u64, Vec<u8>) -> Result<(), Error> + 'a;

/// Reads a container, which must have the hash that its head says.
fn container(
    from: &dyn Store,
    head: &Head,
    meter: &Meter,
    take: &mut Take<'_>,
    stop: &Stop,
) -> Result<(), Error> {
    let first = first_part(head.bytes().saturating_mul(2));
    let expected = head.objects.first().map(|o| o.sha256.as_str()).unwrap_or_default();
    let object = (head.key.as_str(), head.bytes());
    let sha256 = read_all(from, object, &|n| part_size(first, n), meter, take, stop)?;
    has_hash(&head.key, &sha256, expected)
}

/// Reads an index, which must have the hash that its head says.
fn index(
    from: &dyn Store,
    head: &Head,
    meter: &Meter,
    take: &mut Take<'_>,
    stop: &Stop,
) -> Result<(), Error> {
    let none = || Damage::Manifest("it names no index, as formats 1 to 3 do".into());
    let index = head.index.as_ref().ok_or_else(none)?;
    let key = format!("{}{INDEX}", head.key);
    let sha256 = read_all(from, (&key, index.bytes), &|_| PART, meter, take, stop)?;
    has_hash(&key, &sha256, &index.sha256)
}

/// Reads an object from its beginning to its end; returns its SHA-256.
fn read_all(
    from: &dyn Store,
    (key, end): (&str, u64),
    size: &dyn Fn(u32) -> u64,
    meter: &Meter,
    take: &mut Take<'_>,
    stop: &Stop,
) -> Result<String, Error> {
    let (mut hash, mut at, mut number) = (Sha256::new(), 0, 0);
    while at < end {
        number += 1;
        let next = end.min(at + size(number));
        let bytes = from.read(key, Some(at..next), stop)?;
        hash.update(&bytes);
        meter.stored(bytes.len() as u64);
        take(at, bytes)?;
        at = next;
    }
    Ok(hex(&hash.finalize()))
}

fn has_hash(key: &str, found: &str, expected: &str) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => {
            Err(Damage::Object(format!("{key} has SHA-256 {found} instead of {expected}")).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::pipeline::index::IndexMade;
    use crate::store::Memory;

    fn head(container: &[u8], index: &[u8]) -> Head {
        let text = include_bytes!("../../tests/fixtures/head.json");
        let mut head = Head::parse(text).expect("a head");
        head.key = "a.zip".into();
        head.objects[0].bytes = container.len() as u64;
        head.objects[0].sha256 = hex(&Sha256::digest(container));
        let line = head.index.as_mut().expect("an index");
        (line.bytes, line.sha256) = (index.len() as u64, hex(&Sha256::digest(index)));
        head
    }

    #[test]
    fn what_arrives_is_what_the_head_says_or_nothing() {
        let (from, to, stop) = (Memory::new(), Arc::new(Memory::new()), Stop::new());
        let container: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
        from.put("a.zip", &container, &stop).expect("written");
        from.put("a.zip.index", b"frames", &stop).expect("written");
        let copy = |key: &str| {
            let (index, store) = (format!("{key}.index"), to.clone());
            Copy {
                upload: to.create(key, &Stop::new()).expect("begun"),
                lanes: 2,
                rate: None,
                index: Box::new(move || store.create(&index, &Stop::new())),
            }
        };
        let good = head(&container, b"frames");
        let made = duplicate(&from, &good, copy("b.zip"), &Meter::default(), &stop);
        let made = made.expect("sent").expect("whole");
        assert!(matches!(made.index, IndexMade::Small(bytes) if *bytes == b"frames"));
        made.container.finish(good.bytes()).expect("whole");
        assert_eq!(to.read("b.zip", None, &stop).expect("read"), container);
        let mut bad = good.clone();
        bad.objects[0].sha256 = "0".repeat(64);
        let mut other = good;
        other.index.as_mut().expect("an index").sha256 = "0".repeat(64);
        for wrong in [bad, other] {
            let made = duplicate(&from, &wrong, copy("c.zip"), &Meter::default(), &stop);
            assert!(matches!(made, Err(Error::Damage(Damage::Object(_)))));
            assert_eq!(to.size("c.zip", &stop).expect("looked up"), None);
        }
    }
}
