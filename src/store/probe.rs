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
    let wrong = |looked: &str, error: &Error, advice: &str| {
        Finding::error(looked, error.found.clone(), advice)
    };
    if let Err(error) = store.put(key, BYTES, stop) {
        let advice = "Give the user of the job file the right to write here.";
        return vec![wrong("writing", &error, advice)];
    }
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
    match store.put(key, b"again", stop) {
        Err(error) if error.kind == ErrorKind::Exists => {}
        Err(error) => found.push(wrong(
            "conditional create",
            &error,
            "Two runs may take one name; give each its own prefix.",
        )),
        Ok(()) => found.push(Finding::alert(
            "conditional create",
            "the store replaced an object that was there",
            "Two runs may take one name; give each its own prefix.",
        )),
    }
    match store.remove(key, stop).and_then(|()| store.size(key, stop)) {
        Ok(None) => {}
        Ok(Some(_)) => {
            found.push(Finding::error(
                "removing",
                format!("{key} is still there"),
                "Retention can't remove; remove it by hand.",
            ));
        }
        Err(error) => {
            let advice = format!(
                "Retention can't remove here; give the right to, and remove {key} by hand."
            );
            found.push(Finding::alert("removing", error.found, advice));
        }
    }
    if found.is_empty() {
        found.push(Finding::ok("probe", "written, read back, listed, not replaced, removed"));
    }
    found
}
