//! The store's own identity: an object `vex.json` at its root, made by the first run that writes
//! there.
//!
//! A store that was replaced by another of the same address, or an empty mount point, has another
//! ID than before; whoever keeps history notices.

use serde::{Deserialize, Serialize};

use crate::base::Stop;
use crate::store::contract::{Error, ErrorKind, Store};

/// The name of the object.
pub const STORE_OBJECT: &str = "vex.json";

/// The format of the object.
const FORMAT: u64 = 1;

/// Largest such object, in bytes.
const LARGEST: u64 = 4 << 10;

#[derive(Serialize, Deserialize)]
struct Identity {
    format: u64,
    id: String,
}

/// The ID of the store under `root`, which is empty or ends in `/`; `fresh` where it has none yet.
pub fn store_id(store: &dyn Store, root: &str, fresh: &str, stop: &Stop) -> Result<String, Error> {
    let key = format!("{root}{STORE_OBJECT}");
    match read(store, &key, stop) {
        Err(error) if error.kind == ErrorKind::Missing => {}
        found => return found,
    }
    let own = Identity { format: FORMAT, id: fresh.to_owned() };
    let mut bytes = serde_json::to_vec(&own).expect("BUG: an identity that is not JSON");
    bytes.push(b'\n');
    match store.put(&key, &bytes, stop) {
        Ok(()) => Ok(own.id),
        // Another writer was faster.
        Err(error) if error.kind == ErrorKind::Exists => read(store, &key, stop),
        Err(error) => Err(error),
    }
}

fn read(store: &dyn Store, key: &str, stop: &Stop) -> Result<String, Error> {
    let bytes = store.read_small(key, LARGEST, stop)?;
    let identity: Identity = serde_json::from_slice(&bytes).map_err(|e| {
        Error::new(ErrorKind::Failed, format!("read {key} in {}", store.place()), e.to_string())
    })?;
    Ok(identity.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;

    #[test]
    fn the_first_writer_names_a_store_and_others_keep_its_name() {
        let (store, stop) = (Memory::new(), Stop::new());
        assert_eq!(store_id(&store, "p/", "a", &stop).expect("written"), "a");
        assert_eq!(store_id(&store, "p/", "b", &stop).expect("read"), "a");
        assert_eq!(store_id(&store, "", "c", &stop).expect("written"), "c");
        store.remove("vex.json", &stop).expect("removed");
        store.put("vex.json", b"somebody else's", &stop).expect("written");
        assert!(store_id(&store, "", "d", &stop).is_err(), "it is left alone");
    }
}
