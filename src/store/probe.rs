//! The probe of a store: one small object, written, read back, listed, refused a second time,
//! removed; a large one that is begun and given up, which nobody may ever see; and two of one key,
//! of which one is put together of parts that came in no order, and the other must be refused.
//!
//! Knows the contract only, and believes no limits of a store that it can try. The keys are no names
//! that a backup or its sidecars can have, so retention never meets them.

use crate::base::{Finding, Grade, Stop};
use crate::store::contract::{Coming, Error, ErrorKind, Limits, Store, Upload};

/// What the probe holds.
const BYTES: &[u8] = b"vex doctor was here; this object may be removed\n";

/// Largest part that a probe sends.
const PROBED: u64 = 16 << 20;

/// Probes a store with an object at `key`; an object that could not be removed is named.
pub fn probe(store: &dyn Store, key: &str, coming: &Coming, stop: &Stop) -> Vec<Finding> {
    if let Err(error) = store.put(key, BYTES, stop) {
        let advice = "Give the user of the job file the right to write here.";
        return vec![wrong("writing", &error, advice)];
    }
    let mut found = seen(store, key, stop);
    found.extend(not_replaced(store, key, stop));
    found.extend(removed(store, key, stop));
    if found.is_empty() {
        found.push(Finding::ok("probe", "written, read back, listed, not replaced, removed"));
    }
    found.push(large(store, &format!("{key}-large"), stop));
    found.extend(in_parts(store, &format!("{key}-parts"), stop));
    let limits = store.limits();
    found.push(Finding::ok("limits", limits.shown()));
    found.extend(limits.holds(coming.largest));
    found
}

/// Two uploads of one key: one is put together of two parts, the second of which comes first; the
/// other ends later and must be refused.
fn in_parts(store: &dyn Store, key: &str, stop: &Stop) -> Vec<Finding> {
    let limits = store.limits();
    if limits.least > PROBED {
        return Vec::new();
    }
    let both = store.create(key, stop).and_then(|first| Ok((first, store.create(key, stop)?)));
    let (first, second) = match both {
        Ok(both) => both,
        Err(error) => return vec![wrong("two writers", &error, TWO)],
    };
    let mut found = vec![put_together(store, key, first, &limits, stop)];
    // Only what is there can be in the way of another.
    match found[0].grade {
        Grade::Ok => found.push(refused(store, second, stop)),
        Grade::Alert | Grade::Error => drop(second.abort()),
    }
    found.extend(removed(store, key, stop));
    found
}

/// What two writers of one name need.
const TWO: &str = "Two runs may take one name; give each its own prefix.";

fn put_together(
    store: &dyn Store,
    key: &str,
    upload: Box<dyn Upload>,
    limits: &Limits,
    stop: &Stop,
) -> Finding {
    let looked = "parts";
    let advice = "Use another store: large backups can't be put together here.";
    let least = limits.least.max(2);
    let body: Vec<u8> = (0..least).map(|at| (at % 251) as u8).collect();
    let sent = upload.part(2, least, BYTES, stop).and_then(|()| upload.part(1, 0, &body, stop));
    let made = sent.and_then(|()| upload.finish(least + BYTES.len() as u64));
    let joint = least - 1..least + 2;
    match made.and_then(|()| store.read(key, Some(joint), stop)) {
        Ok(read) if read == [body[body.len() - 1], BYTES[0], BYTES[1]] => {
            Finding::ok(looked, "two parts, the second sent first, came together in order")
        }
        Ok(_) => Finding::error(looked, "two parts did not come together in order", advice),
        Err(error) => wrong(looked, &error, advice),
    }
}

/// Whether the later of two uploads is refused.
fn refused(store: &dyn Store, upload: Box<dyn Upload>, stop: &Stop) -> Finding {
    let looked = "two writers";
    let ended = upload.part(1, 0, BYTES, stop).and_then(|()| upload.finish(BYTES.len() as u64));
    // A store is known to know no conditions only once it refused one.
    match (ended, store.limits().conditional.is_kept()) {
        (Err(error), _) if error.kind != ErrorKind::Exists => wrong(looked, &error, TWO),
        (Err(_), true) => Finding::ok(looked, "of two who wrote one name, one was refused"),
        (Err(_), false) => {
            let found = "of two who wrote one name, one was refused, as vex looked before it wrote; between look and write another may come";
            Finding::alert(looked, found, TWO)
        }
        (Ok(()), true) => {
            let found = "the store says that it refuses a name that is taken, and replaced an object that was there";
            Finding::alert(looked, found, TWO)
        }
        (Ok(()), false) => {
            Finding::alert(looked, "the store replaced an object that was there", TWO)
        }
    }
}

/// Whether a large object can be begun and given up, and is seen by nobody before its end.
fn large(store: &dyn Store, key: &str, stop: &Stop) -> Finding {
    let looked = "large objects";
    let advice = "Give the right to write objects in parts and to give them up (S3: AbortMultipartUpload): a backup is one.";
    let upload = match store.create(key, stop) {
        Ok(upload) => upload,
        Err(error) => return wrong(looked, &error, advice),
    };
    let sent = upload.part(1, 0, BYTES, stop);
    let seen = store.size(key, stop);
    let given_up = upload.abort();
    match sent.and(given_up).and(seen) {
        Ok(None) => Finding::ok(looked, "begun, seen by nobody before its end, and given up"),
        Ok(Some(_)) => Finding::error(
            looked,
            "an object can be seen before it is whole",
            "Use another store: what a killed run leaves there looks like a backup.",
        ),
        Err(error) => wrong(looked, &error, advice),
    }
}

fn wrong(looked: &str, error: &Error, advice: &str) -> Finding {
    Finding::error(looked, error.found.clone(), advice)
}

/// Whether the object can be read and listed.
fn seen(store: &dyn Store, key: &str, stop: &Stop) -> Vec<Finding> {
    let mut found = Vec::new();
    match store.read(key, None, stop) {
        Ok(bytes) if bytes == BYTES => {}
        Ok(_) => found.push(Finding::error(
            "reading",
            "what came back is not what was sent",
            "Check the store's disk.",
        )),
        Err(error) => found.push(wrong(
            "reading",
            &error,
            "Give the right to read: verify and restore need it.",
        )),
    }
    match store.list(key, stop) {
        Ok(objects) if objects.iter().any(|o| o.key == key && o.bytes == BYTES.len() as u64) => {}
        Ok(_) => found.push(Finding::error(
            "listing",
            "an object that was just written is not listed",
            "Wait, and ask again.",
        )),
        Err(error) => found.push(wrong(
            "listing",
            &error,
            "Give the right to list: retention and restore need it.",
        )),
    }
    found
}

/// Whether an object that is there stays what it is.
fn not_replaced(store: &dyn Store, key: &str, stop: &Stop) -> Option<Finding> {
    let (looked, advice) = ("conditional create", TWO);
    match store.put(key, b"again", stop) {
        Err(error) if error.kind == ErrorKind::Exists => None,
        Err(error) => Some(wrong(looked, &error, advice)),
        Ok(()) => {
            Some(Finding::alert(looked, "the store replaced an object that was there", advice))
        }
    }
}

/// Whether the object can be removed.
fn removed(store: &dyn Store, key: &str, stop: &Stop) -> Option<Finding> {
    match store.remove(key, stop).and_then(|()| store.size(key, stop)) {
        Ok(None) => None,
        Ok(Some(_)) => Some(Finding::error(
            "removing",
            format!("{key} is still there"),
            "Retention can't remove; remove it by hand.",
        )),
        Err(error) => {
            let advice = format!(
                "Retention can't remove here; give the right to, and remove {key} by hand."
            );
            Some(Finding::alert("removing", error.found, advice))
        }
    }
}
