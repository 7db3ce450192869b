//! The probe of a store: one small object, written, read back, listed, refused a second time,
//! removed.
//!
//! Knows the contract only. The key is no name that a backup or its sidecars can have, so retention
//! never meets it.

use crate::base::{Finding, Stop};
use crate::store::contract::{Error, ErrorKind, Store};

/// What the probe holds.
const BYTES: &[u8] = b"vex doctor was here; this object may be removed\n";

/// Probes a store with an object at `key`; an object that could not be removed is named.
pub fn probe(store: &dyn Store, key: &str, stop: &Stop) -> Vec<Finding> {
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
    found
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
    let (looked, advice) =
        ("conditional create", "Two runs may take one name; give each its own prefix.");
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
